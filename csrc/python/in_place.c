/* Writes in place. Where no gradient flows, the numbers change and nothing else. Where one does, edges of the graph
   lead to nodes and not to Python's objects, so the object takes another node, and the old one keeps its history and
   its children:

       alone     x *= y                 x ──▶ mul(old, y)                     old keeps its memory, and so its numbers
       shared    v = x[0]; v *= y       the numbers are written over
                                        x ──▶ written(old x, clone(v) y)      a view of the memory
                                        v ──▶ view of that                    as for every view of it that Python holds

   What is shared are views that Python holds of one memory, a family (graph.h), and arrays over it. A backward that
   needs numbers which were written over finds the version changed, and raises. */
#include "in_place.h"

#include <string.h>

#include "convert.h"

#include "../apply.h"
#include "../record.h"

/* Nodes that Python does not see keep their numbers where a handle leaves the memory. */
bool pa_is_shared(const pa_node *node) {
    const pa_storage *storage = pa_node_storage(node);
    if (storage == NULL) return false;
    if (storage->exports > 0 || storage->owner != NULL) return true;
    for (const pa_node *m = node->array->next; m != NULL && m != node; m = m->array->next)
        if (m->array->storage == storage && pa_live_handle(m) != NULL) return true;
    return false;
}

/* Does a write give the target a history? It has none in a graph of its own that Python no longer sees. */
static bool flows(const pa_node *target, const pa_node *source) {
    return pa_grad_enabled() && pa_dtype_is_float(target->dtype) &&
           (pa_node_requires_grad(target) || pa_node_requires_grad(source));
}

/* ---- handles that take another node ---- */

/* A node whose handle moves on keeps the backward that was written for it in Python, and its hooks: it takes its own
   copy of the __dict__ that has them. -1 with an exception set. */
static int leave_backward(pa_node *node, PyObject *dict) {
    node->handle = NULL;
    if ((node->op != PA_OP_custom && !pa_node_is_hooked(node)) || dict == NULL) return 0;
    PyObject *own = PyDict_Copy(dict);
    if (own == NULL) return -1;
    node->handle = own;
    node->flags |= PA_DICT_ONLY;
    static const char *const names[] = {"_backward_function", "_custom_op", "_backward_hooks"};
    for (int i = 0; i < 3; i++)
        if (PyDict_GetItemString(dict, names[i]) != NULL && PyDict_DelItemString(dict, names[i]) < 0) return -1;
    return 0;
}

/* Takes over the reference on the node, unless it fails. */
static pa_status move_on(PyObject *target, pa_node *node) {
    pa_node *old = pa_handle_node(target);
    if (leave_backward(old, ((pa_handle *)target)->dict) < 0) {
        old->handle = target;
        return PA_PYTHON;
    }
    node->flags |= old->flags & PA_RETAINS_GRAD;
    node->handle = target;
    ((pa_handle *)target)->node = node;
    pa_node_release(old);
    return PA_OK;
}

/* A node that a handle can take: the source itself, or where that has a handle already, this one takes the target's. */
static pa_status take(PyObject *target, pa_node *source) {
    PyObject *other = pa_live_handle(source);
    pa_node *old = pa_node_retain(pa_handle_node(target));
    pa_status status = move_on(target, pa_node_retain(source));
    if (status != PA_OK) pa_node_release(source);
    if (status == PA_OK && other != NULL) {
        ((pa_handle *)other)->node = old; /* its reference on the source goes, and is that on the old node */
        if (old->handle == NULL) old->handle = other;
        pa_node_release(source);
    } else {
        pa_node_release(old);
    }
    return status;
}

/* ---- what shares its memory ---- */

typedef struct member {
    PyObject *handle; /* held */
    pa_node *node;    /* held: the one that it is to take */
} member;

typedef struct family {
    member *members; /* the target first */
    int n;
    int capacity;
    pa_node *content; /* contiguous, and has the elements of all of them; not held */
} family;

static void free_family(family *f) {
    for (int i = 0; i < f->n; i++) {
        if (f->members[i].node != NULL) pa_node_release(f->members[i].node);
        Py_DECREF(f->members[i].handle);
    }
    pa_mem_free_array(f->members, (size_t)f->capacity, sizeof *f->members);
}

