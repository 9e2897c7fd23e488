/* Straight-line code: whatever the passes and the instruction set, a run gives the numbers of evaluating op by op. */
#include "straightline/straightline.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "kernels/kernels.h"
#include "memory.h"

/* ---- code that is evaluated as it is written ---- */

enum { MOST = 40000, MOST_KEPT = 20000 };

static struct program {
    pa_straightline *code;
    double value[MOST];
    bool leaf[MOST];
    pa_register kept[MOST_KEPT];
    int n, n_kept;
    pa_status status; /* the first failure */
} now;

static uint32_t draw(uint32_t below) { return (uint32_t)((check_random() >> 33) % below); }

static double draw_number(void) { return ((double)draw(2000001) - 1e6) / 5e5; }

static void start(void) {
    now.code = NULL;
    now.n = now.n_kept = 0;
    now.status = pa_straightline_new(&now.code);
}

static void stop(void) {
    pa_straightline_free(now.code);
    now.code = NULL;
}

static void note(pa_status status) {
    if (now.status == PA_OK) now.status = status;
}

static pa_register has(pa_register reg, double value, bool leaf) {
    if (now.status != PA_OK) return 0;
    now.value[reg] = value;
    now.leaf[reg] = leaf;
    if (reg >= now.n) now.n = reg + 1;
    return reg;
}

static pa_register leaf(double value) {
    pa_register reg = 0;
    note(pa_straightline_leaf(now.code, &reg));
    return has(reg, value, true);
}

static pa_register constant(double value) {
    pa_register reg = 0;
    note(pa_straightline_constant(now.code, value, &reg));
    return has(reg, value, false);
}

static double evaluate(pa_op op, int gradient_of, const double *const in[5], const double *params) {
    const void *pointers[5] = {in[0], in[1], in[2], in[3], in[4]};
    double value = 0;
    if (gradient_of >= 0) {
        pa_k->gradient[op][gradient_of][1](&value, pointers, params, 1);
    } else if (op == PA_OP_power && params[0] == 0.5 && *in[0] <= 0) {
        value = pow(*in[0], params[0]); /* Python's, where the loop has PyTorch's */
    } else if (pa_op_table[op].family == PA_ELEMENTWISE) {
        pa_k->forward[op][PA_FLOAT64](&value, pointers, params, 1);
    } else {
        bool logic = pa_op_table[op].family == PA_LOGIC;
        uint8_t bytes[2] = {0}, result;
        for (int i = 0; i < pa_op_table[op].operands && logic; i++) {
            bytes[i] = *in[i] != 0;
            pointers[i] = &bytes[i];
        }
        pa_k->forward[op][logic ? PA_BOOL : PA_FLOAT64](&result, pointers, NULL, 1);
        value = result;
    }
    return value;
}

static pa_register apply(pa_op op, pa_register a, pa_register b, pa_register c, const double *params) {
    pa_register in[3] = {a, b, c}, out = 0;
    const double *numbers[5] = {&now.value[a], &now.value[b], &now.value[c]};
    note(pa_straightline_apply(now.code, op, in, params, &out));
    return has(out, evaluate(op, -1, numbers, params), false);
}

static pa_register add(pa_register a, pa_register b) { return apply(PA_OP_add, a, b, 0, NULL); }
static pa_register mul(pa_register a, pa_register b) { return apply(PA_OP_mul, a, b, 0, NULL); }

/* What op sends to an operand, given its operands, its result and g. */
static pa_register gradient(pa_op op, int operand, const pa_register in[3], pa_register out, pa_register g,
                            const double *params) {
    unsigned reads = pa_op_table[op].effects;
    pa_register registers[5] = {-1, -1, -1, -1, g}, result = 0;
    for (int i = 0; i < 3; i++)
        if (reads & (unsigned)(READS_A << i) && i < pa_op_table[op].operands) registers[i] = in[i];
    if (reads & READS_OUT) registers[3] = out;
    const double *numbers[5] = {NULL};
    for (int i = 0; i < 5; i++)
        if (registers[i] >= 0) numbers[i] = &now.value[registers[i]];
    note(pa_straightline_gradient(now.code, op, operand, registers, params, &result));
    if (result == g) return g; /* passed on */
    return has(result, evaluate(op, operand, numbers, params), false);
}

