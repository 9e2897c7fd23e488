/* The free batch axis of a program: one that was recorded with two numbers of rows is set to any other.

       rows ──▶ shapes of the arguments ──shape rules of the ops──▶ shapes of all nodes ──▶ bytes of buffers

   What differed between the recordings, sizes and bounds in the ops' attributes, is base + slope * rows (rows.h); all
   else follows from the shape rules that eager ops go through. So a number of rows that an op refuses, or whose result
   would not stand where the program expects it, is refused here, and the call is another program's. */
#ifndef PA_PROGRAM_BATCH_H
#define PA_PROGRAM_BATCH_H

#include "../rows.h"
#include "lower.h"

typedef enum pa_size_kind {
    PA_SIZE_FIXED, /* whatever the rows */
    PA_SIZE_OP,    /* by the op's shape rule, from its parents and its ints */
    PA_SIZE_LIKE,  /* that of another node */
    PA_SIZE_ROWS   /* each axis a function of the rows */
} pa_size_kind;

typedef struct pa_size_rule {
    uint8_t kind;
    bool is_view;    /* OP, LIKE: over the same memory, in strides that follow */
    int32_t like;    /* LIKE */
    int n;           /* OP: of ints; ROWS: of axes */
    size_t numbers;  /* where they begin among the functions */
    bool varies;     /* with the rows: its shape, or where it looks */
    uint64_t before; /* a hash of what the node was in the other recording */
    int64_t numel;   /* likewise */
} pa_size_rule;

/* A constant that follows from the rows; the program holds its numbers as recorded. */
typedef struct pa_batch_constant {
    int32_t node;
    pa_rows_constant is;
    pa_storage *memory;
} pa_batch_constant;

typedef struct pa_batch {
    int64_t rows;            /* that the program is set to; -1: it has to be set anew */
    int64_t planned;         /* rows that the arena has room for */
    int64_t most;            /* rows that it has run with */
    int64_t least, greatest; /* rows that it is for */
    pa_size_rule *rules;     /* of each node */
    int32_t n_rules;
    int32_t *varying; /* the nodes that are no longer the same with other rows, in order */
    int32_t n_varying;
    pa_affine *functions;
    size_t n_functions, functions_capacity;
    pa_batch_constant *constants;
    size_t n_constants, constants_capacity;
} pa_batch;

/* Gives a program that has just been lowered from a log the rules that make it fit the other one, too. */
pa_status pa_batch_learn(pa_lowering *l, const pa_log *other);
void pa_batch_free(pa_batch *batch); /* NULL is fine */

/* Asked by the passes; of a program without a free batch axis no node varies. Nodes that are alike as the program
   stands, and have as many elements, are and have so with any number of rows. */
bool pa_batch_varies(const pa_program *p, const pa_node *node);
bool pa_batch_alike(const pa_program *p, const pa_node *a, const pa_node *b);
bool pa_batch_same_numel(const pa_program *p, const pa_node *a, const pa_node *b);

/* Sets the program to a number of rows, if its batch axis is free. PA_UNSUPPORTED where it is not for so many, or where
   a call with another number has its backward still to come. */
pa_status pa_batch_set_rows(pa_program *p, int64_t rows);

#endif
