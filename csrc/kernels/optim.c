/* Optimisers over lists of parameters. The loops stand in optim.inc; here is what surrounds them: finding each
   parameter's gradient and state, checking all before touching any, and telling the graph what was written. */
#include "optim.h"

#include <math.h>
#include <string.h>

#include "stream.h"

static bool sgd_needs(int state, const pa_hyper *hyper) { return state == 0 && hyper->momentum != 0; }

static bool adam_needs(int state, const pa_hyper *hyper) { return state < 2 || hyper->amsgrad; }

static bool rmsprop_needs(int state, const pa_hyper *hyper) {
    return state == 0 || (state == 1 ? hyper->momentum > 0 : hyper->centered);
}

static const struct {
    const char *name;
    bool (*needs)(int state, const pa_hyper *hyper); /* can it not do without this one of pa_update.state? */
} optimizers[PA_OPTIMIZERS] = {
    [PA_SGD] = {"sgd", sgd_needs},
    [PA_ADAM] = {"adam", adam_needs},
    [PA_RMSPROP] = {"rmsprop", rmsprop_needs},
};

/* The accumulated gradient of a parameter, or NULL; Values keep theirs in the node. */
static pa_node *gradient_of(const pa_node *param) { return param->array != NULL ? param->array->grad : NULL; }

static bool has_gradient(const pa_node *param) { return param->flags & PA_IS_VALUE || gradient_of(param) != NULL; }

bool pa_same_layout(const pa_node *a, const pa_node *b) {
    return a->dtype == b->dtype && pa_same_shape(a, b) && pa_node_is_contiguous(b);
}

static pa_status check(int kind, int index, const pa_node *param, pa_node *const *state, const pa_hyper *hyper) {
    const char *name = optimizers[kind].name;
    PA_FAIL_IF(!pa_dtype_is_float(param->dtype), PA_TYPE, "%s: parameter %d of shape %s is %s, not float32 or float64",
               name, index, pa_node_shape_text(param), pa_dtype_name(param->dtype));
    const pa_node *grad = gradient_of(param);
    PA_FAIL_IF(grad != NULL && !pa_same_layout(param, grad), PA_VALUE,
               "%s: the gradient of parameter %d has shape %s and dtype %s, the parameter shape %s and dtype %s%s",
               name, index, pa_node_shape_text(grad), pa_dtype_name(grad->dtype), pa_node_shape_text(param),
               pa_dtype_name(param->dtype), pa_node_is_contiguous(grad) ? "" : "; it is not contiguous");
    for (int i = 0; i < 3; i++) {
        PA_FAIL_IF(state[i] == NULL && optimizers[kind].needs(i, hyper), PA_RUNTIME,
                   "%s: parameter %d of shape %s lacks state %d", name, index, pa_node_shape_text(param), i);
        PA_FAIL_IF(state[i] != NULL && !pa_same_layout(param, state[i]), PA_VALUE,
                   "%s: state %d of parameter %d has shape %s and dtype %s, the parameter shape %s and dtype %s", name,
                   i, index, pa_node_shape_text(state[i]), pa_dtype_name(state[i]->dtype), pa_node_shape_text(param),
                   pa_dtype_name(param->dtype));
    }
    return PA_OK;
}

/* A Value's number stands in the node, unseen by any view: there is no storage to lock or to version. */
static pa_status begin_write(pa_node *node, const char *what) {
    return node->flags & PA_IS_VALUE ? PA_OK : pa_node_begin_write(node, what);
}

static void end_write(pa_node *node) {
    if (!(node->flags & PA_IS_VALUE)) pa_node_end_write(node);
}

static pa_status check_all(int kind, int n, pa_node *const *params, pa_node *const *state, const pa_hyper *hyper) {
    for (int i = 0; i < n; i++) {
        if (!has_gradient(params[i])) continue;
        PA_TRY(check(kind, i, params[i], state + 3 * i, hyper));
        PA_TRY(begin_write(params[i], optimizers[kind].name));
    }
    return PA_OK;
}

/* A parameter whose elements do not stand in one piece. */
static void update_blocks(const pa_update *whole, int kind, const pa_node *param, pa_fpmode *mode) {
    double block[256];
    pa_update u = *whole;
    pa_stream from, to;
    pa_stream_open_node(&from, param, param);
    pa_stream_open_node(&to, param, param);
    pa_dtype dtype = (pa_dtype)param->dtype;
    int64_t size = (int64_t)pa_dtype_size(dtype);
    u.param = block;
    for (int64_t done = 0; done < whole->n; done += u.n) {
        u.n = whole->n - done < 256 ? whole->n - done : 256;
        u.grad = (const char *)whole->grad + done * size;
        for (int s = 0; s < 3; s++)
            if (whole->state[s] != NULL) u.state[s] = (char *)whole->state[s] + done * size;
        pa_stream_read(&from, dtype, block, u.n);
        pa_update_run(&u, kind, dtype == PA_FLOAT64, mode);
        pa_stream_write(&to, dtype, block, u.n);
    }
}

