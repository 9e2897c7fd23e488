/* A program's life: compiled, fitted to a call, freed. */
#include "program.h"

#include <stdio.h>
#include <string.h>

#include "../apply.h"
#include "../kernels/kernels.h"
#include "../kernels/optim.h"
#include "values.h"

static pa_status compile(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    if (pa_values_can(log)) return pa_values_lower(p, log, n_outputs, outputs);
    PA_TRY(pa_program_lower(p, log, n_outputs, outputs));
    pa_program_bind_values(p);
    if (p->passes & PA_PASS_CONSTANTS) PA_TRY(pa_pass_constants(p));
    if (p->passes & PA_PASS_COMMON) PA_TRY(pa_pass_common(p));
    if (p->passes & PA_PASS_DEAD) PA_TRY(pa_pass_dead(p));
    if (p->passes & PA_PASS_FUSE) PA_TRY(pa_pass_fuse(p));
    return pa_pass_plan(p);
}

static bool is_fixed(const pa_external *e) { return e->input < 0 && (e->node->flags & PA_IS_VALUE) != 0; }

void pa_program_bind_values(pa_program *p) {
    for (int32_t i = 0; i < p->n_externals; i++) {
        const pa_external *e = &p->externals[i];
        if (!is_fixed(e)) continue;
        if (e->buffer >= 0) pa_program_place(p, e->buffer, (char *)&e->node->value);
        if (e->entry >= 0) pa_program_place(p, e->entry, (char *)&e->node->grad);
        if (e->gradient >= 0) pa_program_place(p, e->gradient, (char *)&e->node->grad);
    }
    p->n_watched = 0;
    for (int32_t i = 0; i < p->n_externals; i++) {
        pa_external e = p->externals[i];
        if (is_fixed(&e)) continue;
        p->externals[i] = p->externals[p->n_watched];
        p->externals[p->n_watched++] = e;
    }
}

static double flops_of(const pa_program *p) {
    double total = 0;
    for (int32_t i = 0; i < p->n_code; i++) {
        const pa_instruction *each = &p->code[i];
        if (each->node < 0 || each->kind == PA_DO_UPDATE) continue;
        const pa_node *node = p->nodes[each->node];
        bool product = pa_is_product(node);
        double work = product ? pa_product_cost(node) : (double)pa_node_numel(node);
        int times = 1;
        if (each->kind == PA_DO_BACKWARD && product) {
            times = 0;
            for (int k = 0; k < 2; k++) times += p->pool[each->targets + k] >= 0;
        }
        total += work * times;
    }
    return total;
}

pa_status pa_program_new(const pa_log *log, int n_outputs, pa_node *const *outputs, unsigned passes, pa_program **out) {
    pa_program *p = pa_mem_alloc(sizeof *p);
    if (p == NULL) return PA_MEMORY;
    memset(p, 0, sizeof *p);
    p->passes = passes;
    p->kernels = pa_k;
    for (size_t i = 0; i < log->n_entries; i++) p->n_recorded += log->entries[i].kind == PA_ENTRY_OP;
    pa_status status = compile(p, log, n_outputs, outputs);
    if (status != PA_OK) {
        pa_program_free(p);
        return status;
    }
    p->flops = flops_of(p);
    pa_mem_trim(); /* what the eager steps and the passes used, and the program does not */
    *out = p;
    return PA_OK;
}

void pa_program_free(pa_program *p) {
    if (p == NULL) return;
    for (int32_t i = 0; i < p->n_nodes; i++) pa_node_release(p->nodes[i]);
    for (int32_t i = 0; i < p->n_constants; i++) pa_node_release(p->constants[i]);
    for (int32_t i = 0; i < p->n_externals; i++)
        if (p->externals[i].node != NULL && p->externals[i].input < 0) pa_node_program_release(p->externals[i].node);
    pa_mem_free(p->nodes, p->nodes_capacity * sizeof *p->nodes);
    pa_mem_free(p->buffer_of, p->buffer_of_capacity * sizeof *p->buffer_of);
    pa_mem_free(p->offset_of, p->offset_of_capacity * sizeof *p->offset_of);
    pa_mem_free(p->buffers, p->buffers_capacity * sizeof *p->buffers);
    pa_mem_free(p->code, p->code_capacity * sizeof *p->code);
    pa_mem_free(p->chained, p->chained_capacity * sizeof *p->chained);
    pa_mem_free(p->pool, p->pool_capacity * sizeof *p->pool);
    pa_mem_free(p->externals, p->externals_capacity * sizeof *p->externals);
    pa_mem_free(p->constants, p->constants_capacity * sizeof *p->constants);
    if (p->inputs != NULL) pa_mem_free_array(p->inputs, (size_t)p->n_inputs + 1, sizeof *p->inputs);
    if (p->results != NULL) pa_mem_free_array(p->results, (size_t)p->n_results + 1, sizeof *p->results);
    if (p->updates != NULL) pa_mem_free_array(p->updates, p->updates_capacity, sizeof *p->updates);
    pa_values_free(p->scalar);
    pa_storage_release(p->memory);
    pa_mem_free(p->arena, p->arena_block);
    pa_mem_free(p, sizeof *p);
}

