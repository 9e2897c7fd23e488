/* Logs are read: beside one another, and for what a step leaves behind. */
#include "logs.h"

#include <stdio.h>
#include <string.h>

pa_rows pa_log_rows(const pa_log *a, const pa_log *b) {
    for (size_t i = 0; i < a->n_inputs && i < b->n_inputs; i++) {
        const pa_node *x = a->variables[a->inputs[i]].node, *y = b->variables[b->inputs[i]].node;
        if (x->ndim > 0 && y->ndim > 0 && x->array->shape[0] != y->array->shape[0])
            return (pa_rows){x->array->shape[0], y->array->shape[0]};
    }
    return (pa_rows){0, 0};
}

/* A tensor that Python is just making takes part later: a size that is the number of rows is taken for it. */
bool pa_record_axis(const pa_node *node, int axis, pa_affine *out) {
    const pa_log *log = pa_recording();
    if (log == NULL || log->beside == NULL) return false;
    pa_rows rows = pa_log_rows(log->beside, log);
    int64_t size = node->array->shape[axis];
    int32_t variable = pa_log_find(log, node);
    if (variable < 0) {
        *out = (pa_affine){0, 1};
        return size == rows.b && node->flags & PA_BORN_RECORDING;
    }
    if ((size_t)variable >= log->beside->n_variables) return false;
    const pa_node *other = log->beside->variables[variable].node;
    return other->ndim == node->ndim && other->array->shape[axis] != size &&
           pa_rows_fit(rows, other->array->shape[axis], size, out);
}

/* ---- how two logs differ ---- */

/* "file.py, line 12" of an entry. */
static void place_of(const pa_log *log, const pa_entry *entry, char *text, size_t size) {
    char file[256] = "";
    if (entry->code >= 0) pa_hook.describe_code(log->codes[entry->code], file, sizeof file);
    snprintf(text, size, "%s, line %d", file, entry->line);
}

static const char *entry_name(const pa_entry *entry) {
    static const char *const names[PA_ENTRY_KINDS] = {[PA_ENTRY_ALIAS] = "detach",
                                                      [PA_ENTRY_NUMBER_OF] = "data",
                                                      [PA_ENTRY_VALUE_OF] = "Value",
                                                      [PA_ENTRY_GRAD_OF] = "grad",
                                                      [PA_ENTRY_WRITE] = "a write",
                                                      [PA_ENTRY_SET_VALUE] = "setting data",
                                                      [PA_ENTRY_SET_GRAD] = "setting grad",
                                                      [PA_ENTRY_BACKWARD] = "backward",
                                                      [PA_ENTRY_LOCAL_BACKWARD] = "_backward",
                                                      [PA_ENTRY_GRAD] = "autograd.grad",
                                                      [PA_ENTRY_GRAD_FOUND] = "autograd.grad",
                                                      [PA_ENTRY_REQUIRES_GRAD] = "setting requires_grad",
                                                      [PA_ENTRY_RETAIN_GRAD] = "retain_grad",
                                                      [PA_ENTRY_UPDATE] = "an optimiser's step",
                                                      [PA_ENTRY_ZERO_GRAD] = "zero_grad",
                                                      [PA_ENTRY_CLIP] = "clip_grad_norm_",
                                                      [PA_ENTRY_FILL] = "a random fill",
                                                      [PA_ENTRY_HOST] = "a call of Python",
                                                      [PA_ENTRY_HOST_RESULT] = "a call of Python",
                                                      [PA_ENTRY_HOST_GRADIENT] = "a backward in Python",
                                                      [PA_ENTRY_HOOK] = "a hook"};
    return entry->kind == PA_ENTRY_OP ? pa_op_table[entry->op].name : names[entry->kind];
}

/* Alike as pa_log_difference means it, `rows` being how many each log had. */
static bool same_layout(const pa_node *a, const pa_node *b, pa_rows rows) {
    if (a->dtype != b->dtype || !pa_rows_fit_shapes(rows, a, b)) return false;
    for (int i = 0; i < a->ndim && rows.a == rows.b; i++)
        if (a->array->strides[i] != b->array->strides[i] && a->array->shape[i] > 1) return false;
    return true;
}

/* Why variable i of two logs is not the same, or NULL. */
static const char *variable_difference(const pa_variable *a, const pa_variable *b, pa_rows rows) {
    if (a->kind != b->kind) return "it used something that it had made itself, or another time had not";
    if (!same_layout(a->node, b->node, rows)) return "the shapes or dtypes were others";
    if (a->requires_grad != b->requires_grad) return "a gradient was wanted one time and not the other";
    bool same_place = a->node == b->node || (a->place >= 0 && a->place == b->place);
    if (a->kind == PA_VARIABLE_CAPTURED && !same_place) return "another tensor was used from outside the step";
    pa_rows_constant unused;
    if (a->kind != PA_VARIABLE_CONSTANT || pa_rows_fit_constants(rows, a->constant, b->constant, &unused)) return NULL;
    if (rows.a != rows.b)
        return "a number that Python computed was another one with another number of rows: write .mean() where a sum "
               "is divided by it; a tensor that Python makes needs rows that are all alike";
    return "a number that Python computed was another one (random numbers, counters, numbers read from data): give it "
           "to the step as a float or a tensor";
}

static bool same_bytes(const void *a, const void *b, size_t n) { return n == 0 || memcmp(a, b, n) == 0; }

/* Shapes of views, bounds of slices and checks may follow from the rows. */
static bool same_ints(const pa_log *la, const pa_entry *a, const pa_log *lb, const pa_entry *b, pa_rows rows) {
    pa_affine unused;
    const int64_t *x = la->ints + a->ints, *y = lb->ints + b->ints;
    for (int i = 0; i < a->n_ints; i++)
        if (x[i] != y[i] && (a->kind != PA_ENTRY_OP || !pa_rows_fit(rows, x[i], y[i], &unused))) return false;
    return true;
}

