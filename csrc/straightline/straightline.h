/* Straight-line code: a recorded step of Values, forward and backward, recompiled into vector loops and replayed.

   The caller writes the step down as it happened, one elementary op at a time, and says which numbers it will read:

       slot 0   leaf                 written by the caller before a run
       slot 1   constant 2.0
       slot 2   mul 0 1              pa_scode_apply
       slot 3   relu' 2 … g          pa_scode_gradient: what an op sends to one operand
       …                             kept: read by the caller after a run

   Compiling simplifies the ops, turns sums of products back into products of matrices, puts equal ops of a level side
   by side and lays the numbers out for them:

       ops ──▶ simplify ──▶ reroll ──▶ levels and groups ──▶ places and steps ──▶ run
              straightline.c        group.c                         place.c              run.c

   Forward sums keep the order and the rounding of eager execution: nothing is contracted, nothing reassociated. Only
   a few long sums of gradients that stand alone are added up in eight interleaved parts. */
#ifndef PA_PROGRAM_SCODE_H
#define PA_PROGRAM_SCODE_H

#include "../ops.h"

typedef struct pa_scode pa_scode;
typedef int32_t pa_slot; /* a number of the code, in order of definition; -1: none */

/* Passes of pa_scode_compile. */
enum {
    PA_SCODE_CONSTANTS = 1, /* constants are folded; 0 + x, x * 1, a double negation and the like are x */
    PA_SCODE_CSE = 2,       /* equal ops of equal operands are computed once */
    PA_SCODE_DEAD = 4,      /* what no kept number depends on is left out */
    PA_SCODE_REROLL = 8,    /* sums of products and long sums become one step each, or products of matrices */
    PA_SCODE_GROUP = 16,    /* equal ops are computed side by side */
    PA_SCODE_ALL = 31
};

typedef struct pa_scode_stats {
    int64_t given;    /* ops that the caller wrote down, without leaves and constants */
    int64_t left;     /* of them, after simplification */
    int64_t chains;   /* sums of products, and sums, that were rolled up */
    int64_t products; /* products of matrices that they became */
    int64_t groups;   /* vector steps of all kinds */
    int64_t copies;   /* of them, those that only bring numbers side by side */
    int64_t scalars;  /* ops that are run one by one */
    int64_t bytes;    /* of the compiled code with its numbers */
} pa_scode_stats;

pa_status pa_scode_new(pa_scode **out);
void pa_scode_free(pa_scode *code); /* NULL is fine */

pa_status pa_scode_leaf(pa_scode *code, pa_slot *out);
pa_status pa_scode_constant(pa_scode *code, double value, pa_slot *out);

/* An elementwise, comparison or logic row of ops.def. `in` holds its operands, `params` its parameters or is NULL where
   it has none. A comparison gives 0 or 1; logic ops take and give 0 or 1. */
pa_status pa_scode_apply(pa_scode *code, pa_op op, const pa_slot *in, const double *params, pa_slot *out);

/* What `op` sends to one operand: `in` holds the slots of A, B, C, OUT and G, or -1 where the formula does not read one.
   The result may be the slot of G itself. */
pa_status pa_scode_gradient(pa_scode *code, pa_op op, int operand, const pa_slot in[5], const double *params,
                            pa_slot *out);

pa_status pa_scode_keep(pa_scode *code, pa_slot slot);

/* Once, after the last op. What was needed to write the code down is given back. */
pa_status pa_scode_compile(pa_scode *code, unsigned passes);

/* Where a leaf is written, or a kept number is read; NULL for other slots, and before compiling. */
double *pa_scode_number(pa_scode *code, pa_slot slot);

/* Computes every kept number from the leaves. Needs no GIL, allocates nothing, touches only the code's own memory. */
void pa_scode_run(const pa_scode *code);

pa_scode_stats pa_scode_statistics(const pa_scode *code);

/* A line for each kind of step, with counts, into buffer (n > 0 bytes, cut to fit); returns buffer. */
const char *pa_scode_dump(const pa_scode *code, char *buffer, size_t n);

#endif
