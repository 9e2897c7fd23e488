/* The life of storages and nodes: made, linked, released without recursion; and what is asked of a node. */
#include "graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "record.h"

pa_graph_state pa_graph = {.default_float = PA_FLOAT32};
_Thread_local bool pa_grad_disabled;
atomic_int pa_grad_disabled_threads;
_Thread_local struct pa_log *pa_log_here;
int pa_recording_threads;

bool pa_grad_enable(bool enabled) {
    bool before = !pa_grad_disabled;
    if (before == enabled) return before;
    pa_grad_disabled = !enabled;
    atomic_fetch_add_explicit(&pa_grad_disabled_threads, enabled ? -1 : 1, memory_order_relaxed);
    return before;
}

static void *retain_nothing(void *object) { return object; }
static void release_nothing(void *PA_UNUSED(object)) {}
static pa_status no_object(pa_node *node) {
    return pa_fail(PA_UNSUPPORTED, "%s: there is no Python here", pa_op_table[node->op].name);
}
static void *leave_nothing(void) { return NULL; }
static void enter_nothing(void *PA_UNUSED(token)) {}
static bool never_interrupted(void) { return false; }
static pa_status no_custom_backward(pa_node *node) {
    return pa_fail(PA_UNSUPPORTED, "%s: there is no Python here to run its backward", pa_op_table[node->op].name);
}

static pa_status no_custom_gradients(pa_node *node, pa_node *PA_UNUSED(upstream), pa_node **PA_UNUSED(gradients)) {
    return no_custom_backward(node);
}

static bool never_same(void *PA_UNUSED(a), void *PA_UNUSED(b)) { return false; }
static pa_status no_host(void *PA_UNUSED(program), void *PA_UNUSED(host), bool PA_UNUSED(keeps_history),
                         int PA_UNUSED(n), pa_node *const *PA_UNUSED(in), int PA_UNUSED(n_out),
                         pa_node *const *PA_UNUSED(out)) {
    return pa_fail(PA_UNSUPPORTED, "compile: there is no Python here to call");
}
static pa_status no_host_backward(void *PA_UNUSED(program), void *PA_UNUSED(host), pa_node *node,
                                  const int32_t *PA_UNUSED(wanted), bool *PA_UNUSED(given)) {
    return no_custom_backward(node);
}

static pa_status no_hooks(pa_node *PA_UNUSED(node), bool PA_UNUSED(accumulated), pa_node **PA_UNUSED(gradient)) {
    return PA_OK;
}

static void *nowhere(int *line) {
    *line = 0;
    return NULL;
}
static void describe_nothing(void *PA_UNUSED(code), char *text, size_t size) {
    if (size > 0) text[0] = '\0';
}

static void come_to_nothing(void *PA_UNUSED(watcher), size_t PA_UNUSED(entry)) {}

pa_hooks pa_hook = {.retain_object = retain_nothing,
                    .release_object = release_nothing,
                    .hold_node = no_object,
                    .leave_python = leave_nothing,
                    .enter_python = enter_nothing,
                    .interrupted = never_interrupted,
                    .custom_backward = no_custom_backward,
                    .hooked_gradient = no_hooks,
                    .custom_gradients = no_custom_gradients,
                    .same_host = never_same,
                    .call_host = no_host,
                    .call_host_backward = no_host_backward,
                    .come_to = come_to_nothing,
                    .where = nowhere,
                    .describe_code = describe_nothing};

/* ---- storages: the header and the bytes are one block, the bytes at its first 64-byte boundary ---- */

enum { STORAGE_HEADER = 64 };
_Static_assert(sizeof(pa_storage) <= STORAGE_HEADER, "a storage's header fits before its bytes");

/* Small blocks are aligned to 16 only, so a storage asks for at least what makes a large one. */
static size_t storage_block_bytes(size_t bytes) {
    size_t total = STORAGE_HEADER + bytes;
    return total <= PA_MEM_SMALL_MAX ? PA_MEM_SMALL_MAX + 1 : total;
}

