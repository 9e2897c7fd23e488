/* Elementwise ops over nodes: broadcasting, promotion, strides and blocks around the raw loops of kernels.h.

   Operands that are contiguous, of the result's shape and of the dtype computed in are read where they stand. The
   others are gathered into blocks of PA_BLOCK elements, which stay in L1:

       operand, any strides and dtype ──gather──▶ block of T ──loop──▶ result
       upstream gradient ──loop──▶ block of T ──scatter-add──▶ gradient of a broadcast operand

   What the operands promote to stands in the node's ints[0]; a comparison's result is bool. uint8 and int32 are
   computed in int64, from blocks into a block, and that is narrowed into the result. */
#include <math.h>
#include <string.h>

#include "kernels.h"
#include "ops.h"
#include "stream.h"

enum { BLOCK_BYTES = PA_BLOCK * 8, MAX_INPUTS = PA_MAX_OPERANDS + 2 };

pa_status pa_broadcast_shapes(const char *what, int n, pa_node *const *in, int *ndim, int64_t *shape) {
    int rank = 0;
    for (int i = 0; i < n; i++)
        if (in[i]->ndim > rank) rank = in[i]->ndim;
    for (int axis = 0; axis < rank; axis++) {
        int64_t size = 1;
        for (int i = 0; i < n; i++) {
            int own = axis - (rank - in[i]->ndim);
            int64_t wanted = own < 0 ? 1 : in[i]->array->shape[own];
            if (wanted == 1 || wanted == size) continue;
            if (size != 1) {
                if (n == 3)
                    return pa_fail(PA_VALUE, "%s: shapes %s, %s and %s do not broadcast: %lld meets %lld at axis %d",
                                   what, pa_node_shape_text(in[0]), pa_node_shape_text(in[1]),
                                   pa_node_shape_text(in[2]), (long long)size, (long long)wanted, axis - rank);
                return pa_fail(PA_VALUE, "%s: shapes %s and %s do not broadcast: %lld meets %lld at axis %d", what,
                               pa_node_shape_text(in[0]), pa_node_shape_text(in[n - 1]), (long long)size,
                               (long long)wanted, axis - rank);
            }
            size = wanted;
        }
        shape[axis] = size;
    }
    *ndim = rank;
    return PA_OK;
}

pa_status pa_check_finite(const pa_node *node, int i, const void *gradient) {
    const pa_node *operand = pa_node_parent(node, i);
    for (int64_t j = 0; j < pa_node_numel(operand); j++) {
        double g = operand->dtype == PA_FLOAT32 ? ((const float *)gradient)[j] : ((const double *)gradient)[j];
        PA_FAIL_IF(!isfinite(g), PA_FLOATING_POINT,
                   "backward: %s of shape %s made %f in the gradient of its operand %d of shape %s%s",
                   pa_op_table[node->op].name, pa_node_shape_text(node), g, i, pa_node_shape_text(operand),
                   pa_node_place_text(node));
    }
    return PA_OK;
}

pa_status pa_check_float(const pa_call *call) {
    const pa_node *a = call->in[0];
    PA_FAIL_IF(!pa_dtype_is_float(a->dtype), PA_TYPE, "%s: takes float32 or float64, not %s (of shape %s)",
               pa_op_table[call->op].name, pa_dtype_name(a->dtype), pa_node_shape_text(a));
    return PA_OK;
}

pa_status pa_check_axis(const pa_call *call, int64_t *axis) {
    const pa_node *a = call->in[0];
    int64_t given = call->n_ints > 0 ? call->ints[0] : -1, axes = a->ndim > 0 ? a->ndim : 1;
    PA_FAIL_IF(given < -axes || given >= axes, PA_INDEX, "%s: axis %lld is out of range for shape %s",
               pa_op_table[call->op].name, (long long)given, pa_node_shape_text(a));
    *axis = given < 0 ? given + axes : given;
    return PA_OK;
}

