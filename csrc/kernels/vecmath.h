/* Elementwise maths as plain C that compilers vectorise: polynomials for float, and what libm lacks for double.

   Every pa_<function>f is straight-line code over one float: no calls, no tables, no branches that a select cannot
   replace, nothing beyond SSE2 (so rounding is by adding a magic number, and choices are masks), no FMA. A loop over it
   becomes vector code on every instruction set, with the same bits on all of them. At most 2 ulp from the true value
   over all floats; denormals, infinities, NaN and signed zeros as C's Annex F has them. The worst met in sweeps over
   hundreds of millions of floats, in ulp (tests/ops/test_vecmath.py repeats small ones):

       exp 0.93  expm1 1.51  log 0.83  log1p 1.40  tanh 1.32  sigmoid 1.87  erf 1.23  sin, cos 1.58  pow 0.54

   Polynomials are summed as trees, since the length of the chain decides and not the number of operations. Coefficients
   are minimax fits made for these forms, low orders rounded to float first and the others fitted again around them. */
#ifndef PA_VECMATH_H
#define PA_VECMATH_H

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

/* `const` lets the compiler share equal calls; inlining into the loop is what makes it a vector loop. */
#if defined(__GNUC__)
#define PA_MATH static inline __attribute__((always_inline, const, unused))
#else
#define PA_MATH static inline
#endif

PA_MATH uint32_t pa_bits_f32(float x) {
    union {
        float f;
        uint32_t u;
    } pun = {.f = x};
    return pun.u;
}

PA_MATH float pa_from_bits_f32(uint32_t u) {
    union {
        uint32_t u;
        float f;
    } pun = {.u = u};
    return pun.f;
}

PA_MATH uint64_t pa_bits_f64(double x) {
    union {
        double f;
        uint64_t u;
    } pun = {.f = x};
    return pun.u;
}

PA_MATH double pa_from_bits_f64(uint64_t u) {
    union {
        uint64_t u;
        double f;
    } pun = {.u = u};
    return pun.f;
}

/* ---- what both types have ---- */

/* c ? x : y. For float by masks: what compilers make of branches on related conditions is more and longer paths, which
   the vectoriser then has to merge again. */
PA_MATH float pa_select_f32(bool c, float x, float y) {
    uint32_t mask = -(uint32_t)c;
    return pa_from_bits_f32((pa_bits_f32(x) & mask) | (pa_bits_f32(y) & ~mask));
}
PA_MATH double pa_select_f64(bool c, double x, double y) { return c ? x : y; }
PA_MATH int64_t pa_select_i64(bool c, int64_t x, int64_t y) { return c ? x : y; }

/* x^n, wrapping around; for n < 0 what 1 / x^-n leaves when its fraction is cut off, and 0 for x = 0. */
PA_MATH int64_t pa_pow_i64(int64_t x, int64_t n) {
    if (n < 0) return x == 1 || (x == -1 && n % 2 == 0) ? 1 : x == -1 ? -1 : 0;
    uint64_t result = 1, square = (uint64_t)x;
    for (; n > 0; n >>= 1, square *= square)
        if (n & 1) result *= square;
    return (int64_t)result;
}

/* By more places than there are, or by a negative number, all bits go. */
PA_MATH int64_t pa_shift_left_i64(int64_t x, int64_t n) {
    return (uint64_t)n < 64 ? (int64_t)((uint64_t)x << (n & 63)) : 0;
}
PA_MATH int64_t pa_shift_right_i64(int64_t x, int64_t n) { return x >> ((uint64_t)n < 64 ? n & 63 : 63); }

