/* The log of a step: what a compiled function did, kept while it runs eagerly.

   While a thread records, everything that changes numbers goes into its log as it happens: ops, gradients, updates,
   writes in place, draws from the random stream. Each node that takes part is a variable of the log, as in a jaxpr:

       input      an argument of the step: another node at each call
       captured   was there before: a parameter, a buffer; bound by reference
       constant   made by the step itself out of Python numbers: the numbers are kept
       result     of an entry

   A step that asks for an actual number, which only this call has, is refused: pa_record_refuse_read and its like
   return PA_TRACE. Traced scalars (PA_TRACED_SCALAR) stand for Python floats meanwhile: float arguments, Value.data,
   Value.grad, elements of ndarray arguments. They are 0-d and weak, and arithmetic on them is recorded.

   A log that could not be extended for lack of memory is marked, and says so when it ends. */
#ifndef PA_RECORD_H
#define PA_RECORD_H

#include "kernels/ops.h"
#include "table.h"

typedef enum pa_variable_kind {
    PA_VARIABLE_INPUT,
    PA_VARIABLE_CAPTURED,
    PA_VARIABLE_CONSTANT,
    PA_VARIABLE_RESULT
} pa_variable_kind;

typedef struct pa_variable {
    pa_node *node;     /* held */
    pa_node *constant; /* of a constant: a copy of its numbers when it was first used, held */
    uint8_t kind;
    bool requires_grad;  /* when it was first met */
    const pa_node *grad; /* likewise, or NULL; not held */
    bool seen;           /* a number that Python was given: as an argument, it joins the signature */
    bool is_asked;       /* how it was computed is being found out, for that */
    int32_t place;       /* of a captured one: by which place the step knows it; -1: by itself alone */
    int32_t next;        /* of a captured one: the output that stands in its place after the step, or -1 */
} pa_variable;

typedef enum pa_entry_kind {
    PA_ENTRY_OP,             /* out = op(in…) */
    PA_ENTRY_ALIAS,          /* out shares the memory of in[0], and no gradient flows: detach(), .data */
    PA_ENTRY_NUMBER_OF,      /* out, a traced scalar, = the number of the Value in[0] */
    PA_ENTRY_VALUE_OF,       /* out, a Value without history, = the traced scalar in[0] */
    PA_ENTRY_GRAD_OF,        /* out = the gradient of in[0]: a tensor, or a traced scalar of a Value's */
    PA_ENTRY_WRITE,          /* in[0] := in[1], broadcast and converted; or out := in[0] (n = 1) */
    PA_ENTRY_SET_VALUE,      /* the number of the Value in[0] := in[1] */
    PA_ENTRY_SET_GRAD,       /* the gradient of in[0] := in[1], or none (n = 1) */
    PA_ENTRY_BACKWARD,       /* from the root in[0], with the upstream gradient in[1] (n = 2) or 1; n_ints = 1:
                                anomalies are looked for */
    PA_ENTRY_LOCAL_BACKWARD, /* of the Value in[0] alone: its operands' gradients += what its op sends them */
    PA_ENTRY_GRAD,           /* autograd.grad: a sweep as BACKWARD's, that adds to no leaf */
    PA_ENTRY_GRAD_FOUND,     /* out = what the last GRAD found for in[0], if anything */
    PA_ENTRY_REQUIRES_GRAD,  /* of in[0]: ints[0] */
    PA_ENTRY_RETAIN_GRAD,    /* of in[0] */
    PA_ENTRY_UPDATE,         /* optimiser ints[0] over the parameters in[…] */
    PA_ENTRY_ZERO_GRAD,      /* of in[…]; ints[0]: to none */
    PA_ENTRY_CLIP, /* of the gradients of in[…], params: norm and its order; ints[0]: must it be finite?; out:
                                the norm before */
    /* in[0] := draws, or out; ints: pa_fill_kind, is the last operand the state of a Generator?, bounds of integers;
       params: those of floats */
    PA_ENTRY_FILL,
    PA_ENTRY_HOST,          /* Python called: host(in…); ints[0]: with history kept */
    PA_ENTRY_HOST_RESULT,   /* out = the next result of the last HOST */
    PA_ENTRY_HOST_GRADIENT, /* the backward of the custom op in[0] has run; ints[k]: it gave a gradient of operand k */
    PA_ENTRY_HOOK,          /* of in[0], whose gradient host(gradient) gives: in the sweep that the next BACKWARD or
                               GRAD says, or, where the step has ended, in one that the caller makes */
    PA_ENTRY_KINDS
} pa_entry_kind;

typedef enum pa_fill_kind { PA_FILL_UNIFORM, PA_FILL_NORMAL, PA_FILL_INTEGERS, PA_FILL_PERMUTATION } pa_fill_kind;

typedef struct pa_entry {
    uint8_t kind, op;
    uint8_t n_params, n_ints;
    bool tracked;       /* OP: history was kept, so that a gradient flows through the result */
    int32_t out;        /* variable, or -1 */
    int32_t n;          /* operands */
    int32_t line, code; /* of the user's Python: code is an index into the log's codes, or -1 */
    int64_t operands;   /* where they begin in the log's operands */
    int64_t ints;       /* likewise, as call->ints */
    double params[PA_MAX_PARAMS];
    void *host; /* HOST, HOOK, and OP custom, whose backward it is: a Python callable, held by the log; else NULL */
} pa_entry;

