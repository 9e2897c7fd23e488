/* Conversions from and to uint8 and int32: strided gathers into another type, compiled once. Integers keep their low
   bits; floats are cut to integers, for uint8 by way of int64, for int32 between its ends, and NaN is 0. */
#include "narrow.h"

#include "vecmath.h"

static inline int32_t to_int32(double x) {
    return x >= 0x1p31 ? INT32_MAX : (int32_t)pa_to_int64(x < -0x1p31 ? -0x1p31 : x);
}

#define ITSELF(TO, x) ((TO)(x))
#define TRUTH(TO, x) ((TO)((x) != 0))
#define CUT(TO, x) ((TO)(sizeof(TO) == 4 ? to_int32((double)(x)) : pa_to_int64((double)(x))))

#define CONVERT(from, FROM, to, TO, CAST)                                                                              \
    void pa_convert_##from##_##to(void *out_, const void *in_, int64_t stride, int64_t n) {                            \
        TO *out = out_;                                                                                                \
        const FROM *in = in_;                                                                                          \
        if (stride == 1)                                                                                               \
            for (int64_t i = 0; i < n; i++) out[i] = CAST(TO, in[i]);                                                  \
        else                                                                                                           \
            for (int64_t i = 0; i < n; i++) out[i] = CAST(TO, in[i * stride]);                                         \
    }
#define TO_NARROW(from, FROM, CAST)                                                                                    \
    CONVERT(from, FROM, u8, uint8_t, CAST)                                                                             \
    CONVERT(from, FROM, i32, int32_t, CAST)
#define FROM_NARROW(from, FROM)                                                                                        \
    TO_NARROW(from, FROM, ITSELF)                                                                                      \
    CONVERT(from, FROM, b8, uint8_t, TRUTH)                                                                            \
    CONVERT(from, FROM, i64, int64_t, ITSELF)                                                                          \
    CONVERT(from, FROM, f32, float, ITSELF)                                                                            \
    CONVERT(from, FROM, f64, double, ITSELF)

TO_NARROW(b8, uint8_t, TRUTH)
TO_NARROW(i64, int64_t, ITSELF)
TO_NARROW(f32, float, CUT)
TO_NARROW(f64, double, CUT)
FROM_NARROW(u8, uint8_t)
FROM_NARROW(i32, int32_t)
