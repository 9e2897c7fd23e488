/* The loops of every instruction set that this machine has: the same bits as the baseline's, products aside, for every
   op of the table, every length around the vector sizes, and numbers of every kind. */
#include "kernels/kernels.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "kernels/fpmode.h"
#include "memory.h"

enum { LONGEST = 1100 };

static const char *const other_sets[] = {"avx2", "avx512"};
static const int lengths[] = {0, 1, 2, 3, 7, 8, 15, 16, 17, 31, 33, 63, 64, 65, 100, 1023, 1024, 1025, LONGEST};

/* Numbers of every magnitude, with what is special sprinkled in. */
static double number(int i, bool special) {
    static const double specials[] = {0.0,  -0.0,   INFINITY, -INFINITY, NAN,    1.0,
                                      -1.0, 1e-310, -1e-40,   88.8,      -104.0, 710.0};
    if (special && i % 11 == 3) return specials[(i / 11) % (int)(sizeof specials / sizeof *specials)];
    return i % 3 == 0 ? check_uniform() : check_uniform() * pow(10, 3 * check_uniform());
}

typedef union numbers {
    float f32[LONGEST];
    double f64[LONGEST];
    int64_t i64[LONGEST];
    uint8_t u8[LONGEST];
} numbers;

static void fill(numbers *out, pa_dtype dtype, bool special) {
    for (int i = 0; i < LONGEST; i++) {
        double x = number(i, special);
        switch (dtype) {
        case PA_FLOAT32: out->f32[i] = (float)x; break;
        case PA_FLOAT64: out->f64[i] = x; break;
        case PA_INT64: out->i64[i] = isfinite(x) && fabs(x) < 1e6 ? (int64_t)x : i; break;
        default: out->u8[i] = x > 0;
        }
    }
}

/* The same bits, or both not a number. */
static bool same(const numbers *a, const numbers *b, pa_dtype dtype, int n) {
    for (int i = 0; i < n; i++) {
        if (dtype == PA_FLOAT32 && isnan(a->f32[i]) && isnan(b->f32[i])) continue;
        if (dtype == PA_FLOAT64 && isnan(a->f64[i]) && isnan(b->f64[i])) continue;
        size_t size = pa_dtype_size(dtype);
        if (memcmp((const char *)a + (size_t)i * size, (const char *)b + (size_t)i * size, size) == 0) continue;
        if (dtype == PA_FLOAT32) printf("    element %d: %a and %a\n", i, (double)a->f32[i], (double)b->f32[i]);
        if (dtype == PA_FLOAT64) printf("    element %d: %a and %a\n", i, a->f64[i], b->f64[i]);
        return false;
    }
    return true;
}

static bool same_double(double a, double b) { return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b)); }

static const pa_kernels *table(const char *name) {
    CHECK_OK(pa_isa_select(name));
    return pa_k;
}

static numbers in[5], expected, got;

static void maps_agree(const pa_kernels *base, const pa_kernels *other) {
    static const double params[PA_MAX_PARAMS] = {0.7, 1.3};
    for (int op = PA_OP_leaf + 1; op < PA_OP_COUNT; op++) {
        for (int dtype = 0; dtype < PA_DTYPE_COUNT; dtype++) {
            pa_map_fn *ours = base->forward[op][dtype], *theirs = other->forward[op][dtype];
            CHECK((ours == NULL) == (theirs == NULL));
            if (ours == NULL || theirs == NULL) continue;
            for (int i = 0; i < 5; i++) fill(&in[i], (pa_dtype)dtype, true);
            const void *operands[5] = {&in[0], &in[1], &in[2], NULL, NULL};
            pa_dtype result = pa_op_table[op].family == PA_COMPARISON ? PA_BOOL : (pa_dtype)dtype;
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                int n = lengths[i];
                ours(&expected, operands, params, n);
                theirs(&got, operands, params, n);
                bool agree = same(&expected, &got, result, n);
                CHECK(agree);
                if (!agree)
                    printf("    %s of %s, %d elements, %s\n", pa_op_table[op].name, pa_dtype_name((pa_dtype)dtype), n,
                           other->name);
            }
        }
    }
}