static void keep(pa_register reg) {
    note(pa_straightline_keep(now.code, reg));
    now.kept[now.n_kept++] = reg;
}

static void write_leaves(void) {
    for (int i = 0; i < now.n; i++) {
        double *number = now.leaf[i] ? pa_straightline_number(now.code, i) : NULL;
        if (number != NULL) *number = now.value[i];
    }
}

/* Equal, and zeros of one sign, or both NaN. Sums in parts: `error` relative to the number. */
static bool agrees(double error) {
    for (int i = 0; i < now.n_kept; i++) {
        const double *number = pa_straightline_number(now.code, now.kept[i]);
        if (number == NULL) return false;
        double got = *number, want = now.value[now.kept[i]];
        bool fine = (got == want && !signbit(got) == !signbit(want)) || (got != got && want != want) ||
                    fabs(got - want) < error * fabs(want);
        if (!fine) {
            printf("register %d: %.17g instead of %.17g\n", (int)now.kept[i], got, want);
            return false;
        }
    }
    return true;
}

/* Compiles, runs twice, compares, frees. */
static bool holds(unsigned passes, double error) {
    note(pa_straightline_compile(now.code, passes));
    CHECK_OK(now.status);
    bool held = now.status == PA_OK;
    for (int i = 0; i < 2 && held; i++) {
        write_leaves();
        pa_straightline_run(now.code);
        held = agrees(error);
    }
    stop();
    return held;
}

/* ---- programs ---- */

static void write_reverse(pa_register root, int first_op, const pa_register (*operands)[2], const pa_op *ops,
                          pa_register *grads) {
    grads[root] = constant(1.0);
    for (int i = root; i >= first_op; i--) {
        if (grads[i] < 0) continue;
        int n = pa_op_table[ops[i]].operands;
        for (int k = 0; k < n; k++) {
            pa_register in[3] = {operands[i][0], operands[i][1], 0}, to = in[k];
            pa_register sent = gradient(ops[i], k, in, i, grads[i], NULL);
            grads[to] = grads[to] < 0 ? sent : add(grads[to], sent);
        }
    }
}

static pa_op op_of[MOST];
static pa_register in_of[MOST][2], grad_of[MOST];

static pa_register record(pa_op op, pa_register a, pa_register b) {
    pa_register out = apply(op, a, b, 0, NULL);
    op_of[out] = op;
    in_of[out][0] = a;
    in_of[out][1] = b;
    return out;
}

/* Neurons as micrograd writes them, two layers over some samples, with a decay of the weights; forward and backward.
   Operands of products and sums change places here and there where `mixed`. */
