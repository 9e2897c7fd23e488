/* A program's parts made, placed and freed. */
#include "program.h"

#include "history.h"

#include <string.h>

#include "batch.h"

const char *const pa_pass_names[PA_PASS_COUNT] = {
#define X(name, words) [PA_PASS_##name##_INDEX] = words,
    PA_PASS_MAP(X)
#undef X
};

void pa_program_free(pa_program *p) {
    if (p == NULL) return;
    for (int32_t i = 0; i < p->n_captured; i++) {
        pa_node *node = p->captured[i].node;
        p->captured[i].node = NULL;
        if (node != NULL && p->captured[i].input < 0) pa_node_program_release(node);
    }
    pa_program_release(p);
}

void pa_program_release(pa_program *p) {
    if (--p->refs > 0) return;
    for (int32_t i = 0; i < p->n_nodes; i++) pa_node_release(p->nodes[i]);
    for (int32_t i = 0; i < p->n_constants; i++) pa_node_release(p->constants[i]);
    pa_mem_free(p->nodes, p->nodes_capacity * sizeof *p->nodes);
    pa_mem_free(p->buffer_of, p->buffer_of_capacity * sizeof *p->buffer_of);
    pa_mem_free(p->offset_of, p->offset_of_capacity * sizeof *p->offset_of);
    pa_mem_free_array(p->next_over, (size_t)p->n_nodes + 1, sizeof *p->next_over);
    pa_mem_free(p->likes, p->likes_capacity * sizeof *p->likes);
    pa_mem_free(p->buffers, p->buffers_capacity * sizeof *p->buffers);
    pa_mem_free(p->code, p->code_capacity * sizeof *p->code);
    pa_mem_free(p->fused, p->fused_capacity * sizeof *p->fused);
    pa_mem_free(p->pool, p->pool_capacity * sizeof *p->pool);
    pa_mem_free(p->captured, p->captured_capacity * sizeof *p->captured);
    pa_mem_free(p->constants, p->constants_capacity * sizeof *p->constants);
    for (int32_t i = 0; i < p->n_hosts; i++)
        if (p->hosts[i].function != NULL) pa_hook.release_object(p->hosts[i].function);
    pa_mem_free(p->hosts, p->hosts_capacity * sizeof *p->hosts);
    pa_mem_free_array(p->inputs, (size_t)p->n_inputs + 1, sizeof *p->inputs);
    pa_mem_free_array(p->results, (size_t)p->n_results + 1, sizeof *p->results);
    pa_mem_free_array(p->updates, p->updates_capacity, sizeof *p->updates);
    pa_values_free(p->values);
    pa_batch_free(p->batch);
    pa_storage_release(p->memory);
    pa_storage_release(p->arena);
    pa_history_free(p);
    pa_mem_free(p, sizeof *p);
}

pa_status pa_program_new_buffer(pa_program *p, pa_buffer_kind kind, size_t bytes, int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->buffers, &p->buffers_capacity, (size_t)p->n_buffers + 1, sizeof *p->buffers));
    p->buffers[p->n_buffers] = (pa_buffer){
        .kind = (uint8_t)kind, .bytes = bytes, .like = -1, .first = -1, .last = -1, .also = -1, .nodes = -1};
    *out = p->n_buffers++;
    return PA_OK;
}

static pa_status add_node(pa_program *p, pa_node *node, const pa_node *like, int32_t buffer, int64_t offset,
                          int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->nodes, &p->nodes_capacity, (size_t)p->n_nodes + 1, sizeof *p->nodes));
    PA_TRY(pa_mem_reserve(&p->buffer_of, &p->buffer_of_capacity, (size_t)p->n_nodes + 1, sizeof *p->buffer_of));
    PA_TRY(pa_mem_reserve(&p->offset_of, &p->offset_of_capacity, (size_t)p->n_nodes + 1, sizeof *p->offset_of));
    PA_TRY(pa_mem_reserve(&p->likes, &p->likes_capacity, (size_t)p->n_nodes + 1, sizeof *p->likes));
    node->mark = (uint32_t)p->n_nodes;
    p->nodes[p->n_nodes] = node;
    p->likes[p->n_nodes] = like;
    p->buffer_of[p->n_nodes] = buffer;
    p->offset_of[p->n_nodes] = offset;
    *out = p->n_nodes++;
    return PA_OK;
}

