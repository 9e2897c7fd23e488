/* Ops that are too few for a vector loop: deferred, and then run one by one, in the order in which they were written.

   An op that reads the result of the op before it has a form of its own, which finds that number in a machine register.
   Simple ops in no regular order are run by one formula without jumps:

       s, a, b, c, e  ──▶  0 where s <= 0 (where s < 0, if ~s stands there), else a b + c e */
#include <string.h>

#include "internal.h"

void sl_defer(sl_work *w, const int32_t *ops, size_t n) {
    memcpy(w->pending + w->n_pending, ops, n * sizeof *ops);
    w->n_pending += n;
}

/* ---- one op ---- */

static pa_status scalar_call(sl_work *w, const sl_op *op, sl_scalar *scalar) {
    enum { WORDS = 7 };
    PA_TRY(sl_new_list(w, WORDS, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    *list++ = op->code;
    *list++ = op->param;
    for (int i = 0, k = 0; i < 5; i++) *list++ = op->roles & 1 << i ? w->at[op->in[k++]] : -1;
    scalar->kind = SL_SCALAR_CALL;
    return PA_OK;
}

/* Sums of gradients from this length on are added up in parts: in one sum, each addition waits for the one before. */
enum { PARTS_MIN = 256 };

static pa_status scalar_reduction(sl_work *w, const sl_op *op, sl_scalar *scalar) {
    int32_t n = op->in[2];
    for (int32_t k = 0; k < n; k++) {
        sl_position(w, w->term_a[op->in[1] + k]);
        sl_position(w, w->term_b[op->in[1] + k]);
    }
    PA_TRY(sl_new_list(w, 2 * (size_t)n, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    for (int32_t k = 0; k < n; k++) {
        *list++ = w->at[w->term_a[op->in[1] + k]];
        *list++ = w->at[w->term_b[op->in[1] + k]];
    }
    scalar->b = n;
    scalar->c = sl_position(w, op->in[0]);
    scalar->kind = op->flags & SL_BACKWARD && n >= PARTS_MIN ? SL_SCALAR_REDUCTION_IN_PARTS : SL_SCALAR_REDUCTION;
    return PA_OK;
}

/* `last` is the register of the op before. */
static pa_status add_scalar(sl_work *w, const sl_op *op, int32_t last, sl_scalar *scalar) {
    if (op->code == SL_CODE_REDUCTION) return scalar_reduction(w, op, scalar);
    int operands = sl_operands(op->roles);
    int32_t at[SL_MAX_OPERANDS] = {0};
    for (int k = 0; k < operands; k++) at[k] = sl_position(w, op->in[k]);
    *scalar = (sl_scalar){.a = at[0], .b = at[1], .c = at[2]};
    bool left = op->in[0] == last, right = operands > 1 && op->in[1] == last;
    bool swap = right && !left;
    switch (sl_map_of(op->code)) {
    case PA_MAP_ADD:
    case PA_MAP_MUL: {
        bool add = op->code == PA_OP_add;
        if (swap) scalar->b = at[0];
        if (left && right) left = right = false;
        scalar->kind = left || right ? (add ? SL_SCALAR_ADD_LAST : SL_SCALAR_MUL_LAST)
                       : add         ? SL_SCALAR_ADD
                                     : SL_SCALAR_MUL;
        return PA_OK;
    }
    case PA_MAP_SUB:
        scalar->kind = left && right ? SL_SCALAR_SUB
                       : left        ? SL_SCALAR_SUB_LAST
                       : right       ? SL_SCALAR_SUB_FROM
                                     : SL_SCALAR_SUB;
        return PA_OK;
    case PA_MAP_MULADD:
        if (swap) scalar->b = at[0];
        scalar->kind = left != right ? SL_SCALAR_MULADD_LAST : SL_SCALAR_MULADD;
        if (!left && !right && op->in[2] == last) scalar->kind = SL_SCALAR_MULADD_TO;
        return PA_OK;
    case PA_MAP_DIV: scalar->kind = SL_SCALAR_DIV; return PA_OK;
    case PA_MAP_NEG: scalar->kind = SL_SCALAR_NEG; return PA_OK;
    case PA_MAP_RELU: scalar->kind = SL_SCALAR_RELU; return PA_OK;
    case PA_MAP_RELU_GRADIENT: scalar->kind = SL_SCALAR_RELU_GRADIENT; return PA_OK;
    default: return scalar_call(w, op, scalar);
    }
}

/* ---- mixed runs ---- */

/* The processor is taken to mispredict the jump to an op whose kind is that of neither of the two ops before it. */
enum { MIXED_MIN = 16, MISPREDICTED = 8 /* one op in so many */ };

static bool is_simple(const sl_op *op) {
    pa_map_kind kind = sl_map_of(op->code);
    return kind != PA_MAP_KINDS && kind != PA_MAP_DIV;
}

/* The positions of s or ~s, a, b, c and e that make the formula this op. */
static void mixed_positions(sl_work *w, const sl_op *op, int32_t *list) {
    int32_t one = sl_position(w, w->one), zero = sl_position(w, w->minus_zero), minus = sl_position(w, w->minus_one);
    int32_t at[SL_MAX_OPERANDS];
    for (int k = 0; k < sl_operands(op->roles); k++) at[k] = w->at[op->in[k]];
    int32_t found[5] = {one, at[0], one, zero, one};
    switch (sl_map_of(op->code)) {
    case PA_MAP_ADD: found[3] = at[1]; break;
    case PA_MAP_SUB:
        found[3] = at[1];
        found[4] = minus;
        break;
    case PA_MAP_MUL: found[2] = at[1]; break;
    case PA_MAP_MULADD:
        found[2] = at[1];
        found[3] = at[2];
        break;
    case PA_MAP_NEG: found[2] = minus; break;
    case PA_MAP_RELU: found[0] = ~at[0]; break;
    case PA_MAP_RELU_GRADIENT:
        found[0] = at[0];
        found[1] = at[1];
        break;
    default: break; /* is_simple has left the others out */
    }
    memcpy(list, found, sizeof found);
}

/* How many of the pending ops from i on make a mixed run; 0 where they do not. */
static size_t mixed_length(const sl_work *w, size_t i, size_t n) {
    size_t end = i, mispredicted = 0;
    pa_map_kind before = PA_MAP_KINDS, earlier = PA_MAP_KINDS;
    for (; end < n && is_simple(&w->ops[w->pending[end]]); end++) {
        pa_map_kind kind = sl_map_of(w->ops[w->pending[end]].code);
        mispredicted += kind != before && kind != earlier;
        earlier = before;
        before = kind;
    }
    size_t length = end - i;
    return length >= MIXED_MIN && mispredicted * MISPREDICTED >= length ? length : 0;
}

/* The pending ops from i on as one scalar op of kind MIXED; their results stand at `out`. */
static pa_status add_mixed(sl_work *w, size_t i, size_t length, int32_t out, sl_scalar *scalar) {
    *scalar = (sl_scalar){.kind = SL_SCALAR_MIXED, .b = (int32_t)length};
    for (size_t k = 0; k < length; k++) {
        const sl_op *op = &w->ops[w->pending[i + k]];
        for (int operand = 0; operand < sl_operands(op->roles); operand++) sl_position(w, op->in[operand]);
        w->at[op->out] = out + (int32_t)k;
    }
    PA_TRY(sl_new_list(w, 5 * length, &scalar->a));
    for (size_t k = 0; k < length; k++)
        mixed_positions(w, &w->ops[w->pending[i + k]], w->code->lists + scalar->a + 5 * k);
    return PA_OK;
}

/* ---- all that wait ---- */

pa_status sl_emit_deferred(sl_work *w) {
    size_t n = w->n_pending;
    if (n == 0) return PA_OK;
    w->n_pending = 0;
    for (size_t i = 0; i < n; i++) w->keys[w->pending[i]] = (uint64_t)w->pending[i];
    sl_sort(w->pending, w->spare, w->keys, n); /* the order in which they were written */

    pa_straightline *code = w->code;
    PA_TRY(pa_mem_reserve(&code->scalars, &code->scalars_capacity, code->n_scalars + n, sizeof *code->scalars));
    sl_instruction instruction = {.kind = SL_DO_SCALARS};
    instruction.of.scalars.first = (int32_t)code->n_scalars;
    instruction.of.scalars.results = (int32_t)n;
    instruction.of.scalars.out = sl_take(w, (int64_t)n);
    int32_t last = -1;
    size_t simple_until = 0; /* ops up to there make no mixed run */
    for (size_t i = 0; i < n; i++) {
        size_t length = i < simple_until ? 0 : mixed_length(w, i, n);
        if (length > 0) {
            PA_TRY(add_mixed(w, i, length, instruction.of.scalars.out + (int32_t)i, &code->scalars[code->n_scalars]));
            code->n_scalars++;
            i += length - 1;
            last = w->ops[w->pending[i]].out;
            continue;
        }
        if (i >= simple_until) /* look at a stretch of simple ops only once */
            for (simple_until = i; simple_until < n && is_simple(&w->ops[w->pending[simple_until]]);) simple_until++;
        const sl_op *op = &w->ops[w->pending[i]];
        PA_TRY(add_scalar(w, op, last, &code->scalars[code->n_scalars]));
        code->n_scalars++;
        w->at[op->out] = instruction.of.scalars.out + (int32_t)i;
        last = op->out;
    }
    instruction.of.scalars.n = (int32_t)(code->n_scalars - (size_t)instruction.of.scalars.first);
    code->stats.scalars += (int64_t)n;
    return sl_add_instruction(w, instruction);
}
