/* A pack of reductions as products of matrices.

   Reductions whose left factors are the same sequence (one neuron's weights, over all samples) are a row of a product,
   those whose right factors are the same (one sample's inputs, to all neurons) a column:

                       right factors   x of s0     x of s1     x of s2
       left factors  w of n0           reduction   reduction   reduction
                     w of n1           reduction   reduction   reduction      one product of rows x terms x lanes

   Rows and columns that are connected by reductions make one product, if enough of its elements are reductions; the
   others (later tokens in causal attention) are computed all the same, and nobody reads them. A cost decides which side
   becomes the lanes. Reductions that share no factors are summed side by side; three or fewer are left to the scalar
   ops. */
#include <string.h>

#include "internal.h"

enum { LANES_MIN = 4 };

/* ---- sequences of factors ---- */

/* The factors of a reduction: the left ones (side 0) or the right ones. */
static inline const int32_t *factors(const sl_work *w, int side, const sl_op *reduction) {
    return (side == 0 ? w->term_a : w->term_b) + reduction->in[1];
}

static bool same_factors(const sl_work *w, int side, const sl_op *x, const sl_op *y) {
    return memcmp(factors(w, side, x), factors(w, side, y), (size_t)x->in[2] * sizeof(int32_t)) == 0;
}

/* ids[i]: the number of reduction i's sequence on one side, by first appearance; reps[id]: a reduction that has it. */
static int32_t number_sequences(sl_work *w, int side, const int32_t *ops, size_t n, int32_t *ids, int32_t *reps) {
    int32_t found = 0;
    pa_table_clear(&w->table, n);
    for (size_t i = 0; i < n; i++) {
        const sl_op *reduction = &w->ops[ops[i]];
        const int32_t *own = factors(w, side, reduction);
        uint64_t hash = (uint64_t)side;
        for (int32_t k = 0; k < reduction->in[2]; k++) hash = pa_hash_mix(hash, (uint32_t)own[k]);
        int32_t *entry = pa_table_first(&w->table, hash);
        while (*entry >= 0 && !(w->hashes[*entry] == hash && same_factors(w, side, reduction, &w->ops[reps[*entry]])))
            entry = pa_table_next(&w->table, entry);
        if (*entry < 0) {
            w->hashes[found] = hash;
            reps[found] = ops[i];
            *entry = found++;
        }
        ids[i] = *entry;
    }
    return found;
}

/* The root of i's component in a union-find forest. */
static int32_t root_of(int32_t *parents, int32_t i) {
    while (parents[i] != i) i = parents[i] = parents[parents[i]];
    return i;
}

/* ---- one product ---- */

/* Rows have the factors of one side, lanes those of the other. */
typedef struct product {
    int side; /* of the rows */
    int32_t n_rows, n_lanes, terms;
    const int32_t *rows, *lanes; /* a reduction that has the factors */
    const int32_t *elements;     /* reductions, or -1 */
    int32_t row_stride, lane_stride;
} product;

static inline int32_t element(const product *p, int32_t r, int32_t l) {
    return p->elements[(int64_t)r * p->row_stride + (int64_t)l * p->lane_stride];
}

static inline int32_t row_factor(const sl_work *w, const product *p, int32_t r, int32_t k) {
    return factors(w, p->side, &w->ops[p->rows[r]])[k];
}

static inline int32_t lane_factor(const sl_work *w, const product *p, int32_t l, int32_t k) {
    return factors(w, !p->side, &w->ops[p->lanes[l]])[k];
}

