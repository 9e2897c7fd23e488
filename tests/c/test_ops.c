/* The op table, the dtypes and the status codes are whole. */
#include "ops.h"

#include <math.h>
#include <string.h>

#include "check.h"
#include "kernels/kernels.h"
#include "kernels/ops.h"

static void every_row_is_filled(void) {
    for (int op = 0; op < PA_OP_COUNT; op++) {
        const pa_op_info *info = &pa_op_table[op];
        CHECK(info->name != NULL && info->name[0] != '\0');
        CHECK(info->symbol != NULL);
        CHECK(info->words != NULL && info->words[0] != '\0');
        CHECK(info->operands >= -1 && info->operands <= PA_MAX_OPERANDS);
        CHECK(info->params <= PA_MAX_PARAMS);
        int operands_read = info->effects & (READS_A | READS_B | READS_C);
        CHECK(info->operands < 0 || operands_read < (1 << info->operands));
        unsigned of_whole_tensors = READS_SAVED | DRAWS | COSTLY | MIXES_ROWS;
        CHECK(info->family == PA_WHOLE || !(info->effects & of_whole_tensors));
        CHECK(!(info->effects & COMMUTES) || info->operands == 2);
    }
}

static void names_are_unique(void) {
    for (int a = 0; a < PA_OP_COUNT; a++)
        for (int b = 0; b < a; b++)
            if (strcmp(pa_op_table[a].name, pa_op_table[b].name) == 0) CHECK(!"two ops of one name");
}

static void every_op_has_its_functions(void) {
    for (int op = PA_OP_leaf + 1; op < PA_OP_COUNT; op++) {
        const pa_op_functions *functions = &pa_op_function[op];
        CHECK(functions->shape != NULL);
        CHECK(functions->forward != NULL);
        if (pa_op_table[op].family == PA_ELEMENTWISE) CHECK(functions->backward != NULL);
        if (pa_op_table[op].family == PA_COMPARISON || pa_op_table[op].family == PA_LOGIC)
            CHECK(functions->backward == NULL);
    }
}

static void what_commutes_gives_the_same_bits_in_either_order(void) {
    const double floats[2][6] = {{1.5, -0.0, INFINITY, NAN, 1e308, 3}, {-7.25, 0.0, -INFINITY, 2, 1e308, 3}};
    const int64_t ints[2][6] = {{1, -5, 0, INT64_MAX, 12, 3}, {6, 9, -1, 2, INT64_MIN, 3}};
    for (int op = 0; op < PA_OP_COUNT; op++) {
        if (!(pa_op_table[op].effects & COMMUTES)) continue;
        bool logic = pa_op_table[op].family == PA_LOGIC;
        const void *a = logic ? (const void *)ints[0] : floats[0], *b = logic ? (const void *)ints[1] : floats[1];
        double forth[6] = {0}, back[6] = {0};
        pa_map_fn *map = pa_k->forward[op][logic ? PA_INT64 : PA_FLOAT64];
        map(forth, (const void *const[5]){a, b}, NULL, 6);
        map(back, (const void *const[5]){b, a}, NULL, 6);
        CHECK(memcmp(forth, back, sizeof forth) == 0);
    }
}

static void dtypes_have_sizes_and_names(void) {
    CHECK(pa_dtype_size(PA_BOOL) == 1 && pa_dtype_size(PA_INT64) == 8);
    CHECK(pa_dtype_size(PA_FLOAT32) == 4 && pa_dtype_size(PA_FLOAT64) == 8);
    CHECK(strcmp(pa_dtype_name(PA_FLOAT32), "float32") == 0);
    CHECK(pa_dtype_is_float(PA_FLOAT64) && !pa_dtype_is_float(PA_INT64));
}

static void a_failure_keeps_its_message(void) {
    CHECK(pa_fail(PA_VALUE, "sum: axis %d", 7) == PA_VALUE);
    CHECK(strcmp(pa_status_message(), "sum: axis 7") == 0);
}

void test_ops(void) {
    every_row_is_filled();
    names_are_unique();
    every_op_has_its_functions();
    what_commutes_gives_the_same_bits_in_either_order();
    dtypes_have_sizes_and_names();
    a_failure_keeps_its_message();
}