pa_status pa_storage_new(size_t bytes, pa_storage **out) {
    PA_FAIL_IF(bytes > SIZE_MAX / 2, PA_MEMORY, "out of memory asking for %zu bytes", bytes);
    pa_storage *storage = pa_mem_alloc(storage_block_bytes(bytes));
    if (storage == NULL) return PA_MEMORY;
    *storage = (pa_storage){.refs = 1, .bytes = bytes, .data = (char *)storage + STORAGE_HEADER};
    pa_graph.live_storages++;
    *out = storage;
    return PA_OK;
}

pa_status pa_storage_borrow(void *data, size_t bytes, void *owner, void (*let_go)(void *owner), pa_storage **out) {
    pa_storage *storage = pa_mem_alloc(sizeof *storage);
    if (storage == NULL) return PA_MEMORY;
    *storage = (pa_storage){.refs = 1, .bytes = bytes, .data = data, .owner = owner, .let_go = let_go};
    pa_graph.live_storages++;
    *out = storage;
    return PA_OK;
}

pa_storage *pa_storage_of(void *data) { return (pa_storage *)((char *)data - STORAGE_HEADER); }

void pa_storage_release(pa_storage *storage) {
    if (storage == NULL || --storage->refs > 0) return;
    pa_graph.live_storages--;
    if (storage->owner != NULL) {
        pa_storage gone = *storage;
        pa_mem_free(storage, sizeof *storage);
        gone.let_go(gone.owner);
    } else {
        pa_mem_free(storage, storage_block_bytes(storage->bytes));
    }
}

/* ---- nodes ---- */

static pa_node *node_alloc(pa_dtype dtype, unsigned flags) {
    pa_node *node = pa_mem_alloc(sizeof *node);
    if (node == NULL) return NULL;
    memset(node, 0, sizeof *node);
    node->refs = 1;
    node->dtype = (uint8_t)dtype;
    node->flags = (uint16_t)(flags | pa_birth_flags());
    pa_graph.live_nodes++;
    return node;
}

pa_status pa_value_new(double value, pa_node **out) {
    pa_node *node = node_alloc(PA_FLOAT64, PA_IS_VALUE | PA_PURE | PA_REQUIRES_GRAD);
    if (node == NULL) return PA_MEMORY;
    node->value = value;
    *out = node;
    return PA_OK;
}

static void unlist(pa_node *node) {
    if (node->older != NULL) node->older->newer = node->newer;
    if (node->newer != NULL)
        node->newer->older = node->older;
    else
        pa_graph.newest = node->older;
    node->older = node->newer = NULL;
    node->flags &= (uint16_t)~PA_LISTED;
}

void pa_node_make_older_than(pa_node *node, pa_node *successor) {
    unlist(node);
    node->flags |= PA_LISTED;
    node->newer = successor;
    node->older = successor->older;
    if (successor->older != NULL) successor->older->newer = node;
    successor->older = node;
}

/* Drops one reference; a node that nobody holds any more joins `pending`, linked through `newer`. */
static inline void drop(pa_node *node, pa_node **pending) {
    if (--node->refs > 0) return;
    if (node->flags & PA_LISTED) unlist(node);
    node->newer = *pending;
    *pending = node;
}

static void free_parent_array(pa_node *node) {
    if (node->op == PA_OP_neuron) {
        pa_mem_free(node->neuron, pa_neuron_bytes(pa_neuron_inputs(node)));
    } else if (node->n_parents > 2) {
        pa_mem_free(node->array->parents, pa_parents_bytes(node->n_parents));
        node->array->parents = NULL;
    }
}

/* Nodes that die because a Python object does that is released here wait with the others, so that a chain of such
   objects needs no stack either. Python may run meanwhile, and in it other threads: the list is everybody's. */
static pa_node *nested;
static int releasing_objects;
static _Thread_local int releasing_here; /* how many of them are this thread's */

static void release_object(void *object, pa_node **pending) {
    releasing_objects++;
    releasing_here++;
    pa_hook.release_object(object);
    releasing_here--;
    releasing_objects--;
    while (nested != NULL) {
        pa_node *next = nested;
        nested = next->newer;
        next->newer = *pending;
        *pending = next;
    }
}

