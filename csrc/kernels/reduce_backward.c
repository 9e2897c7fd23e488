/* The backwards of reductions.

   Each walks the operand in logical order, its gradient being contiguous, with the place in the result beside it:
   stride 0 along reduced axes. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "reduce.h"

/* The axes of the operand in logical order: stride[0] over its data, 0 where that is not read, and stride[1] over the
   result. The innermost stride[1] is 0 or 1. */
static int64_t backward_axes(pa_axes *axes, const pa_node *a, int64_t mask, bool reads_data) {
    const int64_t *shape = pa_node_shape(a), *strides = pa_node_strides(a);
    int64_t out_strides[PA_MAX_NDIM], out_stride = 1;
    for (int axis = a->ndim - 1; axis >= 0; axis--) {
        bool reduced = mask >> axis & 1;
        out_strides[axis] = reduced ? 0 : out_stride;
        if (!reduced) out_stride *= shape[axis];
    }
    axes->n = 0;
    for (int axis = 0; axis < a->ndim; axis++)
        pa_axes_add(axes, shape[axis], reads_data ? strides[axis] : 0, out_strides[axis]);
    if (axes->n == 0) {
        axes->n = 1;
        axes->shape[0] = 1;
        axes->stride[0][0] = axes->stride[1][0] = 0;
    }
    return pa_node_numel(a);
}

/* The backwards for one element type. In each, a line is the innermost axis: x + i s over the operand, and either one
   result for the whole line (step 0) or one each (step 1). */
#define PUT(target, value) (target) = accumulate ? (target) + (value) : (value)
#define BACKWARDS(T, dtype)                                                                                            \
    static void spread_##dtype(T *dx, const T *g, T scale, const pa_axes *axes, int64_t numel, bool accumulate) {      \
        int last = axes->n - 1;                                                                                        \
        int64_t n = axes->shape[last], step = axes->stride[1][last];                                                   \
        pa_walk walk = {{0}, {0}};                                                                                     \
        for (int64_t done = 0; done < numel; done += n, dx += n) {                                                     \
            const T *from = g + walk.at[1];                                                                            \
            const T value = scale * from[0];                                                                           \
            if (step == 0)                                                                                             \
                for (int64_t i = 0; i < n; i++) PUT(dx[i], value);                                                     \
            else                                                                                                       \
                for (int64_t i = 0; i < n; i++) PUT(dx[i], scale * from[i]);                                           \
            pa_walk_next(&walk, axes, last);                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* dx = scale g (x - mean), over the result where it is a root, whose gradient at 0 is 0. */                       \
    static inline double slope_##dtype(double scale, T g, const T *root) {                                             \
        return root == NULL ? scale * (double)g : *root == 0 ? 0 : scale * (double)g / (double)*root;                  \
    }                                                                                                                  \
                                                                                                                       \
    static void deviation_gradient_##dtype(T *dx, const T *x, const T *g, const T *root, const double *means,          \
                                           double scale, const pa_axes *axes, int64_t numel, bool accumulate) {        \
        int last = axes->n - 1;                                                                                        \
        int64_t n = axes->shape[last], stride = axes->stride[0][last], step = axes->stride[1][last];                   \
        pa_walk walk = {{0}, {0}};                                                                                     \
        for (int64_t done = 0; done < numel; done += n, dx += n) {                                                     \
            const T *from = x + walk.at[0];                                                                            \
            const int64_t run = step == 0 ? n : 1;                                                                     \
            for (int64_t i = 0; i < n; i += run) {                                                                     \
                const int64_t result = walk.at[1] + i * step;                                                          \
                const double slope = slope_##dtype(scale, g[result], root == NULL ? NULL : root + result);             \
                const double mean = means == NULL ? 0 : means[result];                                                 \
                for (int64_t j = i; j < i + run; j++) PUT(dx[j], (T)(slope * ((double)from[j * stride] - mean)));      \
            }                                                                                                          \
            pa_walk_next(&walk, axes, last);                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    static void count_ties_##dtype(T *ties, const T *x, const T *y, const pa_axes *axes, int64_t numel) {              \
        int last = axes->n - 1;                                                                                        \
        int64_t n = axes->shape[last], stride = axes->stride[0][last], step = axes->stride[1][last];                   \
        pa_walk walk = {{0}, {0}};                                                                                     \
        for (int64_t done = 0; done < numel; done += n) {                                                              \
            const T *from = x + walk.at[0], *best = y + walk.at[1];                                                    \
            T *count = ties + walk.at[1];                                                                              \
            for (int64_t i = 0; i < n; i++) count[i * step] += from[i * stride] == best[i * step];                     \
            pa_walk_next(&walk, axes, last);                                                                           \
        }                                                                                                              \
    }                                                                                                                  \
                                                                                                                       \
    /* Where nothing equals the result, it is NaN, and so is the gradient. */                                          \
    static void share_##dtype(T *dx, const T *x, const T *y, const T *g, const T *ties, const pa_axes *axes,           \
                              int64_t numel, bool accumulate) {                                                        \
        int last = axes->n - 1;                                                                                        \
        int64_t n = axes->shape[last], stride = axes->stride[0][last], step = axes->stride[1][last];                   \
        pa_walk walk = {{0}, {0}};                                                                                     \
        for (int64_t done = 0; done < numel; done += n, dx += n) {                                                     \
            const T *from = x + walk.at[0];                                                                            \
            int64_t result = walk.at[1];                                                                               \
            for (int64_t i = 0; i < n; i++, result += step) {                                                          \
                T share = from[i * stride] == y[result] ? g[result] / ties[result] : 0;                                \
                PUT(dx[i], ties[result] > 0 ? share : (T)NAN);                                                         \
            }                                                                                                          \
            pa_walk_next(&walk, axes, last);                                                                           \
        }                                                                                                              \
    }

