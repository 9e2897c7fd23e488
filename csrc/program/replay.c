/* Replay: a program's buffers bound to what a call brings, its instructions one after the other, and whole epochs of them.

       bind (GIL)  ──▶  instructions (no GIL where it is long)  ──▶  hand out (GIL)
                            └── run: gather rows, instructions, loss; again for the next batch  */
#include <math.h>
#include <string.h>
#include <time.h>

#include "../apply.h"
#include "../hold.h"
#include "../kernels/kernels.h"
#include "../kernels/optim.h"
#include "../kernels/random.h"
#include "../kernels/stream.h"
#include "values.h"

/* ---- instructions ---- */

static inline char *data_of(const pa_program *p, int32_t node) { return p->nodes[node]->array->data; }

static void run_seed(pa_program *p, const pa_instruction *i) {
    const pa_node *root = p->nodes[i->node];
    char *gradient = pa_buffer_at(p, i->gradient);
    if (i->source >= 0) {
        pa_node_gather(p->nodes[i->source], (pa_dtype)root->dtype, gradient);
    } else {
        double one = 1.0;
        pa_k->convert[PA_FLOAT64][root->dtype](gradient, &one, 0, pa_node_numel(root));
    }
}

static pa_status run_backward(pa_program *p, const pa_instruction *i) {
    pa_node *node = p->nodes[i->node];
    node->grad_data = pa_buffer_at(p, i->gradient);
    for (int k = 0; k < i->n; k++) {
        int32_t target = p->pool[i->targets + k];
        if (target < 0) continue;
        pa_node *parent = pa_node_parent(node, k);
        parent->grad_data = pa_buffer_at(p, target & ~PA_TARGET_ACCUMULATES);
        if (target & PA_TARGET_ACCUMULATES)
            parent->flags |= PA_GRAD_FILLED;
        else
            parent->flags &= (uint16_t)~PA_GRAD_FILLED;
    }
    if (!i->mask) return pa_op_function[node->op].backward(node, p->scratch);
    return pa_product_backward(node, p->scratch, &(pa_product_extras){.mask = true});
}

/* Element `from` on of a node; a block's buffer holds no more than the elements under way. */
static inline char *element(const pa_program *p, const pa_node *node, int64_t from) {
    if (p->buffers[p->buffer_of[node->mark]].is_block) return node->array->data;
    return node->array->data + from * (int64_t)pa_dtype_size((pa_dtype)node->dtype);
}

static inline char *gradient_element(const pa_program *p, int32_t buffer, int64_t from, int64_t size) {
    return p->buffers[buffer].at + (p->buffers[buffer].is_block ? 0 : from * size);
}

/* Elements from `from` on, n of them. */
static void run_map(const pa_program *p, const pa_instruction *i, int64_t from, int64_t n) {
    const pa_node *node = p->nodes[i->node];
    const void *in[5] = {NULL};
    for (int k = 0; k < node->n_parents; k++) in[k] = element(p, pa_node_parent(node, k), from);
    i->map(element(p, node, from), in, node->array->params, n);
}

static void run_gradient(const pa_program *p, const pa_instruction *i, int64_t from, int64_t n) {
    const pa_node *node = p->nodes[i->node];
    const char *in[5] = {NULL};
    unsigned reads = pa_op_table[node->op].effects;
    int64_t size = (int64_t)pa_dtype_size((pa_dtype)node->dtype);
    for (int k = 0; k < node->n_parents; k++)
        if (reads & (READS_A << k)) in[k] = element(p, pa_node_parent(node, k), from);
    if (reads & READS_OUT) in[3] = element(p, node, from);
    in[4] = gradient_element(p, i->gradient, from, size);
    char *target = gradient_element(p, p->pool[i->targets] & ~PA_TARGET_ACCUMULATES, from, size);
    if (!i->accumulate) {
        i->map(target, (const void *const *)in, node->array->params, n);
        return;
    }
    _Alignas(64) char block[PA_BLOCK * 8];
    for (int64_t done = 0; done < n; done += PA_BLOCK) {
        int64_t some = n - done < PA_BLOCK ? n - done : PA_BLOCK;
        i->map(block, (const void *const *)in, node->array->params, some);
        pa_k->add[node->dtype == PA_FLOAT64](target + done * size, block, some);
        for (int k = 0; k < 5; k++)
            if (in[k] != NULL) in[k] += some * size;
    }
}

