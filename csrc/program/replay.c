/* Replay: a program bound to a call, run and handed on; and whole epochs of it.

       bind (GIL)  ──▶  instructions (no GIL where it is long)  ──▶  hand on (GIL)
                            └── run: order of an epoch, gather rows, instructions, loss, carry; again for the next batch

   What a step leaves for the next one in another place than that where it has found it, is carried: the first step of a
   run reads what is outside, those after it memory of the run's own. */
#include "replay.h"

#include <math.h>
#include <string.h>

#include "../apply.h"
#include "batch.h"
#include "bind.h"
#include "execute.h"
#include "history.h"
#include "instruction.h"

/* What is held for work without the GIL is refused to Python, and so to a host call. */
static bool is_long(const pa_program *p) { return p->warm && p->n_hosts == 0 && p->flops > 50.0 * PA_LONG_WORK; }

static void release_results(const pa_program *p, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++) {
        if (results[i] != NULL) pa_node_release(results[i]);
        results[i] = NULL;
    }
}

static pa_status run_long_step(pa_program *p, int n, pa_node *const *in, pa_hold *hold, pa_fpmode *mode) {
    PA_TRY(pa_program_hold(p, n, in, hold));
    pa_hold_begin(hold);
    void *token = pa_hook.leave_python();
    pa_status status = pa_program_execute(p, mode);
    pa_hook.enter_python(token);
    pa_hold_end(hold);
    return status;
}

/* Of a step that has failed on its way, what it may have put into places before is the caller's; nothing else is. */
static void keep_puts(const pa_program *p, pa_node **results) {
    if (p->failed != NULL) pa_program_copy_results(p, false, results);
    if (p->failed != NULL) pa_history_settle(p, results);
    for (int32_t i = 0; i < p->n_results; i++) {
        if (results[i] == NULL || (p->failed != NULL && p->results[i].is_put)) continue;
        pa_node_release(results[i]);
        results[i] = NULL;
    }
}

pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++) results[i] = NULL;
    p->failed = NULL;
    PA_TRY(pa_program_occupy(p));
    pa_hold hold = {0};
    pa_status status = pa_history_begin(p);
    if (status == PA_OK) status = pa_program_bind(p, n, in, numbers);
    if (status == PA_OK) status = pa_program_new_results(p, in, results);
    if (status == PA_OK) status = pa_history_attach(p, in, results);
    pa_fpmode mode = pa_fpmode_open();
    if (status == PA_OK) status = is_long(p) ? run_long_step(p, n, in, &hold, &mode) : pa_program_execute(p, &mode);
    if (status == PA_OK) {
        p->warm = true;
        pa_program_copy_results(p, false, results);
        pa_program_commit(p, in);
        pa_history_settle(p, results);
        pa_program_vacate(p);
        if (hold.n > 0) pa_hold_free(&hold);
        return PA_OK;
    }
    pa_program_vacate(p);
    pa_hold_free(&hold);
    pa_status stopped = p->failed == NULL ? PA_OK : pa_program_stop(p, in);
    pa_program_abandon(p);
    keep_puts(p, results);
    return stopped == PA_OK ? status : stopped;
}

/* ---- what a step leaves for the next ---- */

typedef struct carry {
    int32_t buffer;   /* of the program: bound to `to` from the second step on; -1: the program does not read it */
    const char *from; /* copied to `to` when a whole step has been made; NULL: nothing is read of it */
    char *to;
    size_t bytes;
} carry;

typedef struct carries {
    carry *list;
    int32_t n;
    char *memory;
    size_t bytes, room, capacity;
} carries;

static size_t round_up(size_t bytes) { return (bytes + 63) / 64 * 64; }

/* With no list, it only counts. */
static void add_carry(carries *c, int32_t buffer, const char *from, size_t bytes) {
    if (c->list != NULL) c->list[c->n] = (carry){buffer, from, c->memory + c->bytes, bytes};
    c->n++;
    c->bytes += round_up(bytes);
}

