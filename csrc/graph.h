/* Nodes and storages: what the computational graph is made of.

   A node is a number or an array, the op that made it and references on its parents. 0-d nodes (every Value, losses,
   constants) keep their number in the node; arrays hang a pa_array on it, whose storage may be shared with views:

       handle (Python) ──▶ pa_node ──parents──▶ pa_node …           a child holds references on its parents
                             │  value, grad    (0-d, inline)
                             └▶ pa_array: shape, strides, attributes, gradient
                                  └▶ pa_storage: reference-counted, versioned bytes

   Nodes that are not leaves stand in one list by birth. A parent is older than its child, so walking the list back from
   a root and marking parents as it goes meets every node after all of its children: that walk is the topological order.

   A Value whose Python object matters, because it has a _backward of its own or is of a subclass, and every Value that
   is computed from one, is anchored: a child that is anchored holds an anchored parent by the parent's Python object,
   which Python's collector sees, and not by a reference on the node.

   Everything here runs under the GIL. Release is iterative: a chain of a million nodes needs no stack. */
#ifndef PA_GRAPH_H
#define PA_GRAPH_H

#include <stdatomic.h>

#include "memory.h"
#include "ops.h"

typedef struct pa_node pa_node;

typedef struct pa_storage {
    int32_t refs;
    uint32_t version; /* grows with every write in place */
    int32_t readers;  /* running without the GIL on these bytes */
    int32_t exports;  /* arrays and other buffers over these bytes */
    bool writer;
    size_t bytes;
    void *data;
    void *owner; /* whose memory this is, or NULL: the bytes are ours */
    void (*let_go)(void *owner);
} pa_storage;

enum pa_node_flags {
    PA_IS_VALUE = 1 << 0,        /* a scalar.Value; else a Tensor */
    PA_REQUIRES_GRAD = 1 << 1,   /* a gradient flows to it */
    PA_RETAINS_GRAD = 1 << 2,    /* keeps its gradient though it is not a leaf */
    PA_LISTED = 1 << 3,          /* stands in the birth list: not a leaf */
    PA_PURE = 1 << 4,            /* a Value whose whole history is elementwise ops on Values */
    PA_FREED = 1 << 5,           /* its parents were released by a backward */
    PA_DICT_ONLY = 1 << 6,       /* `handle` is the __dict__ that a dead handle left */
    PA_GRAD_FILLED = 1 << 7,     /* this sweep's gradient has its first contribution */
    PA_IS_PARAMETER = 1 << 8,    /* handed to Python as nn.Parameter */
    PA_IS_VIEW = 1 << 9,         /* its memory is seen from elsewhere too: by another node, by an array */
    PA_WEAK_SCALAR = 1 << 10,    /* a Python or NumPy number: takes no part in dtype promotion */
    PA_BUSY = 1 << 11,           /* a backward sweep that released the GIL is using it */
    PA_NONLINEAR = 1 << 12,      /* a neuron with a ReLU */
    PA_HOOKED = 1 << 12,         /* of a Tensor, which is no neuron: hooks look at its gradient */
    PA_TRACED_SCALAR = 1 << 13,  /* a number, or an array of them, while a step is recorded; weak: Python's */
    PA_BORN_RECORDING = 1 << 14, /* made while its thread recorded a step */
    PA_ANCHORED = 1 << 15,       /* a Value that its children hold by its Python object, as they are held by theirs */
};

/* What a node has beyond a 0-d number: its shape, its storage, its op's attributes, its accumulated gradient. */
typedef struct pa_array {
    pa_storage *storage; /* NULL: the number stands in the node */
    char *data;
    int64_t numel;
    int64_t shape[PA_MAX_NDIM];
    int64_t strides[PA_MAX_NDIM]; /* in elements */
    /* Attributes of the op */
    double params[PA_MAX_PARAMS];
    int64_t ints[PA_MAX_NDIM + 4];
    pa_node **parents;                  /* where there are more than two; behind them room for local gradients */
    uint32_t versions[PA_MAX_OPERANDS]; /* of the operands when the op was applied */
    int32_t line;                       /* under detect_anomaly: of the user's code that applied the op */
    void *code;                         /* which is this code object, held */
    pa_storage *saved;                  /* what forward keeps for backward: a mask, positions, probabilities */
    pa_node *grad;                      /* accumulated gradient of a leaf, or a retained one */
    pa_node *next, *previous;           /* the ring of the nodes over one memory; NULL where it is alone */
    uint32_t family;                    /* of those in the ring: which are views of one another */
    bool is_cut;                        /* a view that was made while no history was kept */
} pa_array;

