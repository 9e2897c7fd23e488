/* The processor's floating-point mode, as far as it says whether denormals count as zero.

   It belongs to a thread, and the caller's is restored before anything else may run there. Work on float32 that meets
   denormals by itself flushes them: products, backward sweeps, optimiser updates. An operation on a denormal costs some
   processors a hundred cycles, and a net that has learnt its data makes little else. All other work keeps them.

       open ── flush(true) … work … flush(false) … a callback, a signal's handler: the caller's mode … flush(true) …
         └ reads the mode         └ every way out passes here

   x86-64 has the mode in MXCSR, aarch64 in FPCR; elsewhere nothing is flushed. */
#ifndef PA_FPMODE_H
#define PA_FPMODE_H

#include <stdbool.h>
#include <stdint.h>

#include "../status.h"

#if defined(__x86_64__)
#define PA_FPMODE_FLUSH UINT64_C(0x8040) /* results are flushed to zero, operands read as zero */
static inline uint64_t pa_fpmode_read(void) { return __builtin_ia32_stmxcsr(); }
static inline void pa_fpmode_write(uint64_t mode) { __builtin_ia32_ldmxcsr((unsigned)mode); }
#elif defined(__aarch64__)
#define PA_FPMODE_FLUSH (UINT64_C(1) << 24)
static inline uint64_t pa_fpmode_read(void) {
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
}
static inline void pa_fpmode_write(uint64_t mode) { __asm__ volatile("msr fpcr, %0" ::"r"(mode)); }
#else
#define PA_FPMODE_FLUSH UINT64_C(0)
static inline uint64_t pa_fpmode_read(void) { return 0; }
static inline void pa_fpmode_write(uint64_t mode) { (void)mode; }
#endif

/* PA_FPMODE_FLUSH, or 0 where the user has switched it off, which another thread may do at any time. */
PA_INTERNAL extern uint64_t pa_fpmode_bits;

typedef struct pa_fpmode {
    uint64_t callers;
    bool flushes;
} pa_fpmode;

static inline pa_fpmode pa_fpmode_open(void) { return (pa_fpmode){pa_fpmode_read(), false}; }

/* Costs nothing where the mode is the wanted one already. The compiler moves no arithmetic across it, for that stands
   in functions of other files. */
static inline void pa_fpmode_flush(pa_fpmode *mode, bool flushes) {
    if (flushes == mode->flushes || (flushes && pa_fpmode_bits == 0)) return;
    mode->flushes = flushes;
    pa_fpmode_write(flushes ? mode->callers | PA_FPMODE_FLUSH : mode->callers);
}

#endif