static inline int32_t round_up(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

/* Do the lanes of term k stand side by side, or will they once they have positions? */
static bool lanes_are_contiguous(const sl_work *w, const product *p, int32_t k) {
    int32_t first = w->at[lane_factor(w, p, 0, k)];
    for (int32_t l = 1; l < p->n_lanes; l++) {
        int32_t at = w->at[lane_factor(w, p, l, k)];
        if (first < 0 ? at >= 0 : at != first + l) return false;
    }
    return true;
}

static int32_t term_stride(const sl_work *w, const product *p) {
    return p->terms > 1 ? w->at[row_factor(w, p, 0, 1)] - w->at[row_factor(w, p, 0, 0)] : 0;
}

static int32_t row_stride(const sl_work *w, const product *p) {
    return p->n_rows > 1 ? w->at[row_factor(w, p, 1, 0)] - w->at[row_factor(w, p, 0, 0)] : 0;
}

/* Do the factors of the rows stand at constant distances, or will they once they have positions? */
static bool rows_are_regular(const sl_work *w, const product *p) {
    int32_t base = w->at[row_factor(w, p, 0, 0)], term = term_stride(w, p), row = row_stride(w, p);
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++) {
            int32_t at = w->at[row_factor(w, p, r, k)];
            if (base < 0 ? at >= 0 : at != base + r * row + k * term) return false;
        }
    return true;
}

/* In vector operations of 8 lanes, about; numbers that are brought side by side count 2 each. */
static int64_t cost_of(const sl_work *w, const product *p) {
    int64_t rows = p->n_rows / 4 * 4 + p->n_rows % 4 * 3 / 2;
    int64_t cost = rows * p->terms * (round_up(p->n_lanes, 8) / 8);
    unsigned code = w->code->nodes[lane_factor(w, p, 0, p->terms - 1)].code;
    if (code != PA_OP_leaf) cost += cost / 8; /* with weights as lanes, one sample's results stand together */
    for (int32_t k = 0; k < p->terms; k++)
        if (!lanes_are_contiguous(w, p, k)) cost += 2 * p->n_lanes;
    if (!rows_are_regular(w, p)) cost += 2 * (int64_t)p->n_rows * p->terms;
    return cost;
}

/* Leaves and constants without positions get them here: rows, lanes, and then biases in the order of the elements. */
static void place_leaves(sl_work *w, const product *p) {
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++) {
            int32_t reg = row_factor(w, p, r, k);
            if (sl_is_unplaced(w, reg)) sl_position(w, reg);
        }
    for (int32_t k = 0; k < p->terms; k++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t reg = lane_factor(w, p, l, k);
            if (!sl_is_unplaced(w, reg)) continue;
            if (l == 0 && p->n_lanes >= 8) sl_align(w);
            sl_position(w, reg);
        }
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = element(p, r, l);
            if (op >= 0 && sl_is_unplaced(w, w->ops[op].in[0])) sl_position(w, w->ops[op].in[0]);
        }
}

/* A list of the positions where the lanes of each term begin; lanes that do not stand side by side are copied. */
static pa_status lay_out_lanes(sl_work *w, const product *p, int32_t *first) {
    int32_t apart = 0, copy = 0;
    PA_TRY(sl_reserve_matrix(w, (size_t)p->terms * (size_t)p->n_lanes));
    for (int32_t k = 0; k < p->terms; k++) {
        if (lanes_are_contiguous(w, p, k)) continue;
        for (int32_t l = 0; l < p->n_lanes; l++)
            w->matrix[(int64_t)apart * p->n_lanes + l] = w->at[lane_factor(w, p, l, k)];
        apart++;
    }
    int32_t pitch = round_up(p->n_lanes, 8);
    if (apart > 0) PA_TRY(sl_copy_of(w, w->matrix, apart, p->n_lanes, pitch, &copy));
    PA_TRY(sl_new_list(w, (size_t)p->terms, first));
    for (int32_t k = 0; k < p->terms; k++) {
        bool direct = lanes_are_contiguous(w, p, k);
        w->code->lists[*first + k] = direct ? w->at[lane_factor(w, p, 0, k)] : copy;
        if (!direct) copy += pitch;
    }
    return PA_OK;
}

static pa_status lay_out_rows(sl_work *w, const product *p, pa_straightline_product *out) {
    if (rows_are_regular(w, p)) {
        out->a = w->at[row_factor(w, p, 0, 0)];
        out->a_term = term_stride(w, p);
        out->a_row = row_stride(w, p);
        return PA_OK;
    }
    PA_TRY(sl_reserve_matrix(w, (size_t)p->n_rows * (size_t)p->terms));
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++) w->matrix[(int64_t)r * p->terms + k] = w->at[row_factor(w, p, r, k)];
    out->a_term = 1;
    out->a_row = p->terms;
    return sl_copy_of(w, w->matrix, p->n_rows, p->terms, p->terms, &out->a);
}

