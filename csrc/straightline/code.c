/* The life of straight-line code: how it is written down and compiled, and what is asked of it afterwards. */
#include "straightline.h"

#include <string.h>

#include "internal.h"

pa_status pa_straightline_new(pa_straightline **out) {
    pa_straightline *code = pa_mem_alloc(sizeof *code);
    if (code == NULL) return PA_MEMORY;
    memset(code, 0, sizeof *code);
    *out = code;
    return PA_OK;
}

static void free_source(pa_straightline *code) {
    pa_mem_free_array(code->nodes, code->nodes_capacity, sizeof *code->nodes);
    pa_mem_free_array(code->constants, code->constants_capacity, sizeof *code->constants);
    code->nodes = NULL;
    code->constants = NULL;
    code->nodes_capacity = code->constants_capacity = 0;
}

void pa_straightline_free(pa_straightline *code) {
    if (code == NULL) return;
    free_source(code);
    pa_mem_free_array(code->params, code->params_capacity, 2 * sizeof *code->params);
    pa_mem_free_array(code->instructions, code->instructions_capacity, sizeof *code->instructions);
    pa_mem_free_array(code->lists, code->lists_capacity, sizeof *code->lists);
    pa_mem_free_array(code->scalars, code->scalars_capacity, sizeof *code->scalars);
    pa_mem_free_array(code->numbers, code->n_numbers, sizeof *code->numbers);
    pa_mem_free_array(code->named, code->n_named, sizeof *code->named);
    pa_mem_free_array(code->named_at, code->n_named, sizeof *code->named_at);
    pa_mem_free(code, sizeof *code);
}

/* ---- writing it down ---- */

static pa_status add_node(pa_straightline *code, sl_node node, pa_register *out) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "straight-line code: the code is compiled already");
    PA_FAIL_IF(code->n >= INT32_MAX / 8, PA_VALUE, "straight-line code: more than %d ops in one program",
               INT32_MAX / 8);
    PA_TRY(pa_mem_reserve(&code->nodes, &code->nodes_capacity, code->n + 1, sizeof *code->nodes));
    code->nodes[code->n] = node;
    *out = (pa_register)code->n++;
    return PA_OK;
}

static pa_status add_params(pa_straightline *code, int count, const double *params, int32_t *index) {
    *index = -1;
    if (count == 0) return PA_OK;
    PA_FAIL_IF(params == NULL, PA_VALUE, "straight-line code: parameters are missing");
    double pair[2] = {params[0], count > 1 ? params[1] : 0};
    for (size_t i = code->n_params; i > 0 && i + 4 > code->n_params; i--) /* mostly one of the last */
        if (memcmp(code->params + 2 * (i - 1), pair, sizeof pair) == 0) {
            *index = (int32_t)i - 1;
            return PA_OK;
        }
    PA_TRY(pa_mem_reserve(&code->params, &code->params_capacity, code->n_params + 1, sizeof pair));
    memcpy(code->params + 2 * code->n_params, pair, sizeof pair);
    *index = (int32_t)code->n_params++;
    return PA_OK;
}

pa_status pa_straightline_leaf(pa_straightline *code, pa_register *out) {
    return add_node(code, (sl_node){.code = PA_OP_leaf, .param = -1}, out);
}

pa_status pa_straightline_constant(pa_straightline *code, double value, pa_register *out) {
    sl_node node = {.code = SL_CODE_CONSTANT};
    PA_TRY(sl_new_constant(code, value, &node.param));
    return add_node(code, node, out);
}

static pa_status check_register(const pa_straightline *code, const char *name, pa_register reg) {
    PA_FAIL_IF(reg < 0 || (size_t)reg >= code->n, PA_INDEX, "straight-line code: %s of register %d, there are %zu",
               name, (int)reg, code->n);
    return PA_OK;
}

