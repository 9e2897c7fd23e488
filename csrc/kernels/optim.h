/* Optimiser steps, zeroing and clipping of gradients: one call over all parameters of a model. */
#ifndef PA_OPTIM_H
#define PA_OPTIM_H

#include "../graph.h"
#include "fpmode.h"
#include "kernels.h"

/* One update of those of the n parameters that have a gradient. `state` holds three nodes a parameter in the order of
   pa_update.state, NULL where the optimiser keeps none, each of the parameter's shape and dtype; `steps` counts the
   updates of each parameter and is incremented here. Everything is checked first: a failure has changed nothing. */
pa_status pa_optimizer_step(int kind, int n, pa_node *const *params, pa_node *const *state, int64_t *steps,
                            const pa_hyper *hyper);

/* Can an update go over both side by side? What a gradient and each state must be to their parameter. */
bool pa_same_layout(const pa_node *a, const pa_node *b);

/* Makes `u` a parameter's update number `step`. What depends on the number alone is worked out once for all parameters
   that have been updated as often. */
void pa_update_prepare(pa_update *u, int64_t step);

/* Runs a prepared update. Moments decay into denormals, which are flushed in both dtypes. p - lr g, micrograd's
   update, has none: it keeps those of float64. */
static inline void pa_update_run(const pa_update *u, int kind, int float64, pa_fpmode *mode) {
    pa_fpmode_flush(mode, !float64 || kind != PA_SGD || u->hyper.momentum != 0);
    pa_k->update[kind][float64](u);
}

/* Drops the gradients, or fills them with zeros. */
pa_status pa_zero_grads(int n, pa_node *const *params, bool set_to_none);

/* Scales all gradients by min(1, max_norm / (total + 1e-6)), total being the norm of all of them as one vector, of
   order norm_type (2, infinity or any other). Gives the total. */
pa_status pa_clip_grad_norm(int n, pa_node *const *params, double max_norm, double norm_type, bool must_be_finite,
                            double *total);

/* Fails for a norm that is not finite. */
pa_status pa_norm_check(double norm, double order);

/* The same in pieces, for gradients that are no nodes' own: the elements of one, their part in a sum, the norm of a
   sum, and what gradients of that norm are scaled by. */
typedef struct pa_floats {
    void *data;
    int64_t n;
    int f; /* 0 float32, 1 float64 */
} pa_floats;
double pa_norm_add(double sum, const pa_floats *floats, double order);
double pa_norm_of(double sum, double order);
double pa_clip_coefficient(double total, double max_norm);

#endif
