/* A program: a recorded step compiled, and replayed without Python.

       pa_log ──lower──▶ nodes, buffers, code ──passes──▶ … ──plan──▶ arena ──▶ pa_program_call

   Lowering turns the log into a private copy of the graph: nodes of our own, whose memory are buffers, and a list of
   instructions over them, gradients and updates included. The passes, each a function over the program, make it smaller and
   quicker; the plan gives each buffer that lives for a while a place in one arena. What a call binds (arguments, parameters,
   results) are buffers too, whose address is set at each call.

       node ── (buffer, offset) ──▶ pa_buffer ── at ──▶ arena │ argument │ parameter │ gradient │ result │ constant

   Replay reads and writes these alone: no Python object, no node of the user's graph, no allocation. So it needs no GIL. */
#ifndef PA_PROGRAM_H
#define PA_PROGRAM_H

#include "../kernels/kernels.h"
#include "../record.h"

/* The passes that may be switched off, by name. */
#define PA_PASS_MAP(X)                                                                                                 \
    X(CONSTANTS, "constants") /* what depends on constants alone is computed once */                                   \
    X(COMMON, "common")       /* the same op on the same operands is computed once */                                  \
    X(DEAD, "dead")           /* what nothing depends on is left out */                                                \
    X(FUSE, "fuse")           /* chains of elementwise ops run block by block; linear takes its ReLU along */          \
    X(PLAN, "plan")           /* buffers share memory where their lives do not meet */                                 \
    X(REROLL, "reroll")       /* scalar code: multiply-add chains become dot products */                               \
    X(GROUP, "group")         /* scalar code: equal ops become vector loops */

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
    PA_BUFFER_EXTERNAL,       /* a parameter's data */
    PA_BUFFER_GRADIENT,       /* a parameter's gradient, as it is left behind */
    PA_BUFFER_ENTRY_GRADIENT, /* a parameter's gradient, as it was found */
    PA_BUFFER_RESULT          /* handed out */
} pa_buffer_kind;

typedef struct pa_buffer {
    uint8_t kind;
    int32_t index; /* of the input, external or result */
    size_t bytes;
    bool is_block;       /* it lives inside one CHAIN, and holds a block at a time */
    int32_t first, last; /* the instructions between which it lives; -1: never */
    size_t offset;       /* in the arena */
    char *at;
} pa_buffer;

typedef enum pa_instruction_kind {
    PA_DO_FORWARD,  /* node's op, from its parents */
    PA_DO_MAP,      /* the same, elementwise, operands that can be read where they stand */
    PA_DO_CHAIN,    /* `n` instructions of kind MAP and GRADIENT, from `targets` on in p->chained, block by block */
    PA_DO_SEED,     /* gradient := 1, or operand node */
    PA_DO_BACKWARD, /* node's op: from its gradient to those of its parents */
    PA_DO_GRADIENT, /* the same for one operand of an elementwise op, read and written where it stands */
    PA_DO_ADD,      /* gradient += targets[0]: what a sweep found joins what was there */
    PA_DO_COPY,     /* node := operand, of the same size and dtype */
    PA_DO_WRITE,    /* node := operand, broadcast and converted */
    PA_DO_UPDATE,   /* an optimiser's step; source: which; pool: n gradients, or -1, then n nodes */
    PA_DO_ZERO,     /* gradient := 0 */
    PA_DO_CLIP,     /* gradients := scaled to a norm; node: their norm before; pool: as in UPDATE */
    PA_DO_FILL,     /* node := draws */
    PA_DO_NOTHING
} pa_instruction_kind;

typedef struct pa_instruction {
    uint8_t kind;
    uint8_t operand;  /* GRADIENT: which */
    bool accumulate;  /* GRADIENT */
    bool relu;        /* FORWARD of linear: it takes the ReLU behind it along */
    bool mask;        /* BACKWARD of linear: it takes the ReLU before it along, whose result operand 0 is */
    int32_t node;     /* -1: none */
    int32_t source;   /* another node: what is copied, written, seeded; -1: none */
    int32_t gradient; /* buffer, -1: none */
    /* Further buffers, in the program's pool. BACKWARD: of each parent, with PA_TARGET_ACCUMULATES where added to, or -1 */
    int32_t n, targets;
    pa_map_fn *map;
    double params[PA_MAX_PARAMS];
} pa_instruction;

enum { PA_TARGET_ACCUMULATES = 1 << 30 };

typedef struct pa_external {
    pa_node *node;    /* held */
    int32_t buffer;   /* of its data, or -1 */
    int32_t gradient; /* buffer of its gradient as the step leaves it; -1: none; -2: as it was found */
    int32_t entry;    /* buffer of its gradient as the step finds it, or -1 */
    bool requires_grad;
    bool written;       /* its data are */
    bool entry_matters; /* whether it has a gradient at the beginning decides what the step does */
    bool entry_present; /* and then it had one */
    bool clears;        /* the step leaves no gradient */
    int32_t input;      /* it is this argument, and `node` that of the call under way; -1: it is not */
    pa_node *fresh;     /* of the call under way: what becomes its .grad */
} pa_external;

typedef struct pa_input {
    uint8_t dtype, ndim;
    bool is_number, is_value, requires_grad;
    int64_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM];
    int32_t buffer; /* -1: not used */
    double number;  /* of a float argument: where its buffer points */
} pa_input;

