/* Ops, graphs and gradients through pa_apply and pa_backward, on the default stack and with every allocation failing in
   turn. */
#include <math.h>
#include <string.h>

#include "apply.h"
#include "backward.h"
#include "check.h"
#include "kernels/kernels.h"
#include "scalar.h"

enum { MILLION = 1000000 };

static const pa_backward_options plain;

static pa_node *value(double number) {
    pa_node *node = NULL;
    CHECK_OK(pa_value_new(number, &node));
    return node;
}

/* A leaf of float32 with these elements. */
static pa_node *array(int ndim, const int64_t *shape, const float *elements, bool requires_grad) {
    pa_node *node = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT32, ndim, shape, &node));
    memcpy(pa_node_data(node), elements, (size_t)pa_node_numel(node) * sizeof(float));
    if (requires_grad) node->flags |= PA_REQUIRES_GRAD;
    return node;
}

static pa_status apply(pa_op op, int n, pa_node *const *in, int n_ints, const int64_t *ints, pa_node **out) {
    pa_call call = {.op = op, .n = n, .in = in, .n_ints = n_ints, .ints = ints};
    return pa_apply(&call, out);
}

static pa_status sum_all(pa_node *a, pa_node **out) {
    const int64_t ints[] = {(1 << a->ndim) - 1, 0};
    return apply(PA_OP_sum, 1, &a, 2, ints, out);
}

static bool nearly(const pa_node *node, int n, const float *expected) {
    if (node == NULL || pa_node_numel(node) != n) return false;
    const float *data = (const float *)pa_node_data(node);
    for (int i = 0; i < n; i++)
        if (!(fabsf(data[i] - expected[i]) <= 1e-5f * (1 + fabsf(expected[i])))) return false;
    return true;
}

static void values_give_numbers_and_gradients(void) {
    pa_node *a = value(2), *b = value(-3), *product = NULL, *sum = NULL, *result = NULL;
    CHECK_OK(pa_apply_binary(PA_OP_mul, a, b, &product));
    CHECK_OK(pa_apply_binary(PA_OP_add, product, a, &sum));
    CHECK_OK(pa_apply_unary(PA_OP_tanh, sum, &result));
    CHECK(result->value == tanh(-4.0));
    CHECK_OK(pa_backward(result, &plain));
    double slope = 1 - tanh(-4.0) * tanh(-4.0);
    CHECK(result->grad == 1 && fabs(a->grad - slope * -2) < 1e-15 && fabs(b->grad - slope * 2) < 1e-15);
    CHECK_OK(pa_backward(result, &plain)); /* leaves accumulate, inner nodes start fresh */
    CHECK(fabs(a->grad - 2 * slope * -2) < 1e-15 && fabs(sum->grad - slope) < 1e-15);
    pa_node *const all[] = {a, b, product, sum, result};
    for (int i = 0; i < 5; i++) pa_node_release(all[i]);
}

static void a_chain_of_a_million_values_is_differentiated_and_freed(void) {
    pa_node *first = value(1), *half = value(0.5), *last = pa_node_retain(first);
    for (int i = 0; i < MILLION / 2; i++) {
        pa_node *scaled = NULL, *next = NULL;
        if (pa_value_binary(PA_OP_mul, last, half, &scaled) != PA_OK ||
            pa_value_binary(PA_OP_add, scaled, first, &next) != PA_OK) {
            CHECK(!"out of memory");
            break;
        }
        pa_node_release(scaled);
        pa_node_release(last);
        last = next;
    }
    CHECK(fabs(last->value - 2) < 1e-12);
    CHECK_OK(pa_backward(last, &plain));
    CHECK(fabs(first->grad - 2) < 1e-12);
    pa_node_release(last);
    pa_node_release(half);
    pa_node_release(first);
}

static void a_chain_of_a_million_tensors_is_differentiated_and_freed(void) {
    const float one = 1;
    pa_node *first = array(0, NULL, &one, true), *last = pa_node_retain(first);
    for (int i = 0; i < MILLION; i++) {
        pa_node *next = NULL;
        if (pa_apply_unary(PA_OP_neg, last, &next) != PA_OK) {
            CHECK(!"out of memory");
            break;
        }
        pa_node_release(last);
        last = next;
    }
    CHECK_OK(pa_backward(last, &plain));
    CHECK(first->array != NULL && nearly(first->array->grad, 1, &one));
    pa_node_release(last);
    pa_node_release(first);
}

static void a_product_has_the_gradients_of_its_formula(void) {
    const int64_t a_shape[] = {2, 3}, b_shape[] = {3, 2};
    pa_node *a = array(2, a_shape, (const float[]){1, 2, 3, 4, 5, 6}, true);
    pa_node *b = array(2, b_shape, (const float[]){1, -1, 2, -2, 3, -3}, true);
    pa_node *product = NULL, *square = NULL, *loss = NULL;
    CHECK_OK(pa_apply_binary(PA_OP_matmul, a, b, &product));
    CHECK(nearly(product, 4, (const float[]){14, -14, 32, -32}));
    CHECK_OK(pa_apply_unary(PA_OP_square, product, &square));
    CHECK_OK(sum_all(square, &loss));
    CHECK(pa_node_number(loss) == 2 * (14 * 14 + 32 * 32));
    CHECK_OK(pa_backward(loss, &plain));
    CHECK(nearly(a->array->grad, 6, (const float[]){56, 112, 168, 128, 256, 384}));
    CHECK(nearly(b->array->grad, 6, (const float[]){284, -284, 376, -376, 468, -468}));
    CHECK(pa_backward(loss, &plain) == PA_RUNTIME); /* freed by the first */
    pa_node *const all[] = {loss, square, product, b, a};
    for (int i = 0; i < 5; i++) pa_node_release(all[i]);
}

