/* Programs over Values: a step whose numbers become scalar code. */
#ifndef PA_PROGRAM_VALUES_H
#define PA_PROGRAM_VALUES_H

#include "../kernels/fpmode.h"
#include "program.h"
#include "../straightline/straightline.h"

/* Is it a step over Values, and of ops on numbers and small tensors of them alone? */
bool pa_values_can(const pa_log *log);

/* Lowers the log into p->scalar, with p's inputs, externals and results. */
pa_status pa_values_lower(pa_program *p, const pa_log *log, int n_outputs, pa_node *const *outputs);
void pa_values_free(struct pa_scalar_program *scalar); /* NULL is fine */

/* Of all its segments together; and one segment's steps in words, a line each, or NULL where there is no such segment. */
pa_straightline_stats pa_values_statistics(const pa_program *p);
const char *pa_values_dump(const pa_program *p, size_t segment, char *text, size_t size);

/* One step, over what p is bound to; before it and after it the floating-point mode is the caller's. */
void pa_values_run(pa_program *p, pa_fpmode *mode);

#endif