static void gradients_agree(const pa_kernels *base, const pa_kernels *other) {
    static const double params[PA_MAX_PARAMS] = {0.7, 1.3};
    for (int op = PA_OP_leaf + 1; op < PA_OP_COUNT; op++) {
        for (int operand = 0; operand < PA_MAX_OPERANDS; operand++) {
            for (int f = 0; f < 2; f++) {
                pa_map_fn *ours = base->gradient[op][operand][f], *theirs = other->gradient[op][operand][f];
                CHECK((ours == NULL) == (theirs == NULL));
                if (ours == NULL || theirs == NULL) continue;
                pa_dtype dtype = f ? PA_FLOAT64 : PA_FLOAT32;
                for (int i = 0; i < 5; i++) fill(&in[i], dtype, true);
                const void *operands[5] = {&in[0], &in[1], &in[2], &in[3], &in[4]};
                ours(&expected, operands, params, LONGEST);
                theirs(&got, operands, params, LONGEST);
                bool agree = same(&expected, &got, dtype, LONGEST);
                CHECK(agree);
                if (!agree)
                    printf("    gradient %d of %s, float%d, %s\n", operand, pa_op_table[op].name, f ? 64 : 32,
                           other->name);
            }
        }
    }
}

static void reductions_agree(const pa_kernels *base, const pa_kernels *other) {
    for (int f = 0; f < 2; f++) {
        for (int special = 0; special < 2; special++) {
            fill(&in[0], f ? PA_FLOAT64 : PA_FLOAT32, special);
            for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
                int n = lengths[i];
                CHECK(same_double(base->sum[f](&in[0], n), other->sum[f](&in[0], n)));
                CHECK(same_double(base->product[f](&in[0], n), other->product[f](&in[0], n)));
                CHECK(same_double(base->sum_squared_deviation[f](&in[0], 0.25, n),
                                  other->sum_squared_deviation[f](&in[0], 0.25, n)));
                if (n == 0) continue;
                CHECK(same_double(base->largest[f](&in[0], n), other->largest[f](&in[0], n)));
                CHECK(same_double(base->smallest[f](&in[0], n), other->smallest[f](&in[0], n)));
            }
        }
    }
}

static void softmaxes_agree(const pa_kernels *base, const pa_kernels *other) {
    for (int f = 0; f < 2; f++) {
        pa_dtype dtype = f ? PA_FLOAT64 : PA_FLOAT32;
        fill(&in[0], dtype, false);
        fill(&in[1], dtype, false);
        for (int n = 1; n <= 40; n++) {
            int rows = LONGEST / n;
            base->softmax[f](&expected, &in[0], rows, n);
            other->softmax[f](&got, &in[0], rows, n);
            CHECK(same(&expected, &got, dtype, rows * n));
            base->log_softmax[f](&expected, &in[0], rows, n);
            other->log_softmax[f](&got, &in[0], rows, n);
            CHECK(same(&expected, &got, dtype, rows * n));
            base->logsumexp[f](&expected, &in[0], rows, n);
            other->logsumexp[f](&got, &in[0], rows, n);
            CHECK(same(&expected, &got, dtype, rows));
            base->softmax_gradient[f](&expected, &in[0], &in[1], rows, n, false);
            other->softmax_gradient[f](&got, &in[0], &in[1], rows, n, false);
            CHECK(same(&expected, &got, dtype, rows * n));
        }
    }
}

static void fill_uniform(void *out, int f, size_t n) {
    for (size_t i = 0; i < n; i++) {
        double x = check_uniform();
        if (f)
            ((double *)out)[i] = x;
        else
            ((float *)out)[i] = (float)x;
    }
}

static double element(const void *data, int f, int64_t i) {
    return f ? ((const double *)data)[i] : (double)((const float *)data)[i];
}

/* c (+)= a b + bias, element by element in double. */
static double product_of(const pa_gemm *g, int f, int64_t i, int64_t j, double before) {
    double sum = (g->accumulate ? before : 0) + (g->bias != NULL ? element(g->bias, f, j) : 0);
    for (int64_t p = 0; p < g->k; p++)
        sum += element(g->a, f, i * g->a_row + p * g->a_col) * element(g->b, f, p * g->b_row + j * g->b_col);
    return sum;
}

