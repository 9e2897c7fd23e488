/* The nodes of a call in its caller's graph, what they save, and their backward. */
#include "history.h"

#include <string.h>

#include "../hold.h"
#include "../kernels/ops.h"
#include "bind.h"
#include "execute.h"
#include "instruction.h"
#include "passes.h"

/* What a call has left for its backward; one block with what it lists. */
typedef struct pa_pending {
    pa_composite composite;
    pa_program *program;
    const pa_part *part;
    pa_storage *arena;
    pa_storage **kept;  /* of each saver: what its forward saved */
    uint32_t *versions; /* of each operand */
    double *numbers;    /* of each float argument */
    pa_node **copies;   /* of the program's nodes, once it is written out; else NULL */
    size_t bytes;
} pa_pending;

pa_status pa_program_occupy(pa_program *p) {
    uint32_t was = __atomic_exchange_n(&p->busy, pa_process, __ATOMIC_ACQ_REL);
    PA_FAIL_IF(was == pa_process, PA_RUNTIME,
               "compile: this step is running already, in another thread; compile one for each thread");
    return PA_OK;
}

/* ---- the pass ---- */

pa_status pa_history_new_parts(pa_program *p, int32_t n) {
    p->history.parts = pa_mem_alloc_array((size_t)n, sizeof *p->history.parts);
    if (p->history.parts == NULL) return PA_MEMORY;
    p->history.n_parts = n;
    for (int32_t k = 0; k < n; k++)
        p->history.parts[k] = (pa_part){.dtype = PA_FLOAT32, .is_empty = true, .jacobian = -1};
    return PA_OK;
}

/* What a part does with each buffer. */
typedef struct uses {
    bool *reads, *writes;
} uses;

static void note_use(void *context, int32_t buffer, bool writes) {
    const uses *u = context;
    (writes ? u->writes : u->reads)[buffer] = true;
}

static void add_operand(const pa_program *p, pa_part *part, const uses *u, pa_operand o) {
    if (o.buffer >= 0 && !u->reads[o.buffer]) o.buffer = -1;
    while (o.gradient >= 0 && !u->writes[o.gradient]) o.gradient = p->buffers[o.gradient].also;
    if (o.gradient >= 0 || o.buffer >= 0) part->operands[part->n_operands++] = o;
}

static size_t operands_room(const pa_program *p) { return (size_t)(p->n_captured + p->n_inputs + p->n_results) + 1; }

static pa_status find_operands(const pa_program *p, pa_part *part, const uses *u) {
    part->operands = pa_mem_alloc_array(operands_room(p), sizeof *part->operands);
    if (part->operands == NULL) return PA_MEMORY;
    for (int32_t i = 0; i < p->n_inputs; i++) {
        pa_operand o = {.input = i, .captured = -1, .result = -1, .buffer = p->inputs[i].buffer, .gradient = -1};
        for (int32_t c = 0; c < p->n_captured; c++)
            if (p->captured[c].input == i) o.gradient = p->captured[c].handed;
        if (!p->inputs[i].is_number) add_operand(p, part, u, o);
    }
    for (int32_t c = 0; c < p->n_captured; c++) {
        const pa_captured *each = &p->captured[c];
        pa_operand o = {.input = -1, .captured = c, .result = -1, .buffer = each->buffer, .gradient = each->handed};
        if (each->input < 0) add_operand(p, part, u, o);
    }
    return PA_OK;
}

static pa_status find_uses(const pa_program *p, const pa_part *part, uses *u) {
    size_t n = (size_t)p->n_buffers + 1;
    memset(u->reads, 0, n * sizeof *u->reads);
    memset(u->writes, 0, n * sizeof *u->writes);
    for (int32_t i = part->begin; i < part->end; i++) pa_instruction_visit(p, &p->code[i], note_use, u);
    for (int32_t b = 0; b < p->n_buffers; b++) {
        uint8_t kind = p->buffers[b].kind;
        PA_FAIL_IF(u->reads[b] && (kind == PA_BUFFER_GRADIENT || kind == PA_BUFFER_ENTRY_GRADIENT), PA_UNSUPPORTED,
                   "compile: a result has a history that reads a .grad; clone() that, or detach() the result");
    }
    return PA_OK;
}

