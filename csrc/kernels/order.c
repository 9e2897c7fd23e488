/* Order along one axis: running sums, positions in sorted order, positions of running extrema, places among sorted
   numbers, and positions along the axis as positions in the whole array.

   Every line along the axis is read through a stream, so that any layout and dtype will do, floats as doubles and
   others as int64. What only compares does so with keys: integers in the order of the numbers, all NaNs one key above
   the others, the two zeros one key.

       argsort        key, index │ key, index │ …   merged for few, by the digits of the keys for many; both are stable
       searchsorted   keys of one sorted line, and for each number a binary search */
#include <math.h>
#include <string.h>

#include "ops.h"
#include "stream.h"
#include "walk.h"

enum { BLOCK = 256, RUN = 16, FEW = 64, MANY = 1000, DIGITS = 256 };

/* ---- lines ---- */

typedef struct lines {
    int64_t count, n; /* lines, and elements of each in the operand */
    int64_t places;   /* elements of each in the result */
    pa_axes starts;   /* of the lines: stride[0] over the operand, stride[1] over the result */
    int64_t stride[2];
} lines;

/* The result, contiguous, has the operand's shape but for the length of the axis. */
static void find_lines(lines *l, const pa_node *a, const int64_t *strides, const pa_node *result, int axis) {
    const int64_t *shape = pa_node_shape(a);
    int64_t place[PA_MAX_NDIM];
    pa_row_major(result->ndim, pa_node_shape(result), place);
    *l = (lines){.count = 1, .n = 1, .places = 1, .stride = {1, 1}};
    if (a->ndim > 0) {
        l->n = shape[axis];
        l->places = pa_node_shape(result)[axis];
        l->stride[0] = strides[axis];
        l->stride[1] = place[axis];
    }
    for (int i = 0; i < a->ndim; i++) {
        if (i == axis) continue;
        pa_axes_add(&l->starts, shape[i], strides[i], place[i]);
        l->count *= shape[i];
    }
}

/* A result like the operand, along an axis, one way or the other. */
static pa_status like_operand(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    PA_TRY(pa_check_axis(call, &spec->ints[0]));
    spec->ndim = a->ndim;
    if (a->ndim > 0) memcpy(spec->shape, pa_node_shape(a), (size_t)a->ndim * sizeof *spec->shape);
    spec->ints[1] = call->n_ints > 1 && call->ints[1] != 0;
    return PA_OK;
}

/* ---- keys ---- */

static inline int64_t key_of(double x) {
    int64_t bits;
    if (x != x) return INT64_MAX;
    x += 0.0; /* of both zeros the positive one */
    memcpy(&bits, &x, sizeof bits);
    return bits < 0 ? bits ^ INT64_MAX : bits;
}

/* The keys of the next n numbers of a stream. */
static void read_keys(pa_stream *stream, bool as_floats, int64_t *keys, int64_t n) {
    pa_stream_read(stream, as_floats ? PA_FLOAT64 : PA_INT64, keys, n);
    for (int64_t i = 0; as_floats && i < n; i++) {
        double x;
        memcpy(&x, keys + i, sizeof x);
        keys[i] = key_of(x);
    }
}

/* ---- cumsum ---- */

pa_status pa_cumsum_shape(const pa_call *call, pa_spec *spec) {
    PA_TRY(like_operand(call, spec));
    pa_dtype dtype = call->in[0]->dtype;
    spec->dtype = pa_dtype_is_float(dtype) ? dtype : PA_INT64;
    return PA_OK;
}

/* One line of floats, summed in double. */
#define SUM_LINE(T, name)                                                                                              \
    static void sum_##name(const T *x, int64_t x_stride, T *y, int64_t y_stride, int64_t n, bool accumulate) {         \
        double total = 0;                                                                                              \
        for (int64_t i = 0; i < n; i++) {                                                                              \
            total += (double)x[i * x_stride];                                                                          \
            y[i * y_stride] = accumulate ? y[i * y_stride] + (T)total : (T)total;                                      \
        }                                                                                                              \
    }
SUM_LINE(float, f32)
SUM_LINE(double, f64)

static void sum_ints(char *in, pa_dtype from, int64_t x_stride, int64_t *y, int64_t y_stride, int64_t n) {
    int64_t block[BLOCK];
    uint64_t total = 0;
    pa_stream stream;
    pa_stream_open(&stream, in, from, 1, &n, &x_stride, 1, &n);
    for (int64_t i = 0; i < n; i++) {
        if (i % BLOCK == 0) pa_stream_read(&stream, PA_INT64, block, n - i < BLOCK ? n - i : BLOCK);
        y[i * y_stride] = (int64_t)(total += (uint64_t)block[i % BLOCK]);
    }
}

