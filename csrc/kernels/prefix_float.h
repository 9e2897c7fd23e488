/* The prefix macros of ops.def over float, for vector loops (vecmath.h). prefix_none.h takes them back.

   POWER, SIN and COS read `easy`, a bool in scope that is a constant where it stands: the exponent is a constant, no
   angle is beyond PA_TRIG_BOUND_F32 (elementwise.inc sees to it). */
#include "rare_f32.h"
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

/* Of the rare functions those that follow go through libm or special.h, and are rounded once. */
#define EXP2(x) pa_exp2f(x)
#define LOG2(x) pa_log2_times(x, 1)
#define LOG10(x) pa_log2_times(x, 0x1.34413509f79ffp-2)
#define TAN(x) ((float)tan((double)(x)))
#define ASIN(x) pa_asinf(x)
#define ACOS(x) pa_acosf(x)
#define ATAN(x) pa_atanf(x)
#define SINH(x) pa_sinhf(x)
#define COSH(x) pa_coshf(x)
#define ASINH(x) ((float)asinh((double)(x)))
#define ACOSH(x) ((float)acosh((double)(x)))
#define ATANH(x) pa_atanhf(x)
#define ERFC(x) pa_erfcf(x)
#define ERFINV(x) pa_erfinvf(x)
#define LGAMMA(x) ((float)lgamma((double)(x)))
#define DIGAMMA(x) ((float)pa_digamma((double)(x)))
#define POLYGAMMA(n, x) ((float)pa_polygamma((double)(n), (double)(x)))
#define FMOD(x, y) pa_fmodf(x, y)
#define ATAN2(x, y) pa_atan2f(x, y)
#define HYPOT(x, y) pa_hypotf(x, y)
