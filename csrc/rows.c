/* Sizes and constants of two recordings that differ in the number of rows. */
#include "rows.h"

#include <string.h>

#include "kernels/stream.h"

bool pa_rows_fit(pa_rows rows, int64_t a, int64_t b, pa_affine *out) {
    int64_t more, first, by = rows.b - rows.a;
    *out = (pa_affine){.base = a};
    if (a == b) return true;
    if (by == 0 || __builtin_sub_overflow(b, a, &more) || more == INT64_MIN || more % by != 0) return false;
    out->slope = more / by;
    return !__builtin_mul_overflow(out->slope, rows.a, &first) && !__builtin_sub_overflow(a, first, &out->base);
}

bool pa_rows_fit_shapes(pa_rows rows, const pa_node *a, const pa_node *b) {
    pa_affine unused;
    if (a->ndim != b->ndim) return false;
    for (int axis = 0; axis < a->ndim; axis++)
        if (!pa_rows_fit(rows, a->array->shape[axis], b->array->shape[axis], &unused)) return false;
    return true;
}

/* ---- constants ---- */

static unsigned axes_that_differ(const pa_node *a, const pa_node *b) {
    unsigned axes = 0;
    for (int axis = 0; axis < a->ndim; axis++)
        if (a->array->shape[axis] != b->array->shape[axis]) axes |= 1u << axis;
    return axes;
}

/* int64 numbers first, first + step, … in memory: those of arange, reshaped or not. */
static bool counts_up(const pa_node *node, int64_t *first, int64_t *step) {
    if (node->dtype != PA_INT64 || node->ndim == 0 || node->array->numel < 2) return false;
    const int64_t *numbers = (const int64_t *)(const void *)pa_node_data(node);
    *first = numbers[0];
    if (__builtin_sub_overflow(numbers[1], numbers[0], step)) return false;
    for (int64_t i = 1, next; i < node->array->numel; i++)
        if (__builtin_add_overflow(numbers[i - 1], *step, &next) || next != numbers[i]) return false;
    return true;
}

/* A stream over a constant's first slice along the axes marked, as seen in a shape. */
static void open_repeated(pa_stream *stream, const pa_node *constant, unsigned varies, const int64_t *shape) {
    int64_t strides[PA_MAX_NDIM];
    for (int axis = 0; axis < constant->ndim; axis++)
        strides[axis] = varies >> axis & 1 ? 0 : constant->array->strides[axis];
    pa_stream_open(stream, pa_node_data(constant), (pa_dtype)constant->dtype, constant->ndim, shape, strides,
                   constant->ndim, shape);
}

/* Are `node`'s numbers those of `slice`, again and again along the axes marked? */
static bool is_repeated(const pa_node *node, const pa_node *slice, unsigned varies) {
    _Alignas(64) char block[256 * sizeof(int64_t)];
    pa_stream stream;
    open_repeated(&stream, slice, varies, node->array->shape);
    int64_t size = (int64_t)pa_dtype_size((pa_dtype)node->dtype), numel = node->array->numel;
    for (int64_t done = 0; done < numel; done += 256) {
        int64_t n = numel - done < 256 ? numel - done : 256;
        pa_stream_read(&stream, (pa_dtype)node->dtype, block, n);
        if (memcmp(block, pa_node_data(node) + done * size, (size_t)(n * size)) != 0) return false;
    }
    return true;
}

bool pa_rows_fit_constants(pa_rows rows, const pa_node *a, const pa_node *b, pa_rows_constant *out) {
    *out = (pa_rows_constant){.numbers = b, .repeated = axes_that_differ(a, b)};
    if (out->repeated == 0) {
        if (memcmp(pa_node_data(a), pa_node_data(b), pa_node_bytes(a)) == 0) return true;
        out->is_number = true;
        return a->ndim == 0 && a->dtype == PA_INT64 && pa_rows_fit(rows, a->value_i64, b->value_i64, &out->number);
    }
    if (a->array->numel == 0 || b->array->numel == 0) return false;
    int64_t first[2], step[2];
    if (counts_up(a, &first[0], &step[0]) && counts_up(b, &first[1], &step[1]))
        return first[0] == first[1] && step[0] == step[1];
    return is_repeated(a, a, out->repeated) && is_repeated(b, a, out->repeated);
}

bool pa_rows_fill(const pa_rows_constant *constant, int64_t rows, const int64_t *shape, char *out) {
    const pa_node *numbers = constant->numbers;
    int64_t *ints = (int64_t *)(void *)out, first, step, numel = 1;
    if (constant->is_number) return pa_affine_at(constant->number, rows, ints);
    for (int axis = 0; axis < numbers->ndim; axis++) numel *= shape[axis];
    if (counts_up(numbers, &first, &step)) {
        for (int64_t i = 0; i < numel; i++)
            if (!pa_affine_at((pa_affine){first, step}, i, &ints[i])) return false;
        return true;
    }
    pa_stream stream;
    open_repeated(&stream, numbers, constant->repeated, shape);
    pa_stream_read(&stream, (pa_dtype)numbers->dtype, out, numel);
    return true;
}
