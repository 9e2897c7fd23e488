/* What Tensor and Value have from C as attributes and methods. */
#ifndef PA_ATTRIBUTES_H
#define PA_ATTRIBUTES_H

#include "support.h"

/* For the slots of Node. */
extern PyMethodDef pa_handle_methods[];
extern PyGetSetDef pa_handle_attributes[];

#endif
