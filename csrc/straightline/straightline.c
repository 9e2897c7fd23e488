/* Straight-line code as it is written down, and what is asked of it afterwards. Compiling stands in simplify.c,
   group.c and place.c, running in run.c. */
#include "straightline.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "internal.h"

pa_status pa_scode_new(pa_scode **out) {
    pa_scode *code = pa_mem_alloc(sizeof *code);
    if (code == NULL) return PA_MEMORY;
    memset(code, 0, sizeof *code);
    *out = code;
    return PA_OK;
}

static void free_source(pa_scode *code) {
    pa_mem_free_array(code->nodes, code->nodes_capacity, sizeof *code->nodes);
    pa_mem_free_array(code->constants, code->constants_capacity, sizeof *code->constants);
    code->nodes = NULL;
    code->constants = NULL;
    code->nodes_capacity = code->constants_capacity = 0;
}

void pa_scode_free(pa_scode *code) {
    if (code == NULL) return;
    free_source(code);
    pa_mem_free_array(code->params, code->params_capacity, 2 * sizeof *code->params);
    pa_mem_free_array(code->steps, code->steps_capacity, sizeof *code->steps);
    pa_mem_free_array(code->lists, code->lists_capacity, sizeof *code->lists);
    pa_mem_free_array(code->scalars, code->scalars_capacity, sizeof *code->scalars);
    pa_mem_free_array(code->numbers, code->n_numbers, sizeof *code->numbers);
    pa_mem_free_array(code->named, code->n_named, sizeof *code->named);
    pa_mem_free_array(code->named_at, code->n_named, sizeof *code->named_at);
    pa_mem_free(code, sizeof *code);
}

/* ---- writing it down ---- */

static pa_status add_node(pa_scode *code, scode_node node, pa_slot *out) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "scode: the code is compiled already");
    PA_FAIL_IF(code->n >= INT32_MAX / 8, PA_VALUE, "scode: more than %d ops in one program", INT32_MAX / 8);
    void *nodes = code->nodes;
    PA_TRY(pa_mem_grow(&nodes, &code->nodes_capacity, code->n + 1, sizeof *code->nodes));
    code->nodes = nodes;
    code->nodes[code->n] = node;
    *out = (pa_slot)code->n++;
    return PA_OK;
}

static pa_status add_params(pa_scode *code, int count, const double *params, int32_t *index) {
    *index = -1;
    if (count == 0) return PA_OK;
    PA_FAIL_IF(params == NULL, PA_VALUE, "scode: parameters are missing");
    double pair[2] = {params[0], count > 1 ? params[1] : 0};
    for (size_t i = code->n_params; i > 0 && i + 4 > code->n_params; i--) /* mostly one of the last */
        if (memcmp(code->params + 2 * (i - 1), pair, sizeof pair) == 0) {
            *index = (int32_t)i - 1;
            return PA_OK;
        }
    void *all = code->params;
    PA_TRY(pa_mem_grow(&all, &code->params_capacity, code->n_params + 1, sizeof pair));
    code->params = all;
    memcpy(code->params + 2 * code->n_params, pair, sizeof pair);
    *index = (int32_t)code->n_params++;
    return PA_OK;
}

pa_status pa_scode_leaf(pa_scode *code, pa_slot *out) {
    return add_node(code, (scode_node){.code = PA_OP_leaf, .param = -1}, out);
}

pa_status pa_scode_constant(pa_scode *code, double value, pa_slot *out) {
    void *all = code->constants;
    PA_TRY(pa_mem_grow(&all, &code->constants_capacity, code->n_constants + 1, sizeof value));
    code->constants = all;
    code->constants[code->n_constants] = value;
    PA_TRY(add_node(code, (scode_node){.code = CODE_CONSTANT, .param = (int32_t)code->n_constants}, out));
    code->n_constants++;
    return PA_OK;
}

static pa_status check_slot(const pa_scode *code, const char *name, pa_slot slot) {
    PA_FAIL_IF(slot < 0 || (size_t)slot >= code->n, PA_INDEX, "scode: %s of slot %d, there are %zu", name, (int)slot,
               code->n);
    return PA_OK;
}

