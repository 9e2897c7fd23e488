/* The passes that leave work out: what depends on constants alone, what was computed before, what nobody reads. */
#include "passes.h"

#include <string.h>

#include "../kernels/ops.h"
#include "../table.h"
#include "batch.h"
#include "instruction.h"

static bool has_side_effect(const pa_program *p, const pa_instruction *i) {
    if (i->kind == PA_DO_UPDATE || i->kind == PA_DO_FILL || i->kind == PA_DO_CHECK || pa_instruction_is_host(p, i))
        return true;
    if (i->kind == PA_DO_CLIP) return i->operand; /* whether the norm is finite */
    /* The random stream goes on, and targets are checked, whether or not anybody reads the result. */
    return i->kind == PA_DO_FORWARD && (pa_op_table[p->nodes[i->node]->op].effects & (DRAWS | MAY_FAIL)) != 0;
}

/* Takes out the instructions that became NOTHING. */
static void compact(pa_program *p) {
    int32_t kept = 0;
    for (int32_t i = 0; i < p->n_code; i++)
        if (p->code[i].kind != PA_DO_NOTHING) p->code[kept++] = p->code[i];
    p->n_code = kept;
}

/* ---- dead code ---- */

typedef struct liveness {
    const pa_program *p;
    bool *live; /* each buffer: does a later instruction, or the caller, read it? */
    bool needed;
} liveness;

static bool outlives(const pa_buffer *b) { return b->kind != PA_BUFFER_ARENA && b->kind != PA_BUFFER_CONSTANT; }

static void ask(void *context, int32_t buffer, bool writes) {
    liveness *l = context;
    if (writes && (l->live[buffer] || outlives(&l->p->buffers[buffer]))) l->needed = true;
}

static void wake(void *context, int32_t buffer, bool writes) {
    liveness *l = context;
    if (!writes) l->live[buffer] = true;
}

pa_status pa_pass_dead(pa_program *p) {
    bool *live = pa_mem_alloc_array((size_t)p->n_buffers + 1, sizeof *live);
    if (live == NULL) return PA_MEMORY;
    for (int32_t b = 0; b < p->n_buffers; b++) live[b] = outlives(&p->buffers[b]);
    for (int32_t r = 0; r < p->n_results; r++) live[p->results[r].buffer] = true;
    for (int32_t i = p->n_code; i-- > 0;) {
        liveness l = {p, live, has_side_effect(p, &p->code[i])};
        if (!l.needed) pa_instruction_visit(p, &p->code[i], ask, &l);
        if (l.needed)
            pa_instruction_visit(p, &p->code[i], wake, &l);
        else
            p->code[i].kind = PA_DO_NOTHING;
    }
    pa_mem_free_array(live, (size_t)p->n_buffers + 1, sizeof *live);
    compact(p);
    return PA_OK;
}

/* ---- constants ---- */

static void count_write(void *context, int32_t buffer, bool writes) {
    int32_t *count = context;
    if (writes) count[buffer]++;
}

/* How many instructions write each buffer; NULL where there is no memory. */
static int32_t *count_writes(const pa_program *p) {
    int32_t *count = pa_per_buffer_new(p, 0);
    for (int32_t i = 0; count != NULL && i < p->n_code; i++) pa_instruction_visit(p, &p->code[i], count_write, count);
    return count;
}

typedef struct operands {
    const pa_program *p;
    bool constant; /* all of them */
} operands;

static void check_constant(void *context, int32_t buffer, bool writes) {
    operands *o = context;
    if (!writes && o->p->buffers[buffer].kind != PA_BUFFER_CONSTANT) o->constant = false;
}

/* Are an op's operands constants, whatever the rows of the batch? */
static bool has_constant_operands(const pa_program *p, const pa_instruction *i) {
    operands o = {p, !pa_batch_varies(p, p->nodes[i->node])};
    const pa_node *node = p->nodes[i->node];
    for (int k = 0; k < node->n_parents; k++) o.constant = o.constant && !pa_batch_varies(p, pa_node_parent(node, k));
    pa_instruction_visit(p, i, check_constant, &o);
    return o.constant;
}

/* Runs an instruction whose operands are constants now, and makes its result one. */
static pa_status fold(pa_program *p, pa_instruction *i) {
    pa_node *node = p->nodes[i->node], *held = NULL;
    int32_t buffer = p->buffer_of[i->node];
    PA_TRY(pa_node_new_like(node, &held));
    pa_status status = pa_program_keep_constant(p, held);
    pa_node_release(held);
    PA_TRY(status);
    pa_program_place(p, buffer, pa_node_data(held));
    for (int k = 0; k < node->n_parents; k++) {
        int32_t from = p->buffer_of[pa_node_parent(node, k)->mark];
        pa_program_place(p, from, p->buffers[from].at);
    }
    size_t bytes = pa_node_scratch(node);
    void *scratch = bytes > 0 ? pa_mem_alloc(bytes) : NULL;
    if (bytes > 0 && scratch == NULL) return PA_MEMORY;
    status = pa_node_forward(node, scratch);
    pa_mem_free(scratch, bytes);
    PA_TRY(status);
    p->buffers[buffer].kind = PA_BUFFER_CONSTANT;
    i->kind = PA_DO_NOTHING;
    return PA_OK;
}

pa_status pa_pass_constants(pa_program *p) {
    int32_t *writes = count_writes(p);
    if (writes == NULL) return PA_MEMORY;
    pa_status status = PA_OK;
    for (int32_t i = 0; i < p->n_code && status == PA_OK; i++) {
        pa_instruction *each = &p->code[i];
        if (each->kind != PA_DO_FORWARD || has_side_effect(p, each)) continue;
        int32_t buffer = p->buffer_of[each->node];
        if (has_constant_operands(p, each) && writes[buffer] == 1 && p->buffers[buffer].kind == PA_BUFFER_ARENA)
            status = fold(p, each);
    }
    pa_per_buffer_free(p, writes);
    compact(p);
    return status;
}