static bool product_is_right(const pa_kernels *kernels, int f, int64_t m, int64_t n, int64_t k, unsigned kind) {
    bool a_turned = kind & 1, b_turned = kind & 2, with_bias = (kind & 12) == 4, accumulate = (kind & 12) == 8;
    size_t size = f ? sizeof(double) : sizeof(float);
    size_t counts[] = {(size_t)(m * k), (size_t)(k * n), (size_t)(m * n), (size_t)n};
    void *arrays[4], *scratch = pa_mem_alloc(pa_gemm_scratch(m, n, k, f));
    for (int i = 0; i < 4; i++) {
        arrays[i] = pa_mem_alloc_array(counts[i], size);
        fill_uniform(arrays[i], f, counts[i]);
    }
    pa_gemm g = {.m = m,
                 .n = n,
                 .k = k,
                 .a = arrays[0],
                 .b = arrays[1],
                 .c = arrays[2],
                 .c_row = n,
                 .a_row = a_turned ? 1 : k,
                 .a_col = a_turned ? m : 1,
                 .b_row = b_turned ? 1 : n,
                 .b_col = b_turned ? k : 1,
                 .bias = with_bias ? arrays[3] : NULL,
                 .accumulate = accumulate};
    double *wanted = pa_mem_alloc_array(counts[2] + 1, sizeof(double));
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) wanted[i * n + j] = product_of(&g, f, i, j, element(g.c, f, i * n + j));
    kernels->gemm[f](&g, scratch);
    double tolerance = (f ? 1e-15 : 5e-7) * (double)(k + 2);
    bool right = true;
    for (int64_t i = 0; i < m * n; i++) right &= fabs(element(g.c, f, i) - wanted[i]) <= tolerance;
    for (int i = 0; i < 4; i++) pa_mem_free_array(arrays[i], counts[i], size);
    pa_mem_free_array(wanted, counts[2] + 1, sizeof(double));
    pa_mem_free(scratch, pa_gemm_scratch(m, n, k, f));
    return right;
}

static void products_are_right(const pa_kernels *kernels) {
    static const int64_t shapes[][3] = {
        {1, 1, 1},      {1, 1, 100},   {1, 16, 2},   {100, 16, 2},    {100, 1, 16},  {3, 5, 7},    {16, 16, 16},
        {17, 33, 9},    {32, 128, 64}, {5, 10, 128}, {64, 1, 300},    {129, 65, 70}, {9, 300, 40}, {40, 70, 800},
        {0, 4, 5},      {4, 0, 5},     {4, 5, 0},    {200, 150, 300}, {25, 20, 900}, {13, 11, 30}, {60, 100, 300},
        {300, 40, 900}, {37, 4, 100},  {50, 3, 32},  {6, 2, 700},
    };
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (unsigned kind = 0; kind < 12; kind++) {
            for (int f = 0; f < 2; f++) {
                bool right = product_is_right(kernels, f, shapes[s][0], shapes[s][1], shapes[s][2], kind);
                CHECK(right);
                if (!right)
                    printf("    gemm (%d, %d, %d), kind %u, float%d, %s\n", (int)shapes[s][0], (int)shapes[s][1],
                           (int)shapes[s][2], kind, f ? 64 : 32, kernels->name);
            }
        }
    }
}

