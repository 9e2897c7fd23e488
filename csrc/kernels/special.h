/* Special functions that libm lacks, a number at a time: floored division as Python has it, the inverse of erf, and the
   derivatives of ln Gamma. In double; what float takes of it is rounded once. The reference engine has the same
   steps, so that Values have its bits. Within 1e-14 of the true value, relatively, away from zeros of the function. */
#ifndef PA_SPECIAL_H
#define PA_SPECIAL_H

#include <math.h>

#include "../status.h"
#include "vecmath.h"

/* ---- division ---- */

/* The rest of x / y that has the sign of y. */
static inline double pa_remainder_f64(double x, double y) {
    double rest = fmod(x, y);
    return rest != 0 && (rest < 0) != (y < 0) ? rest + y : rest;
}

/* The whole quotient that belongs to that rest, `rest` being C's: x - rest is a multiple of y, so that a division gives
   it but for rounding. Of y = 0 what the division gives. */
static inline double pa_floored(double x, double y, double rest) {
    double quotient = (x - rest) / y - ((rest != 0) & ((rest < 0) != (y < 0)));
    double whole = pa_select_f64(quotient == 0, pa_copysign_f64(0, x / y), pa_round_f64(quotient));
    return pa_select_f64(y == 0, x / y, whole);
}
static inline double pa_floor_divide_f64(double x, double y) { return pa_floored(x, y, fmod(x, y)); }

/* ---- compiled once, being slow whatever calls them ---- */

PA_INTERNAL double pa_erfinv(double x);
PA_INTERNAL double pa_digamma(double x);

/* The derivative of order n of digamma, for a whole n >= 0. */
PA_INTERNAL double pa_polygamma(double n, double x);

#endif