static pa_status list_family(family *f, PyObject *target) {
    const pa_node *node = pa_handle_node(target);
    f->capacity = 1;
    for (const pa_node *m = node->array->next; m != NULL && m != node; m = m->array->next) f->capacity++;
    f->members = pa_mem_alloc_array((size_t)f->capacity, sizeof *f->members);
    if (f->members == NULL) return PA_MEMORY;
    f->members[f->n++] = (member){Py_NewRef(target), NULL};
    for (const pa_node *m = node->array->next; m != NULL && m != node; m = m->array->next) {
        bool is_family = m->array->storage == node->array->storage && m->array->family == node->array->family;
        PyObject *handle = is_family ? pa_live_handle(m) : NULL;
        if (handle != NULL) f->members[f->n++] = (member){Py_NewRef(handle), NULL};
    }
    return PA_OK;
}

static bool has_all(const pa_node *node, const family *f) {
    if (!pa_node_is_contiguous(node)) return false;
    const char *begin, *end, *first, *last;
    pa_node_extent(node, &begin, &end);
    for (int i = 0; i < f->n; i++) {
        pa_node_extent(pa_handle_node(f->members[i].handle), &first, &last);
        if (first < begin || last > end) return false;
    }
    return true;
}

/* A backward that has freed the graph leaves no parents. */
static bool views_parent(const pa_node *node) {
    return pa_op_is_view((pa_op)node->op) && node->n_parents > 0 && pa_node_parent(node, 0)->array != NULL &&
           pa_node_parent(node, 0)->array->storage == node->array->storage;
}

/* The content stands among the members; or, where Python holds parts alone, behind them in the graph. */
static pa_status find_content(family *f, const char *what) {
    pa_node *target = pa_handle_node(f->members[0].handle);
    for (int i = 0; i < f->n && f->content == NULL; i++) {
        pa_node *each = pa_handle_node(f->members[i].handle);
        if (has_all(each, f)) f->content = each;
    }
    for (pa_node *node = target; f->content == NULL && views_parent(node);) {
        node = pa_node_parent(node, 0);
        if (has_all(node, f)) f->content = node;
    }
    PA_FAIL_IF(f->content == NULL, PA_UNSUPPORTED,
               "%s: views of a memory that is not contiguous, or of which nobody has the whole, are not written to "
               "while a gradient flows (one of shape %s); clone() it first",
               what, pa_node_shape_text(target));
    const pa_node *root = f->content;
    while (root->op == PA_OP_view && views_parent(root)) root = pa_node_parent(root, 0);
    PA_FAIL_IF(pa_node_is_leaf(root) && pa_node_requires_grad(root), PA_RUNTIME,
               "%s: a view of shape %s of a leaf of shape %s that requires grad is changed in place; do it under "
               "no_grad(), or on its .data",
               what, pa_node_shape_text(target), pa_node_shape_text(root));
    for (int i = 0; i < f->n; i++) {
        const pa_node *each = pa_handle_node(f->members[i].handle);
        PA_FAIL_IF(pa_node_is_leaf(each) && (pa_node_requires_grad(each) || each->array->is_cut), PA_RUNTIME,
                   "%s: a view of shape %s that %s is changed in place with a gradient; clone() it", what,
                   pa_node_shape_text(each),
                   each->array->is_cut ? "was made under no_grad()" : "is a leaf that requires grad");
    }
    return PA_OK;
}

/* Where a node stands in another, which is contiguous, in elements: an offset, and lengths and strides. */
static int64_t offset_in(const pa_node *content, const pa_node *node) {
    return (pa_node_data(node) - pa_node_data(content)) / (int64_t)pa_dtype_size(node->dtype);
}

static pa_status make_written(const family *f, pa_node *source, pa_node **out) {
    const pa_node *target = pa_handle_node(f->members[0].handle);
    int64_t ints[1 + PA_MAX_NDIM] = {offset_in(f->content, target)};
    for (int i = 0; i < target->ndim; i++) ints[1 + i] = pa_node_strides(target)[i];
    pa_node *in[2] = {f->content, source}, *before = NULL;
    /* Where nothing of the content is left, nor is its history. */
    if (pa_node_numel(target) == pa_node_numel(f->content) && pa_node_requires_grad(source)) {
        PA_TRY(pa_detach(f->content, &before));
        in[0] = before;
    }
    pa_status status =
        pa_apply(&(pa_call){.op = PA_OP_written, .n = 2, .in = in, .n_ints = 1 + target->ndim, .ints = ints}, out);
    if (before != NULL) pa_node_release(before);
    return status;
}