static pa_status find_savers(pa_program *p) {
    pa_history *h = &p->history;
    h->savers = pa_mem_alloc_array((size_t)p->n_nodes + 1, sizeof *h->savers);
    if (h->savers == NULL) return PA_MEMORY;
    for (int32_t n = 0; n < p->n_nodes; n++)
        if (pa_op_table[p->nodes[n]->op].effects & READS_SAVED) h->savers[h->n_savers++] = n;
    return PA_OK;
}

/* Each part's instructions stand together, and begin with gradients from upstream. */
static void find_code(pa_program *p) {
    pa_part *part = NULL;
    for (int32_t i = p->history.split; i < p->n_code; i++) {
        pa_part *next = part;
        if (p->code[i].kind == PA_DO_UPSTREAM) next = &p->history.parts[p->results[p->code[i].source].part];
        if (next != part) next->begin = i;
        next->end = i + 1;
        part = next;
    }
}

/* Gradients of a part's results stand in the widest of their dtypes. */
static void find_dtypes(pa_program *p) {
    for (const pa_result *r = p->results; r < p->results + p->n_results; r++) {
        if (r->part < 0) continue;
        pa_part *part = &p->history.parts[r->part];
        if (p->nodes[r->node]->dtype > part->dtype) part->dtype = (pa_dtype)p->nodes[r->node]->dtype;
        part->is_empty = false;
    }
}

void pa_history_place(pa_program *p) {
    for (pa_part *part = p->history.parts; part < p->history.parts + p->history.n_parts; part++) {
        part->numel = 0;
        part->scratch_bytes = 0;
        for (pa_operand *o = part->operands; o < part->operands + part->n_operands; o++) {
            o->scratch = part->scratch_bytes;
            if (o->gradient >= 0) part->scratch_bytes += (p->buffers[o->gradient].bytes + 63) / 64 * 64;
        }
    }
    for (pa_result *r = p->results; r < p->results + p->n_results; r++) {
        if (r->part < 0) continue;
        pa_part *part = &p->history.parts[r->part];
        r->upstream = part->numel;
        part->numel += p->nodes[r->node]->array->numel;
        r->upstream_came = part->numel++;
    }
}

/* The operands of a Value: results, and captured tensors, whose numbers may be others by then, `handed` being what they
   were. */
static pa_status find_leaves(const pa_program *p, pa_part *part) {
    part->operands = pa_mem_alloc_array(operands_room(p), sizeof *part->operands);
    if (part->operands == NULL) return PA_MEMORY;
    for (int32_t k = 0; k < part->n_operands; k++) {
        int32_t found = p->pool[part->captured + k];
        part->operands[k] = (pa_operand){.input = -1, .captured = -1, .result = found < 0 ? -1 - found : -1};
        for (int32_t c = 0; c < p->n_captured && found >= 0; c++)
            if (p->captured[c].handed == found)
                part->operands[k] = (pa_operand){.input = p->captured[c].input, .captured = c, .result = -1};
    }
    return PA_OK;
}

pa_status pa_pass_history(pa_program *p) {
    pa_history *h = &p->history;
    h->split = pa_program_split(p);
    if (h->n_parts == 0) return PA_OK;
    for (int32_t k = 0; k < h->n_parts && p->values != NULL; k++) PA_TRY(find_leaves(p, &h->parts[k]));
    if (p->values != NULL) return PA_OK;
    find_code(p);
    find_dtypes(p);
    memset(p->memory->data, 0, p->memory->bytes); /* what the node of a call shows as its numbers */
    size_t n = (size_t)p->n_buffers + 1;
    h->present_room = pa_mem_alloc_array(n, sizeof *h->present_room);
    uses u = {h->present_room, pa_mem_alloc_array(n, sizeof *u.writes)};
    pa_status status = u.reads == NULL || u.writes == NULL ? PA_MEMORY : find_savers(p);
    for (int32_t k = 0; k < h->n_parts && status == PA_OK; k++) {
        status = find_uses(p, &h->parts[k], &u);
        if (status == PA_OK) status = find_operands(p, &h->parts[k], &u);
    }
    pa_mem_free_array(u.writes, n, sizeof *u.writes);
    pa_history_place(p);
    return status;
}

