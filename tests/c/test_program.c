/* Programs without Python: what `run` carries from step to step, and what it hands on in the end. */
#include <string.h>

#include "apply.h"
#include "check.h"
#include "program/compile.h"
#include "program/replay.h"
#include "record.h"
#include "rows.h"

enum { ROWS = 6, BATCH = 2, WIDTH = 3 };

typedef struct swap_step {
    pa_node *x, *a, *b; /* the rows; two places */
    pa_program *program;
} swap_step;

static pa_node *filled(int ndim, const int64_t *shape, float start) {
    pa_node *node = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT32, ndim, shape, &node));
    float *data = (float *)(void *)pa_node_data(node);
    for (int64_t i = 0; i < pa_node_numel(node); i++) data[i] = start + (float)i;
    return node;
}

static pa_node *sum_of(pa_node *node, int64_t axes) {
    pa_node *out = NULL;
    const int64_t ints[] = {axes, 0};
    pa_call call = {.op = PA_OP_sum, .n = 1, .in = &node, .n_ints = 2, .ints = ints};
    CHECK_OK(pa_apply(&call, &out));
    return out;
}

/* a, b = b, a + the rows' sum; the loss is the sum of what b becomes. */
static void swap_step_open(swap_step *s) {
    const int64_t rows[] = {ROWS, WIDTH}, batch[] = {BATCH, WIDTH}, place[] = {WIDTH};
    s->x = filled(2, rows, 1);
    s->a = filled(1, place, 0);
    s->b = filled(1, place, 10);
    pa_node *x = filled(2, batch, 0), *next = NULL;
    pa_log *log = NULL;
    CHECK_OK(pa_record_begin(&log));
    CHECK_OK(pa_record_input(x));
    pa_node *total = sum_of(x, 1);
    CHECK_OK(pa_apply_binary(PA_OP_add, s->a, total, &next));
    pa_node *loss = sum_of(next, 1);
    CHECK_OK(pa_record_mention(s->b));
    pa_record_end(log);
    pa_node *const outputs[] = {loss, s->b, next}, *const before[] = {s->a, s->b},
                   *const used[] = {x, total, next, loss};
    CHECK_OK(pa_program_new(log, NULL, 3, outputs, PA_ALL_PASSES, &s->program));
    for (int i = 0; i < 2; i++) pa_program_set_put(s->program, i + 1, before[i]);
    CHECK(pa_program_run_obstacle(s->program) == NULL);
    pa_log_free(log);
    for (int i = 0; i < 4; i++) pa_node_release(used[i]);
}

static void swap_step_close(swap_step *s) {
    pa_program_free(s->program);
    pa_node_release(s->x);
    pa_node_release(s->a);
    pa_node_release(s->b);
}

static bool holds(const pa_node *node, const float *expected) {
    return memcmp(pa_node_data(node), expected, WIDTH * sizeof *expected) == 0;
}

static void places_are_carried_from_step_to_step(void) {
    swap_step s;
    swap_step_open(&s);
    float a[WIDTH], b[WIDTH], next[WIDTH];
    memcpy(a, pa_node_data(s.a), sizeof a);
    memcpy(b, pa_node_data(s.b), sizeof b);
    const float *x = (const float *)(const void *)pa_node_data(s.x);
    pa_epochs epochs = {.n = 1, .data = &s.x, .batch = BATCH, .steps = ROWS / BATCH};
    double losses[7], expected[7];
    pa_node *results[3], *failed[3];
    int64_t done = 0;
    for (int k = 0; k < 7; k++) {
        expected[k] = 0;
        for (int i = 0; i < WIDTH; i++) {
            int row = k % (ROWS / BATCH) * BATCH;
            next[i] = a[i] + x[row * WIDTH + i] + x[(row + 1) * WIDTH + i];
            expected[k] += next[i];
        }
        memcpy(a, b, sizeof a);
        memcpy(b, next, sizeof b);
    }
    CHECK_OK(pa_program_run(s.program, &epochs, 0, 7, losses, results, failed, &done));
    CHECK(done == 7 && memcmp(losses, expected, sizeof losses) == 0);
    CHECK(holds(results[1], a) && holds(results[2], b));
    const float first[] = {0, 1, 2};
    CHECK(holds(s.a, first)); /* the tensors that were in the places at the beginning are left alone */
    for (int i = 0; i < 3; i++) pa_node_release(results[i]);
    swap_step_close(&s);
}

