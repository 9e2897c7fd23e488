/* The prefix macros of ops.def over double, with libm: for 0-d Values and for float64 loops. prefix_none.h takes them
   back. */
#include "vecmath.h"

#define NUMBER(x) ((double)(x))
#include "prefix_common.h"

#define SELECT(c, x, y) pa_select_f64(c, x, y)
#define ABS(x) fabs(x)
#define SIGN(x) pa_sign_f64(x)
#define MAX(x, y) pa_max_f64(x, y)
#define MIN(x, y) pa_min_f64(x, y)
#define FLOOR(x) pa_floor_f64(x)
#define CEIL(x) pa_ceil_f64(x)
#define ROUND(x) pa_round_f64(x)
#define SQRT(x) sqrt(x)
#define POW(x, y) pow(x, y)
#define POWER(x, p) pa_power_f64(x, p)
#define EXP(x) exp(x)
#define EXPM1(x) expm1(x)
#define LOG(x) log(x)
#define LOG1P(x) log1p(x)
#define SOFTPLUS_TAIL(x) pa_softplus_tail_f64(x) /* ln(1 + e^-|x|) */
#define SIN(x) sin(x)
#define COS(x) cos(x)
#define ERF(x) erf(x)
#define SIGMOID(x) pa_sigmoid_f64(x)
#define TANH(x) tanh(x)