pa_status pa_scode_apply(pa_scode *code, pa_op op, const pa_slot *in, const double *params, pa_slot *out) {
    bool known = op > PA_OP_leaf && op < PA_OP_COUNT && pa_op_table[op].family != PA_WHOLE;
    PA_FAIL_IF(!known, PA_UNSUPPORTED, "scode: op %d is not elementwise", (int)op);
    const pa_op_info *info = &pa_op_table[op];
    scode_node node = {.code = (uint16_t)op, .where = (uint8_t)((1 << info->operands) - 1)};
    for (int i = 0; i < info->operands; i++) {
        PA_TRY(check_slot(code, info->name, in[i]));
        node.in[i] = in[i];
        node.flags |= code->nodes[in[i]].flags & NODE_BACKWARD;
    }
    if (op == PA_OP_square) {
        node = (scode_node){.code = PA_OP_mul, .where = 3, .flags = node.flags, .in = {in[0], in[0]}};
    }
    PA_TRY(add_params(code, info->params, params, &node.param));
    PA_TRY(add_node(code, node, out));
    code->stats.given++;
    return PA_OK;
}

pa_status pa_scode_gradient(pa_scode *code, pa_op op, int operand, const pa_slot in[5], const double *params,
                            pa_slot *out) {
    bool known = op > PA_OP_leaf && op < PA_OP_COUNT && pa_op_table[op].family == PA_ELEMENTWISE && operand >= 0 &&
                 operand < pa_op_table[op].operands && pa_k->gradient[op][operand][1] != NULL;
    PA_FAIL_IF(!known, PA_UNSUPPORTED, "scode: op %d has no gradient of operand %d", (int)op, operand);
    const pa_op_info *info = &pa_op_table[op];
    scode_node node = {.flags = NODE_BACKWARD, .param = -1};
    int n = 0;
    for (int i = 0; i < 5; i++) {
        if (in[i] < 0) continue;
        PA_TRY(check_slot(code, info->name, in[i]));
        PA_FAIL_IF(n == IN_MAX, PA_VALUE, "scode: the gradient of %s reads %d numbers", info->name, n + 1);
        node.in[n++] = in[i];
        node.where |= (uint8_t)(1 << i);
    }
    PA_TRY(check_slot(code, info->name, in[4]));
    pa_slot g = in[4];
    bool negated = op == PA_OP_neg || (op == PA_OP_sub && operand == 1), quotient = op == PA_OP_div && operand == 0;
    if (op == PA_OP_mul || op == PA_OP_exp || quotient) { /* g times, or by, another number */
        pa_slot other = op == PA_OP_mul ? in[1 - operand] : op == PA_OP_exp ? in[3] : in[1];
        PA_TRY(check_slot(code, info->name, other));
        node.code = quotient ? PA_OP_div : PA_OP_mul;
        node.where = 3;
        node.in[0] = g;
        node.in[1] = other;
    } else if (negated) {
        node.code = PA_OP_neg;
        node.where = 1;
        node.in[0] = g;
    } else if (op == PA_OP_add || op == PA_OP_sub) {
        code->stats.given++;
        *out = g;
        return PA_OK;
    } else {
        node.code = (uint16_t)(CODE_GRADIENT + (int)op * PA_MAX_OPERANDS + operand);
        PA_TRY(add_params(code, info->params, params, &node.param));
    }
    PA_TRY(add_node(code, node, out));
    code->stats.given++;
    return PA_OK;
}

pa_status pa_scode_keep(pa_scode *code, pa_slot slot) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "scode: the code is compiled already");
    PA_TRY(check_slot(code, "keep", slot));
    code->nodes[slot].flags |= NODE_KEPT;
    return PA_OK;
}

/* ---- compiling ---- */

pa_status pa_scode_compile(pa_scode *code, unsigned passes) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "scode: the code is compiled already");
    pa_slot minus_one, one, minus_zero; /* the last nodes, for rerolling and for mixed runs */
    PA_TRY(pa_scode_constant(code, -1.0, &minus_one));
    PA_TRY(pa_scode_constant(code, 1.0, &one));
    PA_TRY(pa_scode_constant(code, -0.0, &minus_zero));
    code->compiled = true;
    int32_t *same = pa_mem_alloc_array(code->n, sizeof *same);
    if (same == NULL) return PA_MEMORY;
    size_t n = code->n;
    pa_status status = scode_simplify(code, same, passes);
    if (status == PA_OK) status = scode_schedule(code, same, passes);
    pa_mem_free_array(same, n, sizeof *same);
    free_source(code);
    if (status != PA_OK) {
        code->n_steps = 0; /* running does nothing then */
        return status;
    }
    code->stats.bytes =
        (int64_t)(sizeof *code + code->steps_capacity * sizeof *code->steps +
                  code->lists_capacity * sizeof *code->lists + code->scalars_capacity * sizeof *code->scalars +
                  code->n_numbers * sizeof *code->numbers + code->n_named * 2 * sizeof *code->named);
    return PA_OK;
}

