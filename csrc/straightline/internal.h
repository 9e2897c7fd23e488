/* What the files of straight-line code share: its ops as they were written, and the steps that they are compiled to.

       node    24 bytes an op, in the order of definition; a slot is its index
       task    what is left after rerolling: an op, or a chain  init + a_0 b_0 + a_1 b_1 + …, its terms in two lists
       step    one loop over numbers that stand side by side, or a run of scalar ops

   Compiling goes over the nodes three times and frees them; running needs the steps, the lists and the numbers. */
#ifndef PA_PROGRAM_SCODE_CODE_H
#define PA_PROGRAM_SCODE_CODE_H

#include "../kernels/kernels.h"
#include "../memory.h"
#include "straightline.h"

/* A node's code: PA_OP_leaf, an op, or one of these. */
enum {
    CODE_CONSTANT = PA_OP_COUNT,
    CODE_MULADD, /* in[0] * in[1] + in[2]: a chain of one product */
    CODE_CHAIN,
    CODE_GRADIENT /* + op * PA_MAX_OPERANDS + operand */
};

enum { IN_MAX = 4 /* operands: a gradient reads A, B, OUT and G at the most */ };

enum {
    NODE_KEPT = 1,
    NODE_LIVE = 2,
    NODE_ABSORBED = 4, /* part of a chain */
    NODE_BACKWARD = 8  /* comes from a gradient: its sums may be reordered */
};

typedef struct scode_node {
    uint16_t code;
    uint8_t where; /* bit i: an operand stands for entry i of A, B, C, OUT, G */
    uint8_t flags;
    int32_t param; /* index of a pair of parameters, or of the constant; -1 */
    int32_t in[IN_MAX];
} scode_node;

/* in: the operands. A chain: its init, its first term, the number of terms. */
typedef struct scode_task {
    uint32_t level;
    uint16_t code;
    uint8_t where, flags;
    int32_t param;
    int32_t out;
    int32_t in[IN_MAX];
} scode_task;

static inline int scode_operands(unsigned where) { return __builtin_popcount(where); }

/* ---- steps ---- */

typedef enum scode_step_kind {
    STEP_PRODUCT,
    STEP_SUMS,
    STEP_MAP,
    STEP_CALL,
    STEP_INDEXED,
    STEP_GATHER,
    STEP_SCALARS
} scode_step_kind;

/* An elementwise kernel of pa_k over rows of lanes. in[i] is entry i of its operands; at < 0: not read. */
typedef struct scode_call {
    uint16_t code;
    int32_t param;
    int32_t rows, lanes, out, out_row;
    pa_scode_operand in[5];
} scode_call;

typedef struct scode_step {
    uint8_t kind, map; /* map: pa_scode_kind */
    union {
        pa_scode_product product;
        pa_scode_sums sums;
        pa_scode_map map;
        scode_call call;
        struct {
            int32_t out, list, n; /* indexed: a list for each operand, one after the other */
        } gather, indexed;
        struct {
            int32_t first, n, out, results; /* these stand one after the other from `out` */
        } scalars;
    } of;
} scode_step;

/* Scalar ops over positions a, b, c. `last` is the result of the op before, which need not be read back from memory. */
typedef enum scode_scalar_kind {
    SCALAR_ADD,
    SCALAR_ADD_LAST, /* last + b */
    SCALAR_SUB,
    SCALAR_SUB_LAST, /* last - b */
    SCALAR_SUB_FROM, /* a - last */
    SCALAR_MUL,
    SCALAR_MUL_LAST,
    SCALAR_DIV,
    SCALAR_NEG,
    SCALAR_MULADD,
    SCALAR_MULADD_LAST, /* last * b + c */
    SCALAR_MULADD_TO,   /* a * b + last */
    SCALAR_RELU,
    SCALAR_RELU_GRADIENT,
    SCALAR_CHAIN,       /* c + products of the b pairs of positions at lists[a] */
    SCALAR_CHAIN_PARTS, /* the same, in eight interleaved parts */
    SCALAR_CALL,        /* lists[a]: code, parameters, then five positions or -1 */
    SCALAR_MIXED,       /* b ops, five positions each at lists[a]: see place.c */
} scode_scalar_kind;

typedef struct scode_scalar {
    uint16_t kind;
    int32_t a, b, c;
} scode_scalar;

struct pa_scode {
    scode_node *nodes;
    size_t n, nodes_capacity;
    double *params; /* pairs */
    size_t n_params, params_capacity;
    double *constants;
    size_t n_constants, constants_capacity;
    bool compiled;

