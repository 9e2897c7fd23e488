/* Conversions from and to uint8 and int32, for the tables of every instruction set: pa_convert_<from>_<to>, as convert
   in kernels.h. These dtypes are only stored; what is computed with them is computed in int64 (pa_dtype_computed). */
#ifndef PA_NARROW_H
#define PA_NARROW_H

#include <stdint.h>

#define NARROW_CONVERSION(from, to) void pa_convert_##from##_##to(void *out, const void *in, int64_t stride, int64_t n);
#define TO_NARROW(from) NARROW_CONVERSION(from, u8) NARROW_CONVERSION(from, i32)
#define FROM_NARROW(from)                                                                                              \
    TO_NARROW(from)                                                                                                    \
    NARROW_CONVERSION(from, b8)                                                                                        \
    NARROW_CONVERSION(from, i64)                                                                                       \
    NARROW_CONVERSION(from, f32)                                                                                       \
    NARROW_CONVERSION(from, f64)
TO_NARROW(b8)
TO_NARROW(i64)
TO_NARROW(f32)
TO_NARROW(f64)
FROM_NARROW(u8)
FROM_NARROW(i32)
#undef NARROW_CONVERSION
#undef TO_NARROW
#undef FROM_NARROW

#endif