pa_status pa_optimizer_step(int kind, int n, pa_node *const *params, pa_node *const *state, int64_t *steps,
                            const pa_hyper *hyper) {
    PA_FAIL_IF(kind < 0 || kind >= PA_OPTIMIZERS, PA_VALUE, "there is no optimiser %d", kind);
    /* An update is no part of the graph: parameters that require grad may be written. */
    bool enabled = pa_grad_enable(false);
    pa_status status = check_all(kind, n, params, state, hyper);
    pa_grad_enable(enabled);
    PA_TRY(status);
    pa_update update = {.hyper = *hyper};
    pa_fpmode mode = pa_fpmode_open();
    for (int i = 0; i < n; i++) {
        pa_node *param = params[i];
        if (!has_gradient(param)) continue;
        update.n = pa_node_numel(param);
        update.param = pa_node_data(param);
        update.grad = param->flags & PA_IS_VALUE ? (const void *)&param->grad : pa_node_data(gradient_of(param));
        for (int s = 0; s < 3; s++) update.state[s] = state[3 * i + s] != NULL ? pa_node_data(state[3 * i + s]) : NULL;
        pa_update_prepare(&update, ++steps[i]);
        if (pa_node_is_contiguous(param))
            pa_update_run(&update, kind, param->dtype == PA_FLOAT64, &mode);
        else
            update_blocks(&update, kind, param, &mode);
        end_write(param);
    }
    pa_fpmode_flush(&mode, false);
    return PA_OK;
}

void pa_update_prepare(pa_update *u, int64_t step) {
    if (u->prepared && u->step == step) return;
    u->step = step;
    u->correction1 = 1 - pow(u->hyper.beta1, (double)step);
    u->correction2 = sqrt(1 - pow(u->hyper.beta2, (double)step));
    u->prepared = true;
}

static pa_floats floats_of(pa_node *param) {
    if (param->flags & PA_IS_VALUE) return (pa_floats){&param->grad, 1, 1};
    pa_node *grad = gradient_of(param);
    return (pa_floats){pa_node_data(grad), pa_node_numel(grad), grad->dtype == PA_FLOAT64};
}

/* All gradients may be written. */
static pa_status begin_gradients(int n, pa_node *const *params, const char *what) {
    for (int i = 0; i < n; i++) {
        pa_node *grad = gradient_of(params[i]);
        if (params[i]->flags & PA_IS_VALUE || grad == NULL) continue;
        PA_FAIL_IF(!pa_node_is_contiguous(grad), PA_VALUE,
                   "%s: the gradient of parameter %d, of shape %s, is not contiguous", what, i,
                   pa_node_shape_text(grad));
        PA_TRY(pa_node_begin_write(grad, what));
    }
    return PA_OK;
}

static void end_gradients(int n, pa_node *const *params) {
    for (int i = 0; i < n; i++)
        if (!(params[i]->flags & PA_IS_VALUE) && gradient_of(params[i]) != NULL)
            pa_node_end_write(gradient_of(params[i]));
}

pa_status pa_zero_grads(int n, pa_node *const *params, bool set_to_none) {
    if (!set_to_none) PA_TRY(begin_gradients(n, params, "zero_grad"));
    for (int i = 0; i < n; i++) {
        pa_node *param = params[i], *grad = gradient_of(param);
        if (param->flags & PA_IS_VALUE) {
            param->grad = 0;
        } else if (grad != NULL && set_to_none) {
            param->array->grad = NULL;
            pa_node_release(grad);
        } else if (grad != NULL) {
            memset(pa_node_data(grad), 0, pa_node_bytes(grad));
        }
    }
    if (!set_to_none) end_gradients(n, params);
    return PA_OK;
}

/* A NaN in either wins. */
static double larger(double a, double b) { return b > a || b != b ? b : a; }

static double power_sum(const pa_floats *g, double order) {
    double total = 0;
    for (int64_t i = 0; i < g->n; i++)
        total += pow(fabs(g->f ? ((const double *)g->data)[i] : (double)((const float *)g->data)[i]), order);
    return total;
}

double pa_norm_add(double sum, const pa_floats *g, double order) {
    if (g->n == 0) return sum;
    if (order == 2) return sum + pa_k->sum_squared_deviation[g->f](g->data, 0, g->n);
    if (isinf(order))
        return larger(sum, larger(pa_k->largest[g->f](g->data, g->n), -pa_k->smallest[g->f](g->data, g->n)));
    return sum + power_sum(g, order);
}

double pa_norm_of(double sum, double order) {
    return order == 2 ? sqrt(sum) : isinf(order) ? sum : pow(sum, 1 / order);
}

double pa_clip_coefficient(double total, double max_norm) {
    double coefficient = max_norm / (total + 1e-6);
    return coefficient >= 1 || isinf(max_norm) ? 1 : coefficient;
}

pa_status pa_norm_check(double norm, double order) {
    PA_FAIL_IF(!isfinite(norm), PA_RUNTIME,
               "clip_grad_norm_: the gradients' norm of order %g is %g, not finite, so they cannot be clipped; "
               "error_if_nonfinite=False scales them by it nevertheless",
               order, norm);
    return PA_OK;
}

pa_status pa_clip_grad_norm(int n, pa_node *const *params, double max_norm, double norm_type, bool must_be_finite,
                            double *total) {
    PA_FAIL_IF(!(norm_type > 0), PA_VALUE, "clip_grad_norm_: the order of the norm, %g, is not positive", norm_type);
    PA_TRY(begin_gradients(n, params, "clip_grad_norm_"));
    double sum = 0;
    for (int i = 0; i < n; i++) {
        if (!has_gradient(params[i])) continue;
        pa_floats g = floats_of(params[i]);
        sum = pa_norm_add(sum, &g, norm_type);
    }
    *total = pa_norm_of(sum, norm_type);
    if (must_be_finite) PA_TRY(pa_norm_check(*total, norm_type));
    double coefficient = pa_clip_coefficient(*total, max_norm);
    if (coefficient == 1) return PA_OK;
    for (int i = 0; i < n; i++) {
        if (!has_gradient(params[i])) continue;
        pa_floats g = floats_of(params[i]);
        pa_k->scale[g.f](g.data, g.data, coefficient, g.n);
    }
    end_gradients(n, params);
    return PA_OK;
}
