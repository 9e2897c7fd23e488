/* Replay: a program bound to a call, run and handed on; and whole epochs of it.

       bind (GIL)  ──▶  instructions (no GIL where it is long)  ──▶  hand on (GIL)
                            └── run: gather rows, instructions, loss; again for the next batch  */
#include "replay.h"

#include <math.h>
#include <string.h>

#include "../apply.h"
#include "bind.h"
#include "execute.h"

static bool is_long(const pa_program *p) { return p->warm && p->flops > 50.0 * PA_LONG_WORK; }

static pa_status run_long_step(pa_program *p, int n, pa_node *const *in, pa_hold *hold, pa_fpmode *mode) {
    PA_TRY(pa_program_hold(p, n, in, hold));
    pa_hold_begin(hold);
    void *token = pa_hook.leave_python();
    pa_status status = pa_program_execute(p, mode);
    pa_hook.enter_python(token);
    pa_hold_end(hold);
    return status;
}

pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++) results[i] = NULL;
    pa_hold hold = {0};
    pa_status status = pa_program_bind(p, n, in, numbers);
    if (status == PA_OK) status = pa_program_new_results(p, results);
    pa_fpmode mode = pa_fpmode_open();
    if (status == PA_OK) status = is_long(p) ? run_long_step(p, n, in, &hold, &mode) : pa_program_execute(p, &mode);
    if (status == PA_OK) {
        p->warm = true;
        pa_program_copy_results(p, results);
        pa_program_commit(p, in);
        if (hold.n > 0) pa_hold_free(&hold);
        return PA_OK;
    }
    pa_hold_free(&hold);
    pa_program_abandon(p);
    for (int32_t i = 0; i < p->n_results; i++)
        if (results[i] != NULL) {
            pa_node_release(results[i]);
            results[i] = NULL;
        }
    return status;
}

/* ---- many steps ---- */

/* Rows of an argument for one batch: copied together, or, in order, read where they stand. */
typedef struct feed {
    const char *data;
    char *batch;
    size_t row_bytes;
} feed;

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

static void gather(pa_program *p, const feed *feeds, int64_t batch, const int64_t *order, int64_t from) {
    for (int32_t i = 0; i < p->n_inputs; i++) {
        const feed *f = &feeds[i];
        if (p->inputs[i].buffer < 0) continue;
        if (order == NULL) {
            pa_program_rebind(p, p->inputs[i].buffer, (char *)(uintptr_t)f->data + (size_t)from * f->row_bytes);
            continue;
        }
        gather_rows(f, batch, order + from);
    }
}

static double loss_of(const pa_program *p) {
    if (p->n_results == 0) return NAN;
    const pa_node *loss = p->nodes[p->results[0].node];
    double number = 0;
    if (loss->array->numel > 0) pa_k->convert[loss->dtype][PA_FLOAT64](&number, loss->array->data, 1, 1);
    return number;
}

static pa_status run_batches(pa_program *p, const feed *feeds, int64_t batch, const int64_t *order, int64_t start,
                             int64_t count, double *losses, int64_t *done, bool released) {
    enum { SHORT_STEPS = 16 };
    double polled = released ? pa_now_ms() : 0;
    pa_fpmode mode = pa_fpmode_open();
    /* A look at the clock costs a hundredth of a short step. */
    int64_t every = p->flops > PA_LONG_WORK ? 1 : SHORT_STEPS;
    for (int64_t i = 0; i < count; i++) {
        gather(p, feeds, batch, order, start + i * batch);
        PA_TRY(pa_program_execute(p, &mode));
        losses[i] = loss_of(p);
        ++*done;
        if (released && i % every == 0 && pa_now_ms() - polled > PA_POLL_MS) {
            if (pa_hook.interrupted()) return PA_PYTHON;
            mode = pa_fpmode_open();
            polled = pa_now_ms();
        }
    }
    return PA_OK;
}

static pa_status prepare_feeds(pa_program *p, int n, pa_node *const *data, int64_t batch, const int64_t *order,
                               feed *feeds, char **block, size_t *bytes) {
    *bytes = 64;
    for (int i = 0; i < n; i++) {
        int64_t rows = pa_node_shape(data[i])[0];
        feeds[i].data = pa_node_data(data[i]);
        feeds[i].row_bytes = rows == 0 ? 0 : (size_t)(pa_node_numel(data[i]) / rows) * pa_dtype_size(data[i]->dtype);
        *bytes += ((size_t)batch * feeds[i].row_bytes + 63) / 64 * 64;
    }
    *bytes += PA_MEM_SMALL_MAX;
    if (order == NULL) return PA_OK;
    *block = pa_mem_alloc(*bytes);
    if (*block == NULL) return PA_MEMORY;
    char *at = *block;
    for (int i = 0; i < n; i++) {
        feeds[i].batch = at;
        at += ((size_t)batch * feeds[i].row_bytes + 63) / 64 * 64;
        if (p->inputs[i].buffer >= 0) pa_program_rebind(p, p->inputs[i].buffer, feeds[i].batch);
    }
    return PA_OK;
}

