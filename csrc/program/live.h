/* Which results of a recorded step have a history that a backward of the caller's can go through. */
#ifndef PA_PROGRAM_LIVE_H
#define PA_PROGRAM_LIVE_H

#include "../record.h"

/* live[i]: a gradient flows through output i, and nothing on its way was freed by a backward() of the step itself. A
   Value's graph is never freed: where the step calls backward() on a Value, its Values have no history. */
pa_status pa_log_find_live(const pa_log *log, int n, pa_node *const *outputs, bool *live);

#endif