void pa_history_free(pa_program *p) {
    pa_history *h = &p->history;
    for (int32_t k = 0; k < h->n_parts; k++)
        pa_mem_free_array(h->parts[k].operands, operands_room(p), sizeof *h->parts[k].operands);
    pa_mem_free_array(h->parts, (size_t)h->n_parts, sizeof *h->parts);
    pa_mem_free_array(h->savers, (size_t)p->n_nodes + 1, sizeof *h->savers);
    pa_mem_free_array(h->present_room, (size_t)p->n_buffers + 1, sizeof *h->present_room);
}

/* ---- the backward ---- */

static const pa_pending *pending_of(const pa_node *node) { return (const pa_pending *)pa_node_composite(node); }

static void free_copies(const pa_program *p, pa_node **copies) {
    for (int32_t n = 0; copies != NULL && n < p->n_nodes; n++)
        if (copies[n] != NULL) pa_node_release(copies[n]);
    pa_mem_free_array(copies, (size_t)p->n_nodes + 1, sizeof *copies);
}

static void let_go(void *owner) {
    pa_pending *pending = owner;
    pa_program *p = pending->program;
    free_copies(p, pending->copies);
    for (int32_t k = 0; k < p->history.n_savers; k++) pa_storage_release(pending->kept[k]);
    pa_storage_release(pending->arena);
    pa_mem_free(pending, pending->bytes);
    pa_program_release(p);
}

static pa_status check(const pa_node *node) {
    const pa_pending *pending = pending_of(node);
    const pa_part *part = pending->part;
    PA_FAIL_IF(part->is_stale, PA_RUNTIME,
               "backward: a compiled step has itself modified in place what its backward needs as it was");
    for (int32_t k = 0; k < part->n_operands; k++) {
        const pa_node *operand = pa_node_parent(node, k);
        if (part->operands[k].buffer < 0 || operand->flags & PA_IS_VALUE) continue;
        PA_FAIL_IF(pa_node_version(operand) != pending->versions[k], PA_RUNTIME,
                   "backward: a compiled step needs its operand of shape %s as it was, but it was modified in place "
                   "since",
                   pa_node_shape_text(operand));
    }
    return PA_OK;
}

/* The program bound to what the call read. */
static void bind_operands(const pa_node *node, const pa_pending *pending) {
    pa_program *p = pending->program;
    for (int32_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i].is_number && p->inputs[i].buffer >= 0)
            pa_program_rebind(p, p->inputs[i].buffer, (char *)&pending->numbers[i]);
    for (int32_t k = 0; k < pending->part->n_operands; k++) {
        const pa_operand *o = &pending->part->operands[k];
        if (o->buffer >= 0) pa_program_rebind(p, o->buffer, pa_node_data(pa_node_parent(node, k)));
    }
}

/* And to the gradients that are made; `scratch` takes those that are added to others afterwards. */
static void bind_gradients(const pa_node *node, const pa_pending *pending, char *scratch) {
    pa_program *p = pending->program;
    pa_history *h = &p->history;
    for (int32_t k = 0; k < pending->part->n_operands; k++) {
        const pa_operand *o = &pending->part->operands[k];
        pa_node *operand = pa_node_parent(node, k);
        if (o->gradient < 0) continue;
        /* Straight into the caller's graph, where nothing has come so far: noted by PA_GRAD_FILLED. */
        char *at = scratch + o->scratch;
        bool accumulate;
        if (!(operand->flags & PA_GRAD_FILLED) && pa_node_requires_grad(operand))
            at = pa_gradient_target(node, k, &accumulate);
        pa_program_rebind(p, o->gradient, at);
    }
    h->upstream = pa_gradient(node);
    h->dtype = pending->part->dtype;
}

/* What was made in scratch goes on; what was not made at all was no gradient. */
static void hand_on(const pa_node *node, const pa_pending *pending, const char *scratch) {
    const pa_program *p = pending->program;
    const pa_history *h = &p->history;
    for (int32_t k = 0; k < pending->part->n_operands; k++) {
        const pa_operand *o = &pending->part->operands[k];
        pa_node *operand = pa_node_parent(node, k);
        if (o->gradient < 0 || !pa_node_requires_grad(operand)) continue;
        bool direct = p->buffers[o->gradient].at != scratch + o->scratch, accumulate = false;
        if (direct && !h->present[o->gradient]) operand->flags &= (uint16_t)~PA_GRAD_FILLED;
        if (direct || !h->present[o->gradient]) continue;
        char *to = pa_gradient_target(node, k, &accumulate);
        pa_add_or_copy((pa_dtype)operand->dtype, to, (pa_dtype)operand->dtype, p->buffers[o->gradient].at,
                       pa_node_numel(operand), accumulate);
    }
}