pa_status pa_straightline_apply(pa_straightline *code, pa_op op, const pa_register *in, const double *params,
                                pa_register *out) {
    bool known = op > PA_OP_leaf && op < PA_OP_COUNT && pa_op_table[op].family != PA_WHOLE;
    PA_FAIL_IF(!known, PA_UNSUPPORTED, "straight-line code: op %d is not elementwise", (int)op);
    const pa_op_info *info = &pa_op_table[op];
    sl_node node = {.code = (uint16_t)op, .roles = (uint8_t)((1 << info->operands) - 1)};
    for (int i = 0; i < info->operands; i++) {
        PA_TRY(check_register(code, info->name, in[i]));
        node.in[i] = in[i];
        node.flags |= code->nodes[in[i]].flags & SL_BACKWARD;
    }
    if (op == PA_OP_square) {
        node = (sl_node){.code = PA_OP_mul, .roles = 3, .flags = node.flags, .in = {in[0], in[0]}};
    }
    PA_TRY(add_params(code, info->params, params, &node.param));
    PA_TRY(add_node(code, node, out));
    code->stats.given++;
    return PA_OK;
}

pa_status pa_straightline_gradient(pa_straightline *code, pa_op op, int operand, const pa_register in[5],
                                   const double *params, pa_register *out) {
    bool known = op > PA_OP_leaf && op < PA_OP_COUNT && pa_op_table[op].family == PA_ELEMENTWISE && operand >= 0 &&
                 operand < pa_op_table[op].operands && pa_k->gradient[op][operand][1] != NULL;
    PA_FAIL_IF(!known, PA_UNSUPPORTED, "straight-line code: op %d has no gradient of operand %d", (int)op, operand);
    const pa_op_info *info = &pa_op_table[op];
    sl_node node = {.flags = SL_BACKWARD, .param = -1};
    int n = 0;
    for (int i = 0; i < 5; i++) {
        if (in[i] < 0) continue;
        PA_TRY(check_register(code, info->name, in[i]));
        PA_FAIL_IF(n == SL_MAX_OPERANDS, PA_VALUE, "straight-line code: the gradient of %s reads %d numbers",
                   info->name, n + 1);
        node.in[n++] = in[i];
        node.roles |= (uint8_t)(1 << i);
    }
    PA_TRY(check_register(code, info->name, in[4]));
    pa_register g = in[4];
    bool negated = op == PA_OP_neg || (op == PA_OP_sub && operand == 1), quotient = op == PA_OP_div && operand == 0;
    if (op == PA_OP_mul || op == PA_OP_exp || quotient) { /* g times, or by, another number */
        pa_register other = op == PA_OP_mul ? in[1 - operand] : op == PA_OP_exp ? in[3] : in[1];
        PA_TRY(check_register(code, info->name, other));
        node.code = quotient ? PA_OP_div : PA_OP_mul;
        node.roles = 3;
        node.in[0] = g;
        node.in[1] = other;
    } else if (negated) {
        node.code = PA_OP_neg;
        node.roles = 1;
        node.in[0] = g;
    } else if (op == PA_OP_add || op == PA_OP_sub) {
        code->stats.given++;
        *out = g;
        return PA_OK;
    } else {
        node.code = (uint16_t)(SL_CODE_GRADIENT + (int)op * PA_MAX_OPERANDS + operand);
        PA_TRY(add_params(code, info->params, params, &node.param));
    }
    PA_TRY(add_node(code, node, out));
    code->stats.given++;
    return PA_OK;
}

pa_status pa_straightline_keep(pa_straightline *code, pa_register reg) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "straight-line code: the code is compiled already");
    PA_TRY(check_register(code, "keep", reg));
    code->nodes[reg].flags |= SL_KEPT;
    return PA_OK;
}

/* ---- compiling ---- */

pa_status pa_straightline_compile(pa_straightline *code, unsigned passes) {
    PA_FAIL_IF(code->compiled, PA_RUNTIME, "straight-line code: the code is compiled already");
    pa_register unused; /* the last three nodes are constants that sl_schedule wants */
    PA_TRY(pa_straightline_constant(code, -1.0, &unused));
    PA_TRY(pa_straightline_constant(code, 1.0, &unused));
    PA_TRY(pa_straightline_constant(code, -0.0, &unused));
    code->compiled = true;
    int32_t *leader = pa_mem_alloc_array(code->n, sizeof *leader);
    if (leader == NULL) return PA_MEMORY;
    pa_status status = sl_simplify(code, leader, passes);
    if (status == PA_OK) status = sl_schedule(code, leader, passes);
    pa_mem_free_array(leader, code->n, sizeof *leader);
    free_source(code);
    if (status != PA_OK) {
        code->n_instructions = 0; /* running does nothing then */
        return status;
    }
    code->stats.bytes =
        (int64_t)(sizeof *code + code->instructions_capacity * sizeof *code->instructions +
                  code->lists_capacity * sizeof *code->lists + code->scalars_capacity * sizeof *code->scalars +
                  code->n_numbers * sizeof *code->numbers + code->n_named * 2 * sizeof *code->named);
    return PA_OK;
}

