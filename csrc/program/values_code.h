/* What the files of programs over Values share: the segments of scalar code, and what moves in and out of them. */
#ifndef PA_PROGRAM_VALUES_CODE_H
#define PA_PROGRAM_VALUES_CODE_H

#include "values.h"

/* A number that moves between the code and a buffer of the program. */
typedef struct values_move {
    int32_t buffer;
    int32_t dtype;
    int64_t offset; /* bytes */
    double *number; /* of the code, once it is compiled */
    pa_register slot;
} values_move;

/* The same for a Value, whose number stands still. */
typedef struct values_fixed_move {
    double *outside, *number;
} values_fixed_move;

/* A number of an earlier segment, or of an update's parameters. */
typedef struct values_crossing {
    int32_t from_segment; /* -1: `from` is given */
    pa_register from_slot, to_slot;
    const double *from;
    double *to;
} values_crossing;

typedef struct values_update {
    int32_t which; /* of the program's updates */
    int32_t n;
    double *block; /* parameters, gradients, three states: n each */
    pa_register *param_slots, *gradient_slots;
    double **params, **gradients; /* where the code has them */
    int32_t *buffers;             /* of the parameters */
} values_update;

typedef struct values_segment {
    pa_straightline *code;
    values_fixed_move *fixed_loads, *fixed_stores;
    size_t n_fixed_loads, n_fixed_stores;
    values_move *loads, *stores;
    size_t n_loads, loads_capacity, n_stores, stores_capacity;
    values_crossing *crossings;
    size_t n_crossings, crossings_capacity;
    values_update *after; /* NULL for the last */
} values_segment;

typedef struct pa_scalar_program {
    values_segment *segments;
    size_t n_segments, segments_capacity;
} pa_scalar_program;

/* Compiles the segments, and finds where each number that moves has its place in the code. */
pa_status pa_values_compile(pa_program *p);
void pa_values_free_update(values_update *u); /* NULL is fine */

#endif