/* Exchanges what the program's nodes have saved and what the call's had. */
static void swap_saved(const pa_pending *pending) {
    const pa_history *h = &pending->program->history;
    for (int32_t k = 0; k < h->n_savers; k++) {
        pa_array *array = pending->program->nodes[h->savers[k]]->array;
        pa_storage *own = array->saved;
        array->saved = pending->kept[k];
        pending->kept[k] = own;
    }
}

static pa_status backward(pa_node *node, void *scratch) {
    const pa_pending *pending = pending_of(node);
    pa_program *p = pending->program;
    PA_TRY(pa_program_occupy(p));
    pa_storage *arena = p->arena;
    if (arena != pending->arena) pa_program_move(p, pending->arena);
    swap_saved(pending);
    bind_operands(node, pending);
    bind_gradients(node, pending, scratch);
    p->history.present = p->history.present_room;
    pa_status status = pa_program_execute_backward(p, pending->part);
    if (status == PA_OK) hand_on(node, pending, scratch);
    p->history.present = NULL;
    swap_saved(pending);
    if (arena != pending->arena) pa_program_move(p, arena);
    pa_program_vacate(p);
    return status;
}

/* ---- a call written out ---- */

/* The nodes behind a part's results through which a gradient flows, and their operands; and whether the backward reads
   them, and the step makes them. */
typedef struct behind {
    bool *needed, *flags; /* the flags are all that the uses are made of */
    uses backward, forward;
} behind;

static pa_status find_behind(const pa_program *p, const pa_part *part, behind *b) {
    size_t n = (size_t)p->n_buffers + 1;
    b->needed = pa_mem_alloc_array((size_t)p->n_nodes + 1, sizeof(bool));
    bool *flags = b->flags = pa_mem_alloc_array(4 * n, sizeof *flags);
    if (b->needed == NULL || flags == NULL) return PA_MEMORY;
    b->backward = (uses){flags, flags + n};
    b->forward = (uses){flags + 2 * n, flags + 3 * n};
    memset(b->needed, 0, (size_t)p->n_nodes * sizeof(bool));
    memset(flags, 0, 4 * n * sizeof *flags);
    for (int32_t i = 0; i < p->history.split; i++) pa_instruction_visit(p, &p->code[i], note_use, &b->forward);
    for (int32_t i = part->begin; i < part->end; i++) pa_instruction_visit(p, &p->code[i], note_use, &b->backward);
    for (int32_t r = 0; r < p->n_results; r++)
        if (p->results[r].part == part - p->history.parts) b->needed[p->results[r].node] = true;
    for (int32_t k = p->n_nodes; k-- > 0;)
        for (int i = 0; b->needed[k] && pa_node_requires_grad(p->nodes[k]) && i < p->nodes[k]->n_parents; i++)
            b->needed[pa_node_parent(p->nodes[k], i)->mark] = true;
    return PA_OK;
}

static void free_behind(const pa_program *p, const behind *b) {
    pa_mem_free_array(b->needed, (size_t)p->n_nodes + 1, sizeof(bool));
    pa_mem_free_array(b->flags, 4 * ((size_t)p->n_buffers + 1), sizeof(bool));
}

/* The operand that a node of the program stands for; NULL where it stands for none. */
static pa_node *operand_behind(const pa_node *call, const pa_pending *pending, int32_t n) {
    const pa_program *p = pending->program;
    int32_t buffer = p->buffer_of[n];
    if (p->nodes[n]->n_parents > 0 || p->buffers[buffer].nodes != n) return NULL;
    for (int32_t k = 0; k < pending->part->n_operands; k++) {
        const pa_operand *o = &pending->part->operands[k];
        int32_t its = o->input >= 0 ? p->inputs[o->input].buffer : p->captured[o->captured].buffer;
        if (its == buffer) return pa_node_parent(call, k);
    }
    return NULL;
}

/* The numbers of a node of the program, where the backward reads them; else zeros, which nothing reads. */
static pa_status copy_numbers(const pa_program *p, int32_t n, bool is_read, pa_node **out) {
    const pa_node *node = p->nodes[n];
    const int64_t strides[PA_MAX_NDIM] = {0};
    if (!is_read)
        return pa_node_over(node->dtype, node->ndim, node->array->shape, strides, p->memory, p->memory->data, out);
    PA_TRY(pa_node_new_like(node, out));
    pa_node_gather(node, node->dtype, pa_node_data(*out));
    return PA_OK;
}

