/* Every kernel of one instruction set, and their table: the body of isa_baseline.c, isa_avx2.c and isa_avx512.c.

   The including file turns the instruction set on (and off again after), and defines

       ISA                  its name, without quotes: the suffix of every function
       ISA_TABLE            the type of the table; where WITHOUT_RARE_ROWS or WITHOUT_UPDATES is defined, dispatch.c
                            completes it
       ISA_VECTOR_BYTES     16, 32 or 64: the vectors that compilers will make of the loops
       ISA_FMA              1 where fma() is one instruction, else 0 (clang does not define __FMA__ under a pragma)

   The bodies stand in *.inc files without include guards or #includes, and are compiled once for each element type:

       elementwise.inc                              float, double, int64, bool
       reduce.inc softmax.inc optim.inc gemm.inc    float, double
       straightline.inc                             double

   While a body is compiled these are defined:

       T                    the element type
       F                    0 for float, 1 for double: an index into the [2] fields of pa_kernels
       TFN(name)            name_f32_avx2, …: what its functions and types must be called
       EXP(x) LOG(x) SQRT(x) MAX(x, y) SELECT(c, x, y) …
                            the prefix macros of ops.def over T (prefix_float.h, prefix_double.h): for float the
                            polynomials of vecmath.h, which vectorise

   FN(name), name_avx2, is for what does not depend on T. All functions are `static`; the table below names those
   which fill the fields of pa_kernels, TFN(sum) for `sum` and so on. INLINE functions always are inlined. LOOP goes
   before a loop whose iterations are independent, also where its output is one of its inputs: it spares the compiler
   the overlap check. */
#include "narrow.h"
#include "vecmath.h"

#define ISA_JOIN_(name, suffix) name##_##suffix
#define ISA_JOIN(name, suffix) ISA_JOIN_(name, suffix)
#define ISA_TEXT_(name) #name
#define ISA_TEXT(name) ISA_TEXT_(name)
#define FN(name) ISA_JOIN(name, ISA)

#define INLINE __attribute__((always_inline)) inline
#define UNUSED __attribute__((unused))
#ifdef __clang__
#pragma clang diagnostic ignored "-Wpass-failed" /* loops over libm calls stay scalar */
#define LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define LOOP _Pragma("GCC ivdep")
#endif

/* What elementwise.inc decides by: constants COST_forward_<name>, COST_gradient_<name>_a … */
#include "prefix_cost.h"
#define A 0
#define B 0
#define C 0
#define P 0
#define Q 0
#define G 0
#define OUT 0
enum {
#define UNARY(name, symbol, words, python, parameters, effects, forward, a)                                            \
    COST_forward_##name = forward, COST_gradient_##name##_a = a,
#define BINARY(name, symbol, words, python, parameters, effects, forward, a, b)                                        \
    COST_forward_##name = forward, COST_gradient_##name##_a = a, COST_gradient_##name##_b = b,
#define TERNARY_BOOL(name, symbol, words, python, parameters, effects, forward, a, b, c)                               \
    COST_forward_##name = forward, COST_gradient_##name##_a = a, COST_gradient_##name##_b = b,                         \
    COST_gradient_##name##_c = c,
#include "../ops.def"
    COST_OF_A_GROUP = 16 /* formulas of more are worth copying their last operands into a padded group */
};
#undef A
#undef B
#undef C
#undef P
#undef Q
#undef G
#undef OUT
#include "prefix_none.h"

#define T float
#define F 0
#define TFN(name) FN(name##_f32)
#include "prefix_float.h"
#include "elementwise.inc"
#ifndef WITHOUT_UPDATES
#include "optim.inc"
#endif
#include "gemm.inc"
#include "reduce.inc"
#include "softmax.inc"
#include "prefix_none.h"
#undef T
#undef F
#undef TFN

#define T double
#define F 1
#define TFN(name) FN(name##_f64)
#include "prefix_double.h"
#include "elementwise.inc"
#ifndef WITHOUT_UPDATES
#include "optim.inc"
#endif
#include "gemm.inc"
#include "reduce.inc"
#include "straightline.inc"
#include "softmax.inc"
#include "prefix_none.h"
#undef T
#undef F
#undef TFN

#define T int64_t
#define ALL_BITS (-1)
#define TFN(name) FN(name##_i64)
#include "prefix_int.h"
#include "elementwise.inc"
#undef T
#undef ALL_BITS
#undef TFN

#define T uint8_t
#define ALL_BITS 1
#define TFN(name) FN(name##_bool)
#include "elementwise.inc"
#include "prefix_none.h"
#undef T
#undef ALL_BITS
#undef TFN

/* ---- the table ---- */

