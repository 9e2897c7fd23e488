/* Fusion. A linear layer is fused with the ReLU that follows it, and its backward with that of the ReLU before it:

       linear, relu        ──▶  linear with ReLU
       d linear, d relu    ──▶  d linear through ReLU

   Elementwise ops whose operands can be read where they stand become maps, without the walk over strides that the
   general op makes; and maps that follow one another over many elements become a fusion group:

       for each block of PA_BLOCK elements:  map, map, gradient, …     each finds in L1 what the one before it has left

   A buffer that is not used outside its group holds a single block. */
#include "passes.h"

#include <string.h>

#include "batch.h"
#include "instruction.h"

static bool is_direct(const pa_node *operand, const pa_node *node, pa_dtype dtype) {
    return operand->dtype == dtype && pa_same_shape(operand, node) && pa_node_is_contiguous(operand);
}

static void make_map(const pa_program *p, pa_instruction *i) {
    const pa_node *node = p->nodes[i->node];
    if (pa_op_table[node->op].family == PA_WHOLE) return;
    pa_dtype dtype = (pa_dtype)node->array->ints[0];
    if (pa_dtype_is_narrow(dtype)) return;
    if (!pa_dtype_is_float(dtype) && pa_op_table[node->op].effects & MAY_FAIL) return;
    for (int k = 0; k < node->n_parents; k++)
        if (!is_direct(pa_node_parent(node, k), node, dtype)) return;
    i->kind = PA_DO_MAP;
    i->map = pa_k->forward[node->op][dtype];
}

/* Can the gradient of each operand be computed where it stands? */
static bool is_elementwise_backward(const pa_program *p, const pa_instruction *i) {
    if (i->kind != PA_DO_BACKWARD) return false;
    const pa_node *node = p->nodes[i->node];
    if (pa_op_table[node->op].family != PA_ELEMENTWISE) return false;
    unsigned reads = pa_op_table[node->op].effects;
    for (int k = 0; k < node->n_parents; k++) {
        bool wanted = pa_node_requires_grad(pa_node_parent(node, k));
        if ((wanted || reads & (READS_A << k)) && !is_direct(pa_node_parent(node, k), node, node->dtype)) return false;
        if (wanted && pa_k->gradient[node->op][k][node->dtype == PA_FLOAT64] == NULL) return false;
    }
    return true;
}

/* The target of operand k: its own, or, where an earlier operand is the same node, that one's, to be added to. */
static int32_t target_of(const pa_program *p, const pa_instruction *i, int k) {
    const pa_node *node = p->nodes[i->node];
    for (int earlier = 0; earlier < k; earlier++)
        if (pa_node_parent(node, earlier) == pa_node_parent(node, k) && p->pool[i->targets + earlier] >= 0)
            return p->pool[i->targets + earlier] | PA_TARGET_ACCUMULATES;
    return p->pool[i->targets + k];
}

static pa_status emit_gradients(pa_program *p, pa_instruction i) {
    const pa_node *node = p->nodes[i.node];
    pa_instruction each = i;
    each.kind = PA_DO_GRADIENT;
    each.n = 1;
    for (int k = 0; k < node->n_parents; k++) {
        int32_t target = target_of(p, &i, k);
        if (target < 0) continue;
        PA_TRY(pa_program_new_targets(p, 1, &each.targets));
        p->pool[each.targets] = target;
        each.operand = (uint8_t)k;
        each.accumulate = (target & PA_TARGET_ACCUMULATES) != 0;
        each.map = pa_k->gradient[node->op][k][node->dtype == PA_FLOAT64];
        PA_TRY(pa_program_emit(p, &each));
    }
    return PA_OK;
}

/* ---- fusion groups ---- */

static bool is_fusible(const pa_instruction *i) { return i->kind == PA_DO_MAP || i->kind == PA_DO_GRADIENT; }

static int64_t elements_of(const pa_program *p, const pa_instruction *i) { return p->nodes[i->node]->array->numel; }

/* How many instructions from `at` on make a group; 1 where there is none. */
static int32_t group_size(const pa_program *p, const pa_instruction *code, int32_t at, int32_t n) {
    if (!is_fusible(&code[at]) || elements_of(p, &code[at]) <= PA_BLOCK) return 1;
    int32_t end = at + 1;
    while (end < n && is_fusible(&code[end]) &&
           pa_batch_same_numel(p, p->nodes[code[end].node], p->nodes[code[at].node]))
        end++;
    return end - at;
}

