/* Modes as context managers: whether history is kept, whether anomalies are looked for, whether a step is recorded.

   CPython looks for signals where a function begins, after calls and where a loop goes back, but not between the
   __enter__ that `with` calls and the block that its __exit__ protects. So with an __enter__ in C, KeyboardInterrupt
   comes before the mode is set, or the __exit__ will set it back. Functions of Python that set a mode and restore it
   cannot promise that.

       mode ── set(mode, value) ──▶ what was before
        └─ before[n]: one for each __enter__ that has not met its __exit__, so that a mode can be entered again inside

   As a decorator a mode is _grad_mode.decorated(value, function), which enters a new one at each call. */
#include "parts.h"

#include <pthread.h>

#include "../graph.h"
#include "../hold.h"
#include "../record.h"

typedef struct mode mode;

/* Sets a mode; *before is what it was. Off and on are 0 and 1; of anomalies see set_anomaly. */
typedef pa_status mode_set(mode *m, uint8_t value, uint8_t *before);

struct mode {
    PyObject_HEAD
    mode_set *set;
    uint8_t value;
    uint8_t *before;
    size_t n, capacity;
    uint32_t process; /* in which it was entered last */
};

/* ---- kinds ---- */

/* A thread that ends with history switched off no longer counts among those that have switched it off. */
static pthread_key_t has_switched_off;

static void count_out(void *Py_UNUSED(mark)) { pa_grad_enable(true); }

static pa_status set_grad(mode *Py_UNUSED(m), uint8_t value, uint8_t *before) {
    if (!value) pthread_setspecific(has_switched_off, &has_switched_off);
    *before = pa_grad_enable(value != 0);
    return PA_OK;
}

enum { NOTES_PLACES = 1, DETECTS = 2 };

static pa_status set_anomaly(mode *Py_UNUSED(m), uint8_t value, uint8_t *before) {
    *before = (uint8_t)((pa_graph.notes_places ? NOTES_PLACES : 0) | (pa_graph.detects_anomaly ? DETECTS : 0));
    pa_graph.notes_places = (value & NOTES_PLACES) != 0;
    pa_graph.detects_anomaly = (value & DETECTS) != 0;
    return PA_OK;
}

static pa_status set_paused(mode *Py_UNUSED(m), uint8_t value, uint8_t *before) {
    *before = pa_record_pause(value != 0);
    return PA_OK;
}

/* What was recorded, and not taken by record_stop, is dropped at the end. */
static pa_status set_recorded(mode *Py_UNUSED(m), uint8_t value, uint8_t *before) {
    pa_log *log = NULL;
    *before = false;
    if (value) return pa_record_begin(&log);
    log = pa_recording();
    if (log != NULL) pa_record_end(log);
    pa_log_free(log);
    return PA_OK;
}

static pa_status set_turn(mode *m, uint8_t Py_UNUSED(value), uint8_t *before) {
    *before = m->n > 0;
    return PA_OK;
}

/* ---- entering and leaving ---- */

static PyObject *mode_enter(PyObject *self, PyObject *Py_UNUSED(unused)) {
    mode *m = (mode *)self;
    uint8_t before = 0;
    /* The turn may be that of a thread that a fork left behind. */
    if (m->process != pa_process && m->set == set_turn) m->n = 0;
    m->process = pa_process;
    pa_status status = pa_mem_reserve(&m->before, &m->capacity, m->n + 1, sizeof *m->before);
    if (status == PA_OK) status = m->set(m, m->value, &before);
    if (status != PA_OK) return pa_raise(status);
    m->before[m->n++] = before;
    if (m->set == set_turn) return PyBool_FromLong(!before);
    Py_RETURN_NONE;
}

static PyObject *mode_exit(PyObject *self, PyObject *const *Py_UNUSED(exception), Py_ssize_t Py_UNUSED(n)) {
    mode *m = (mode *)self;
    uint8_t now;
    if (m->n == 0) return PyErr_Format(PyExc_RuntimeError, "a mode is left that was not entered");
    m->n--;
    return pa_none_or_raise(m->set(m, m->before[m->n], &now));
}