static void sum_lines(lines *l, pa_dtype from, char *in, pa_dtype to, char *out, bool reverse, bool accumulate) {
    int64_t in_size = (int64_t)pa_dtype_size(from), out_size = (int64_t)pa_dtype_size(to);
    pa_walk walk = {{0}, {0}};
    if (l->n == 0) return;
    if (reverse) { /* each line from its last element on */
        in += (l->n - 1) * l->stride[0] * in_size;
        out += (l->n - 1) * l->stride[1] * out_size;
        l->stride[0] = -l->stride[0];
        l->stride[1] = -l->stride[1];
    }
    for (int64_t i = 0; i < l->count; i++) {
        void *x = in + walk.at[0] * in_size, *y = out + walk.at[1] * out_size;
        if (from == PA_FLOAT32)
            sum_f32(x, l->stride[0], y, l->stride[1], l->n, accumulate);
        else if (from == PA_FLOAT64)
            sum_f64(x, l->stride[0], y, l->stride[1], l->n, accumulate);
        else
            sum_ints(x, from, l->stride[0], y, l->stride[1], l->n);
        pa_walk_next(&walk, &l->starts, l->starts.n);
    }
}

pa_status pa_cumsum_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    lines l;
    find_lines(&l, a, pa_node_strides(a), node, (int)ints[0]);
    sum_lines(&l, a->dtype, pa_node_data(a), node->dtype, pa_node_data(node), ints[1] != 0, false);
    return PA_OK;
}

pa_status pa_cumsum_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    int64_t place[PA_MAX_NDIM];
    bool accumulate;
    char *dx = pa_gradient_target(node, 0, &accumulate);
    if (dx == NULL) return PA_OK;
    pa_row_major(a->ndim, pa_node_shape(a), place);
    lines l;
    find_lines(&l, a, place, node, (int)ints[0]);
    sum_lines(&l, node->dtype, (char *)(uintptr_t)pa_gradient(node), a->dtype, dx, ints[1] == 0, accumulate);
    return PA_OK;
}

/* ---- argsort ---- */

typedef struct item {
    int64_t key, index;
} item;

/* ints[2]: how many of each line, -1 for all of them. */
pa_status pa_argsort_shape(const pa_call *call, pa_spec *spec) {
    PA_TRY(like_operand(call, spec));
    int64_t k = call->n_ints > 2 ? call->ints[2] : -1, n = spec->ndim > 0 ? spec->shape[spec->ints[0]] : 1;
    PA_FAIL_IF(k > n, PA_INDEX, "argsort: the first %lld of %lld elements along axis %lld of shape %s", (long long)k,
               (long long)n, (long long)spec->ints[0], pa_node_shape_text(call->in[0]));
    if (k >= 0 && spec->ndim > 0) spec->shape[spec->ints[0]] = k;
    spec->ints[2] = k;
    spec->dtype = PA_INT64;
    return PA_OK;
}

/* Two lines of items. */
size_t pa_argsort_scratch(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    return 2 * sizeof(item) * (size_t)(a->ndim > 0 ? pa_node_shape(a)[node->array->ints[0]] : 1);
}

/* Puts items[at] to its place among the first `count` of those before it, which are sorted; one may drop out. */
static inline void insert(item *items, int64_t at, int64_t count) {
    item x = items[at];
    int64_t i = at < count ? at : count;
    if (i < at && x.key >= items[i - 1].key) return;
    if (i < at) i--;
    for (; i > 0 && x.key < items[i - 1].key; i--) items[i] = items[i - 1];
    items[i] = x;
}

/* Sorts by the eight digits of the keys, the lowest first, through `other`; digits that all have are passed over. */
static item *sort_by_digits(item *items, item *other, int64_t n) {
    uint32_t counts[8][DIGITS] = {{0}};
    for (int64_t i = 0; i < n; i++) {
        uint64_t key = (uint64_t)items[i].key ^ (uint64_t)1 << 63;
        for (int d = 0; d < 8; d++) counts[d][key >> 8 * d & 255]++;
    }
    for (int d = 0; d < 8; d++) {
        uint64_t first = ((uint64_t)items[0].key ^ (uint64_t)1 << 63) >> 8 * d & 255;
        if (counts[d][first] == n) continue;
        uint32_t start = 0;
        for (int i = 0; i < DIGITS; i++) {
            uint32_t count = counts[d][i];
            counts[d][i] = start;
            start += count;
        }
        for (int64_t i = 0; i < n; i++) {
            uint64_t key = (uint64_t)items[i].key ^ (uint64_t)1 << 63;
            other[counts[d][key >> 8 * d & 255]++] = items[i];
        }
        item *sorted = other;
        other = items;
        items = sorted;
    }
    return items;
}

