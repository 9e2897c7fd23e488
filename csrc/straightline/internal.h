/* What the files of this folder share: the data structures that straight-line code passes through on its way.

       sl_node          an op as the caller wrote it down; a register is its index
       sl_op            what is left to compute: an op, or a reduction  init + a_0 b_0 + a_1 b_1 + …
       sl_instruction   a vector loop over numbers that stand side by side, or a run of scalar ops

   Compiling goes from nodes to ops to instructions and frees the first two; running needs the instructions, their lists
   of positions and the numbers. */
#ifndef PA_STRAIGHTLINE_INTERNAL_H
#define PA_STRAIGHTLINE_INTERNAL_H

#include "../kernels/kernels.h"
#include "../table.h"
#include "straightline.h"

/* ---- as written ---- */

/* What a node or an op computes: PA_OP_leaf, an op of ops.def, or one of these. */
enum {
    SL_CODE_CONSTANT = PA_OP_COUNT,
    SL_CODE_MULADD, /* in[0] * in[1] + in[2]: a reduction of one product */
    SL_CODE_REDUCTION,
    SL_CODE_GRADIENT, /* + op * PA_MAX_OPERANDS + operand */
    SL_CODE_RELU_GRADIENT = SL_CODE_GRADIENT + PA_OP_relu * PA_MAX_OPERANDS
};

enum { SL_MAX_OPERANDS = 4 /* a gradient reads A, B, OUT and G at the most */ };

enum {
    SL_KEPT = 1,
    SL_LIVE = 2,
    SL_ABSORBED = 4, /* part of a reduction */
    SL_BACKWARD = 8  /* comes from a gradient: its sums may be reordered */
};

typedef struct sl_node {
    uint16_t code;
    uint8_t roles; /* bit i: an operand is entry i of A, B, C, OUT, G */
    uint8_t flags;
    int32_t param; /* index of a pair of parameters, or of the constant; -1 */
    int32_t in[SL_MAX_OPERANDS];
} sl_node;

/* ---- to be computed ---- */

typedef struct sl_op {
    uint32_t level; /* of the schedule: above the levels of all operands */
    uint16_t code;
    uint8_t roles, flags;
    int32_t param;
    int32_t out;                 /* register of the result */
    int32_t in[SL_MAX_OPERANDS]; /* registers; of a reduction: its init, its first term, the number of terms */
} sl_op;

static inline int sl_operands(unsigned roles) { return __builtin_popcount(roles); }

/* ---- compiled ---- */

typedef enum sl_instruction_kind {
    SL_DO_PRODUCT, /* reductions as a product of matrices */
    SL_DO_SUMS,    /* reductions side by side */
    SL_DO_MAP,     /* arithmetic over rows of lanes */
    SL_DO_CALL,    /* any other op over rows of lanes */
    SL_DO_INDEXED, /* arithmetic whose operands are read by position */
    SL_DO_GATHER,  /* copies numbers side by side */
    SL_DO_SCALARS  /* ops one by one */
} sl_instruction_kind;

/* An elementwise kernel of pa_k over rows of lanes. in[i] is entry i of A, B, C, OUT, G; at < 0: not read. */
typedef struct sl_call {
    uint16_t code;
    int32_t param;
    int32_t rows, lanes, out, out_row;
    pa_straightline_operand in[5];
} sl_call;

typedef struct sl_instruction {
    uint8_t kind, map; /* map: pa_map_kind */
    union {
        pa_straightline_product product;
        pa_straightline_sums sums;
        pa_straightline_map map;
        sl_call call;
        struct {
            int32_t out, list, n; /* indexed: a list for each operand, one behind the other */
        } gather, indexed;
        struct {
            int32_t first, n, out, results; /* the results stand one behind the other from `out` */
        } scalars;
    } of;
} sl_instruction;

/* Scalar ops over positions a, b, c. `last` is the result of the op before, still in a machine register. */
typedef enum sl_scalar_kind {
    SL_SCALAR_ADD,
    SL_SCALAR_ADD_LAST, /* last + b */
    SL_SCALAR_SUB,
    SL_SCALAR_SUB_LAST, /* last - b */
    SL_SCALAR_SUB_FROM, /* a - last */
    SL_SCALAR_MUL,
    SL_SCALAR_MUL_LAST,
    SL_SCALAR_DIV,
    SL_SCALAR_NEG,
    SL_SCALAR_MULADD,
    SL_SCALAR_MULADD_LAST, /* last * b + c */
    SL_SCALAR_MULADD_TO,   /* a * b + last */
    SL_SCALAR_RELU,
    SL_SCALAR_RELU_GRADIENT,
    SL_SCALAR_REDUCTION,          /* c + products of the b pairs of positions at lists[a] */
    SL_SCALAR_REDUCTION_IN_PARTS, /* the same, in eight interleaved parts */
    SL_SCALAR_CALL,               /* lists[a]: code, parameters, then five positions or -1 */
    SL_SCALAR_MIXED,              /* b ops, five positions each at lists[a]: see scalars.c */
} sl_scalar_kind;

typedef struct sl_scalar {
    uint16_t kind;
    int32_t a, b, c;
} sl_scalar;