static double *block_of(const pa_update_plan *plan, int s) {
    const char *begin = NULL;
    for (int k = 0; k < plan->n; k++) {
        const pa_node *state = plan->state[3 * k + s];
        if (!(plan->params[k]->flags & PA_IS_VALUE) || state == NULL || !pa_same_layout(plan->params[k], state))
            return NULL;
        if (k == 0) begin = pa_node_data(state);
        if (pa_node_data(state) != begin + (size_t)k * sizeof(double)) return NULL;
    }
    return (double *)(uintptr_t)begin;
}

/* Whoever has an optimiser may have put anything into its state. */
static bool states_fit(const pa_update_plan *plan) {
    for (int k = 0; k < 3 * plan->n; k++)
        if (plan->state[k] != NULL && !pa_same_layout(plan->params[k / 3], plan->state[k])) return false;
    return true;
}

/* The same, where it held once: of a tensor that is written in place its dtype alone can be another. */
static bool still_fits(const pa_update_plan *plan) {
    if (plan->hyper == NULL || !plan->fits) return false;
    for (int s = 0; s < 3; s++)
        for (int k = 0; plan->block[s] == NULL && k < plan->n; k++) {
            const pa_node *state = plan->state[3 * k + s];
            if (state != NULL && state->dtype != plan->params[k]->dtype) return false;
        }
    return true;
}

void pa_update_plan_bound(pa_update_plan *plan) {
    plan->fits = states_fit(plan);
    for (int s = 0; s < 3; s++) plan->block[s] = block_of(plan, s);
}

/* ---- does it fit? ---- */

static bool input_fits(const pa_input *input, const pa_node *node) {
    if (node == NULL) return input->is_number;
    if (input->is_number || node->dtype != input->dtype || node->ndim != input->ndim ||
        input->is_value != ((node->flags & PA_IS_VALUE) != 0) || input->requires_grad != pa_node_requires_grad(node))
        return false;
    for (int i = 0; i < input->ndim; i++) {
        if (node->array->shape[i] != input->shape[i]) return false;
        if (node->array->strides[i] != input->strides[i] && input->shape[i] > 1) return false;
    }
    return true;
}

static bool has_gradient(const pa_node *node) { return node->array != NULL && node->array->grad != NULL; }

static bool external_fits(const pa_program *p, const pa_external *e, const pa_node *node) {
    if (e->requires_grad != pa_node_requires_grad(node)) return false;
    if (e->buffer >= 0 &&
        p->buffers[e->buffer].bytes != (size_t)pa_node_numel(node) * pa_dtype_size((pa_dtype)node->dtype))
        return false; /* its dtype changed: shapes cannot */
    return !e->entry_matters || e->entry_present == has_gradient(node);
}

bool pa_program_takes(const pa_program *p, int n, pa_node *const *in) {
    if (n != p->n_inputs) return false;
    for (int i = 0; i < n; i++)
        if (!input_fits(&p->inputs[i], in[i])) return false;
    return true;
}

bool pa_program_is_bound(const pa_program *p, pa_node *const *in) {
    if (p->kernels != pa_k) return false;
    for (int32_t i = 0; i < p->n_updates; i++)
        if (!still_fits(&p->updates[i])) return false;
    for (int32_t i = 0; i < p->n_watched; i++) {
        const pa_external *e = &p->externals[i];
        if (!external_fits(p, e, e->input >= 0 ? in[e->input] : e->node)) return false;
    }
    return true;
}

/* ---- in words ---- */

static int append(char *text, size_t size, int at, const char *words) {
    if (at < 0 || (size_t)at >= size) return at;
    int written = snprintf(text + at, size - (size_t)at, "%s", words);
    return written < 0 ? at : at + written;
}