static void rows_come_in_the_order_that_is_drawn(void) {
    swap_step s;
    swap_step_open(&s);
    const int64_t rows = ROWS;
    pa_node *order = NULL;
    CHECK_OK(pa_node_new(PA_INT64, 1, &rows, &order));
    pa_random_state stream = {.seed = 7}, again = stream;
    CHECK_OK(pa_random_permutation(&again, order));
    memset(pa_node_data(order), 0, pa_node_bytes(order));
    pa_epochs epochs = {
        .n = 1, .data = &s.x, .batch = BATCH, .steps = ROWS / BATCH, .order = order, .shuffle = &stream};
    double losses[4];
    pa_node *results[3], *failed[3];
    int64_t done = 0;
    CHECK_OK(pa_program_run(s.program, &epochs, 0, 3, losses, results, failed, &done));
    CHECK(done == 3 && stream.counter == again.counter); /* drawn once, where the epoch began */
    for (int i = 0; i < 3; i++) pa_node_release(results[i]);
    ((int64_t *)(void *)pa_node_data(order))[0] = ROWS;
    CHECK(pa_program_run(s.program, &epochs, 1, 1, losses, results, failed, &done) == PA_INDEX && done == 0);
    pa_node_release(order);
    swap_step_close(&s);
}

static void a_run_survives_the_failure_of_each_allocation(void) {
    swap_step s;
    swap_step_open(&s);
    pa_epochs epochs = {.n = 1, .data = &s.x, .batch = BATCH, .steps = ROWS / BATCH};
    double losses[3];
    pa_node *results[3], *failed[3];
    int64_t done = 0;
    pa_status status = PA_MEMORY;
    for (int64_t n = 0; status != PA_OK && n < 1000; n++) {
        pa_mem.fail_after = n;
        status = pa_program_run(s.program, &epochs, 0, 3, losses, results, failed, &done);
        pa_mem.fail_after = -1;
        CHECK(status == PA_OK || (status == PA_MEMORY && done == 0 && results[2] == NULL));
    }
    CHECK(done == 3);
    for (int i = 0; i < 3 && status == PA_OK; i++) pa_node_release(results[i]);
    swap_step_close(&s);
}

/* Sizes and numbers follow from the rows where int64 has all that it takes to say how. */
static void rows_fit_within_int64(void) {
    pa_affine f;
    int64_t at = 0;
    CHECK(pa_rows_fit((pa_rows){5, 4}, 17, 14, &f) && f.base == 2 && f.slope == 3);
    CHECK(pa_affine_at(f, 10, &at) && at == 32);
    CHECK(!pa_affine_at(f, INT64_MAX / 2, &at));
    CHECK(pa_rows_fit((pa_rows){5, 5}, 7, 7, &f) && !pa_rows_fit((pa_rows){5, 5}, 7, 8, &f));
    CHECK(!pa_rows_fit((pa_rows){4, 6}, 7, 8, &f));
    const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX};
    for (int i = 0; i < 6; i++)
        for (int k = 0; k < 6; k++)
            for (int64_t b = 1; b < 4; b++)
                if (pa_rows_fit((pa_rows){2, b}, ends[i], ends[k], &f))
                    CHECK(pa_affine_at(f, 2, &at) && at == ends[i] && pa_affine_at(f, b, &at) && at == ends[k]);
}

void test_program(void) {
    rows_fit_within_int64();
    places_are_carried_from_step_to_step();
    rows_come_in_the_order_that_is_drawn();
    a_run_survives_the_failure_of_each_allocation();
}