static void drop_anchored_parents(pa_node *node, pa_node **pending) {
    pa_node *const *parents = pa_node_parents(node);
    for (int i = 0; i < node->n_parents; i++) {
        if (parents[i]->flags & PA_ANCHORED)
            release_object(parents[i]->handle, pending);
        else
            drop(parents[i], pending);
    }
    free_parent_array(node);
}

/* Drops what a child holds of its parents. */
static inline void drop_parents(pa_node *node, pa_node **pending) {
    if (node->flags & PA_ANCHORED) {
        drop_anchored_parents(node, pending);
    } else if (node->n_parents > 2) {
        pa_node *const *parents = pa_node_parents(node);
        for (int i = 0; i < node->n_parents; i++) drop(parents[i], pending);
        free_parent_array(node);
    } else {
        if (node->n_parents > 0) drop(node->parent[0], pending);
        if (node->n_parents > 1) drop(node->parent[1], pending);
    }
}

void pa_node_join(pa_node *view, pa_node *base, bool is_family) {
    static uint32_t families;
    if (base->array == NULL || base->array->storage != view->array->storage) return; /* a copy of a Value's number */
    if (base->array->next == NULL) base->array->next = base->array->previous = base;
    view->array->next = base->array->next;
    view->array->previous = base;
    base->array->next->array->previous = view;
    base->array->next = view;
    view->array->family = is_family ? base->array->family : ++families;
}

static void leave_family(pa_array *array) {
    if (array->next == NULL) return;
    array->next->array->previous = array->previous;
    array->previous->array->next = array->next;
    array->next = array->previous = NULL;
}

pa_status pa_node_share(pa_node *node, pa_node *source) {
    PA_TRY(pa_node_need_storage(node));
    PA_TRY(pa_node_need_storage(source));
    pa_array *array = node->array;
    const pa_array *other = source->array;
    /* A graph that holds the node must see that its numbers changed. */
    uint32_t version = array->storage->version;
    if (node->refs - node->programs > 1 && other->storage->version <= version) other->storage->version = version + 1;
    leave_family(array);
    pa_storage_release(array->storage);
    array->storage = pa_storage_retain(other->storage);
    array->data = other->data;
    memcpy(array->strides, other->strides, sizeof array->strides);
    node->flags |= PA_IS_VIEW;
    source->flags |= PA_IS_VIEW;
    pa_node_join(node, source, false);
    return PA_OK;
}

/* What only some nodes have: an array, the attributes of an object that is no more. */
static void free_extras(pa_node *node, pa_node **pending) {
    pa_array *array = node->array;
    if (array != NULL) {
        pa_storage_release(array->storage);
        pa_storage_release(array->saved);
        leave_family(array);
        if (array->grad != NULL) drop(array->grad, pending);
        if (array->code != NULL) release_object(array->code, pending);
        pa_mem_free(array, sizeof *array);
    }
    if (node->flags & PA_DICT_ONLY) release_object(node->handle, pending);
}

/* Iterative: nodes that nobody holds any more wait in a list, and freeing one may add its parents. */
void pa_node_release_slow(pa_node *node) {
    node->refs = 1;
    if (releasing_objects > 0) {
        drop(node, &nested);
        return;
    }
    pa_node *pending = NULL;
    int64_t freed = 0;
    drop(node, &pending);
    while (pending != NULL) {
        pa_node *next = pending;
        pending = next->newer;
        drop_parents(next, &pending);
        if (next->array != NULL || next->flags & PA_DICT_ONLY) free_extras(next, &pending);
        pa_mem_free(next, sizeof *next);
        freed++;
    }
    pa_graph.live_nodes -= freed;
}

void pa_graph_after_fork(void) {
    releasing_objects = releasing_here;
    pa_grad_disabled_threads = pa_grad_disabled;
    pa_recording_threads = pa_log_here != NULL;
}

