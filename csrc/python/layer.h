/* Layers of scalar neurons. */
#ifndef PA_LAYER_H
#define PA_LAYER_H

#include "support.h"

bool pa_is_neuron(PyObject *object);

/* A neuron's w, b and nonlin, borrowed, NULL where missing. */
void pa_neuron_fields(PyObject *neuron, PyObject *fields[3]);

#endif
