/* The prefix macros of ops.def over float, for vector loops (vecmath.h). prefix_none.h takes them back.

   POWER, SIN and COS read `easy`, a bool in scope that is a constant where it stands: the exponent is a constant, no
   angle is beyond PA_TRIG_BOUND_F32 (elementwise.inc sees to it). */
#include "special.h"
#include "vecmath.h"

#define NUMBER(x) ((float)(x))
#include "prefix_common.h"

#define SELECT(c, x, y) pa_select_f32(c, x, y)
#define ABS(x) fabsf(x)
#define SIGN(x) pa_sign_f32(x)
#define MAX(x, y) pa_max_f32(x, y)
#define MIN(x, y) pa_min_f32(x, y)
#define FLOOR(x) pa_floor_f32(x)
#define CEIL(x) pa_ceil_f32(x)
#define ROUND(x) pa_round_f32(x)
#define SQRT(x) sqrtf(x)
#define POW(x, y) pa_powf(x, y)
#define POWER(x, p) pa_power_f32(x, p, easy)
#define EXP(x) pa_expf(x)
#define EXPM1(x) pa_expm1f(x)
#define LOG(x) pa_logf(x)
#define LOG1P(x) pa_log1pf(x)
#define SOFTPLUS_TAIL(x) pa_softplus_tail_f32(x) /* ln(1 + e^-|x|) */
#define SIN(x) pa_sinf(x, easy)
#define COS(x) pa_cosf(x, easy)
#define ERF(x) pa_erff(x)
#define SIGMOID(x) pa_sigmoidf(x)
#define TANH(x) pa_tanhf(x)
#define TRUNC(x) pa_trunc_f32(x)
#define COPYSIGN(x, y) pa_copysign_f32(x, y)
#define REMAINDER(x, y) pa_remainder_f32(x, y)
#define FLOOR_DIVIDE(x, y) pa_floor_divide_f32(x, y)

/* Of the rare functions: libm's, rounded once. */
#define EXP2(x) ((float)exp2((double)(x)))
#define LOG2(x) ((float)log2((double)(x)))
#define LOG10(x) ((float)log10((double)(x)))
#define TAN(x) ((float)tan((double)(x)))
#define ASIN(x) ((float)asin((double)(x)))
#define ACOS(x) ((float)acos((double)(x)))
#define ATAN(x) ((float)atan((double)(x)))
#define SINH(x) ((float)sinh((double)(x)))
#define COSH(x) ((float)cosh((double)(x)))
#define ASINH(x) ((float)asinh((double)(x)))
#define ACOSH(x) ((float)acosh((double)(x)))
#define ATANH(x) ((float)atanh((double)(x)))
#define ERFC(x) ((float)erfc((double)(x)))
#define ERFINV(x) ((float)pa_erfinv((double)(x)))
#define LGAMMA(x) ((float)lgamma((double)(x)))
#define DIGAMMA(x) ((float)pa_digamma((double)(x)))
#define POLYGAMMA(n, x) ((float)pa_polygamma((double)(n), (double)(x)))
#define FMOD(x, y) ((float)fmod((double)(x), (double)(y)))
#define ATAN2(x, y) ((float)atan2((double)(x), (double)(y)))
#define HYPOT(x, y) ((float)hypot((double)(x), (double)(y)))
