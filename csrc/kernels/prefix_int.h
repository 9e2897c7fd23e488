/* The prefix macros of ops.def over int64 and bool, those that _INT (int64 alone), _BOOL, COMPARE and LOGIC rows use. T
   is int64_t or uint8_t, and ALL_BITS its value with every bit set (1 for bool). Arithmetic goes through unsigned: it
   wraps around, as NumPy's and PyTorch's does; the sum of bools is or. prefix_none.h takes them back. */
#include "vecmath.h"
#include "prefix_common.h"

#define ZERO ((T)0)

#define ADD(x, y) (ALL_BITS == 1 ? BITOR(x, y) : (T)((uint64_t)(x) + (uint64_t)(y)))
#define SUB(x, y) ((T)((uint64_t)(x) - (uint64_t)(y)))
#define MUL(x, y) ((T)((uint64_t)(x) * (uint64_t)(y)))
#define NEG(x) SUB(0, x)
#define SELECT(c, x, y) pa_select_i64(c, x, y)
#define ABS(x) SELECT((x) < 0, NEG(x), x)
#define SIGN(x) SELECT((x) > 0, 1, SELECT((x) == 0, 0, -1))
#define MAX(x, y) SELECT((x) < (y), y, x)
#define MIN(x, y) SELECT((x) > (y), y, x)
#define POW(x, y) pa_pow_i64(x, y)
#define FLOOR(x) (x)
#define CEIL(x) (x)
#define ROUND(x) (x)
#define TRUNC(x) (x)
#define BITAND(x, y) ((T)((x) & (y)))
#define BITOR(x, y) ((T)((x) | (y)))
#define BITXOR(x, y) ((T)((x) ^ (y)))
#define FLOOR_DIVIDE(x, y) pa_floor_divide_i64(x, y)
#define REMAINDER(x, y) pa_remainder_i64(x, y)
#define FMOD(x, y) pa_fmod_i64(x, y)
#define GCD(x, y) ((T)pa_gcd_i64(x, y))
#define BITNOT(x) ((T)((x) ^ ALL_BITS))
#define SHIFT_LEFT(x, n) pa_shift_left_i64(x, n)
#define SHIFT_RIGHT(x, n) pa_shift_right_i64(x, n)
