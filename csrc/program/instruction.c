/* What an instruction touches, and what follows from it: when buffers live, which instruction needs which. */
#include "instruction.h"

#include <stdio.h>

/* ---- what it touches ---- */

static void visit_backward(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    const pa_node *node = p->nodes[i->node];
    unsigned reads = pa_op_table[node->op].effects;
    visit(context, i->gradient, false);
    for (int k = 0; k < node->n_parents && k < PA_MAX_OPERANDS; k++)
        if (reads & (READS_A << k)) visit(context, p->buffer_of[pa_node_parent(node, k)->mark], false);
    /* The result stands for all that the forward has left: who needs what it saved needs it to have run. */
    if (reads & (READS_OUT | READS_SAVED)) visit(context, p->buffer_of[i->node], false);
    for (int k = 0; k < i->n; k++) {
        int32_t target = p->pool[i->targets + k];
        if (target < 0) continue;
        if (target & PA_TARGET_ACCUMULATES) visit(context, target & ~PA_TARGET_ACCUMULATES, false);
        visit(context, target & ~PA_TARGET_ACCUMULATES, true);
    }
}

void pa_instruction_visit(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    const pa_node *node = i->node >= 0 ? p->nodes[i->node] : NULL;
    switch ((pa_instruction_kind)i->kind) {
    case PA_DO_FORWARD:
    case PA_DO_MAP:
        for (int k = 0; k < node->n_parents; k++) visit(context, p->buffer_of[pa_node_parent(node, k)->mark], false);
        visit(context, p->buffer_of[i->node], true);
        break;
    case PA_DO_FUSED:
        for (int k = 0; k < i->n; k++) pa_instruction_visit(p, &p->fused[i->targets + k], visit, context);
        break;
    case PA_DO_BACKWARD:
    case PA_DO_GRADIENT: visit_backward(p, i, visit, context); break;
    case PA_DO_SEED:
        if (i->source >= 0) visit(context, p->buffer_of[i->source], false);
        visit(context, i->gradient, true);
        break;
    case PA_DO_ADD:
        visit(context, p->pool[i->targets], false);
        visit(context, i->gradient, false);
        visit(context, i->gradient, true);
        break;
    case PA_DO_COPY:
    case PA_DO_WRITE:
        visit(context, p->buffer_of[i->source], false);
        if (i->kind == PA_DO_WRITE) visit(context, p->buffer_of[i->node], false); /* what a view does not reach stays */
        visit(context, p->buffer_of[i->node], true);
        break;
    case PA_DO_UPDATE:
    case PA_DO_CLIP:
        for (int k = 0; k < i->n; k++) {
            int32_t gradient = p->pool[i->targets + k];
            if (gradient < 0) continue;
            visit(context, gradient, false);
            if (i->kind == PA_DO_CLIP) {
                visit(context, gradient, true);
                continue;
            }
            int32_t param = p->buffer_of[p->pool[i->targets + i->n + k]];
            visit(context, param, false);
            visit(context, param, true);
        }
        if (i->kind == PA_DO_CLIP && node != NULL) visit(context, p->buffer_of[i->node], true);
        break;
    case PA_DO_ZERO: visit(context, i->gradient, true); break;
    case PA_DO_FILL: visit(context, p->buffer_of[i->node], true); break;
    case PA_DO_NOTHING: break;
    }
}

typedef struct lives {
    pa_program *p;
    int32_t now;
} lives;

static void touch(void *context, int32_t buffer, bool writes) {
    (void)writes;
    lives *l = context;
    pa_buffer *b = &l->p->buffers[buffer];
    if (b->first < 0) b->first = l->now;
    b->last = l->now;
}

void pa_program_find_lives(pa_program *p) {
    for (int32_t b = 0; b < p->n_buffers; b++) p->buffers[b].first = p->buffers[b].last = -1;
    lives l = {p, 0};
    for (; l.now < p->n_code; l.now++) pa_instruction_visit(p, &p->code[l.now], touch, &l);
    for (int32_t r = 0; r < p->n_results; r++)
        if (p->buffers[p->results[r].buffer].first >= 0) p->buffers[p->results[r].buffer].last = p->n_code;
}

int32_t *pa_per_buffer_new(const pa_program *p, int32_t fill) {
    int32_t *numbers = pa_mem_alloc_array((size_t)p->n_buffers + 1, sizeof *numbers);
    for (int32_t b = 0; numbers != NULL && b < p->n_buffers; b++) numbers[b] = fill;
    return numbers;
}

void pa_per_buffer_free(const pa_program *p, int32_t *numbers) {
    pa_mem_free_array(numbers, (size_t)p->n_buffers + 1, sizeof *numbers);
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
    case PA_DO_FUSED:
        at = append(text, size, at, "chain of");
        for (int k = 0; k < i->n; k++) {
            const pa_instruction *each = &p->fused[i->targets + k];
            at = append(text, size, at, each->kind == PA_DO_GRADIENT ? " d " : " ");
            at = append(text, size, at, pa_op_table[p->nodes[each->node]->op].name);
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
    edge_walk w = {pa_per_buffer_new(p, -1), 0, false, edge, context};
    if (w.writer == NULL) return PA_MEMORY;
    for (; w.now < p->n_code; w.now++) {
        w.writing = false;
        pa_instruction_visit(p, &p->code[w.now], walk_edge, &w);
        w.writing = true;
        pa_instruction_visit(p, &p->code[w.now], walk_edge, &w);
    }
    pa_per_buffer_free(p, w.writer);
    return PA_OK;
}