static pa_storage *saved_by(const pa_pending *pending, int32_t n) {
    const pa_history *h = &pending->program->history;
    for (int32_t k = 0; k < h->n_savers; k++)
        if (h->savers[k] == n && pending->kept[k] != NULL) return pa_storage_retain(pending->kept[k]);
    return NULL;
}

/* Gives a copy the history that its node has. */
static pa_status link_copy(pa_node *call, const pa_pending *pending, pa_node *const *copies, int32_t n) {
    const pa_node *node = pending->program->nodes[n];
    pa_node *copy = copies[n];
    size_t room = (size_t)node->n_parents;
    PA_FAIL_IF(
        node->op == PA_OP_custom, PA_UNSUPPORTED,
        "create_graph: a compiled step with an autograd.Function or a function of LAPACK in it, outside of which "
        "it is differentiated twice; take the gradient inside the step, or call what is not compiled");
    PA_TRY(pa_node_need_array(copy));
    pa_node **parents = pa_mem_alloc_array(room, sizeof *parents);
    if (parents == NULL) return PA_MEMORY;
    for (size_t i = 0; i < room; i++) {
        parents[i] = copies[pa_node_parent(node, (int)i)->mark];
        copy->flags |= parents[i]->flags & PA_REQUIRES_GRAD;
    }
    memcpy(copy->array->params, node->array->params, sizeof node->array->params);
    memcpy(copy->array->ints, node->array->ints, sizeof node->array->ints);
    pa_status status = pa_node_requires_grad(copy) ? pa_node_link(copy, (pa_op)node->op, (int)room, parents) : PA_OK;
    for (size_t i = 0; i < room && i < PA_MAX_OPERANDS; i++) copy->array->versions[i] = pa_node_version(parents[i]);
    pa_mem_free_array(parents, room, sizeof *parents);
    if (status != PA_OK || !(copy->flags & PA_LISTED)) return status;
    copy->array->saved = saved_by(pending, n);
    pa_node_make_older_than(copy, call);
    return PA_OK;
}

static pa_status copy_node(pa_node *call, const pa_pending *pending, const behind *b, pa_node **copies, int32_t n) {
    const pa_program *p = pending->program;
    int32_t buffer = p->buffer_of[n];
    pa_node *operand = operand_behind(call, pending, n);
    if (operand != NULL) copies[n] = pa_node_retain(operand);
    if (operand != NULL) return PA_OK;
    PA_TRY(copy_numbers(p, n, b->backward.reads[buffer], &copies[n]));
    if (!pa_node_requires_grad(p->nodes[n]) || p->nodes[n]->n_parents == 0) return PA_OK;
    PA_FAIL_IF(p->buffers[buffer].kind == PA_BUFFER_ARENA && !b->forward.writes[buffer], PA_UNSUPPORTED,
               "create_graph: a compiled step with a Value in it that is given with its local gradients");
    return link_copy(call, pending, copies, n);
}

static pa_status copy_nodes(pa_node *call, pa_pending *pending, pa_node **copies) {
    pa_program *p = pending->program;
    behind b = {0};
    pa_status status = find_behind(p, pending->part, &b);
    pa_storage *arena = p->arena;
    if (arena != pending->arena) pa_program_move(p, pending->arena);
    bind_operands(call, pending);
    for (int32_t n = 0; n < p->n_nodes && status == PA_OK; n++)
        if (b.needed[n]) status = copy_node(call, pending, &b, copies, n);
    if (arena != pending->arena) pa_program_move(p, arena);
    free_behind(p, &b);
    return status;
}

/* A result becomes that of a graph of ordinary nodes, copies of the program's; those of several results are shared.
   What the backward reads has its numbers in the arena: gradients of gradients read nothing else. */
