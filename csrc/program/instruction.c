/* What an instruction touches, and what follows from it: when buffers live, which instruction needs which. */
#include "instruction.h"

#include "../kernels/ops.h"

/* ---- what it touches ---- */

static void visit_host(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    const pa_host *host = &p->hosts[i->source];
    for (int32_t k = 0; k < i->n; k++) visit(context, p->buffer_of[p->pool[i->targets + k]], false);
    for (int32_t k = i->n; k < i->n + host->n_results; k++) visit(context, p->buffer_of[p->pool[i->targets + k]], true);
}

static void visit_backward(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    const pa_node *node = p->nodes[i->node];
    unsigned reads = pa_op_table[node->op].effects;
    visit(context, i->gradient, false);
    for (int k = 0; k < node->n_parents && k < PA_MAX_OPERANDS; k++)
        if (pa_backward_reads(node, k) || (i->mask && k == 0))
            visit(context, p->buffer_of[pa_node_parent(node, k)->mark], false);
    /* The result stands for all that the forward has left: who needs what it saved needs it to have run. */
    if (reads & (READS_OUT | READS_SAVED)) visit(context, p->buffer_of[i->node], false);
    for (int k = 0; k < i->n; k++) {
        int32_t target = p->pool[i->targets + k];
        if (target < 0) continue;
        if (target & PA_TARGET_ACCUMULATES) visit(context, target & ~PA_TARGET_ACCUMULATES, false);
        visit(context, target & ~PA_TARGET_ACCUMULATES, true);
    }
}

static void visit_leaves(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    for (int k = 0; k < i->n_leaves; k++) {
        int32_t gradient = p->pool[i->leaves + k * PA_LEAF_FIELDS + PA_LEAF_GRADIENT];
        if (gradient < 0) continue;
        visit(context, gradient, false);
        if (pa_instruction_is_host(p, i)) visit(context, gradient, true);
    }
}

void pa_instruction_visit(const pa_program *p, const pa_instruction *i, pa_visit_fn *visit, void *context) {
    const pa_node *node = i->node >= 0 ? p->nodes[i->node] : NULL;
    visit_leaves(p, i, visit, context);
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
    case PA_DO_UPSTREAM:
        if (i->accumulate) visit(context, i->gradient, false);
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
    case PA_DO_FILL:
        if (i->source >= 0) visit(context, p->buffer_of[i->source], false);
        if (i->source >= 0) visit(context, p->buffer_of[i->source], true);
        visit(context, p->buffer_of[i->node], true);
        break;
    case PA_DO_CHECK: visit(context, i->gradient, false); break;
    case PA_DO_HOST: visit_host(p, i, visit, context); break;
    case PA_DO_NOTHING: break;
    }
}

typedef struct lives {
    pa_program *p;
    int32_t now;
} lives;

static void touch(void *context, int32_t buffer, bool PA_UNUSED(writes)) {
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
    /* What the backward reads of the forward stays for another backward. */
    int32_t split = pa_program_split(p);
    for (int32_t b = 0; b < p->n_buffers; b++)
        if (p->buffers[b].first < split && p->buffers[b].last >= split) p->buffers[b].last = p->n_code;
}

int32_t pa_program_split(const pa_program *p) {
    int32_t split = 0;
    while (split < p->n_code && p->code[split].kind != PA_DO_UPSTREAM) split++;
    return split;
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

void pa_instruction_text(const pa_program *p, const pa_instruction *i, char *text, size_t size) {
    static const char *const names[] = {[PA_DO_SEED] = "seed",
                                        [PA_DO_ADD] = "add to gradient",
                                        [PA_DO_COPY] = "copy",
                                        [PA_DO_WRITE] = "write",
                                        [PA_DO_CLIP] = "clip",
                                        [PA_DO_ZERO] = "zero gradient",
                                        [PA_DO_FILL] = "draw",
                                        [PA_DO_HOST] = "Python",
                                        [PA_DO_NOTHING] = "nothing",
                                        [PA_DO_CHECK] = "check gradient",
                                        [PA_DO_UPSTREAM] = "upstream gradient"};
    const pa_node *node = i->node >= 0 ? p->nodes[i->node] : NULL;
    pa_text w = {text, size};
    int updated = 0;
    switch ((pa_instruction_kind)i->kind) {
    case PA_DO_FORWARD:
    case PA_DO_MAP:
        pa_text_add(&w, "%s", pa_op_table[node->op].name);
        for (int k = 0; k < node->n_parents; k++)
            pa_text_add(&w, "%s%s", k == 0 ? " " : ", ", pa_node_shape_text(pa_node_parent(node, k)));
        pa_text_add(&w, " -> %s%s", pa_node_shape_text(node), i->relu ? " with relu" : "");
        break;
    case PA_DO_BACKWARD:
    case PA_DO_GRADIENT:
        pa_text_add(&w, "d %s %s", pa_op_table[node->op].name, pa_node_shape_text(node));
        if (i->mask) pa_text_add(&w, " through relu");
        if (i->kind == PA_DO_GRADIENT) pa_text_add(&w, " to %c", "abc"[i->operand]);
        break;
    case PA_DO_FUSED:
        pa_text_add(&w, "chain of");
        for (const pa_instruction *each = p->fused + i->targets, *end = each + i->n; each < end; each++)
            pa_text_add(&w, "%s %s", each->kind == PA_DO_GRADIENT ? " d" : "",
                        pa_op_table[p->nodes[each->node]->op].name);
        break;
    case PA_DO_UPDATE:
        for (int k = 0; k < i->n; k++) updated += p->pool[i->targets + k] >= 0; /* that have a gradient */
        pa_text_add(&w, "update of %d parameters", updated);
        break;
    default:
        pa_text_add(&w, "%s", names[i->kind]);
        if (node != NULL) pa_text_add(&w, " %s", pa_node_shape_text(node));
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