/* set_grad_enabled and set_detect_anomaly have set their mode when they were made. */
static PyObject *enter_nothing(PyObject *Py_UNUSED(self), PyObject *Py_UNUSED(unused)) { Py_RETURN_NONE; }

/* Decorates a function, which Python does (_grad_mode.py). */
static PyObject *mode_call(PyObject *self, PyObject *arguments, PyObject *keywords) {
    PyObject *function;
    static char *names[] = {"func", NULL};
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "O:mode", names, &function)) return NULL;
    PyObject *python = PyImport_ImportModule("pyautograd._grad_mode");
    PyObject *decorated = python == NULL ? NULL : PyObject_GetAttrString(python, "decorated");
    Py_XDECREF(python);
    PyObject *value = ((mode *)self)->value ? Py_True : Py_False, *wrapped = NULL;
    if (decorated != NULL) wrapped = PyObject_CallFunctionObjArgs(decorated, value, function, NULL);
    Py_XDECREF(decorated);
    return wrapped;
}

/* ---- life ---- */

static PyObject *make(PyTypeObject *type, mode_set *set, uint8_t value) {
    mode *made = (mode *)PyType_GenericAlloc(type, 0);
    if (made == NULL) return NULL;
    made->set = set;
    made->value = value;
    made->process = pa_process;
    return (PyObject *)made;
}

static void mode_dealloc(PyObject *self) {
    mode *m = (mode *)self;
    PyTypeObject *type = Py_TYPE(self);
    pa_mem_free(m->before, m->capacity * sizeof *m->before);
    if (PyType_GetFlags(type) & Py_TPFLAGS_HAVE_GC) /* a subclass */
        PyObject_GC_Del(self);
    else
        PyObject_Free(self);
    Py_DECREF(type);
}

static bool takes_nothing(PyObject *arguments, PyObject *keywords) {
    static char *names[] = {NULL};
    return (PyTuple_Size(arguments) == 0 && keywords == NULL) ||
           PyArg_ParseTupleAndKeywords(arguments, keywords, ":mode", names);
}

static PyObject *new_no_grad(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    if (PyTuple_Size(arguments) == 0 && keywords == NULL) return make(type, set_grad, false);
    PyObject *self = make(type, set_grad, false); /* @no_grad without parentheses */
    PyObject *wrapped = self == NULL ? NULL : mode_call(self, arguments, keywords);
    Py_XDECREF(self);
    return wrapped;
}

#define TAKES_NOTHING(name, set)                                                                                       \
    static PyObject *name(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {                               \
        return takes_nothing(arguments, keywords) ? make(type, set, true) : NULL;                                      \
    }
TAKES_NOTHING(new_enable_grad, set_grad)
TAKES_NOTHING(new_paused, set_paused)
TAKES_NOTHING(new_recorded, set_recorded)
TAKES_NOTHING(new_turn, set_turn)

/* Signals that wait are handled first, so that few can come between this switch and the block of a `with`. */
static PyObject *entered(PyObject *self) {
    PyObject *done = self == NULL || PyErr_CheckSignals() < 0 ? NULL : mode_enter(self, NULL);
    if (done == NULL) Py_CLEAR(self);
    Py_XDECREF(done);
    return self;
}

static PyObject *new_set_grad_enabled(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"mode", NULL};
    int value;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "p:set_grad_enabled", names, &value)) return NULL;
    return entered(make(type, set_grad, value != 0));
}

static PyObject *new_detect_anomaly(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"check_nan", NULL};
    int checks = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "|p:detect_anomaly", names, &checks)) return NULL;
    return make(type, set_anomaly, NOTES_PLACES | (checks ? DETECTS : 0));
}

