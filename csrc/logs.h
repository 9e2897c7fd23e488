/* What logs tell: how two recordings of a step differ, what in them follows from the number of rows, which tensors are
   a log's places, and what a step leaves behind. */
#ifndef PA_LOGS_H
#define PA_LOGS_H

#include "record.h"
#include "rows.h"

/* The rows of the batch, where the first axes of two logs' inputs differ. */
pa_rows pa_log_rows(const pa_log *a, const pa_log *b);

/* The function of the rows that an axis of a node is, where this thread records beside another log and the axis differs
   there; false elsewhere. */
bool pa_record_axis(const pa_node *node, int axis, pa_affine *out);

/* Writes where and how two logs differ; false where they are the same, but for what follows from the rows. */
bool pa_log_difference(const pa_log *a, const pa_log *b, char *text, size_t size);

/* Did two calls find the same leaves with a gradient, and requiring one? Where not, what they did may differ. */
bool pa_log_same_gradients(const pa_log *a, const pa_log *b);

/* Is a node an argument or a captured tensor itself, a view of one, or the gradient that one has, or had at the start?
   */
bool pa_log_is_place(const pa_log *log, const pa_node *node);

/* Writes which node of the step, other than its inputs and `outputs`, is still held by a Python object; false where
   none is. */
bool pa_log_leak(const pa_log *log, int n, pa_node *const *outputs, char *text, size_t size);

#endif
