/* Recordings: what a step did, as Python sees it. */
#ifndef PA_RECORDING_H
#define PA_RECORDING_H

#include "support.h"

#include "../record.h"

typedef struct pa_recording_object {
    PyObject_HEAD
    pa_log *log;
    int n_outputs;
    pa_node **outputs; /* held */
} pa_recording_object;

bool pa_is_recording_object(PyObject *object);

#endif