static bool same_place(const pa_node *a, const pa_node *b) {
    if (!pa_same_shape(a, b) || pa_node_data(a) != pa_node_data(b)) return false;
    return a->ndim == 0 ||
           memcmp(pa_node_strides(a), pa_node_strides(b), (size_t)a->ndim * sizeof *a->array->strides) == 0;
}

/* For each member the node that it is to take: what was written, or a view of it. */
static pa_status make_nodes(family *f, pa_node *written) {
    bool taken = false;
    for (int i = 0; i < f->n; i++) {
        const pa_node *old = pa_handle_node(f->members[i].handle);
        if (!taken && same_place(old, written)) {
            f->members[i].node = pa_node_retain(written);
            taken = true;
            continue;
        }
        int64_t ints[2 + 2 * PA_MAX_NDIM] = {PA_VIEW_PLACE, offset_in(f->content, old)};
        for (int k = 0; k < old->ndim; k++) {
            ints[2 + 2 * k] = pa_node_shape(old)[k];
            ints[3 + 2 * k] = pa_node_strides(old)[k];
        }
        PA_TRY(pa_apply(&(pa_call){.op = PA_OP_view, .n = 1, .in = &written, .n_ints = 2 + 2 * old->ndim, .ints = ints},
                        &f->members[i].node));
    }
    return PA_OK;
}

static pa_status write_family(family *f, PyObject *target, pa_node *source, const char *what) {
    pa_node *node = pa_handle_node(target), *written = NULL;
    PA_TRY(list_family(f, target));
    PA_TRY(find_content(f, what));
    PA_TRY(make_written(f, source, &written));
    pa_status status = make_nodes(f, written);
    pa_node_release(written);
    PA_TRY(status);
    bool enabled = pa_grad_enable(false);
    status = pa_copy_into(node, source, what);
    pa_grad_enable(enabled);
    for (int i = 0; i < f->n && status == PA_OK; i++) {
        status = move_on(f->members[i].handle, f->members[i].node);
        if (status == PA_OK) f->members[i].node = NULL;
    }
    return status;
}

/* ---- writes ---- */

/* The source in the target's shape and dtype. */
static pa_status fit(const pa_node *target, pa_node *source, const char *what, pa_node **out) {
    *out = pa_node_retain(source);
    if (!pa_same_shape(target, source)) {
        int ndim;
        int64_t ints[1 + PA_MAX_NDIM] = {PA_VIEW_EXPAND};
        pa_node *both[2] = {(pa_node *)(uintptr_t)target, source};
        PA_TRY(pa_broadcast_shapes(what, 2, both, &ndim, ints + 1));
        bool fits = ndim == target->ndim &&
                    (ndim == 0 || memcmp(ints + 1, pa_node_shape(target), (size_t)ndim * sizeof *ints) == 0);
        PA_FAIL_IF(!fits, PA_VALUE, "%s: a source of shape %s does not fit into shape %s", what,
                   pa_node_shape_text(source), pa_node_shape_text(target));
        pa_node_release(*out);
        *out = NULL;
        PA_TRY(pa_apply(&(pa_call){.op = PA_OP_view, .n = 1, .in = &source, .n_ints = 1 + ndim, .ints = ints}, out));
    }
    if ((*out)->dtype == target->dtype) return PA_OK;
    int64_t dtype = target->dtype;
    pa_node *cast = NULL;
    PA_TRY(pa_apply(&(pa_call){.op = PA_OP_cast, .n = 1, .in = out, .n_ints = 1, .ints = &dtype}, &cast));
    pa_node_release(*out);
    *out = cast;
    return PA_OK;
}

static pa_status check_dtype(const pa_node *target, const pa_node *result, const char *what) {
    bool fits = pa_dtype_is_float(target->dtype) ||
                pa_dtype_category((pa_dtype)result->dtype) <= pa_dtype_category((pa_dtype)target->dtype);
    PA_FAIL_IF(!fits, PA_TYPE, "%s: a result of dtype %s does not fit in place into a tensor of dtype %s, shape %s",
               what, pa_dtype_name(result->dtype), pa_dtype_name(target->dtype), pa_node_shape_text(target));
    return PA_OK;
}