static int append_operands(const pa_node *node, char *text, size_t size, int at) {
    for (int k = 0; k < node->n_parents; k++) {
        at = append(text, size, at, k == 0 ? " " : ", ");
        at = append(text, size, at, pa_node_shape_text(pa_node_parent(node, k)));
    }
    return at;
}

void pa_instruction_text(const pa_program *p, const pa_instruction *i, char *text, size_t size) {
    static const char *const words[] = {
        [PA_DO_SEED] = "seed",   [PA_DO_ADD] = "add to gradient", [PA_DO_COPY] = "copy",
        [PA_DO_WRITE] = "write", [PA_DO_UPDATE] = "update",       [PA_DO_ZERO] = "zero gradient",
        [PA_DO_CLIP] = "clip",   [PA_DO_FILL] = "draw",           [PA_DO_NOTHING] = "nothing"};
    const pa_node *node = i->node >= 0 ? p->nodes[i->node] : NULL;
    int at = 0;
    text[0] = '\0';
    switch ((pa_instruction_kind)i->kind) {
    case PA_DO_FORWARD:
    case PA_DO_MAP:
        at = append(text, size, at, pa_op_table[node->op].name);
        at = append_operands(node, text, size, at);
        at = append(text, size, at, " -> ");
        at = append(text, size, at, pa_node_shape_text(node));
        if (i->relu) append(text, size, at, " with relu");
        break;
    case PA_DO_BACKWARD:
    case PA_DO_GRADIENT:
        at = append(text, size, at, "d ");
        at = append(text, size, at, pa_op_table[node->op].name);
        at = append(text, size, at, " ");
        at = append(text, size, at, pa_node_shape_text(node));
        if (i->mask) at = append(text, size, at, " through relu");
        if (i->kind == PA_DO_GRADIENT)
            append(text, size, at, i->operand == 0 ? " to a" : i->operand == 1 ? " to b" : " to c");
        break;
    case PA_DO_CHAIN:
        at = append(text, size, at, "chain of");
        for (int k = 0; k < i->n; k++) {
            const pa_instruction *link = &p->chained[i->targets + k];
            at = append(text, size, at, link->kind == PA_DO_GRADIENT ? " d " : " ");
            at = append(text, size, at, pa_op_table[p->nodes[link->node]->op].name);
        }
        break;
    case PA_DO_UPDATE:
        for (int k = 0; k < i->n; k++) at += p->pool[i->targets + k] >= 0; /* that have a gradient */
        snprintf(text, size, "update of %d parameters", at);
        break;
    default:
        at = append(text, size, at, words[i->kind]);
        if (node != NULL) {
            at = append(text, size, at, " ");
            append(text, size, at, pa_node_shape_text(node));
        }
    }
}

size_t pa_program_saved_bytes(const pa_program *p) {
    size_t total = 0;
    for (int32_t i = 0; i < p->n_nodes; i++)
        if (p->nodes[i]->array->saved != NULL) total += p->nodes[i]->array->saved->bytes;
    return total;
}

/* ---- what follows from what ---- */

typedef struct edge_walk {
    int32_t *writer; /* of each buffer, so far; -1: none */
    int32_t now;
    bool writing;
    void (*edge)(void *context, int32_t from, int32_t to);
    void *context;
} edge_walk;

static void walk_edge(void *context, int32_t buffer, bool writes) {
    edge_walk *w = context;
    if (w->writing && writes) w->writer[buffer] = w->now;
    if (!w->writing && !writes && w->writer[buffer] >= 0) w->edge(w->context, w->writer[buffer], w->now);
}

pa_status pa_program_edges(const pa_program *p, void (*edge)(void *context, int32_t from, int32_t to), void *context) {
    size_t n = (size_t)p->n_buffers + 1;
    edge_walk w = {pa_mem_alloc_array(n, sizeof *w.writer), 0, false, edge, context};
    if (w.writer == NULL) return PA_MEMORY;
    for (size_t b = 0; b < n; b++) w.writer[b] = -1;
    for (; w.now < p->n_code; w.now++) {
        w.writing = false;
        pa_instruction_visit(p, &p->code[w.now], walk_edge, &w);
        w.writing = true;
        pa_instruction_visit(p, &p->code[w.now], walk_edge, &w);
    }
    pa_mem_free_array(w.writer, n, sizeof *w.writer);
    return PA_OK;
}
