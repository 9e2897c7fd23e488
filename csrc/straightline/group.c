/* From tasks to steps: tasks of one level, code, parameters and length are a group, and groups are placed level by
   level.

       level 1   chains of 2 terms x 1600 │ mul x 337 │ …
       level 2   relu x 1600
       level 3   …

   Within a level the vector steps come first. Tasks that are too few for one wait: what waits over several levels
   becomes one run of scalar ops, in the order in which it was written, right before the next vector step. Before
   anything is placed, a dry walk over the chains gives the leaves their places, weights as the lanes of products above
   all. */
#include <string.h>

#include "internal.h"

/* Of fewer ops, one by one is faster. */
enum { GROUP_MIN = 6, CHAINS_MIN = 4 };

static uint64_t hash_group(const scode_task *task) {
    uint64_t hash = scode_mix(task->code, task->where);
    hash = scode_mix(hash, (uint32_t)task->param);
    return task->code == CODE_CHAIN ? scode_mix(hash, (uint32_t)task->in[2]) : hash;
}

static bool same_group(const scode_task *x, const scode_task *y) {
    return x->code == y->code && x->where == y->where && x->param == y->param &&
           (x->code != CODE_CHAIN || x->in[2] == y->in[2]);
}

/* groups[i]: the number of what task i does, by first appearance. */
static void number_groups(scode_work *w, int32_t *groups) {
    int32_t *firsts = w->ids;
    int32_t found = 0;
    scode_table_clear(&w->table, w->n_tasks);
    for (size_t i = 0; i < w->n_tasks; i++) {
        const scode_task *task = &w->tasks[i];
        size_t cell = hash_group(task) & w->table.mask;
        while (w->table.cells[cell] >= 0 && !same_group(task, &w->tasks[firsts[w->table.cells[cell]]]))
            cell = (cell + 1) & w->table.mask;
        if (w->table.cells[cell] < 0) {
            firsts[found] = (int32_t)i;
            w->table.cells[cell] = found++;
        }
        groups[i] = w->table.cells[cell];
    }
}

/* ---- levels ---- */

/* Which tasks run as late as those that read them allow: none, those of a backward or any for which that is a few levels
   later, or all. */
typedef enum levels { EARLY, BACKWARD_NEAR, NEAR, LATE, LEVELS } levels;
enum { NEAR_LEVELS = 3 };

static void before(int32_t *limits, int32_t slot, int32_t level) {
    if (limits[slot] > level - 1) limits[slot] = level - 1;
}

/* The levels of the tasks where some of them move. What nothing reads stays. */
static void find_levels(scode_work *w, levels kind, int32_t *found) {
    int32_t *limits = w->mates; /* of slots; the mates come later */
    for (size_t i = 0; i < w->code->n; i++) limits[i] = INT32_MAX;
    for (size_t i = w->n_tasks; i-- > 0;) {
        const scode_task *task = &w->tasks[i];
        int32_t level = (int32_t)task->level, limit = limits[task->out];
        bool moves = kind != EARLY && limit != INT32_MAX;
        if (kind == BACKWARD_NEAR) moves = moves && task->flags & NODE_BACKWARD;
        if (kind != LATE) moves = moves && limit - level <= NEAR_LEVELS;
        if (moves) level = limit;
        found[i] = level;
        int operands = scode_operands(task->where);
        for (int k = 0; k < operands; k++) before(limits, task->in[k], level);
        if (task->code != CODE_CHAIN) continue;
        before(limits, task->in[0], level);
        for (int32_t k = task->in[1]; k < task->in[1] + task->in[2]; k++) {
            before(limits, w->term_a[k], level);
            before(limits, w->term_b[k], level);
        }
    }
    memset(w->mates, 0xff, w->code->n * sizeof *w->mates);
}

