/* Rare functions of floats, without libm, so that compilers vectorise their loops: in double, rounded once, within 0.6
   ulp where nothing else is said. The coefficients are those of Chebyshev fits. */
#ifndef PA_RARE_F32_H
#define PA_RARE_F32_H

#include <math.h>

#include "special.h"
#include "vecmath.h"

PA_MATH float pa_exp2f(float x) { return (float)pa_exp2_wide((double)x); }

/* log2 x times `unit` */
PA_MATH float pa_log2_times(float x, double unit) {
    float result = (float)(pa_log2_wide(x) * unit);
    result = pa_select_f32(x < INFINITY, result, x); /* infinity and NaN as they are */
    result = pa_select_f32(x == 0, -INFINITY, result);
    return pa_select_f32(x < 0, NAN, result);
}

/* By the exponentials, but near 0, where they cancel, by the series. */
PA_MATH float pa_sinhf(float x) {
    double e = pa_exp2_wide((double)x * 0x1.71547652b82fep+0), z = (double)x * (double)x;
    double series =
        (double)x + (double)x * z * (0x1.5555555555555p-3 + z * (0x1.1111111111111p-7 + z * 0x1.a01a01a01a01ap-13));
    return (float)pa_select_f64(z < 0.0625, series, 0.5 * (e - 1 / e));
}
PA_MATH float pa_coshf(float x) {
    double e = pa_exp2_wide((double)x * 0x1.71547652b82fep+0);
    return (float)(0.5 * (e + 1 / e));
}

/* ln((1 + x) / (1 - x)) / 2; within 2 ulp. */
PA_MATH float pa_atanhf(float x) {
    double a = fabs((double)x);
    return pa_copysign_f32(0.5f * pa_log1pf((float)(2 * a / (1 - a))), x);
}

/* The angle of the point (x, y): the arc tangent of a number up to tan(pi/8), turned by an eighth, mirrored at the
   diagonal and at the axes. */
PA_MATH double pa_angle(double y, double x) {
    double v = fabs(y), h = fabs(x);
    double far = pa_select_f64(v > h, v, h), near = pa_select_f64(v > h, h, v);
    bool both = near == INFINITY;
    near = pa_select_f64(both, 1, near), far = pa_select_f64(both, 1, far);
    bool turned = near > 0x1.a827999fcef32p-2 * far;
    double over = pa_select_f64(turned, near - far, near), under = pa_select_f64(turned, near + far, far);
    double t = over / pa_select_f64(under == 0, 1, under), z = t * t;
    double p = -0x1.5555554c099a8p-2 +
               z * (0x1.99997b10270eap-3 +
                    z * (-0x1.248a16707762dp-3 +
                         z * (0x1.c57b9120eab27p-4 + z * (-0x1.6143778c10af3p-4 + z * 0x1.9d86ebba846aap-5))));
    double angle = pa_select_f64(turned, 0x1.921fb54442d18p-1, 0) + (t + t * (z * p));
    angle = pa_select_f64(v > h, 0x1.921fb54442d18p+0 - angle, angle);
    angle = pa_select_f64(pa_copysign_f64(1, x) < 0, 0x1.921fb54442d18p+1 - angle, angle);
    return pa_select_f64((x != x) | (y != y), x + y, pa_copysign_f64(angle, y));
}
PA_MATH float pa_atan2f(float y, float x) { return (float)pa_angle((double)y, (double)x); }
PA_MATH float pa_atanf(float x) { return (float)pa_angle((double)x, 1); }
PA_MATH float pa_asinf(float x) { return (float)pa_angle((double)x, sqrt((1 - (double)x) * (1 + (double)x))); }
PA_MATH float pa_acosf(float x) { return (float)pa_angle(sqrt((1 - (double)x) * (1 + (double)x)), (double)x); }

PA_MATH float pa_hypotf(float x, float y) {
    float length = (float)sqrt((double)x * (double)x + (double)y * (double)y);
    return pa_select_f32((fabsf(x) == INFINITY) | (fabsf(y) == INFINITY), INFINITY, length);
}

