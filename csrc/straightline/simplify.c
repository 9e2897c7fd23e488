/* The first passes over straight-line code, in one walk forward and one back:

       constants   ops of constants are evaluated; sums with 0, products with 1, double negations vanish
       cse         equal ops of equal operands become one, whatever the order of a commutative op's operands
       dead        what no kept number depends on stays unmarked

   Nothing moves: same[reg] says which reg stands for one, and a node that became a constant changes in place. A sum
   with 0 keeps the sign of a zero operand, which adding would lose; a product with 0 is left, for it may be NaN. */
#include <string.h>

#include "internal.h"

/* ---- tools that the later stages share ---- */

void sl_sort(int32_t *order, int32_t *spare, const uint64_t *keys, size_t n) {
    enum { RUN = 12 };
    for (size_t start = 0; start < n; start += RUN) { /* short runs by insertion, then merged */
        size_t end = start + RUN < n ? start + RUN : n;
        for (size_t i = start + 1; i < end; i++) {
            int32_t item = order[i];
            size_t j = i;
            for (; j > start && keys[order[j - 1]] > keys[item]; j--) order[j] = order[j - 1];
            order[j] = item;
        }
    }
    int32_t *from = order, *to = spare;
    for (size_t width = RUN; width < n; width *= 2) {
        for (size_t start = 0; start < n; start += 2 * width) {
            size_t middle = start + width < n ? start + width : n, end = middle + width < n ? middle + width : n;
            size_t i = start, j = middle, k = start;
            while (i < middle && j < end) to[k++] = keys[from[i]] <= keys[from[j]] ? from[i++] : from[j++];
            while (i < middle) to[k++] = from[i++];
            while (j < end) to[k++] = from[j++];
        }
        int32_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != order) memcpy(order, from, n * sizeof *order);
}

/* ---- one op on numbers ---- */

enum { CALL_BLOCK = 256 };

static void call_in_bytes(unsigned op, bool logic, double *out, const double *const in[5], int64_t n) {
    pa_map_fn *loop = pa_k->forward[op][logic ? PA_BOOL : PA_FLOAT64];
    uint8_t result[CALL_BLOCK], operand[2][CALL_BLOCK];
    for (int64_t done = 0; done < n; done += CALL_BLOCK) {
        int64_t some = n - done < CALL_BLOCK ? n - done : CALL_BLOCK;
        const void *pointers[5] = {NULL};
        for (int i = 0; i < pa_op_table[op].operands; i++) {
            pointers[i] = in[i] + done;
            if (!logic) continue;
            pa_k->convert[PA_FLOAT64][PA_BOOL](operand[i], in[i] + done, 1, some);
            pointers[i] = operand[i];
        }
        loop(result, pointers, NULL, some);
        pa_k->convert[PA_BOOL][PA_FLOAT64](out + done, result, 1, some);
    }
}

void sl_call_kernel(unsigned code, const double *params, double *out, const double *const in[5], int64_t n) {
    const void *pointers[5] = {in[0], in[1], in[2], in[3], in[4]};
    if (code >= SL_CODE_GRADIENT) {
        unsigned which = code - SL_CODE_GRADIENT;
        pa_k->gradient[which / PA_MAX_OPERANDS][which % PA_MAX_OPERANDS][1](out, pointers, params, n);
    } else if (pa_op_table[code].family == PA_ELEMENTWISE) {
        pa_k->forward[code][PA_FLOAT64](out, pointers, params, n);
    } else {
        call_in_bytes(code, pa_op_table[code].family == PA_LOGIC, out, in, n);
    }
}

/* ---- constants ---- */

static bool is_constant(const pa_straightline *code, int32_t reg, double *value) {
    const sl_node *node = &code->nodes[reg];
    if (node->code != SL_CODE_CONSTANT) return false;
    *value = code->constants[node->param];
    return true;
}

static pa_status fold(pa_straightline *code, sl_node *node, const double *values) {
    const double *in[5] = {NULL};
    for (int i = 0, k = 0; i < 5; i++)
        if (node->where & 1 << i) in[i] = values + k++;
    double value;
    sl_call_kernel(node->code, node->param < 0 ? NULL : code->params + 2 * node->param, &value, in, 1);
    void *all = code->constants;
    PA_TRY(pa_mem_grow(&all, &code->constants_capacity, code->n_constants + 1, sizeof value));
    code->constants = all;
    code->constants[code->n_constants] = value;
    node->code = SL_CODE_CONSTANT;
    node->where = 0;
    node->param = (int32_t)code->n_constants++;
    return PA_OK;
}

/* The operand that the node is equal to, or -1. */
static int32_t identity_of(const pa_straightline *code, sl_node *node) {
    double x = 0, y = 0;
    bool left = is_constant(code, node->in[0], &x);
    bool right = node->where & 2 && is_constant(code, node->in[1], &y);
    switch (node->code) {
    case PA_OP_add: return left && x == 0 ? node->in[1] : right && y == 0 ? node->in[0] : -1;
    case PA_OP_sub: return right && y == 0 ? node->in[0] : -1;
    case PA_OP_mul: return left && x == 1 ? node->in[1] : right && y == 1 ? node->in[0] : -1;
    case PA_OP_div: return right && y == 1 ? node->in[0] : -1;
    case PA_OP_neg: return code->nodes[node->in[0]].code == PA_OP_neg ? code->nodes[node->in[0]].in[0] : -1;
    case PA_OP_power: {
        double exponent = code->params[2 * node->param];
        if (exponent == 2) { /* as the kernel computes it */
            node->code = PA_OP_mul;
            node->where = 3;
            node->param = -1;
            node->in[1] = node->in[0];
        }
        return exponent == 1 ? node->in[0] : -1;
    }
    default: return -1;
    }
}

