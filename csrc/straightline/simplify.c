/* Simplification, in one walk forward and one back:

       constants   ops of constants are evaluated; sums with -0, products with 1, double negations vanish
       cse         equal ops of equal operands become one, whatever the order of a commutative op's operands
       dead        what no kept number depends on stays unmarked

   Nothing moves: leader[register] is the register that stands for one, and a node that became a constant changes in
   place. A sum with +0 stays, for it makes +0 of -0; so does a product with 0, for it may be NaN. */
#include <math.h>
#include <string.h>

#include "internal.h"

/* ---- constants ---- */

pa_status sl_new_constant(pa_straightline *code, double value, int32_t *index) {
    PA_TRY(pa_mem_reserve(&code->constants, &code->constants_capacity, code->n_constants + 1, sizeof value));
    code->constants[code->n_constants] = value;
    *index = (int32_t)code->n_constants++;
    return PA_OK;
}

static bool is_constant(const pa_straightline *code, int32_t reg, double *value) {
    const sl_node *node = &code->nodes[reg];
    if (node->code != SL_CODE_CONSTANT) return false;
    *value = code->constants[node->param];
    return true;
}

/* Makes a node whose operands are constants one. */
static pa_status fold(pa_straightline *code, sl_node *node, const double *values) {
    const double *in[5] = {NULL};
    for (int i = 0, k = 0; i < 5; i++)
        if (node->roles & 1 << i) in[i] = values + k++;
    double value;
    sl_call_kernel(node->code, node->param < 0 ? NULL : code->params + 2 * node->param, &value, in, 1);
    node->code = SL_CODE_CONSTANT;
    node->roles = 0;
    return sl_new_constant(code, value, &node->param);
}

/* The register that the node is equal to by an identity, or -1. */
static int32_t identity_of(const pa_straightline *code, sl_node *node) {
    double x = 0, y = 0;
    bool left = is_constant(code, node->in[0], &x);
    bool right = node->roles & 2 && is_constant(code, node->in[1], &y);
    bool minus_left = left && x == 0 && signbit(x), zero_right = right && y == 0;
    switch (node->code) {
    case PA_OP_add: return minus_left ? node->in[1] : zero_right && signbit(y) ? node->in[0] : -1;
    case PA_OP_sub: return zero_right && !signbit(y) ? node->in[0] : -1;
    case PA_OP_mul: return left && x == 1 ? node->in[1] : right && y == 1 ? node->in[0] : -1;
    case PA_OP_div: return right && y == 1 ? node->in[0] : -1;
    case PA_OP_neg: return code->nodes[node->in[0]].code == PA_OP_neg ? code->nodes[node->in[0]].in[0] : -1;
    case PA_OP_power: {
        double exponent = code->params[2 * node->param];
        if (exponent == 2) { /* as the kernel computes it */
            node->code = PA_OP_mul;
            node->roles = 3;
            node->param = -1;
            node->in[1] = node->in[0];
        }
        return exponent == 1 ? node->in[0] : -1;
    }
    default: return -1;
    }
}

static pa_status fold_node(pa_straightline *code, int32_t i, int32_t *leader) {
    sl_node *node = &code->nodes[i];
    if (node->code == PA_OP_leaf || node->code == SL_CODE_CONSTANT) return PA_OK;
    double values[SL_MAX_OPERANDS];
    int n = sl_operands(node->roles), constants = 0;
    for (int k = 0; k < n; k++) constants += is_constant(code, node->in[k], &values[k]);
    if (constants == n) return fold(code, node, values);
    int32_t equal = identity_of(code, node);
    if (equal >= 0) leader[i] = equal;
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
    uint64_t hash = pa_hash_mix(node->code, node->roles);
    if (node->code == SL_CODE_CONSTANT) return pa_hash_mix(hash, bits_of(code->constants[node->param]));
    if (node->param >= 0) {
        hash = pa_hash_mix(hash, bits_of(code->params[2 * node->param]));
        hash = pa_hash_mix(hash, bits_of(code->params[2 * node->param + 1]));
    }
    uint32_t in[SL_MAX_OPERANDS];
    int n = sl_operands(node->roles);
    for (int k = 0; k < n; k++) in[k] = (uint32_t)node->in[k];
    if (commutes(node->code) && in[0] > in[1]) {
        in[0] = (uint32_t)node->in[1];
        in[1] = (uint32_t)node->in[0];
    }
    for (int k = 0; k < n; k++) hash = pa_hash_mix(hash, in[k]);
    return hash;
}

static bool equal_nodes(const pa_straightline *code, const sl_node *x, const sl_node *y) {
    if (x->code != y->code || x->roles != y->roles) return false;
    if (x->code == SL_CODE_CONSTANT) return bits_of(code->constants[x->param]) == bits_of(code->constants[y->param]);
    if (x->param != y->param &&
        memcmp(code->params + 2 * x->param, code->params + 2 * y->param, 2 * sizeof(double)) != 0)
        return false;
    int n = sl_operands(x->roles);
    if (memcmp(x->in, y->in, (size_t)n * sizeof *x->in) == 0) return true;
    return commutes(x->code) && x->in[0] == y->in[1] && x->in[1] == y->in[0];
}

static void merge_node(const pa_straightline *code, int32_t i, int32_t *leader, pa_table *table) {
    const sl_node *node = &code->nodes[i];
    int32_t *entry = pa_table_first(table, hash_node(code, node));
    while (*entry >= 0 && !equal_nodes(code, node, &code->nodes[*entry])) entry = pa_table_next(table, entry);
    if (*entry < 0) *entry = i;
    leader[i] = *entry;
}

/* ---- the walks ---- */

static pa_status walk_forward(pa_straightline *code, int32_t *leader, unsigned passes, pa_table *table) {
    for (int32_t i = 0; i < (int32_t)code->n; i++) {
        leader[i] = i;
        sl_node *node = &code->nodes[i];
        int n = sl_operands(node->roles);
        for (int k = 0; k < n; k++) node->in[k] = leader[node->in[k]];
        if (passes & PA_STRAIGHTLINE_CONSTANTS) PA_TRY(fold_node(code, i, leader));
        if (passes & PA_STRAIGHTLINE_CSE && leader[i] == i && node->code != PA_OP_leaf)
            merge_node(code, i, leader, table);
    }
    return PA_OK;
}

pa_status sl_simplify(pa_straightline *code, int32_t *leader, unsigned passes) {
    pa_table table;
    PA_TRY(pa_table_new(&table, code->n));
    pa_status status = walk_forward(code, leader, passes, &table);
    pa_table_free(&table);
    PA_TRY(status);
    for (size_t i = 0; i < code->n; i++) /* a register is kept by keeping its leader */
        if (leader[i] != (int32_t)i && code->nodes[i].flags & SL_KEPT) code->nodes[leader[i]].flags |= SL_KEPT;
    for (size_t i = code->n; i-- > 0;) {
        sl_node *node = &code->nodes[i];
        if (leader[i] != (int32_t)i) continue;
        if (node->flags & SL_KEPT || !(passes & PA_STRAIGHTLINE_DEAD)) node->flags |= SL_LIVE;
        if (!(node->flags & SL_LIVE)) continue;
        int n = sl_operands(node->roles);
        code->stats.left += n > 0;
        for (int k = 0; k < n; k++) code->nodes[node->in[k]].flags |= SL_LIVE;
    }
    return PA_OK;
}
