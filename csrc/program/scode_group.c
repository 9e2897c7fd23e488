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

#include "scode_code.h"

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

/* Sorts the tasks by level, then by group in order of appearance. */
static void sort_tasks(scode_work *w, int32_t *order) {
    int32_t *firsts = w->ids;
    int32_t groups = 0;
    scode_table_clear(&w->table, w->n_tasks);
    for (size_t i = 0; i < w->n_tasks; i++) {
        const scode_task *task = &w->tasks[i];
        size_t cell = hash_group(task) & w->table.mask;
        while (w->table.cells[cell] >= 0 && !same_group(task, &w->tasks[firsts[w->table.cells[cell]]]))
            cell = (cell + 1) & w->table.mask;
        if (w->table.cells[cell] < 0) {
            firsts[groups] = (int32_t)i;
            w->table.cells[cell] = groups++;
        }
        w->keys[i] = (uint64_t)task->level << 32 | (uint32_t)w->table.cells[cell];
        order[i] = (int32_t)i;
    }
    scode_sort(order, w->spare, w->keys, w->n_tasks);
}

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
    scode_work work = {.code = code, .same = same, .one = same[n - 2], .minus_zero = same[n - 1]};
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