/* Sorts runs by insertion and merges them, two into one, through `other`. */
static item *sort_by_merging(item *items, item *other, int64_t n) {
    for (int64_t start = 0; start < n; start += RUN)
        for (int64_t i = 1; i < RUN && start + i < n; i++) insert(items + start, i, i + 1);
    for (int64_t width = RUN; width < n; width *= 2) {
        for (int64_t start = 0; start < n; start += 2 * width) {
            const item *a = items + start, *a_end = items + (start + width < n ? start + width : n), *b = a_end;
            const item *b_end = items + (start + 2 * width < n ? start + 2 * width : n);
            item *to = other + start;
            while (a < a_end && b < b_end) {
                bool second = b->key < a->key;
                *to++ = *(second ? b : a);
                b += second;
                a += !second;
            }
            while (a < a_end) *to++ = *a++;
            while (b < b_end) *to++ = *b++;
        }
        item *merged = other;
        other = items;
        items = merged;
    }
    return items;
}

/* The first k of n items in order; where it says. */
static item *sorted(item *items, item *other, int64_t n, int64_t k) {
    if (k > RUN && k > n / FEW) {
        bool many = n > MANY && n <= UINT32_MAX;
        return many ? sort_by_digits(items, other, n) : sort_by_merging(items, other, n);
    }
    for (int64_t i = 1; k > 0 && i < n; i++) insert(items, i, k);
    return items;
}

pa_status pa_argsort_forward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    int64_t keys[BLOCK], size = (int64_t)pa_dtype_size(a->dtype), *out = (int64_t *)(void *)pa_node_data(node);
    bool is_float = pa_dtype_is_float(a->dtype), descending = ints[1] != 0;
    lines l;
    find_lines(&l, a, pa_node_strides(a), node, (int)ints[0]);
    item *items = scratch, *other = items + l.n;
    pa_walk walk = {{0}, {0}};
    for (int64_t line = 0; line < l.count; line++) {
        pa_stream stream;
        pa_stream_open(&stream, pa_node_data(a) + walk.at[0] * size, a->dtype, 1, &l.n, &l.stride[0], 1, &l.n);
        for (int64_t i = 0; i < l.n; i++) {
            if (i % BLOCK == 0) read_keys(&stream, is_float, keys, l.n - i < BLOCK ? l.n - i : BLOCK);
            items[i] = (item){.key = descending ? ~keys[i % BLOCK] : keys[i % BLOCK], .index = i};
        }
        const item *found = sorted(items, other, l.n, l.places);
        int64_t *to = out + walk.at[1];
        for (int64_t i = 0; i < l.places; i++) to[i * l.stride[1]] = found[i].index;
        pa_walk_next(&walk, &l.starts, l.starts.n);
    }
    return PA_OK;
}

/* ---- the position of the last largest (ints[1]: smallest) so far; a NaN is both ---- */

pa_status pa_argcummax_shape(const pa_call *call, pa_spec *spec) {
    PA_TRY(like_operand(call, spec));
    spec->dtype = PA_INT64;
    return PA_OK;
}

pa_status pa_argcummax_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    int64_t keys[BLOCK], size = (int64_t)pa_dtype_size(a->dtype), *out = (int64_t *)(void *)pa_node_data(node);
    bool is_float = pa_dtype_is_float(a->dtype);
    lines l;
    find_lines(&l, a, pa_node_strides(a), node, (int)ints[0]);
    pa_walk walk = {{0}, {0}};
    for (int64_t line = 0; line < l.count; line++) {
        pa_stream stream;
        pa_stream_open(&stream, pa_node_data(a) + walk.at[0] * size, a->dtype, 1, &l.n, &l.stride[0], 1, &l.n);
        int64_t best = INT64_MIN, position = 0;
        for (int64_t i = 0; i < l.n; i++) {
            if (i % BLOCK == 0) read_keys(&stream, is_float, keys, l.n - i < BLOCK ? l.n - i : BLOCK);
            int64_t key = keys[i % BLOCK];
            if (ints[1] != 0 && !(is_float && key == INT64_MAX)) key = ~key;
            if (key >= best) {
                best = key;
                position = i;
            }
            out[walk.at[1] + i * l.stride[1]] = position;
        }
        pa_walk_next(&walk, &l.starts, l.starts.n);
    }
    return PA_OK;
}

/* ---- searchsorted ---- */

pa_status pa_searchsorted_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    bool fits = a->ndim == 1 || (a->ndim > 0 && a->ndim == b->ndim);
    for (int axis = 0; fits && axis < a->ndim - 1; axis++) fits = pa_node_shape(a)[axis] == pa_node_shape(b)[axis];
    PA_FAIL_IF(!fits, PA_VALUE,
               "searchsorted: numbers of shape %s among sorted ones of shape %s: these have one axis, or all but the "
               "last are as those of the numbers",
               pa_node_shape_text(b), pa_node_shape_text(a));
    spec->ndim = b->ndim;
    if (b->ndim > 0) memcpy(spec->shape, pa_node_shape(b), (size_t)b->ndim * sizeof *spec->shape);
    spec->ints[0] = call->n_ints > 0 && call->ints[0] != 0;
    spec->dtype = PA_INT64;
    return PA_OK;
}

