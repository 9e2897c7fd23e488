/* A program: a recorded step compiled, and replayed without Python. This file is the data structure, and its life.

       pa_log ──lower──▶ nodes, buffers, instructions ──passes──▶ … ──plan──▶ arena ──▶ pa_program_call

   Lowering turns the log into a private copy of the graph: nodes of our own, whose memory are buffers, and a list of
   instructions over them, gradients and updates included. The passes, each a function over the program, make it smaller
   and quicker; the plan gives each buffer that lives for a while a place in one arena. What a call binds (arguments,
   captured tensors, results) are buffers too, whose address is set at each call.

       node ── (buffer, offset) ──▶ pa_buffer ── at ──▶ arena │ argument │ captured │ gradient │ result │ constant

   Replay reads and writes these alone: no Python object, no node of the user's graph, no allocation. So it needs no
   GIL. Of a step over Values, straight-line code (values.h) stands in the place of nodes and instructions. */
#ifndef PA_PROGRAM_H
#define PA_PROGRAM_H

#include "../graph.h"
#include "../kernels/kernels.h"
#include "values.h"

/* The passes that may be switched off, by name. */
#define PA_PASS_MAP(X)                                                                                                 \
    X(CONSTANTS, "constants") /* what depends on constants alone is computed once */                                   \
    X(COMMON, "common")       /* the same op on the same operands is computed once */                                  \
    X(DEAD, "dead")           /* what nothing depends on is left out */                                                \
    X(FUSE, "fuse")           /* elementwise ops run block by block; linear is fused with the ReLU that follows it */  \
    X(PLAN, "plan")           /* buffers share memory where their lives do not meet */                                 \
    X(REDUCTIONS, "reroll")   /* straight-line code: sums of products become dot products */                           \
    X(PACKS, "group")         /* straight-line code: equal ops become vector loops */

/* clang-format off */
enum {
#define X(name, words) PA_PASS_##name##_INDEX,
    PA_PASS_MAP(X)
#undef X
    PA_PASS_COUNT,
#define X(name, words) PA_PASS_##name = 1 << PA_PASS_##name##_INDEX,
    PA_PASS_MAP(X)
#undef X
    PA_ALL_PASSES = (1 << PA_PASS_COUNT) - 1
};
/* clang-format on */
PA_INTERNAL extern const char *const pa_pass_names[PA_PASS_COUNT];

typedef enum pa_buffer_kind {
    PA_BUFFER_ARENA,          /* inside the step */
    PA_BUFFER_CONSTANT,       /* filled when the program was compiled */
    PA_BUFFER_INPUT,          /* an argument's data */
    PA_BUFFER_CAPTURED,       /* a captured tensor's data */
    PA_BUFFER_GRADIENT,       /* a captured tensor's gradient, as the step leaves it */
    PA_BUFFER_ENTRY_GRADIENT, /* a captured tensor's gradient, as the step finds it */
    PA_BUFFER_HANDED,         /* a gradient that goes on into the caller's graph */
    PA_BUFFER_RESULT          /* handed out */
} pa_buffer_kind;

typedef struct pa_buffer {
    uint8_t kind;
    bool is_block; /* only one fusion group uses it, and it holds a block at a time */
    size_t bytes;
    size_t room;         /* in the arena */
    int32_t like;        /* a node of whose shape it is, where the batch axis is free; else -1 */
    int32_t first, last; /* the instructions between which it lives; -1: never */
    size_t offset;       /* in the arena */
    int32_t also;        /* HANDED: to the same tensor, from another part; or -1 */
    int32_t nodes;       /* the first node over it, once they are listed; -1: none */
    char *at;
} pa_buffer;