BACKWARDS(float, f32)
BACKWARDS(double, f64)

static void spread(pa_node *node, double scale) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return;
    pa_axes axes;
    int64_t numel = backward_axes(&axes, a, node->array->ints[0], false);
    if (a->dtype == PA_FLOAT32)
        spread_f32(dx, pa_gradient(node), (float)scale, &axes, numel, accumulate);
    else
        spread_f64(dx, pa_gradient(node), scale, &axes, numel, accumulate);
}

pa_status pa_sum_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    spread(node, 1);
    return PA_OK;
}

pa_status pa_mean_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    spread(node, 1 / (double)pa_reduce_count(node));
    return PA_OK;
}

/* A variance's scale is 2 / freedom; roots and means are NULL where there are none. */
static pa_status deviation_backward(pa_node *node, double scale, const void *root, const double *means) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    pa_axes axes;
    int64_t numel = backward_axes(&axes, a, node->array->ints[0], true);
    const void *x = pa_node_data(a), *g = pa_gradient(node);
    if (a->dtype == PA_FLOAT32)
        deviation_gradient_f32(dx, x, g, root, means, scale, &axes, numel, accumulate);
    else
        deviation_gradient_f64(dx, x, g, root, means, scale, &axes, numel, accumulate);
    return PA_OK;
}

pa_status pa_var_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    double freedom = pa_reduce_freedom((double)pa_reduce_count(node), node->array->params[0]);
    return deviation_backward(node, 2 / freedom, NULL, (const double *)(const void *)node->array->saved->data);
}

pa_status pa_std_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    double freedom = pa_reduce_freedom((double)pa_reduce_count(node), node->array->params[0]);
    return deviation_backward(node, 1 / freedom, pa_node_data(node),
                              (const double *)(const void *)node->array->saved->data);
}

/* The norm of a whole array, as of a penalty on weights: its gradient is the array, scaled. */
static bool scales_whole(const pa_node *node, const pa_node *a, double *slope) {
    if (pa_node_numel(node) != 1 || !pa_node_is_contiguous(a)) return false;
    const void *root = pa_node_data(node), *g = pa_gradient(node);
    *slope = a->dtype == PA_FLOAT32 ? slope_f32(1, *(const float *)g, root) : slope_f64(1, *(const double *)g, root);
    return a->dtype == PA_FLOAT64 || *slope == 0 || (fabs(*slope) > FLT_MIN && fabs(*slope) < FLT_MAX);
}

pa_status pa_norm_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    double slope;
    if (!scales_whole(node, a, &slope)) return deviation_backward(node, 1, pa_node_data(node), NULL);
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    (accumulate ? pa_k->add_scaled : pa_k->scale)[a->dtype == PA_FLOAT64](dx, pa_node_data(a), slope, pa_node_numel(a));
    return PA_OK;
}

pa_status pa_extremum_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    void *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    pa_axes axes;
    int64_t numel = backward_axes(&axes, a, node->array->ints[0], true);
    const void *x = pa_node_data(a), *y = pa_node_data(node), *g = pa_gradient(node);
    void *ties = node->array->saved->data;
    memset(ties, 0, pa_node_bytes(node));
    if (a->dtype == PA_FLOAT32) {
        count_ties_f32(ties, x, y, &axes, numel);
        share_f32(dx, x, y, g, ties, &axes, numel, accumulate);
    } else {
        count_ties_f64(ties, x, y, &axes, numel);
        share_f64(dx, x, y, g, ties, &axes, numel, accumulate);
    }
    return PA_OK;
}

size_t pa_prod_scratch(const pa_node *node) { return (size_t)pa_reduce_count(node) * 2 * sizeof(double); }

/* The gradient of an element is the product of all the others: of those before it and those after it, without dividing,
   so that zeros are right.

       x         x0    x1      x2      x3
       before    1     x0      x0 x1   x0 x1 x2
       after     … accumulated on the way back */
pa_status pa_prod_backward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0);
    bool accumulate;
    char *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL || pa_node_numel(a) == 0) return PA_OK;
    const int64_t *shape = pa_node_shape(a), *strides = pa_node_strides(a);
    int64_t mask = node->array->ints[0], place[PA_MAX_NDIM], count = pa_reduce_count(node);
    pa_row_major(a->ndim, shape, place); /* of the gradient */
    pa_axes kept = {.n = 0}, reduced = {.n = 0};
    for (int axis = 0; axis < a->ndim; axis++)
        pa_axes_add(mask >> axis & 1 ? &reduced : &kept, shape[axis], strides[axis], place[axis]);
    double *x = scratch, *before = x + count;
    pa_walk result = {{0}, {0}};
    for (int64_t i = 0; i < pa_node_numel(node); i++) {
        pa_walk walk = {{0}, {0}};
        double product = 1, g = pa_reduce_load(a->dtype, pa_gradient(node), i);
        for (int64_t j = 0; j < count; j++) {
            x[j] = pa_reduce_load(a->dtype, pa_node_data(a), result.at[0] + walk.at[0]);
            before[j] = product;
            product *= x[j];
            pa_walk_next(&walk, &reduced, reduced.n);
        }
        double after = g;
        for (int64_t j = count - 1; j >= 0; j--) {
            double others = before[j] * after;
            after *= x[j];
            before[j] = others;
        }
        for (int64_t j = 0; j < count; j++) {
            int64_t at = result.at[1] + walk.at[1];
            pa_reduce_store(a->dtype, dx, at, accumulate ? pa_reduce_load(a->dtype, dx, at) + before[j] : before[j]);
            pa_walk_next(&walk, &reduced, reduced.n);
        }
        pa_walk_next(&result, &kept, kept.n);
    }
    return PA_OK;
}