static pa_status emit_group(pa_program *p, const pa_instruction *members, int32_t n) {
    PA_TRY(pa_mem_reserve(&p->fused, &p->fused_capacity, (size_t)(p->n_fused + n), sizeof *p->fused));
    pa_instruction group = members[0];
    group.kind = PA_DO_FUSED;
    group.n = n;
    group.targets = p->n_fused;
    memcpy(p->fused + p->n_fused, members, (size_t)n * sizeof *members);
    p->n_fused += n;
    p->n_fusions++;
    return pa_program_emit(p, &group);
}

static void shrink_blocks(pa_program *p) {
    pa_program_find_lives(p);
    for (int32_t i = 0; i < p->n_buffers; i++) {
        pa_buffer *b = &p->buffers[i];
        if (b->kind != PA_BUFFER_ARENA || b->first < 0 || b->first != b->last) continue;
        if (p->code[b->first].kind != PA_DO_FUSED) continue;
        b->is_block = true;
        b->bytes = PA_BLOCK * sizeof(double);
    }
}

static pa_status emit_groups(pa_program *p, pa_instruction *code, int32_t n) {
    for (int32_t i = 0, size = 1; i < n; i += size) {
        size = 1;
        if (code[i].kind == PA_DO_NOTHING) continue;
        size = group_size(p, code, i, n);
        PA_TRY(size > 1 ? emit_group(p, code + i, size) : pa_program_emit(p, &code[i]));
    }
    shrink_blocks(p);
    return PA_OK;
}

static pa_status emit_maps(pa_program *p, pa_instruction *code, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        if (code[i].kind == PA_DO_FORWARD) make_map(p, &code[i]);
        PA_TRY(is_elementwise_backward(p, &code[i]) ? emit_gradients(p, code[i]) : pa_program_emit(p, &code[i]));
    }
    return PA_OK;
}

/* Takes the code out of the program, and has it emitted again. */
static pa_status rewrite(pa_program *p, pa_status (*emit)(pa_program *p, pa_instruction *code, int32_t n)) {
    pa_instruction *code = p->code;
    int32_t n = p->n_code;
    size_t capacity = p->code_capacity;
    p->code = NULL;
    p->n_code = 0;
    p->code_capacity = 0;
    pa_status status = emit(p, code, n);
    pa_mem_free(code, capacity * sizeof *code);
    return status;
}

/* ---- linear layers ---- */

static bool is_linear(const pa_program *p, const pa_instruction *i, pa_instruction_kind kind) {
    return i->kind == kind && p->nodes[i->node]->op == PA_OP_linear && pa_dtype_is_float(p->nodes[i->node]->dtype);
}

static bool is_relu(const pa_program *p, const pa_instruction *i, pa_instruction_kind kind) {
    return i->kind == kind && p->nodes[i->node]->op == PA_OP_relu;
}

/* Do no others use the buffer than instruction i and the next? */
static bool is_between(const pa_program *p, int32_t buffer, int32_t i) {
    const pa_buffer *b = &p->buffers[buffer];
    return b->kind == PA_BUFFER_ARENA && b->first == i && b->last == i + 1;
}

static void fuse_relu(pa_program *p) {
    for (int32_t i = 0; i + 1 < p->n_code; i++) {
        pa_instruction *linear = &p->code[i], *relu = &p->code[i + 1];
        if (!is_linear(p, linear, PA_DO_FORWARD) || !is_relu(p, relu, PA_DO_MAP)) continue;
        if (pa_node_parent(p->nodes[relu->node], 0) != p->nodes[linear->node] ||
            !is_between(p, p->buffer_of[linear->node], i))
            continue;
        p->buffer_of[linear->node] = p->buffer_of[relu->node];
        linear->relu = true;
        relu->kind = PA_DO_NOTHING;
        p->n_fusions++;
    }
}

static void fuse_relu_gradient(pa_program *p) {
    for (int32_t i = 0; i + 1 < p->n_code; i++) {
        pa_instruction *linear = &p->code[i], *relu = &p->code[i + 1];
        if (!is_linear(p, linear, PA_DO_BACKWARD) || !is_relu(p, relu, PA_DO_GRADIENT) || relu->accumulate) continue;
        int32_t *target = &p->pool[linear->targets];
        const pa_node *a = pa_node_parent(p->nodes[linear->node], 0);
        if (a != p->nodes[relu->node] || relu->gradient != *target || !is_between(p, *target, i) ||
            !pa_node_is_contiguous(a))
            continue;
        *target = p->pool[relu->targets];
        linear->mask = true;
        relu->kind = PA_DO_NOTHING;
        p->n_fusions++;
    }
}

pa_status pa_pass_fuse(pa_program *p) {
    PA_TRY(rewrite(p, emit_maps));
    pa_program_find_lives(p);
    fuse_relu(p);
    fuse_relu_gradient(p);
    return rewrite(p, emit_groups);
}
