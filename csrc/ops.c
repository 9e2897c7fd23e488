/* ops.def expanded to the table of ops as data. */
#include "ops.h"

const pa_op_info pa_op_table[PA_OP_COUNT] = {
    [PA_OP_leaf] = {"leaf", "", "a leaf", READS_NONE, PA_LEAF, 0, 0, PA_BOOL},
#define ROW(name, symbol, words, family, operands, params, effects, lowest)                                            \
    [PA_OP_##name] = {#name, symbol, words, effects, family, operands, params, lowest},
#define UNARY(name, symbol, words, python, params, effects, ...)                                                       \
    ROW(name, symbol, words, PA_ELEMENTWISE, 1, params, effects, PA_FLOAT32)
#define UNARY_INT(name, symbol, words, python, params, effects, ...)                                                   \
    ROW(name, symbol, words, PA_ELEMENTWISE, 1, params, effects, PA_UINT8)
#define UNARY_BOOL(name, symbol, words, python, params, effects, ...)                                                  \
    ROW(name, symbol, words, PA_ELEMENTWISE, 1, params, effects, PA_BOOL)
#define BINARY(name, symbol, words, python, params, effects, ...)                                                      \
    ROW(name, symbol, words, PA_ELEMENTWISE, 2, params, effects, PA_FLOAT32)
#define BINARY_INT(name, symbol, words, python, params, effects, ...)                                                  \
    ROW(name, symbol, words, PA_ELEMENTWISE, 2, params, effects, PA_UINT8)
#define BINARY_BOOL(name, symbol, words, python, params, effects, ...)                                                 \
    ROW(name, symbol, words, PA_ELEMENTWISE, 2, params, effects, PA_BOOL)
#define TERNARY_BOOL(name, symbol, words, python, params, effects, ...)                                                \
    ROW(name, symbol, words, PA_ELEMENTWISE, 3, params, effects, PA_BOOL)
#define COMPARE(name, symbol, words, effects, ...) ROW(name, symbol, words, PA_COMPARISON, 2, 0, effects, PA_BOOL)
#define LOGIC1(name, symbol, words, effects, ...) ROW(name, symbol, words, PA_LOGIC, 1, 0, effects, PA_BOOL)
#define LOGIC2(name, symbol, words, effects, ...) ROW(name, symbol, words, PA_LOGIC, 2, 0, effects, PA_BOOL)
#define LOGIC2_INT(name, symbol, words, effects, ...) ROW(name, symbol, words, PA_LOGIC, 2, 0, effects, PA_UINT8)
#define TENSOR(name, symbol, words, rule, operands, effects, ...)                                                      \
    ROW(name, symbol, words, PA_WHOLE, operands, 0, effects, PA_BOOL)
#include "ops.def"
#undef ROW
};

size_t pa_dtype_size(pa_dtype dtype) {
    static const size_t sizes[PA_DTYPE_COUNT] = {1, 1, 4, 8, 4, 8};
    return sizes[dtype];
}

const char *pa_dtype_name(pa_dtype dtype) {
    static const char *const names[PA_DTYPE_COUNT] = {"bool", "uint8", "int32", "int64", "float32", "float64"};
    return names[dtype];
}
