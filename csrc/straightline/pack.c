/* From ops to instructions: ops of one level, code, parameters and length are a pack, and packs are placed level by
   level.

       level 1   reductions of 2 terms x 1600 │ mul x 337 │ …
       level 2   relu x 1600
       level 3   …

   Within a level the vector instructions come first. Ops that are too few for one wait: what waits over several levels
   becomes one run of scalar ops, in the order in which it was written, right before the next vector instruction. Before
   anything is placed, a dry walk over the reductions gives the leaves their places, weights as the lanes of products above
   all. */
#include <string.h>

#include "internal.h"

/* Of fewer ops, one by one is faster. */
enum { PACK_MIN = 6, REDUCTIONS_MIN = 4 };

static uint64_t hash_pack(const sl_op *op) {
    uint64_t hash = pa_hash_mix(op->code, op->where);
    hash = pa_hash_mix(hash, (uint32_t)op->param);
    return op->code == SL_CODE_REDUCTION ? pa_hash_mix(hash, (uint32_t)op->in[2]) : hash;
}

static bool same_pack(const sl_op *x, const sl_op *y) {
    return x->code == y->code && x->where == y->where && x->param == y->param &&
           (x->code != SL_CODE_REDUCTION || x->in[2] == y->in[2]);
}

/* packs[i]: the number of what op i does, by first appearance. */
static void number_packs(sl_work *w, int32_t *packs) {
    int32_t *firsts = w->ids;
    int32_t found = 0;
    pa_table_clear(&w->table, w->n_ops);
    for (size_t i = 0; i < w->n_ops; i++) {
        const sl_op *op = &w->ops[i];
        int32_t *entry = pa_table_first(&w->table, hash_pack(op));
        while (*entry >= 0 && !same_pack(op, &w->ops[firsts[*entry]])) entry = pa_table_next(&w->table, entry);
        if (*entry < 0) {
            firsts[found] = (int32_t)i;
            *entry = found++;
        }
        packs[i] = *entry;
    }
}

/* ---- levels ---- */

/* Which ops run as late as those that read them allow: none, those of a backward or any for which that is a few levels
   later, or all. */
typedef enum levels { EARLY, BACKWARD_NEAR, NEAR, LATE, LEVELS } levels;
enum { NEAR_LEVELS = 3 };

static void before(int32_t *limits, int32_t reg, int32_t level) {
    if (limits[reg] > level - 1) limits[reg] = level - 1;
}

