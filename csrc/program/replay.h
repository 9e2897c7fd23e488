/* Replay: one step over the arguments of a call, or whole epochs over rows of data. */
#ifndef PA_PROGRAM_REPLAY_H
#define PA_PROGRAM_REPLAY_H

#include "../kernels/random.h"
#include "program.h"

/* One step. `results` gets new nodes. On failure nothing is handed on; what the step had written by then stays
   written, as in an eager step that raises. */
pa_status pa_program_call(pa_program *p, int n, pa_node *const *in, const double *numbers, pa_node **results);

/* Rows of data, batch after batch, epoch after epoch. */
typedef struct pa_epochs {
    int n;
    pa_node *const *data;     /* contiguous, with equally many rows; behind them NULL for inputs that are numbers */
    int64_t batch, steps;     /* rows a step, steps an epoch */
    int64_t last;             /* rows of an epoch's last step, where they are fewer; else 0 */
    pa_node *order;           /* of the rows in the epoch under way, int64; NULL: as they stand */
    pa_random_state *shuffle; /* gives another order where an epoch begins; NULL: it stays */
    const double *numbers;    /* by the inputs: those behind the data, which are numbers in places */
    char *notes;              /* pa_program_note_bytes() a step: what is noted of it */
} pa_epochs;

/* Why it cannot make many steps in one go; NULL where it can, as pa_program_run asks for. */
const char *pa_program_run_obstacle(const pa_program *p);

/* Does it take that many rows besides those that it is set to, and give results of the same shapes? */
bool pa_program_takes_rows(pa_program *p, int64_t rows);

/* What a step leaves to be noted: results to append, one behind the other. */
size_t pa_program_note_bytes(const pa_program *p);

/* `count` steps; the epoch has `first` behind it. losses[i]: the first result of a step. *done tells how many were
   made, also on failure (PA_PYTHON: a signal). Where there are any, `results` gets new nodes, of which those of puts
   are as the last whole step has made them. Where a step has failed on its way, `failed` gets those of its own puts. */
pa_status pa_program_run(pa_program *p, const pa_epochs *epochs, int64_t first, int64_t count, double *losses,
                         pa_node **results, pa_node **failed, int64_t *done);

#endif
