/* A step run: its instructions one after the other, or the straight-line code of a step over Values. */
#include "execute.h"

#include <string.h>

#include "../kernels/ops.h"
#include "../kernels/optim.h"
#include "../kernels/random.h"
#include "../kernels/stream.h"
#include "../record.h"
#include "bind.h"
#include "host.h"
#include "instruction.h"

/* ---- a step over tensors ---- */

static inline char *data_of(const pa_program *p, int32_t node) { return p->nodes[node]->array->data; }

static void run_seed(pa_program *p, const pa_instruction *i) {
    const pa_node *root = p->nodes[i->node];
    char *gradient = pa_buffer_at(p, i->gradient);
    if (i->source >= 0) {
        pa_node_gather(p->nodes[i->source], root->dtype, gradient);
    } else {
        double one = 1.0;
        pa_k->convert[PA_FLOAT64][root->dtype](gradient, &one, 0, pa_node_numel(root));
    }
}

static pa_status run_backward(pa_program *p, const pa_instruction *i, pa_passing_sums *passing) {
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
    if (pa_op_function[node->op].backward == pa_product_backward)
        return pa_product_backward_with(node, p->scratch, &(pa_product_extras){.mask = i->mask, .passing = passing});
    passing->of = NULL;
    return node->op == PA_OP_custom ? pa_host_backward(p, i) : pa_op_function[node->op].backward(node, p->scratch);
}

/* ---- of the backward for the caller's graph: which gradients there are ---- */

/* A part of the upstream gradient, or zeros where none has come. */
static void run_upstream(pa_program *p, const pa_instruction *i) {
    const pa_history *h = &p->history;
    const pa_result *r = &p->results[i->source];
    const pa_node *node = p->nodes[i->node];
    int64_t size = (int64_t)pa_dtype_size(h->dtype), numel = node->array->numel;
    double came;
    pa_k->convert[h->dtype][PA_FLOAT64](&came, h->upstream + r->upstream_came * size, 1, 1);
    if (came != 0) {
        pa_add_or_copy((pa_dtype)node->dtype, pa_buffer_at(p, i->gradient), h->dtype, h->upstream + r->upstream * size,
                       numel, i->accumulate);
        h->present[i->gradient] = true;
    } else if (!i->accumulate) {
        pa_no_gradient(pa_buffer_at(p, i->gradient), node->dtype, p->buffers[i->gradient].bytes);
    }
}

/* A gradient that is made of none is none. */
static bool has_gradient(const pa_program *p, const pa_instruction *i) {
    bool *present = p->history.present;
    if (present == NULL) return true;
    bool comes = present[i->gradient];
    for (int k = 0; k < i->n; k++) {
        int32_t target = p->pool[i->targets + k];
        if (target < 0) continue;
        if (comes)
            present[target & ~PA_TARGET_ACCUMULATES] = true;
        else if (!(target & PA_TARGET_ACCUMULATES) && !p->buffers[target].is_block)
            pa_no_gradient(pa_buffer_at(p, target), pa_node_parent(p->nodes[i->node], k)->dtype,
                           p->buffers[target].bytes);
    }
    return comes;
}