/* A chain's forwards keep denormals and its gradients flush them, as eager ones do. */
static void run_chain(const pa_program *p, const pa_instruction *i, pa_fpmode *mode) {
    const pa_instruction *links = p->chained + i->targets;
    int64_t numel = p->nodes[i->node]->array->numel;
    for (int64_t from = 0; from < numel; from += PA_BLOCK) {
        int64_t n = numel - from < PA_BLOCK ? numel - from : PA_BLOCK;
        for (int k = 0; k < i->n; k++) {
            bool is_map = links[k].kind == PA_DO_MAP;
            pa_fpmode_flush(mode, !is_map && pa_backward_flushes(p->nodes[links[k].node]));
            (is_map ? run_map : run_gradient)(p, &links[k], from, n);
        }
    }
}

static pa_status run_write(pa_program *p, const pa_instruction *i) {
    const pa_node *from = p->nodes[i->source], *to = p->nodes[i->node];
    int64_t numel = to->array->numel, size = (int64_t)pa_dtype_size((pa_dtype)to->dtype);
    pa_stream in, out;
    pa_stream_open(&in, from->array->data, (pa_dtype)from->dtype, from->ndim, pa_node_shape(from),
                   pa_node_strides(from), to->ndim, pa_node_shape(to));
    if (pa_node_is_contiguous(to) && p->buffer_of[i->source] != p->buffer_of[i->node]) {
        pa_stream_read(&in, (pa_dtype)to->dtype, to->array->data, numel);
        return PA_OK;
    }
    pa_stream_open(&out, to->array->data, (pa_dtype)to->dtype, to->ndim, pa_node_shape(to), pa_node_strides(to),
                   to->ndim, pa_node_shape(to));
    char block[PA_BLOCK * 8];
    (void)size;
    for (int64_t done = 0; done < numel; done += PA_BLOCK) {
        int64_t n = numel - done < PA_BLOCK ? numel - done : PA_BLOCK;
        pa_stream_read(&in, (pa_dtype)to->dtype, block, n);
        pa_stream_write(&out, (pa_dtype)to->dtype, block, n);
    }
    return PA_OK;
}

static void run_update(pa_program *p, const pa_instruction *i, pa_fpmode *mode) {
    const pa_update_plan *plan = &p->updates[i->source];
    pa_update update = {.hyper = *plan->hyper};
    for (int k = 0; k < i->n; k++) {
        int32_t gradient = p->pool[i->targets + k];
        if (gradient < 0) continue;
        const pa_node *param = p->nodes[p->pool[i->targets + i->n + k]];
        update.n = param->array->numel;
        update.param = param->array->data;
        update.grad = pa_buffer_at(p, gradient);
        for (int s = 0; s < 3; s++)
            update.state[s] = plan->state[3 * k + s] != NULL ? pa_node_data(plan->state[3 * k + s]) : NULL;
        pa_update_prepare(&update, ++plan->steps[k]);
        pa_update_run(&update, plan->kind, param->dtype == PA_FLOAT64, mode);
    }
}

/* The gradients that a CLIP goes over, one at a time; false where there is none. */
static bool clipped(const pa_program *p, const pa_instruction *i, int k, pa_numbers *out) {
    int32_t gradient = p->pool[i->targets + k];
    if (gradient < 0) return false;
    const pa_node *param = p->nodes[p->pool[i->targets + i->n + k]];
    *out = (pa_numbers){pa_buffer_at(p, gradient), param->array->numel, param->dtype == PA_FLOAT64};
    return true;
}