/* SECOND(NOTHING_IF_GRAD_NONE, …) is NULL, SECOND(NOTHING_IF_ and any other formula, …) the function. */
#define NOTHING_IF_GRAD_NONE ~, NULL
#define SECOND(...) SECOND_(__VA_ARGS__)
#define SECOND_(first, second, ...) second
#define BOTH(name) {FN(name##_f32), FN(name##_f64)}
#define GRADIENT(operand, formula_probe, name)                                                                         \
    [operand] = {SECOND(formula_probe, FN(name##_f32), ~), SECOND(formula_probe, FN(name##_f64), ~)}

ISA_TABLE FN(pa_kernels) = {
    .name = ISA_TEXT(ISA),
    .forward =
        {
#define FLOATS(name) [PA_FLOAT32] = FN(forward_##name##_f32), [PA_FLOAT64] = FN(forward_##name##_f64)
#define INTS(name) [PA_BOOL] = FN(forward_##name##_bool), [PA_INT64] = FN(forward_##name##_i64)
#define UNARY(name, ...) [PA_OP_##name] = {FLOATS(name)},
#define BINARY UNARY
#define UNARY_INT(name, ...) [PA_OP_##name] = {FLOATS(name), [PA_INT64] = FN(forward_##name##_i64)},
#define BINARY_INT UNARY_INT
#define UNARY_BOOL(name, ...) [PA_OP_##name] = {FLOATS(name), INTS(name)},
#define BINARY_BOOL UNARY_BOOL
#define TERNARY_BOOL UNARY_BOOL
#define COMPARE UNARY_BOOL
#define LOGIC1(name, ...) [PA_OP_##name] = {INTS(name)},
#define LOGIC2 LOGIC1
#define LOGIC2_INT(name, ...) [PA_OP_##name] = {[PA_INT64] = FN(forward_##name##_i64)},
#include "../ops.def"
        },
    .gradient =
        {
#define UNARY(name, symbol, words, python, parameters, effects, forward, a)                                            \
    [PA_OP_##name] = {GRADIENT(0, NOTHING_IF_##a, gradient_##name##_a)},
#define BINARY(name, symbol, words, python, parameters, effects, forward, a, b)                                        \
    [PA_OP_##name] = {GRADIENT(0, NOTHING_IF_##a, gradient_##name##_a),                                                \
                      GRADIENT(1, NOTHING_IF_##b, gradient_##name##_b)},
#define TERNARY_BOOL(name, symbol, words, python, parameters, effects, forward, a, b, c)                               \
    [PA_OP_##name] = {GRADIENT(0, NOTHING_IF_##a, gradient_##name##_a),                                                \
                      GRADIENT(1, NOTHING_IF_##b, gradient_##name##_b),                                                \
                      GRADIENT(2, NOTHING_IF_##c, gradient_##name##_c)},
#include "../ops.def"
        },
    .convert =
        {
#define CONVERTS(from, dtype)                                                                                          \
    {FN(to_bool_##from),  pa_convert_##dtype##_u8, pa_convert_##dtype##_i32,                                           \
     FN(to_int64_##from), FN(to_float32_##from),   FN(to_float64_##from)}
#define NARROW_CONVERTS(dtype)                                                                                         \
    {pa_convert_##dtype##_b8,  pa_convert_##dtype##_u8,  pa_convert_##dtype##_i32,                                     \
     pa_convert_##dtype##_i64, pa_convert_##dtype##_f32, pa_convert_##dtype##_f64}
            [PA_BOOL] = CONVERTS(bool, b8),
            [PA_UINT8] = NARROW_CONVERTS(u8),
            [PA_INT32] = NARROW_CONVERTS(i32),
            [PA_INT64] = CONVERTS(i64, i64),
            [PA_FLOAT32] = CONVERTS(f32, f32),
            [PA_FLOAT64] = CONVERTS(f64, f64),
        },
    .add = BOTH(add),
    .add_scaled = BOTH(add_scaled),
    .scale = BOTH(scale),
    .sum = BOTH(sum),
    .sum_deviation = BOTH(sum_deviation),
    .sum_squared_deviation = BOTH(sum_squared_deviation),
    .add_wide = BOTH(add_wide),
    .add_squared_deviation = BOTH(add_squared_deviation),
    .product = BOTH(product),
    .largest = BOTH(largest),
    .smallest = BOTH(smallest),
    .max_into = BOTH(max_into),
    .min_into = BOTH(min_into),
    .softmax = BOTH(softmax),
    .log_softmax = BOTH(log_softmax),
    .logsumexp = BOTH(logsumexp),
    .softmax_gradient = BOTH(softmax_gradient),
    .log_softmax_gradient = BOTH(log_softmax_gradient),
#ifndef WITHOUT_UPDATES
    .update = {[PA_SGD] = BOTH(sgd), [PA_ADAM] = BOTH(adam), [PA_RMSPROP] = BOTH(rmsprop)},
#endif
    .column_sums = BOTH(column_sums),
    .gemm = BOTH(gemm),
#if ISA_VECTOR_BYTES > 16
    .thin_backward = FN(thin_backward_f32),
#endif
    .straightline_product = FN(sl_product),
    .straightline_sums = FN(sl_sums),
    .straightline_map =
        {
            [PA_MAP_ADD] = FN(sl_add),
            [PA_MAP_SUB] = FN(sl_sub),
            [PA_MAP_MUL] = FN(sl_mul),
            [PA_MAP_DIV] = FN(sl_div),
            [PA_MAP_NEG] = FN(sl_neg),
            [PA_MAP_MULADD] = FN(sl_muladd),
            [PA_MAP_RELU] = FN(sl_relu),
            [PA_MAP_RELU_GRADIENT] = FN(sl_relu_gradient),
            [PA_MAP_MOVE] = FN(sl_move),
        },
    .straightline_gather = FN(sl_gather),
};