typedef enum pa_instruction_kind {
    PA_DO_FORWARD,  /* node's op, from its parents */
    PA_DO_MAP,      /* the same, elementwise, operands that can be read where they stand */
    PA_DO_FUSED,    /* a fusion group: `n` instructions of kind MAP and GRADIENT, from `targets` on in p->fused */
    PA_DO_SEED,     /* gradient := 1, or source */
    PA_DO_BACKWARD, /* node's op: from its gradient to those of its parents */
    PA_DO_GRADIENT, /* the same for one operand of an elementwise op, read and written where it stands */
    PA_DO_ADD,      /* gradient += targets[0]: what a sweep found is added to what was there */
    PA_DO_COPY,     /* node := source, of the same size and dtype */
    PA_DO_WRITE,    /* node := source, broadcast and converted */
    PA_DO_UPDATE,   /* an optimiser's step; source: which; pool: n gradients, or -1, then n nodes */
    PA_DO_ZERO,     /* gradient := 0 */
    PA_DO_CLIP,     /* gradients := scaled to a norm; node: their norm before; pool: as in UPDATE */
    PA_DO_FILL,     /* node := draws, of the thread's stream or of a Generator whose state source is */
    PA_DO_HOST,     /* Python called; source: which of p->hosts; pool: n operands, then the results */
    PA_DO_UPSTREAM, /* gradient := or += what the caller's graph gives for result `source` */
    PA_DO_CHECK,    /* fails where the gradient of operand `operand` of node is no number, or infinite */
    PA_DO_NOTHING
} pa_instruction_kind;

typedef struct pa_instruction {
    uint8_t kind;
    uint8_t operand;  /* GRADIENT, CHECK: which; CLIP: must the norm be finite?; FILL: pa_fill_kind */
    bool accumulate;  /* GRADIENT, UPSTREAM */
    bool relu;        /* FORWARD of linear: fused with the ReLU that follows it */
    bool mask;        /* BACKWARD of linear: fused with that of the ReLU before it, whose result operand 0 is */
    int32_t node;     /* -1: none */
    int32_t source;   /* another node: what is copied, written, seeded; BACKWARD of custom: which host; -1: none */
    int32_t gradient; /* buffer, -1: none */
    /* Further buffers, from `targets` on in the pool. BACKWARD: of each parent, with PA_TARGET_ACCUMULATES, or -1; of
       custom, behind these whether its backward gives a gradient of each */
    int32_t n, targets;
    /* Of what may fail, or calls Python: which leaves the step has changed before it, from `leaves` on in the pool */
    int32_t n_leaves, leaves;
    int32_t entry; /* likewise: of the log, that it came from */
    pa_map_fn *map;
    union {
        double params[PA_MAX_PARAMS]; /* CLIP: norm and its order; FILL: bounds */
        int64_t whole[2];             /* FILL with integers: bounds */
    };
} pa_instruction;

enum { PA_TARGET_ACCUMULATES = 1 << 30 }; /* the buffer is added to */

/* The state of a leaf's gradient, where no buffer holds it. */
enum { PA_GRADIENT_AS_FOUND = -2, PA_GRADIENT_CLEARED = -1 };

/* What the step has made of a leaf before an instruction that may fail, which stands where it does. */
enum { PA_LEAF_CAPTURED, PA_LEAF_GRADIENT, PA_LEAF_SHARES_MEMORY, PA_LEAF_REQUIRES_GRAD, PA_LEAF_FIELDS };

/* A tensor or Value that the step reads without being given it, or whose gradient it changes: a parameter, say. */
typedef struct pa_captured {
    pa_node *node;                            /* held; NULL where it is an argument */
    int32_t buffer;                           /* of its data, or -1 */
    int32_t gradient;                         /* buffer of its gradient as the step leaves it, or the state */
    int32_t entry;                            /* buffer of its gradient as the step finds it, or -1 */
    bool requires_grad, leaves_requires_grad; /* when the step begins, and when it ends */
    bool written;                             /* its data are */
    bool entry_matters;          /* whether it has a gradient at the beginning decides what the step does */
    bool entry_present;          /* and then it had one */
    int32_t entry_is;            /* buffer of another tensor, which its gradient at the beginning has to be; or -1 */
    bool shares_gradient;        /* as the step leaves it: it is another tensor's buffer */
    bool shares_memory;          /* and then not that tensor, but one over its memory */
    bool is_assigned;            /* it is a tensor that the step has made before it became the gradient */
    int32_t input;               /* the argument that it is; -1: none */
    int32_t handed;              /* buffer of the gradient that goes on into the caller's graph, or -1 */
    bool swept;                  /* a backward() of the step ends at it */
    bool meets_hooks, is_hooked; /* a sweep of the step calls its hooks; it has some, called as this tensor has them */
    bool is_placed;              /* the guards hold its Python object, in a place */
    int32_t result;              /* the result that it is itself; -1: none */
    int32_t next;                /* the result that stands in its place after a call: state; -1: it stays */
    pa_node *fresh;              /* of the call under way: what becomes its .grad */
    bool shown;                  /* to a host call under way, as the step has made it so far */
} pa_captured;