/* How many groups there are with these levels; the keys become level and group. */
static size_t count_groups(scode_work *w, const int32_t *level, const int32_t *groups) {
    size_t found = 0;
    scode_table_clear(&w->table, w->n_tasks);
    for (size_t i = 0; i < w->n_tasks; i++) {
        w->keys[i] = (uint64_t)level[i] << 32 | (uint32_t)groups[i];
        size_t cell = scode_mix(0, w->keys[i]) & w->table.mask;
        while (w->table.cells[cell] >= 0 && w->keys[w->table.cells[cell]] != w->keys[i])
            cell = (cell + 1) & w->table.mask;
        if (w->table.cells[cell] >= 0) continue;
        w->table.cells[cell] = (int32_t)i;
        found++;
    }
    return found;
}

/* Ops that go together start at one level and may drift apart, where one sample's label was folded or the first token
   has fewer to look at. A backward ends together: run late, it is in step again. The levels with the fewest groups are
   taken. */
static void choose_levels(scode_work *w, const int32_t *groups) {
    int32_t *level = w->order;
    size_t best = SIZE_MAX;
    for (levels kind = EARLY; kind < LEVELS; kind++) {
        find_levels(w, kind, level);
        size_t found = count_groups(w, level, groups);
        if (found >= best) continue;
        best = found;
        memcpy(w->choice, level, w->n_tasks * sizeof *level);
    }
    for (size_t i = 0; i < w->n_tasks; i++) w->tasks[i].level = (uint32_t)w->choice[i];
}

/* Sorts the tasks by level, then by group in order of appearance. */
static void sort_tasks(scode_work *w, int32_t *order) {
    int32_t *groups = w->left;
    number_groups(w, groups);
    choose_levels(w, groups);
    for (size_t i = 0; i < w->n_tasks; i++) {
        w->keys[i] = (uint64_t)w->tasks[i].level << 32 | (uint32_t)groups[i];
        order[i] = (int32_t)i;
    }
    scode_sort(order, w->spare, w->keys, w->n_tasks);
}

/* ---- placing ---- */

static pa_status place_group(scode_work *w, const int32_t *tasks, size_t n) {
    if (w->tasks[tasks[0]].code == CODE_CHAIN) return scode_place_chains(w, tasks, n);
    return scode_place_group(w, tasks, n);
}

static bool is_wide(const scode_work *w, const int32_t *tasks, size_t n, unsigned passes) {
    return passes & PA_SCODE_GROUP && n >= (w->tasks[tasks[0]].code == CODE_CHAIN ? CHAINS_MIN : GROUP_MIN);
}

/* `starts` are the groups' first places in `order`, and the end. */
static pa_status place_leaves(scode_work *w, const int32_t *order, const int32_t *starts, size_t groups,
                              unsigned passes) {
    w->dry = true;
    for (size_t i = 0; i < groups; i++) {
        const int32_t *tasks = order + starts[i];
        size_t n = (size_t)(starts[i + 1] - starts[i]);
        if (w->tasks[tasks[0]].code == CODE_CHAIN && is_wide(w, tasks, n, passes))
            PA_TRY(scode_place_chains(w, tasks, n));
    }
    w->dry = false;
    return PA_OK;
}

static pa_status place_levels(scode_work *w, const int32_t *order, const int32_t *starts, size_t groups,
                              unsigned passes) {
    for (size_t i = 0, next; i < groups; i = next) {
        uint32_t level = w->tasks[order[starts[i]]].level;
        for (next = i; next < groups && w->tasks[order[starts[next]]].level == level; next++) {
            const int32_t *tasks = order + starts[next];
            size_t n = (size_t)(starts[next + 1] - starts[next]);
            if (!is_wide(w, tasks, n, passes)) continue;
            PA_TRY(scode_place_pending(w));
            PA_TRY(place_group(w, tasks, n));
        }
        for (size_t j = i; j < next; j++) {
            const int32_t *tasks = order + starts[j];
            size_t n = (size_t)(starts[j + 1] - starts[j]);
            if (is_wide(w, tasks, n, passes)) continue;
            memcpy(w->pending + w->n_pending, tasks, n * sizeof *tasks);
            w->n_pending += n;
        }
    }
    return scode_place_pending(w);
}