static void write_net(int samples, int inputs, int outputs, bool mixed, bool keep_sums) {
    enum { LARGEST = 20 };
    pa_register w[2][LARGEST][LARGEST], b[2][LARGEST], x[LARGEST], h[LARGEST], y[LARGEST];
    int sizes[3] = {inputs, outputs, 2};
    for (int layer = 0; layer < 2; layer++)
        for (int j = 0; j < sizes[layer + 1]; j++) {
            for (int i = 0; i < sizes[layer]; i++) w[layer][j][i] = leaf(draw_number());
            b[layer][j] = leaf(draw_number());
        }
    int first_op = now.n + samples * inputs;
    pa_register data[64][LARGEST];
    for (int s = 0; s < samples; s++)
        for (int i = 0; i < inputs; i++) data[s][i] = leaf(draw_number());
    pa_register loss = constant(0.0), zero = loss;
    first_op++;
    for (int s = 0; s < samples; s++) {
        memcpy(x, data[s], sizeof x);
        for (int layer = 0; layer < 2; layer++) {
            pa_register *from = layer == 0 ? x : h, *to = layer == 0 ? h : y;
            for (int j = 0; j < sizes[layer + 1]; j++) {
                pa_register sum = layer == 0 ? b[layer][j] : zero;
                for (int i = 0; i < sizes[layer]; i++) {
                    bool swap = mixed && draw(4) == 0;
                    pa_register product =
                        record(PA_OP_mul, swap ? from[i] : w[layer][j][i], swap ? w[layer][j][i] : from[i]);
                    sum = mixed && draw(4) == 0 ? record(PA_OP_add, product, sum) : record(PA_OP_add, sum, product);
                    if (keep_sums && draw(10) == 0) keep(sum);
                }
                to[j] = layer == 0 ? record(PA_OP_relu, sum, sum) : record(PA_OP_tanh, sum, sum);
            }
        }
        for (int j = 0; j < 2; j++) loss = record(PA_OP_add, loss, record(PA_OP_mul, y[j], y[j]));
    }
    for (int j = 0; j < outputs; j++)
        for (int i = 0; i < inputs; i++) loss = record(PA_OP_add, loss, record(PA_OP_mul, w[0][j][i], w[0][j][i]));
    memset(grad_of, 0xff, sizeof grad_of);
    keep(loss);
    write_reverse(loss, first_op, in_of, op_of, grad_of);
    for (int layer = 0; layer < 2; layer++)
        for (int j = 0; j < sizes[layer + 1]; j++) {
            for (int i = 0; i < sizes[layer]; i++) keep(grad_of[w[layer][j][i]]);
            if (layer == 0) keep(grad_of[b[layer][j]]);
        }
}

static void nets_of_all_shapes_give_the_numbers_of_their_ops(void) {
    bool held = true;
    for (int i = 0; i < 60 && held; i++) {
        int samples = 1 + (int)draw(i < 50 ? 12 : 60), inputs = 1 + (int)draw(i < 50 ? 19 : 6),
            outputs = 1 + (int)draw(19);
        start();
        write_net(samples, inputs, outputs, i % 3 == 2, i % 5 == 4);
        held = holds(PA_STRAIGHTLINE_ALL, 0);
        if (!held) printf("a net of %d samples, %d inputs, %d outputs\n", samples, inputs, outputs);
    }
    CHECK(held);
}

static void the_passes_change_no_number(void) {
    bool held = true;
    for (unsigned passes = 0; passes <= PA_STRAIGHTLINE_ALL && held; passes++) {
        start();
        write_net(9, 5, 11, true, true);
        held = holds(passes, 0);
        if (!held) printf("passes %u\n", passes);
    }
    CHECK(held);
}

/* Shifts are of integers alone. */
static bool is_over_numbers(pa_op op) {
    const pa_op_info *info = &pa_op_table[op];
    return info->family != PA_WHOLE && (info->family != PA_LOGIC || pa_k->forward[op][PA_BOOL] != NULL);
}

/* Any op of any numbers, NaN and infinities included; gradients of them. */
static void write_any(int ops, bool few_numbers) {
    static const double parameters[] = {2, 0.5, -1, 3, 1, -0.5};
    for (int i = 0; i < 8; i++) leaf(few_numbers ? (double)draw(3) : draw_number());
    constant(few_numbers ? 1.0 : 0.75);
    constant(few_numbers ? -2.0 : 1.5);
    while (now.n < ops && now.status == PA_OK) {
        pa_op op = (pa_op)(1 + draw(PA_OP_COUNT - 1));
        if (draw(2) == 0) op = draw(2) ? PA_OP_add : PA_OP_mul;
        const pa_op_info *info = &pa_op_table[op];
        if (!is_over_numbers((pa_op)op)) continue;
        pa_register in[3];
        for (int k = 0; k < 3; k++) in[k] = (pa_register)(now.n - 1 - (int)draw(draw(3) ? 10 : (uint32_t)now.n));
        for (int k = 0; k < 3; k++)
            if (in[k] < 0) in[k] = 0;
        double params[2] = {parameters[draw(6)], 0};
        params[1] = params[0] + 1;
        if (now.n > ops / 2 && draw(2) == 0) in[0] = (pa_register)draw((uint32_t)now.n); /* wide as well as deep */
        /* Which NaN, and so which sign, comes out of an op of two depends on their order, which is the compiler's. */
        if (op == PA_OP_copysign && (isnan(now.value[in[0]]) || isnan(now.value[in[1]]))) continue;
        pa_register out = apply(op, in[0], in[1], in[2], params);
        if (info->family != PA_ELEMENTWISE || draw(2) == 0) continue;
        for (int k = 0; k < info->operands; k++)
            if (pa_k->gradient[op][k][1] != NULL) gradient(op, k, in, out, (pa_register)draw((uint32_t)now.n), params);
    }
    for (int i = 0; i < now.n; i++)
        if (draw(12) == 0) keep(i);
}

