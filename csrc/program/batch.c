/* How the shapes of a program follow from the number of rows: learnt from two recordings, then set at will. */
#include "batch.h"

#include <string.h>

#include "../logs.h"
#include "compile.h"
#include "history.h"
#include "instruction.h"
#include "passes.h"

/* ---- rules ---- */

static pa_status add_function(pa_batch *b, pa_affine f) {
    PA_TRY(pa_mem_reserve(&b->functions, &b->functions_capacity, b->n_functions + 1, sizeof *b->functions));
    b->functions[b->n_functions++] = f;
    return PA_OK;
}

/* n numbers of each recording as functions of the rows. */
static pa_status add_functions(pa_batch *b, pa_rows rows, int n, const int64_t *x, const int64_t *y,
                               pa_size_rule *rule) {
    rule->n = n;
    rule->numbers = b->n_functions;
    for (int i = 0; i < n; i++) {
        pa_affine f;
        PA_FAIL_IF(!pa_rows_fit(rows, x[i], y[i], &f), PA_UNSUPPORTED,
                   "compile: a size that is %lld with %lld rows and %lld with %lld", (long long)x[i], (long long)rows.a,
                   (long long)y[i], (long long)rows.b);
        PA_TRY(add_function(b, f));
    }
    return PA_OK;
}

static pa_status rules_of_variables(pa_lowering *l, const pa_log *other, pa_rows rows) {
    pa_batch *b = l->p->batch;
    for (size_t v = 0; v < l->log->n_variables; v++) {
        int32_t at = l->variables[v].at;
        const pa_node *x = other->variables[v].node, *y = l->log->variables[v].node;
        if (at < 0) continue;
        pa_size_rule *rule = &b->rules[at];
        rule->kind = pa_same_shape(x, y) ? PA_SIZE_FIXED : PA_SIZE_ROWS;
        rule->like = at;
        if (rule->kind == PA_SIZE_ROWS)
            PA_TRY(add_functions(b, rows, y->ndim, pa_node_shape(x), pa_node_shape(y), rule));
    }
    return PA_OK;
}

static pa_status rules_of_entries(pa_lowering *l, const pa_log *other, pa_rows rows) {
    pa_program *p = l->p;
    for (size_t i = 0; i < l->log->n_entries; i++) {
        const pa_entry *e = &l->log->entries[i], *before = &other->entries[i];
        int32_t at = e->out < 0 ? -1 : l->variables[e->out].at;
        if (at < 0 || e->n == 0) continue;
        int32_t first = l->variables[l->log->operands[e->operands]].at;
        pa_size_rule *rule = &p->batch->rules[at];
        if (e->kind == PA_ENTRY_OP && e->op != PA_OP_custom) { /* whose shape its forward gives */
            rule->kind = PA_SIZE_OP;
            rule->is_view = pa_op_is_view((pa_op)e->op) && p->buffer_of[at] == p->buffer_of[first];
            PA_TRY(add_functions(p->batch, rows, e->n_ints, other->ints + before->ints, l->log->ints + e->ints, rule));
        } else if (e->kind == PA_ENTRY_ALIAS && first < at) {
            *rule = (pa_size_rule){.kind = PA_SIZE_LIKE, .like = first};
            rule->is_view = p->buffer_of[at] == p->buffer_of[first];
        }
    }
    return PA_OK;
}

/* In which node's shape a buffer is: for gradients, which have no node, as the instructions say. */
static void like(pa_program *p, int32_t buffer, int32_t node) {
    if (buffer < 0 || node < 0) return;
    buffer &= ~PA_TARGET_ACCUMULATES;
    if (p->buffers[buffer].like < 0) p->buffers[buffer].like = node;
}

