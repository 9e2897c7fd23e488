/* SLP vectorisation: equal ops of one level are a pack, and a pack becomes one vector loop. Packs are emitted level by
   level; within a level the vector loops come first.

       level 1   reductions of 2 terms x 1600 │ mul x 337 │ …
       level 2   relu x 1600
       level 3   …

   A pack that is too small for a loop is deferred: what has been deferred over several levels becomes one run of scalar
   ops right before the next vector loop. Before anything is emitted, a pass over the packs of reductions gives leaves
   the positions that the products want, weights side by side as their lanes above all. */
#include <string.h>

#include "internal.h"

/* ---- kinds of ops ---- */

static uint64_t hash_kind(const sl_op *op) {
    uint64_t hash = pa_hash_mix(op->code, op->roles);
    hash = pa_hash_mix(hash, (uint32_t)op->param);
    return op->code == SL_CODE_REDUCTION ? pa_hash_mix(hash, (uint32_t)op->in[2]) : hash;
}

static bool same_kind(const sl_op *x, const sl_op *y) {
    return x->code == y->code && x->roles == y->roles && x->param == y->param &&
           (x->code != SL_CODE_REDUCTION || x->in[2] == y->in[2]);
}

/* kinds[i]: the number of op i's kind, by first appearance. */
static void number_kinds(sl_work *w, int32_t *kinds) {
    int32_t *firsts = w->ids;
    int32_t found = 0;
    pa_table_clear(&w->table, w->n_ops);
    for (size_t i = 0; i < w->n_ops; i++) {
        const sl_op *op = &w->ops[i];
        int32_t *entry = pa_table_first(&w->table, hash_kind(op));
        while (*entry >= 0 && !same_kind(op, &w->ops[firsts[*entry]])) entry = pa_table_next(&w->table, entry);
        if (*entry < 0) {
            firsts[found] = (int32_t)i;
            *entry = found++;
        }
        kinds[i] = *entry;
    }
}

/* ---- levels ---- */

/* An op comes with a level as soon as possible: one above its operands'. Which ops are moved to the latest level that
   their readers allow: none, those of a backward for which that is a few levels later, any for which it is, or all. */
typedef enum levels { EARLY, BACKWARD_NEAR, NEAR, LATE, LEVELS } levels;
enum { NEAR_LEVELS = 3 };

static void before(int32_t *limits, int32_t reg, int32_t level) {
    if (limits[reg] > level - 1) limits[reg] = level - 1;
}

/* Levels of the ops under one of these rules. An op that nothing reads stays. */
static void find_levels(sl_work *w, levels rule, int32_t *found) {
    int32_t *limits = w->mates; /* of registers; the mates are found later */
    for (size_t i = 0; i < w->code->n; i++) limits[i] = INT32_MAX;
    for (size_t i = w->n_ops; i-- > 0;) {
        const sl_op *op = &w->ops[i];
        int32_t level = (int32_t)op->level, limit = limits[op->out];
        bool moves = rule != EARLY && limit != INT32_MAX;
        if (rule == BACKWARD_NEAR) moves = moves && op->flags & SL_BACKWARD;
        if (rule != LATE) moves = moves && limit - level <= NEAR_LEVELS;
        if (moves) level = limit;
        found[i] = level;
        int operands = sl_operands(op->roles);
        for (int k = 0; k < operands; k++) before(limits, op->in[k], level);
        if (op->code != SL_CODE_REDUCTION) continue;
        before(limits, op->in[0], level);
        for (int32_t k = op->in[1]; k < op->in[1] + op->in[2]; k++) {
            before(limits, w->term_a[k], level);
            before(limits, w->term_b[k], level);
        }
    }
    memset(w->mates, 0xff, w->code->n * sizeof *w->mates);
}

/* How many packs there are with these levels. */
static size_t count_packs(sl_work *w, const int32_t *level, const int32_t *kinds) {
    size_t found = 0;
    pa_table_clear(&w->table, w->n_ops);
    for (size_t i = 0; i < w->n_ops; i++) {
        w->keys[i] = (uint64_t)level[i] << 32 | (uint32_t)kinds[i];
        int32_t *entry = pa_table_first(&w->table, pa_hash_mix(0, w->keys[i]));
        while (*entry >= 0 && w->keys[*entry] != w->keys[i]) entry = pa_table_next(&w->table, entry);
        if (*entry >= 0) continue;
        *entry = (int32_t)i;
        found++;
    }
    return found;
}

/* Ops that belong together start at one level and may drift apart: one sample's label was a constant that folded, the
   first token has fewer others to attend to. A backward ends together: as late as possible, its ops are level again.
   The rule that gives the fewest packs is taken. */
