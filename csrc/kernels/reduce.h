/* What the forward and the backward of reductions share: elements of either float dtype as doubles. */
#ifndef PA_KERNELS_REDUCE_H
#define PA_KERNELS_REDUCE_H

#include "ops.h"
#include "walk.h"

static inline void pa_reduce_store(pa_dtype dtype, void *out, int64_t i, double value) {
    if (dtype == PA_FLOAT32)
        ((float *)out)[i] = (float)value;
    else
        ((double *)out)[i] = value;
}

static inline double pa_reduce_load(pa_dtype dtype, const void *in, int64_t i) {
    return dtype == PA_FLOAT32 ? (double)((const float *)in)[i] : ((const double *)in)[i];
}

/* How many elements go into each result. */
static inline int64_t pa_reduce_count(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    int64_t count = 1;
    for (int axis = 0; axis < a->ndim; axis++)
        if (node->array->ints[0] >> axis & 1) count *= pa_node_shape(a)[axis];
    return count;
}

/* What a sum of squared deviations is divided by: n - correction, and 0, not less, where there are too few. */
static inline double pa_reduce_freedom(double count, double correction) {
    return count > correction ? count - correction : 0;
}

#endif