static void run_clip(pa_program *p, const pa_instruction *i) {
    double sum = 0, order = i->params[1];
    pa_numbers g;
    for (int k = 0; k < i->n; k++)
        if (clipped(p, i, k, &g)) sum = pa_norm_add(sum, &g, order);
    double total = pa_norm_of(sum, order), coefficient = i->params[0] / (total + 1e-6);
    if (i->node >= 0) {
        const pa_node *out = p->nodes[i->node];
        pa_k->convert[PA_FLOAT64][out->dtype](out->array->data, &total, 0, 1);
    }
    if (coefficient >= 1 || isinf(i->params[0])) return;
    for (int k = 0; k < i->n; k++)
        if (clipped(p, i, k, &g)) pa_k->scale[g.f](g.data, g.data, coefficient, g.n);
}

static pa_status run_fill(pa_program *p, const pa_instruction *i) {
    pa_node *node = p->nodes[i->node];
    pa_random_state *stream = pa_random_here();
    switch (i->operand) {
    case PA_FILL_UNIFORM: return pa_random_uniform(stream, node, i->params[0], i->params[1]);
    case PA_FILL_NORMAL: return pa_random_normal(stream, node, i->params[0], i->params[1]);
    case PA_FILL_INTEGERS: return pa_random_integers(stream, node, (int64_t)i->params[0], (int64_t)i->params[1]);
    default: return pa_random_permutation(stream, node);
    }
}

/* In which mode an instruction runs; chains and updates see to theirs themselves. */
static bool flushes(const pa_program *p, const pa_instruction *i) {
    switch ((pa_instruction_kind)i->kind) {
    case PA_DO_FORWARD: return pa_forward_flushes(p->nodes[i->node]);
    case PA_DO_BACKWARD:
    case PA_DO_GRADIENT:
    case PA_DO_ADD: return pa_backward_flushes(p->nodes[i->node]);
    default: return false;
    }
}

static pa_status run_code(pa_program *p, pa_fpmode *mode) {
    for (const pa_instruction *i = p->code, *end = p->code + p->n_code; i < end; i++) {
        if (i->kind != PA_DO_CHAIN && i->kind != PA_DO_UPDATE) pa_fpmode_flush(mode, flushes(p, i));
        switch ((pa_instruction_kind)i->kind) {
        case PA_DO_FORWARD: {
            pa_node *node = p->nodes[i->node];
            if (i->relu)
                PA_TRY(pa_product_forward(node, p->scratch, &(pa_product_extras){.relu = true}));
            else
                PA_TRY(pa_op_function[node->op].forward(node, p->scratch));
            break;
        }
        case PA_DO_MAP: run_map(p, i, 0, p->nodes[i->node]->array->numel); break;
        case PA_DO_CHAIN: run_chain(p, i, mode); break;
        case PA_DO_SEED: run_seed(p, i); break;
        case PA_DO_BACKWARD: PA_TRY(run_backward(p, i)); break;
        case PA_DO_GRADIENT: run_gradient(p, i, 0, p->nodes[i->node]->array->numel); break;
        case PA_DO_ADD: {
            const pa_node *like = p->nodes[i->node];
            pa_k->add[like->dtype == PA_FLOAT64](pa_buffer_at(p, i->gradient), pa_buffer_at(p, p->pool[i->targets]),
                                                 like->array->numel);
            break;
        }
        case PA_DO_COPY:
            memcpy(data_of(p, i->node), data_of(p, i->source), p->buffers[p->buffer_of[i->node]].bytes);
            break;
        case PA_DO_WRITE: PA_TRY(run_write(p, i)); break;
        case PA_DO_UPDATE: run_update(p, i, mode); break;
        case PA_DO_ZERO: memset(pa_buffer_at(p, i->gradient), 0, p->buffers[i->gradient].bytes); break;
        case PA_DO_CLIP: run_clip(p, i); break;
        case PA_DO_FILL: PA_TRY(run_fill(p, i)); break;
        case PA_DO_NOTHING: break;
        }
    }
    return PA_OK;
}

/* One step; before it and after it the mode is the caller's. */
static pa_status run_step(pa_program *p, pa_fpmode *mode) {
    if (p->scalar != NULL) {
        pa_values_run(p, mode);
        return PA_OK;
    }
    pa_status status = run_code(p, mode);
    pa_fpmode_flush(mode, false);
    return status;
}