static void find_gradients(pa_program *p) {
    for (const pa_instruction *i = p->code; i < p->code + p->n_code; i++) {
        switch ((pa_instruction_kind)i->kind) {
        case PA_DO_BACKWARD:
            like(p, i->gradient, i->node);
            for (int k = 0; k < i->n; k++)
                like(p, p->pool[i->targets + k], (int32_t)pa_node_parent(p->nodes[i->node], k)->mark);
            break;
        case PA_DO_SEED: like(p, i->gradient, i->node); break;
        case PA_DO_UPSTREAM: like(p, i->gradient, p->results[i->source].node); break;
        case PA_DO_ADD:
            like(p, i->gradient, i->node);
            like(p, p->pool[i->targets], i->node);
            break;
        case PA_DO_UPDATE:
        case PA_DO_CLIP:
            for (int k = 0; k < i->n; k++) like(p, p->pool[i->targets + k], p->pool[i->targets + i->n + k]);
            break;
        default: break;
        }
    }
}

/* Which node another was made like; -1 where none is known. */
static int32_t model_of(const pa_lowering *l, int32_t at) {
    const pa_node *model = l->p->likes[at];
    if (model->mark < (uint32_t)l->p->n_nodes && l->p->nodes[model->mark] == model) return (int32_t)model->mark;
    int32_t variable = pa_log_find(l->log, model);
    return variable < 0 ? -1 : l->variables[variable].at;
}

/* Nodes that are no variable's: over a gradient, or over the numbers of a constant that the step writes over. */
static pa_status rules_of_others(pa_lowering *l) {
    pa_program *p = l->p;
    for (const pa_instruction *i = p->code; i < p->code + p->n_code; i++)
        if (i->kind == PA_DO_COPY && p->batch->rules[i->source].like < 0)
            p->batch->rules[i->source] = p->batch->rules[i->node];
    for (int32_t k = 0; k < p->n_nodes; k++) {
        pa_size_rule *rule = &p->batch->rules[k];
        if (rule->like < 0) {
            int32_t model = model_of(l, k);
            PA_FAIL_IF(model < 0 || model >= k, PA_UNSUPPORTED, "compile: a tensor of shape %s of unknown rows",
                       pa_node_shape_text(p->nodes[k]));
            *rule = (pa_size_rule){.kind = PA_SIZE_LIKE, .like = model};
        }
        like(p, p->buffer_of[k], k);
    }
    return PA_OK;
}

/* The gradients that an argument brings along, or is left with. */
static pa_status find_input_gradients(pa_program *p) {
    for (const pa_captured *c = p->captured; c < p->captured + p->n_captured; c++) {
        if (c->input < 0 || !p->inputs[c->input].is_batch) continue;
        int32_t data = p->inputs[c->input].buffer, node = data < 0 ? -1 : p->buffers[data].like;
        like(p, c->entry, node);
        like(p, c->gradient, node);
        bool known =
            (c->entry < 0 || p->buffers[c->entry].like >= 0) && (c->gradient < 0 || p->buffers[c->gradient].like >= 0);
        PA_FAIL_IF(!known, PA_UNSUPPORTED, "compile: the gradient of an argument that the step does not use");
    }
    return PA_OK;
}

static void find_varying(pa_program *p) {
    pa_batch *b = p->batch;
    for (int32_t k = 0; k < p->n_nodes; k++) {
        pa_size_rule *rule = &b->rules[k];
        const pa_node *node = p->nodes[k];
        if (rule->kind == PA_SIZE_LIKE) rule->varies = b->rules[rule->like].varies;
        for (int i = 0; i < rule->n; i++) rule->varies = rule->varies || b->functions[rule->numbers + i].slope != 0;
        for (int i = 0; i < node->n_parents && rule->kind == PA_SIZE_OP; i++)
            rule->varies = rule->varies || b->rules[pa_node_parent(node, i)->mark].varies;
        if (rule->varies) b->varying[b->n_varying++] = k;
    }
}

/* The node over a constant's numbers: the variable's own, or that of which it begins as a copy. */
static int32_t constant_at(const pa_lowering *l, size_t v) {
    const pa_program *p = l->p;
    int32_t at = l->variables[v].at;
    for (int32_t k = 0; k < p->n_nodes && at >= 0; k++)
        if (p->buffers[p->buffer_of[k]].at == pa_node_data(l->log->variables[v].constant)) return k;
    return -1;
}