static void any_code_gives_the_numbers_of_its_ops(void) {
    bool held = true;
    for (int i = 0; i < 200 && held; i++) {
        start();
        write_any(i % 10 == 9 ? 4000 : 20 + (int)draw(400), i % 4 == 3);
        held = holds(i % 2 ? PA_STRAIGHTLINE_ALL : draw(PA_STRAIGHTLINE_ALL + 1), 0);
        if (!held) printf("program %d\n", i);
    }
    CHECK(held);
}

/* Every op over more lanes than a block has, with operands in order, shuffled, strided and the same for all. */
static void packs_of_every_op_give_the_numbers_of_their_ops(void) {
    enum { LANES = 1500 };
    bool held = true;
    for (int op = 1; op < PA_OP_COUNT && held; op++) {
        const pa_op_info *info = &pa_op_table[op];
        if (!is_over_numbers((pa_op)op)) continue;
        for (int pattern = 0; pattern < 3 && held; pattern++) {
            start();
            pa_register first = leaf(draw_number());
            for (int i = 1; i < LANES; i++) leaf(draw_number());
            double params[2] = {0.5, 1.5};
            int lanes = pattern == 0 ? LANES : 600;
            for (int i = 0; i < lanes; i++) {
                pa_register in[3] = {first + i,
                                     first + (pattern == 0   ? LANES - 1 - i
                                              : pattern == 1 ? i / 50
                                                             : 7),
                                     first + (i * 37) % LANES};
                pa_register out = apply((pa_op)op, in[0], in[1], in[2], params);
                keep(out);
                for (int k = 0; k < info->operands && info->family == PA_ELEMENTWISE; k++)
                    if (pa_k->gradient[op][k][1] != NULL) keep(gradient((pa_op)op, k, in, out, first + i % 3, params));
            }
            held = holds(PA_STRAIGHTLINE_ALL, 0);
            if (!held) printf("%s, pattern %d\n", info->name, pattern);
        }
    }
    CHECK(held);
}

static void reductions_that_share_few_factors_are_right(void) {
    for (int lanes = 1; lanes <= 37; lanes += 6)
        for (int terms = 2; terms <= 9; terms += 7) {
            start();
            for (int l = 0; l < lanes; l++) {
                pa_register sum = leaf(draw_number());
                for (int k = 0; k < terms; k++) sum = add(sum, mul(leaf(draw_number()), leaf(draw_number())));
                keep(sum);
            }
            CHECK(holds(PA_STRAIGHTLINE_ALL, 0));
        }
    start(); /* a triangle: each row is met by the columns up to its own, as in causal attention */
    enum { TOKENS = 24, SIZE = 4 };
    pa_register q[TOKENS][SIZE], k[TOKENS][SIZE];
    for (int t = 0; t < TOKENS; t++)
        for (int d = 0; d < SIZE; d++) {
            q[t][d] = leaf(draw_number());
            k[t][d] = leaf(draw_number());
        }
    for (int t = 0; t < TOKENS; t++)
        for (int u = 0; u <= t; u++) {
            pa_register sum = mul(q[t][0], k[u][0]);
            for (int d = 1; d < SIZE; d++) sum = add(sum, mul(q[t][d], k[u][d]));
            keep(sum);
        }
    CHECK(holds(PA_STRAIGHTLINE_ALL, 0));
    start(); /* the same products from different starts */
    pa_register x[6];
    for (int i = 0; i < 6; i++) x[i] = leaf(draw_number());
    for (int i = 0; i < 9; i++) keep(add(add(leaf(draw_number()), mul(x[0], x[1])), mul(x[2], x[i % 3 + 3])));
    CHECK(holds(PA_STRAIGHTLINE_ALL, 0));
}

