/* The prefix macros of ops.def as sums: a formula becomes the constant that estimates its cost, in additions. What a
   formula names (A, G, P, …) costs nothing. prefix_none.h takes them back. */
#define NUMBER(x) 0
#define ZERO 0
#define ONE 0
#define TWO 0
#define HALF 0
#define GRAD_NONE 0

#define COST_1(x) ((x) + 1)
#define COST_2(x, y) ((x) + (y) + 1)
#define COST_OF_CALL(x) ((x) + 30)

#define ADD COST_2
#define SUB COST_2
#define MUL COST_2
#define DIV COST_2
#define NEG COST_1
#define EQ COST_2
#define NE COST_2
#define LT COST_2
#define LE COST_2
#define GT COST_2
#define GE COST_2
#define AND COST_2
#define SELECT(c, x, y) ((c) + (x) + (y) + 1)
#define ABS COST_1
#define SIGN COST_1
#define MAX COST_2
#define MIN COST_2
#define SQRT COST_1
#define FLOOR COST_1
#define CEIL COST_1
#define ROUND COST_1
#define POW(x, y) (COST_OF_CALL(x) + COST_OF_CALL(y))
#define POWER POW
#define EXP COST_OF_CALL
#define EXPM1 COST_OF_CALL
#define LOG COST_OF_CALL
#define LOG1P COST_OF_CALL
#define SOFTPLUS_TAIL(x) COST_OF_CALL(COST_OF_CALL(x))
#define SIN COST_OF_CALL
#define COS COST_OF_CALL
#define ERF COST_OF_CALL
#define SIGMOID COST_OF_CALL
#define TANH COST_OF_CALL
#define SOFTPLUS(x) (SOFTPLUS_TAIL(x) + 2)
#define GELU_INNER(x) ((x) + 5)
#define TRUNC COST_1
#define COPYSIGN COST_2

/* libm's, a number at a time: a padded group would compute its zeros too */
#define EXP2 COST_1
#define LOG2 COST_1
#define LOG10 COST_1
#define TAN COST_1
#define ASIN COST_1
#define ACOS COST_1
#define ATAN COST_1
#define SINH COST_1
#define COSH COST_1
#define ASINH COST_1
#define ACOSH COST_1
#define ATANH COST_1
#define ERFC COST_1
#define ERFINV COST_1
#define LGAMMA COST_1
#define DIGAMMA COST_1
#define POLYGAMMA COST_2
#define FMOD COST_2
#define REMAINDER COST_2
#define FLOOR_DIVIDE COST_2
#define ATAN2 COST_2
#define HYPOT COST_2