/* -1 is 255 in uint8, as in PyTorch; the elements of tensors are converted as C converts them. */
pa_status pa_check_number(const pa_node *number, pa_dtype dtype, const char *what) {
    static const double ends[PA_DTYPE_COUNT][2] = {
        [PA_UINT8] = {0, 255}, [PA_INT32] = {-0x1p31, 0x1p31 - 1}, [PA_INT64] = {-0x1p63, 0x1p63 - 1024}};
    bool is_known = number->flags & PA_WEAK_SCALAR && !(number->flags & PA_TRACED_SCALAR);
    if (!is_known || pa_dtype_category(dtype) != 1 || number->dtype == dtype) return PA_OK;
    double value = pa_node_number(number), lowest = ends[dtype][0];
    if (dtype == PA_UINT8 && !pa_dtype_is_float(number->dtype)) lowest = -255;
    PA_FAIL_IF(!(value >= lowest && value <= ends[dtype][1]), PA_VALUE, "%s: %.17g does not fit into a tensor of %s",
               what, value, pa_dtype_name(dtype));
    return PA_OK;
}

/* Are they Python's numbers alone, which a recorded step computes with in float64 as Python does? */
static bool are_numbers(int n, pa_node *const *in) {
    bool any = false;
    for (int i = 0; i < n; i++) {
        if (!(in[i]->flags & PA_WEAK_SCALAR)) return false;
        any = any || in[i]->flags & PA_TRACED_SCALAR;
    }
    return any;
}

pa_dtype pa_promote(int n, pa_node *const *in) {
    enum { WEAK, ZERO_DIM, DIMS, RANKS };
    int best[RANKS] = {-1, -1, -1};
    for (int i = 0; i < n; i++) {
        int rank = in[i]->flags & PA_WEAK_SCALAR ? WEAK : in[i]->ndim == 0 ? ZERO_DIM : DIMS;
        int dtype = in[i]->dtype;
        if (rank == WEAK && pa_dtype_is_float(dtype)) dtype = are_numbers(n, in) ? PA_FLOAT64 : pa_graph.default_float;
        if (dtype > best[rank]) best[rank] = dtype;
    }
    int result = best[DIMS];
    for (int rank = ZERO_DIM; rank >= WEAK; rank--) {
        if (best[rank] < 0) continue;
        if (result < 0 || pa_dtype_category(best[rank]) > pa_dtype_category(result)) result = best[rank];
    }
    return (pa_dtype)result;
}

static pa_status refuse_bool(const pa_call *call, const pa_spec *spec) {
    const char *instead = call->op == PA_OP_sub   ? "write a ^ b for masks, or "
                          : call->op == PA_OP_neg ? "write ~a, or "
                                                  : "";
    return pa_fail(PA_TYPE, "%s: takes no bool, shape %s; %sconvert it with .to()", pa_op_table[call->op].name,
                   pa_shape_text(spec->ndim, spec->shape), instead);
}

/* What the operands promote to, or the default float where the op's row does not compute in that. What PyTorch refuses
   is refused: bools in _INT rows, and any bool in a difference; an integer to the power of a negative number. */