static void recurrences_of_a_thousand_links_are_right(void) {
    enum { LINKS = 1000 };
    for (int form = 0; form < 2; form++) {
        start();
        pa_register b = leaf(0.999), c = leaf(0.01), d = leaf(0.3);
        int first_op = now.n;
        for (int i = 0; i < LINKS; i++)
            d = form == 0 ? record(PA_OP_add, record(PA_OP_mul, d, b), c)
                          : record(PA_OP_sub, record(PA_OP_mul, b, d), c);
        memset(grad_of, 0xff, sizeof grad_of);
        keep(d);
        write_reverse(d, first_op, in_of, op_of, grad_of);
        keep(grad_of[b]);
        keep(grad_of[c]);
        CHECK(holds(PA_STRAIGHTLINE_ALL, 1e-13));
    }
}

/* ---- numbers and their places ---- */

static void constants_leaves_and_duplicates_can_be_kept(void) {
    start();
    pa_register two = constant(2), x = leaf(3), unused = leaf(4), again = constant(2);
    pa_register four = mul(two, again), same = add(x, constant(0)), twice = mul(x, two), once_more = mul(again, x);
    pa_register kept[] = {two, x, again, four, same, twice, once_more, x};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) keep(kept[i]);
    CHECK(pa_straightline_number(now.code, x) == NULL);
    CHECK_OK(pa_straightline_compile(now.code, PA_STRAIGHTLINE_ALL));
    write_leaves();
    pa_straightline_run(now.code);
    CHECK(agrees(0));
    CHECK(pa_straightline_number(now.code, twice) == pa_straightline_number(now.code, once_more));
    CHECK(pa_straightline_number(now.code, unused) != NULL);
    CHECK(pa_straightline_number(now.code, -1) == NULL && pa_straightline_number(now.code, 100) == NULL);
    *pa_straightline_number(now.code, x) = 5; /* the next run is of what the leaves are then */
    *pa_straightline_number(now.code, unused) = -1;
    pa_straightline_run(now.code);
    CHECK(*pa_straightline_number(now.code, twice) == 10 && *pa_straightline_number(now.code, same) == 5);
    CHECK(*pa_straightline_number(now.code, four) == 4);
    stop();
}

static void code_without_ops_compiles_and_runs(void) {
    for (unsigned passes = 0; passes <= PA_STRAIGHTLINE_ALL; passes += PA_STRAIGHTLINE_ALL) {
        start();
        CHECK_OK(pa_straightline_compile(now.code, passes));
        pa_straightline_run(now.code);
        CHECK(pa_straightline_statistics(now.code).given == 0);
        stop();
    }
    start(); /* written down, and never compiled */
    add(leaf(1), leaf(2));
    stop();
    pa_straightline_free(NULL);
}

static void products_with_zero_are_not_folded(void) {
    start();
    pa_register x = leaf(NAN), y = leaf(INFINITY), zero = constant(0);
    pa_register kept[] = {mul(x, zero), mul(y, zero), apply(PA_OP_sub, y, y, 0, NULL),
                          apply(PA_OP_relu, x, 0, 0, NULL)};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) keep(kept[i]);
    CHECK(holds(PA_STRAIGHTLINE_ALL, 0));
}