/* The levels of the ops where some of them move. What nothing reads stays. */
static void find_levels(sl_work *w, levels kind, int32_t *found) {
    int32_t *limits = w->mates; /* of registers; the mates come later */
    for (size_t i = 0; i < w->code->n; i++) limits[i] = INT32_MAX;
    for (size_t i = w->n_ops; i-- > 0;) {
        const sl_op *op = &w->ops[i];
        int32_t level = (int32_t)op->level, limit = limits[op->out];
        bool moves = kind != EARLY && limit != INT32_MAX;
        if (kind == BACKWARD_NEAR) moves = moves && op->flags & SL_BACKWARD;
        if (kind != LATE) moves = moves && limit - level <= NEAR_LEVELS;
        if (moves) level = limit;
        found[i] = level;
        int operands = sl_operands(op->where);
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

/* How many packs there are with these levels; the keys become level and pack. */
static size_t count_packs(sl_work *w, const int32_t *level, const int32_t *packs) {
    size_t found = 0;
    pa_table_clear(&w->table, w->n_ops);
    for (size_t i = 0; i < w->n_ops; i++) {
        w->keys[i] = (uint64_t)level[i] << 32 | (uint32_t)packs[i];
        int32_t *entry = pa_table_first(&w->table, pa_hash_mix(0, w->keys[i]));
        while (*entry >= 0 && w->keys[*entry] != w->keys[i]) entry = pa_table_next(&w->table, entry);
        if (*entry >= 0) continue;
        *entry = (int32_t)i;
        found++;
    }
    return found;
}

/* Ops that go together start at one level and may drift apart, where one sample's label was folded or the first token
   has fewer to look at. A backward ends together: run late, it is in instruction again. The levels with the fewest packs are
   taken. */
static void choose_levels(sl_work *w, const int32_t *packs) {
    int32_t *level = w->order;
    size_t best = SIZE_MAX;
    for (levels kind = EARLY; kind < LEVELS; kind++) {
        find_levels(w, kind, level);
        size_t found = count_packs(w, level, packs);
        if (found >= best) continue;
        best = found;
        memcpy(w->choice, level, w->n_ops * sizeof *level);
    }
    for (size_t i = 0; i < w->n_ops; i++) w->ops[i].level = (uint32_t)w->choice[i];
}

/* Sorts the ops by level, then by pack in order of appearance. */
static void sort_ops(sl_work *w, int32_t *order) {
    int32_t *packs = w->left;
    number_packs(w, packs);
    choose_levels(w, packs);
    for (size_t i = 0; i < w->n_ops; i++) {
        w->keys[i] = (uint64_t)w->ops[i].level << 32 | (uint32_t)packs[i];
        order[i] = (int32_t)i;
    }
    sl_sort(order, w->spare, w->keys, w->n_ops);
}

/* ---- placing ---- */

static pa_status place_pack(sl_work *w, const int32_t *ops, size_t n) {
    if (w->ops[ops[0]].code == SL_CODE_REDUCTION) return sl_place_reductions(w, ops, n);
    return sl_place_pack(w, ops, n);
}

static bool is_wide(const sl_work *w, const int32_t *ops, size_t n, unsigned passes) {
    return passes & PA_STRAIGHTLINE_PACKS &&
           n >= (w->ops[ops[0]].code == SL_CODE_REDUCTION ? REDUCTIONS_MIN : PACK_MIN);
}

/* `starts` are the packs' first places in `order`, and the end. */
static pa_status place_leaves(sl_work *w, const int32_t *order, const int32_t *starts, size_t packs, unsigned passes) {
    w->dry = true;
    for (size_t i = 0; i < packs; i++) {
        const int32_t *ops = order + starts[i];
        size_t n = (size_t)(starts[i + 1] - starts[i]);
        if (w->ops[ops[0]].code == SL_CODE_REDUCTION && is_wide(w, ops, n, passes))
            PA_TRY(sl_place_reductions(w, ops, n));
    }
    w->dry = false;
    return PA_OK;
}

static pa_status place_levels(sl_work *w, const int32_t *order, const int32_t *starts, size_t packs, unsigned passes) {
    for (size_t i = 0, next; i < packs; i = next) {
        uint32_t level = w->ops[order[starts[i]]].level;
        for (next = i; next < packs && w->ops[order[starts[next]]].level == level; next++) {
            const int32_t *ops = order + starts[next];
            size_t n = (size_t)(starts[next + 1] - starts[next]);
            if (!is_wide(w, ops, n, passes)) continue;
            PA_TRY(sl_place_pending(w));
            PA_TRY(place_pack(w, ops, n));
        }
        for (size_t j = i; j < next; j++) {
            const int32_t *ops = order + starts[j];
            size_t n = (size_t)(starts[j + 1] - starts[j]);
            if (is_wide(w, ops, n, passes)) continue;
            memcpy(w->pending + w->n_pending, ops, n * sizeof *ops);
            w->n_pending += n;
        }
    }
    return sl_place_pending(w);
}

/* Leaves and kept numbers can be found by their registers, and constants are written. */
static pa_status name_numbers(sl_work *w) {
    pa_straightline *code = w->code;
    size_t given = code->n - 2, named = 0;
#define IS_NAMED(i) (code->nodes[i].code == PA_OP_leaf || code->nodes[i].flags & SL_KEPT)
    for (size_t i = 0; i < given; i++) {
        if (!IS_NAMED(i)) continue;
        sl_place(w, w->same[i]);
        named++;
    }
    PA_FAIL_IF(w->top > INT32_MAX - 64, PA_VALUE, "straight-line code: a program of more than %d numbers",
               INT32_MAX - 64);
    code->named = pa_mem_alloc_array(named, sizeof *code->named);
    if (code->named == NULL) return PA_MEMORY;
    code->named_at = pa_mem_alloc_array(named, sizeof *code->named_at);
    if (code->named_at == NULL) {
        pa_mem_free_array(code->named, named, sizeof *code->named);
        code->named = NULL;
        return PA_MEMORY;
    }
    code->n_named = named;
    named = 0;
    for (size_t i = 0; i < given; i++) {
        if (!IS_NAMED(i)) continue;
        code->named[named] = (int32_t)i;
        code->named_at[named++] = w->at[w->same[i]];
    }
#undef IS_NAMED
    size_t numbers = (size_t)w->top + 64; /* vectors may read beyond the last number */
    code->numbers = pa_mem_alloc_array(numbers, sizeof *code->numbers);
    if (code->numbers == NULL) return PA_MEMORY;
    code->n_numbers = numbers;
    memset(code->numbers, 0, numbers * sizeof *code->numbers);
    for (size_t i = 0; i < code->n; i++)
        if (code->nodes[i].code == SL_CODE_CONSTANT && w->at[i] >= 0)
            code->numbers[w->at[i]] = code->constants[code->nodes[i].param];
    return PA_OK;
}

/* For each number, one that an op reads beside it: where the mates of a pack have places, its results follow them. */
static void find_mates(sl_work *w) {
    for (size_t i = w->n_ops; i-- > 0;) {
        const sl_op *op = &w->ops[i];
        int n = sl_operands(op->where);
        for (int k = 0; k < n; k++) w->mates[op->in[k]] = n < 2 ? -1 : op->in[k == 0];
    }
}

static pa_status place(sl_work *w, int32_t *order, int32_t *starts, unsigned passes) {
    size_t packs = 0;
    sort_ops(w, order);
    for (size_t i = 0; i < w->n_ops; i++)
        if (i == 0 || w->keys[order[i]] != w->keys[order[i - 1]]) starts[packs++] = (int32_t)i;
    starts[packs] = (int32_t)w->n_ops;
    find_mates(w);
    PA_TRY(place_leaves(w, order, starts, packs, passes));
    PA_TRY(place_levels(w, order, starts, packs, passes));
    return name_numbers(w);
}

/* ---- memory ---- */

/* The arrays of a work, in one block each: those of a word for each reg, and those for each op. */
enum { REGISTER_WORDS = 5, OP_WORDS = 26 };

static pa_status with_ops(sl_work *w, unsigned passes) {
    size_t n = w->n_ops + 1;
    int32_t *block = pa_mem_alloc_array(n, OP_WORDS * sizeof *block);
    if (block == NULL) return PA_MEMORY;
    w->keys = (uint64_t *)block; /* the 64-bit ones first */
    w->hashes = w->keys + n;
    int32_t *at = block + 6 * n, *order, *starts;
#define TAKE(array, words) (array = at, at += (size_t)(words) * n)
    TAKE(order, 1);
    TAKE(starts, 1);
    TAKE(w->order, 1);
    TAKE(w->spare, 1);
    TAKE(w->choice, 1);
    TAKE(w->pending, 1);
    TAKE(w->left, 1);
    TAKE(w->positions, IN_MAX + 1);
    TAKE(w->ids, 2);
    TAKE(w->parents, 2);
    TAKE(w->local, 2);
    TAKE(w->reps, 2);
#undef TAKE
    pa_status status = pa_table_new(&w->table, n);
    if (status == PA_OK) {
        status = place(w, order, starts, passes);
        pa_table_free(&w->table);
    }
    pa_mem_free_array(block, n, OP_WORDS * sizeof *block);
    return status;
}

static pa_status with_terms(sl_work *w, unsigned passes) {
    pa_status status = sl_recognise_reductions(w, passes);
    if (status == PA_OK) status = with_ops(w, passes);
    pa_mem_free_array(w->ops, w->ops_room, sizeof *w->ops);
    return status;
}

pa_status sl_pack_and_lay_out(pa_straightline *code, const int32_t *same, unsigned passes) {
    size_t n = code->n;
    sl_work work = {
        .code = code, .same = same, .minus_one = same[n - 3], .one = same[n - 2], .minus_zero = same[n - 1]};
    sl_work *w = &work;
    pa_status status = PA_MEMORY;
    int32_t *registers = pa_mem_alloc_array(n, REGISTER_WORDS * sizeof *registers);
    w->copies = registers == NULL ? NULL : pa_mem_alloc_array(SL_COPIES, sizeof *w->copies);
    if (w->copies != NULL) {
        w->at = registers;
        w->mates = registers + n;
        w->term_a = registers + 2 * n;
        w->term_b = registers + 3 * n;
        w->term_node = registers + 4 * n;
        memset(registers, 0xff, 2 * n * sizeof *registers);
        memset(w->copies, 0, SL_COPIES * sizeof *w->copies);
        status = with_terms(w, passes);
    }
    pa_mem_free_array(w->copies, SL_COPIES, sizeof *w->copies);
    pa_mem_free_array(registers, n, REGISTER_WORDS * sizeof *registers);
    pa_mem_free_array(w->matrix, w->matrix_room, sizeof *w->matrix);
    return status;
}