static pa_status find_constants(pa_lowering *l, const pa_log *other, pa_rows rows) {
    pa_batch *b = l->p->batch;
    for (size_t v = 0; v < l->log->n_variables; v++) {
        const pa_variable *x = &other->variables[v], *y = &l->log->variables[v];
        pa_batch_constant c = {.node = -1};
        if (y->kind != PA_VARIABLE_CONSTANT) continue;
        PA_FAIL_IF(!pa_rows_fit_constants(rows, x->constant, y->constant, &c.is), PA_UNSUPPORTED,
                   "compile: a constant of shape %s", pa_node_shape_text(y->node));
        c.node = constant_at(l, v);
        if (c.node < 0 || (c.is.repeated == 0 && !c.is.is_number)) continue;
        b->rules[c.node].varies = true;
        PA_TRY(pa_mem_reserve(&b->constants, &b->constants_capacity, b->n_constants + 1, sizeof *b->constants));
        b->constants[b->n_constants++] = c;
    }
    return PA_OK;
}

/* ---- shapes ---- */

static pa_status set_shape(pa_node *node, int ndim, const int64_t *shape, const int64_t *strides) {
    pa_array *array = node->array;
    PA_TRY(pa_count_elements(node->dtype, ndim, shape, &array->numel));
    memcpy(array->shape, shape, (size_t)ndim * sizeof *shape);
    if (strides == NULL)
        pa_row_major(ndim, shape, array->strides);
    else
        memcpy(array->strides, strides, (size_t)ndim * sizeof *strides);
    return PA_OK;
}

static pa_status set_by_op(pa_program *p, int32_t at, const int64_t *ints) {
    pa_node *node = p->nodes[at];
    const pa_size_rule *rule = &p->batch->rules[at];
    pa_call call = {.op = (pa_op)node->op,
                    .n = node->n_parents,
                    .in = pa_node_parents(node),
                    .n_ints = rule->n,
                    .ints = ints,
                    .n_params = pa_op_table[node->op].family == PA_WHOLE ? 1 : pa_op_table[node->op].params,
                    .params = node->array->params};
    pa_spec spec;
    memset(&spec, 0, sizeof spec);
    PA_TRY(pa_op_function[node->op].shape(&call, &spec));
    PA_FAIL_IF(spec.ndim != node->ndim, PA_UNSUPPORTED, "compile: %s has %d axes", pa_op_table[node->op].name,
               spec.ndim);
    PA_TRY(set_shape(node, spec.ndim, spec.shape, rule->is_view ? spec.strides : NULL));
    if (pa_op_table[node->op].family == PA_WHOLE) memcpy(node->array->ints, spec.ints, sizeof spec.ints);
    if (rule->is_view)
        p->offset_of[at] =
            p->offset_of[pa_node_parent(node, 0)->mark] + spec.offset * (int64_t)pa_dtype_size(spec.dtype);
    return PA_OK;
}

static pa_status set_by_rule(pa_program *p, int32_t at, int64_t rows) {
    const pa_size_rule *rule = &p->batch->rules[at];
    int64_t numbers[UINT8_MAX];
    for (int i = 0; i < rule->n; i++)
        PA_FAIL_IF(!pa_affine_at(p->batch->functions[rule->numbers + (size_t)i], rows, &numbers[i]), PA_UNSUPPORTED,
                   "compile: a size beyond int64 with %lld rows", (long long)rows);
    if (rule->kind == PA_SIZE_OP) return set_by_op(p, at, numbers);
    if (rule->kind == PA_SIZE_LIKE) {
        const pa_node *model = p->nodes[rule->like];
        if (rule->is_view) p->offset_of[at] = p->offset_of[rule->like];
        return set_shape(p->nodes[at], model->ndim, model->array->shape, rule->is_view ? model->array->strides : NULL);
    }
    if (rule->kind == PA_SIZE_FIXED) return PA_OK;
    for (int i = 0; i < rule->n; i++)
        PA_FAIL_IF(numbers[i] < 0, PA_UNSUPPORTED, "compile: a size below 0 with %lld rows", (long long)rows);
    return set_shape(p->nodes[at], rule->n, numbers, NULL);
}