/* Nodes, constants and parameters while the code is written down; the rest once it is compiled. */
struct pa_straightline {
    sl_node *nodes;
    size_t n, nodes_capacity;
    double *params; /* pairs */
    size_t n_params, params_capacity;
    double *constants;
    size_t n_constants, constants_capacity;
    bool compiled;

    sl_instruction *instructions;
    size_t n_instructions, instructions_capacity;
    int32_t *lists;
    size_t n_lists, lists_capacity;
    sl_scalar *scalars;
    size_t n_scalars, scalars_capacity;
    double *numbers;
    size_t n_numbers;
    int32_t *named, *named_at; /* registers that the caller can ask for, ascending, and their positions */
    size_t n_named;
    pa_straightline_stats stats;
};

/* ---- the stages, from the last to the first ---- */

/* run.c: a kernel's call on pointers to entries A, B, C, OUT, G, for ops and gradients; everything is doubles. */
void sl_call_kernel(unsigned code, const double *params, double *out, const double *const in[5], int64_t n);

/* Numbers that an instruction has brought side by side. */
typedef struct sl_copy {
    uint64_t hash;
    int32_t instruction, rows, lanes, pitch;
} sl_copy;

enum { SL_COPIES = 1024 };

/* What the stages from nodes to instructions work on. */
typedef struct sl_work {
    pa_straightline *code;
    unsigned passes;
    const int32_t *leader;              /* of each register: the one that stands for it */
    int32_t minus_one, one, minus_zero; /* registers of these constants: x = 1 x, and x = -0 + x for every x */

    sl_op *ops;
    size_t n_ops, ops_capacity;
    int32_t *term_a, *term_b, *term_sum; /* of each term of a reduction: its factors, and the sum up to it */
    size_t n_terms;

    int32_t *sorted; /* the ops, pack by pack */
    int32_t *starts; /* where each pack begins there, and the end */
    size_t n_packs;

    int32_t *mates;   /* of each register: another operand of an op that reads it; -1: none */
    int32_t *at;      /* of each register: its position; -1: none yet */
    int64_t top;      /* positions that are taken */
    int32_t *pending; /* ops that wait to be run one by one */
    size_t n_pending;
    bool only_leaves; /* leaves get the positions that products want, and no instruction is made */

    /* Scratch of a stage: n_ops each, or as said. */
    uint64_t *keys;
    int32_t *order, *spare, *choice;
    int32_t *positions;                    /* SL_MAX_OPERANDS + 1 an op */
    uint64_t *hashes;                      /* 2 an op */
    int32_t *ids, *parents, *local, *reps; /* 2 an op */
    int32_t *rest;
    pa_table table;
    int32_t *matrix; /* positions of rows x lanes numbers */
    size_t matrix_capacity;
    sl_copy *copies; /* what was brought side by side already, by hash */

    int32_t *register_block, *op_block; /* the memory of what has an entry a register or an op */
} sl_work;

/* layout.c: the positions of numbers, and the instructions over packs of equal ops. */
int32_t sl_take(sl_work *w, int64_t n);             /* new positions; from a multiple of 8 where n >= 8 */
void sl_align(sl_work *w);                          /* the next one is a multiple of 8 */
int32_t sl_position(sl_work *w, int32_t reg);       /* a register's; it is given one here if it has none */
bool sl_is_unplaced(const sl_work *w, int32_t reg); /* a leaf or a constant without a position */
pa_status sl_reserve_matrix(sl_work *w, size_t n);  /* room for n in w->matrix, whose contents are lost */
pa_status sl_new_list(sl_work *w, size_t n, int32_t *first);
pa_status sl_add_instruction(sl_work *w, sl_instruction instruction);
pa_map_kind sl_map_of(unsigned code); /* the loop that computes the code, or PA_MAP_KINDS */

/* Brings rows x lanes positions side by side, unless they were before: rows of the copy are `pitch` apart. */
pa_status sl_copy_of(sl_work *w, const int32_t *positions, int32_t rows, int32_t lanes, int32_t pitch, int32_t *at);
pa_status sl_emit_pack(sl_work *w, const int32_t *ops, size_t n);

/* Sorts `order`, indices of `keys`, stably by key. `spare` has n entries. */
void sl_sort(int32_t *order, int32_t *spare, const uint64_t *keys, size_t n);

/* scalars.c: ops that are too few for a vector loop wait, and become one run of scalar ops. */
void sl_defer(sl_work *w, const int32_t *ops, size_t n);
pa_status sl_emit_deferred(sl_work *w);

/* products.c: a pack of reductions. */
pa_status sl_emit_reductions(sl_work *w, const int32_t *ops, size_t n);

/* reductions.c: from nodes to ops with levels. */
pa_status sl_recognise_reductions(sl_work *w);

/* pack.c: from nodes to instructions. */
pa_status sl_schedule(pa_straightline *code, const int32_t *leader, unsigned passes);

/* simplify.c: folds constants, merges equal ops, marks what is live, and fills in the leaders. */
pa_status sl_new_constant(pa_straightline *code, double value, int32_t *index);
pa_status sl_simplify(pa_straightline *code, int32_t *leader, unsigned passes);

#endif