/* A node that shares a memory in eager code, with the others of its group, and has a copy in the step. */
typedef struct pa_sharer {
    pa_node *node; /* held */
    size_t group;
} pa_sharer;

typedef struct pa_log {
    pa_entry *entries;
    size_t n_entries, entries_capacity;
    pa_variable *variables;
    size_t n_variables, variables_capacity;
    int32_t *operands;
    size_t n_operands, operands_capacity;
    int64_t *ints;
    size_t n_ints, ints_capacity;
    void **codes; /* Python's code objects, held */
    size_t n_codes, codes_capacity;
    int32_t *inputs; /* variables, in order */
    size_t n_inputs, inputs_capacity;
    struct pa_sharer *sharers; /* that eager code would let look at one memory: see pa_record_share */
    size_t n_sharers, sharers_capacity, groups;
    bool shares;    /* a share copies right now */
    pa_table table; /* of the variables, by their nodes */
    int64_t updates;
    const struct pa_log *beside; /* while it records: an earlier log of the same with another number of rows, or NULL */
    void *sizes;                 /* then: what makes Python's ints of sizes that differ, borrowed */
    void *watcher;               /* Python's, borrowed: called where the step comes to what may fail; or NULL */
    pa_status status;            /* what went wrong */
} pa_log;

pa_status pa_record_begin(pa_log **out); /* fails while this thread records already */
void pa_record_end(pa_log *log);         /* stop recording; the log stays the caller's */
void pa_log_free(pa_log *log);           /* NULL is fine */

/* What is done in a pause is no part of the step, such as the making of an optimiser's state. Returns whether it was
   paused. */
bool pa_record_pause(bool pause);

/* What Python does in a host call is no part of the step either, and may record steps of its own: takes the log away
   from this thread, NULL where it has none, and gives it back. */
pa_log *pa_record_suspend(void);
void pa_record_resume(pa_log *log);

/* Declares the next input. */
pa_status pa_record_input(pa_node *node);

/* The variable of a node that takes part, or -1. */
int32_t pa_log_find(const pa_log *log, const pa_node *node);

/* ---- what the engine says while pa_recording(): see pa_entry_kind ---- */
void pa_record_op(const pa_call *call, pa_node *out);
void pa_record_entry(pa_entry_kind kind, int n, pa_node *const *in, pa_node *out);
void pa_record_attributes(pa_entry_kind kind, int n, pa_node *const *in, pa_node *out, int n_ints, const int64_t *ints,
                          int n_params, const double *params);

/* A host call with its results, the op `custom` that makes `out` of the operands, with its backward in Python, and the
   hooks of a node. All take over the reference on the callable. */
void pa_record_host(void *host, int n, pa_node *const *in, int n_out, pa_node *const *out);
void pa_record_custom(void *backward, int n, pa_node *const *in, pa_node *out);
void pa_record_hook(void *hooks, pa_node *node);

/* The op `local_grads`, which makes the Value `out`, whose number is known, of n parents and the n numbers behind them.
   */
void pa_record_local_grads(int n, pa_node *const *in, pa_node *out);

/* Makes a node that is returned a variable, if it took no part so far. */
pa_status pa_record_mention(pa_node *node);

/* Makes `node` the result of the last entry. */
pa_status pa_record_result(pa_node *node);

/* The Value that a traced scalar becomes among Values; without recording, or for a constant, simply a Value. */
pa_status pa_record_value_of(pa_node *number, pa_node **out);

/* The traced scalar that stands for a Value's number or gradient. */
pa_status pa_record_number_of(pa_node *value, bool gradient, pa_node **out);

/* x.data = y, where eager code lets x look at y's memory, and a step copies: that is the same as long as nobody writes
   to one of them while somebody sees another. PA_TRACE where the memory was there before the step, and so is seen after
   it. */
pa_status pa_record_share(pa_node *node, pa_node *source);

/* PA_TRACE where a write to the node would be seen through what shares its memory in eager code. */
pa_status pa_record_check_shared(const pa_node *node, const char *what);

/* The same of a backward, which adds to the gradients that leaves have. */
pa_status pa_record_check_shared_gradients(void);

/* Is it a tensor that Python itself is just making in the step, and that has taken no part yet? */
bool pa_record_is_fresh(const pa_node *node);

/* Before all of a node is written: whether the write makes it, as a fresh tensor with memory of its own. Of any other
   the numbers that it has before the write take part. */
pa_status pa_record_begin_write(pa_node *node, bool *makes);

/* Are its numbers only those of this call? Not where nothing records here, nor of a constant of the step. */
bool pa_record_hides(const pa_node *node);

/* PA_TRACE, with a message that says what `what` asked for and what to write instead, where the node is part of what is
   being recorded; PA_OK where nothing records here, for a tensor that Python itself is just making, and for a number
   that was computed from float arguments alone, which are seen from then on. */
pa_status pa_record_refuse_read(const pa_node *node, const char *what);
pa_status pa_record_refuse(const char *what, const char *instead);

/* Does it stand for a number of Python's? An element of an array does so among Values alone, and is a tensor. */
static inline bool pa_is_traced_number(const pa_node *node) {
    return node->flags & PA_TRACED_SCALAR && node->flags & PA_WEAK_SCALAR;
}

/* ---- afterwards ---- */

/* PA_TRACE where the memory of a constant was written by other means than the log has, such as an array over it. */
pa_status pa_log_check_constants(const pa_log *log);

/* PA_TRACE where two that share a memory in eager code are both kept after the step. */
pa_status pa_log_check_shared(pa_log *log);

#endif
