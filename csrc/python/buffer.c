/* Tensors as buffers: what memoryview(tensor) and numpy.asarray(tensor) are made of.

       Py_buffer ── obj ──▶ the tensor; of one with a history, another without it over the same memory
                 └─ internal ──▶ pa_export ──▶ pa_storage

   An export holds the storage itself, for the tensor may get another while the buffer is out: `x += y` moves it on to
   another node, `x.data = y` of another dtype to other memory. Like every reference on a storage it is seen by those
   who must not write there. */
#include "types.h"

#include "handle.h"

#include "../record.h"

typedef struct pa_export {
    pa_storage *storage;
    Py_ssize_t shape[PA_MAX_NDIM];
    Py_ssize_t strides[PA_MAX_NDIM]; /* in bytes */
} pa_export;

/* Those that NumPy takes for its own dtypes: its int64 is the platform's long where that has 64 bits. */
static char *const formats[PA_DTYPE_COUNT] = {[PA_BOOL] = "?",    [PA_UINT8] = "B",
                                              [PA_INT32] = "i",   [PA_INT64] = sizeof(long) == 8 ? "l" : "q",
                                              [PA_FLOAT32] = "f", [PA_FLOAT64] = "d"};

static pa_status check_readable(pa_node *node) {
    PA_FAIL_IF(pa_node_requires_grad(node) && pa_grad_enabled(), PA_RUNTIME,
               "numpy: a tensor of shape %s that requires grad; call .detach() first, as NumPy keeps no history",
               pa_node_shape_text(node));
    PA_TRY(pa_record_refuse_read(node, "numpy"));
    return pa_node_need_storage(node); /* a buffer cannot share a number that stands in its node */
}

/* Leaves out what the request does not ask for; a message where it cannot do without. */
static const char *fit_request(Py_buffer *view, int flags) {
    if ((flags & PyBUF_C_CONTIGUOUS) == PyBUF_C_CONTIGUOUS && !PyBuffer_IsContiguous(view, 'C')) return "C-contiguous";
    if ((flags & PyBUF_F_CONTIGUOUS) == PyBUF_F_CONTIGUOUS && !PyBuffer_IsContiguous(view, 'F'))
        return "Fortran-contiguous";
    if ((flags & PyBUF_ANY_CONTIGUOUS) == PyBUF_ANY_CONTIGUOUS && !PyBuffer_IsContiguous(view, 'A'))
        return "contiguous";
    if ((flags & PyBUF_STRIDES) != PyBUF_STRIDES) {
        if (!PyBuffer_IsContiguous(view, 'C')) return "C-contiguous";
        view->strides = NULL;
    }
    if ((flags & PyBUF_ND) != PyBUF_ND) {
        view->ndim = 1; /* plain bytes */
        view->shape = NULL;
    }
    if ((flags & PyBUF_FORMAT) != PyBUF_FORMAT) view->format = NULL;
    return NULL;
}

int pa_buffer_get(PyObject *self, Py_buffer *view, int flags) {
    pa_node *node = pa_handle_node(self);
    view->obj = NULL;
    pa_status status = check_readable(node);
    if (pa_zero_or_raise(status) < 0) return -1;
    pa_export *export = PyMem_Malloc(sizeof *export); /* Python's block: no part of what the core has alive */
    if (export == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    Py_ssize_t size = (Py_ssize_t)pa_dtype_size(node->dtype);
    for (int i = 0; i < node->ndim; i++) {
        export->shape[i] = (Py_ssize_t)node->array->shape[i];
        export->strides[i] = (Py_ssize_t)node->array->strides[i] * size;
    }
    *view = (Py_buffer){
        .buf = pa_node_data(node),
        .len = (Py_ssize_t)pa_node_bytes(node),
        .itemsize = size,
        .ndim = node->ndim,
        .format = formats[node->dtype],
        .shape = node->ndim == 0 ? NULL : export->shape,
        .strides = node->ndim == 0 ? NULL : export->strides,
        .internal = export,
    };
    const char *wanted = fit_request(view, flags);
    PyObject *owner = NULL;
    if (wanted != NULL)
        PyErr_Format(PyExc_BufferError, "a tensor of shape %s and these strides is not %s; call .contiguous() first",
                     pa_node_shape_text(node), wanted);
    else if (node->flags & PA_LISTED)
        owner = PyObject_GetAttrString(self, "data"); /* so that an array does not keep the graph */
    else
        owner = Py_NewRef(self);
    if (owner == NULL) {
        PyMem_Free(export);
        return -1;
    }
    export->storage = pa_storage_retain(node->array->storage);
    export->storage->exports++;
    view->obj = owner;
    return 0;
}

void pa_buffer_release(PyObject *Py_UNUSED(owner), Py_buffer *view) {
    pa_export *export = view->internal;
    export->storage->exports--;
    pa_storage_release(export->storage);
    PyMem_Free(export);
}