/* ---- binding ---- */

/* Moves a buffer, where its nodes are not there already. */
static inline void bind_buffer(pa_program *p, int32_t buffer, char *at) {
    if (p->buffers[buffer].at != at) pa_program_place(p, buffer, at);
}

static pa_node *node_of_external(const pa_program *p, const pa_external *e, pa_node *const *in) {
    (void)p;
    return e->input >= 0 ? in[e->input] : e->node;
}

/* Can the gradient that is there be written over, because nobody else looks at it? */
static bool may_reuse(const pa_external *e, const pa_node *grad) {
    return grad != NULL && e->entry < 0 && grad->refs == 1 && grad->handle == NULL && pa_node_storage(grad) != NULL &&
           pa_node_storage(grad)->refs == 1 && pa_node_is_contiguous(grad);
}

static pa_status check_free(const pa_node *node, bool written) {
    const pa_storage *storage = pa_node_storage(node);
    if (storage == NULL) return PA_OK;
    PA_FAIL_IF(storage->writer || (written && storage->readers > 0), PA_RUNTIME,
               "compile: another thread is using a tensor of shape %s that this step %s", pa_node_shape_text(node),
               written ? "writes" : "reads");
    return PA_OK;
}

static pa_status bind_gradient(pa_program *p, pa_external *e, pa_node *node) {
    if (node->flags & PA_IS_VALUE) {
        if (e->entry >= 0) bind_buffer(p, e->entry, (char *)&node->grad);
        if (e->gradient >= 0 && e->gradient != e->entry) bind_buffer(p, e->gradient, (char *)&node->grad);
        return PA_OK;
    }
    if (e->entry >= 0) {
        pa_node *grad = node->array->grad;
        PA_FAIL_IF(!pa_node_is_contiguous(grad) || grad->dtype != node->dtype, PA_RUNTIME,
                   "compile: the gradient of a tensor of shape %s is not contiguous", pa_node_shape_text(node));
        PA_TRY(pa_node_need_storage(grad));
        PA_TRY(check_free(grad, true));
        bind_buffer(p, e->entry, pa_node_data(grad));
    }
    if (e->gradient < 0 || e->gradient == e->entry) return PA_OK;
    PA_TRY(pa_node_need_array(node));
    if (may_reuse(e, node->array->grad)) {
        bind_buffer(p, e->gradient, pa_node_data(node->array->grad));
        return PA_OK;
    }
    PA_TRY(pa_node_new((pa_dtype)node->dtype, node->ndim, pa_node_shape(node), &e->fresh));
    PA_TRY(pa_node_need_storage(e->fresh));
    bind_buffer(p, e->gradient, pa_node_data(e->fresh));
    return PA_OK;
}

static pa_status bind(pa_program *p, int n, pa_node *const *in, const double *numbers) {
    for (int i = 0; i < n; i++) {
        pa_input *input = &p->inputs[i];
        if (in[i] == NULL) input->number = numbers[i];
        if (input->buffer >= 0)
            bind_buffer(p, input->buffer, in[i] == NULL ? (char *)&input->number : pa_node_data(in[i]));
    }
    for (int32_t i = p->n_watched; i < p->n_externals; i++)
        PA_FAIL_IF(p->externals[i].node->flags & PA_BUSY, PA_RUNTIME,
                   "compile: another thread is using a Value of this step");
    for (int32_t i = 0; i < p->n_watched; i++) {
        pa_external *e = &p->externals[i];
        pa_node *node = node_of_external(p, e, in);
        PA_TRY(check_free(node, e->written));
        if (e->written) PA_TRY(pa_node_need_storage(node)); /* a view made meanwhile would move a number away */
        if (e->buffer >= 0) bind_buffer(p, e->buffer, pa_node_data(node));
        if (p->sets_gradients || e->entry >= 0) PA_TRY(bind_gradient(p, e, node));
        if (!e->written) continue;
        for (int k = 0; k < n; k++)
            PA_FAIL_IF(
                in[k] != NULL && e->input != k && pa_node_storage(in[k]) != NULL &&
                    pa_node_storage(in[k]) == pa_node_storage(node),
                PA_RUNTIME,
                "compile: argument %d of shape %s shares memory with a tensor that the step writes; give a clone()", k,
                pa_node_shape_text(in[k]));
    }
    return PA_OK;
}