/* ---- common subexpressions ---- */

typedef struct versions {
    int32_t *of; /* writes to each buffer so far; all that the caller may see count as one */
    const pa_program *p;
    int32_t outside;
} versions;

static void bump(void *context, int32_t buffer, bool writes) {
    versions *v = context;
    if (!writes) return;
    v->of[buffer]++;
    if (outlives(&v->p->buffers[buffer])) v->outside++;
}

/* Nodes that look at the same bytes in the same way. */
static bool same_operand(const pa_program *p, const pa_node *a, const pa_node *b) {
    if (a == b) return true;
    if (p->buffer_of[a->mark] != p->buffer_of[b->mark] || p->offset_of[a->mark] != p->offset_of[b->mark] ||
        a->dtype != b->dtype || !pa_same_shape(a, b) || !pa_batch_alike(p, a, b))
        return false;
    return memcmp(a->array->strides, b->array->strides, a->ndim * sizeof *a->array->strides) == 0;
}

static bool same_work(const pa_program *p, const pa_node *a, const pa_node *b) {
    if (a->op != b->op || a->n_parents != b->n_parents || a->dtype != b->dtype || !pa_same_shape(a, b) ||
        !pa_batch_alike(p, a, b))
        return false;
    if (memcmp(a->array->params, b->array->params, sizeof a->array->params) != 0 ||
        memcmp(a->array->ints, b->array->ints, sizeof a->array->ints) != 0)
        return false;
    for (int k = 0; k < a->n_parents; k++)
        if (!same_operand(p, pa_node_parent(a, k), pa_node_parent(b, k))) return false;
    return true;
}

static uint64_t hash_work(const pa_program *p, const pa_node *node) {
    uint64_t h = node->op;
    for (int k = 0; k < node->n_parents; k++) {
        uint32_t parent = pa_node_parent(node, k)->mark;
        h = pa_hash_mix(h, (uint64_t)p->buffer_of[parent] ^ (uint64_t)p->offset_of[parent] << 20);
    }
    return h;
}

typedef struct computed {
    int32_t node;
    int32_t operands; /* sum of the versions of its operands when it was computed */
    int32_t outside;
} computed;

static int32_t operand_versions(const pa_program *p, const versions *v, const pa_node *node) {
    int32_t sum = 0;
    for (int k = 0; k < node->n_parents; k++) sum += v->of[p->buffer_of[pa_node_parent(node, k)->mark]];
    return sum;
}

/* Every node of one buffer now looks at another. */
static void redirect(pa_program *p, int32_t from, int32_t to) {
    for (int32_t n = 0; n < p->n_nodes; n++)
        if (p->buffer_of[n] == from) p->buffer_of[n] = to;
    for (int32_t r = 0; r < p->n_results; r++)
        if (p->results[r].buffer == from) p->results[r].buffer = to;
}

/* Ops through which a gradient flows are left as they are: their gradients would be summed in another order than
   eagerly. */
static bool may_merge(const pa_program *p, const pa_instruction *i, const int32_t *writes) {
    if (i->kind != PA_DO_FORWARD || has_side_effect(p, i)) return false;
    const pa_node *node = p->nodes[i->node];
    int32_t buffer = p->buffer_of[i->node];
    return !pa_node_requires_grad(node) && p->buffers[buffer].kind == PA_BUFFER_ARENA && writes[buffer] == 1 &&
           !pa_op_is_view((pa_op)node->op);
}

static bool same_computed(const pa_program *p, const computed *a, const computed *b) {
    return a->operands == b->operands && a->outside == b->outside && same_work(p, p->nodes[a->node], p->nodes[b->node]);
}

/* `all` has room for what every instruction computes, and `table` finds it there. */
static void merge(pa_program *p, versions *v, const int32_t *writes, pa_table *table, computed *all) {
    int32_t found = 0;
    for (int32_t i = 0; i < p->n_code; i++) {
        pa_instruction *each = &p->code[i];
        if (may_merge(p, each, writes)) {
            const pa_node *node = p->nodes[each->node];
            all[found] = (computed){each->node, operand_versions(p, v, node), v->outside};
            int32_t *entry = pa_table_first(table, hash_work(p, node));
            while (*entry >= 0 && !same_computed(p, &all[*entry], &all[found])) entry = pa_table_next(table, entry);
            if (*entry >= 0) {
                redirect(p, p->buffer_of[each->node], p->buffer_of[all[*entry].node]);
                each->kind = PA_DO_NOTHING;
            } else {
                *entry = found++;
            }
        }
        if (pa_instruction_is_host(p, each)) v->outside++;
        pa_instruction_visit(p, each, bump, v);
    }
}

pa_status pa_pass_common(pa_program *p) {
    size_t most = (size_t)p->n_code + 1;
    pa_table table = {0};
    PA_TRY(pa_table_new(&table, most));
    computed *all = pa_mem_alloc_array(most, sizeof *all);
    versions v = {pa_per_buffer_new(p, 0), p, 0};
    int32_t *writes = count_writes(p);
    pa_status status = all == NULL || v.of == NULL || writes == NULL ? PA_MEMORY : PA_OK;
    if (status == PA_OK) {
        merge(p, &v, writes, &table, all);
        compact(p);
    }
    pa_table_free(&table);
    pa_mem_free_array(all, most, sizeof *all);
    pa_per_buffer_free(p, v.of);
    pa_per_buffer_free(p, writes);
    return status;
}
