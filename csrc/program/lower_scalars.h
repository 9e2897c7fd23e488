/* The numbers of a step over Values while it is lowered.

   A scalar is one number: a virtual register of straight-line code, as the step sees it. Views, copies and
   concatenations share the scalars of what they show; what is detached has new scalars for the same registers, so that
   no gradient flows back; a Value that is assigned to gets a new scalar of the same identity.

       variable ── at ──▶ elements: the scalar of each ──▶ { identity, segment, register of that segment's code } */
#ifndef PA_PROGRAM_LOWER_SCALARS_H
#define PA_PROGRAM_LOWER_SCALARS_H

#include "lower.h"

typedef struct pa_scalar {
    int32_t identity; /* whose gradient its own is added to */
    int32_t segment;  /* in which it is computed */
    pa_register reg;
    int32_t used_by; /* the last segment that uses it, and its register there */
    pa_register used_as;
    bool flows; /* a gradient that somebody wants flows through it */
} pa_scalar;

typedef struct pa_scalars {
    pa_lowering lowering;
    pa_program *p;
    const pa_log *log;
    pa_lowered *variables;
    pa_values *values;
    int32_t *elements; /* scalars */
    size_t n_elements, elements_capacity;
    pa_scalar *all;
    size_t n, capacity;
    int32_t *gradient; /* during a sweep, by identity: the scalar of its gradient, -1 where nothing has arrived */
} pa_scalars;

/* The segment under way. */
static inline pa_values_segment *pa_scalars_segment(pa_scalars *l) {
    return &l->values->segments[l->values->n_segments - 1];
}

/* A new scalar for a register of the segment under way; identity -1: its own. */
pa_status pa_scalar_new(pa_scalars *l, pa_register reg, int32_t identity, bool flows, int32_t *out);

/* The register of a scalar in the segment under way. */
pa_status pa_scalar_register(pa_scalars *l, int32_t scalar, pa_register *out);

pa_status pa_scalar_constant(pa_scalars *l, double value, int32_t *out);
pa_status pa_scalar_apply(pa_scalars *l, pa_op op, const int32_t *in, int n, const double *params, bool flows,
                          int32_t *out);

/* A number of a buffer, `offset` bytes into it: read when the step begins, or written when it ends. */
pa_status pa_scalar_load(pa_scalars *l, int32_t buffer, pa_dtype dtype, int64_t offset, bool flows, int32_t *out);
pa_status pa_scalar_store(pa_scalars *l, int32_t scalar, int32_t buffer, pa_dtype dtype, int64_t offset);

/* Room for a variable's scalars, which the caller fills in before it asks for more. */
pa_status pa_scalars_new_elements(pa_scalars *l, int32_t variable, int32_t **out);

/* The scalars of a variable that is an argument, captured or a constant. */
pa_status pa_scalars_need(pa_scalars *l, int32_t variable);

#endif
