/* The prefix macros of ops.def that are alike for float and double, where NUMBER is defined, and those that are alike
   for integers too. prefix_none.h takes them back. */
#ifdef NUMBER
#define ZERO NUMBER(0)
#define ONE NUMBER(1)
#define TWO NUMBER(2)
#define HALF NUMBER(0.5)
#define GRAD_NONE ZERO

#define ADD(x, y) ((x) + (y))
#define SUB(x, y) ((x) - (y))
#define MUL(x, y) ((x) * (y))
#define DIV(x, y) ((x) / (y))
#define NEG(x) (-(x))
#define SOFTPLUS(x) ADD(MAX(x, ZERO), SOFTPLUS_TAIL(x))
#define GELU_INNER(x) MUL(NUMBER(0.7978845608028654), ADD(x, MUL(NUMBER(0.044715), MUL(x, MUL(x, x)))))
#endif

#define EQ(x, y) ((x) == (y))
#define NE(x, y) ((x) != (y))
#define LT(x, y) ((x) < (y))
#define LE(x, y) ((x) <= (y))
#define GT(x, y) ((x) > (y))
#define GE(x, y) ((x) >= (y))
#define AND(x, y) ((x) & (y))
