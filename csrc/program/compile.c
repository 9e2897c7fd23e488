/* Drives the lowering of a log and the passes over what comes out of it. */
#include "compile.h"

#include "lower.h"
#include "passes.h"

static bool is_fixed(const pa_captured *c) { return c->input < 0 && (c->node->flags & PA_IS_VALUE) != 0; }

/* The numbers of captured Values stand still: binds them for good, and puts these behind the other captured ones. */
static void bind_values(pa_program *p) {
    p->n_bound = 0;
    for (int32_t i = 0; i < p->n_captured; i++) {
        pa_captured c = p->captured[i];
        if (is_fixed(&c)) {
            if (c.buffer >= 0) pa_program_place(p, c.buffer, (char *)&c.node->value);
            if (c.entry >= 0) pa_program_place(p, c.entry, (char *)&c.node->grad);
            if (c.gradient >= 0) pa_program_place(p, c.gradient, (char *)&c.node->grad);
        } else {
            p->captured[i] = p->captured[p->n_bound];
            p->captured[p->n_bound++] = c;
        }
    }
}

static pa_status compile(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs) {
    bool over_values = pa_log_is_over_values(log);
    PA_TRY((over_values ? pa_lower_values : pa_lower_tensors)(p, log, n_outputs, outputs));
    bind_values(p);
    if (over_values) return pa_pass_values(p);
    if (p->passes & PA_PASS_CONSTANTS) PA_TRY(pa_pass_constants(p));
    if (p->passes & PA_PASS_COMMON) PA_TRY(pa_pass_common(p));
    if (p->passes & PA_PASS_DEAD) PA_TRY(pa_pass_dead(p));
    if (p->passes & PA_PASS_FUSE) PA_TRY(pa_pass_fuse(p));
    return pa_pass_plan(p);
}

static double flops_of(const pa_program *p) {
    double total = 0;
    for (int32_t i = 0; i < p->n_code; i++) {
        const pa_instruction *each = &p->code[i];
        if (each->node < 0 || each->kind == PA_DO_UPDATE) continue;
        const pa_node *node = p->nodes[each->node];
        bool product = pa_is_product(node);
        double work = product ? pa_product_cost(node) : (double)pa_node_numel(node);
        int times = 1;
        if (each->kind == PA_DO_BACKWARD && product) {
            times = 0;
            for (int k = 0; k < 2; k++) times += p->pool[each->targets + k] >= 0;
        }
        total += work * times;
    }
    return total;
}

pa_status pa_program_new(const pa_log *log, int n_outputs, pa_node *const *outputs, unsigned passes, pa_program **out) {
    pa_program *p = pa_mem_alloc(sizeof *p);
    if (p == NULL) return PA_MEMORY;
    *p = (pa_program){.passes = passes, .kernels = pa_k};
    for (size_t i = 0; i < log->n_entries; i++) p->n_recorded += log->entries[i].kind == PA_ENTRY_OP;
    pa_status status = compile(p, log, n_outputs, outputs);
    if (status != PA_OK) {
        pa_program_free(p);
        return status;
    }
    p->flops = flops_of(p);
    pa_mem_trim(); /* what the eager steps and the passes used, and the program does not */
    *out = p;
    return PA_OK;
}