static void list_carries(const pa_program *p, pa_node *const *results, carries *all) {
    for (int32_t i = 0; i < p->n_results; i++) {
        if (!p->results[i].is_put) continue;
        const pa_captured *c = p->results[i].carried < 0 ? NULL : &p->captured[p->results[i].carried];
        add_carry(all, c == NULL ? -1 : c->buffer, pa_node_data(results[i]), pa_node_bytes(results[i]));
        if (p->results[i].number >= 0) {
            add_carry(all, -1, pa_node_data(results[i]), sizeof(double));
            if (all->list != NULL) all->list[all->n - 1].to = (char *)&p->inputs[p->results[i].number].number;
        }
        /* The gradient that a later step makes is not of the tensor which the first one has found. */
        if (c != NULL && c->gradient >= 0) add_carry(all, c->gradient, NULL, p->buffers[c->gradient].bytes);
    }
    for (int32_t i = 0; i < p->n_bound && p->sets_gradients; i++) {
        const pa_captured *c = &p->captured[i];
        if (c->entry >= 0 && c->gradient >= 0 && c->gradient != c->entry)
            add_carry(all, c->entry, pa_buffer_at(p, c->gradient), p->buffers[c->entry].bytes);
    }
}

static pa_status new_carries(const pa_program *p, pa_node *const *results, carries *all) {
    list_carries(p, results, all);
    if (all->n == 0) return PA_OK;
    all->room = all->bytes + PA_MEM_SMALL_MAX; /* large, so aligned to 64 */
    all->capacity = (size_t)all->n;
    all->memory = pa_mem_alloc(all->room);
    all->list = pa_mem_alloc_array(all->capacity, sizeof *all->list);
    if (all->memory == NULL || all->list == NULL) return PA_MEMORY;
    all->bytes = 0;
    all->n = 0;
    list_carries(p, results, all);
    return PA_OK;
}

static void free_carries(carries *all) {
    pa_mem_free(all->memory, all->room);
    pa_mem_free_array(all->list, all->capacity, sizeof *all->list);
}

/* After a whole step. */
static void carry_on(pa_program *p, const carries *all, pa_node *const *results) {
    if (all->n == 0) return;
    pa_program_copy_results(p, true, results);
    for (int32_t i = 0; i < all->n; i++) {
        const carry *c = &all->list[i];
        if (c->from != NULL) memcpy(c->to, c->from, c->bytes);
        if (c->buffer >= 0) pa_program_rebind(p, c->buffer, c->to);
    }
}

/* Puts are what the last whole step has made of them, also where the one after it has failed on its way. */
static void restore_puts(const pa_program *p, const carries *all, pa_node *const *results) {
    for (int32_t i = 0, k = 0; i < p->n_results; i++) {
        if (!p->results[i].is_put) continue;
        while (all->list[k].from != pa_node_data(results[i])) k++;
        memcpy(pa_node_data(results[i]), all->list[k].to, all->list[k].bytes);
    }
}

/* And what that one had made of them. */
static pa_status keep_failed(const pa_program *p, pa_node *const *results, pa_node **failed) {
    pa_program_copy_results(p, true, results);
    for (int32_t i = 0; i < p->n_results; i++) {
        if (!p->results[i].is_put) continue;
        PA_TRY(p->results[i].is_value ? pa_value_new(0, &failed[i]) : pa_node_new_like(results[i], &failed[i]));
        memcpy(pa_node_data(failed[i]), pa_node_data(results[i]), pa_node_bytes(results[i]));
    }
    return PA_OK;
}

/* Has a leaf a gradient when a step has ended? */
static bool leaves_gradient(const pa_captured *c) {
    return c->gradient == PA_GRADIENT_AS_FOUND ? c->entry_present : c->gradient >= 0;
}

/* Does a step leave things as the next one has to find them? A tensor that is new in its place has no gradient. */
static bool is_steady(const pa_program *p) {
    if (p->moves_places) return false;
    for (int32_t i = 0; i < p->n_bound; i++) {
        const pa_captured *c = &p->captured[i];
        if (c->entry_matters && c->entry_present != leaves_gradient(c)) return false;
    }
    for (int32_t i = 0; i < p->n_results; i++) {
        if (p->results[i].number >= 0 && p->nodes[p->results[i].node]->dtype != PA_FLOAT64) return false;
        int32_t k = p->results[i].carried;
        if (k >= 0 && (k >= p->n_bound || p->captured[k].entry_present)) return false;
    }
    return true;
}

/* ---- many steps ---- */

/* Rows of an argument for one batch: copied together, or, in order, read where they stand. */
typedef struct feed {
    const char *data;
    char *batch;
    size_t row_bytes;
} feed;