/* ---- afterwards ---- */

double *pa_straightline_number(pa_straightline *code, pa_register reg) {
    if (code->numbers == NULL) return NULL;
    size_t low = 0, high = code->n_named;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code->named[middle] < reg)
            low = middle + 1;
        else
            high = middle;
    }
    return low < code->n_named && code->named[low] == reg ? code->numbers + code->named_at[low] : NULL;
}

pa_straightline_stats pa_straightline_statistics(const pa_straightline *code) { return code->stats; }

/* The kinds of lines of a dump: the maps first, by their kind. */
enum { LINE_PRODUCT = PA_MAP_KINDS, LINE_SUMS, LINE_GATHER, LINE_SCALARS, LINES };

static const struct {
    const char *name, *unit;
} lines[LINES] = {
    [PA_MAP_ADD] = {"add", "lanes"},
    [PA_MAP_SUB] = {"sub", "lanes"},
    [PA_MAP_MUL] = {"mul", "lanes"},
    [PA_MAP_DIV] = {"div", "lanes"},
    [PA_MAP_NEG] = {"neg", "lanes"},
    [PA_MAP_MULADD] = {"multiply-add", "lanes"},
    [PA_MAP_RELU] = {"relu", "lanes"},
    [PA_MAP_RELU_GRADIENT] = {"relu gradient", "lanes"},
    [PA_MAP_MOVE] = {"move", "lanes"},
    [LINE_PRODUCT] = {"product of matrices", "multiply-adds"},
    [LINE_SUMS] = {"sums side by side", "multiply-adds"},
    [LINE_GATHER] = {"gather", "lanes"},
    [LINE_SCALARS] = {"scalar ops", "ops"},
};

typedef struct line_count {
    int64_t instructions, units;
} line_count;

static void count(line_count *line, int64_t units) {
    line->instructions++;
    line->units += units;
}

const char *pa_straightline_dump(const pa_straightline *code, char *buffer, size_t n) {
    line_count counts[LINES] = {0};
    int64_t calls[SL_CODE_GRADIENT + PA_OP_COUNT * PA_MAX_OPERANDS] = {0};
    pa_text text = {buffer, n};
    for (size_t k = 0; k < code->n_instructions; k++) {
        const sl_instruction *i = &code->instructions[k];
        const pa_straightline_product *p = &i->of.product;
        switch ((sl_instruction_kind)i->kind) {
        case SL_DO_PRODUCT: count(&counts[LINE_PRODUCT], (int64_t)p->rows * p->lanes * p->terms); break;
        case SL_DO_SUMS: count(&counts[LINE_SUMS], (int64_t)i->of.sums.lanes * i->of.sums.terms); break;
        case SL_DO_MAP: count(&counts[i->map], (int64_t)i->of.map.rows * i->of.map.lanes); break;
        case SL_DO_CALL: calls[i->of.call.code] += (int64_t)i->of.call.rows * i->of.call.lanes; break;
        case SL_DO_INDEXED: count(&counts[i->map], i->of.indexed.n); break;
        case SL_DO_GATHER: count(&counts[LINE_GATHER], i->of.gather.n); break;
        case SL_DO_SCALARS: count(&counts[LINE_SCALARS], i->of.scalars.results); break;
        }
    }
    pa_text_add(&text, "straight-line code: %lld ops given, %lld left, %lld numbers\n", (long long)code->stats.given,
                (long long)code->stats.left, (long long)code->n_numbers);
    for (int line = 0; line < LINES; line++)
        if (counts[line].instructions > 0)
            pa_text_add(&text, "%6lld x %s: %lld %s\n", (long long)counts[line].instructions, lines[line].name,
                        (long long)counts[line].units, lines[line].unit);
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        if (calls[i] == 0) continue;
        bool gradient = i >= SL_CODE_GRADIENT;
        const char *name = pa_op_table[gradient ? (i - SL_CODE_GRADIENT) / PA_MAX_OPERANDS : i].name;
        pa_text_add(&text, "%s%s: %lld lanes\n", name, gradient ? " gradient" : "", (long long)calls[i]);
    }
    return buffer;
}