/* The epilogue of a product, ReLU or its gradient, gives the bits of the loop that does the same afterwards. */
static bool epilogue_is_right(const pa_kernels *kernels, int f, int64_t m, int64_t n, int64_t k, bool turned) {
    enum { A, B, MASK, PLAIN, FUSED, ARRAYS };
    size_t size = f ? sizeof(double) : sizeof(float), count = (size_t)((m + n) * k + m * n), bytes = count * size;
    char *arrays[ARRAYS], *scratch = pa_mem_alloc(pa_gemm_scratch(m, n, k, f));
    for (int i = 0; i < ARRAYS; i++) {
        arrays[i] = pa_mem_alloc(bytes);
        fill_uniform(arrays[i], f, count);
    }
    pa_dtype dtype = f ? PA_FLOAT64 : PA_FLOAT32;
    const void *forward[5] = {arrays[PLAIN]}, *gradient[5] = {NULL, NULL, NULL, arrays[MASK], arrays[PLAIN]};
    pa_gemm plain = {.m = m,
                     .n = n,
                     .k = k,
                     .a = arrays[A],
                     .a_row = turned ? 1 : k,
                     .a_col = turned ? m : 1,
                     .b = arrays[B],
                     .b_row = turned ? n : 1,
                     .b_col = turned ? 1 : k,
                     .c = arrays[PLAIN],
                     .c_row = n};
    pa_gemm fused = plain;
    fused.c = arrays[FUSED];
    bool right = true;

    kernels->gemm[f](&plain, scratch);
    kernels->forward[PA_OP_relu][dtype](arrays[PLAIN], forward, NULL, m * n);
    fused.relu = true;
    kernels->gemm[f](&fused, scratch);
    right &= memcmp(arrays[PLAIN], arrays[FUSED], (size_t)(m * n) * size) == 0;

    kernels->gemm[f](&plain, scratch);
    kernels->gradient[PA_OP_relu][0][f](arrays[PLAIN], gradient, NULL, m * n);
    fused.relu = false;
    fused.mask = arrays[MASK];
    fused.mask_row = n;
    kernels->gemm[f](&fused, scratch);
    right &= memcmp(arrays[PLAIN], arrays[FUSED], (size_t)(m * n) * size) == 0;

    for (int i = 0; i < ARRAYS; i++) pa_mem_free(arrays[i], bytes);
    pa_mem_free(scratch, pa_gemm_scratch(m, n, k, f));
    return right;
}

static void epilogues_are_right(const pa_kernels *kernels) {
    static const int64_t shapes[][3] = {{1, 5, 7},    {100, 16, 2},  {100, 1, 16},    {46, 46, 128}, {128, 10, 9},
                                        {29, 64, 32}, {10, 300, 40}, {131, 170, 300}, {50, 3, 77}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (int kind = 0; kind < 4; kind++) {
            bool right = epilogue_is_right(kernels, kind & 1, shapes[s][0], shapes[s][1], shapes[s][2], kind & 2);
            CHECK(right);
            if (!right)
                printf("    epilogue of (%d, %d, %d), kind %d, %s\n", (int)shapes[s][0], (int)shapes[s][1],
                       (int)shapes[s][2], kind, kernels->name);
        }
    }
}

static void column_sums_agree(const pa_kernels *base, const pa_kernels *other) {
    enum { MOST = 600 * 7 };
    static double x[MOST], expected[MOST], got[MOST];
    static const int64_t shapes[][2] = {{0, 3}, {1, 1}, {5, 10}, {600, 7}, {9, 46}, {13, 100}, {4, 64}, {21, 200}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        int64_t rows = shapes[s][0], n = shapes[s][1];
        for (int kind = 0; kind < 4; kind++) {
            int f = kind & 1;
            fill_uniform(x, f, MOST);
            memcpy(expected, x, sizeof x);
            memcpy(got, x, sizeof x);
            base->column_sums[f](expected, x, rows, n, kind & 2);
            other->column_sums[f](got, x, rows, n, kind & 2);
            CHECK(memcmp(expected, got, sizeof x) == 0);
            for (int64_t j = 0; j < n; j++) {
                double sum = kind & 2 ? element(x, f, j) : 0;
                for (int64_t r = 0; r < rows; r++) sum += element(x, f, r * n + j);
                CHECK(fabs(element(got, f, j) - sum) <= (f ? 1e-13 : 1e-4));
            }
        }
    }
}

