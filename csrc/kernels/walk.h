/* Walking over strided arrays: a list of axes with two strides each, an odometer over them, and the copy of one line.

   Axes are added outermost first and merged as they come where both arrays allow it, so that most walks end up as one
   or two axes. The innermost one is left to a tight loop of the caller:

       axes     shape   stride[0]  stride[1]        walk over axes 0 … n - 2: at[0], at[1] are the offsets in elements
         0        32        10         1            ─┐
         1        10         1         0             └─ the caller's loop */
#ifndef PA_WALK_H
#define PA_WALK_H

#include <string.h>

#include "../ops.h"

typedef struct pa_axes {
    int n;
    int64_t shape[PA_MAX_NDIM];
    int64_t stride[2][PA_MAX_NDIM];
} pa_axes;

/* Appends an axis inside the others. */
static inline void pa_axes_add(pa_axes *axes, int64_t length, int64_t stride0, int64_t stride1) {
    if (length == 1) return;
    int last = axes->n - 1;
    if (last >= 0 && axes->stride[0][last] == stride0 * length && axes->stride[1][last] == stride1 * length) {
        axes->shape[last] *= length;
    } else {
        axes->shape[++last] = length;
        axes->n++;
    }
    axes->stride[0][last] = stride0;
    axes->stride[1][last] = stride1;
}

typedef struct pa_walk {
    int64_t index[PA_MAX_NDIM];
    int64_t at[2];
} pa_walk;

/* Steps over the first n axes, the last of them fastest; wraps around to the start after the last step. */
static inline void pa_walk_next(pa_walk *walk, const pa_axes *axes, int n) {
    for (int axis = n - 1; axis >= 0; axis--) {
        int64_t back = 0;
        if (++walk->index[axis] < axes->shape[axis]) {
            back = -1;
        } else {
            walk->index[axis] = 0;
            back = axes->shape[axis] - 1;
        }
        walk->at[0] -= back * axes->stride[0][axis];
        walk->at[1] -= back * axes->stride[1][axis];
        if (back < 0) return;
    }
}

static inline int64_t pa_walk_steps(const pa_axes *axes, int n) {
    int64_t steps = 1;
    for (int axis = 0; axis < n; axis++) steps *= axes->shape[axis];
    return steps;
}

/* Copies n elements of `size` bytes between lines of any strides (in elements). */
static inline void pa_copy_line(void *out, int64_t out_stride, const void *in, int64_t in_stride, int64_t n,
                                size_t size) {
    char *to = out;
    const char *from = in;
    if (out_stride == 1 && in_stride == 1) {
        if (n > 0) memcpy(to, from, (size_t)n * size);
        return;
    }
    switch (size) {
    case 4:
        for (int64_t i = 0; i < n; i++) memcpy(to + 4 * i * out_stride, from + 4 * i * in_stride, 4);
        break;
    case 8:
        for (int64_t i = 0; i < n; i++) memcpy(to + 8 * i * out_stride, from + 8 * i * in_stride, 8);
        break;
    default:
        for (int64_t i = 0; i < n; i++) to[i * out_stride] = from[i * in_stride];
        break;
    }
}

/* Copies an array of `axes` from `in` (stride[0]) to `out` (stride[1]). */
static inline void pa_copy_axes(void *out, const void *in, const pa_axes *axes, size_t size) {
    int64_t n = pa_walk_steps(axes, axes->n);
    if (n == 0) return;
    if (axes->n == 0) {
        memcpy(out, in, size);
        return;
    }
    int last = axes->n - 1;
    int64_t length = axes->shape[last];
    pa_walk walk = {{0}, {0}};
    for (int64_t done = 0; done < n; done += length) {
        pa_copy_line((char *)out + walk.at[1] * (int64_t)size, axes->stride[1][last],
                     (const char *)in + walk.at[0] * (int64_t)size, axes->stride[0][last], length, size);
        pa_walk_next(&walk, axes, last);
    }
}

#endif