static pa_status fold_node(pa_straightline *code, int32_t i, int32_t *same) {
    sl_node *node = &code->nodes[i];
    if (node->code == PA_OP_leaf || node->code == SL_CODE_CONSTANT) return PA_OK;
    double values[IN_MAX];
    int n = sl_operands(node->where), constants = 0;
    for (int k = 0; k < n; k++) constants += is_constant(code, node->in[k], &values[k]);
    if (constants == n) return fold(code, node, values);
    int32_t equal = identity_of(code, node);
    if (equal >= 0) same[i] = equal;
    return PA_OK;
}

/* ---- common subexpressions ---- */

static bool commutes(unsigned code) { return code < PA_OP_COUNT && pa_op_table[code].effects & COMMUTES; }

static uint64_t bits_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static uint64_t hash_node(const pa_straightline *code, const sl_node *node) {
    uint64_t hash = pa_hash_mix(node->code, node->where);
    if (node->code == SL_CODE_CONSTANT) return pa_hash_mix(hash, bits_of(code->constants[node->param]));
    if (node->param >= 0) {
        hash = pa_hash_mix(hash, bits_of(code->params[2 * node->param]));
        hash = pa_hash_mix(hash, bits_of(code->params[2 * node->param + 1]));
    }
    uint32_t in[IN_MAX];
    int n = sl_operands(node->where);
    for (int k = 0; k < n; k++) in[k] = (uint32_t)node->in[k];
    if (commutes(node->code) && in[0] > in[1]) {
        in[0] = (uint32_t)node->in[1];
        in[1] = (uint32_t)node->in[0];
    }
    for (int k = 0; k < n; k++) hash = pa_hash_mix(hash, in[k]);
    return hash;
}

static bool equal_nodes(const pa_straightline *code, const sl_node *x, const sl_node *y) {
    if (x->code != y->code || x->where != y->where) return false;
    if (x->code == SL_CODE_CONSTANT) return bits_of(code->constants[x->param]) == bits_of(code->constants[y->param]);
    if (x->param != y->param &&
        memcmp(code->params + 2 * x->param, code->params + 2 * y->param, 2 * sizeof(double)) != 0)
        return false;
    int n = sl_operands(x->where);
    if (memcmp(x->in, y->in, (size_t)n * sizeof *x->in) == 0) return true;
    return commutes(x->code) && x->in[0] == y->in[1] && x->in[1] == y->in[0];
}

static void merge_node(const pa_straightline *code, int32_t i, int32_t *same, pa_table *table) {
    const sl_node *node = &code->nodes[i];
    int32_t *entry = pa_table_first(table, hash_node(code, node));
    while (*entry >= 0 && !equal_nodes(code, node, &code->nodes[*entry])) entry = pa_table_next(table, entry);
    if (*entry < 0) *entry = i;
    same[i] = *entry;
}

/* ---- the walks ---- */

static pa_status walk_forward(pa_straightline *code, int32_t *same, unsigned passes, pa_table *table) {
    for (int32_t i = 0; i < (int32_t)code->n; i++) {
        same[i] = i;
        sl_node *node = &code->nodes[i];
        int n = sl_operands(node->where);
        for (int k = 0; k < n; k++) node->in[k] = same[node->in[k]];
        if (passes & PA_STRAIGHTLINE_CONSTANTS) PA_TRY(fold_node(code, i, same));
        if (passes & PA_STRAIGHTLINE_CSE && same[i] == i && node->code != PA_OP_leaf) merge_node(code, i, same, table);
    }
    return PA_OK;
}

pa_status sl_simplify(pa_straightline *code, int32_t *same, unsigned passes) {
    pa_table table;
    PA_TRY(pa_table_new(&table, code->n));
    pa_status status = walk_forward(code, same, passes, &table);
    pa_table_free(&table);
    PA_TRY(status);
    for (size_t i = 0; i < code->n; i++) /* a reg that another stands for hands on that it is kept */
        if (same[i] != (int32_t)i && code->nodes[i].flags & SL_KEPT) code->nodes[same[i]].flags |= SL_KEPT;
    for (size_t i = code->n; i-- > 0;) {
        sl_node *node = &code->nodes[i];
        if (same[i] != (int32_t)i) continue;
        if (node->flags & SL_KEPT || !(passes & PA_STRAIGHTLINE_DEAD)) node->flags |= SL_LIVE;
        if (!(node->flags & SL_LIVE)) continue;
        int n = sl_operands(node->where);
        code->stats.left += n > 0;
        for (int k = 0; k < n; k++) code->nodes[node->in[k]].flags |= SL_LIVE;
    }
    return PA_OK;
}
