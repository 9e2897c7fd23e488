/* Which table of kernels runs: the best one that this processor has, or one asked for by name. Whether denormals are
   flushed. */
#include "fpmode.h"
#include "kernels.h"

#include <string.h>

extern const pa_kernels pa_kernels_baseline;
extern pa_kernels pa_kernels_avx2, pa_kernels_avx512;

const pa_kernels *pa_k = &pa_kernels_baseline;
uint64_t pa_fpmode_bits = PA_FPMODE_FLUSH;

/* The worst first. */
static const char *const names[] = {"baseline", "avx2", "avx512"};
enum { NAMES = sizeof names / sizeof names[0] };

#if defined(__x86_64__) && defined(__GNUC__)
/* A table with the baseline's loops for the rows that are compiled for nothing else, and AVX2's updates. */
static const pa_kernels *completed(pa_kernels *table) {
    for (int i = 0; i < 2 * PA_OPTIMIZERS; i++)
        if (table->update[i / 2][i % 2] == NULL) table->update[i / 2][i % 2] = pa_kernels_avx2.update[i / 2][i % 2];
    for (int op = 0; op < PA_OP_COUNT; op++) {
        for (int dtype = 0; dtype < PA_DTYPE_COUNT; dtype++)
            if (table->forward[op][dtype] == NULL) table->forward[op][dtype] = pa_kernels_baseline.forward[op][dtype];
        for (int i = 0; i < 2 * PA_MAX_OPERANDS; i++)
            if (table->gradient[op][i / 2][i % 2] == NULL)
                table->gradient[op][i / 2][i % 2] = pa_kernels_baseline.gradient[op][i / 2][i % 2];
    }
    return table;
}
#endif

static const pa_kernels *find(const char *name) {
    if (strcmp(name, "baseline") == 0) return &pa_kernels_baseline;
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (strcmp(name, "avx2") == 0 && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        return completed(&pa_kernels_avx2);
    if (strcmp(name, "avx512") == 0 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
        return completed(&pa_kernels_avx512);
#endif
    return NULL;
}

bool pa_isa_available(const char *name) { return find(name) != NULL; }

pa_status pa_isa_select(const char *name) {
    if (name == NULL) {
        for (int i = 0; i < NAMES; i++)
            if (pa_isa_available(names[i])) pa_k = find(names[i]);
        return PA_OK;
    }
    const pa_kernels *found = find(name);
    if (found != NULL) {
        pa_k = found;
        return PA_OK;
    }
    for (int i = 0; i < NAMES; i++)
        PA_FAIL_IF(strcmp(name, names[i]) == 0, PA_RUNTIME, "instruction set %s: not on this processor", name);
    return pa_fail(PA_VALUE, "instruction set %s: known are baseline, avx2, avx512", name);
}