/* The gradients that the step made become the leaves'. */
static void commit(pa_program *p, pa_node *const *in) {
    for (int32_t i = 0; i < p->n_watched; i++) {
        pa_external *e = &p->externals[i];
        pa_node *node = node_of_external(p, e, in);
        pa_storage *storage = pa_node_storage(node);
        if (e->written && storage != NULL) storage->version++;
        if (node->flags & PA_IS_VALUE || node->array == NULL) continue;
        pa_node *old = node->array->grad;
        if (e->fresh != NULL) {
            node->array->grad = e->fresh;
            e->fresh = NULL;
            if (old != NULL) pa_node_release(old);
        } else if (e->clears && old != NULL) {
            node->array->grad = NULL;
            pa_node_release(old);
        } else if ((e->gradient >= 0 || e->entry >= 0) && old != NULL && pa_node_storage(old) != NULL) {
            pa_node_storage(old)->version++;
        }
    }
}

static void drop_fresh(pa_program *p) {
    for (int32_t i = 0; i < p->n_watched; i++) {
        if (p->externals[i].fresh == NULL) continue;
        pa_node_release(p->externals[i].fresh);
        p->externals[i].fresh = NULL;
    }
}

static pa_status hold_tensor(pa_hold *hold, pa_node *node, bool written) {
    PA_TRY(check_free(node, written));
    return pa_hold_add(hold, node, written ? PA_HOLD_WRITE : PA_HOLD_READ);
}

/* All that a replay without the GIL is bound to is the replay's until its end, whatever others do with models and optimisers. */
static pa_status hold_all(pa_program *p, int n, pa_node *const *in, pa_hold *hold) {
    for (int i = 0; i < n; i++)
        if (in[i] != NULL && !(in[i]->flags & PA_IS_VALUE)) PA_TRY(hold_tensor(hold, in[i], false));
    for (int32_t i = 0; i < p->n_externals; i++) {
        const pa_external *e = &p->externals[i];
        pa_node *node = node_of_external(p, e, in);
        if (node->flags & PA_IS_VALUE) {
            PA_TRY(pa_hold_add(hold, node, PA_HOLD_NODE));
            continue;
        }
        PA_TRY(hold_tensor(hold, node, e->written));
        bool uses_gradient = e->gradient >= 0 || e->entry >= 0;
        if (uses_gradient && node->array->grad != NULL) PA_TRY(hold_tensor(hold, node->array->grad, true));
    }
    for (int32_t i = 0; i < p->n_updates; i++) {
        const pa_update_plan *plan = &p->updates[i];
        for (int k = 0; k < 3 * plan->n; k++)
            if (plan->state[k] != NULL) PA_TRY(hold_tensor(hold, plan->state[k], true));
    }
    return PA_OK;
}

/* ---- one step ---- */

static pa_status make_results(pa_program *p, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++) {
        const pa_result *r = &p->results[i];
        const pa_node *like = p->nodes[r->node];
        if (r->is_value)
            PA_TRY(pa_value_new(0, &results[i]));
        else
            PA_TRY(pa_node_new((pa_dtype)like->dtype, like->ndim, pa_node_shape(like), &results[i]));
        if (!r->copied) bind_buffer(p, r->buffer, pa_node_data(results[i]));
    }
    return PA_OK;
}

static void copy_results(pa_program *p, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++)
        if (p->results[i].copied) {
            const pa_node *from = p->nodes[p->results[i].node];
            pa_node_gather(from, (pa_dtype)from->dtype, pa_node_data(results[i]));
        }
}

static bool is_long(const pa_program *p) { return p->warm && p->flops > 50.0 * PA_LONG_WORK; }