typedef struct pa_input {
    uint8_t dtype, ndim;
    bool is_number, is_value, requires_grad;
    bool is_batch;    /* its first axis is the free one */
    bool meets_hooks; /* a sweep of the step would call its hooks: it has none */
    int64_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM];
    int32_t buffer; /* -1: not used */
    int32_t result; /* the result that it is itself; -1: none */
    double number;  /* of a float argument: where its buffer points */
} pa_input;

typedef struct pa_result {
    int32_t node;     /* of the program */
    int32_t buffer;   /* its own, or that of which it is copied */
    bool copied;      /* a view, an input, a parameter: its elements are gathered at the end */
    bool is_place;    /* an argument or a captured tensor itself, or, */
    bool is_gradient; /* the gradient of one itself, as the step finds it or leaves it */
    bool is_view;     /* of one of these */
    int32_t memory;   /* the first of several results that lie in one memory, in which it lies too; -1: in its own */
    bool is_put;      /* goes into a place of the world */
    bool is_number, is_value;
    bool requires_grad;              /* a leaf that the step makes */
    bool retains_grad;               /* no leaf, and keeps its gradient all the same */
    int32_t gradient;                /* buffer of what becomes its gradient, or -1 */
    bool is_noted;                   /* appended to a list: `run` notes those of every step */
    int32_t carried;                 /* of a put: the captured tensor whose place it takes; -1: none */
    int32_t number;                  /* likewise the input, which is a number */
    int32_t part;                    /* of the program's history, if a gradient flows through it; or -1 */
    int64_t upstream, upstream_came; /* where, among the gradients of all results, its own begins, and the mark of it */
} pa_result;

/* The C side of one optimiser group: addresses in Python's _Plan, which the caller keeps alive. */
typedef struct pa_update_plan {
    int kind, n;
    pa_node **params, **state;
    int64_t *steps;
    const pa_hyper *hyper; /* Python's, and read at each step; NULL where there is none any more */
    bool fits;             /* had each state its parameter's layout when they were bound? */
    /* Where each state of all parameters stands side by side, as that of Values does; NULL where it does not */
    double *block[3];
} pa_update_plan;

/* A Python callable of the step (host.h). */
typedef struct pa_host {
    void *function; /* held */
    int32_t n_results;
    bool keeps_history; /* the grad mode in which it is called */
    bool is_hook;       /* of a gradient, in a sweep */
} pa_host;

/* What a program's backward reads, or hands a gradient to: an argument or a captured tensor, or another result. */
typedef struct pa_operand {
    int32_t input, captured, result; /* which; -1: it is none; a result among Values alone */
    int32_t buffer;                  /* of its data, where the backward reads them, or -1 */
    int32_t gradient;                /* the buffer of what goes on to it, or -1 */
    size_t scratch; /* where that is made if the caller's graph has a gradient already, which it is added to */
} pa_operand;

/* Results that share what they are computed of, beyond arguments and captured tensors, and the backward from them. */
typedef struct pa_part {
    int32_t begin, end; /* its instructions */
    bool is_stale;      /* the step itself has written over what it reads */
    bool is_empty;      /* it has joined another */
    pa_dtype dtype;     /* of the gradients of its results, which stand one behind the other: */
    int64_t numel;      /* so many elements, marks included */
    pa_operand *operands;
    int32_t n_operands;
    size_t scratch_bytes;
    /* Of a step over Values: the buffer of d result / d operand, which the step itself computes; else -1. The operands'
       numbers when they were captured stand in the pool until the program is compiled, and -1 - r for result r. */
    int32_t jacobian, captured;
} pa_part;

/* What makes a program an op of its caller's graph, an op for each part (history.h). */
typedef struct pa_history {
    int32_t split; /* the first instruction of all backwards; n_code where there is none */
    pa_part *parts;
    int32_t n_parts;
    int32_t *savers; /* nodes whose forward saves something for their backward */
    int32_t n_savers;
    const char *upstream; /* while a part's backward runs: the gradients of its results */
    pa_dtype dtype;       /* and theirs */
    bool *present;        /* has this buffer a gradient? NULL while none runs */
    bool *present_room;
} pa_history;

