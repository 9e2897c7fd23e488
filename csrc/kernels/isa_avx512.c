/* The kernels for AVX-512 (Skylake server, Ice Lake, Zen 4 and later). Empty elsewhere than on x86-64, and under
   compilers without pragmas for it. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)

#include <immintrin.h>

#define ISA avx512
#define ISA_TABLE pa_kernels
#define WITHOUT_RARE_ROWS
#define WITHOUT_UPDATES /* they wait for memory, divisions and square roots: AVX2's take as long, and less where short */
#define ISA_VECTOR_BYTES 64
#define ISA_FMA 1

#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw,fma"))), apply_to = function)
#include "isa_body.h"
#pragma clang attribute pop
#else
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,avx512bw,fma,prefer-vector-width=512")
#include "isa_body.h"
#pragma GCC pop_options
#endif

#endif