/* What the sums begin with, rows x lanes of it in w->matrix: one number a row, or lanes side by side. */
static pa_status lay_out_init(sl_work *w, int32_t rows, int32_t lanes, pa_straightline_operand *init) {
    bool lane_same = true, lane_next = lanes > 1, row_regular = true;
    int32_t row = rows > 1 ? w->matrix[lanes] - w->matrix[0] : 0;
    for (int32_t r = 0; r < rows; r++) {
        const int32_t *own = w->matrix + (int64_t)r * lanes;
        row_regular = row_regular && own[0] == w->matrix[0] + r * row;
        for (int32_t l = 1; l < lanes; l++) {
            lane_same = lane_same && own[l] == own[0];
            lane_next = lane_next && own[l] == own[0] + l;
        }
    }
    if (row_regular && (lane_same || lane_next)) {
        *init = (pa_straightline_operand){.at = w->matrix[0], .row = row, .lane = !lane_same};
        return PA_OK;
    }
    int32_t pitch = round_up(lanes, 8);
    *init = (pa_straightline_operand){.row = pitch, .lane = 1};
    return sl_copy_of(w, w->matrix, rows, lanes, pitch, &init->at);
}

/* The elements' inits, where those that are no reductions begin with any number, and the positions of the results. */
static pa_status lay_out_elements(sl_work *w, const product *p, pa_straightline_product *out) {
    int32_t any = -1;
    PA_TRY(sl_reserve_matrix(w, (size_t)p->n_rows * (size_t)p->n_lanes));
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = element(p, r, l);
            if (op < 0) continue;
            int32_t at = sl_position(w, w->ops[op].in[0]);
            if (any < 0) any = at;
            w->matrix[(int64_t)r * p->n_lanes + l] = at;
        }
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++)
            if (element(p, r, l) < 0) w->matrix[(int64_t)r * p->n_lanes + l] = any;
    PA_TRY(lay_out_init(w, p->n_rows, p->n_lanes, &out->init));
    out->out_row = round_up(p->n_lanes, 8);
    out->out = sl_take(w, (int64_t)p->n_rows * out->out_row);
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = element(p, r, l);
            if (op >= 0) w->at[w->ops[op].out] = out->out + r * out->out_row + l;
        }
    return PA_OK;
}

/* left and right: a reduction for each sequence of factors; elements[i * n_right + j]: that of left i and right j. */
static pa_status emit_product(sl_work *w, const int32_t *left, int32_t n_left, const int32_t *right, int32_t n_right,
                              const int32_t *elements, int32_t terms) {
    product p = {0, n_left, n_right, terms, left, right, elements, n_right, 1};
    product q = {1, n_right, n_left, terms, right, left, elements, 1, n_right};
    if (n_right < LANES_MIN || (n_left >= LANES_MIN && cost_of(w, &q) < cost_of(w, &p))) p = q;
    place_leaves(w, &p);
    if (w->only_leaves) return PA_OK;
    sl_instruction instruction = {.kind = SL_DO_PRODUCT};
    pa_straightline_product *out = &instruction.of.product;
    *out = (pa_straightline_product){.rows = p.n_rows, .lanes = p.n_lanes, .terms = terms};
    PA_TRY(lay_out_rows(w, &p, out));
    PA_TRY(lay_out_lanes(w, &p, &out->b));
    PA_TRY(lay_out_elements(w, &p, out));
    w->code->stats.products++;
    return sl_add_instruction(w, instruction);
}

/* ---- sums side by side ---- */