static void choose_levels(sl_work *w, const int32_t *kinds) {
    int32_t *level = w->order;
    size_t best = SIZE_MAX;
    for (levels rule = EARLY; rule < LEVELS; rule++) {
        find_levels(w, rule, level);
        size_t found = count_packs(w, level, kinds);
        if (found >= best) continue;
        best = found;
        memcpy(w->choice, level, w->n_ops * sizeof *level);
    }
    for (size_t i = 0; i < w->n_ops; i++) w->ops[i].level = (uint32_t)w->choice[i];
}

/* Sorts the ops by level, then by kind in order of appearance. */
static void find_packs(sl_work *w) {
    int32_t *kinds = w->rest;
    number_kinds(w, kinds);
    choose_levels(w, kinds);
    for (size_t i = 0; i < w->n_ops; i++) {
        w->keys[i] = (uint64_t)w->ops[i].level << 32 | (uint32_t)kinds[i];
        w->sorted[i] = (int32_t)i;
    }
    sl_sort(w->sorted, w->spare, w->keys, w->n_ops);
    for (size_t i = 0; i < w->n_ops; i++)
        if (i == 0 || w->keys[w->sorted[i]] != w->keys[w->sorted[i - 1]]) w->starts[w->n_packs++] = (int32_t)i;
    w->starts[w->n_packs] = (int32_t)w->n_ops;
}

/* For each register, another operand of an op that reads it: where the mates of a pack have positions, the pack's
   results follow their order. */
static void find_mates(sl_work *w) {
    for (size_t i = w->n_ops; i-- > 0;) {
        const sl_op *op = &w->ops[i];
        int n = sl_operands(op->roles);
        for (int k = 0; k < n; k++) w->mates[op->in[k]] = n < 2 ? -1 : op->in[k == 0];
    }
}

/* ---- emitting ---- */

/* Fewer ops are faster one by one. */
enum { PACK_MIN = 6, REDUCTIONS_MIN = 4 };

static const int32_t *pack_ops(const sl_work *w, size_t pack) { return w->sorted + w->starts[pack]; }
static size_t pack_size(const sl_work *w, size_t pack) { return (size_t)(w->starts[pack + 1] - w->starts[pack]); }
static uint32_t pack_level(const sl_work *w, size_t pack) { return w->ops[*pack_ops(w, pack)].level; }
static bool has_reductions(const sl_work *w, size_t pack) {
    return w->ops[*pack_ops(w, pack)].code == SL_CODE_REDUCTION;
}

static bool is_vector(const sl_work *w, size_t pack) {
    return w->passes & PA_STRAIGHTLINE_PACKS &&
           pack_size(w, pack) >= (has_reductions(w, pack) ? REDUCTIONS_MIN : PACK_MIN);
}

static pa_status emit_pack(sl_work *w, size_t pack) {
    const int32_t *ops = pack_ops(w, pack);
    size_t n = pack_size(w, pack);
    return has_reductions(w, pack) ? sl_emit_reductions(w, ops, n) : sl_emit_pack(w, ops, n);
}

static pa_status place_leaves(sl_work *w) {
    w->only_leaves = true;
    for (size_t i = 0; i < w->n_packs; i++)
        if (has_reductions(w, i) && is_vector(w, i)) PA_TRY(emit_pack(w, i));
    w->only_leaves = false;
    return PA_OK;
}

static pa_status emit_levels(sl_work *w) {
    for (size_t i = 0, next; i < w->n_packs; i = next) {
        for (next = i; next < w->n_packs && pack_level(w, next) == pack_level(w, i); next++) {
            if (!is_vector(w, next)) continue;
            PA_TRY(sl_emit_deferred(w));
            PA_TRY(emit_pack(w, next));
        }
        for (size_t j = i; j < next; j++)
            if (!is_vector(w, j)) sl_defer(w, pack_ops(w, j), pack_size(w, j));
    }
    return sl_emit_deferred(w);
}

/* ---- numbers ---- */

static bool is_named(const pa_straightline *code, size_t reg) {
    return code->nodes[reg].code == PA_OP_leaf || code->nodes[reg].flags & SL_KEPT;
}

/* Leaves and kept numbers can be found by their registers. */
static pa_status name_numbers(sl_work *w) {
    pa_straightline *code = w->code;
    size_t named = 0;
    for (size_t i = 0; i < code->n; i++) {
        if (!is_named(code, i)) continue;
        sl_position(w, w->leader[i]);
        named++;
    }
    PA_FAIL_IF(w->top > INT32_MAX - 64, PA_VALUE, "straight-line code: a program of more than %d numbers",
               INT32_MAX - 64);
    code->n_named = named;
    code->named = pa_mem_alloc_array(named, sizeof *code->named);
    code->named_at = pa_mem_alloc_array(named, sizeof *code->named_at);
    if (code->named == NULL || code->named_at == NULL) return PA_MEMORY;
    named = 0;
    for (size_t i = 0; i < code->n; i++) {
        if (!is_named(code, i)) continue;
        code->named[named] = (int32_t)i;
        code->named_at[named++] = w->at[w->leader[i]];
    }
    return PA_OK;
}