static PyObject *new_set_detect_anomaly(PyTypeObject *type, PyObject *arguments, PyObject *keywords) {
    static char *names[] = {"mode", "check_nan", NULL};
    int value, checks = 1;
    if (!PyArg_ParseTupleAndKeywords(arguments, keywords, "p|p:set_detect_anomaly", names, &value, &checks))
        return NULL;
    return entered(make(type, set_anomaly, value ? NOTES_PLACES | (checks ? DETECTS : 0) : 0));
}

/* A decorator switches nothing by itself. */
static PyObject *call_set_grad_enabled(PyObject *self, PyObject *arguments, PyObject *keywords) {
    PyObject *left = mode_exit(self, NULL, 0);
    if (left == NULL) return NULL;
    Py_DECREF(left);
    return mode_call(self, arguments, keywords);
}

/* ---- types ---- */

#define EXIT PA_METHOD("__exit__", mode_exit, METH_FASTCALL, "($self, /, *exception)", "Sets back what was before.")
static PyMethodDef methods[] = {
    PA_METHOD("__enter__", mode_enter, METH_NOARGS, "($self, /)", "Sets the mode."), EXIT, {NULL, NULL, 0, NULL}};
static PyMethodDef set_methods[] = {
    PA_METHOD("__enter__", enter_nothing, METH_NOARGS, "($self, /)", "It is set."), EXIT, {NULL, NULL, 0, NULL}};

static int add_type(PyObject *module, const char *name, newfunc new, ternaryfunc call, const char *words) {
    PyType_Slot slots[] = {
        {Py_tp_new, (void *)new},
        {Py_tp_dealloc, (void *)mode_dealloc},
        {Py_tp_methods, new == new_set_grad_enabled || new == new_set_detect_anomaly ? set_methods : methods},
        {Py_tp_doc, (void *)(uintptr_t)words},
        {call == NULL ? 0 : Py_tp_call, (void *)call},
        {0, NULL}};
    PyType_Spec spec = {
        .name = name, .basicsize = sizeof(mode), .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE, .slots = slots};
    PyTypeObject *type = NULL;
    int status = pa_module_add_type(module, &spec, NULL, &type);
    Py_XDECREF((PyObject *)type);
    return status;
}

#define HOME "pyautograd._grad_mode."

static const char no_grad_words[] =
    "no_grad(func=None)\n--\n\n"
    "Ops inside keep no history, and leaves may be changed in place. A context manager and a decorator.\n\n"
    "**Raises** TypeError as a decorator of what is no function, or of an asynchronous generator.\n\n"
    ">>> import pyautograd\n"
    ">>> w = pyautograd.tensor([1.0], requires_grad=True)\n"
    ">>> with pyautograd.no_grad():\n"
    "...     (w * 2).requires_grad\n"
    "False\n";
static const char enable_grad_words[] =
    "enable_grad()\n--\n\n"
    "Ops inside keep history, also within `no_grad`. A context manager and a decorator.\n\n"
    ">>> import pyautograd\n"
    ">>> w = pyautograd.tensor([1.0], requires_grad=True)\n"
    ">>> with pyautograd.no_grad(), pyautograd.enable_grad():\n"
    "...     (w * 2).requires_grad\n"
    "True\n";
static const char set_grad_enabled_words[] =
    "set_grad_enabled(mode)\n--\n\n"
    "Switch history on or off at once; as a context manager, until its end; as a decorator, in the function.\n\n"
    "`mode` is asked for its truth, and **raises** what that does.\n\n"
    ">>> import pyautograd\n"
    ">>> w = pyautograd.tensor([1.0], requires_grad=True)\n"
    ">>> with pyautograd.set_grad_enabled(False):\n"
    "...     (w * 2).requires_grad\n"
    "False\n";
static const char inference_mode_words[] =
    "inference_mode(func=None)\n--\n\n"
    "The same as `no_grad` here, by the name that PyTorch scripts use; it **raises** the same.\n\n"
    ">>> import pyautograd\n"
    ">>> @pyautograd.inference_mode()\n"
    "... def predict(w):\n"
    "...     return w * 2\n"
    ">>> predict(pyautograd.tensor([1.0], requires_grad=True)).requires_grad\n"
    "False\n";