pa_status pa_program_new_node(pa_program *p, const pa_node *like, bool contiguous, int32_t buffer, int64_t offset,
                              int32_t *out) {
    int64_t row_major[PA_MAX_NDIM];
    pa_row_major(like->ndim, pa_node_shape(like), row_major);
    const int64_t *strides = contiguous ? row_major : pa_node_strides(like);
    pa_node *node = NULL;
    PA_TRY(pa_node_over(like->dtype, like->ndim, pa_node_shape(like), strides, p->memory, p->memory->data, &node));
    node->flags = 0;
    if (like->array != NULL) {
        memcpy(node->array->params, like->array->params, sizeof like->array->params);
        memcpy(node->array->ints, like->array->ints, sizeof like->array->ints);
    }
    pa_status status = add_node(p, node, like, buffer, offset, out);
    if (status != PA_OK) pa_node_release(node);
    return status;
}

pa_status pa_program_new_targets(pa_program *p, int32_t n, int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->pool, &p->pool_capacity, (size_t)(p->n_pool + n), sizeof *p->pool));
    *out = p->n_pool;
    p->n_pool += n;
    return PA_OK;
}

pa_status pa_program_keep_constant(pa_program *p, pa_node *constant) {
    PA_TRY(pa_mem_reserve(&p->constants, &p->constants_capacity, (size_t)p->n_constants + 1, sizeof *p->constants));
    p->constants[p->n_constants++] = pa_node_retain(constant);
    return PA_OK;
}

pa_status pa_program_keep_host(pa_program *p, void *function, int32_t *out) {
    PA_TRY(pa_mem_reserve(&p->hosts, &p->hosts_capacity, (size_t)p->n_hosts + 1, sizeof *p->hosts));
    p->hosts[p->n_hosts] = (pa_host){.function = pa_hook.retain_object(function)};
    *out = p->n_hosts++;
    return PA_OK;
}

pa_status pa_program_emit(pa_program *p, const pa_instruction *instruction) {
    PA_TRY(pa_mem_reserve(&p->code, &p->code_capacity, (size_t)p->n_code + 1, sizeof *p->code));
    p->code[p->n_code++] = *instruction;
    return PA_OK;
}

pa_status pa_program_list_nodes(pa_program *p) {
    p->next_over = pa_mem_alloc_array((size_t)p->n_nodes + 1, sizeof *p->next_over);
    if (p->next_over == NULL) return PA_MEMORY;
    for (int32_t n = p->n_nodes; n-- > 0;) {
        pa_buffer *b = &p->buffers[p->buffer_of[n]];
        p->next_over[n] = b->nodes;
        b->nodes = n;
    }
    return PA_OK;
}

void pa_program_place(pa_program *p, int32_t buffer, char *at) {
    p->buffers[buffer].at = at;
    if (p->next_over != NULL) {
        for (int32_t n = p->buffers[buffer].nodes; n >= 0; n = p->next_over[n])
            p->nodes[n]->array->data = at + p->offset_of[n];
        return;
    }
    for (int32_t n = 0; n < p->n_nodes; n++)
        if (p->buffer_of[n] == buffer) p->nodes[n]->array->data = at + p->offset_of[n];
}

static bool are_alike(const pa_node *a, const pa_node *b) {
    if (a->dtype != b->dtype || a->ndim != b->ndim || !pa_node_is_contiguous(b)) return false;
    for (int axis = 0; axis < a->ndim; axis++)
        if (pa_node_shape(a)[axis] != pa_node_shape(b)[axis]) return false;
    return true;
}

void pa_program_set_put(pa_program *p, int32_t result, const pa_node *before) {
    pa_result *r = &p->results[result];
    r->is_put = true;
    for (int32_t k = 0; before != NULL && k < p->n_captured; k++)
        if (p->captured[k].node == before) r->carried = k;
    if (before != NULL && !are_alike(p->nodes[r->node], before)) p->moves_places = true;
}

void pa_program_move(pa_program *p, pa_storage *arena) {
    p->arena = arena;
    char *at = arena->data;
    p->scratch = at + (p->arena_bytes + 63) / 64 * 64;
    for (int32_t b = 0; b < p->n_buffers; b++)
        if (p->buffers[b].kind == PA_BUFFER_ARENA && p->buffers[b].first >= 0)
            p->buffers[b].at = at + p->buffers[b].offset;
    for (int32_t n = 0; n < p->n_nodes; n++)
        if (p->buffers[p->buffer_of[n]].at != NULL)
            p->nodes[n]->array->data = p->buffers[p->buffer_of[n]].at + p->offset_of[n];
}

size_t pa_program_saved_bytes(const pa_program *p) {
    size_t total = 0;
    for (int32_t i = 0; i < p->n_nodes; i++)
        if (p->nodes[i]->array->saved != NULL) total += p->nodes[i]->array->saved->bytes;
    return total;
}