pa_status pa_node_need_array(pa_node *node) {
    if (node->array != NULL) return PA_OK;
    pa_array *array = pa_mem_alloc(sizeof *array);
    if (array == NULL) return PA_MEMORY;
    memset(array, 0, sizeof *array);
    array->numel = 1;
    if (node->n_parents == 1) array->params[0] = node->param;
    node->array = array;
    return PA_OK;
}

void pa_node_note_place(pa_node *node) {
    int line;
    node->array->code = pa_hook.where(&line);
    node->array->line = line;
}

const char *pa_node_place_text(const pa_node *node) {
    static _Thread_local char text[300];
    if (node->array == NULL || node->array->code == NULL) return "";
    char file[240];
    pa_hook.describe_code(node->array->code, file, sizeof file);
    snprintf(text, sizeof text, "; the op was applied at %s, line %d", file, (int)node->array->line);
    return text;
}

pa_status pa_node_need_storage(pa_node *node) {
    PA_TRY(pa_node_need_array(node));
    if (node->array->storage != NULL) return PA_OK;
    pa_storage *storage = NULL;
    PA_TRY(pa_storage_new(sizeof node->value, &storage));
    memcpy(storage->data, &node->value, sizeof node->value);
    node->array->storage = storage;
    node->array->data = storage->data;
    return PA_OK;
}

pa_status pa_count_elements(pa_dtype dtype, int ndim, const int64_t *shape, int64_t *numel) {
    int64_t nonzero = 1, room;
    bool empty = false, beyond = false;
    for (int i = 0; i < ndim; i++) {
        empty = empty || shape[i] == 0;
        if (shape[i] != 0) beyond = __builtin_mul_overflow(nonzero, shape[i], &nonzero) || beyond;
    }
    beyond = __builtin_mul_overflow(nonzero, 16 * (int64_t)pa_dtype_size(dtype), &room) || beyond;
    PA_FAIL_IF(beyond, PA_MEMORY, "out of memory asking for an array of shape %s", pa_shape_text(ndim, shape));
    *numel = empty ? 0 : nonzero;
    return PA_OK;
}

pa_status pa_node_over(pa_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides, pa_storage *storage,
                       char *data, pa_node **out) {
    int64_t numel = 0;
    PA_TRY(pa_count_elements(dtype, ndim, shape, &numel));
    pa_node *node = node_alloc(dtype, 0);
    if (node == NULL) return PA_MEMORY;
    if (pa_node_need_array(node) != PA_OK) {
        pa_node_release(node);
        return PA_MEMORY;
    }
    pa_array *array = node->array;
    node->ndim = (uint8_t)ndim;
    array->numel = numel;
    for (int i = 0; i < ndim; i++) {
        array->shape[i] = shape[i];
        array->strides[i] = strides[i];
    }
    array->storage = pa_storage_retain(storage);
    array->data = data;
    *out = node;
    return PA_OK;
}

pa_status pa_node_view(pa_node *base, pa_dtype dtype, int ndim, const int64_t *shape, const int64_t *strides,
                       int64_t offset, pa_node **out) {
    if (base->flags & PA_IS_VALUE) {
        pa_storage *copy = NULL;
        PA_TRY(pa_storage_new(sizeof base->value, &copy));
        memcpy(copy->data, &base->value, sizeof base->value);
        pa_status status = pa_node_over(dtype, ndim, shape, strides, copy, copy->data, out);
        pa_storage_release(copy);
        return status;
    }
    PA_TRY(pa_node_need_storage(base));
    PA_TRY(pa_node_over(dtype, ndim, shape, strides, base->array->storage, base->array->data + offset, out));
    (*out)->flags |= PA_IS_VIEW;
    return PA_OK;
}