static bool buffer_varies(const pa_program *p, const pa_buffer *buffer) {
    return buffer->like >= 0 && !buffer->is_block && p->batch->rules[buffer->like].varies;
}

/* Arguments, nodes, and the bytes of buffers. */
static pa_status set_shapes(pa_program *p, int64_t rows) {
    const pa_batch *b = p->batch;
    for (int32_t i = 0; i < p->n_inputs; i++)
        if (p->inputs[i].is_batch) p->inputs[i].shape[0] = rows;
    for (int32_t i = 0; i < b->n_varying; i++) PA_TRY(set_by_rule(p, b->varying[i], rows));
    for (pa_buffer *each = p->buffers; each < p->buffers + p->n_buffers; each++)
        if (buffer_varies(p, each)) each->bytes = pa_node_bytes(p->nodes[each->like]);
    return PA_OK;
}

/* ---- learning ---- */

/* What passes and instructions see of a node's shape. */
static uint64_t look(const pa_program *p, int32_t at) {
    const pa_node *node = p->nodes[at];
    uint64_t h = pa_hash_mix(0, (uint64_t)p->offset_of[at]);
    for (int i = 0; i < node->ndim; i++) {
        h = pa_hash_mix(h, (uint64_t)node->array->shape[i]);
        if (node->array->shape[i] > 1) h = pa_hash_mix(h, (uint64_t)node->array->strides[i]);
    }
    for (size_t i = 0; i < sizeof node->array->ints / sizeof *node->array->ints; i++)
        h = pa_hash_mix(h, (uint64_t)node->array->ints[i]);
    return h;
}

/* The rules give what both recordings had. */
static pa_status check_rules(pa_lowering *l, const pa_log *other, pa_rows rows) {
    pa_program *p = l->p;
    pa_batch *b = p->batch;
    for (int32_t k = 0; k < p->n_nodes; k++) b->rules[k].before = look(p, k);
    PA_TRY(set_shapes(p, rows.b));
    for (int32_t k = 0; k < p->n_nodes; k++)
        PA_FAIL_IF(b->rules[k].before != look(p, k), PA_UNSUPPORTED, "compile: a %s of shape %s does not stand still",
                   pa_op_table[p->nodes[k]->op].name, pa_node_shape_text(p->nodes[k]));
    PA_TRY(set_shapes(p, rows.a));
    for (size_t v = 0; v < l->log->n_variables; v++) {
        int32_t at = l->variables[v].at;
        PA_FAIL_IF(at >= 0 && !pa_same_shape(p->nodes[at], other->variables[v].node), PA_UNSUPPORTED,
                   "compile: a tensor of shape %s where %s was expected", pa_node_shape_text(other->variables[v].node),
                   pa_node_shape_text(p->nodes[at]));
    }
    for (int32_t k = 0; k < p->n_nodes; k++) {
        b->rules[k].before = look(p, k);
        b->rules[k].numel = p->nodes[k]->array->numel;
    }
    return set_shapes(p, rows.b);
}

static pa_status find_inputs(pa_lowering *l, const pa_log *other) {
    for (int32_t i = 0; i < l->p->n_inputs; i++) {
        const pa_node *x = other->variables[other->inputs[i]].node, *y = l->log->variables[l->log->inputs[i]].node;
        if (y->ndim == 0 || x->array->shape[0] == y->array->shape[0]) continue;
        PA_FAIL_IF(!pa_node_is_contiguous(y), PA_UNSUPPORTED, "compile: argument %d is not contiguous", (int)i);
        l->p->inputs[i].is_batch = true;
    }
    return PA_OK;
}

