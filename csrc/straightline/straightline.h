/* Straight-line code: arithmetic on doubles without jumps, compiled into vector loops. It is what a recorded step over
   Values becomes, forward and backward.

   The caller writes the code down one elementary op at a time, each with a virtual register of its own, and says which
   numbers it will read:

       register 0   leaf             written by the caller before a run
       register 1   constant 2.0
       register 2   mul 0 1          pa_straightline_apply
       register 3   relu' 2 … g      pa_straightline_gradient: what an op sends to one operand
       …                             kept: read by the caller after a run

   Compiling goes through

       simplification          constants folded, common subexpressions, dead code     simplify.c
       reduction recognition   sums of products found again                           reductions.c
       SLP vectorisation       equal ops of one level become a pack                   pack.c
       data layout             positions of the numbers, packs as vector loops        layout.c, products.c, scalars.c
       execution                                                                      run.c

   Forward sums keep the order and the rounding of eager execution: nothing is contracted, nothing reassociated. Only
   a few long sums of gradients that stand alone are added up in eight interleaved parts. */
#ifndef PA_STRAIGHTLINE_H
#define PA_STRAIGHTLINE_H

#include "../ops.h"

typedef struct pa_straightline pa_straightline;
typedef int32_t pa_register; /* a number of the code, in order of definition; -1: none */

/* Passes of pa_straightline_compile. */
enum {
    PA_STRAIGHTLINE_CONSTANTS = 1,  /* constants are folded; 0 + x, x * 1, a double negation and the like are x */
    PA_STRAIGHTLINE_CSE = 2,        /* equal ops of equal operands are computed once */
    PA_STRAIGHTLINE_DEAD = 4,       /* what no kept number depends on is left out */
    PA_STRAIGHTLINE_REDUCTIONS = 8, /* sums of products and long sums are found again */
    PA_STRAIGHTLINE_PACKS = 16,     /* equal ops are computed side by side, reductions as products of matrices */
    PA_STRAIGHTLINE_ALL = 31
};

typedef struct pa_straightline_stats {
    int64_t given;      /* ops that the caller wrote down, without leaves and constants */
    int64_t left;       /* of them, after simplification */
    int64_t reductions; /* sums of products, and sums, that were recognised */
    int64_t products;   /* products of matrices that they became */
    int64_t packs;      /* vector loops of all kinds */
    int64_t copies;     /* of them, those that only bring numbers side by side */
    int64_t scalars;    /* ops that are run one by one */
    int64_t bytes;      /* of the compiled code with its numbers */
} pa_straightline_stats;

pa_status pa_straightline_new(pa_straightline **out);
void pa_straightline_free(pa_straightline *code); /* NULL is fine */

pa_status pa_straightline_leaf(pa_straightline *code, pa_register *out);
pa_status pa_straightline_constant(pa_straightline *code, double value, pa_register *out);

/* An elementwise, comparison or logic row of ops.def. `in` holds its operands, `params` its parameters or is NULL where
   it has none. A comparison gives 0 or 1; logic ops take and give 0 or 1. */
pa_status pa_straightline_apply(pa_straightline *code, pa_op op, const pa_register *in, const double *params,
                                pa_register *out);

/* What `op` sends to one operand: `in` holds the registers of A, B, C, OUT and G, or -1 where the formula does not read
   one. The result may be G itself. */
pa_status pa_straightline_gradient(pa_straightline *code, pa_op op, int operand, const pa_register in[5],
                                   const double *params, pa_register *out);

/* The caller will read this register after a run. */
pa_status pa_straightline_keep(pa_straightline *code, pa_register reg);

/* Once, after the last op. What was needed to write the code down is given back. */
pa_status pa_straightline_compile(pa_straightline *code, unsigned passes);

/* Where a leaf is written, or a kept number is read; NULL for other registers, and before compiling. */
double *pa_straightline_number(pa_straightline *code, pa_register reg);

/* Computes every kept number from the leaves. Needs no GIL, allocates nothing, touches only the code's own memory. */
void pa_straightline_run(const pa_straightline *code);

pa_straightline_stats pa_straightline_statistics(const pa_straightline *code);

/* A line for each kind of instruction, with counts, into buffer (n > 0 bytes, cut to fit); returns buffer. */
const char *pa_straightline_dump(const pa_straightline *code, char *buffer, size_t n);

#endif
