/* The C API for Python, over what the layers below provide. */
#include "kernels/optim.h"
#include "kernels/random.h"
#include "record.h"

#include "api.h"

const char *pa_status_exception(int status) {
    static const char *const names[PA_STATUS_COUNT] = {
#define X(code, exception) #exception,
        PA_STATUS_MAP(X)
#undef X
    };
    return status >= 0 && status < PA_STATUS_COUNT ? names[status] : "RuntimeError";
}

int pa_op_total(void) { return PA_OP_COUNT; }
const char *pa_op_name(int op) { return pa_op_table[op].name; }
const char *pa_op_symbol(int op) { return pa_op_table[op].symbol; }
const char *pa_op_words(int op) { return pa_op_table[op].words; }
int pa_op_family(int op) { return pa_op_table[op].family; }
int pa_op_operands(int op) { return pa_op_table[op].operands; }
int pa_op_parameters(int op) { return pa_op_table[op].params; }
int pa_op_lowest_dtype(int op) { return pa_op_table[op].lowest; }
bool pa_op_differentiable(int op, int operand) {
    return operand >= 0 && operand < PA_MAX_OPERANDS && pa_k->gradient[op][operand][0] != NULL;
}

int64_t pa_memory_live_nodes(void) { return pa_graph.live_nodes; }
int64_t pa_memory_live_storages(void) { return pa_graph.live_storages; }
int64_t pa_memory_live_bytes(void) { return pa_mem_live_bytes(); }
int64_t pa_memory_cached_bytes(void) { return pa_mem_idle_bytes(); }
void pa_memory_trim(void) { pa_mem_trim(); }
void pa_memory_fail_after(int64_t allocations) { pa_mem.fail_after = allocations; }
int64_t pa_memory_fail_left(void) { return pa_mem.fail_after; }

int pa_isa_use(const char *name) { return pa_isa_select(name[0] == '\0' ? NULL : name); }
const char *pa_isa_name(void) { return pa_k->name; }

bool pa_flush_denormal(bool flush) {
    pa_fpmode_bits = flush ? PA_FPMODE_FLUSH : 0;
    return PA_FPMODE_FLUSH != 0;
}

int pa_grad_disabled_count(void) { return pa_grad_disabled_threads; }

void pa_default_float_set(int dtype) { pa_graph.default_float = dtype; }
int pa_default_float_get(void) { return pa_graph.default_float; }

uint64_t *pa_random_stream(void) { return &pa_random_here()->seed; }

void pa_random_stream_set(uint64_t seed, uint64_t counter, bool of_process) {
    pa_random_set_here((pa_random_state){.seed = seed, .counter = counter}, of_process);
}

void pa_random_stream_swap(uint64_t *kept) {
    if (kept != NULL) pa_random_swap((pa_random_thread *)kept);
}

bool pa_step_hides(const pa_node *node) { return pa_record_hides(node); }
int pa_step_check_read(const pa_node *node, const char *what) { return pa_record_refuse_read(node, what); }
int pa_step_refuse(const char *what, const char *instead) { return pa_record_refuse(what, instead); }

/* Draws for all of a node, from a Generator's state (two words of int64) or, NULL, from the thread's stream. In the log
   of a step they make a new tensor, or are written into one; it says so after they have been made. */
static pa_status fill(pa_node *state, pa_node *node, pa_fill_kind kind, const double *bounds, const int64_t *whole) {
    pa_node *in[2], **next = in;
    bool makes;
    if (state != NULL) PA_TRY(pa_node_begin_write(state, "Generator"));
    PA_TRY(pa_record_begin_write(node, &makes));
    if (state != NULL) PA_TRY(pa_record_mention(state));
    pa_random_state *stream = state == NULL ? pa_random_here() : (pa_random_state *)(void *)pa_node_data(state);
    switch (kind) {
    case PA_FILL_UNIFORM: PA_TRY(pa_random_uniform(stream, node, bounds[0], bounds[1])); break;
    case PA_FILL_NORMAL: PA_TRY(pa_random_normal(stream, node, bounds[0], bounds[1])); break;
    case PA_FILL_INTEGERS: PA_TRY(pa_random_integers(stream, node, whole[0], whole[1])); break;
    case PA_FILL_PERMUTATION: PA_TRY(pa_random_permutation(stream, node)); break;
    }
    if (state != NULL) pa_node_end_write(state);
    if (pa_recording() == NULL) return PA_OK;
    if (!makes) *next++ = node;
    if (state != NULL) *next++ = state;
    int64_t ints[4] = {kind, state != NULL, whole[0], whole[1]};
    pa_record_attributes(PA_ENTRY_FILL, (int)(next - in), in, makes ? node : NULL, 4, ints, 2, bounds);
    return PA_OK;
}

static const double no_bounds[2];
static const int64_t no_whole[2];

int pa_fill_uniform(pa_node *state, pa_node *node, double low, double high) {
    return fill(state, node, PA_FILL_UNIFORM, (double[2]){low, high}, no_whole);
}

int pa_fill_normal(pa_node *state, pa_node *node, double mean, double std) {
    return fill(state, node, PA_FILL_NORMAL, (double[2]){mean, std}, no_whole);
}

int pa_fill_integers(pa_node *state, pa_node *node, int64_t low, int64_t high) {
    return fill(state, node, PA_FILL_INTEGERS, no_bounds, (int64_t[2]){low, high});
}

int pa_fill_permutation(pa_node *state, pa_node *node) {
    return fill(state, node, PA_FILL_PERMUTATION, no_bounds, no_whole);
}

int pa_optim_step(int kind, int n, pa_node **params, pa_node **state, int64_t *steps, const pa_hyper *hyper) {
    for (int i = 0; pa_recording() != NULL && i < n; i++)
        if (!pa_node_is_contiguous(params[i]))
            return pa_record_refuse("an update", "a parameter is a view that is not contiguous; write "
                                                 "nn.Parameter(x.contiguous())");
    pa_status status = pa_optimizer_step(kind, n, params, state, steps, hyper);
    int64_t which = kind;
    if (status == PA_OK && pa_recording() != NULL)
        pa_record_attributes(PA_ENTRY_UPDATE, n, params, NULL, 1, &which, 0, NULL);
    return status;
}

int pa_optim_zero_grad(int n, pa_node **params, bool set_to_none) {
    for (int i = 0; i < n; i++) PA_TRY(pa_record_mention(params[i])); /* with the gradients that they have before */
    pa_status status = pa_zero_grads(n, params, set_to_none);
    int64_t to_none = set_to_none;
    if (status == PA_OK && pa_recording() != NULL)
        pa_record_attributes(PA_ENTRY_ZERO_GRAD, n, params, NULL, 1, &to_none, 0, NULL);
    return status;
}

int pa_optim_clip_grad_norm(int n, pa_node **params, double max_norm, double norm_type, bool must_be_finite,
                            double *total) {
    pa_status status = pa_clip_grad_norm(n, params, max_norm, norm_type, must_be_finite, total);
    double norm[2] = {max_norm, norm_type};
    int64_t check = must_be_finite;
    if (status == PA_OK && pa_recording() != NULL)
        pa_record_attributes(PA_ENTRY_CLIP, n, params, NULL, 1, &check, 2, norm);
    return status;
}

int pa_record_result_of_last(pa_node *node) { return pa_record_result(node); }