static pa_status dtype_computed_in(const pa_call *call, const pa_spec *spec, pa_dtype *out) {
    const pa_op_info *info = &pa_op_table[call->op];
    int skip = call->op == PA_OP_where; /* its condition takes no part in the promotion */
    if (skip)
        PA_FAIL_IF(call->in[0]->dtype != PA_BOOL, PA_TYPE, "where: the condition of shape %s is %s, not bool",
                   pa_node_shape_text(call->in[0]), pa_dtype_name(call->in[0]->dtype));
    pa_dtype dtype = pa_promote(call->n - skip, call->in + skip);
    PA_FAIL_IF(info->family == PA_LOGIC && pa_dtype_is_float(dtype), PA_TYPE,
               "%s: takes bool and integers, not %s, shape %s", info->name, pa_dtype_name(dtype),
               pa_shape_text(spec->ndim, spec->shape));
    *out = dtype;
    if (pa_dtype_is_float(dtype) && call->op != PA_OP_sub) return PA_OK; /* what follows is about the others */
    bool numbers = are_numbers(call->n, call->in), has_bool = dtype == PA_BOOL && !numbers;
    bool counts =
        (info->family == PA_ELEMENTWISE && !skip) || call->op == PA_OP_bitwise_not || info->lowest == PA_UINT8;
    if (dtype == PA_BOOL && numbers && counts) dtype = PA_INT64; /* as True + True and ~True */
    for (int i = 0; call->op == PA_OP_sub && !numbers && i < call->n; i++)
        has_bool = has_bool || call->in[i]->dtype == PA_BOOL;
    if (has_bool && info->lowest == PA_UINT8) return refuse_bool(call, spec);
    if (dtype < info->lowest) dtype = numbers ? PA_FLOAT64 : pa_graph.default_float;
    if (call->op == PA_OP_pow && pa_dtype_category(dtype) == 1) {
        const pa_node *exponent = call->in[1];
        bool is_negative = exponent->flags & PA_WEAK_SCALAR && exponent->dtype == PA_INT64 && exponent->value_i64 < 0;
        if (is_negative && numbers) dtype = PA_FLOAT64;
        PA_FAIL_IF(is_negative && !numbers, PA_VALUE,
                   "pow: %s of shape %s to the power %lld is no integer; write the exponent as a float",
                   pa_dtype_name(dtype), pa_node_shape_text(call->in[0]), (long long)exponent->value_i64);
    }
    bool chooses = skip || call->op == PA_OP_maximum || call->op == PA_OP_minimum;
    for (int i = skip; chooses && pa_dtype_is_narrow(dtype) && i < call->n; i++)
        PA_TRY(pa_check_number(call->in[i], dtype, info->name));
    *out = dtype;
    return PA_OK;
}

pa_status pa_elementwise_shape(const pa_call *call, pa_spec *spec) {
    const pa_op_info *info = &pa_op_table[call->op];
    PA_TRY(pa_broadcast_shapes(info->name, call->n, call->in, &spec->ndim, spec->shape));
    pa_dtype dtype = PA_BOOL;
    PA_TRY(dtype_computed_in(call, spec, &dtype));
    spec->dtype = info->family == PA_COMPARISON ? PA_BOOL : dtype;
    spec->ints[0] = dtype;
    for (int i = 0; i < call->n_params; i++) spec->params[i] = call->params[i];
    return PA_OK;
}

/* One input of the loop: read where it stands, or through a block. */
typedef struct input {
    const char *direct;
    bool constant; /* one number: the block is filled once */
    pa_stream stream;
    _Alignas(64) char block[BLOCK_BYTES];
} input;

static void input_open_stream(input *in, const pa_node *source, pa_dtype dtype, const pa_node *result) {
    in->constant = pa_node_numel(source) == 1;
    int64_t n = pa_node_numel(result);
    if (in->constant)
        pa_k->convert[source->dtype][dtype](in->block, pa_node_data(source), 0, n < PA_BLOCK ? n : PA_BLOCK);
    else
        pa_stream_open_node(&in->stream, source, result);
}

static inline void input_open(input *in, const pa_node *source, pa_dtype dtype, const pa_node *result) {
    bool is_direct = source->dtype == dtype && pa_same_shape(source, result) && pa_node_is_contiguous(source);
    in->direct = is_direct ? pa_node_data(source) : NULL;
    if (!is_direct) input_open_stream(in, source, dtype, result);
}

