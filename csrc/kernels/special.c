/* The inverse of erf and the derivatives of ln Gamma (special.h). */
#include "special.h"

/* ---- erfinv ---- */

/* Giles' single-precision approximation (Approximating the erfinv function, 2010), then steps of Halley's method: two,
   and more beyond the floats that it is made for; in the tails on erfc, which has the digits there. */
double pa_erfinv(double x) {
    static const double center[] = {2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087,
                                    -0.00125372503, -0.00417768164, 0.246640727,    1.50140941};
    static const double tail[] = {-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773,
                                  -0.0076224613,   0.00943887047,  1.00167406,    2.83297682};
    double a = fabs(x);
    if (!(a < 1)) return a == 1 ? pa_copysign_f64(INFINITY, x) : NAN;
    double w = -log((1 - a) * (1 + a));
    bool is_tail = w >= 5;
    const double *p = is_tail ? tail : center;
    w = is_tail ? sqrt(w) - 3 : w - 2.5;
    double y = p[0];
    for (int i = 1; i < 9; i++) y = p[i] + y * w;
    y = y * a;
    for (int i = 0; i < (is_tail ? 5 : 2); i++) {
        double error = a < 0.5 ? erf(y) - a : (1 - a) - erfc(y);
        double step = error / (1.1283791670955126 * exp(-(y * y))); /* 2 / sqrt(pi) */
        y = y - step / (1 + y * step);
    }
    return pa_copysign_f64(y, x);
}

/* ---- Gamma ---- */

/* By digamma(x) = digamma(x + 1) - 1/x up to 10, where the asymptotic series in 1/x^2 has all digits; left of 0 by
   digamma(x) = digamma(1 - x) - pi / tan(pi x). */
double pa_digamma(double x) {
    static const double series[] = {8.33333333333333333333e-2,  -2.10927960927960927961e-2, 7.57575757575757575758e-3,
                                    -4.16666666666666666667e-3, 3.96825396825396825397e-3,  -8.33333333333333333333e-3,
                                    8.33333333333333333333e-2};
    if (x == 0) return pa_copysign_f64(INFINITY, -x);
    double result = 0;
    if (x < 0) {
        double whole = pa_round_f64(x); /* the nearest: its distance is exact */
        if (x == whole) return NAN;
        result = -(3.141592653589793 / tan(3.141592653589793 * (x - whole)));
        x = 1 - x;
    }
    for (; x < 10; x = x + 1) result = result - 1 / x;
    double z = 1 / (x * x), sum = series[0];
    for (int i = 1; i < 7; i++) sum = series[i] + sum * z;
    return result + (log(x) - 0.5 / x - z * sum);
}

/* zeta(s, x), the sum of (x + k)^-s over k >= 0, for s > 1 and x > 0: its first terms up to x = 10, and the rest by
   Euler and Maclaurin. */
static double pa_zeta(double s, double x) {
    static const double series[] = {/* B(2k) / (2k)!, k = 1, 2, … */
                                    8.333333333333333e-2,  -1.388888888888889e-3,  3.306878306878307e-5,
                                    -8.267195767195767e-7, 2.08767569878681e-8,    -5.284190138687493e-10,
                                    1.338253653068468e-11, -3.389680296322583e-13, 8.586062056277845e-15,
                                    -2.174868698558062e-16};
    double sum = 0;
    for (; x < 10; x = x + 1) sum = sum + pow(x, -s);
    double power = pow(x, -s), factor = s;
    sum = sum + (pow(x, 1 - s) / (s - 1) + 0.5 * power);
    for (int k = 0; k < 10; k++) {
        power = power / x;
        sum = sum + series[k] * factor * power;
        factor = factor * ((s + (2 * k + 1)) * (s + (2 * k + 2)));
        power = power / x;
    }
    return sum;
}

/* (-1)^(n+1) n! zeta(n + 1, x) for a whole n > 0. Left of 0 zeta's terms are those of the rest of x to the right, and
   of a piece of another zeta to the left. */
double pa_polygamma(double n, double x) {
    if (n == 0) return pa_digamma(x);
    double s = n + 1, sign = fmod(n, 2) == 1 ? 1 : -1, whole = pa_floor_f64(x), factorial = 1, sum;
    if (x <= 0 && x == whole) return sign * INFINITY;
    for (double i = 2; i <= n && i < 172; i = i + 1) factorial = factorial * i;
    if (x > 0)
        sum = pa_zeta(s, x);
    else
        sum = pa_zeta(s, x - whole) + sign * (pa_zeta(s, (whole + 1) - x) - pa_zeta(s, 1 - x));
    return sign * (factorial * sum);
}
