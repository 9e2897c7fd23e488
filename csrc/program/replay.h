/* Replay: one step over the arguments of a call, or whole epochs over rows of data. */
#ifndef PA_PROGRAM_REPLAY_H
#define PA_PROGRAM_REPLAY_H

#include "program.h"

/* One step. `results` gets new nodes. On failure nothing is handed on; what the step had written by then stays
   written, as in an eager step that raises. */
pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results);

/* Can it make many steps in one go? Not where it adds to gradients that it finds, or makes gradients of arguments. */
bool pa_program_can_run(const pa_program *p);

/* `count` steps over rows of `data` (all with the same number of rows) in the given order (NULL: as they stand),
   `batch` rows a step from row `start` of the order on. losses[i]: the first result. *done tells how many were made,
   also on failure (PA_PYTHON: a signal). */
pa_status pa_program_run(pa_program *p, int n, pa_node *const *data, int64_t batch, const int64_t *order, int64_t start,
                         int64_t count, double *losses, int64_t *done);

#endif
