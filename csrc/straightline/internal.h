/* What the files of straight-line code share: its ops as they were written, and the instructions that they are compiled to.

       node    24 bytes an op, in the order of definition; a reg is its index
       op    what is left after rerolling: an op, or a reduction  init + a_0 b_0 + a_1 b_1 + …, its terms in two lists
       instruction    one loop over numbers that stand side by side, or a run of scalar ops

   Compiling goes over the nodes three times and frees them; running needs the instructions, the lists and the numbers. */
#ifndef PA_STRAIGHTLINE_INTERNAL_H
#define PA_STRAIGHTLINE_INTERNAL_H

#include "../kernels/kernels.h"
#include "../table.h"
#include "straightline.h"

/* A node's code: PA_OP_leaf, an op, or one of these. */
enum {
    SL_CODE_CONSTANT = PA_OP_COUNT,
    SL_CODE_MULADD, /* in[0] * in[1] + in[2]: a reduction of one product */
    SL_CODE_REDUCTION,
    SL_CODE_GRADIENT /* + op * PA_MAX_OPERANDS + operand */
};

enum { IN_MAX = 4 /* operands: a gradient reads A, B, OUT and G at the most */ };

enum {
    SL_KEPT = 1,
    SL_LIVE = 2,
    SL_ABSORBED = 4, /* part of a reduction */
    SL_BACKWARD = 8  /* comes from a gradient: its sums may be reordered */
};

typedef struct sl_node {
    uint16_t code;
    uint8_t where; /* bit i: an operand stands for entry i of A, B, C, OUT, G */
    uint8_t flags;
    int32_t param; /* index of a pair of parameters, or of the constant; -1 */
    int32_t in[IN_MAX];
} sl_node;

/* in: the operands. A reduction: its init, its first term, the number of terms. */
typedef struct sl_op {
    uint32_t level;
    uint16_t code;
    uint8_t where, flags;
    int32_t param;
    int32_t out;
    int32_t in[IN_MAX];
} sl_op;

static inline int sl_operands(unsigned where) { return __builtin_popcount(where); }

/* ---- instructions ---- */

typedef enum sl_instruction_kind {
    SL_DO_PRODUCT,
    SL_DO_SUMS,
    SL_DO_MAP,
    SL_DO_CALL,
    SL_DO_INDEXED,
    SL_DO_GATHER,
    SL_DO_SCALARS
} sl_instruction_kind;

/* An elementwise kernel of pa_k over rows of lanes. in[i] is entry i of its operands; at < 0: not read. */
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
            int32_t out, list, n; /* indexed: a list for each operand, one after the other */
        } gather, indexed;
        struct {
            int32_t first, n, out, results; /* these stand one after the other from `out` */
        } scalars;
    } of;
} sl_instruction;

/* Scalar ops over positions a, b, c. `last` is the result of the op before, which need not be read back from memory. */
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
    SL_SCALAR_MIXED,              /* b ops, five positions each at lists[a]: see layout.c */
} sl_scalar_kind;

typedef struct sl_scalar {
    uint16_t kind;
    int32_t a, b, c;
} sl_scalar;

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
    int32_t *named, *named_at; /* registers of leaves and kept numbers, ascending, and their positions */
    size_t n_named;
    pa_straightline_stats stats;
};

/* Sorts `order`, indices of `keys`, stably by key. `spare` has n entries. */
void sl_sort(int32_t *order, int32_t *spare, const uint64_t *keys, size_t n);

/* ---- stages ---- */

/* A kernel's call on pointers to entries A, B, C, OUT, G, for ops and gradients; everything is doubles. */
void sl_call_kernel(unsigned code, const double *params, double *out, const double *const in[5], int64_t n);

/* Folds, merges and marks what is live. same[reg] becomes the reg that stands for it. */
pa_status sl_simplify(pa_straightline *code, int32_t *same, unsigned passes);

/* Numbers that an instruction has brought side by side, at `at`. */
typedef struct sl_copy {
    uint64_t hash;
    int32_t instruction, rows, lanes, pitch;
} sl_copy;

/* What the stages from nodes to instructions work on. */
typedef struct sl_work {
    pa_straightline *code;
    const int32_t *same;
    int32_t minus_one, one, minus_zero; /* registers of these constants: x = 1 x, and -0 + x = x for every x */

    sl_op *ops;
    size_t n_ops, ops_room;
    int32_t *term_a, *term_b, *term_node; /* term_node: the reg that the sum up to this term has */
    size_t n_terms;

    int32_t *mates;   /* for each reg, another operand of an op that reads it; -1: none */
    int32_t *at;      /* position of each reg, -1: none yet */
    int64_t top;      /* positions that are taken */
    int32_t *pending; /* ops that wait to be run one by one */
    size_t n_pending;
    bool dry; /* leaves are placed for the products that want them, and nothing else happens */

    /* for a pack, n_ops each or as said */
    uint64_t *keys;
    int32_t *order, *spare, *choice;
    int32_t *positions;                    /* IN_MAX + 1 an op */
    uint64_t *hashes;                      /* 2 an op */
    int32_t *ids, *parents, *local, *reps; /* 2 an op */
    int32_t *left;
    pa_table table;
    int32_t *matrix; /* grows: positions to be brought side by side, cells of a product */
    size_t matrix_room;
    sl_copy *copies; /* what was brought side by side already, by hash */
} sl_work;

/* From nodes to instructions: packs, then places. */
pa_status sl_pack_and_lay_out(pa_straightline *code, const int32_t *same, unsigned passes);

/* reductions.c: from nodes to ops with levels. */
pa_status sl_recognise_reductions(sl_work *w, unsigned passes);

/* reductions.c: reductions of one level and one length. What is too little for an instruction is pending. */
pa_status sl_place_reductions(sl_work *w, const int32_t *ops, size_t n);

/* layout.c: ops of one level and one code, side by side; the pending ones, one by one. */
pa_status sl_place_pack(sl_work *w, const int32_t *ops, size_t n);
pa_status sl_place_pending(sl_work *w);

enum { SL_COPIES = 1024 };
void sl_align(sl_work *w);                          /* the next position is a multiple of 8 */
int32_t sl_take(sl_work *w, int64_t n);             /* positions; from a multiple of 8 where n >= 8 */
int32_t sl_place(sl_work *w, int32_t reg);          /* the reg's position; a leaf or a constant gets one here */
bool sl_is_unplaced(const sl_work *w, int32_t reg); /* a leaf or a constant without a position */
pa_status sl_need_matrix(sl_work *w, size_t n);     /* room for n in w->matrix; its contents are lost */
pa_status sl_new_list(sl_work *w, size_t n, int32_t *first);
pa_status sl_add_instruction(sl_work *w, sl_instruction instruction);

/* Brings rows x lanes positions side by side, unless they were before: rows of the copy are `pitch` apart. */
pa_status sl_copy_of(sl_work *w, const int32_t *positions, int32_t rows, int32_t lanes, int32_t pitch, int32_t *at);

#endif