pa_status pa_assign(PyObject *target, pa_node *source, const char *what, bool fresh) {
    pa_node *node = pa_handle_node(target), *fitted = NULL;
    PA_TRY(pa_record_check_shared(node, what)); /* its object may only take another node, which no write begins */
    if (fresh) PA_TRY(check_dtype(node, source, what));
    if (!flows(node, source)) {
        bool enabled = pa_grad_enable(pa_grad_enabled() && pa_node_requires_grad(node));
        pa_status status = pa_copy_into(node, source, what);
        pa_grad_enable(enabled);
        return status;
    }
    if (pa_node_is_leaf(node) && pa_node_requires_grad(node)) return pa_node_begin_write(node, what);
    PA_TRY(pa_node_need_storage(node));
    pa_node_retain(node);
    pa_status status = fit(node, source, what, &fitted);
    bool is_own = fresh && fitted == source && !(fitted->flags & PA_IS_VIEW) && pa_node_requires_grad(fitted);
    if (status == PA_OK && is_own && !pa_is_shared(node)) {
        status = take(target, fitted);
    } else if (status == PA_OK) {
        family f = {0};
        status = write_family(&f, target, fitted, what);
        free_family(&f);
    }
    if (fitted != NULL) pa_node_release(fitted);
    pa_node_release(node);
    return status;
}

pa_status pa_detach_in_place(PyObject *target) {
    pa_node *node = pa_handle_node(target), *leaf = NULL;
    PA_FAIL_IF(node->flags & PA_IS_VIEW, PA_RUNTIME,
               "detach_: a view of shape %s has its history from what it views; take detach()",
               pa_node_shape_text(node));
    if (pa_recording() != NULL && !(node->flags & PA_BORN_RECORDING))
        return pa_record_refuse("detach_", "the tensor is from outside of the step; write x = x.detach()");
    PA_TRY(pa_detach(node, &leaf));
    pa_status status = move_on(target, leaf);
    if (status != PA_OK)
        pa_node_release(leaf);
    else
        leaf->flags &= (uint16_t)~PA_RETAINS_GRAD;
    return status;
}

/* A result that is computed from a memory which others see, and written there, is computed from a copy. */
static pa_status apply_with_history(pa_op op, PyObject *target, pa_node *source) {
    pa_node *before = pa_node_retain(pa_handle_node(target)), *operand = NULL, *result = NULL;
    int64_t dtype = before->dtype;
    pa_call copy = {.op = PA_OP_cast, .n = 1, .in = &before, .n_ints = 1, .ints = &dtype};
    pa_status status = PA_OK;
    if (pa_is_shared(before))
        status = pa_apply(&copy, &operand);
    else
        operand = pa_node_retain(before);
    if (status == PA_OK) status = pa_apply_binary(op, operand, source, &result);
    if (status == PA_OK && pa_handle_node(target) != before)
        status =
            pa_fail(PA_RUNTIME, "%s: another thread has changed this tensor in place meanwhile", pa_op_table[op].name);
    if (status == PA_OK) status = pa_assign(target, result, pa_op_table[op].name, true);
    if (result != NULL) pa_node_release(result);
    if (operand != NULL) pa_node_release(operand);
    pa_node_release(before);
    return status;
}

PyObject *pa_in_place(pa_op op, PyObject *target, PyObject *other) {
    if (!pa_is_handle(target) || pa_is_value(target)) return Py_NewRef(Py_NotImplemented);
    if (pa_is_traced_scalar(target)) return Py_NewRef(Py_NotImplemented); /* a number's x += y makes a new number */
    pa_node *source = NULL;
    int found = pa_as_node(other, &source);
    if (found < 0) return NULL;
    if (found == 0) return Py_NewRef(Py_NotImplemented);
    pa_node *node = pa_handle_node(target);
    bool is_leaf = pa_node_is_leaf(node) && pa_node_requires_grad(node);
    pa_status status =
        flows(node, source) && !is_leaf ? apply_with_history(op, target, source) : pa_apply_in_place(op, node, source);
    pa_node_release(source);
    return status == PA_OK ? Py_NewRef(target) : pa_raise(status);
}