/* The numbers, all 0 but the constants. */
static pa_status new_numbers(sl_work *w) {
    pa_straightline *code = w->code;
    size_t n = (size_t)w->top + 64; /* vectors may read beyond the last number */
    code->numbers = pa_mem_alloc_array(n, sizeof *code->numbers);
    if (code->numbers == NULL) return PA_MEMORY;
    code->n_numbers = n;
    memset(code->numbers, 0, n * sizeof *code->numbers);
    for (size_t i = 0; i < code->n; i++)
        if (code->nodes[i].code == SL_CODE_CONSTANT && w->at[i] >= 0)
            code->numbers[w->at[i]] = code->constants[code->nodes[i].param];
    return PA_OK;
}

/* ---- memory ---- */

/* Words that have an entry for each register, and for each op: in one block each. */
enum { REGISTER_WORDS = 5, OP_WORDS = 26 };

static pa_status new_register_arrays(sl_work *w) {
    size_t n = w->code->n;
    w->register_block = pa_mem_alloc_array(n, REGISTER_WORDS * sizeof *w->register_block);
    w->copies = pa_mem_alloc_array(SL_COPIES, sizeof *w->copies);
    if (w->register_block == NULL || w->copies == NULL) return PA_MEMORY;
    w->at = w->register_block;
    w->mates = w->at + n;
    w->term_a = w->mates + n;
    w->term_b = w->term_a + n;
    w->term_sum = w->term_b + n;
    memset(w->at, 0xff, 2 * n * sizeof *w->at); /* no positions and no mates yet */
    memset(w->copies, 0, SL_COPIES * sizeof *w->copies);
    return PA_OK;
}

static pa_status new_op_arrays(sl_work *w) {
    size_t n = w->n_ops + 1;
    w->op_block = pa_mem_alloc_array(n, OP_WORDS * sizeof *w->op_block);
    if (w->op_block == NULL) return PA_MEMORY;
    w->keys = (uint64_t *)w->op_block; /* the 64-bit ones first */
    w->hashes = w->keys + n;
    int32_t *at = w->op_block + 6 * n;
#define TAKE(array, words) (array = at, at += (size_t)(words) * n)
    TAKE(w->sorted, 1);
    TAKE(w->starts, 1);
    TAKE(w->order, 1);
    TAKE(w->spare, 1);
    TAKE(w->choice, 1);
    TAKE(w->pending, 1);
    TAKE(w->rest, 1);
    TAKE(w->positions, SL_MAX_OPERANDS + 1);
    TAKE(w->ids, 2);
    TAKE(w->parents, 2);
    TAKE(w->local, 2);
    TAKE(w->reps, 2);
#undef TAKE
    return pa_table_new(&w->table, n);
}

static void free_arrays(sl_work *w) {
    pa_mem_free_array(w->register_block, w->code->n, REGISTER_WORDS * sizeof *w->register_block);
    pa_mem_free_array(w->copies, SL_COPIES, sizeof *w->copies);
    pa_mem_free_array(w->ops, w->ops_capacity, sizeof *w->ops);
    pa_mem_free_array(w->op_block, w->n_ops + 1, OP_WORDS * sizeof *w->op_block);
    pa_mem_free_array(w->matrix, w->matrix_capacity, sizeof *w->matrix);
    pa_table_free(&w->table);
}

static pa_status schedule(sl_work *w) {
    PA_TRY(new_register_arrays(w));
    PA_TRY(sl_recognise_reductions(w));
    PA_TRY(new_op_arrays(w));
    find_packs(w);
    find_mates(w);
    PA_TRY(place_leaves(w));
    PA_TRY(emit_levels(w));
    PA_TRY(name_numbers(w));
    return new_numbers(w);
}

pa_status sl_schedule(pa_straightline *code, const int32_t *leader, unsigned passes) {
    const int32_t *last = leader + code->n; /* pa_straightline_compile has added three constants */
    sl_work work = {.code = code,
                    .passes = passes,
                    .leader = leader,
                    .minus_one = last[-3],
                    .one = last[-2],
                    .minus_zero = last[-1]};
    pa_status status = schedule(&work);
    free_arrays(&work);
    return status;
}