typedef struct pa_program {
    int32_t refs;  /* the owner's, and those of calls whose backward is still to come */
    uint32_t busy; /* pa_process while it runs */
    unsigned passes;
    const pa_kernels *kernels; /* of the instruction set that it was compiled for */
    pa_node **nodes;           /* private; `mark` is a node's index */
    int32_t *buffer_of;        /* of each node */
    int32_t *next_over;        /* of each node: the next over the same buffer, or -1; NULL until they are listed */
    int64_t *offset_of;        /* bytes into it */
    const pa_node **likes;     /* in whose shape each was made, while the program is lowered */
    int32_t n_nodes;
    size_t nodes_capacity, buffer_of_capacity, offset_of_capacity, likes_capacity;
    pa_buffer *buffers;
    int32_t n_buffers;
    size_t buffers_capacity;
    pa_instruction *code;
    int32_t n_code;
    size_t code_capacity;
    pa_instruction *fused; /* what the fusion groups run */
    int32_t n_fused;
    size_t fused_capacity;
    int32_t *pool; /* buffers and nodes that instructions list */
    int32_t n_pool;
    size_t pool_capacity;
    pa_captured *captured;
    int32_t n_captured;
    size_t captured_capacity;
    /* The first so many are bound and checked at each call; the others are Values, whose numbers stay where they are */
    int32_t n_bound;
    pa_input *inputs;
    int32_t n_inputs;
    pa_result *results;
    int32_t n_results;
    bool moves_places; /* a step leaves other tensors in places than it finds there */
    pa_update_plan *updates;
    int32_t n_updates;
    size_t updates_capacity;
    pa_host *hosts;
    int32_t n_hosts;
    size_t hosts_capacity;
    void *owner;         /* Python's object, for its host calls */
    pa_node *const *in;  /* the arguments of the call under way */
    pa_node **constants; /* held */
    int32_t n_constants;
    size_t constants_capacity;
    pa_storage *memory; /* what every private node's storage is */
    pa_storage *arena;  /* shared with the calls whose backward is still to come */
    size_t arena_bytes, tensor_bytes;
    char *scratch;
    size_t scratch_bytes;
    double flops;
    int32_t n_recorded, n_fusions; /* ops in the log; instructions that do the work of several */
    bool warm;                     /* it has run once, and every op has the memory that it keeps from run to run */
    bool sets_gradients, shares_gradients;
    bool checks_gradients;        /* a sweep may fail, and gradients are then as they were found */
    const pa_instruction *failed; /* of the step made last */
    pa_values *values;            /* a step over Values */
    pa_history history;
    struct pa_batch *batch; /* its batch axis is free (batch.h); else NULL */
} pa_program;

/* The owner's end: captured tensors are let go of, all else when no call has its backward to come. NULL is fine. */
void pa_program_free(pa_program *program);
void pa_program_release(pa_program *program);

pa_status pa_program_new_buffer(pa_program *p, pa_buffer_kind kind, size_t bytes, int32_t *out);

/* A node of the program's own in the shape of one of the user's, over a buffer, `offset` bytes into it. */
pa_status pa_program_new_node(pa_program *p, const pa_node *like, bool contiguous, int32_t buffer, int64_t offset,
                              int32_t *out);

/* Room for n entries in the pool. */
pa_status pa_program_new_targets(pa_program *p, int32_t n, int32_t *out);

/* Holds a constant, and the program has it released. */
pa_status pa_program_keep_constant(pa_program *p, pa_node *constant);

/* Holds a callable. */
pa_status pa_program_keep_host(pa_program *p, void *function, int32_t *out);

pa_status pa_program_emit(pa_program *p, const pa_instruction *instruction);

/* Lists the nodes over each buffer, when the passes have made them all, so that a call finds those that it moves. */
pa_status pa_program_list_nodes(pa_program *p);

/* Points a buffer, and the nodes over it, at memory. */
void pa_program_place(pa_program *p, int32_t buffer, char *at);

/* Another arena, and every node at its place in it. */
void pa_program_move(pa_program *p, pa_storage *arena);
static inline char *pa_buffer_at(const pa_program *p, int32_t buffer) { return p->buffers[buffer].at; }

/* Says that a result is a put. `before`: what its place has held, NULL where the step does not read it. */
void pa_program_set_put(pa_program *p, int32_t result, const pa_node *before);

/* Bytes that ops keep from run to run, such as a cross-entropy's probabilities; known once it has run. */
size_t pa_program_saved_bytes(const pa_program *p);

#endif