/* Whole divisions; of what has no quotient, which callers refuse, 0. The smallest number by -1 wraps around. */
PA_MATH int64_t pa_fmod_i64(int64_t x, int64_t y) { return y == 0 || y == -1 ? 0 : x % y; }
PA_MATH int64_t pa_remainder_i64(int64_t x, int64_t y) {
    int64_t rest = pa_fmod_i64(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}
PA_MATH int64_t pa_floor_divide_i64(int64_t x, int64_t y) {
    if (y == 0) return 0;
    if (y == -1) return (int64_t)(0 - (uint64_t)x);
    return x / y - (x % y != 0 && (x < 0) != (y < 0));
}
PA_MATH int64_t pa_gcd_i64(int64_t x, int64_t y) {
    uint64_t a = x < 0 ? 0 - (uint64_t)x : (uint64_t)x, b = y < 0 ? 0 - (uint64_t)y : (uint64_t)y;
    while (b != 0) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return (int64_t)a;
}

/* One instruction, and NaN passes. */
PA_MATH float pa_at_most_f32(float x, float bound) { return bound < x ? bound : x; }

/* NaN wins; of two equal ones (0 and -0) the first. */
PA_MATH float pa_max_f32(float x, float y) { return ((x < y) | (y != y)) ? y : x; }
PA_MATH float pa_min_f32(float x, float y) { return ((x > y) | (y != y)) ? y : x; }
PA_MATH double pa_max_f64(double x, double y) { return ((x < y) | (y != y)) ? y : x; }
PA_MATH double pa_min_f64(double x, double y) { return ((x > y) | (y != y)) ? y : x; }

/* 0 of NaN, as PyTorch's. */
PA_MATH float pa_sign_f32(float x) { return (float)(x > 0) - (float)(x < 0); }
PA_MATH double pa_sign_f64(double x) { return (double)(x > 0) - (double)(x < 0); }

PA_MATH float pa_copysign_f32(float x, float y) {
    return pa_from_bits_f32((pa_bits_f32(x) & 0x7fffffffu) | (pa_bits_f32(y) & 0x80000000u));
}
/* x, which is not negative, with the sign of y */
PA_MATH float pa_with_sign_f32(float x, float y) {
    return pa_from_bits_f32(pa_bits_f32(x) | (pa_bits_f32(y) & 0x80000000u));
}
PA_MATH double pa_copysign_f64(double x, double y) {
    return pa_from_bits_f64((pa_bits_f64(x) & (UINT64_MAX >> 1)) | (pa_bits_f64(y) & ~(UINT64_MAX >> 1)));
}

/* Adding 2^23 (2^52) leaves no bits for a fraction: rounds to nearest, ties to even. */
PA_MATH float pa_round_f32(float x) {
    float rounded = (fabsf(x) + 0x1p23f) - 0x1p23f;
    return pa_select_f32(fabsf(x) < 0x1p23f, pa_copysign_f32(rounded, x), x);
}
PA_MATH double pa_round_f64(double x) {
    double rounded = (fabs(x) + 0x1p52) - 0x1p52;
    return fabs(x) < 0x1p52 ? pa_copysign_f64(rounded, x) : x;
}
PA_MATH float pa_floor_f32(float x) {
    float r = pa_round_f32(x);
    return pa_copysign_f32(r - pa_select_f32(r > x, 1, 0), x);
}
PA_MATH double pa_floor_f64(double x) {
    double r = pa_round_f64(x);
    return pa_copysign_f64(r - pa_select_f64(r > x, 1, 0), x);
}
PA_MATH float pa_ceil_f32(float x) {
    float r = pa_round_f32(x);
    return pa_copysign_f32(r + pa_select_f32(r < x, 1, 0), x);
}
PA_MATH double pa_ceil_f64(double x) {
    double r = pa_round_f64(x);
    return pa_copysign_f64(r + pa_select_f64(r < x, 1, 0), x);
}

PA_MATH float pa_trunc_f32(float x) {
    float r = pa_round_f32(x);
    return pa_copysign_f32(r - pa_select_f32(fabsf(r) > fabsf(x), pa_copysign_f32(1, x), 0), x);
}
PA_MATH double pa_trunc_f64(double x) {
    double r = pa_round_f64(x);
    return pa_copysign_f64(r - pa_select_f64(fabs(r) > fabs(x), pa_copysign_f64(1, x), 0), x);
}

/* ---- float: exponentials ---- */

#define PA_LOG2E_F32 0x1.715476p+0f
#define PA_LN2_HI_F32 0x1.62ep-1f /* 12 bits: its product with an exponent is exact */
#define PA_LN2_LO_F32 0x1.0bfbe8p-15f
#define PA_ROUNDER_F32 0x1.8p23f

/* e^(high - low) - 1 - high, where high - low = x - k ln 2 is at most ln(2) / 2: sums that take the linear term as
   these two parts are spared its rounding. */
PA_MATH float pa_exp_tail_f32(float high, float low) {
    float r = high - low;
    float z = r * r;
    float q = (0.5f + 0x1.5554b2p-3f * r) + z * ((0x1.5554c8p-5f + 0x1.122680p-7f * r) + z * 0x1.6d7222p-10f);
    return z * q - low;
}

/* e^(x - k ln 2) */
PA_MATH float pa_exp_reduced_f32(float x, float k) {
    float high = x - k * PA_LN2_HI_F32, low = k * PA_LN2_LO_F32;
    return 1 + (high + pa_exp_tail_f32(high, low));
}

/* 2^n for an integer n, -126 <= n <= 127; 0 for -127. */
PA_MATH float pa_exp2_f32(uint32_t n) { return pa_from_bits_f32((n + 127) << 23); }

/* e^x = 2^k e^r for x <= 89. 2^k in two factors, so that it reaches into the denormals and up to 2^128. What underflows
   to 0 is sent where the first factor is 0: processors take a hundred times longer over denormal products. */
PA_MATH float pa_exp_unbounded_f32(float x, bool vanishes) {
    float y = pa_select_f32(vanishes, -175.5f, x);
    float t = y * PA_LOG2E_F32 + PA_ROUNDER_F32;
    float p = pa_exp_reduced_f32(y, t - PA_ROUNDER_F32);
    uint32_t n = pa_bits_f32(t) - pa_bits_f32(PA_ROUNDER_F32);
    uint32_t half = (uint32_t)((int32_t)n >> 1);
    return p * pa_exp2_f32(half) * pa_exp2_f32(n - half);
}

PA_MATH float pa_expf(float x) { return pa_exp_unbounded_f32(pa_at_most_f32(x, 89), x < -103.98f); }

/* e^-|x| */
PA_MATH float pa_exp_below_f32(float x) { return pa_exp_unbounded_f32(-fabsf(x), fabsf(x) > 103.98f); }

/* e^x for -87 <= x <= 88, or NaN */
PA_MATH float pa_exp_bounded_f32(float x) {
    float t = x * PA_LOG2E_F32 + PA_ROUNDER_F32;
    float p = pa_exp_reduced_f32(x, t - PA_ROUNDER_F32);
    return p * pa_exp2_f32(pa_bits_f32(t) - pa_bits_f32(PA_ROUNDER_F32));
}

/* e^x - 1 = 2 (h (e^r - 1) + (h - 1/2)), h = 2^(k-1) */
PA_MATH float pa_expm1f(float x) {
    float y = pa_at_most_f32(x, 89);
    y = pa_select_f32(x < -18, -18, y);
    float t = y * PA_LOG2E_F32 + PA_ROUNDER_F32;
    float k = t - PA_ROUNDER_F32;
    float high = y - k * PA_LN2_HI_F32, low = k * PA_LN2_LO_F32;
    float h = pa_exp2_f32(pa_bits_f32(t) - pa_bits_f32(PA_ROUNDER_F32) - 1);
    float result = 2 * (h * pa_exp_tail_f32(high, low) + (h * high + (h - 0.5f)));
    return pa_select_f32(fabsf(x) < 0x1p-25f, x, result);
}

/* From e^-|x|, which cannot overflow; with what the rounding of 1 + e^-|x| lost. */
PA_MATH float pa_sigmoidf(float x) {
    float e = pa_exp_below_f32(x);
    float d = 1 + e;
    float q = pa_select_f32(x < 0, e, 1) / d;
    return q - q * (e - (d - 1));
}

/* A polynomial near 0, 1 - 2 / (e^2|x| + 1) beyond. */
PA_MATH float pa_tanhf(float x) {
    float a = fabsf(x);
    float z = a * a;
    float p = (-0x1.555534p-2f + 0x1.110760p-3f * z) +
              z * z * ((-0x1.b84340p-5f + 0x1.52509cp-6f * z) + z * z * -0x1.769212p-8f);
    float small = a + a * (z * p);
    float large = 1 - 2 / (pa_exp_bounded_f32(pa_at_most_f32(2 * a, 20)) + 1);
    return pa_with_sign_f32(pa_select_f32(a < 0.625f, small, large), x);
}

/* ---- float: logarithms ---- */

/* ln(1 + f) + k ln 2 for 1 + f in [sqrt(1/2), sqrt(2)): with s = f / (2 + f),
   ln(1 + f) = f - (f^2/2 - s (f^2/2 + R(s^2))). The form is FreeBSD msun's. */
PA_MATH float pa_log_parts_f32(float f, float k) {
    float s = f / (2 + f);
    float z = s * s;
    float R = z * (0x1.55557ap-1f + z * (0x1.995eccp-2f + z * 0x1.31e23ep-2f));
    float half_square = 0.5f * f * f;
    return k * PA_LN2_HI_F32 - ((half_square - (s * (half_square + R) + k * PA_LN2_LO_F32)) - f);
}

/* The bits of m in [sqrt(1/2), sqrt(2)) where a positive normal float is 2^k m; and k. */
PA_MATH uint32_t pa_mantissa_f32(uint32_t bits) {
    return ((bits + (0x3f800000u - 0x3f3504f3u)) & 0x007fffffu) + 0x3f3504f3u;
}
PA_MATH float pa_exponent_f32(uint32_t bits, uint32_t mantissa) { return (float)((int32_t)(bits - mantissa) >> 23); }

PA_MATH float pa_logf(float x) {
    bool denormal = x < 0x1p-126f;
    uint32_t bits = pa_bits_f32(pa_select_f32(denormal, x * 0x1p23f, x));
    uint32_t mantissa = pa_mantissa_f32(bits);
    float k = pa_exponent_f32(bits, mantissa) - pa_select_f32(denormal, 23, 0);
    float result = pa_log_parts_f32(pa_from_bits_f32(mantissa) - 1, k);
    result = pa_select_f32(x < INFINITY, result, x); /* infinity and NaN as they are */
    result = pa_select_f32(x == 0, -INFINITY, result);
    return pa_select_f32(x < 0, NAN, result);
}

/* ln of u = 1 + x rounded, with what the rounding lost brought back in. */
PA_MATH float pa_log1pf(float x) {
    float u = 1 + x;
    float lost = pa_select_f32(x < 1, x - (u - 1), 1 - (u - x));
    uint32_t mantissa = pa_mantissa_f32(pa_bits_f32(u));
    float k = pa_exponent_f32(pa_bits_f32(u), mantissa);
    float scale = pa_from_bits_f32(0x3f800000u - (pa_bits_f32(u) - mantissa)); /* 2^-k */
    lost = pa_select_f32(x < 0x1p30f, lost * scale, 0);
    float result = pa_log_parts_f32((pa_from_bits_f32(mantissa) - 1) + lost, k);
    result = pa_select_f32(x < INFINITY, result, x);
    result = pa_select_f32(x == -1, -INFINITY, result);
    result = pa_select_f32(x < -1, NAN, result);
    return pa_select_f32(fabsf(x) < 0x1p-25f, x, result);
}

/* ln(1 + e^-|x|) */
PA_MATH float pa_softplus_tail_f32(float x) {
    float e = pa_exp_below_f32(x);
    bool large = e > 0x1.a8279ap-2f; /* sqrt(2) - 1: then 1 + e = 2 (1 + f) */
    float f = pa_select_f32(large, 0.5f * (e - 1), e);
    return pa_log_parts_f32(f, pa_select_f32(large, 1, 0));
}

/* ---- float: erf ---- */

/* A polynomial near 0, 1 - e^-q(|x|) beyond. */
PA_MATH float pa_erff(float x) {
    float a = fabsf(x);
    float z = a * a;
    float p = (0x1.06eba6p-3f - 0x1.8126e4p-2f * z) +
              z * z * ((0x1.ce19e8p-4f - 0x1.b681d8p-6f * z) + z * z * (0x1.46fcc6p-8f - 0x1.390398p-11f * z));
    float small = a + a * p;
    float b = pa_at_most_f32(a, 4);
    float bb = b * b;
    float q = (0x1.073142p-3f + 0x1.457df2p-1f * b) +
              bb * ((0x1.af1bccp-4f - 0x1.76ead4p-6f * b) + bb * (0x1.a51d10p-9f - 0x1.c03996p-13f * b));
    float large = 1 - pa_exp_bounded_f32(-(b + b * q));
    return pa_with_sign_f32(pa_select_f32(a < 0.9277f, small, large), x);
}

/* ---- float: sine and cosine ---- */

/* Reduction by pi/2 = hi + lo with an exact n hi holds for n < 2^20. Beyond, callers go through libm. */
#define PA_TRIG_BOUND_F32 1.6e6f

/* sin(x + quarter pi/2) for |x| <= PA_TRIG_BOUND_F32 */
PA_MATH float pa_sin_quarters_f32(float x, uint32_t quarters) {
    double t = (double)x * 0x1.45f306dc9c883p-1 + 0x1.8p52;
    double n = t - 0x1.8p52;
    float r = (float)(((double)x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a626331p-34);
    uint32_t quadrant = (uint32_t)(int32_t)n + quarters;
    float z = r * r;
    float s = -0x1.9955aep-13f;
    s = s * z + 0x1.11077cp-7f;
    s = s * z - 0x1.555546p-3f;
    float sine = r + r * (z * s);
    float c = 0x1.99e904p-16f;
    c = c * z - 0x1.6c0c2ap-10f;
    c = c * z + 0x1.55554ap-5f;
    float cosine = (1 - 0.5f * z) + z * z * c;
    float result = pa_select_f32((quadrant & 1) != 0, cosine, sine);
    return pa_from_bits_f32(pa_bits_f32(result) ^ ((quadrant & 2) << 30));
}

/* `narrow`: the caller has seen that no |x| exceeds the bound; only then is this straight-line code. */
PA_MATH float pa_sinf(float x, bool narrow) {
    if (!narrow && !(fabsf(x) <= PA_TRIG_BOUND_F32)) return (float)sin((double)x);
    return pa_select_f32(x == 0, x, pa_sin_quarters_f32(x, 0));
}
PA_MATH float pa_cosf(float x, bool narrow) {
    if (!narrow && !(fabsf(x) <= PA_TRIG_BOUND_F32)) return (float)cos((double)x);
    return pa_sin_quarters_f32(x, 1);
}

/* ---- float: powers ---- */

/* log2 x of a float x > 0, in double; within 1e-9. */
PA_MATH double pa_log2_wide(float x) {
    bool denormal = x < 0x1p-126f;
    uint32_t bits = pa_bits_f32(pa_select_f32(denormal, x * 0x1p23f, x));
    uint32_t mantissa = pa_mantissa_f32(bits);
    float k = pa_exponent_f32(bits, mantissa) - pa_select_f32(denormal, 23, 0);
    double m = (double)pa_from_bits_f32(mantissa);
    double s = (m - 1) / (m + 1);
    double z = s * s;
    double L = (0x1.71547652bee6cp+1 + 0x1.ec709d122b0f8p-1 * z) +
               z * z * ((0x1.2777806c0dc0dp-1 + 0x1.a58d478245dd5p-2 * z) + z * z * 0x1.5ced4889d8941p-2);
    return L * s + (double)k;
}

/* 2^x in double within 1e-9, for a float: beyond all of them where |x| is larger than 200. */
PA_MATH double pa_exp2_wide(double x) {
    x = x < -200 ? -200 : x;
    x = x > 200 ? 200 : x;
    double t = x + 0x1.8p52;
    double f = x - (t - 0x1.8p52);
    double ff = f * f;
    double E = (0x1.00000002624dap+0 + 0x1.62e430c82c225p-1 * f) +
               ff * ((0x1.ebfbdadb18d76p-3 + 0x1.c6aed45dfa7dep-5 * f) +
                     ff * ((0x1.3b2dbc614f7f4p-7 + 0x1.5f4598d077dcep-10 * f) + ff * 0x1.41d313da94bafp-13));
    return E * pa_from_bits_f64((pa_bits_f64(t) + 1023) << 52);
}

/* |x|^y = 2^(y log2 |x|), whose conversion to float rounds once, overflows and reaches the denormals. */
PA_MATH float pa_powf(float x, float y) {
    float a = fabsf(x);
    float result = (float)pa_exp2_wide((double)y * pa_log2_wide(a));

    /* 0 and infinity to a power: 0 or infinity by the signs of the exponents */
    bool grows = (a > 1) == (y > 0);
    result = pa_select_f32((a == 0) | (a == INFINITY), pa_select_f32(grows, INFINITY, 0), result);

    /* Signs: floats from 2^24 up are even integers. */
    float magnitude = fabsf(y);
    float capped = pa_select_f32(magnitude < 0x1p24f, magnitude, 0);
    int32_t whole = (int32_t)capped;
    bool integer = (float)whole == capped;
    uint32_t flip = (uint32_t)(whole & (int32_t)integer) << 31;
    result = pa_from_bits_f32(pa_bits_f32(result) ^ (pa_bits_f32(x) & flip));
    result = pa_select_f32((x < 0) & (a != INFINITY) & !integer, NAN, result);
    result = pa_select_f32((x != x) | (y != y), x + y, result);
    result = pa_select_f32((a == 1) & (magnitude == INFINITY), 1, result);
    return pa_select_f32((x == 1) | (y == 0), 1, result);
}

/* a^p where p is the same for a whole loop: PyTorch's short ways. `known`: p is a constant in the loop, so that only
   one of them is left. */
PA_MATH float pa_power_f32(float a, float p, bool known) {
    if (!known) return pa_powf(a, p);
    if (p == 0) return 1;
    if (p == 1) return a;
    if (p == 2) return a * a;
    if (p == 3) return a * a * a;
    if (p == 0.5f) return sqrtf(a);
    if (p == -0.5f) return 1 / sqrtf(a);
    if (p == -1) return 1 / a;
    if (p == -2) return 1 / (a * a);
    return pa_powf(a, p);
}

/* The short ways that round once. The others are left to libm, whose numbers are Python's. */
PA_MATH double pa_power_f64(double a, double p) {
    if (p == 2) return a * a;
    if (p == 1) return a;
    if (p == 0) return 1;
    if (p == 0.5) return sqrt(a);
    if (p == -1) return 1 / a;
    return pow(a, p);
}

/* ---- double ---- */

/* ln(1 + e^-|x|) */
PA_MATH double pa_softplus_tail_f64(double x) { return log1p(exp(-fabs(x))); }

PA_MATH double pa_sigmoid_f64(double x) {
    double e = exp(-fabs(x));
    return pa_select_f64(x < 0, e, 1) / (1 + e);
}

/* ---- numbers to int64: truncated, the ends for what lies outside, 0 for NaN ---- */

PA_MATH int64_t pa_to_int64(double x) {
    if (x != x) return 0;
    if (x >= 0x1p63) return INT64_MAX;
    if (x < -0x1p63) return INT64_MIN;
    return (int64_t)x;
}

#endif