pa_status pa_batch_learn(pa_lowering *l, const pa_log *other) {
    pa_program *p = l->p;
    pa_rows rows = pa_log_rows(other, l->log);
    pa_batch *b = p->batch = pa_mem_alloc(sizeof *b);
    if (b == NULL) return PA_MEMORY;
    *b = (pa_batch){.rows = rows.b, .planned = rows.b, .greatest = INT64_MAX, .n_rules = p->n_nodes};
    b->rules = pa_mem_alloc_array((size_t)p->n_nodes + 1, sizeof *b->rules);
    b->varying = pa_mem_alloc_array((size_t)p->n_nodes + 1, sizeof *b->varying);
    if (b->rules == NULL || b->varying == NULL) return PA_MEMORY;
    for (int32_t k = 0; k < p->n_nodes; k++) b->rules[k] = (pa_size_rule){.kind = PA_SIZE_FIXED, .like = -1};
    PA_TRY(find_inputs(l, other));
    PA_TRY(rules_of_variables(l, other, rows));
    PA_TRY(rules_of_entries(l, other, rows));
    find_gradients(p);
    PA_TRY(rules_of_others(l));
    PA_TRY(find_input_gradients(p));
    PA_TRY(find_constants(l, other, rows));
    find_varying(p);
    return check_rules(l, other, rows);
}

void pa_batch_free(pa_batch *b) {
    if (b == NULL) return;
    for (size_t i = 0; i < b->n_constants; i++) pa_storage_release(b->constants[i].memory);
    pa_mem_free_array(b->rules, (size_t)b->n_rules + 1, sizeof *b->rules);
    pa_mem_free_array(b->varying, (size_t)b->n_rules + 1, sizeof *b->varying);
    pa_mem_free(b->functions, b->functions_capacity * sizeof *b->functions);
    pa_mem_free(b->constants, b->constants_capacity * sizeof *b->constants);
    pa_mem_free(b, sizeof *b);
}

bool pa_batch_varies(const pa_program *p, const pa_node *node) {
    return p->batch != NULL && p->batch->rules[node->mark].varies;
}

bool pa_batch_alike(const pa_program *p, const pa_node *a, const pa_node *b) {
    return p->batch == NULL || a == b || p->batch->rules[a->mark].before == p->batch->rules[b->mark].before;
}

bool pa_batch_same_numel(const pa_program *p, const pa_node *a, const pa_node *b) {
    if (a->array->numel != b->array->numel) return false;
    return p->batch == NULL || p->batch->rules[a->mark].numel == p->batch->rules[b->mark].numel;
}

/* ---- setting ---- */

/* Is what the passes have found of an instruction true with this number of rows? */
static bool instruction_fits(const pa_program *p, const pa_instruction *i) {
    if (i->kind == PA_DO_FUSED) {
        const pa_instruction *members = p->fused + i->targets;
        for (int32_t k = 0; k < i->n; k++)
            if (p->nodes[members[k].node]->array->numel != p->nodes[i->node]->array->numel ||
                !instruction_fits(p, &members[k]))
                return false;
        return true;
    }
    if (i->kind != PA_DO_MAP && i->kind != PA_DO_GRADIENT) return true;
    const pa_node *node = p->nodes[i->node];
    unsigned reads = pa_op_table[node->op].effects;
    for (int k = 0; k < node->n_parents; k++) {
        const pa_node *parent = pa_node_parent(node, k);
        bool used = i->kind == PA_DO_MAP || k == i->operand || reads & (READS_A << k);
        if (used && (!pa_same_shape(parent, node) || !pa_node_is_contiguous(parent))) return false;
    }
    return true;
}

static bool program_fits(const pa_program *p) {
    for (int32_t i = 0; i < p->n_code; i++)
        if (p->code[i].node >= 0 && pa_batch_varies(p, p->nodes[p->code[i].node]) && !instruction_fits(p, &p->code[i]))
            return false;
    for (int32_t r = 0; r < p->n_results; r++) {
        const pa_result *result = &p->results[r];
        const pa_node *node = p->nodes[result->node];
        if (result->copied || !pa_batch_varies(p, node)) continue;
        if (p->offset_of[result->node] != 0 || !pa_node_is_contiguous(node) ||
            pa_node_bytes(node) != p->buffers[result->buffer].bytes)
            return false;
    }
    return true;
}

