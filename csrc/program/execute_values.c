/* A step over Values run: numbers loaded, segments of code one after the other, updates between them, numbers stored.
   */
#include "execute.h"

#include "../kernels/optim.h"

static void load_numbers(const pa_program *p, const pa_values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_loads; i++) *s->fixed_loads[i].number = *s->fixed_loads[i].outside;
    for (size_t i = 0; i < s->n_loads; i++) {
        const pa_values_move *m = &s->loads[i];
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

static void store_numbers(const pa_program *p, const pa_values_segment *s) {
    for (size_t i = 0; i < s->n_fixed_stores; i++) *s->fixed_stores[i].outside = *s->fixed_stores[i].number;
    for (size_t i = 0; i < s->n_stores; i++) {
        const pa_values_move *m = &s->stores[i];
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
static void run_update(pa_program *p, pa_values_update *u, pa_fpmode *mode) {
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

void pa_values_execute(pa_program *p, pa_fpmode *mode) {
    const pa_values *s = p->values;
    for (size_t i = 0; i < s->n_segments; i++) {
        load_numbers(p, &s->segments[i]);
        pa_straightline_run(s->segments[i].code);
        if (s->segments[i].after != NULL) run_update(p, s->segments[i].after, mode);
    }
    for (size_t i = 0; i < s->n_segments; i++) store_numbers(p, &s->segments[i]);
}
