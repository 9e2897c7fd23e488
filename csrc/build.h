/* A builder of graphs: ops applied one after the other, as formulas write them.

   It holds every node that it made, and the first failure, after which it makes nothing more and hands out NULL; so a
   formula is written out whole, and asked once at the end whether it failed. Numbers are weak scalars, and what is made
   of numbers alone is a number again, computed at once: a choice between branches by a number takes one of them.

   What a node goes on being used for is held by its children; pa_builder_clear lets go of all. */
#ifndef PA_BUILD_H
#define PA_BUILD_H

#include "kernels/ops.h"

typedef struct pa_builder {
    pa_node **made;
    size_t n, capacity;
    pa_status status;
} pa_builder;

void pa_builder_clear(pa_builder *b); /* the status stays */
void pa_builder_free(pa_builder *b);

/* Takes over a node that somebody made, or the failure to make one. */
pa_node *pa_builder_take(pa_builder *b, pa_status status, pa_node *node);

/* Any call; elementwise ops, y and z NULL where there are fewer operands; an op of one operand with ints, and with a
   parameter. */
pa_node *pa_build_call(pa_builder *b, const pa_call *call);
pa_node *pa_build(pa_builder *b, pa_op op, pa_node *x, pa_node *y, pa_node *z);
pa_node *pa_build_ints(pa_builder *b, pa_op op, pa_node *x, int n_ints, const int64_t *ints);
pa_node *pa_build_param(pa_builder *b, pa_op op, pa_node *x, double param);

pa_node *pa_build_number(pa_builder *b, double number);
pa_node *pa_build_int(pa_builder *b, int64_t number);  /* may be a size, which follows from the rows of a batch */
pa_node *pa_build_value(pa_builder *b, double number); /* a Value, a leaf */
bool pa_is_number(const pa_node *node);

/* y where c is not 0, else z. */
pa_node *pa_build_select(pa_builder *b, pa_node *c, pa_node *y, pa_node *z);

/* Shapes. A reshape copies where it has to; fit sums over what `like` was expanded by, or expands to it, and casts to
   its dtype. */
pa_node *pa_build_cast(pa_builder *b, pa_node *x, pa_dtype dtype);
pa_node *pa_build_copy(pa_builder *b, pa_node *x);
pa_node *pa_build_detached(pa_builder *b, pa_node *x);
pa_node *pa_build_reshape(pa_builder *b, pa_node *x, int ndim, const int64_t *shape);
pa_node *pa_build_permute(pa_builder *b, pa_node *x, const int64_t *axes);
pa_node *pa_build_transpose(pa_builder *b, pa_node *x); /* of the last two axes */
pa_node *pa_build_slice(pa_builder *b, pa_node *x, int axis, int64_t start, int64_t step, int64_t length);
pa_node *pa_build_expand(pa_builder *b, pa_node *x, int ndim, const int64_t *shape);
/* What a view in the shape of `like` looks at in x, its strides and its offset in x's order being `ints` (view.c). */
pa_node *pa_build_place(pa_builder *b, pa_node *x, const pa_node *like, const int64_t *ints);
pa_node *pa_build_sum(pa_builder *b, pa_node *x, int64_t axes, bool keepdim); /* a mask of axes */
pa_node *pa_build_fit(pa_builder *b, pa_node *x, const pa_node *like);

#endif