/* Leaves and kept numbers can be found by their slots, and constants are written. */
static pa_status name_numbers(scode_work *w) {
    pa_scode *code = w->code;
    size_t given = code->n - 2, named = 0;
#define IS_NAMED(i) (code->nodes[i].code == PA_OP_leaf || code->nodes[i].flags & NODE_KEPT)
    for (size_t i = 0; i < given; i++) {
        if (!IS_NAMED(i)) continue;
        scode_place(w, w->same[i]);
        named++;
    }
    PA_FAIL_IF(w->top > INT32_MAX - 64, PA_VALUE, "scode: a program of more than %d numbers", INT32_MAX - 64);
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
        if (code->nodes[i].code == CODE_CONSTANT && w->at[i] >= 0)
            code->numbers[w->at[i]] = code->constants[code->nodes[i].param];
    return PA_OK;
}

/* For each number, one that an op reads beside it: where the mates of a group have places, its results follow them. */
static void find_mates(scode_work *w) {
    for (size_t i = w->n_tasks; i-- > 0;) {
        const scode_task *task = &w->tasks[i];
        int n = scode_operands(task->where);
        for (int k = 0; k < n; k++) w->mates[task->in[k]] = n < 2 ? -1 : task->in[k == 0];
    }
}

static pa_status place(scode_work *w, int32_t *order, int32_t *starts, unsigned passes) {
    size_t groups = 0;
    sort_tasks(w, order);
    for (size_t i = 0; i < w->n_tasks; i++)
        if (i == 0 || w->keys[order[i]] != w->keys[order[i - 1]]) starts[groups++] = (int32_t)i;
    starts[groups] = (int32_t)w->n_tasks;
    find_mates(w);
    PA_TRY(place_leaves(w, order, starts, groups, passes));
    PA_TRY(place_levels(w, order, starts, groups, passes));
    return name_numbers(w);
}

/* ---- memory ---- */

/* The arrays of a work, in one block each: those of a word for each slot, and those for each task. */
enum { SLOT_WORDS = 5, TASK_WORDS = 26 };

static pa_status with_tasks(scode_work *w, unsigned passes) {
    size_t n = w->n_tasks + 1;
    int32_t *block = pa_mem_alloc_array(n, TASK_WORDS * sizeof *block);
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
    pa_status status = scode_table_new(&w->table, n);
    if (status == PA_OK) {
        status = place(w, order, starts, passes);
        scode_table_free(&w->table);
    }
    pa_mem_free_array(block, n, TASK_WORDS * sizeof *block);
    return status;
}

static pa_status with_terms(scode_work *w, unsigned passes) {
    pa_status status = scode_make_tasks(w, passes);
    if (status == PA_OK) status = with_tasks(w, passes);
    pa_mem_free_array(w->tasks, w->tasks_room, sizeof *w->tasks);
    return status;
}

pa_status scode_schedule(pa_scode *code, const int32_t *same, unsigned passes) {
    size_t n = code->n;
    scode_work work = {
        .code = code, .same = same, .minus_one = same[n - 3], .one = same[n - 2], .minus_zero = same[n - 1]};
    scode_work *w = &work;
    pa_status status = PA_MEMORY;
    int32_t *slots = pa_mem_alloc_array(n, SLOT_WORDS * sizeof *slots);
    w->copies = slots == NULL ? NULL : pa_mem_alloc_array(SCODE_COPIES, sizeof *w->copies);
    if (w->copies != NULL) {
        w->at = slots;
        w->mates = slots + n;
        w->term_a = slots + 2 * n;
        w->term_b = slots + 3 * n;
        w->term_node = slots + 4 * n;
        memset(slots, 0xff, 2 * n * sizeof *slots);
        memset(w->copies, 0, SCODE_COPIES * sizeof *w->copies);
        status = with_terms(w, passes);
    }
    pa_mem_free_array(w->copies, SCODE_COPIES, sizeof *w->copies);
    pa_mem_free_array(slots, n, SLOT_WORDS * sizeof *slots);
    pa_mem_free_array(w->matrix, w->matrix_room, sizeof *w->matrix);
    return status;
}
