/* The compiled module: cffi's `ffi` and `lib`, and the types and functions of this folder. */
#include "parts.h"

static PyObject *register_python(PyObject *Py_UNUSED(module), PyObject *arguments) {
    PyObject *parameter, *coerce, *dtypes, *resolve, *integer, *floating, *array, *as_tensor, *folder;
    if (!PyArg_ParseTuple(arguments, "OOOOOOOOU:register", &parameter, &coerce, &dtypes, &resolve, &integer, &floating,
                          &array, &as_tensor, &folder))
        return NULL;
    pa_py.package_folder = Py_NewRef(folder);
    pa_py.numpy_integer = (PyTypeObject *)Py_NewRef(integer);
    pa_py.numpy_floating = (PyTypeObject *)Py_NewRef(floating);
    pa_py.numpy_array = (PyTypeObject *)Py_NewRef(array);
    pa_py.as_tensor = Py_NewRef(as_tensor);
    pa_py.parameter_type = (PyTypeObject *)Py_NewRef(parameter);
    pa_py.coerce = Py_NewRef(coerce);
    pa_py.dtypes = Py_NewRef(dtypes);
    pa_py.resolve_blas = Py_NewRef(resolve);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    PA_METHOD("register", register_python, METH_VARARGS,
              "(parameter, coerce, dtypes, resolve_blas, numpy_integer, numpy_floating, ndarray, as_tensor, folder, /)",
              "What the module needs of the Python side."),
    {NULL, NULL, 0, NULL},
};

static int complete(PyObject *module) {
    int (*const ready[])(PyObject *) = {pa_support_ready, pa_types_ready,   pa_hooks_ready,     pa_arrays_ready,
                                        pa_call_ready,    pa_tensors_ready, pa_gradients_ready, pa_layer_ready,
                                        pa_modes_ready,   pa_guards_ready,  pa_recording_ready, pa_program_ready,
                                        pa_host_ready};
    for (size_t i = 0; i < sizeof ready / sizeof ready[0]; i++)
        if (ready[i](module) < 0) return -1;
    return PyModule_AddFunctions(module, functions);
}

/* cffi's own initialiser, under another name (_build.py): makes the module with `ffi` and `lib`. */
PyMODINIT_FUNC pa_init_cffi_module(void);

PyMODINIT_FUNC PyInit__core(void) {
    PyObject *module = pa_init_cffi_module();
    if (module != NULL && complete(module) < 0) Py_CLEAR(module);
    return module;
}