static pa_status fill_constants(pa_program *p, int64_t rows) {
    for (size_t i = 0; i < p->batch->n_constants; i++) {
        pa_batch_constant *c = &p->batch->constants[i];
        const pa_node *node = p->nodes[c->node];
        pa_buffer *buffer = &p->buffers[p->buffer_of[c->node]];
        if (c->memory == NULL || c->memory->bytes < buffer->bytes) {
            pa_storage *larger = NULL;
            PA_TRY(pa_storage_new(buffer->bytes + buffer->bytes / 2 + 1, &larger));
            pa_storage_release(c->memory);
            c->memory = larger;
        }
        buffer->at = c->memory->data;
        PA_FAIL_IF(!pa_rows_fill(&c->is, rows, node->array->shape, buffer->at), PA_UNSUPPORTED,
                   "compile: a number beyond int64 with %lld rows", (long long)rows);
    }
    return PA_OK;
}

static bool has_room(const pa_program *p) {
    for (const pa_buffer *b = p->buffers; b < p->buffers + p->n_buffers; b++)
        if (b->kind == PA_BUFFER_ARENA && b->first >= 0 && b->bytes > b->room) return false;
    return pa_plan_scratch(p) <= p->scratch_bytes;
}

/* A plan in which what the program stands at now has room, and all that had room before. */
static pa_status plan_larger(pa_program *p) {
    for (pa_buffer *b = p->buffers; b < p->buffers + p->n_buffers; b++)
        if (buffer_varies(p, b) && b->bytes < b->room) b->bytes = b->room;
    return pa_pass_plan(p);
}

/* Half as many rows more than before, so that a step that is called with ever more rows seldom plans. */
static pa_status grow(pa_program *p, int64_t rows) {
    pa_batch *b = p->batch;
    int64_t more = b->planned + b->planned / 2;
    if (more > rows && more <= b->greatest && set_shapes(p, more) == PA_OK) PA_TRY(plan_larger(p));
    PA_TRY(set_shapes(p, rows));
    if (!has_room(p)) {
        PA_TRY(plan_larger(p));
        PA_TRY(set_shapes(p, rows));
    }
    if (rows > b->planned) b->planned = rows > more ? rows : more;
    return PA_OK;
}

static pa_status set_rows(pa_program *p, int64_t rows) {
    PA_TRY(set_shapes(p, rows));
    PA_FAIL_IF(!program_fits(p), PA_UNSUPPORTED, "compile: %lld rows", (long long)rows);
    if (!has_room(p)) PA_TRY(grow(p, rows));
    return fill_constants(p, rows);
}

pa_status pa_batch_set_rows(pa_program *p, int64_t rows) {
    pa_batch *b = p->batch;
    if (b == NULL || rows == b->rows) return PA_OK;
    if (rows < b->least || rows > b->greatest || p->refs > 1) return PA_UNSUPPORTED;
    b->rows = -1;
    pa_status status = set_rows(p, rows);
    for (int32_t i = 0; i < p->n_buffers && status == PA_MEMORY; i++) p->buffers[i].room = 0; /* nothing has a place */
    if (status != PA_OK) return status == PA_MEMORY ? status : PA_UNSUPPORTED;
    pa_history_place(p);
    for (int32_t i = 0; i < b->n_varying; i++) {
        int32_t k = b->varying[i];
        const char *at = p->buffers[p->buffer_of[k]].at;
        if (at != NULL) p->nodes[k]->array->data = (char *)(uintptr_t)at + p->offset_of[k];
    }
    p->flops = pa_program_flops(p);
    if (rows > b->most) { /* what ops keep from run to run has to grow, under the GIL */
        b->most = rows;
        p->warm = false;
    }
    b->rows = rows;
    return PA_OK;
}
