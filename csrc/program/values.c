/* Segments of straight-line code made, described and freed. */
#include "values.h"

#include "../memory.h"

pa_status pa_values_new(pa_values **out) {
    pa_values *v = pa_mem_alloc(sizeof *v);
    if (v == NULL) return PA_MEMORY;
    *v = (pa_values){0};
    *out = v;
    return PA_OK;
}

pa_status pa_values_new_segment(pa_values *v) {
    PA_TRY(pa_mem_reserve(&v->segments, &v->segments_capacity, v->n_segments + 1, sizeof *v->segments));
    v->segments[v->n_segments] = (pa_values_segment){0};
    PA_TRY(pa_straightline_new(&v->segments[v->n_segments].code));
    v->n_segments++;
    return PA_OK;
}

static void free_update(pa_values_update *u) {
    if (u == NULL) return;
    size_t n = (size_t)u->n + 1;
    pa_mem_free_array(u->block, 5 * n, sizeof *u->block);
    pa_mem_free_array(u->param_registers, 2 * n, sizeof *u->param_registers);
    pa_mem_free_array(u->params, 2 * n, sizeof *u->params);
    pa_mem_free_array(u->buffers, n, sizeof *u->buffers);
    pa_mem_free(u, sizeof *u);
}

pa_status pa_values_new_update(pa_values *v, int32_t which, int32_t n_params, pa_values_update **out) {
    size_t n = (size_t)n_params + 1;
    pa_values_update *u = pa_mem_alloc(sizeof *u);
    if (u == NULL) return PA_MEMORY;
    *u = (pa_values_update){.which = which, .n = n_params};
    v->segments[v->n_segments - 1].after = u; /* which frees it */
    u->block = pa_mem_alloc_array(5 * n, sizeof *u->block);
    u->param_registers = pa_mem_alloc_array(2 * n, sizeof *u->param_registers);
    u->params = pa_mem_alloc_array(2 * n, sizeof *u->params);
    u->buffers = pa_mem_alloc_array(n, sizeof *u->buffers);
    if (u->block == NULL || u->param_registers == NULL || u->params == NULL || u->buffers == NULL) return PA_MEMORY;
    u->gradient_registers = u->param_registers + n;
    u->gradients = u->params + n;
    *out = u;
    return PA_OK;
}

pa_straightline_stats pa_values_statistics(const pa_values *v) {
    pa_straightline_stats total = {0};
    for (size_t i = 0; i < v->n_segments; i++) {
        pa_straightline_stats s = pa_straightline_statistics(v->segments[i].code);
        total.given += s.given;
        total.left += s.left;
        total.reductions += s.reductions;
        total.products += s.products;
        total.packs += s.packs;
        total.copies += s.copies;
        total.scalars += s.scalars;
        total.bytes += s.bytes;
    }
    return total;
}

const char *pa_values_dump(const pa_values *v, size_t segment, char *text, size_t size) {
    return segment < v->n_segments ? pa_straightline_dump(v->segments[segment].code, text, size) : NULL;
}

void pa_values_free(pa_values *v) {
    if (v == NULL) return;
    for (size_t i = 0; i < v->n_segments; i++) {
        pa_values_segment *at = &v->segments[i];
        pa_straightline_free(at->code);
        pa_mem_free(at->loads, at->loads_capacity * sizeof *at->loads);
        pa_mem_free(at->stores, at->stores_capacity * sizeof *at->stores);
        pa_mem_free_array(at->fixed_loads, at->n_fixed_loads + 1, sizeof *at->fixed_loads);
        pa_mem_free_array(at->fixed_stores, at->n_fixed_stores + 1, sizeof *at->fixed_stores);
        pa_mem_free(at->crossings, at->crossings_capacity * sizeof *at->crossings);
        free_update(at->after);
    }
    pa_mem_free(v->segments, v->segments_capacity * sizeof *v->segments);
    pa_mem_free(v, sizeof *v);
}
