/* Programs over Values when they have been lowered: their segments compiled, run and freed.

       load: Values, arguments, numbers of earlier segments ──▶ scalar code ──▶ update ──▶ next segment … ──▶ store */
#include <string.h>

#include "../kernels/kernels.h"
#include "../kernels/optim.h"
#include "values_code.h"

static unsigned code_passes(unsigned passes) {
    return (passes & PA_PASS_CONSTANTS ? PA_STRAIGHTLINE_CONSTANTS : 0) |
           (passes & PA_PASS_COMMON ? PA_STRAIGHTLINE_CSE : 0) | (passes & PA_PASS_DEAD ? PA_STRAIGHTLINE_DEAD : 0) |
           (passes & PA_PASS_REROLL ? PA_STRAIGHTLINE_REDUCTIONS : 0) |
           (passes & PA_PASS_GROUP ? PA_STRAIGHTLINE_PACKS : 0);
}

/* Takes the moves of Values out of a list; what the code does not use is dropped. */
static pa_status split_moves(const pa_program *p, pa_straightline *code, values_move *moves, size_t *n,
                             values_fixed_move **fixed, size_t *n_fixed) {
    *fixed = pa_mem_alloc_array(*n + 1, sizeof **fixed);
    if (*fixed == NULL) return PA_MEMORY;
    size_t kept = 0, room = *n + 1;
    for (size_t k = 0; k < *n; k++) {
        values_move m = moves[k];
        m.number = pa_straightline_number(code, m.slot);
        if (m.number == NULL) continue;
        bool stands =
            p->buffers[m.buffer].at != NULL && p->buffers[m.buffer].kind != PA_BUFFER_ARENA && m.dtype == PA_FLOAT64;
        if (stands)
            (*fixed)[(*n_fixed)++] =
                (values_fixed_move){(double *)(void *)(p->buffers[m.buffer].at + m.offset), m.number};
        else
            moves[kept++] = m;
    }
    /* The block is given back by its size, which is that of the fixed ones from now on. */
    values_fixed_move *exact = pa_mem_alloc_array(*n_fixed + 1, sizeof *exact);
    if (exact == NULL) {
        pa_mem_free_array(*fixed, room, sizeof **fixed);
        *fixed = NULL;
        *n_fixed = 0;
        return PA_MEMORY;
    }
    memcpy(exact, *fixed, *n_fixed * sizeof *exact);
    pa_mem_free_array(*fixed, room, sizeof **fixed);
    *fixed = exact;
    *n = kept;
    return PA_OK;
}

pa_status pa_values_compile(pa_program *p) {
    pa_scalar_program *s = p->scalar;
    for (size_t i = 0; i < s->n_segments; i++)
        PA_TRY(pa_straightline_compile(s->segments[i].code, code_passes(p->passes)));
    for (size_t i = 0; i < s->n_segments; i++) {
        values_segment *at = &s->segments[i];
        PA_TRY(split_moves(p, at->code, at->loads, &at->n_loads, &at->fixed_loads, &at->n_fixed_loads));
        PA_TRY(split_moves(p, at->code, at->stores, &at->n_stores, &at->fixed_stores, &at->n_fixed_stores));
        for (size_t k = 0; k < at->n_crossings; k++) {
            values_crossing *c = &at->crossings[k];
            c->to = pa_straightline_number(at->code, c->to_slot);
            if (c->from_segment >= 0) c->from = pa_straightline_number(s->segments[c->from_segment].code, c->from_slot);
        }
        for (int32_t k = 0; at->after != NULL && k < at->after->n; k++) {
            at->after->params[k] = pa_straightline_number(at->code, at->after->param_slots[k]);
            at->after->gradients[k] = pa_straightline_number(at->code, at->after->gradient_slots[k]);
        }
    }
    return PA_OK;
}