/* One line of keys. */
size_t pa_searchsorted_scratch(const pa_node *node) {
    const pa_node *a = pa_node_parent(node, 0);
    return sizeof(int64_t) * (size_t)pa_node_shape(a)[a->ndim - 1];
}

/* How many of n sorted keys are less than `key`, or with `right` no more than it. */
static int64_t count_below(const int64_t *keys, int64_t n, int64_t key, bool right) {
    int64_t low = 0;
    while (n > 0) {
        int64_t half = n / 2;
        bool below = right ? keys[low + half] <= key : keys[low + half] < key;
        low = below ? low + half + 1 : low;
        n = below ? n - half - 1 : half;
    }
    return low;
}

pa_status pa_searchsorted_forward(pa_node *node, void *scratch) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    int64_t wanted[BLOCK], *keys = scratch, *out = (int64_t *)(void *)pa_node_data(node);
    int64_t n = pa_node_shape(a)[a->ndim - 1], total = pa_node_numel(b), each = total;
    bool is_float = pa_dtype_is_float(a->dtype) || pa_dtype_is_float(b->dtype), right = node->array->ints[0] != 0;
    if (a->ndim > 1) each = pa_node_shape(b)[b->ndim - 1];
    pa_stream sequence, numbers;
    pa_stream_open_node(&sequence, a, a);
    pa_stream_open_node(&numbers, b, b);
    for (int64_t done = 0; done < total; done += each, out += each) {
        read_keys(&sequence, is_float, keys, n);
        for (int64_t i = 0; i < each; i++) {
            if (i % BLOCK == 0) read_keys(&numbers, is_float, wanted, each - i < BLOCK ? each - i : BLOCK);
            out[i] = count_below(keys, n, wanted[i % BLOCK], right);
        }
    }
    return PA_OK;
}

/* ---- linear_index: a lends its shape, b has positions along the axis ---- */

pa_status pa_linear_index_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0], *b = call->in[1];
    PA_TRY(like_operand(call, spec));
    PA_FAIL_IF(b->dtype != PA_INT64, PA_TYPE, "linear_index: positions are int64, not %s (of shape %s)",
               pa_dtype_name(b->dtype), pa_node_shape_text(b));
    bool fits = a->ndim == b->ndim;
    for (int axis = 0; fits && axis < a->ndim; axis++)
        fits = axis == spec->ints[0] || pa_node_shape(b)[axis] <= pa_node_shape(a)[axis];
    PA_FAIL_IF(!fits, PA_VALUE, "linear_index: positions of shape %s in shape %s", pa_node_shape_text(b),
               pa_node_shape_text(a));
    if (b->ndim > 0) memcpy(spec->shape, pa_node_shape(b), (size_t)b->ndim * sizeof *spec->shape);
    spec->dtype = PA_INT64;
    return PA_OK;
}

/* A position out of range becomes -1, which nothing takes for an element. */
pa_status pa_linear_index_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    const pa_node *a = pa_node_parent(node, 0), *b = pa_node_parent(node, 1);
    const int64_t *positions = (const int64_t *)(const void *)pa_node_data(b);
    int64_t place[PA_MAX_NDIM], *out = (int64_t *)(void *)pa_node_data(node), total = pa_node_numel(node);
    int axis = (int)node->array->ints[0];
    int64_t size = a->ndim > 0 ? pa_node_shape(a)[axis] : 1, step = 1;
    pa_row_major(a->ndim, pa_node_shape(a), place);
    if (a->ndim > 0) step = place[axis];
    pa_axes axes = {.n = 0}; /* stride[0] over the positions, stride[1] over the rows of a */
    for (int i = 0; i < b->ndim; i++)
        pa_axes_add(&axes, pa_node_shape(b)[i], pa_node_strides(b)[i], i == axis ? 0 : place[i]);
    int last = axes.n - 1;
    int64_t n = last < 0 ? 1 : axes.shape[last];
    int64_t stride = last < 0 ? 0 : axes.stride[0][last], row = last < 0 ? 0 : axes.stride[1][last];
    pa_walk walk = {{0}, {0}};
    for (int64_t done = 0; done < total; done += n, out += n) {
        for (int64_t i = 0; i < n; i++) {
            int64_t position = positions[walk.at[0] + i * stride];
            out[i] = position < 0 || position >= size ? -1 : walk.at[1] + i * row + position * step;
        }
        pa_walk_next(&walk, &axes, last);
    }
    return PA_OK;
}
