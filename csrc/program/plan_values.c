/* The pass over a step over Values: its results get their places, its segments of code are compiled, and each number
   that moves in or out finds where it stands in the code. */
#include "passes.h"

static size_t room_for(const pa_program *p, int32_t buffer) { return (p->buffers[buffer].bytes + 63) / 64 * 64; }

static pa_status place_results(pa_program *p) {
    size_t bytes = 0;
    for (int32_t i = 0; i < p->n_results; i++) bytes += room_for(p, p->results[i].buffer);
    for (int32_t k = 0; k < p->history.n_parts; k++) bytes += room_for(p, p->history.parts[k].jacobian);
    p->arena_bytes = bytes;
    PA_TRY(pa_storage_new(bytes, &p->arena));
    char *at = p->arena->data;
    for (int32_t i = 0; i < p->n_results; i++) {
        pa_program_place(p, p->results[i].buffer, at);
        at += room_for(p, p->results[i].buffer);
    }
    for (int32_t k = 0; k < p->history.n_parts; k++) {
        pa_program_place(p, p->history.parts[k].jacobian, at);
        at += room_for(p, p->history.parts[k].jacobian);
    }
    return PA_OK;
}

static unsigned code_passes(unsigned passes) {
    return (passes & PA_PASS_CONSTANTS ? PA_STRAIGHTLINE_CONSTANTS : 0) |
           (passes & PA_PASS_COMMON ? PA_STRAIGHTLINE_CSE : 0) | (passes & PA_PASS_DEAD ? PA_STRAIGHTLINE_DEAD : 0) |
           (passes & PA_PASS_REDUCTIONS ? PA_STRAIGHTLINE_REDUCTIONS : 0) |
           (passes & PA_PASS_PACKS ? PA_STRAIGHTLINE_PACKS : 0);
}

/* Is it the number of a Value, which stands still? */
static bool is_fixed(const pa_program *p, const pa_values_move *m) {
    const pa_buffer *b = &p->buffers[m->buffer];
    return b->at != NULL && b->kind != PA_BUFFER_ARENA && m->dtype == PA_FLOAT64;
}

/* Takes the moves of Values out of a list; what the code does not use is dropped. */
static pa_status split_moves(const pa_program *p, pa_straightline *code, pa_values_move *moves, size_t *n,
                             pa_values_fixed_move **fixed, size_t *n_fixed) {
    size_t kept = 0, all = 0;
    for (size_t k = 0; k < *n; k++) {
        moves[k].number = pa_straightline_number(code, moves[k].reg);
        all += moves[k].number != NULL && is_fixed(p, &moves[k]);
    }
    *fixed = pa_mem_alloc_array(all + 1, sizeof **fixed);
    if (*fixed == NULL) return PA_MEMORY;
    *n_fixed = all;
    all = 0;
    for (size_t k = 0; k < *n; k++) {
        pa_values_move m = moves[k];
        if (m.number == NULL) continue;
        if (is_fixed(p, &m))
            (*fixed)[all++] = (pa_values_fixed_move){(double *)(void *)(p->buffers[m.buffer].at + m.offset), m.number};
        else
            moves[kept++] = m;
    }
    *n = kept;
    return PA_OK;
}

static pa_status compile_segments(pa_program *p) {
    pa_values *s = p->values;
    for (size_t i = 0; i < s->n_segments; i++)
        PA_TRY(pa_straightline_compile(s->segments[i].code, code_passes(p->passes)));
    for (size_t i = 0; i < s->n_segments; i++) {
        pa_values_segment *at = &s->segments[i];
        PA_TRY(split_moves(p, at->code, at->loads, &at->n_loads, &at->fixed_loads, &at->n_fixed_loads));
        PA_TRY(split_moves(p, at->code, at->stores, &at->n_stores, &at->fixed_stores, &at->n_fixed_stores));
        for (size_t k = 0; k < at->n_crossings; k++) {
            pa_values_crossing *c = &at->crossings[k];
            c->to = pa_straightline_number(at->code, c->to_register);
            if (c->from_segment >= 0)
                c->from = pa_straightline_number(s->segments[c->from_segment].code, c->from_register);
        }
        for (int32_t k = 0; at->after != NULL && k < at->after->n; k++) {
            at->after->params[k] = pa_straightline_number(at->code, at->after->param_registers[k]);
            at->after->gradients[k] = pa_straightline_number(at->code, at->after->gradient_registers[k]);
        }
    }
    return PA_OK;
}

pa_status pa_pass_values(pa_program *p) {
    PA_TRY(place_results(p));
    return compile_segments(p);
}
