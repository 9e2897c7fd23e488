/* Programs as Python sees them. */
#ifndef PA_PROGRAM_TYPE_H
#define PA_PROGRAM_TYPE_H

#include "support.h"

/* Adds the type Program to the module; -1 with an exception set. */
int pa_program_ready(PyObject *module);

#endif