static void bad_shapes_are_named_and_leave_no_node(void) {
    const int64_t a_shape[] = {3, 4}, b_shape[] = {5, 6};
    const float zeros[30] = {0};
    pa_node *a = array(2, a_shape, zeros, true), *b = array(2, b_shape, zeros, true), *out = NULL;
    int64_t nodes = pa_graph.live_nodes;
    CHECK(pa_apply_binary(PA_OP_matmul, a, b, &out) == PA_VALUE);
    CHECK(message_has("matmul") && message_has("(3, 4)") && message_has("(5, 6)"));
    CHECK(pa_apply_binary(PA_OP_add, a, b, &out) == PA_VALUE);
    CHECK(message_has("add") && message_has("(3, 4)") && message_has("(5, 6)"));
    CHECK(pa_backward(a, &plain) == PA_RUNTIME);
    CHECK(message_has("(3, 4)"));
    CHECK(pa_graph.live_nodes == nodes && pa_graph.newest == NULL);
    pa_node_release(a);
    pa_node_release(b);
}

static void backward_refuses_operands_that_were_changed(void) {
    const int64_t shape[] = {2};
    pa_node *a = array(1, shape, (const float[]){1, 2}, true), *square = NULL, *loss = NULL;
    CHECK_OK(pa_apply_unary(PA_OP_square, a, &square));
    CHECK_OK(sum_all(square, &loss));
    pa_grad_enable(false);
    CHECK_OK(pa_node_begin_write(a, "add_"));
    pa_node_end_write(a);
    pa_grad_enable(true);
    CHECK(pa_backward(loss, &plain) == PA_RUNTIME);
    CHECK(message_has("square"));
    pa_node_release(loss);
    pa_node_release(square);
    pa_node_release(a);
}

/* ---- a training step's forward and backward, every allocation of which is made to fail in turn ---- */

typedef struct net {
    pa_node *x, *w1, *b1, *w2, *target;
} net;

static pa_status step(const net *model) {
    pa_node *hidden = NULL, *active = NULL, *scores = NULL, *loss = NULL;
    pa_node *const first[] = {model->x, model->w1, model->b1};
    const int64_t ignored[] = {-100};
    const double smoothing[] = {0.0};
    pa_status status = apply(PA_OP_linear, 3, first, 0, NULL, &hidden);
    if (status == PA_OK) status = pa_apply_unary(PA_OP_relu, hidden, &active);
    if (status == PA_OK) status = apply(PA_OP_linear, 2, (pa_node *const[]){active, model->w2}, 0, NULL, &scores);
    if (status == PA_OK) {
        pa_node *const in[] = {scores, model->target};
        pa_call call = {.op = PA_OP_cross_entropy,
                        .n = 2,
                        .in = in,
                        .n_ints = 1,
                        .ints = ignored,
                        .n_params = 1,
                        .params = smoothing};
        status = pa_apply(&call, &loss);
    }
    if (status == PA_OK) status = pa_backward(loss, &plain);
    pa_node *const all[] = {loss, scores, active, hidden};
    for (int i = 0; i < 4; i++)
        if (all[i] != NULL) pa_node_release(all[i]);
    return status;
}

static pa_node *patterned(int rows, int columns, bool requires_grad) {
    float elements[64];
    for (int i = 0; i < rows * columns; i++) elements[i] = (float)((i * 7) % 11 - 5) / 5;
    const int64_t shape[] = {rows, columns};
    return array(columns == 1 ? 1 : 2, shape, elements, requires_grad);
}

static void failing_allocations_change_nothing(void) {
    const int64_t four[] = {4};
    net model = {patterned(4, 3, false), patterned(5, 3, true), patterned(5, 1, true), patterned(2, 5, true), NULL};
    CHECK_OK(pa_node_new(PA_INT64, 1, four, &model.target));
    memcpy(pa_node_data(model.target), (const int64_t[]){0, 1, 1, 0}, 4 * sizeof(int64_t));
    pa_node *const parameters[] = {model.w1, model.b1, model.w2};

    int64_t bytes = pa_mem_live_bytes(), nodes = pa_graph.live_nodes, storages = pa_graph.live_storages;
    pa_status status = PA_MEMORY;
    int tried = 0;
    for (; status != PA_OK && tried < 1000; tried++) {
        pa_mem.fail_after = tried;
        status = step(&model);
        bool reached = pa_mem.fail_after < 0;
        pa_mem.fail_after = -1;
        CHECK(reached == (status == PA_MEMORY));
        if (status == PA_OK) break;
        CHECK(message_has("injected"));
        CHECK(pa_mem_live_bytes() == bytes && pa_graph.live_nodes == nodes && pa_graph.live_storages == storages);
        CHECK(pa_graph.newest == NULL);
        for (int i = 0; i < 3; i++) CHECK(parameters[i]->array->grad == NULL);
    }
    CHECK(tried >= 10);
    for (int i = 0; i < 3; i++) CHECK(parameters[i]->array->grad != NULL);
    pa_node *const all[] = {model.x, model.w1, model.b1, model.w2, model.target};
    for (int i = 0; i < 5; i++) pa_node_release(all[i]);
    CHECK(pa_graph.live_nodes == nodes - 5);
}

void test_engine(void) {
    values_give_numbers_and_gradients();
    a_chain_of_a_million_values_is_differentiated_and_freed();
    a_chain_of_a_million_tensors_is_differentiated_and_freed();
    a_product_has_the_gradients_of_its_formula();
    bad_shapes_are_named_and_leave_no_node();
    backward_refuses_operands_that_were_changed();
    failing_allocations_change_nothing();
}