static const char detect_anomaly_words[] =
    "detect_anomaly(check_nan=True)\n--\n\n"
    "While active, `backward()` raises FloatingPointError where an op makes a NaN or an infinity. It names the op, the "
    "shapes, and the line that has applied the op, if that was while active too.\n\n"
    "Without `check_nan` lines are noted, and nothing is looked for. `check_nan` is asked for its truth, and "
    "**raises** "
    "what that does.\n\n"
    ">>> import pyautograd\n"
    ">>> x = pyautograd.tensor([0.0], requires_grad=True)\n"
    ">>> with pyautograd.autograd.detect_anomaly():\n"
    "...     x.sqrt().sum().backward()\n"
    "Traceback (most recent call last):\n"
    "...\n"
    "FloatingPointError: backward: sqrt of shape (1,) made inf in the gradient of its operand 0 of shape (1,); the op "
    "was applied at <...>, line 2\n";
static const char set_detect_anomaly_words[] =
    "set_detect_anomaly(mode, check_nan=True)\n--\n\n"
    "Switch `detect_anomaly` on or off at once; as a context manager, until its end.\n\n"
    "`mode` and `check_nan` are asked for their truth, and **raise** what that does.\n\n"
    ">>> import pyautograd\n"
    ">>> x = pyautograd.tensor([0.0], requires_grad=True)\n"
    ">>> with pyautograd.autograd.set_detect_anomaly(False):\n"
    "...     x.sqrt().sum().backward()\n"
    ">>> x.grad\n"
    "tensor([inf])\n";

static PyObject *is_grad_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
    return PyBool_FromLong(pa_grad_enabled());
}

static PyObject *is_anomaly_enabled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused)) {
    return PyBool_FromLong(pa_graph.detects_anomaly);
}

static PyMethodDef functions[] = {
    PA_METHOD("is_grad_enabled", is_grad_enabled, METH_NOARGS, "()",
              "Is history kept?\n\n"
              ">>> import pyautograd\n"
              ">>> with pyautograd.no_grad():\n"
              "...     pyautograd.is_grad_enabled()\n"
              "False\n"),
    PA_METHOD("is_anomaly_enabled", is_anomaly_enabled, METH_NOARGS, "()", "Are anomalies looked for?"),
    {NULL, NULL, 0, NULL},
};

int pa_modes_ready(PyObject *module) {
    bool failed =
        pthread_key_create(&has_switched_off, count_out) != 0 ||
        add_type(module, HOME "no_grad", new_no_grad, mode_call, no_grad_words) < 0 ||
        add_type(module, HOME "inference_mode", new_no_grad, mode_call, inference_mode_words) < 0 ||
        add_type(module, HOME "enable_grad", new_enable_grad, mode_call, enable_grad_words) < 0 ||
        add_type(module, HOME "set_grad_enabled", new_set_grad_enabled, call_set_grad_enabled, set_grad_enabled_words) <
            0 ||
        add_type(module, HOME "detect_anomaly", new_detect_anomaly, NULL, detect_anomaly_words) < 0 ||
        add_type(module, HOME "set_detect_anomaly", new_set_detect_anomaly, NULL, set_detect_anomaly_words) < 0 ||
        add_type(module, "pyautograd._core.paused", new_paused, NULL,
                 "paused()\n--\n\nWhat is done inside is no part of the step that is recorded.") < 0 ||
        add_type(module, "pyautograd._core.recorded", new_recorded, NULL,
                 "recorded()\n--\n\nWhat is done inside goes into a log: see record_stop.") < 0 ||
        add_type(module, "pyautograd._core.turn", new_turn, NULL,
                 "turn()\n--\n\nOf those who enter: is it the only one? Nobody waits.") < 0;
    return failed ? -1 : PyModule_AddFunctions(module, functions);
}