static void misuse_is_refused(void) {
    start();
    pa_register x = leaf(1), out, wrong[5] = {7, 7, 7, 7, 7}, in[5] = {x, x, -1, x, x};
    CHECK(pa_straightline_apply(now.code, PA_OP_add, wrong, NULL, &out) == PA_INDEX && message_has("register 7"));
    CHECK(pa_straightline_apply(now.code, PA_OP_matmul, in, NULL, &out) == PA_UNSUPPORTED);
    CHECK(pa_straightline_apply(now.code, PA_OP_power, in, NULL, &out) == PA_VALUE && message_has("parameters"));
    CHECK(pa_straightline_gradient(now.code, PA_OP_lt, 0, in, NULL, &out) == PA_UNSUPPORTED);
    CHECK(pa_straightline_gradient(now.code, PA_OP_where, 0, in, NULL, &out) == PA_UNSUPPORTED);
    CHECK(pa_straightline_gradient(now.code, PA_OP_mul, 2, in, NULL, &out) == PA_UNSUPPORTED);
    CHECK(pa_straightline_keep(now.code, 99) == PA_INDEX);
    CHECK_OK(pa_straightline_compile(now.code, PA_STRAIGHTLINE_ALL));
    CHECK(pa_straightline_compile(now.code, PA_STRAIGHTLINE_ALL) == PA_RUNTIME);
    CHECK(pa_straightline_leaf(now.code, &out) == PA_RUNTIME);
    CHECK(pa_straightline_keep(now.code, x) == PA_RUNTIME);
    stop();
}

static void statistics_and_dump_describe_a_net(void) {
    start();
    write_net(40, 4, 16, false, false);
    CHECK_OK(pa_straightline_compile(now.code, PA_STRAIGHTLINE_ALL));
    pa_straightline_stats stats = pa_straightline_statistics(now.code);
    CHECK(stats.given > stats.left && stats.left > 40 * 4 * 16);
    CHECK(stats.products > 4 && stats.reductions > 40 * 16 && stats.packs < 60 && stats.scalars < 20);
    CHECK(stats.bytes > 0 && stats.bytes < 1 << 20);
    char text[2000], cut[10];
    pa_straightline_dump(now.code, text, sizeof text);
    CHECK(strstr(text, "product of matrices") != NULL && strstr(text, "tanh") != NULL);
    CHECK(strlen(pa_straightline_dump(now.code, cut, sizeof cut)) == sizeof cut - 1);
    stop();
}

static void failing_allocations_leave_nothing_behind(void) {
    int64_t before = pa_mem_live_bytes();
    uint64_t seed = check_seed;
    bool finished = false;
    for (int i = 0; i < 3000 && !finished; i++) {
        check_seed = seed;
        pa_mem.fail_after = i;
        start();
        if (now.status == PA_OK) {
            write_net(5, 3, 6, true, false);
            if (now.status == PA_OK) write_any(now.n + 60, false);
            if (now.status == PA_OK) note(pa_straightline_compile(now.code, PA_STRAIGHTLINE_ALL));
        }
        bool unused = pa_mem.fail_after >= 0;
        pa_mem.fail_after = -1;
        finished = now.status == PA_OK && unused;
        if (!finished && now.status != PA_MEMORY) CHECK(!"a failed allocation is reported as such");
        if (finished) {
            write_leaves();
            pa_straightline_run(now.code);
            CHECK(agrees(0));
        }
        stop();
        if (pa_mem_live_bytes() != before) CHECK(!"nothing is left behind");
    }
    CHECK(finished);
}

void test_straightline(void) {
    static const char *const sets[] = {"baseline", "avx2", "avx512"};
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        if (!pa_isa_available(sets[i])) continue;
        CHECK_OK(pa_isa_select(sets[i]));
        check_seed = 1 + i;
        nets_of_all_shapes_give_the_numbers_of_their_ops();
        the_passes_change_no_number();
        any_code_gives_the_numbers_of_its_ops();
        packs_of_every_op_give_the_numbers_of_their_ops();
        reductions_that_share_few_factors_are_right();
        recurrences_of_a_thousand_links_are_right();
    }
    CHECK_OK(pa_isa_select(NULL));
    constants_leaves_and_duplicates_can_be_kept();
    code_without_ops_compiles_and_runs();
    products_with_zero_are_not_folded();
    misuse_is_refused();
    statistics_and_dump_describe_a_net();
    failing_allocations_leave_nothing_behind();
}
