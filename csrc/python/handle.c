/* The life of handles, the Python objects that own nodes.

   A node has at most one live handle, and points back at it, so that `a is b` and id() tell whether two expressions are
   the same node. A handle that dies leaves its __dict__ to its node if anything else still holds the node.

   Handles are garbage-collected objects that are not tracked until they have a __dict__: without one they cannot be
   part of a cycle. A handle whose node others hold does not show its __dict__ to the collector: what it keeps may
   still be needed by a backward, however unreachable it looks from Python. Where that would keep cycles alive, in
   chains of Values with closures, the nodes are anchored (graph.h): children hold the handle, and each handle shows
   those that its node holds. */
#include "handle.h"

PyObject *pa_node_dict(const pa_node *node) {
    if (node->flags & PA_DICT_ONLY) return node->handle;
    return node->handle != NULL ? ((pa_handle *)node->handle)->dict : NULL;
}

/* Memory of handles that died, for new ones of the exact classes: it saves the collector's and the allocator's part. */
enum { IDLE_HANDLES = 256 };
static struct {
    pa_handle *handle[IDLE_HANDLES];
    int n;
} idle;

static inline bool is_exact(const PyTypeObject *type) { return type == pa_py.value_type || type == pa_py.tensor_type; }

/* The __dict__ that an earlier handle of the node left, or has while it is dying. */
static void take_dict(pa_handle *handle) {
    pa_node *node = handle->node;
    if (node->flags & PA_DICT_ONLY) {
        handle->dict = node->handle;
        node->flags &= (uint16_t)~PA_DICT_ONLY;
    } else {
        pa_handle *dying = node->handle;
        handle->dict = dying->dict;
        dying->dict = NULL;
    }
    pa_handle_track((PyObject *)handle);
}

PyObject *pa_live_handle(const pa_node *node) {
    if (node->flags & PA_DICT_ONLY || node->handle == NULL || Py_REFCNT((PyObject *)node->handle) == 0) return NULL;
    return node->handle;
}

/* The memory of a handle that nobody sees, and its reference on its type. */
static void give_back(PyObject *handle, PyTypeObject *type) {
    if (idle.n < IDLE_HANDLES && is_exact(type))
        idle.handle[idle.n++] = (pa_handle *)handle;
    else
        PyObject_GC_Del(handle);
    Py_DECREF(type);
}

/* Memory for a handle; NULL where there is none, and where the node has got a handle meanwhile: allocation may run the
   collector, and Python that asks for it. */
static pa_handle *allocate_handle(const pa_node *node, PyTypeObject *type) {
    /* a subclass may have slots of its own behind the handle, which must be cleared */
    PyObject *handle = is_exact(type) ? (PyObject *)PyObject_GC_New(pa_handle, type) : PyType_GenericAlloc(type, 0);
    if (handle == NULL || pa_live_handle(node) == NULL) return (pa_handle *)handle;
    if (PyObject_GC_IsTracked(handle)) PyObject_GC_UnTrack(handle);
    give_back(handle, type);
    return NULL;
}

/* A handle of the given class; takes over the reference on the node, also when it fails. */
static inline PyObject *new_handle(pa_node *node, PyTypeObject *type) {
    pa_handle *handle;
    if (idle.n > 0 && is_exact(type)) {
        handle = idle.handle[--idle.n];
        PyObject_Init((PyObject *)handle, type);
    } else if ((handle = allocate_handle(node, type)) == NULL) {
        PyObject *live = Py_XNewRef(pa_live_handle(node));
        pa_node_release(node);
        return live;
    }
    handle->node = node;
    handle->dict = NULL;
    handle->weak_references = NULL;
    if (node->handle != NULL) take_dict(handle);
    if (node->flags & PA_ANCHORED) pa_handle_track((PyObject *)handle);
    node->handle = handle;
    return (PyObject *)handle;
}

PyObject *pa_handle_new(pa_node *node, PyTypeObject *type) { return new_handle(node, type); }

PyObject *pa_wrap(pa_node *node) {
    PyObject *live = pa_live_handle(node);
    if (live != NULL) {
        pa_node_release(node); /* the handle has a reference of its own */
        return Py_NewRef(live);
    }
    return new_handle(node, node->flags & PA_IS_VALUE       ? pa_py.value_type
                            : node->flags & PA_IS_PARAMETER ? pa_py.parameter_type
                                                            : pa_py.tensor_type);
}

/* The handle leaves the graph before anything that may run Python: a callback that looks at the node finds no dying
   handle. */
