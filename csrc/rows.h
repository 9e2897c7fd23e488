/* The number of rows of a batch, where two recordings of a step differ in it: what of them may differ, and how it
   follows from the number.

   A size, a bound of a slice, an int among the operands is base + slope * rows, in whole numbers. A constant is the
   same numbers again along the axes whose size follows from the rows, or counts up along them, as arange(rows) does. */
#ifndef PA_ROWS_H
#define PA_ROWS_H

#include "graph.h"

/* How many rows two recordings had; the same number where no size is free. */
typedef struct pa_rows {
    int64_t a, b;
} pa_rows;

typedef struct pa_affine {
    int64_t base, slope;
} pa_affine;

/* Its value; false where that is no int64. */
static inline bool pa_affine_at(pa_affine f, int64_t rows, int64_t *out) {
    return !__builtin_mul_overflow(f.slope, rows, out) && !__builtin_add_overflow(f.base, *out, out);
}

/* The function that is `a` at rows.a and `b` at rows.b; false where none in whole numbers is. */
bool pa_rows_fit(pa_rows rows, int64_t a, int64_t b, pa_affine *out);

/* Whether the sizes of two nodes are alike but for what follows from the rows. */
bool pa_rows_fit_shapes(pa_rows rows, const pa_node *a, const pa_node *b);

/* A constant of any number of rows. */
typedef struct pa_rows_constant {
    const pa_node *numbers; /* of one recording, contiguous */
    unsigned repeated;      /* the axes along which they repeat, or count up */
    bool is_number;         /* an int that follows from the rows */
    pa_affine number;
} pa_rows_constant;

/* What two constants are; false where their numbers do not fit together. */
bool pa_rows_fit_constants(pa_rows rows, const pa_node *a, const pa_node *b, pa_rows_constant *out);

/* Its numbers for a number of rows and the shape that goes with it; false where they are no int64. */
bool pa_rows_fill(const pa_rows_constant *constant, int64_t rows, const int64_t *shape, char *out);

#endif