    scode_step *steps;
    size_t n_steps, steps_capacity;
    int32_t *lists;
    size_t n_lists, lists_capacity;
    scode_scalar *scalars;
    size_t n_scalars, scalars_capacity;
    double *numbers;
    size_t n_numbers;
    int32_t *named, *named_at; /* slots of leaves and kept numbers, ascending, and their positions */
    size_t n_named;
    pa_scode_stats stats;
};

/* ---- hashing and sorting ---- */

static inline uint64_t scode_mix(uint64_t hash, uint64_t x) {
    hash = (hash ^ x) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* Open addressing over int32 ids, -1 where free. The room is for `most` ids; a use clears what it needs of it. */
typedef struct scode_table {
    int32_t *cells;
    size_t room, mask;
} scode_table;

pa_status scode_table_new(scode_table *table, size_t most);
void scode_table_free(scode_table *table);
void scode_table_clear(scode_table *table, size_t n); /* for n ids */

/* Sorts `order`, indices of `keys`, stably by key. `spare` has n entries. */
void scode_sort(int32_t *order, int32_t *spare, const uint64_t *keys, size_t n);

/* ---- stages ---- */

/* A kernel's call on pointers to entries A, B, C, OUT, G, for ops and gradients; everything is doubles. */
void scode_call_kernel(unsigned code, const double *params, double *out, const double *const in[5], int64_t n);

/* Folds, merges and marks what is live. same[slot] becomes the slot that stands for it. */
pa_status scode_simplify(pa_scode *code, int32_t *same, unsigned passes);

/* Numbers that a step has brought side by side, at `at`. */
typedef struct scode_copy {
    uint64_t hash;
    int32_t step, rows, lanes, pitch;
} scode_copy;

/* What the stages from nodes to steps work on. */
typedef struct scode_work {
    pa_scode *code;
    const int32_t *same;
    int32_t minus_one, one, minus_zero; /* slots of these constants: x = 1 x, and -0 + x = x for every x */

    scode_task *tasks;
    size_t n_tasks, tasks_room;
    int32_t *term_a, *term_b, *term_node; /* term_node: the slot that the sum up to this term has */
    size_t n_terms;

    int32_t *mates;   /* for each slot, another operand of an op that reads it; -1: none */
    int32_t *at;      /* position of each slot, -1: none yet */
    int64_t top;      /* positions that are taken */
    int32_t *pending; /* tasks that wait to be run one by one */
    size_t n_pending;
    bool dry; /* leaves are placed for the products that want them, and nothing else happens */

    /* for a group, n_tasks each or as said */
    uint64_t *keys;
    int32_t *order, *spare, *choice;
    int32_t *positions;                    /* IN_MAX + 1 a task */
    uint64_t *hashes;                      /* 2 a task */
    int32_t *ids, *parents, *local, *reps; /* 2 a task */
    int32_t *left;
    scode_table table;
    int32_t *matrix; /* grows: positions to be brought side by side, cells of a product */
    size_t matrix_room;
    scode_copy *copies; /* what was brought side by side already, by hash */
} scode_work;

/* From nodes to steps: groups, then places. */
pa_status scode_schedule(pa_scode *code, const int32_t *same, unsigned passes);

/* reroll.c: from nodes to tasks with levels. */
pa_status scode_make_tasks(scode_work *w, unsigned passes);

/* chains.c: chains of one level and one length. What is too little for a step is pending. */
pa_status scode_place_chains(scode_work *w, const int32_t *tasks, size_t n);

/* place.c: ops of one level and one code, side by side; the pending ones, one by one. */
pa_status scode_place_group(scode_work *w, const int32_t *tasks, size_t n);
pa_status scode_place_pending(scode_work *w);

enum { SCODE_COPIES = 1024 };
void scode_align(scode_work *w);                       /* the next position is a multiple of 8 */
int32_t scode_take(scode_work *w, int64_t n);          /* positions; from a multiple of 8 where n >= 8 */
int32_t scode_place(scode_work *w, int32_t slot);      /* the slot's position; a leaf or a constant gets one here */
bool scode_is_free(const scode_work *w, int32_t slot); /* a leaf or a constant without a position */
pa_status scode_matrix(scode_work *w, size_t n);       /* room for n in w->matrix; its contents are lost */
pa_status scode_list(scode_work *w, size_t n, int32_t *first);
pa_status scode_add_step(scode_work *w, scode_step step);

/* Brings rows x lanes positions side by side, unless they were before: rows of the copy are `pitch` apart. */
pa_status scode_copy_of(scode_work *w, const int32_t *positions, int32_t rows, int32_t lanes, int32_t pitch,
                        int32_t *at);

#endif