void pa_handle_dealloc(PyObject *self) {
    pa_handle *handle = (pa_handle *)self;
    PyTypeObject *type = Py_TYPE(self);
    pa_node *node = handle->node;
    PyObject *dict = handle->dict;
    bool tracked = dict != NULL || node->flags & PA_ANCHORED || !is_exact(type);
    if (tracked && PyObject_GC_IsTracked(self)) PyObject_GC_UnTrack(self);
    if (node->handle == handle) { /* else another took its place while this one was dying */
        node->handle = NULL;
        if (dict != NULL && node->refs > 1) {
            node->handle = dict;
            node->flags |= PA_DICT_ONLY;
            dict = NULL;
        }
    }
    handle->dict = NULL;
    if (handle->weak_references != NULL) PyObject_ClearWeakRefs(self);
    pa_node_release(node);
    Py_XDECREF(dict);
    give_back(self, type);
}

int pa_handle_traverse(PyObject *self, visitproc visit, void *arg) {
    pa_handle *handle = (pa_handle *)self;
    const pa_node *node = handle->node;
    Py_VISIT(Py_TYPE(self));
    if (node->refs - node->programs > 1) return 0; /* programs and plans of optimisers need no attributes */
    Py_VISIT(handle->dict);
    if (node->flags & PA_ANCHORED && node->refs == 1)
        for (int i = 0; i < node->n_parents; i++)
            if (pa_node_parent(node, i)->flags & PA_ANCHORED) Py_VISIT((PyObject *)pa_node_parent(node, i)->handle);
    return 0;
}

int pa_handle_clear(PyObject *self) {
    Py_CLEAR(((pa_handle *)self)->dict);
    if (((pa_handle *)self)->dict == NULL && is_exact(Py_TYPE(self)) && PyObject_GC_IsTracked(self))
        PyObject_GC_UnTrack(self); /* dealloc relies on it */
    return 0;
}

void pa_handle_track(PyObject *self) {
    const pa_handle *handle = (pa_handle *)self;
    if ((handle->dict != NULL || handle->node->flags & PA_ANCHORED) && !PyObject_GC_IsTracked(self))
        PyObject_GC_Track(self);
}

int pa_handle_keep(PyObject *self, const char *name, PyObject *object) {
    PyObject *text = PyUnicode_InternFromString(name);
    int status = text == NULL ? -1 : PyObject_GenericSetAttr(self, text, object);
    Py_XDECREF(text);
    pa_handle_track(self);
    return status;
}

void pa_handle_anchor(PyObject *self) {
    pa_node *node = pa_handle_node(self);
    if (node->refs > 1 || !(node->flags & PA_IS_VALUE)) return;
    for (int i = 0; i < node->n_parents; i++) /* made in a recorded step, it holds anchored parents by their nodes */
        if (!(node->flags & PA_ANCHORED) && pa_node_parent(node, i)->flags & PA_ANCHORED) return;
    node->flags |= PA_ANCHORED;
    pa_graph.has_anchored = true;
    pa_handle_track(self);
}

/* After an assignment to __class__: a Value stays a Value and a Tensor a Tensor, and dealloc's rule holds of what is
   tracked. */
static int settle_class(PyObject *self, PyObject *name, PyTypeObject *before) {
    PyTypeObject *type = Py_TYPE(self);
    PyTypeObject *base = pa_handle_node(self)->flags & PA_IS_VALUE ? pa_py.value_type : pa_py.tensor_type;
    if (!PyType_IsSubtype(type, base)) {
        if (PyObject_GenericSetAttr(self, name, (PyObject *)before) == 0)
            PyErr_Format(PyExc_TypeError, "__class__: an object of %R cannot become one of %R", (PyObject *)before,
                         (PyObject *)type);
        return -1;
    }
    if (!is_exact(type))
        pa_handle_anchor(self);
    else if (((pa_handle *)self)->dict == NULL && !(pa_handle_node(self)->flags & PA_ANCHORED) &&
             PyObject_GC_IsTracked(self))
        PyObject_GC_UnTrack(self);
    return 0;
}

int pa_handle_setattro(PyObject *self, PyObject *name, PyObject *value) {
    PyTypeObject *before = (PyTypeObject *)Py_NewRef((PyObject *)Py_TYPE(self));
    int status = PyObject_GenericSetAttr(self, name, value);
    if (status == 0 && Py_TYPE(self) != before) status = settle_class(self, name, before);
    Py_DECREF(before);
    pa_handle_track(self);
    return status;
}