/* t e^(P(t) - x^2), t = 1 / (1 + x/2), for x >= 0; of the others 2 minus that. */
PA_MATH float pa_erfcf(float x) {
    double a = fabs((double)x), t = 1 / (1 + 0.5 * a);
    double p = 0x1.23f34d7e3d20ep+2 + t * (-0x1.6d454fcba4ac5p+0 + t * 0x1.8c7f2c99b5326p-3);
    p = 0x1.6b60c7013da1ap+1 +
        t * (-0x1.8367d584128edp+2 + t * (0x1.1ccbe96fb31a3p+3 + t * (-0x1.05cfee143533ep+3 + t * p)));
    p = 0x1.5d90233d1266ap-5 + t * (0x1.409a77cb11976p-3 + t * (-0x1.253482ca23df6p+0 + t * p));
    p = -0x1.43f80b6aaffbdp+0 + t * (0x1.ffd9aa9af7291p-1 + t * (0x1.8498291a2feafp-2 + t * p));
    double tail = t * pa_exp2_wide((p - a * a) * 0x1.71547652b82fep+0);
    return (float)pa_select_f64(x < 0, 2 - tail, tail);
}

/* |x| times a polynomial in w = -ln(1 - x^2), and in the tails in its root. What is lost where 1 - x^2 becomes a float
   is added to its logarithm. */
PA_MATH float pa_erfinvf(float x) {
    double a = fabs((double)x), complement = (1 - a) * (1 + a);
    float rounded = (float)complement;
    double w = -0x1.62e42fefa39efp-1 * pa_log2_wide(rounded) - (complement / (double)rounded - 1);
    bool is_tail = w >= 5;
    double v = pa_select_f64(is_tail, sqrt(w) - 3.1, w - 2.5);
    double y = pa_select_f64(is_tail, -0x1.b37b61e42d28ap-17, 0x1.25f265fe463f0p-33);
    y = pa_select_f64(is_tail, -0x1.d1ced84ed30b2p-16, 0x1.dfc66bcd855f4p-32) + y * v;
    y = pa_select_f64(is_tail, 0x1.4fa4b39798296p-13, -0x1.7b3efd5a8403bp-27) + y * v;
    y = pa_select_f64(is_tail, -0x1.37ea5ea5ac3bep-13, 0x1.1aea52e63ff3ap-26) + y * v;
    y = pa_select_f64(is_tail, -0x1.46a1d8eaa93ecp-12, 0x1.0195f269ca748p-21) + y * v;
    y = pa_select_f64(is_tail, 0x1.5be8d15bb0270p-10, -0x1.cbd6e08cbc483p-19) + y * v;
    y = pa_select_f64(is_tail, -0x1.6382167c51378p-9, -0x1.4f7a83d56ca8ap-18) + y * v;
    y = pa_select_f64(is_tail, 0x1.0df90d18638e0p-8, 0x1.c9bb6cc1e5e60p-13) + y * v;
    y = pa_select_f64(is_tail, -0x1.7556c0515a400p-8, -0x1.486394aea0392p-10) + y * v;
    y = pa_select_f64(is_tail, 0x1.e8e9b5bfa92f0p-8, -0x1.11c3e122129b9p-8) + y * v;
    y = pa_select_f64(is_tail, 0x1.00dbf25775fbfp+0, 0x1.f91e896f886d1p-3) + y * v;
    y = pa_select_f64(is_tail, 0x1.777422a8e3f38p+1, 0x1.805c5cff7b804p+0) + y * v;
    float result = pa_select_f32(a == 1, INFINITY, (float)(a * y));
    return pa_select_f32(a <= 1, pa_copysign_f32(result, x), NAN);
}

/* C's rest of x / y. Where the quotient is small the subtraction is exact, and the quotient at most one too large. */
PA_MATH float pa_fmodf(float x, float y) {
    double a = fabs((double)x), b = fabs((double)y), quotient = a / b;
    if (!(quotient < 0x1p28 && b < INFINITY)) return (float)fmod((double)x, (double)y);
    double whole = pa_trunc_f64(quotient), rest = a - whole * b;
    return pa_copysign_f32((float)pa_select_f64(rest < 0, rest + b, rest), x);
}
PA_MATH float pa_remainder_f32(float x, float y) {
    float rest = pa_fmodf(x, y);
    return pa_select_f32((rest != 0) & ((rest < 0) != (y < 0)), rest + y, rest);
}
PA_MATH float pa_floor_divide_f32(float x, float y) {
    return (float)pa_floored((double)x, (double)y, (double)pa_fmodf(x, y));
}

#endif
