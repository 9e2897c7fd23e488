/* The kernels that run everywhere: SSE2 on x86-64, NEON on aarch64. */
#include "kernels.h"

#include <math.h>
#include <string.h>

#define ISA baseline
#define ISA_TABLE const pa_kernels
#define ISA_VECTOR_BYTES 16
#ifdef __aarch64__
#define ISA_FMA 1
#else
#define ISA_FMA 0
#endif
#include "isa_body.h"