pa_status pa_node_new(pa_dtype dtype, int ndim, const int64_t *shape, pa_node **out) {
    if (ndim == 0) {
        *out = node_alloc(dtype, 0);
        return *out == NULL ? PA_MEMORY : PA_OK;
    }
    int64_t strides[PA_MAX_NDIM], numel = 0;
    PA_FAIL_IF(ndim > PA_MAX_NDIM, PA_VALUE, "%d axes are more than the %d that a tensor can have", ndim, PA_MAX_NDIM);
    PA_TRY(pa_count_elements(dtype, ndim, shape, &numel));
    pa_row_major(ndim, shape, strides);
    pa_storage *storage = NULL;
    PA_TRY(pa_storage_new((size_t)numel * pa_dtype_size(dtype), &storage));
    pa_status status = pa_node_over(dtype, ndim, shape, strides, storage, storage->data, out);
    pa_storage_release(storage);
    return status;
}

/* Exchanges the references on anchored parents for references on their Python objects. */
static pa_status hold_by_objects(int n, pa_node *const *parents) {
    for (int i = 0; i < n; i++) {
        if (!(parents[i]->flags & PA_ANCHORED)) continue;
        pa_status status = pa_hook.hold_node(parents[i]);
        if (status == PA_OK) {
            parents[i]->refs--;
            continue;
        }
        while (i-- > 0) {
            if (!(parents[i]->flags & PA_ANCHORED)) continue;
            parents[i]->refs++;
            pa_hook.release_object(parents[i]->handle);
        }
        return status;
    }
    return PA_OK;
}

pa_status pa_node_link(pa_node *node, pa_op op, int n, pa_node *const *parents) {
    PA_FAIL_IF(n > UINT16_MAX, PA_VALUE, "%s: %d operands are more than the %d allowed", pa_op_table[op].name, n,
               UINT16_MAX);
    if (n > 2) {
        PA_TRY(pa_node_need_array(node));
        node->array->parents = pa_mem_alloc(pa_parents_bytes(n));
        if (node->array->parents == NULL) return PA_MEMORY;
    }
    pa_node **own = n > 2 ? node->array->parents : node->parent;
    unsigned flags = 0;
    for (int i = 0; i < n; i++) {
        own[i] = pa_node_retain(parents[i]);
        flags |= parents[i]->flags;
    }
    /* Not in a recorded step: it asks which results Python still holds, which cannot be told if all have objects. */
    if (flags & PA_ANCHORED && node->flags & PA_IS_VALUE && pa_recording() == NULL) {
        pa_status status = hold_by_objects(n, own);
        if (status != PA_OK) {
            for (int i = 0; i < n; i++) own[i]->refs--; /* none is the last: the caller has one on each parent */
            if (n > 2) pa_mem_free(own, pa_parents_bytes(n));
            return status;
        }
        node->flags |= PA_ANCHORED;
    }
    node->op = (uint8_t)op;
    node->n_parents = (uint16_t)n;
    node->older = pa_graph.newest;
    node->newer = NULL;
    if (pa_graph.newest != NULL) pa_graph.newest->newer = node;
    pa_graph.newest = node;
    node->flags |= PA_LISTED;
    return PA_OK;
}

pa_status pa_node_save(pa_node *node, size_t bytes) {
    const pa_op_info *info = &pa_op_table[node->op];
    PA_FAIL_IF(!(info->effects & READS_SAVED), PA_RUNTIME,
               "%s: the op's row does not say that its backward reads what is saved", info->name);
    pa_storage *saved = node->array->saved, *larger = NULL;
    if (saved != NULL && saved->bytes >= bytes) return PA_OK;
    PA_TRY(pa_storage_new(bytes, &larger));
    pa_storage_release(saved);
    node->array->saved = larger;
    return PA_OK;
}

void pa_node_unlink(pa_node *node) {
    if (node->flags & PA_LISTED) unlist(node);
    pa_node *pending = NULL;
    drop_parents(node, &pending);
    if (node->array != NULL) {
        pa_storage_release(node->array->saved);
        node->array->saved = NULL;
    }
    node->n_parents = 0;
    node->parent[0] = node->parent[1] = NULL;
    while (pending != NULL) {
        pa_node *next = pending;
        pending = next->newer;
        pa_node_release_slow(next);
    }
}

/* ---- reading ---- */