static bool same_entry(const pa_log *la, const pa_entry *a, const pa_log *lb, const pa_entry *b, pa_rows rows) {
    if (a->kind != b->kind || a->op != b->op || a->n != b->n || a->out != b->out || a->n_ints != b->n_ints ||
        a->n_params != b->n_params || a->tracked != b->tracked || (a->host == NULL) != (b->host == NULL) ||
        (a->host != NULL && !pa_hook.same_host(a->host, b->host)))
        return false;
    return same_bytes(a->params, b->params, sizeof a->params) && same_ints(la, a, lb, b, rows) &&
           same_bytes(la->operands + a->operands, lb->operands + b->operands, (size_t)a->n * sizeof *la->operands);
}

bool pa_log_difference(const pa_log *a, const pa_log *b, char *text, size_t size) {
    pa_rows rows = pa_log_rows(a, b);
    char place_a[320], place_b[320];
    size_t checked = 0; /* variables */
    for (size_t i = 0; i < a->n_inputs && i < b->n_inputs; i++) {
        const char *why = variable_difference(&a->variables[a->inputs[i]], &b->variables[b->inputs[i]], rows);
        if (why == NULL) continue;
        snprintf(text, size, "argument %zu: %s", i, why);
        return true;
    }
    for (size_t i = 0; i < a->n_entries && i < b->n_entries; i++) {
        const pa_entry *x = &a->entries[i], *y = &b->entries[i];
        if (!same_entry(a, x, b, y, rows)) {
            place_of(a, x, place_a, sizeof place_a);
            place_of(b, y, place_b, sizeof place_b);
            snprintf(
                text, size,
                "the first call did %s (%s) where the second did %s (%s), or did it with other operands or attributes",
                entry_name(x), place_a, entry_name(y), place_b);
            return true;
        }
        for (int k = 0; k <= x->n; k++) {
            int32_t variable = k < x->n ? a->operands[x->operands + k] : x->out;
            if (variable < 0 || (size_t)variable < checked) continue;
            checked = (size_t)variable + 1;
            const char *why = variable_difference(&a->variables[variable], &b->variables[variable], rows);
            if (why == NULL) continue;
            place_of(b, y, place_b, sizeof place_b);
            snprintf(text, size, "%s (%s): %s", entry_name(x), place_b, why);
            return true;
        }
    }
    if (a->n_entries == b->n_entries) return false;
    const pa_log *longer = a->n_entries > b->n_entries ? a : b;
    const pa_entry *more = &longer->entries[a->n_entries < b->n_entries ? a->n_entries : b->n_entries];
    place_of(longer, more, place_a, sizeof place_a);
    snprintf(text, size, "the %s call went on with %s (%s) where the other ended", longer == a ? "first" : "second",
             entry_name(more), place_a);
    return true;
}

/* The tensor from outside the step that a leaf's gradient was, or NULL. */
static const pa_node *shared_gradient(const pa_log *log, const pa_variable *v) {
    int32_t found = v->grad == NULL ? -1 : pa_log_find(log, v->grad);
    return found >= 0 && log->variables[found].kind <= PA_VARIABLE_CAPTURED ? v->grad : NULL;
}

static bool same_gradient(const pa_log *la, const pa_variable *a, const pa_log *lb, const pa_variable *b) {
    return a->requires_grad == b->requires_grad && (a->grad == NULL) == (b->grad == NULL) &&
           shared_gradient(la, a) == shared_gradient(lb, b);
}

bool pa_log_same_gradients(const pa_log *a, const pa_log *b) {
    for (size_t i = 0; i < a->n_inputs && i < b->n_inputs; i++)
        if (!same_gradient(a, &a->variables[a->inputs[i]], b, &b->variables[b->inputs[i]])) return false;
    for (size_t i = 0; i < a->n_variables; i++) {
        const pa_variable *v = &a->variables[i];
        int32_t other = v->kind == PA_VARIABLE_CAPTURED ? pa_log_find(b, v->node) : -1;
        if (other >= 0 && !same_gradient(a, v, b, &b->variables[other])) return false;
    }
    return true;
}

/* ---- one log and what is outside ---- */

bool pa_log_is_place(const pa_log *log, const pa_node *node) {
    for (size_t i = 0; i < log->n_variables; i++) {
        const pa_variable *v = &log->variables[i];
        const pa_node *grad = v->node->array != NULL ? v->node->array->grad : NULL;
        bool shares = pa_node_storage(node) != NULL && pa_node_storage(node) == pa_node_storage(v->node);
        bool is_grad = v->grad == node || grad == node;
        if (v->kind <= PA_VARIABLE_CAPTURED && (v->node == node || shares || is_grad)) return true;
    }
    return false;
}

bool pa_log_leak(const pa_log *log, int n, pa_node *const *outputs, char *text, size_t size) {
    for (size_t i = 0; i < log->n_entries; i++) {
        const pa_entry *entry = &log->entries[i];
        if (entry->out < 0) continue;
        const pa_node *node = log->variables[entry->out].node;
        bool held = node->handle != NULL && !(node->flags & PA_DICT_ONLY) && node->flags & PA_BORN_RECORDING;
        for (int k = 0; held && k < n; k++) held = outputs[k] != node;
        if (!held || entry->kind == PA_ENTRY_GRAD_OF) continue;
        char place[320];
        place_of(log, entry, place, sizeof place);
        snprintf(text, size, "the result of %s (%s) of shape %s", entry_name(entry), place, pa_node_shape_text(node));
        return true;
    }
    return false;
}