/* Element `from` on of a node; a block's buffer holds no more than the elements under way. */
static inline char *element(const pa_program *p, const pa_node *node, int64_t from) {
    if (p->buffers[p->buffer_of[node->mark]].is_block) return node->array->data;
    return node->array->data + from * (int64_t)pa_dtype_size(node->dtype);
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
    int64_t size = (int64_t)pa_dtype_size(node->dtype);
    for (int k = 0; k < node->n_parents; k++)
        if (pa_backward_reads(node, k)) in[k] = element(p, pa_node_parent(node, k), from);
    if (reads & READS_OUT) in[3] = element(p, node, from);
    in[4] = gradient_element(p, i->gradient, from, size);
    char *target = gradient_element(p, p->pool[i->targets] & ~PA_TARGET_ACCUMULATES, from, size);
    if (p->history.present != NULL && !p->history.present[i->gradient]) {
        if (!i->accumulate) pa_no_gradient(target, node->dtype, (size_t)(n * size));
        return;
    }
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

/* A group's forwards keep denormals and its gradients flush them, as eager ones do. */
static void run_fused(const pa_program *p, const pa_instruction *i, pa_fpmode *mode) {
    const pa_instruction *members = p->fused + i->targets;
    int64_t numel = p->nodes[i->node]->array->numel;
    for (int k = 0; k < i->n; k++)
        if (members[k].kind == PA_DO_GRADIENT) has_gradient(p, &members[k]);
    for (int64_t from = 0; from < numel; from += PA_BLOCK) {
        int64_t n = numel - from < PA_BLOCK ? numel - from : PA_BLOCK;
        for (int k = 0; k < i->n; k++) {
            bool is_map = members[k].kind == PA_DO_MAP;
            pa_fpmode_flush(mode, !is_map && pa_backward_flushes(p->nodes[members[k].node]));
            (is_map ? run_map : run_gradient)(p, &members[k], from, n);
        }
    }
}

static void run_write(pa_program *p, const pa_instruction *i) {
    const pa_node *from = p->nodes[i->source], *to = p->nodes[i->node];
    int64_t numel = to->array->numel;
    pa_stream in, out;
    pa_stream_open_node(&in, from, to);
    if (pa_node_is_contiguous(to) && p->buffer_of[i->source] != p->buffer_of[i->node]) {
        pa_stream_read(&in, to->dtype, to->array->data, numel);
        return;
    }
    pa_stream_open_node(&out, to, to);
    pa_stream_copy(&in, &out, numel);
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
static bool clipped(const pa_program *p, const pa_instruction *i, int k, pa_floats *out) {
    int32_t gradient = p->pool[i->targets + k];
    if (gradient < 0) return false;
    const pa_node *param = p->nodes[p->pool[i->targets + i->n + k]];
    *out = (pa_floats){pa_buffer_at(p, gradient), param->array->numel, param->dtype == PA_FLOAT64};
    return true;
}

static pa_status run_clip(pa_program *p, const pa_instruction *i) {
    double sum = 0, order = i->params[1];
    pa_floats g;
    for (int k = 0; k < i->n; k++)
        if (clipped(p, i, k, &g)) sum = pa_norm_add(sum, &g, order);
    double total = pa_norm_of(sum, order), coefficient = pa_clip_coefficient(total, i->params[0]);
    if (i->operand) PA_TRY(pa_norm_check(total, order));
    if (i->node >= 0) {
        const pa_node *out = p->nodes[i->node];
        pa_k->convert[PA_FLOAT64][out->dtype](out->array->data, &total, 0, 1);
    }
    for (int k = 0; k < i->n && coefficient != 1; k++)
        if (clipped(p, i, k, &g)) pa_k->scale[g.f](g.data, g.data, coefficient, g.n);
    return PA_OK;
}

static pa_status run_fill(pa_program *p, const pa_instruction *i) {
    pa_node *node = p->nodes[i->node];
    pa_random_state *stream = i->source < 0 ? pa_random_here() : (pa_random_state *)(void *)data_of(p, i->source);
    switch (i->operand) {
    case PA_FILL_UNIFORM: return pa_random_uniform(stream, node, i->params[0], i->params[1]);
    case PA_FILL_NORMAL: return pa_random_normal(stream, node, i->params[0], i->params[1]);
    case PA_FILL_INTEGERS: return pa_random_integers(stream, node, i->whole[0], i->whole[1]);
    default: return pa_random_permutation(stream, node);
    }
}

/* In which mode an instruction runs; fusion groups and updates set theirs themselves. */
static bool flushes(const pa_program *p, const pa_instruction *i) {
    switch ((pa_instruction_kind)i->kind) {
    case PA_DO_FORWARD: return pa_forward_flushes(p->nodes[i->node]);
    case PA_DO_BACKWARD:
    case PA_DO_GRADIENT:
    case PA_DO_UPSTREAM:
    case PA_DO_ADD: return pa_backward_flushes(p->nodes[i->node]);
    default: return false;
    }
}

static pa_status run_forward(pa_program *p, const pa_instruction *i) {
    pa_node *node = p->nodes[i->node];
    if (i->relu) return pa_product_forward_with(node, p->scratch, &(pa_product_extras){.relu = true});
    return pa_op_function[node->op].forward(node, p->scratch);
}

static pa_status execute_instructions(pa_program *p, int32_t from, int32_t to, pa_fpmode *mode) {
    pa_status status = PA_OK;
    pa_passing_sums passing;
    passing.of = NULL;
    const pa_instruction *i = p->code + from;
    for (const pa_instruction *end = p->code + to; i < end && status == PA_OK; i++) {
        if (i->kind != PA_DO_BACKWARD) passing.of = NULL;
        if (i->kind != PA_DO_FUSED && i->kind != PA_DO_UPDATE) pa_fpmode_flush(mode, flushes(p, i));
        switch ((pa_instruction_kind)i->kind) {
        case PA_DO_FORWARD: status = run_forward(p, i); break;
        case PA_DO_MAP: run_map(p, i, 0, p->nodes[i->node]->array->numel); break;
        case PA_DO_FUSED: run_fused(p, i, mode); break;
        case PA_DO_SEED: run_seed(p, i); break;
        case PA_DO_UPSTREAM: run_upstream(p, i); break;
        case PA_DO_BACKWARD:
            if (has_gradient(p, i))
                status = run_backward(p, i, &passing);
            else
                passing.of = NULL;
            if (pa_instruction_is_host(p, i)) *mode = pa_fpmode_open();
            break;
        case PA_DO_GRADIENT:
            if (has_gradient(p, i)) run_gradient(p, i, 0, p->nodes[i->node]->array->numel);
            break;
        case PA_DO_ADD: {
            const pa_node *like = p->nodes[i->node];
            pa_k->add[like->dtype == PA_FLOAT64](pa_buffer_at(p, i->gradient), pa_buffer_at(p, p->pool[i->targets]),
                                                 like->array->numel);
            break;
        }
        case PA_DO_COPY:
            memcpy(data_of(p, i->node), data_of(p, i->source), p->buffers[p->buffer_of[i->node]].bytes);
            break;
        case PA_DO_WRITE: run_write(p, i); break;
        case PA_DO_UPDATE: run_update(p, i, mode); break;
        case PA_DO_ZERO: memset(pa_buffer_at(p, i->gradient), 0, p->buffers[i->gradient].bytes); break;
        case PA_DO_CLIP: status = run_clip(p, i); break;
        case PA_DO_FILL: status = run_fill(p, i); break;
        case PA_DO_CHECK: status = pa_check_finite(p->nodes[i->node], i->operand, pa_buffer_at(p, i->gradient)); break;
        case PA_DO_HOST: /* which runs in the caller's floating-point mode, and may leave another one behind */
            status = pa_host_call(p, i);
            *mode = pa_fpmode_open();
            break;
        case PA_DO_NOTHING: break;
        }
    }
    p->failed = status == PA_OK ? NULL : i - 1;
    return status;
}

/* ---- a step over Values ---- */

static void load_numbers(const pa_program *p, const pa_values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_loads; i++) *s->fixed_loads[i].number = *s->fixed_loads[i].outside;
    for (size_t i = 0; i < s->n_loads; i++) {
        const pa_values_move *m = &s->loads[i];
        const char *at = p->buffers[m->buffer].at + m->offset;
        if (m->dtype == PA_FLOAT64)
            *m->number = *(const double *)(const void *)at;
        else
            pa_k->convert[m->dtype][PA_FLOAT64](m->number, at, 1, 1);
    }
    for (size_t i = 0; i < s->n_crossings; i++) *s->crossings[i].to = *s->crossings[i].from;
}

static void store_numbers(const pa_program *p, const pa_values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_stores; i++) *s->fixed_stores[i].outside = *s->fixed_stores[i].number;
    for (size_t i = 0; i < s->n_stores; i++) {
        const pa_values_move *m = &s->stores[i];
        char *at = p->buffers[m->buffer].at + m->offset;
        if (m->dtype == PA_FLOAT64)
            *(double *)(void *)at = *m->number;
        else
            pa_k->convert[PA_FLOAT64][m->dtype](at, m->number, 1, 1);
    }
}