struct pa_node {
    int32_t refs; /* the handle, the children, holders in C */
    uint8_t op;
    uint8_t dtype;
    uint8_t ndim;
    uint8_t programs; /* of the references: how many are those of recorded steps and programs */
    uint16_t flags;
    uint16_t n_parents;
    uint32_t mark; /* the last walk that met it */
    union {        /* a 0-d node's number, in the node's dtype */
        double value;
        float value_f32;
        int64_t value_i64;
        uint8_t value_bool;
    };
    union {
        double grad;     /* a Value's gradient */
        void *grad_data; /* a Tensor's, while a sweep runs: contiguous, in its dtype */
    };
    union {
        pa_node *parent[2];
        struct {
            pa_node *only_parent;
            double param; /* of an op with one operand and one parameter */
        };
        pa_node **neuron; /* of op neuron: its operands, and behind them their numbers (scalar.h) */
    };
    pa_node *older, *newer; /* the birth list */
    pa_array *array;
    void *handle; /* the Python object, borrowed; or its __dict__, owned (PA_DICT_ONLY) */
};

/* The most recent node of the birth list, and how many of what are alive. */
typedef struct pa_graph_state {
    pa_node *newest;
    uint32_t epoch; /* of the last walk */
    int64_t live_nodes;
    int64_t live_storages;
    bool has_anchored;      /* was ever a node anchored? */
    bool detects_anomaly;   /* a backward fails where it makes a NaN or an infinity */
    bool notes_places;      /* nodes with a gradient note where the user's code has applied their op */
    pa_dtype default_float; /* of Python floats that become arrays, and of integers where a float is needed */
} pa_graph_state;

PA_INTERNAL extern pa_graph_state pa_graph;

/* Is history kept? Each thread has a mode of its own; it is asked only while some thread has switched history off. */
extern _Thread_local bool pa_grad_disabled;
PA_INTERNAL extern atomic_int pa_grad_disabled_threads; /* a thread that dies counts itself out without the GIL */
static inline bool pa_grad_enabled(void) {
    return atomic_load_explicit(&pa_grad_disabled_threads, memory_order_relaxed) == 0 || !pa_grad_disabled;
}
bool pa_grad_enable(bool enabled); /* returns the mode before */

/* The log of the step that this thread is recording, or NULL (record.h). */
extern _Thread_local struct pa_log *pa_log_here;
PA_INTERNAL extern int pa_recording_threads;
static inline struct pa_log *pa_recording(void) { return pa_recording_threads == 0 ? NULL : pa_log_here; }
static inline unsigned pa_birth_flags(void) { return pa_recording() != NULL ? PA_BORN_RECORDING : 0; }

/* In the child of a fork: no thread is left but this one. */
void pa_graph_after_fork(void);

/* The number of a new walk; never 0, which is the mark of a node that no walk has met. */
static inline uint32_t pa_graph_next_epoch(void) {
    if (++pa_graph.epoch == 0) pa_graph.epoch = 1;
    return pa_graph.epoch;
}

enum { PA_MAX_FUNCTION_INPUTS = 16 }; /* operands of an op written in Python */

/* How the core reaches Python; set by python/hooks.c, no-ops in a C program. */
typedef struct pa_hooks {
    void *(*retain_object)(void *object);        /* take a reference on a Python object */
    void (*release_object)(void *object);        /* drop one */
    pa_status (*hold_node)(pa_node *node);       /* take one on the node's Python object, which is made if need be */
    void *(*leave_python)(void);                 /* release the GIL */
    void (*enter_python)(void *token);           /* take it back */
    bool (*interrupted)(void);                   /* was there a signal? takes the GIL itself */
    pa_status (*custom_backward)(pa_node *node); /* run a backward written in Python; takes the GIL itself */
    /* Hands a Tensor's hooks its gradient, which they may replace; or, once it is in .grad, the Tensor. Takes the GIL. The
       gradient is a sweep's, or the node in *gradient, held. */
    pa_status (*hooked_gradient)(pa_node *node, bool accumulated, pa_node **gradient);
    /* The same with history: the gradients that it returns, held, NULL for None. */
    pa_status (*custom_gradients)(pa_node *node, pa_node *upstream, pa_node **gradients);
    bool (*same_host)(void *a, void *b); /* do two host calls do the same? */
    /* Calls Python, in that grad mode, with copies of the operands, and copies what it returns into the results. `program`:
       its owner */
    pa_status (*call_host)(void *program, void *host, bool keeps_history, int n, pa_node *const *in, int n_out,
                           pa_node *const *out);
    /* Runs the backward of a program's node of op custom, with the context that its forward has left in `saved`; given: of
       which operands it returned a gradient, of those that are `wanted` unless that is NULL. `program`: as before, or NULL */
    pa_status (*call_host_backward)(void *program, void *host, pa_node *node, const int32_t *wanted, bool *given);
    void (*come_to)(void *watcher, size_t entry); /* tells who records that an entry of the log may fail */
    void *(*where)(int *line); /* the code object of the user's Python that runs, held, and its line */
    void (*describe_code)(void *code, char *text, size_t size); /* its file's name */
} pa_hooks;