typedef struct pa_result {
    int32_t node;   /* of the program */
    int32_t buffer; /* its own, or that of which it is copied */
    bool copied;    /* a view, an input, a parameter: its elements are gathered at the end */
    bool is_number, is_value;
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

/* Looks how the states stand; to be called when the addresses have been set. */
void pa_update_plan_bound(pa_update_plan *plan);

typedef struct pa_program {
    unsigned passes;
    const pa_kernels *kernels; /* of the instruction set that it was compiled for */
    pa_node **nodes;           /* private; `mark` is a node's index */
    int32_t *buffer_of;        /* of each node */
    int64_t *offset_of;        /* bytes into it */
    int32_t n_nodes;
    size_t nodes_capacity, buffer_of_capacity, offset_of_capacity;
    pa_buffer *buffers;
    int32_t n_buffers;
    size_t buffers_capacity;
    pa_instruction *code;
    int32_t n_code;
    size_t code_capacity;
    pa_instruction *chained; /* what the CHAINs run */
    int32_t n_chained;
    size_t chained_capacity;
    int32_t *pool;
    int32_t n_pool;
    size_t pool_capacity;
    pa_external *externals;
    int32_t n_externals;
    size_t externals_capacity;
    /* The first so many are looked at before each call; the others are Values, whose numbers stay where they are */
    int32_t n_watched;
    pa_input *inputs;
    int32_t n_inputs;
    pa_result *results;
    int32_t n_results;
    pa_update_plan *updates;
    int32_t n_updates;
    size_t updates_capacity;
    pa_node **constants; /* held */
    int32_t n_constants;
    size_t constants_capacity;
    pa_storage *memory; /* what every private node's storage is */
    char *arena;
    size_t arena_bytes, arena_block, tensor_bytes;
    char *scratch;
    size_t scratch_bytes;
    double flops;
    int32_t n_recorded, n_fused; /* ops in the log; instructions that do the work of several */
    bool warm;                   /* it has run once, and every op has the memory that it keeps from run to run */
    bool sets_gradients;
    struct pa_scalar_program *scalar; /* instead of code: a step over Values */
} pa_program;

/* Compiles a log. Fails with PA_UNSUPPORTED where the step does what programs cannot. `passes`: PA_ALL_PASSES or some of them. */
pa_status pa_program_new(const pa_log *log, int n_outputs, pa_node *const *outputs, unsigned passes, pa_program **out);
void pa_program_free(pa_program *program); /* NULL is fine */

/* The passes, in this order. Each can run alone on a lowered program. */
pa_status pa_program_lower(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs);
pa_status pa_pass_constants(pa_program *p);
pa_status pa_pass_common(pa_program *p);
pa_status pa_pass_dead(pa_program *p);
pa_status pa_pass_fuse(pa_program *p);
pa_status pa_pass_plan(pa_program *p);

/* ---- what the passes share ---- */
typedef void pa_visit_fn(void *context, int32_t buffer, bool writes);
/* Every buffer that an instruction reads or writes. */
void pa_instruction_visit(const pa_program *p, const pa_instruction *instruction, pa_visit_fn *visit, void *context);
pa_status pa_program_new_buffer(pa_program *p, pa_buffer_kind kind, int32_t index, size_t bytes, int32_t *out);
/* A node of the program's own in the shape of one of the user's, over a buffer, `offset` bytes into it. */
pa_status pa_program_node(pa_program *p, const pa_node *like, bool contiguous, int32_t buffer, int64_t offset,
                          int32_t *out);
/* Binds the Values among the externals for good, and puts them behind the others. */
void pa_program_bind_values(pa_program *p);
/* Describes the log's inputs. */
pa_status pa_program_inputs(pa_program *p, const pa_log *log);
pa_status pa_program_emit(pa_program *p, const pa_instruction *instruction);
/* Points the nodes of a buffer at its memory. */
void pa_program_place(pa_program *p, int32_t buffer, char *at);
static inline char *pa_buffer_at(const pa_program *p, int32_t buffer) { return p->buffers[buffer].at; }

/* An instruction in words: "linear (100, 16), (16, 16), (16,) -> (100, 16)". */
void pa_instruction_text(const pa_program *p, const pa_instruction *instruction, char *text, size_t size);

/* For each instruction, which earlier one it reads from: calls edge(context, from, to) for every pair. */
pa_status pa_program_edges(const pa_program *p, void (*edge)(void *context, int32_t from, int32_t to), void *context);

/* Bytes that ops keep from run to run, such as a dropout's mask; known once it has run. */
size_t pa_program_saved_bytes(const pa_program *p);

/* ---- running ---- */

/* Are these the arguments that it was compiled for? Numbers are given beside nodes: a NULL node takes its number. */
bool pa_program_takes(const pa_program *p, int n, pa_node *const *in);

/* Is all that it is bound to as it was, and are its updates bound? */
bool pa_program_is_bound(const pa_program *p, pa_node *const *in);

/* One step. `results` gets new nodes. On failure nothing is handed out; what the step had written by then stays written, as
   in an eager step that raises. */
pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results);

/* Can it make many steps in one go? Not where it adds to the gradients that it finds, or differentiates by its arguments. */
bool pa_program_can_run(const pa_program *p);

/* `count` steps over rows of `data` (all with the same number of rows) in the given order (NULL: as they stand), `batch` rows a
   step from row `start` of the order on. losses[i]: the first result. *done tells how many were made, also on failure (PA_PYTHON: a signal). */
pa_status pa_program_run(pa_program *p, int n, pa_node *const *data, int64_t batch, const int64_t *order, int64_t start,
                         int64_t count, double *losses, int64_t *done);

#endif