bool pa_node_is_contiguous(const pa_node *node) {
    if (pa_node_numel(node) == 0) return true;
    int64_t expected = 1;
    for (int i = node->ndim - 1; i >= 0; i--) {
        int64_t size = node->array->shape[i];
        if (size != 1 && node->array->strides[i] != expected) return false;
        expected *= size;
    }
    return true;
}

void pa_node_extent(const pa_node *node, const char **begin, const char **end) {
    *begin = *end = pa_node_data(node);
    if (pa_node_numel(node) == 0) return;
    int64_t size = (int64_t)pa_dtype_size(node->dtype);
    for (int i = 0; i < node->ndim; i++) {
        int64_t last = (pa_node_shape(node)[i] - 1) * pa_node_strides(node)[i] * size;
        *(last < 0 ? begin : end) += last;
    }
    *end += size;
}

bool pa_same_shape(const pa_node *a, const pa_node *b) {
    return a->ndim == b->ndim &&
           (a->ndim == 0 || memcmp(a->array->shape, b->array->shape, (size_t)a->ndim * sizeof(int64_t)) == 0);
}

double pa_node_number(const pa_node *node) {
    const void *data = pa_node_data(node);
    switch ((pa_dtype)node->dtype) {
    case PA_BOOL: return *(const uint8_t *)data != 0;
    case PA_UINT8: return *(const uint8_t *)data;
    case PA_INT32: return *(const int32_t *)data;
    case PA_INT64: return (double)*(const int64_t *)data;
    case PA_FLOAT32: return *(const float *)data;
    default: return *(const double *)data;
    }
}

const char *pa_shape_text(int ndim, const int64_t *shape) {
    static _Thread_local char texts[8][160];
    static _Thread_local unsigned turn;
    char *text = texts[turn++ % 8];
    size_t used = (size_t)snprintf(text, sizeof texts[0], "(");
    for (int i = 0; i < ndim && used < sizeof texts[0] - 24; i++)
        used += (size_t)snprintf(text + used, sizeof texts[0] - used, i == 0 ? "%lld" : ", %lld", (long long)shape[i]);
    snprintf(text + used, sizeof texts[0] - used, ndim == 1 ? ",)" : ")");
    return text;
}

bool pa_strides_overlap(int ndim, const int64_t *shape, const int64_t *strides) {
    bool overlap = false;
    for (int i = 0; i < ndim; i++) {
        int64_t reach = 0;
        for (int k = 0; k < ndim; k++) {
            bool before = llabs(strides[k]) < llabs(strides[i]) || (llabs(strides[k]) == llabs(strides[i]) && k > i);
            if (before && shape[k] > 1) reach += (shape[k] - 1) * llabs(strides[k]);
        }
        if (shape[i] == 0) return false;
        overlap = overlap || (shape[i] > 1 && llabs(strides[i]) <= reach);
    }
    return overlap;
}

pa_status pa_node_begin_write(pa_node *node, const char *what) {
    PA_FAIL_IF(
        pa_grad_enabled() && pa_node_requires_grad(node), PA_RUNTIME,
        "%s: a tensor of shape %s that requires grad is changed in place; do it under no_grad(), or on its .data", what,
        pa_node_shape_text(node));
    PA_FAIL_IF(node->flags & PA_BUSY, PA_RUNTIME,
               "%s: another thread is running backward through this tensor of shape %s", what,
               pa_node_shape_text(node));
    PA_TRY(pa_node_need_storage(node));
    pa_storage *storage = node->array->storage;
    PA_FAIL_IF(storage->readers > 0 || storage->writer, PA_RUNTIME,
               "%s: another thread is using this tensor of shape %s", what, pa_node_shape_text(node));
    PA_FAIL_IF(pa_strides_overlap(node->ndim, pa_node_shape(node), pa_node_strides(node)), PA_RUNTIME,
               "%s: elements of this expanded or unfolded view of shape %s share memory; clone() it first", what,
               pa_node_shape_text(node));
    return pa_record_check_shared(node, what);
}

void pa_node_end_write(pa_node *node) { node->array->storage->version++; }