/* A run under way. */
typedef struct run {
    const pa_epochs *epochs;
    feed *feeds;
    char *block; /* of the batches */
    size_t room;
    pa_node **results;
    carries carries;
} run;

/* Short rows are copied word by word: a call for each would cost more than the step. */
static void gather_rows(const feed *f, int64_t batch, const int64_t *rows) {
    size_t words = f->row_bytes / sizeof(uint32_t);
    if (f->row_bytes % sizeof(uint32_t) == 0 && words <= 16) {
        uint32_t *to = (uint32_t *)(void *)f->batch;
        for (int64_t r = 0; r < batch; r++, to += words) {
            const uint32_t *from = (const uint32_t *)(const void *)f->data + (size_t)rows[r] * words;
            for (size_t w = 0; w < words; w++) to[w] = from[w];
        }
        return;
    }
    for (int64_t r = 0; r < batch; r++)
        memcpy(f->batch + (size_t)r * f->row_bytes, f->data + (size_t)rows[r] * f->row_bytes, f->row_bytes);
}

static int64_t *order_of(const pa_epochs *e) {
    return e->order == NULL ? NULL : (int64_t *)(void *)pa_node_data(e->order);
}

static void gather(pa_program *p, const run *r, int64_t from, int64_t rows) {
    const int64_t *order = order_of(r->epochs);
    for (int32_t i = 0; i < r->epochs->n; i++) {
        const feed *f = &r->feeds[i];
        if (p->inputs[i].buffer < 0) continue;
        if (order == NULL) {
            pa_program_rebind(p, p->inputs[i].buffer, (char *)(uintptr_t)f->data + (size_t)from * f->row_bytes);
            continue;
        }
        gather_rows(f, rows, order + from);
    }
}

static double loss_of(const pa_program *p) {
    if (p->n_results == 0) return NAN;
    const pa_node *loss = p->nodes[p->results[0].node];
    double number = 0;
    if (loss->array->numel > 0) pa_k->convert[loss->dtype][PA_FLOAT64](&number, loss->array->data, 1, 1);
    return number;
}

size_t pa_program_note_bytes(const pa_program *p) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_results; i++)
        if (p->results[i].is_noted) bytes += pa_node_bytes(p->nodes[p->results[i].node]);
    return bytes;
}

static void note_results(const pa_program *p, pa_node *const *results, char *to) {
    for (int32_t i = 0; i < p->n_results; i++) {
        if (!p->results[i].is_noted) continue;
        memcpy(to, pa_node_data(results[i]), pa_node_bytes(results[i]));
        to += pa_node_bytes(results[i]);
    }
}

/* Steps `done` to `end` of the run, of which `first` is the first within its epoch. */
static pa_status run_steps(pa_program *p, const run *r, int64_t first, int64_t end, double *losses, int64_t *done,
                           bool released) {
    enum { SHORT_STEPS = 16 };
    const pa_epochs *e = r->epochs;
    double polled = released ? pa_now_ms() : 0;
    pa_fpmode mode = pa_fpmode_open();
    /* A look at the clock costs a hundredth of a short step. */
    int64_t every = p->flops > PA_LONG_WORK ? 1 : SHORT_STEPS;
    for (int64_t at = (first + *done) % e->steps; *done < end; at = at + 1 == e->steps ? 0 : at + 1) {
        if (at == 0 && e->shuffle != NULL) PA_TRY(pa_random_permutation(e->shuffle, e->order));
        int64_t rows = e->last > 0 && at + 1 == e->steps ? e->last : e->batch;
        PA_TRY(pa_batch_set_rows(p, rows));
        gather(p, r, at * e->batch, rows);
        PA_TRY(pa_program_execute(p, &mode));
        losses[*done] = loss_of(p);
        carry_on(p, &r->carries, r->results);
        if (e->notes != NULL) note_results(p, r->results, e->notes + (size_t)*done * pa_program_note_bytes(p));
        ++*done;
        if (released && *done % every == 0 && pa_now_ms() - polled > PA_POLL_MS) {
            if (pa_hook.interrupted()) return PA_PYTHON;
            mode = pa_fpmode_open();
            polled = pa_now_ms();
        }
    }
    return PA_OK;
}

