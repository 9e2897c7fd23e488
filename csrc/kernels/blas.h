/* Somebody else's BLAS, reached through pointers: NumPy's, or the one that PYAUTOGRAD_BLAS names.

       product.c ── pa_blas_ensure(work) ──▶ resolver (Python, once) ──▶ pa_blas_set(sgemm, dgemm, …)
       pa_gemm_run ── pa_blas_gemm(g) ──▶ cblas_sgemm, or false: our own kernel takes it

   It is looked for at the first product that is large enough to profit, never at import. Until then, and where there is
   none, our own kernel (kernels/gemm.inc) computes everything. */
#ifndef PA_BLAS_H
#define PA_BLAS_H

#include "kernels.h"

/* m n k from which a product is worth a second thread, about a millisecond on one: below, and where the BLAS has one
   thread, our own kernel is as fast, and CPU time is wall time. */
#define PA_BLAS_WORK 6e7

/* Adopts a BLAS: cblas_sgemm and cblas_dgemm, and how to set and ask its number of threads (each NULL where there is
   none). Integers are 64-bit where `ilp64`. With sgemm NULL our own kernel does all. `always`: with one thread too. */
void pa_blas_set(void *sgemm, void *dgemm, void *set_threads, void *get_threads, bool ilp64, bool always);

/* What pa_blas_ensure calls once, with the GIL held; it calls pa_blas_set. NULL for nothing. */
void pa_blas_set_resolver(void (*resolver)(void));

/* Looks for a BLAS if a product of m n k = work would go to it. Call with the GIL held. */
void pa_blas_ensure(double work);

/* Threads of a product: n, put into force around each call, or 0 to leave the BLAS its own setting. */
void pa_blas_set_threads(int n);
int pa_blas_get_threads(void);

/* Keeps all products of the calling thread in our own kernels, whose bits depend on no number of threads, unless a
   library was chosen; returns what was set before. */
bool pa_blas_stay_out(bool out);

/* In the child of a fork: products of other threads do not go on there, and what they had set is put back. */
void pa_blas_after_fork(void);

/* Runs the product if it is large, and the BLAS there, threaded and able to take its strides. */
bool pa_blas_gemm(const pa_gemm *g, int float64);

#endif