static pa_status run_long_step(pa_program *p, int n, pa_node *const *in, pa_hold *hold, pa_fpmode *mode) {
    PA_TRY(hold_all(p, n, in, hold));
    pa_hold_begin(hold);
    void *token = pa_hook.leave_python();
    pa_status status = run_step(p, mode);
    pa_hook.enter_python(token);
    pa_hold_end(hold);
    return status;
}

pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results) {
    for (int32_t i = 0; i < p->n_results; i++) results[i] = NULL;
    pa_hold hold = {0};
    pa_status status = bind(p, n, in, numbers);
    if (status == PA_OK) status = make_results(p, results);
    pa_fpmode mode = pa_fpmode_open();
    if (status == PA_OK) status = is_long(p) ? run_long_step(p, n, in, &hold, &mode) : run_step(p, &mode);
    if (status == PA_OK) {
        p->warm = true;
        copy_results(p, results);
        commit(p, in);
        if (hold.n > 0) pa_hold_free(&hold);
        return PA_OK;
    }
    pa_hold_free(&hold);
    drop_fresh(p);
    for (int32_t i = 0; i < p->n_results; i++)
        if (results[i] != NULL) {
            pa_node_release(results[i]);
            results[i] = NULL;
        }
    return status;
}

/* ---- many steps ---- */

static double now_ms(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

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
            bind_buffer(p, p->inputs[i].buffer, (char *)(uintptr_t)f->data + (size_t)from * f->row_bytes);
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
    enum { POLL_MS = 50, SHORT_STEPS = 16 };
    double polled = released ? now_ms() : 0;
    pa_fpmode mode = pa_fpmode_open();
    int64_t every =
        p->flops > PA_LONG_WORK ? 1 : SHORT_STEPS; /* a look at the clock costs a hundredth of a short step */
    for (int64_t i = 0; i < count; i++) {
        gather(p, feeds, batch, order, start + i * batch);
        PA_TRY(run_step(p, &mode));
        losses[i] = loss_of(p);
        ++*done;
        if (released && i % every == 0 && now_ms() - polled > POLL_MS) {
            if (pa_hook.interrupted()) return PA_PYTHON;
            mode = pa_fpmode_open();
            polled = now_ms();
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
        feeds[i].row_bytes =
            rows == 0 ? 0 : (size_t)(pa_node_numel(data[i]) / rows) * pa_dtype_size((pa_dtype)data[i]->dtype);
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
        if (p->inputs[i].buffer >= 0) bind_buffer(p, p->inputs[i].buffer, feeds[i].batch);
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
    for (int32_t i = 0; i < p->n_watched; i++)
        if (p->externals[i].input >= 0 || p->externals[i].entry >= 0) return false;
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
    if (status == PA_OK) status = bind(p, n, data, NULL);
    if (status == PA_OK) status = prepare_feeds(p, n, data, batch, order, feeds, &block, &bytes);
    if (status == PA_OK) status = make_results(p, results);
    if (status == PA_OK) status = hold_all(p, n, data, &hold);
    if (status == PA_OK) {
        pa_hold_begin(&hold);
        bool warm = p->warm;
        if (!warm) { /* what ops keep from run to run is made under the GIL */
            status = run_batches(p, feeds, batch, order, start, 1, losses, done, false);
            p->warm = status == PA_OK;
        }
        if (status == PA_OK && count > *done) {
            int64_t first = *done;
            void *token = pa_hook.leave_python();
            status =
                run_batches(p, feeds, batch, order, start + first * batch, count - first, losses + first, done, true);
            pa_hook.enter_python(token);
        }
        pa_hold_end(&hold);
        if (*done > 0) commit(p, data);
    }
    pa_hold_free(&hold);
    drop_fresh(p);
    for (int32_t i = 0; results != NULL && i < p->n_results; i++)
        if (results[i] != NULL) pa_node_release(results[i]);
    if (feeds != NULL) pa_mem_free_array(feeds, (size_t)n, sizeof *feeds);
    pa_mem_free_array(results, room, sizeof *results);
    pa_mem_free(block, block == NULL ? 0 : bytes);
    return status;
}