void pa_values_free_update(values_update *u) {
    if (u == NULL) return;
    size_t n = (size_t)u->n + 1;
    pa_mem_free_array(u->block, 5 * n, sizeof *u->block);
    pa_mem_free_array(u->param_slots, 2 * n, sizeof *u->param_slots);
    pa_mem_free_array(u->params, 2 * n, sizeof *u->params);
    pa_mem_free_array(u->buffers, n, sizeof *u->buffers);
    pa_mem_free(u, sizeof *u);
}

pa_straightline_stats pa_values_statistics(const pa_program *p) {
    pa_straightline_stats total = {0};
    for (size_t i = 0; i < p->scalar->n_segments; i++) {
        pa_straightline_stats s = pa_straightline_statistics(p->scalar->segments[i].code);
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

const char *pa_values_dump(const pa_program *p, size_t segment, char *text, size_t size) {
    return segment < p->scalar->n_segments ? pa_straightline_dump(p->scalar->segments[segment].code, text, size) : NULL;
}

void pa_values_free(pa_scalar_program *s) {
    if (s == NULL) return;
    for (size_t i = 0; i < s->n_segments; i++) {
        values_segment *at = &s->segments[i];
        pa_straightline_free(at->code);
        pa_mem_free(at->loads, at->loads_capacity * sizeof *at->loads);
        pa_mem_free(at->stores, at->stores_capacity * sizeof *at->stores);
        pa_mem_free_array(at->fixed_loads, at->n_fixed_loads + 1, sizeof *at->fixed_loads);
        pa_mem_free_array(at->fixed_stores, at->n_fixed_stores + 1, sizeof *at->fixed_stores);
        pa_mem_free(at->crossings, at->crossings_capacity * sizeof *at->crossings);
        pa_values_free_update(at->after);
    }
    pa_mem_free(s->segments, s->segments_capacity * sizeof *s->segments);
    pa_mem_free(s, sizeof *s);
}

/* ---- running ---- */

static void load_numbers(const pa_program *p, const values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_loads; i++) *s->fixed_loads[i].number = *s->fixed_loads[i].outside;
    for (size_t i = 0; i < s->n_loads; i++) {
        const values_move *m = &s->loads[i];
        const char *at = p->buffers[m->buffer].at + m->offset;
        if (m->dtype == PA_FLOAT64)
            *m->number = *(const double *)(const void *)at;
        else if (m->dtype == PA_INT64)
            *m->number = (double)*(const int64_t *)(const void *)at;
        else
            *m->number = *(const uint8_t *)at != 0;
    }
    for (size_t i = 0; i < s->n_crossings; i++) *s->crossings[i].to = *s->crossings[i].from;
}

static void store_numbers(const pa_program *p, const values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_stores; i++) *s->fixed_stores[i].outside = *s->fixed_stores[i].number;
    for (size_t i = 0; i < s->n_stores; i++) {
        const values_move *m = &s->stores[i];
        char *at = p->buffers[m->buffer].at + m->offset;
        if (m->dtype == PA_FLOAT64)
            *(double *)(void *)at = *m->number;
        else if (m->dtype == PA_FLOAT32)
            *(float *)(void *)at = (float)*m->number;
        else if (m->dtype == PA_INT64)
            *(int64_t *)(void *)at = (int64_t)*m->number;
        else
            *(uint8_t *)at = *m->number != 0;
    }
}

/* Parameters that have been updated equally often are updated together. */
static void run_update(pa_program *p, values_update *u, pa_fpmode *mode) {
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

void pa_values_run(pa_program *p, pa_fpmode *mode) {
    const pa_scalar_program *s = p->scalar;
    for (size_t i = 0; i < s->n_segments; i++) {
        load_numbers(p, &s->segments[i]);
        pa_straightline_run(s->segments[i].code);
        if (s->segments[i].after != NULL) run_update(p, s->segments[i].after, mode);
    }
    for (size_t i = 0; i < s->n_segments; i++) store_numbers(p, &s->segments[i]);
}
