/* The data structure of a step over Values: segments of straight-line code, and the numbers that move in and out of
   them.

       load: Values, arguments, numbers of earlier segments ──▶ code ──▶ update ──▶ next segment … ──▶ store

   An optimiser's update ends a segment: its parameters and gradients are put side by side, updated, and read again by
   the next segment. */
#ifndef PA_PROGRAM_VALUES_H
#define PA_PROGRAM_VALUES_H

#include "../straightline/straightline.h"

/* A number that moves between the code and a buffer of the program. */
typedef struct pa_values_move {
    int32_t buffer;
    int32_t dtype;
    int64_t offset; /* bytes */
    double *number; /* of the code, once it is compiled */
    pa_register reg;
} pa_values_move;

/* The same for a Value, whose number stands still. */
typedef struct pa_values_fixed_move {
    double *outside, *number;
} pa_values_fixed_move;

/* A number of an earlier segment, or of an update's parameters. */
typedef struct pa_values_crossing {
    int32_t from_segment; /* -1: `from` is given */
    pa_register from_register, to_register;
    const double *from;
    double *to;
} pa_values_crossing;

typedef struct pa_values_update {
    int32_t which; /* of the program's updates */
    int32_t n;
    double *block; /* parameters, gradients, three states: n each */
    pa_register *param_registers, *gradient_registers;
    double **params, **gradients; /* where the code has them */
    int32_t *buffers;             /* of the parameters */
} pa_values_update;

typedef struct pa_values_segment {
    pa_straightline *code;
    pa_values_fixed_move *fixed_loads, *fixed_stores;
    size_t n_fixed_loads, n_fixed_stores;
    pa_values_move *loads, *stores;
    size_t n_loads, loads_capacity, n_stores, stores_capacity;
    pa_values_crossing *crossings;
    size_t n_crossings, crossings_capacity;
    pa_values_update *after; /* NULL for the last */
} pa_values_segment;

typedef struct pa_values {
    pa_values_segment *segments;
    size_t n_segments, segments_capacity;
} pa_values;

pa_status pa_values_new(pa_values **out);
void pa_values_free(pa_values *values); /* NULL is fine */

/* Begins another segment. */
pa_status pa_values_new_segment(pa_values *values);

/* An update of n parameters behind the last segment. */
pa_status pa_values_new_update(pa_values *values, int32_t which, int32_t n, pa_values_update **out);

/* Of all segments together; and what one segment's code does in words, or NULL where there is no such segment. */
pa_straightline_stats pa_values_statistics(const pa_values *values);
const char *pa_values_dump(const pa_values *values, size_t segment, char *text, size_t size);

#endif
