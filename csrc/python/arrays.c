/* Tensors over memory of others, above all over NumPy's arrays, without NumPy's headers.

   An array's own fields say in a few nanoseconds what __array_interface__ takes microseconds to tell. Their order has
   been the same since NumPy 1.7; `arrays` compares it with the interface of a sample, and where it is another, or an
   array is of a kind that is not plain (a subclass, read-only, misaligned, another byte order), Python does the work.

       PyObject_HEAD │ data │ nd │ dimensions │ strides │ base │ descr │ flags │ … */
#include "arrays.h"

#include "convert.h"
#include "parts.h"

typedef struct array_fields {
    PyObject_HEAD
    char *data;
    int nd;
    Py_ssize_t *dimensions;
    Py_ssize_t *strides; /* in bytes */
    PyObject *base;
    PyObject *descr;
    int flags;
} array_fields;

enum { ALIGNED = 0x0100, WRITEABLE = 0x0400 }; /* NPY_ARRAY_… */

static struct {
    PyTypeObject *type;              /* of arrays; NULL where the fields are not as expected */
    PyObject *descr[PA_DTYPE_COUNT]; /* NumPy's dtype objects, one for each dtype */
} known;

/* A tensor over the owner's memory, which is held as long as the memory is used; strides in elements. */
static inline pa_status node_over(PyObject *owner, char *address, pa_dtype dtype, int ndim, const int64_t *shape,
                                  const int64_t *strides, pa_node **out) {
    int64_t numel = 1;
    for (int i = 0; i < ndim; i++) numel *= shape[i];
    pa_storage *storage = NULL;
    size_t bytes = (size_t)numel * pa_dtype_size(dtype);
    pa_status status = pa_storage_borrow(address, bytes, Py_NewRef(owner), pa_hook.release_object, &storage);
    if (status != PA_OK) {
        Py_DECREF(owner);
        return status;
    }
    status = pa_node_over(dtype, ndim, shape, strides, storage, address, out);
    pa_storage_release(storage);
    if (status == PA_OK) (*out)->flags |= PA_IS_VIEW;
    return status;
}

int pa_array_as_node(PyObject *object, pa_node **out) {
    if (Py_TYPE(object) != known.type) return 0;
    const array_fields *array = (array_fields *)object;
    int dtype = 0;
    while (dtype < PA_DTYPE_COUNT && array->descr != known.descr[dtype]) dtype++;
    if (dtype == PA_DTYPE_COUNT || array->nd > PA_MAX_NDIM ||
        (array->flags & (ALIGNED | WRITEABLE)) != (ALIGNED | WRITEABLE))
        return 0;
    Py_ssize_t size = (Py_ssize_t)pa_dtype_size((pa_dtype)dtype);
    int64_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM];
    for (int i = 0; i < array->nd; i++) {
        if (array->strides[i] % size != 0) return 0;
        shape[i] = array->dimensions[i];
        strides[i] = array->strides[i] / size;
    }
    pa_status status = node_over(object, array->data, dtype, array->nd, shape, strides, out);
    return status == PA_OK ? 1 : pa_zero_or_raise(status);
}

static PyObject *array_over(PyObject *Py_UNUSED(module), PyObject *object) {
    pa_node *node = NULL;
    int found = pa_array_as_node(object, &node);
    return found == 1 ? pa_wrap(node) : found == 0 ? Py_NewRef(Py_NotImplemented) : NULL;
}

static PyObject *borrow(PyObject *Py_UNUSED(module), PyObject *const *arguments, Py_ssize_t n) {
    if (!pa_has_arguments(n, 5, 5, "borrow")) return NULL;
    int64_t shape[PA_MAX_NDIM], strides[PA_MAX_NDIM];
    char *address = PyLong_AsVoidPtr(arguments[1]);
    if (address == NULL && PyErr_Occurred()) return NULL;
    int dtype = pa_read_dtype(arguments[2]);
    int ndim = dtype < 0 ? -1 : pa_read_ints(arguments[3], shape, PA_MAX_NDIM, "borrow");
    if (ndim < 0 || pa_read_ints(arguments[4], strides, PA_MAX_NDIM, "borrow") != ndim) return NULL;
    pa_node *node = NULL;
    return pa_wrap_or_raise(node_over(arguments[0], address, dtype, ndim, shape, strides, &node), &node);
}

/* The type of arrays is that of the sample, which is 2-d, contiguous in neither axis, and whose address is given;
   dtypes are NumPy's for ours, in their order. */
static PyObject *arrays(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *sample, *address, *shape, *strides, *dtypes;
    if (!PyArg_ParseTuple(arguments, "OOO!O!O!:arrays", &sample, &address, &PyTuple_Type, &shape, &PyTuple_Type,
                          &strides, &PyTuple_Type, &dtypes))
        return NULL;
    known.type = NULL;
    if (PyTuple_Size(dtypes) != PA_DTYPE_COUNT || PyTuple_Size(shape) != 2 || PyTuple_Size(strides) != 2)
        Py_RETURN_FALSE;
    for (int i = 0; i < PA_DTYPE_COUNT; i++) {
        Py_XDECREF(known.descr[i]);
        known.descr[i] = Py_NewRef(PyTuple_GetItem(dtypes, i));
    }
    /* A field of another layout must not be followed: each pointer is compared before what it points to is read. */
    const array_fields *array = (array_fields *)sample;
    bool same = array->data == PyLong_AsVoidPtr(address) && array->nd == 2 && array->descr == known.descr[PA_FLOAT64] &&
                array->dimensions != NULL && array->strides == array->dimensions + 2 &&
                (array->flags & (ALIGNED | WRITEABLE)) == (ALIGNED | WRITEABLE);
    for (int i = 0; same && i < 2; i++)
        same = array->dimensions[i] == PyLong_AsSsize_t(PyTuple_GetItem(shape, i)) &&
               array->strides[i] == PyLong_AsSsize_t(PyTuple_GetItem(strides, i));
    if (PyErr_Occurred()) return NULL;
    if (same) known.type = Py_TYPE(sample);
    return PyBool_FromLong(same);
}

static PyMethodDef functions[] = {
    PA_METHOD("array_over", array_over, METH_O, "(array, /)",
              "A tensor over an array's memory, or NotImplemented where Python has to look at it."),
    PA_METHOD("arrays", arrays, METH_VARARGS, "(sample, address, shape, strides, dtypes, /)",
              "Are the fields of arrays, of which this is one, where array_over reads them?"),
    PA_METHOD("borrow", borrow, METH_FASTCALL, "(owner, address, dtype, shape, strides, /)",
              "A tensor over somebody's memory, strides in elements."),
    {NULL, NULL, 0, NULL},
};

int pa_arrays_ready(PyObject *module) { return PyModule_AddFunctions(module, functions); }