static pa_status new_feeds(pa_program *p, run *r) {
    const pa_epochs *e = r->epochs;
    r->feeds = pa_mem_alloc_array((size_t)e->n, sizeof *r->feeds);
    if (r->feeds == NULL) return PA_MEMORY;
    r->room = PA_MEM_SMALL_MAX; /* large, so aligned to 64 */
    for (int i = 0; i < e->n; i++) {
        int64_t rows = pa_node_shape(e->data[i])[0];
        size_t bytes = (size_t)pa_node_numel(e->data[i]) * pa_dtype_size(e->data[i]->dtype);
        r->feeds[i] = (feed){.data = pa_node_data(e->data[i]), .row_bytes = rows == 0 ? 0 : bytes / (size_t)rows};
        r->room += round_up((size_t)e->batch * r->feeds[i].row_bytes);
    }
    if (e->order == NULL) return PA_OK;
    r->block = pa_mem_alloc(r->room);
    if (r->block == NULL) return PA_MEMORY;
    char *at = r->block;
    for (int i = 0; i < e->n; i++) {
        r->feeds[i].batch = at;
        at += round_up((size_t)e->batch * r->feeds[i].row_bytes);
        if (p->inputs[i].buffer >= 0) pa_program_rebind(p, p->inputs[i].buffer, r->feeds[i].batch);
    }
    return PA_OK;
}

static pa_status check_order(const pa_epochs *e, int64_t first, int64_t rows) {
    int64_t used = e->last > 0 ? (e->steps - 1) * e->batch + e->last : e->steps * e->batch;
    PA_FAIL_IF(e->batch <= 0 || e->steps <= 0 || first < 0 || e->last < 0 || e->last > e->batch || used > rows,
               PA_VALUE, "run: %lld batches of %lld, of %lld rows", (long long)e->steps, (long long)e->batch,
               (long long)rows);
    if (e->order == NULL) return PA_OK;
    int64_t n = pa_node_numel(e->order);
    PA_FAIL_IF(e->order->dtype != PA_INT64 || !pa_node_is_contiguous(e->order) || n < used || n > rows, PA_VALUE,
               "run: an order of %lld rows is wanted", (long long)rows);
    for (int64_t i = 0; i < n; i++) {
        int64_t row = order_of(e)[i];
        PA_FAIL_IF(row < 0 || row >= rows, PA_INDEX, "run: row %lld of %lld", (long long)row, (long long)rows);
    }
    return PA_OK;
}

static pa_status check_data(const pa_program *p, const pa_epochs *e, int64_t first) {
    bool numbers_follow = e->n > 0 && e->n <= p->n_inputs;
    for (int i = e->n; numbers_follow && i < p->n_inputs; i++) numbers_follow = p->inputs[i].is_number;
    PA_FAIL_IF(!numbers_follow, PA_VALUE, "run: %d arrays for a step of %d arguments", e->n, p->n_inputs);
    for (int i = 0; i < e->n; i++) {
        const pa_input *input = &p->inputs[i];
        const pa_node *data = e->data[i];
        bool fits = data->ndim == input->ndim && data->dtype == input->dtype && input->ndim > 0 &&
                    input->shape[0] == e->batch && data->array->shape[0] == pa_node_shape(e->data[0])[0] &&
                    pa_node_is_contiguous(data);
        for (int axis = 1; fits && axis < input->ndim; axis++) fits = data->array->shape[axis] == input->shape[axis];
        PA_FAIL_IF(!fits, PA_VALUE, "run: data %d of shape %s does not fit a step that takes batches of shape %s", i,
                   pa_node_shape_text(data), pa_shape_text(input->ndim, input->shape));
    }
    return check_order(e, first, pa_node_shape(e->data[0])[0]);
}

/* Is it a tensor of the world, or a view of one, as rows of the data in order are, and not one of those that only move
   from place to place? */
static bool lasts(const pa_program *p, int32_t result) {
    const pa_result *r = &p->results[result];
    for (int32_t k = 0; k < p->n_results; k++)
        if (p->results[k].carried >= 0 && p->captured[p->results[k].carried].result == result) return false;
    return r->is_view || r->is_place;
}

/* A run makes what it puts anew, each in a memory of its own. */
static bool puts_are_apart(const pa_program *p) {
    for (int32_t i = 0; i < p->n_results; i++) {
        const pa_result *r = &p->results[i];
        if (r->is_put && lasts(p, i)) return false;
        for (int32_t k = 0; k < i && r->is_put; k++) {
            const pa_result *other = &p->results[k];
            if (other->is_put && r->memory >= 0 && other->memory == r->memory) return false;
        }
    }
    return true;
}

