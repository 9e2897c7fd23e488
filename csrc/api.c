/* The C API for Python, over what the layers below provide. */
#include <math.h>

#include "kernels/optim.h"
#include "kernels/random.h"
#include "record.h"

#include "api.h"

const char *pa_status_exception(int status) {
    static const char *const names[PA_STATUS_COUNT] = {
#define X(code, exception, text) #exception,
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

int pa_step_refuse(const char *what, const char *instead) { return pa_record_refuse(what, instead); }

/* What a program would not repeat: it draws from the stream of the thread that calls it, and has bounds as doubles. */
static pa_status check_fill(const uint64_t *stream, double low, double high) {
    if (pa_recording() == NULL) return PA_OK;
    if (stream != pa_random_stream())
        return pa_record_refuse("drawing from a Generator", "draw outside, and give the numbers as an argument; or "
                                                            "draw without generator=");
    if (!(fabs(low) <= 0x1p53 && fabs(high) <= 0x1p53))
        return pa_record_refuse("drawing between bounds beyond 2**53",
                                "draw outside, and give the numbers as an argument");
    return PA_OK;
}

/* A fill that succeeded goes into the log of the step that is being recorded, where draws are the result that a new
   tensor is. */
static int filled(pa_status status, pa_fill_kind kind, pa_node *node, double a, double b) {
    if (status != PA_OK || pa_recording() == NULL) return status;
    int64_t which = kind;
    double bounds[2] = {a, b};
    bool is_new = pa_record_is_fresh(node);
    pa_record_attributes(PA_ENTRY_FILL, is_new ? 0 : 1, &node, is_new ? node : NULL, 1, &which, 2, bounds);
    return PA_OK;
}

int pa_fill_uniform(uint64_t *stream, pa_node *node, double low, double high) {
    PA_TRY(check_fill(stream, 0, 0));
    return filled(pa_random_uniform((pa_random_state *)stream, node, low, high), PA_FILL_UNIFORM, node, low, high);
}

int pa_fill_normal(uint64_t *stream, pa_node *node, double mean, double std) {
    PA_TRY(check_fill(stream, 0, 0));
    return filled(pa_random_normal((pa_random_state *)stream, node, mean, std), PA_FILL_NORMAL, node, mean, std);
}

int pa_fill_integers(uint64_t *stream, pa_node *node, int64_t low, int64_t high) {
    double from = (double)low, to = (double)high;
    PA_TRY(check_fill(stream, from, to));
    return filled(pa_random_integers((pa_random_state *)stream, node, low, high), PA_FILL_INTEGERS, node, from, to);
}

int pa_fill_permutation(uint64_t *stream, pa_node *node) {
    PA_TRY(check_fill(stream, 0, 0));
    return filled(pa_random_permutation((pa_random_state *)stream, node), PA_FILL_PERMUTATION, node, 0, 0);
}

int pa_optim_step(int kind, int n, pa_node **params, pa_node **state, int64_t *steps, const pa_hyper *hyper) {
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

int pa_optim_clip_grad_norm(int n, pa_node **params, double max_norm, double norm_type, double *total) {
    pa_status status = pa_clip_grad_norm(n, params, max_norm, norm_type, total);
    double norm[2] = {max_norm, norm_type};
    if (status == PA_OK && pa_recording() != NULL)
        pa_record_attributes(PA_ENTRY_CLIP, n, params, NULL, 0, NULL, 2, norm);
    return status;
}

int pa_record_result_of_last(pa_node *node) { return pa_record_result(node); }
