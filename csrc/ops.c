#include "ops.h"

const pa_op_info pa_op_table[PA_OP_COUNT] = {
    [PA_OP_leaf] = {"leaf", "", "a leaf", PA_LEAF, 0, 0, 0, true},
#define ROW(name, symbol, words, family, operands, params, reads, takes_int)                                           \
    [PA_OP_##name] = {#name, symbol, words, family, operands, params, reads, takes_int},
#define UNARY(name, symbol, words, params, reads, ...)                                                                 \
    ROW(name, symbol, words, PA_ELEMENTWISE, 1, params, reads, false)
#define UNARY_INT(name, symbol, words, params, reads, ...)                                                             \
    ROW(name, symbol, words, PA_ELEMENTWISE, 1, params, reads, true)
#define BINARY(name, symbol, words, params, reads, ...)                                                                \
    ROW(name, symbol, words, PA_ELEMENTWISE, 2, params, reads, false)
#define BINARY_INT(name, symbol, words, params, reads, ...)                                                            \
    ROW(name, symbol, words, PA_ELEMENTWISE, 2, params, reads, true)
#define TERNARY_INT(name, symbol, words, params, reads, ...)                                                           \
    ROW(name, symbol, words, PA_ELEMENTWISE, 3, params, reads, true)
#define COMPARE(name, symbol, words, ...) ROW(name, symbol, words, PA_COMPARISON, 2, 0, READS_NONE, true)
#define LOGIC1(name, symbol, words, ...) ROW(name, symbol, words, PA_LOGIC, 1, 0, READS_NONE, true)
#define LOGIC2(name, symbol, words, ...) ROW(name, symbol, words, PA_LOGIC, 2, 0, READS_NONE, true)
#define TENSOR(name, symbol, words, operands, reads, ...)                                                              \
    ROW(name, symbol, words, PA_WHOLE, operands, 0, reads, true)
#include "ops.def"
#undef ROW
};

size_t pa_dtype_size(pa_dtype dtype) {
    static const size_t sizes[PA_DTYPE_COUNT] = {1, 8, 4, 8};
    return sizes[dtype];
}

const char *pa_dtype_name(pa_dtype dtype) {
    static const char *const names[PA_DTYPE_COUNT] = {"bool", "int64", "float32", "float64"};
    return names[dtype];
}
