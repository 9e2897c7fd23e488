/* The parts of the module. Each function adds its part's types and functions to the module, and returns 0, or -1
   with an exception set. */
#ifndef PA_PARTS_H
#define PA_PARTS_H

#include "support.h"

int pa_support_ready(PyObject *module);   /* TraceError */
int pa_types_ready(PyObject *module);     /* Node, Value, Tensor */
int pa_hooks_ready(PyObject *module);     /* what the engine calls; after_fork */
int pa_arrays_ready(PyObject *module);    /* array_over, borrow … */
int pa_call_ready(PyObject *module);      /* apply, in_place, reshape */
int pa_tensors_ready(PyObject *module);   /* empty, parameter, copy_into … */
int pa_gradients_ready(PyObject *module); /* backward, grad, attach, tape */
int pa_layer_ready(PyObject *module);     /* NeuronState, layer */
int pa_modes_ready(PyObject *module);     /* no_grad and its like, is_grad_enabled … */
int pa_guards_ready(PyObject *module);    /* Guards, bump_epoch */
int pa_recording_ready(PyObject *module); /* Recording, record_input … */
int pa_program_ready(PyObject *module);   /* Program */
int pa_host_ready(PyObject *module);      /* unrecorded, record_host */

#endif