/* ---- afterwards ---- */

double *pa_scode_number(pa_scode *code, pa_slot slot) {
    if (code->numbers == NULL) return NULL;
    size_t low = 0, high = code->n_named;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code->named[middle] < slot)
            low = middle + 1;
        else
            high = middle;
    }
    return low < code->n_named && code->named[low] == slot ? code->numbers + code->named_at[low] : NULL;
}

pa_scode_stats pa_scode_statistics(const pa_scode *code) { return code->stats; }

/* A printf that goes on where the last one ended. */
static void print(char *buffer, size_t n, size_t *used, const char *format, ...) {
    if (*used + 1 >= n) return;
    va_list arguments;
    va_start(arguments, format);
    int written = vsnprintf(buffer + *used, n - *used, format, arguments);
    va_end(arguments);
    if (written > 0) *used += (size_t)written < n - *used ? (size_t)written : n - *used - 1;
}

static const char *code_name(unsigned code, bool *gradient) {
    *gradient = code >= CODE_GRADIENT;
    return pa_op_table[*gradient ? (code - CODE_GRADIENT) / PA_MAX_OPERANDS : code].name;
}

const char *pa_scode_dump(const pa_scode *code, char *buffer, size_t n) {
    static const char *const maps[PA_SCODE_KINDS] = {"add",          "sub",  "mul",           "div", "neg",
                                                     "multiply-add", "relu", "relu gradient", "move"};
    enum { LINES = PA_SCODE_KINDS + 4 };
    static const char *const others[] = {"product of matrices", "sums side by side", "gather", "scalar ops"};
    int64_t steps[LINES] = {0}, work[LINES] = {0};
    int64_t calls[CODE_GRADIENT + PA_OP_COUNT * PA_MAX_OPERANDS] = {0};
    size_t used = 0;
    buffer[0] = 0;
    for (size_t i = 0; i < code->n_steps; i++) {
        const scode_step *step = &code->steps[i];
        int line = step->map;
        int64_t amount = (int64_t)step->of.map.rows * step->of.map.lanes;
        switch (step->kind) {
        case STEP_PRODUCT:
            line = PA_SCODE_KINDS;
            amount = (int64_t)step->of.product.rows * step->of.product.lanes * step->of.product.terms;
            break;
        case STEP_SUMS:
            line = PA_SCODE_KINDS + 1;
            amount = (int64_t)step->of.sums.lanes * step->of.sums.terms;
            break;
        case STEP_INDEXED: amount = step->of.indexed.n; break;
        case STEP_GATHER:
            line = PA_SCODE_KINDS + 2;
            amount = step->of.gather.n;
            break;
        case STEP_SCALARS:
            line = PA_SCODE_KINDS + 3;
            amount = step->of.scalars.results;
            break;
        case STEP_CALL: calls[step->of.call.code] += (int64_t)step->of.call.rows * step->of.call.lanes; continue;
        default: break;
        }
        steps[line]++;
        work[line] += amount;
    }
    print(buffer, n, &used, "straight-line code: %lld ops given, %lld left, %lld numbers\n",
          (long long)code->stats.given, (long long)code->stats.left, (long long)code->n_numbers);
    for (int line = 0; line < LINES; line++)
        if (steps[line] > 0)
            print(buffer, n, &used, "%6lld x %s: %lld %s\n", (long long)steps[line],
                  line < PA_SCODE_KINDS ? maps[line] : others[line - PA_SCODE_KINDS], (long long)work[line],
                  line == PA_SCODE_KINDS || line == PA_SCODE_KINDS + 1 ? "multiply-adds"
                  : line == PA_SCODE_KINDS + 3                         ? "ops"
                                                                       : "lanes");
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        bool gradient;
        if (calls[i] == 0) continue;
        const char *name = code_name(i, &gradient);
        print(buffer, n, &used, "%s%s: %lld lanes\n", name, gradient ? " gradient" : "", (long long)calls[i]);
    }
    return buffer;
}