const char *pa_program_run_obstacle(const pa_program *p) {
    if (p->n_hosts > 0) return "the step calls Python, which may look at what each step leaves";
    for (int32_t i = 0; i < p->n_captured; i++)
        if (p->captured[i].input >= 0) return "the step writes into an argument, or makes a gradient of one";
    if (p->shares_gradients) return "the step makes a tensor the gradient of another";
    if (!puts_are_apart(p)) return "the step puts tensors into places that share memory with others";
    for (int32_t i = 0; i < p->n_results; i++)
        if (p->results[i].is_put && p->results[i].part >= 0)
            return "the step puts a tensor with a history into a place";
    return is_steady(p) ? NULL : "a step leaves gradients or tensors in other places than where it finds them";
}

/* The shapes of what a run makes once, for all of its steps. */
static uint64_t look_at_results(const pa_program *p) {
    uint64_t h = 0;
    for (int32_t i = 0; i < p->n_results; i++) {
        const pa_node *node = p->nodes[p->results[i].node];
        if (i > 0 && !p->results[i].is_put && !p->results[i].is_noted) continue;
        for (int k = 0; k < node->ndim; k++) h = pa_hash_mix(h, (uint64_t)pa_node_shape(node)[k]);
    }
    return h;
}

bool pa_program_takes_rows(pa_program *p, int64_t rows) {
    if (p->batch == NULL) return false;
    const int64_t now = p->batch->rows;
    const uint64_t before = look_at_results(p);
    bool takes = pa_batch_set_rows(p, rows) == PA_OK && look_at_results(p) == before;
    return pa_batch_set_rows(p, now) == PA_OK && takes;
}

static pa_status make_steps(pa_program *p, run *r, int64_t first, int64_t count, double *losses, int64_t *done) {
    if (!p->warm) { /* what ops keep from run to run is made under the GIL, for as many rows as there will be */
        int64_t cold = r->epochs->last > 0 && first + 1 == r->epochs->steps ? 2 : 1;
        PA_TRY(run_steps(p, r, first, cold < count ? cold : count, losses, done, false));
        p->warm = true;
    }
    if (*done == count) return PA_OK;
    void *token = pa_hook.leave_python();
    pa_status status = run_steps(p, r, first, count, losses, done, true);
    pa_hook.enter_python(token);
    return status;
}

static pa_status begin_run(pa_program *p, run *r, pa_hold *hold) {
    const pa_epochs *e = r->epochs;
    PA_TRY(pa_program_bind(p, p->n_inputs, e->data, e->numbers));
    PA_TRY(new_feeds(p, r));
    PA_TRY(pa_program_new_results(p, NULL, r->results));
    PA_TRY(new_carries(p, r->results, &r->carries));
    return pa_program_hold(p, p->n_inputs, e->data, hold);
}

pa_status pa_program_run(pa_program *p, const pa_epochs *epochs, int64_t first, int64_t count, double *losses,
                         pa_node **results, pa_node **failed, int64_t *done) {
    *done = 0;
    for (int32_t i = 0; i < p->n_results; i++) results[i] = failed[i] = NULL;
    PA_TRY(check_data(p, epochs, first));
    if (count == 0) return PA_OK;
    PA_TRY(pa_program_occupy(p));
    run r = {.epochs = epochs, .results = results};
    pa_hold hold = {0};
    p->failed = NULL;
    pa_status status = pa_history_begin(p);
    if (status == PA_OK) status = begin_run(p, &r, &hold);
    if (status == PA_OK) {
        pa_hold_begin(&hold);
        status = make_steps(p, &r, first, count, losses, done);
        pa_hold_end(&hold);
        if (p->failed != NULL && keep_failed(p, results, failed) != PA_OK) status = PA_MEMORY;
        if (*done > 0) {
            restore_puts(p, &r.carries, results);
            pa_program_commit(p, epochs->data);
        }
        if (p->failed != NULL && pa_program_stop(p, epochs->data) != PA_OK) status = PA_MEMORY;
    }
    pa_program_vacate(p);
    pa_hold_free(&hold);
    pa_program_abandon(p);
    free_carries(&r.carries);
    pa_mem_free_array(r.feeds, (size_t)epochs->n, sizeof *r.feeds);
    pa_mem_free(r.block, r.room);
    if (*done == 0) release_results(p, results);
    return status;
}