static pa_status write_out(pa_node *result) {
    pa_node *call = pa_node_parent(result, 0);
    pa_pending *pending = call->array->saved->data;
    pa_program *p = pending->program;
    PA_FAIL_IF((result->flags | call->flags) & PA_BUSY, PA_RUNTIME,
               "backward: another one, in another thread or around this one, is running through this graph");
    PA_TRY(check(call));
    for (int32_t i = pending->part->begin; i < pending->part->end; i++)
        PA_FAIL_IF(p->code[i].kind == PA_DO_HOST, PA_UNSUPPORTED,
                   "create_graph: a compiled step that gives a tensor hooks, outside of which it is differentiated "
                   "twice; leave it uncompiled");
    if (pending->copies == NULL) {
        size_t room = (size_t)p->n_nodes + 1;
        pa_node **copies = pa_mem_alloc_array(room, sizeof *copies);
        if (copies == NULL) return PA_MEMORY;
        memset(copies, 0, room * sizeof *copies);
        pa_status status = pa_program_occupy(p);
        if (status == PA_OK) {
            status = copy_nodes(call, pending, copies);
            pa_program_vacate(p);
        }
        if (status != PA_OK) free_copies(p, copies);
        PA_TRY(status);
        pending->copies = copies;
    }
    for (const pa_result *r = p->results; r < p->results + p->n_results; r++)
        if (r->part == pending->part - p->history.parts && r->upstream == result->array->ints[0])
            result->parent[0] = pa_node_retain(pending->copies[r->node]);
    result->op = PA_OP_cast;
    result->array->ints[0] = result->dtype;
    pa_node_release(call);
    return PA_OK;
}

/* ---- a call ---- */

pa_status pa_history_begin(pa_program *p) {
    const pa_history *h = &p->history;
    if (h->n_parts == 0) return PA_OK;
    pa_storage *fresh = NULL;
    if (p->arena->refs > 1) {
        PA_TRY(pa_storage_new(p->arena->bytes, &fresh));
        p->arena->refs--;
        pa_program_move(p, fresh);
    }
    for (int32_t k = 0; k < h->n_savers; k++) {
        pa_storage **saved = &p->nodes[h->savers[k]]->array->saved;
        if (*saved == NULL || (*saved)->refs == 1) continue;
        PA_TRY(pa_storage_new((*saved)->bytes, &fresh));
        (*saved)->refs--;
        *saved = fresh;
    }
    return PA_OK;
}

static pa_status new_pending(pa_program *p, const pa_part *part, pa_storage **out) {
    size_t savers = (size_t)p->history.n_savers, inputs = (size_t)p->n_inputs, operands = (size_t)part->n_operands;
    size_t bytes =
        sizeof(pa_pending) + savers * sizeof(pa_storage *) + inputs * sizeof(double) + operands * sizeof(uint32_t);
    pa_pending *pending = pa_mem_alloc(bytes);
    if (pending == NULL) return PA_MEMORY;
    pa_status status = pa_storage_borrow(pending, bytes, pending, let_go, out);
    if (status != PA_OK) {
        pa_mem_free(pending, bytes);
        return status;
    }
    *pending =
        (pa_pending){.composite = {check, backward, write_out, part->scratch_bytes, p->flops / 50, p->n_hosts > 0},
                     .program = p,
                     .part = part,
                     .arena = pa_storage_retain(p->arena),
                     .kept = (pa_storage **)(pending + 1),
                     .bytes = bytes};
    p->refs++;
    pending->numbers = (double *)(pending->kept + savers);
    pending->versions = (uint32_t *)(pending->numbers + inputs);
    memset(pending->kept, 0, savers * sizeof *pending->kept);
    return PA_OK;
}

static pa_node *operand_node(const pa_program *p, const pa_operand *operand, pa_node *const *in,
                             pa_node *const *results) {
    if (operand->result >= 0) return results[operand->result];
    return operand->input >= 0 ? in[operand->input] : p->captured[operand->captured].node;
}

/* The node of a call's part, over its operands; it looks like an array of zeros. */
static pa_status new_call_node(pa_program *p, const pa_part *part, pa_node *const *in, pa_node **out) {
    size_t n = (size_t)part->n_operands;
    pa_node **parents = pa_mem_alloc_array(n + 1, sizeof *parents);
    if (parents == NULL) return PA_MEMORY;
    for (size_t k = 0; k < n; k++) parents[k] = operand_node(p, &part->operands[k], in, NULL);
    int64_t stride = 0;
    pa_status status = pa_node_over(part->dtype, 1, &part->numel, &stride, p->memory, p->memory->data, out);
    if (status == PA_OK) {
        status = new_pending(p, part, &(*out)->array->saved);
        if (status == PA_OK) status = pa_node_link(*out, PA_OP_program, (int)n, parents);
        if (status != PA_OK) pa_node_release(*out);
    }
    pa_mem_free_array(parents, n + 1, sizeof *parents);
    if (status == PA_OK) (*out)->flags |= PA_REQUIRES_GRAD;
    return status;
}