/* A list of the positions of one side's factors: lanes side by side, one number for all lanes, or copies. */
static pa_status lay_out_factors(sl_work *w, int side, const int32_t *ops, int32_t n, int32_t *first, int32_t *lane) {
    int32_t terms = w->ops[ops[0]].in[2], pitch = round_up(n, 8);
    PA_TRY(sl_reserve_matrix(w, (size_t)terms * (size_t)n));
    bool one = true, next = true;
    for (int32_t k = 0; k < terms; k++)
        for (int32_t l = 0; l < n; l++) {
            int32_t at = sl_position(w, factors(w, side, &w->ops[ops[l]])[k]), *row = w->matrix + (int64_t)k * n;
            row[l] = at;
            one = one && at == row[0];
            next = next && at == row[0] + l;
        }
    int32_t copy = 0;
    one = one && n > 1;
    if (!one && !next) PA_TRY(sl_copy_of(w, w->matrix, terms, n, pitch, &copy));
    PA_TRY(sl_new_list(w, (size_t)terms, first));
    for (int32_t k = 0; k < terms; k++)
        w->code->lists[*first + k] = one || next ? w->matrix[(int64_t)k * n] : copy + k * pitch;
    *lane = !one;
    return PA_OK;
}

static pa_status emit_sums(sl_work *w, const int32_t *ops, int32_t n) {
    sl_instruction instruction = {.kind = SL_DO_SUMS};
    pa_straightline_sums *sums = &instruction.of.sums;
    *sums = (pa_straightline_sums){.lanes = n, .terms = w->ops[ops[0]].in[2]};
    PA_TRY(lay_out_factors(w, 0, ops, n, &sums->a, &sums->a_lane));
    PA_TRY(lay_out_factors(w, 1, ops, n, &sums->b, &sums->b_lane));
    if (!sums->a_lane && !sums->b_lane) { /* equal reductions, which common subexpressions did not merge */
        sl_defer(w, ops, (size_t)n);
        return PA_OK;
    }
    PA_TRY(sl_reserve_matrix(w, (size_t)n));
    for (int32_t l = 0; l < n; l++) w->matrix[l] = sl_position(w, w->ops[ops[l]].in[0]);
    pa_straightline_operand init;
    PA_TRY(lay_out_init(w, 1, n, &init));
    sums->init = init.at;
    sums->init_lane = init.lane;
    sums->out = sl_take(w, round_up(n, 8));
    for (int32_t l = 0; l < n; l++) w->at[w->ops[ops[l]].out] = sums->out + l;
    return sl_add_instruction(w, instruction);
}

/* ---- a pack ---- */

/* The reductions of a pack, and what is known about them. */
typedef struct reductions {
    const int32_t *ops;
    size_t n;
    int32_t terms;
    int32_t *ids[2], *reps[2]; /* sequences of the left and of the right factors */
    int32_t n_ids[2];
    int32_t *rest; /* those that are in no product */
    size_t n_rest;
} reductions;

/* The members of one row or column alone: a product of one row. */
static pa_status emit_line(sl_work *w, reductions *c, const int32_t *members, int32_t n, int side) {
    if (n < LANES_MIN) {
        for (int32_t i = 0; i < n; i++) c->rest[c->n_rest++] = c->ops[members[i]];
        return PA_OK;
    }
    int32_t *elements = w->local; /* which also stand for their lanes */
    for (int32_t i = 0; i < n; i++) elements[i] = c->ops[members[i]];
    return side == 0 ? emit_product(w, elements, 1, elements, n, elements, c->terms)
                     : emit_product(w, elements, n, elements, 1, elements, c->terms);
}

/* A component that is too little of a product: its rows or its columns one by one, whichever are fewer. */
static pa_status emit_lines(sl_work *w, reductions *c, int32_t *members, int32_t n, int side) {
    for (int32_t i = 0; i < n; i++) w->keys[members[i]] = (uint64_t)c->ids[side][members[i]];
    sl_sort(members, w->spare, w->keys, (size_t)n);
    for (int32_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && c->ids[side][members[end]] == c->ids[side][members[start]];) end++;
        PA_TRY(emit_line(w, c, members + start, end - start, side));
    }
    return PA_OK;
}

/* Sorts sequences by the positions of their first factors, or as these were written down: a backward comes to them from
   the last to the first. */