/* An input of a promoted dtype that is narrow, in int64: a number of a higher dtype is narrowed first. */
static void input_open_narrow(input *in, const pa_node *source, pa_dtype dtype, const pa_node *result) {
    int64_t narrowed, n = pa_node_numel(result);
    in->direct = NULL;
    in->constant = pa_node_numel(source) == 1;
    if (!in->constant) {
        pa_stream_open_node(&in->stream, source, result);
        return;
    }
    pa_k->convert[source->dtype][dtype](&narrowed, pa_node_data(source), 0, 1);
    pa_k->convert[dtype][PA_INT64](in->block, &narrowed, 0, n < PA_BLOCK ? n : PA_BLOCK);
}

static inline const void *input_next(input *in, pa_dtype dtype, int64_t offset, int64_t n) {
    if (in->direct != NULL) return in->direct + offset * (int64_t)pa_dtype_size(dtype);
    if (!in->constant) pa_stream_read(&in->stream, dtype, in->block, n);
    return in->block;
}

static pa_status forward_narrow(pa_node *node, pa_dtype dtype) {
    pa_map_fn *loop = pa_k->forward[node->op][PA_INT64];
    int64_t numel = pa_node_numel(node), out_size = (int64_t)pa_dtype_size(node->dtype);
    const void *in[MAX_INPUTS] = {NULL};
    input inputs[PA_MAX_OPERANDS];
    int condition = node->op == PA_OP_where ? 0 : -1; /* which keeps its own dtype */
    for (int i = 0; i < node->n_parents; i++)
        input_open_narrow(&inputs[i], pa_node_parent(node, i), i == condition ? PA_BOOL : dtype, node);
    _Alignas(64) char block[BLOCK_BYTES];
    for (int64_t done = 0; done < numel; done += PA_BLOCK) {
        int64_t n = numel - done < PA_BLOCK ? numel - done : PA_BLOCK;
        char *out = pa_node_data(node) + done * out_size;
        for (int i = 0; i < node->n_parents; i++) in[i] = input_next(&inputs[i], PA_INT64, done, n);
        bool narrows = pa_dtype_is_narrow(node->dtype); /* a comparison's result is bool */
        loop(narrows ? block : out, in, node->array->params, n);
        if (narrows) pa_k->convert[PA_INT64][node->dtype](out, block, 1, n);
    }
    return PA_OK;
}

/* Integers are not divided by zero. */
static pa_status refuse_zeros(const pa_node *node) {
    enum { BLOCK = 256 };
    const pa_node *divisor = pa_node_parent(node, 1);
    int64_t block[BLOCK], narrow[BLOCK];
    pa_dtype dtype = (pa_dtype)node->array->ints[0];
    pa_stream stream;
    pa_stream_open_node(&stream, divisor, divisor);
    for (int64_t left = pa_node_numel(node) > 0 ? pa_node_numel(divisor) : 0, n; left > 0; left -= n) {
        n = left < BLOCK ? left : BLOCK;
        pa_stream_read(&stream, dtype, narrow, n); /* 256 is 0 beside uint8 */
        pa_k->convert[dtype][PA_INT64](block, narrow, 1, n);
        for (int64_t i = 0; i < n; i++)
            PA_FAIL_IF(block[i] == 0, PA_RUNTIME, "%s: integers of shape %s are divided by zero",
                       pa_op_table[node->op].name, pa_node_shape_text(pa_node_parent(node, 0)));
    }
    return PA_OK;
}

pa_status pa_elementwise_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    pa_dtype dtype = (pa_dtype)node->array->ints[0];
    if (!pa_dtype_is_float(dtype)) {
        if (pa_op_table[node->op].effects & MAY_FAIL) PA_TRY(refuse_zeros(node));
        if (pa_dtype_is_narrow(dtype)) return forward_narrow(node, dtype);
    }
    pa_map_fn *loop = pa_k->forward[node->op][dtype];
    const double *params = node->array->params;
    int64_t numel = pa_node_numel(node);
    char *out = pa_node_data(node);
    const void *in[MAX_INPUTS] = {NULL};
    input inputs[PA_MAX_OPERANDS];
    bool all_direct = true;
    for (int i = 0; i < node->n_parents; i++) {
        input_open(&inputs[i], pa_node_parent(node, i), dtype, node);
        all_direct = all_direct && inputs[i].direct != NULL;
        in[i] = inputs[i].direct;
    }
    if (all_direct) {
        loop(out, in, params, numel);
        return PA_OK;
    }
    int64_t out_size = (int64_t)pa_dtype_size(node->dtype);
    for (int64_t done = 0; done < numel; done += PA_BLOCK) {
        int64_t n = numel - done < PA_BLOCK ? numel - done : PA_BLOCK;
        for (int i = 0; i < node->n_parents; i++) in[i] = input_next(&inputs[i], dtype, done, n);
        loop(out + done * out_size, in, params, n);
    }
    return PA_OK;
}