PA_INTERNAL extern pa_hooks pa_hook;

/* ---- storages ---- */
pa_status pa_storage_new(size_t bytes, pa_storage **out); /* 64-byte aligned, not cleared */
void pa_storage_release(pa_storage *storage);             /* NULL is fine */
pa_storage *pa_storage_of(void *data);                    /* the one that pa_storage_new made with these bytes */

/* One over the memory of others, which lets go of their owner in the end. */
pa_status pa_storage_borrow(void *data, size_t bytes, void *owner, void (*let_go)(void *owner), pa_storage **out);

static inline pa_storage *pa_storage_retain(pa_storage *storage) {
    storage->refs++;
    return storage;
}

/* ---- nodes ---- */

/* A Value leaf. */
pa_status pa_value_new(double value, pa_node **out);

/* A contiguous array with storage and no contents yet; no op, no parents. A 0-d one keeps its number inline. */
pa_status pa_node_new(pa_dtype dtype, int ndim, const int64_t *shape, pa_node **out);

/* One in the shape and dtype of another. */
static inline pa_status pa_node_new_like(const pa_node *like, pa_node **out) {
    return pa_node_new(like->dtype, like->ndim, like->ndim == 0 ? NULL : like->array->shape, out);
}

/* A node over `storage` (a reference is taken), `data` somewhere inside it. */
pa_status pa_node_over(pa_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides, pa_storage *storage,
                       char *data, pa_node **out);

void pa_node_release_slow(pa_node *node);
static inline pa_node *pa_node_retain(pa_node *node) {
    node->refs++;
    return node;
}
static inline void pa_node_release(pa_node *node) {
    if (--node->refs == 0) pa_node_release_slow(node);
}

/* The same for a recorded step or a program, which is no part of the graph. */
static inline pa_node *pa_node_program_retain(pa_node *node) {
    if (node->programs < UINT8_MAX) node->programs++;
    return pa_node_retain(node);
}
static inline void pa_node_program_release(pa_node *node) {
    if (node->programs < UINT8_MAX) node->programs--;
    pa_node_release(node);
}

/* Bytes of the block at node->neuron of a neuron with n inputs: w[n], x[n], b, and the numbers of all of them. */
static inline size_t pa_neuron_bytes(int n) { return (size_t)(2 * n + 1) * (sizeof(pa_node *) + sizeof(double)); }
/* Bytes of the block at array->parents of a node with n > 2 parents: the parents, and a number for each. */
static inline size_t pa_parents_bytes(int n) { return (size_t)n * (sizeof(pa_node *) + sizeof(double)); }

/* Of op local_grads: d out / d parent, a number for each. */
static inline double *pa_node_local_grads(const pa_node *node) {
    return node->n_parents > 2 ? (double *)(node->array->parents + node->n_parents) : node->array->params;
}

static inline int pa_neuron_inputs(const pa_node *node) { return (node->n_parents - 1) / 2; }

/* Gives a node its parents (references are taken) and puts it into the birth list. With n > 2, its array must exist. */
pa_status pa_node_link(pa_node *node, pa_op op, int n, pa_node *const *parents);

/* Puts `node`, the newest one, right before `successor` in the birth list. */
void pa_node_make_older_than(pa_node *node, pa_node *successor);

/* Lets go of the parents; the node keeps its data. */
void pa_node_unlink(pa_node *node);

/* Room that the node's forward fills for its backward, in array->saved; made once, but for more bytes. Fails where the
   op's row does not say READS_SAVED, by which programs know that the backward depends on the forward having run. */
pa_status pa_node_save(pa_node *node, size_t bytes);

/* Gives the node an array when it has none (a 0-d node keeps its number inline). */
pa_status pa_node_need_array(pa_node *node);

/* Notes where the user's code is, for what is said of a node whose backward goes wrong. The node has an array. */
void pa_node_note_place(pa_node *node);