static void sort_lines(sl_work *w, const reductions *c, int side, int32_t *lines, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        int32_t reg = factors(w, side, &w->ops[c->reps[side][lines[i]]])[0];
        uint32_t at = (uint32_t)w->at[reg]; /* those without a position come last */
        w->hashes[lines[i]] = (uint64_t)at << 32 | (uint32_t)reg;
    }
    sl_sort(lines, w->spare, w->hashes, (size_t)n);
}

/* A connected component of rows and columns. */
static pa_status emit_component(sl_work *w, reductions *c, int32_t *members, int32_t n) {
    int32_t *of[2] = {w->local, w->local + c->n}; /* which row or column of the product a sequence is */
    int32_t *lines[2] = {w->positions, w->positions + c->n}, count[2] = {0, 0};
    for (int side = 0; side < 2; side++) {
        for (int32_t i = 0; i < n; i++) of[side][c->ids[side][members[i]]] = -1;
        for (int32_t i = 0; i < n; i++) {
            int32_t id = c->ids[side][members[i]];
            if (of[side][id] >= 0) continue;
            of[side][id] = 0;
            lines[side][count[side]++] = id;
        }
        sort_lines(w, c, side, lines[side], count[side]);
        for (int32_t i = 0; i < count[side]; i++) {
            of[side][lines[side][i]] = i;
            lines[side][i] = c->reps[side][lines[side][i]];
        }
    }
    int64_t size = (int64_t)count[0] * count[1];
    bool enough = (int64_t)n * 5 >= size * 2 && (count[0] >= LANES_MIN || count[1] >= LANES_MIN);
    if (!enough) return emit_lines(w, c, members, n, count[0] <= count[1] ? 0 : 1);

    int32_t *elements = pa_mem_alloc_array((size_t)size, sizeof *elements);
    if (elements == NULL) return PA_MEMORY;
    memset(elements, 0xff, (size_t)size * sizeof *elements);
    for (int32_t i = 0; i < n; i++) {
        int32_t *own = &elements[(int64_t)of[0][c->ids[0][members[i]]] * count[1] + of[1][c->ids[1][members[i]]]];
        if (*own < 0)
            *own = c->ops[members[i]];
        else
            c->rest[c->n_rest++] = c->ops[members[i]]; /* the same sum from another init */
    }
    pa_status status = emit_product(w, lines[0], count[0], lines[1], count[1], elements, c->terms);
    pa_mem_free_array(elements, (size_t)size, sizeof *elements);
    return status;
}

pa_status sl_emit_reductions(sl_work *w, const int32_t *ops, size_t n) {
    reductions c = {
        .ops = ops,
        .n = n,
        .terms = w->ops[ops[0]].in[2],
        .ids = {w->ids, w->ids + n},
        .reps = {w->reps, w->reps + n},
        .rest = w->rest,
    };
    for (int side = 0; side < 2; side++) c.n_ids[side] = number_sequences(w, side, ops, n, c.ids[side], c.reps[side]);

    int32_t *parents = w->parents, *members = w->order;
    for (int32_t i = 0; i < c.n_ids[0] + c.n_ids[1]; i++) parents[i] = i;
    for (size_t i = 0; i < n; i++) {
        int32_t x = root_of(parents, c.ids[0][i]), y = root_of(parents, c.n_ids[0] + c.ids[1][i]);
        parents[x > y ? x : y] = x > y ? y : x;
    }
    for (size_t i = 0; i < n; i++) {
        members[i] = (int32_t)i;
        w->keys[i] = (uint64_t)root_of(parents, c.ids[0][i]);
    }
    sl_sort(members, w->spare, w->keys, n);
    for (size_t start = 0, end; start < n; start = end) {
        int32_t component = root_of(parents, c.ids[0][members[start]]);
        for (end = start + 1; end < n && root_of(parents, c.ids[0][members[end]]) == component;) end++;
        PA_TRY(emit_component(w, &c, members + start, (int32_t)(end - start)));
    }
    if (w->only_leaves) return PA_OK;
    if (c.n_rest >= LANES_MIN) return emit_sums(w, c.rest, (int32_t)c.n_rest);
    sl_defer(w, c.rest, c.n_rest);
    return PA_OK;
}