/* Adds the contribution to operand i, a block at a time. */
static void gradient_of_operand(pa_node *node, int operand, input *inputs) {
    const char *upstream = pa_gradient(node);
    pa_node *parent = pa_node_parent(node, operand);
    bool accumulate = false;
    char *target = pa_gradient_target(node, operand, &accumulate);
    pa_dtype dtype = node->dtype;
    int f = dtype == PA_FLOAT64;
    int64_t numel = pa_node_numel(node), size = (int64_t)pa_dtype_size(dtype);
    const double *params = node->array->params;
    pa_map_fn *loop = pa_k->gradient[node->op][operand][f];
    unsigned reads = pa_op_table[node->op].effects;

    bool same = parent->dtype == dtype && pa_same_shape(parent, node);
    bool direct = same && !accumulate;
    const void *in[MAX_INPUTS] = {NULL};
    for (int i = 0; i < PA_MAX_OPERANDS; i++) {
        if (!pa_backward_reads(node, i)) continue;
        if (inputs[i].direct == NULL) direct = false;
        in[i] = inputs[i].direct;
    }
    in[3] = reads & READS_OUT ? pa_node_data(node) : NULL;
    in[4] = upstream;
    if (direct) {
        loop(target, in, params, numel);
        return;
    }

    pa_stream stream;
    if (!same) {
        int64_t strides[PA_MAX_NDIM];
        pa_row_major(parent->ndim, pa_node_shape(parent), strides);
        pa_stream_open(&stream, target, parent->dtype, parent->ndim, pa_node_shape(parent), strides, node->ndim,
                       pa_node_shape(node));
        if (!accumulate) memset(target, 0, pa_node_bytes(parent));
    }
    _Alignas(64) char block[BLOCK_BYTES];
    for (int64_t done = 0; done < numel; done += PA_BLOCK) {
        int64_t n = numel - done < PA_BLOCK ? numel - done : PA_BLOCK;
        for (int i = 0; i < PA_MAX_OPERANDS; i++)
            if (pa_backward_reads(node, i)) in[i] = input_next(&inputs[i], dtype, done, n);
        if (reads & READS_OUT) in[3] = pa_node_data(node) + done * size;
        in[4] = upstream + done * size;
        if (same && !accumulate) {
            loop(target + done * size, in, params, n);
            continue;
        }
        loop(block, in, params, n);
        if (same)
            pa_k->add[f](target + done * size, block, n);
        else
            pa_stream_add(&stream, dtype, block, n);
    }
}

pa_status pa_elementwise_backward(pa_node *node, void *PA_UNUSED(scratch)) {
    int f = node->dtype == PA_FLOAT64;
    input inputs[PA_MAX_OPERANDS];
    for (int operand = 0; operand < node->n_parents; operand++) {
        if (!pa_node_requires_grad(pa_node_parent(node, operand)) || pa_k->gradient[node->op][operand][f] == NULL)
            continue;
        for (int i = 0; i < node->n_parents; i++)
            if (pa_backward_reads(node, i)) input_open(&inputs[i], pa_node_parent(node, i), node->dtype, node);
        gradient_of_operand(node, operand, inputs);
    }
    return PA_OK;
}