/* One walk beside two products and the sums of columns; the bits are the same, also where da is written over a. */
static bool thin_backward_agrees(const pa_kernels *kernels, int64_t rows, int64_t n, int64_t k, bool accumulate) {
    enum { MOST = 600 * 130 };
    static float g[MOST], w[MOST], a[MOST], da[2][MOST], dw[2][MOST], sums[2][MOST];
    float *all[] = {g, w, a, dw[0]};
    for (int i = 0; i < 4; i++) fill_uniform(all[i], 0, MOST);
    for (int i = 0; i < MOST; i += 7) a[i] = i % 2 ? NAN : 0;
    memcpy(dw[1], dw[0], sizeof dw[0]);
    void *scratch = pa_mem_alloc(pa_gemm_scratch(rows, k, n, 0) + pa_gemm_scratch(n, k, rows, 0));
    pa_gemm of_a = {rows, k, n, g, n, 1, w, k, 1, da[0], k, .mask = a, .mask_row = k};
    pa_gemm of_w = {n, k, rows, g, 1, n, a, k, 1, dw[0], k, .accumulate = accumulate};
    kernels->gemm[0](&of_a, scratch);
    kernels->gemm[0](&of_w, scratch);
    kernels->column_sums[0](sums[0], da[0], rows, k, false);
    pa_mem_free(scratch, pa_gemm_scratch(rows, k, n, 0) + pa_gemm_scratch(n, k, rows, 0));
    pa_thin_backward thin = {rows, n, k, g, w, a, k, da[1], dw[1], accumulate, sums[1]};
    kernels->thin_backward(&thin);
    const size_t bytes = (size_t)(rows * k) * sizeof(float), row = (size_t)k * sizeof(float);
    bool right = memcmp(da[0], da[1], bytes) == 0 && memcmp(dw[0], dw[1], (size_t)n * row) == 0;
    right = right && (rows > 512 || k >= 128 || memcmp(sums[0], sums[1], row) == 0);
    thin.da = a;
    thin.sums = NULL;
    kernels->thin_backward(&thin);
    return right && memcmp(da[0], a, bytes) == 0;
}

static void thin_backwards_agree(const pa_kernels *kernels) {
    static const int64_t shapes[][3] = {{0, 1, 16},   {1, 1, 16},   {7, 2, 37},   {150, 3, 100},
                                        {200, 1, 96}, {77, 4, 127}, {512, 4, 29}, {600, 2, 130}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes && kernels->thin_backward != NULL; s++)
        for (int accumulate = 0; accumulate < 2; accumulate++)
            CHECK(thin_backward_agrees(kernels, shapes[s][0], shapes[s][1], shapes[s][2], accumulate));
}

/* Another thread may switch flushing off in the middle of work that flushes. */
static void the_callers_floating_point_mode_comes_back(void) {
    uint64_t callers = pa_fpmode_read(), bits = pa_fpmode_bits;
    pa_fpmode mode = pa_fpmode_open();
    pa_fpmode_flush(&mode, true);
    CHECK((pa_fpmode_read() & PA_FPMODE_FLUSH) == PA_FPMODE_FLUSH);
    pa_fpmode_bits = 0;
    pa_fpmode_flush(&mode, false);
    CHECK(pa_fpmode_read() == callers);
    pa_fpmode_flush(&mode, true);
    CHECK(pa_fpmode_read() == callers);
    pa_fpmode_bits = bits;
}

void test_kernels(void) {
    the_callers_floating_point_mode_comes_back();
    const pa_kernels *best = pa_k;
    const pa_kernels *base = table("baseline");
    CHECK(strcmp(base->name, "baseline") == 0);
    products_are_right(base);
    epilogues_are_right(base);
    for (size_t i = 0; i < sizeof other_sets / sizeof *other_sets; i++) {
        if (!pa_isa_available(other_sets[i])) {
            CHECK(pa_isa_select(other_sets[i]) != PA_OK);
            continue;
        }
        const pa_kernels *other = table(other_sets[i]);
        maps_agree(base, other);
        gradients_agree(base, other);
        reductions_agree(base, other);
        softmaxes_agree(base, other);
        products_are_right(other);
        epilogues_are_right(other);
        column_sums_agree(base, other);
        thin_backwards_agree(other);
    }
    CHECK(pa_isa_select("sse9") == PA_VALUE);
    CHECK(message_has("sse9"));
    pa_k = best;
}