/* Parameters that have been updated equally often are updated together. */
static void update_values(pa_program *p, pa_values_update *u, pa_fpmode *mode) {
    const pa_update_plan *plan = &p->updates[u->which];
    double *params = u->block, *gradients = params + u->n, *states[3];
    for (int s = 0; s < 3; s++) states[s] = gradients + u->n + (size_t)s * (size_t)u->n;
    for (int32_t k = 0; k < u->n; k++) {
        params[k] = *u->params[k];
        gradients[k] = *u->gradients[k];
    }
    bool has[3], gathered[3];
    for (int s = 0; s < 3; s++) {
        has[s] = plan->state[s] != NULL;
        gathered[s] = has[s] && plan->block[s] == NULL;
        if (has[s] && !gathered[s]) states[s] = plan->block[s];
        for (int32_t k = 0; gathered[s] && k < u->n; k++)
            states[s][k] = *(double *)(void *)pa_node_data(plan->state[3 * k + s]);
    }
    pa_update all = {.hyper = *plan->hyper};
    for (int32_t k = 0, end; k < u->n; k = end) {
        for (end = k; end < u->n && plan->steps[end] == plan->steps[k];) end++;
        all.n = end - k;
        all.param = params + k;
        all.grad = gradients + k;
        for (int s = 0; s < 3; s++) all.state[s] = has[s] ? states[s] + k : NULL;
        pa_update_prepare(&all, plan->steps[k] + 1);
        for (int32_t i = k; i < end; i++) plan->steps[i]++;
        pa_update_run(&all, plan->kind, 1, mode);
    }
    pa_fpmode_flush(mode, false);
    for (int s = 0; s < 3; s++)
        for (int32_t k = 0; gathered[s] && k < u->n; k++)
            *(double *)(void *)pa_node_data(plan->state[3 * k + s]) = states[s][k];
    for (int32_t k = 0; k < u->n; k++) *(double *)(void *)p->buffers[u->buffers[k]].at = params[k];
}

/* Numbers loaded, segments of code one after the other, updates between them, numbers stored. */
static void execute_values(pa_program *p, pa_fpmode *mode) {
    const pa_values *s = p->values;
    for (size_t i = 0; i < s->n_segments; i++) {
        load_numbers(p, &s->segments[i]);
        pa_straightline_run(s->segments[i].code);
        if (s->segments[i].after != NULL) update_values(p, s->segments[i].after, mode);
    }
    for (size_t i = 0; i < s->n_segments; i++) store_numbers(p, &s->segments[i]);
}

pa_status pa_program_execute(pa_program *p, pa_fpmode *mode) {
    pa_status status = PA_OK;
    if (p->values != NULL)
        execute_values(p, mode);
    else
        status = execute_instructions(p, 0, p->history.split, mode);
    pa_fpmode_flush(mode, false);
    return status;
}

pa_status pa_program_execute_backward(pa_program *p, const pa_part *part) {
    pa_fpmode mode = pa_fpmode_open();
    memset(p->history.present, 0, (size_t)p->n_buffers * sizeof *p->history.present);
    pa_status status = execute_instructions(p, part->begin, part->end, &mode);
    pa_fpmode_flush(&mode, false);
    return status;
}