static pa_status check_data(const pa_program *p, int n, pa_node *const *data, int64_t batch, const int64_t *order,
                            int64_t start, int64_t count) {
    PA_FAIL_IF(n != p->n_inputs || n == 0, PA_VALUE, "run: %d arrays for a step of %d arguments", n, p->n_inputs);
    int64_t rows = pa_node_shape(data[0])[0];
    bool in_order = order == NULL; /* else the order may be that of several epochs, one behind the other */
    PA_FAIL_IF(start < 0 || count < 0 || batch <= 0 || (in_order && start + count * batch > rows), PA_VALUE,
               "run: %lld batches of %lld from row %lld on, of %lld rows", (long long)count, (long long)batch,
               (long long)start, (long long)rows);
    for (int i = 0; i < n; i++) {
        const pa_input *input = &p->inputs[i];
        bool fits = data[i]->ndim == input->ndim && data[i]->dtype == input->dtype && input->ndim > 0 &&
                    input->shape[0] == batch && data[i]->array->shape[0] == rows && pa_node_is_contiguous(data[i]);
        for (int axis = 1; fits && axis < input->ndim; axis++) fits = data[i]->array->shape[axis] == input->shape[axis];
        PA_FAIL_IF(!fits, PA_VALUE, "run: data %d of shape %s does not fit a step that takes batches of shape %s", i,
                   pa_node_shape_text(data[i]), pa_shape_text(input->ndim, input->shape));
    }
    for (int64_t i = start; order != NULL && i < start + count * batch; i++)
        PA_FAIL_IF(order[i] < 0 || order[i] >= rows, PA_INDEX, "run: row %lld of %lld", (long long)order[i],
                   (long long)rows);
    return PA_OK;
}

bool pa_program_can_run(const pa_program *p) {
    for (int32_t i = 0; i < p->n_bound; i++)
        if (p->captured[i].input >= 0 || p->captured[i].entry >= 0) return false;
    return true;
}

pa_status pa_program_run(pa_program *p, int n, pa_node *const *data, int64_t batch, const int64_t *order, int64_t start,
                         int64_t count, double *losses, int64_t *done) {
    *done = 0;
    PA_TRY(check_data(p, n, data, batch, order, start, count));
    if (count == 0) return PA_OK;
    size_t room = (size_t)n + (size_t)p->n_results + 1, bytes = 0;
    feed *feeds = pa_mem_alloc_array((size_t)n, sizeof *feeds);
    pa_node **results = pa_mem_alloc_array(room, sizeof *results);
    char *block = NULL;
    pa_hold hold = {0};
    pa_status status = feeds == NULL || results == NULL ? PA_MEMORY : PA_OK;
    if (results != NULL) memset(results, 0, room * sizeof *results);
    if (status == PA_OK) status = pa_program_bind(p, n, data, NULL);
    if (status == PA_OK) status = prepare_feeds(p, n, data, batch, order, feeds, &block, &bytes);
    if (status == PA_OK) status = pa_program_new_results(p, results);
    if (status == PA_OK) status = pa_program_hold(p, n, data, &hold);
    if (status == PA_OK) {
        pa_hold_begin(&hold);
        bool warm = p->warm;
        if (!warm) { /* what ops keep from run to run is made under the GIL */
            status = run_batches(p, feeds, batch, order, start, 1, losses, done, false);
            p->warm = status == PA_OK;
        }
        if (status == PA_OK && count > *done) {
            int64_t first = *done, from = start + first * batch;
            void *token = pa_hook.leave_python();
            status = run_batches(p, feeds, batch, order, from, count - first, losses + first, done, true);
            pa_hook.enter_python(token);
        }
        pa_hold_end(&hold);
        if (*done > 0) pa_program_commit(p, data);
    }
    pa_hold_free(&hold);
    pa_program_abandon(p);
    for (int32_t i = 0; results != NULL && i < p->n_results; i++)
        if (results[i] != NULL) pa_node_release(results[i]);
    if (feeds != NULL) pa_mem_free_array(feeds, (size_t)n, sizeof *feeds);
    pa_mem_free_array(results, room, sizeof *results);
    pa_mem_free(block, block == NULL ? 0 : bytes);
    return status;
}