static pa_status attach(const pa_result *result, pa_node *call, pa_node *node) {
    PA_TRY(pa_node_need_array(node));
    node->array->ints[0] = result->upstream;
    node->array->ints[1] = result->upstream_came;
    PA_TRY(pa_node_link(node, PA_OP_program_result, 1, &call));
    node->flags =
        (uint16_t)((node->flags & ~PA_PURE) | PA_REQUIRES_GRAD | (result->retains_grad ? PA_RETAINS_GRAD : 0));
    return PA_OK;
}

/* A Value over those that it depends on, with room for its local gradients. */
static pa_status attach_value(const pa_program *p, const pa_part *part, pa_node *const *in, pa_node *const *results,
                              pa_node *node) {
    size_t n = (size_t)part->n_operands;
    pa_node **parents = pa_mem_alloc_array(n + 1, sizeof *parents);
    if (parents == NULL) return PA_MEMORY;
    for (size_t k = 0; k < n; k++) parents[k] = operand_node(p, &part->operands[k], in, results);
    pa_status status = pa_node_need_array(node);
    if (status == PA_OK && n > 0) status = pa_node_link(node, PA_OP_local_grads, (int)n, parents);
    for (size_t k = 0; k < n; k++) {
        bool is_result = part->operands[k].result >= 0; /* which need not be older, as of a pure history it is */
        node->flags &= (uint16_t)(is_result ? ~PA_PURE : parents[k]->flags | ~PA_PURE);
    }
    pa_mem_free_array(parents, n + 1, sizeof *parents);
    return status;
}

/* Parts stand in the order in which the step has computed them. */
static pa_status attach_values(const pa_program *p, pa_node *const *in, pa_node *const *results) {
    for (int32_t part = 0; part < p->history.n_parts; part++)
        for (int32_t r = 0; r < p->n_results; r++)
            if (p->results[r].part == part) PA_TRY(attach_value(p, &p->history.parts[part], in, results, results[r]));
    return PA_OK;
}

pa_status pa_history_attach(pa_program *p, pa_node *const *in, pa_node *const *results) {
    if (p->values != NULL) return attach_values(p, in, results);
    for (int32_t k = 0; k < p->history.n_parts; k++) {
        const pa_part *part = &p->history.parts[k];
        pa_node *call = NULL;
        if (part->is_empty) continue;
        PA_TRY(new_call_node(p, part, in, &call));
        pa_status status = PA_OK;
        for (int32_t r = 0; r < p->n_results && status == PA_OK; r++)
            if (p->results[r].part == k) status = attach(&p->results[r], call, results[r]);
        pa_node_release(call); /* the results hold it */
        PA_TRY(status);
    }
    return PA_OK;
}

static void settle(const pa_program *p, const pa_node *call) {
    const pa_history *h = &p->history;
    const pa_pending *pending = pending_of(call);
    for (int32_t k = 0; k < pending->part->n_operands; k++)
        pending->versions[k] = pa_node_version(pa_node_parent(call, k));
    for (int32_t i = 0; i < p->n_inputs; i++) pending->numbers[i] = p->inputs[i].number;
    for (int32_t k = 0; k < h->n_savers; k++) {
        pa_storage *saved = p->nodes[h->savers[k]]->array->saved;
        if (pending->kept[k] == NULL && saved != NULL) pending->kept[k] = pa_storage_retain(saved);
    }
}

void pa_history_settle(const pa_program *p, pa_node *const *results) {
    for (int32_t r = 0; r < p->n_results && p->history.n_parts > 0; r++) {
        if (p->results[r].part < 0) continue;
        const pa_part *part = &p->history.parts[p->results[r].part];
        size_t n = (size_t)part->n_operands;
        if (p->values == NULL)
            settle(p, pa_node_parent(results[r], 0));
        else if (n > 0)
            memcpy(pa_node_local_grads(results[r]), pa_buffer_at(p, part->jacobian), n * sizeof(double));
    }
}