/* "; the op was applied at file.py, line 12", or nothing. */
const char *pa_node_place_text(const pa_node *node);

/* Moves an inline number into a storage of its own, so that views can share it. */
pa_status pa_node_need_storage(pa_node *node);

/* A view of the node, as pa_node_over makes one, `offset` bytes into its data. A Value's number stays in its node,
   where the scalar ops read it: what looks like a view of a Value has a copy. */
pa_status pa_node_view(pa_node *base, pa_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides,
                       int64_t offset, pa_node **out);

/* Puts a node over another's memory into its ring, and, unless it is cut or detached, into its family: a write with
   history through one of them is part of the history of all. */
void pa_node_join(pa_node *view, pa_node *base, bool is_family);

/* Lets a leaf look at the memory of another, of its shape and dtype; what looked at its own keeps that. */
pa_status pa_node_share(pa_node *node, pa_node *source);

/* ---- reading a node ---- */
static inline char *pa_node_data(const pa_node *node) {
    return node->array != NULL && node->array->storage != NULL ? node->array->data : (char *)(uintptr_t)&node->value;
}
static inline int64_t pa_node_numel(const pa_node *node) { return node->ndim == 0 ? 1 : node->array->numel; }
static inline size_t pa_node_bytes(const pa_node *node) {
    return (size_t)pa_node_numel(node) * pa_dtype_size(node->dtype);
}
static inline const int64_t *pa_node_shape(const pa_node *node) { return node->ndim == 0 ? NULL : node->array->shape; }
static inline const int64_t *pa_node_strides(const pa_node *node) {
    return node->ndim == 0 ? NULL : node->array->strides;
}
static inline pa_node *const *pa_node_parents(const pa_node *node) {
    if (node->n_parents <= 2) return node->parent;
    return node->op == PA_OP_neuron ? node->neuron : node->array->parents;
}
static inline pa_node *pa_node_parent(const pa_node *node, int i) { return pa_node_parents(node)[i]; }
static inline const double *pa_node_params(const pa_node *node) {
    return node->array != NULL ? node->array->params : &node->param;
}
static inline pa_storage *pa_node_storage(const pa_node *node) {
    return node->array != NULL ? node->array->storage : NULL;
}
/* Writes to the node's bytes so far; 0 for a number that stands in its node. */
static inline uint32_t pa_node_version(const pa_node *node) {
    return node->array != NULL && node->array->storage != NULL ? node->array->storage->version : 0;
}
static inline bool pa_node_requires_grad(const pa_node *node) { return (node->flags & PA_REQUIRES_GRAD) != 0; }
static inline bool pa_node_is_leaf(const pa_node *node) { return node->op == PA_OP_leaf; }
/* The strides of a contiguous array, the axes of no elements counted as one, so that they too have some. */
static inline void pa_row_major(int ndim, const int64_t *shape, int64_t *strides) {
    int64_t stride = 1;
    for (int axis = ndim - 1; axis >= 0; axis--) {
        strides[axis] = stride;
        if (shape[axis] > 1) stride *= shape[axis];
    }
}
/* The number of elements of a shape; PA_MEMORY where a few times their bytes could not be counted, or of an empty shape
   those along its other axes: sizes and strides of what nodes have are multiplied and added without looking. */
pa_status pa_count_elements(pa_dtype dtype, int ndim, const int64_t *shape, int64_t *numel);
bool pa_node_is_contiguous(const pa_node *node);
/* May two elements be one place in memory, as after expand or unfold? They may not where each axis steps over all that
   those of smaller strides reach. */
bool pa_strides_overlap(int ndim, const int64_t *shape, const int64_t *strides);
/* The range of memory that a node's elements stand in. */
void pa_node_extent(const pa_node *node, const char **begin, const char **end);
bool pa_same_shape(const pa_node *a, const pa_node *b);

static inline bool pa_node_is_hooked(const pa_node *node) {
    return (node->flags & (PA_HOOKED | PA_IS_VALUE)) == PA_HOOKED;
}

/* A node's number, whatever its dtype; of the first element. */
double pa_node_number(const pa_node *node);

/* "(3, 4)" for messages; the buffers rotate, eight at a time. */
const char *pa_shape_text(int ndim, const int64_t *shape);
static inline const char *pa_node_shape_text(const pa_node *node) {
    return pa_shape_text(node->ndim, pa_node_shape(node));
}

/* A write in place is about to happen / has happened. Begin fails where a gradient or another thread would be hurt. */
pa_status pa_node_begin_write(pa_node *node, const char *what);
void pa_node_end_write(pa_node *node);

#endif
