/* Reductions of one level and one length, as products of matrices.

   Reductions whose left factors are the same sequence (one neuron's weights over all samples) are a row, those whose right
   factors are the same (one sample's inputs to all neurons) a column:

                       right factors   x of s0   x of s1   x of s2
       left factors  w of n0             reduction     reduction     reduction
                     w of n1             reduction     reduction     reduction       rows (or columns) x terms x lanes: one product

   Rows and columns that meet in reductions are one product, computed whole where enough of its cells are reductions: the others
   (the later tokens of an attention) cost little and are nobody's. Either side can be the lanes; a cost decides. Reductions
   that share nothing are summed side by side with factors of their own; three or fewer are left to the scalar ops. */
#include <string.h>

#include "internal.h"

enum { LANES_MIN = 4 };

/* ---- sequences ---- */

/* Factor k of a reduction: of the left ones (side 0) or of the right ones. */
static inline int32_t factor(const sl_work *w, int side, const sl_op *reduction, int32_t k) {
    return (side == 0 ? w->term_a : w->term_b)[reduction->in[1] + k];
}

static bool same_factors(const sl_work *w, int side, const sl_op *x, const sl_op *y) {
    const int32_t *all = side == 0 ? w->term_a : w->term_b;
    return memcmp(all + x->in[1], all + y->in[1], (size_t)x->in[2] * sizeof *all) == 0;
}

/* ids[i]: the number of reduction i's sequence on one side, by first appearance; reps[id]: a reduction that has it. */
static int32_t number_sequences(sl_work *w, int side, const int32_t *ops, size_t n, int32_t *ids, int32_t *reps) {
    int32_t found = 0;
    pa_table_clear(&w->table, n);
    for (size_t i = 0; i < n; i++) {
        const sl_op *reduction = &w->ops[ops[i]];
        const int32_t *all = (side == 0 ? w->term_a : w->term_b) + reduction->in[1];
        uint64_t hash = (uint64_t)side;
        for (int32_t k = 0; k < reduction->in[2]; k++) hash = pa_hash_mix(hash, (uint32_t)all[k]);
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

static int32_t root_of(int32_t *parents, int32_t i) {
    while (parents[i] != i) i = parents[i] = parents[parents[i]];
    return i;
}

/* ---- one product ---- */

/* Rows have the factors of one side, lanes those of the other. cells[r * lanes + l]: a reduction or -1. rows and lanes hold
   a reduction that has the factors. */
typedef struct product {
    int side; /* of the rows */
    int32_t n_rows, n_lanes, terms;
    const int32_t *rows, *lanes, *cells;
} product;

static inline int32_t cell_of(const product *p, int32_t r, int32_t l, int32_t row_stride, int32_t lane_stride) {
    return p->cells[(int64_t)r * row_stride + (int64_t)l * lane_stride];
}

/* The strides of its cells, which are laid out as they were found: left factors by right factors. */
static void cell_strides(const product *p, int32_t *row, int32_t *lane) {
    *row = p->side == 0 ? p->n_lanes : 1;
    *lane = p->side == 0 ? 1 : p->n_rows;
}

static inline int32_t round_up(int32_t n, int32_t to) { return (n + to - 1) / to * to; }

/* Do the lanes of term k stand side by side, or will they? */
static bool lanes_are_contiguous(const sl_work *w, const product *p, int32_t k) {
    int32_t first = w->at[factor(w, !p->side, &w->ops[p->lanes[0]], k)];
    for (int32_t l = 1; l < p->n_lanes; l++) {
        int32_t at = w->at[factor(w, !p->side, &w->ops[p->lanes[l]], k)];
        if (first < 0 ? at >= 0 : at != first + l) return false;
    }
    return true;
}

static bool rows_are_regular(const sl_work *w, const product *p) {
    int32_t at[3] = {0}, base = w->at[factor(w, p->side, &w->ops[p->rows[0]], 0)];
    at[0] = base;
    if (p->terms > 1) at[1] = w->at[factor(w, p->side, &w->ops[p->rows[0]], 1)] - base;
    if (p->n_rows > 1) at[2] = w->at[factor(w, p->side, &w->ops[p->rows[1]], 0)] - base;
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++) {
            int32_t own = w->at[factor(w, p->side, &w->ops[p->rows[r]], k)];
            if (base < 0 ? own >= 0 : own != base + r * at[2] + k * at[1]) return false;
        }
    return true;
}

/* In vector operations of 8 lanes, about; numbers that are brought side by side count 2 each. */
static int64_t cost_of(const sl_work *w, const product *p) {
    int64_t rows = p->n_rows / 4 * 4 + p->n_rows % 4 * 3 / 2;
    int64_t cost = rows * p->terms * (round_up(p->n_lanes, 8) / 8);
    const sl_op *lane = &w->ops[p->lanes[0]];
    unsigned code = w->code->nodes[factor(w, !p->side, lane, p->terms - 1)].code;
    if (code != PA_OP_leaf) cost += cost / 8; /* weights as lanes leave the samples' numbers together */
    for (int32_t k = 0; k < p->terms; k++)
        if (!lanes_are_contiguous(w, p, k)) cost += 2 * p->n_lanes;
    if (!rows_are_regular(w, p)) cost += 2 * (int64_t)p->n_rows * p->terms;
    return cost;
}

static void place_factors(sl_work *w, const product *p) {
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++) {
            int32_t reg = factor(w, p->side, &w->ops[p->rows[r]], k);
            if (sl_is_unplaced(w, reg)) sl_place(w, reg);
        }
    for (int32_t k = 0; k < p->terms; k++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t reg = factor(w, !p->side, &w->ops[p->lanes[l]], k);
            if (!sl_is_unplaced(w, reg)) continue;
            if (l == 0 && p->n_lanes >= 8) sl_align(w);
            sl_place(w, reg);
        }
    int32_t row, lane;
    cell_strides(p, &row, &lane);
    for (int32_t r = 0; r < p->n_rows; r++) /* biases, in the order of the lanes or of the rows */
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = cell_of(p, r, l, row, lane);
            if (op >= 0 && sl_is_unplaced(w, w->ops[op].in[0])) sl_place(w, w->ops[op].in[0]);
        }
}

/* Positions of the lanes of each term, in a list; those that do not stand side by side are copied. */
static pa_status place_lanes(sl_work *w, const product *p, int32_t *first) {
    int32_t apart = 0, copy = 0;
    PA_TRY(sl_need_matrix(w, (size_t)p->terms * (size_t)p->n_lanes));
    for (int32_t k = 0; k < p->terms; k++) {
        if (lanes_are_contiguous(w, p, k)) continue;
        for (int32_t l = 0; l < p->n_lanes; l++)
            w->matrix[(int64_t)apart * p->n_lanes + l] = w->at[factor(w, !p->side, &w->ops[p->lanes[l]], k)];
        apart++;
    }
    int32_t pitch = round_up(p->n_lanes, 8);
    if (apart > 0) PA_TRY(sl_copy_of(w, w->matrix, apart, p->n_lanes, pitch, &copy));
    PA_TRY(sl_new_list(w, (size_t)p->terms, first));
    for (int32_t k = 0; k < p->terms; k++) {
        bool direct = lanes_are_contiguous(w, p, k);
        w->code->lists[*first + k] = direct ? w->at[factor(w, !p->side, &w->ops[p->lanes[0]], k)] : copy;
        if (!direct) copy += pitch;
    }
    return PA_OK;
}

static pa_status place_rows(sl_work *w, const product *p, pa_straightline_product *instruction) {
    const sl_op *first = &w->ops[p->rows[0]];
    if (rows_are_regular(w, p)) {
        instruction->a = w->at[factor(w, p->side, first, 0)];
        instruction->a_term = p->terms > 1 ? w->at[factor(w, p->side, first, 1)] - instruction->a : 0;
        instruction->a_row = p->n_rows > 1 ? w->at[factor(w, p->side, &w->ops[p->rows[1]], 0)] - instruction->a : 0;
        return PA_OK;
    }
    PA_TRY(sl_need_matrix(w, (size_t)p->n_rows * (size_t)p->terms));
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t k = 0; k < p->terms; k++)
            w->matrix[(int64_t)r * p->terms + k] = w->at[factor(w, p->side, &w->ops[p->rows[r]], k)];
    instruction->a_term = 1;
    instruction->a_row = p->terms;
    return sl_copy_of(w, w->matrix, p->n_rows, p->terms, p->terms, &instruction->a);
}

/* What the sums begin with, rows x lanes of it in w->matrix: one number a row, or lanes side by side. */
static pa_status place_init(sl_work *w, int32_t rows, int32_t lanes, pa_straightline_operand *init) {
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

static pa_status place_cells(sl_work *w, const product *p, pa_straightline_product *instruction) {
    int32_t row, lane, any = -1;
    cell_strides(p, &row, &lane);
    PA_TRY(sl_need_matrix(w, (size_t)p->n_rows * (size_t)p->n_lanes));
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = cell_of(p, r, l, row, lane);
            if (op < 0) continue;
            int32_t at = sl_place(w, w->ops[op].in[0]);
            if (any < 0) any = at;
            w->matrix[(int64_t)r * p->n_lanes + l] = at;
        }
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++)
            if (cell_of(p, r, l, row, lane) < 0) w->matrix[(int64_t)r * p->n_lanes + l] = any;
    PA_TRY(place_init(w, p->n_rows, p->n_lanes, &instruction->init));
    instruction->out_row = round_up(p->n_lanes, 8);
    instruction->out = sl_take(w, (int64_t)p->n_rows * instruction->out_row);
    for (int32_t r = 0; r < p->n_rows; r++)
        for (int32_t l = 0; l < p->n_lanes; l++) {
            int32_t op = cell_of(p, r, l, row, lane);
            if (op >= 0) w->at[w->ops[op].out] = instruction->out + r * instruction->out_row + l;
        }
    return PA_OK;
}

/* left and right hold n_left and n_right reductions that have the factors; cells[left * n_right + right]. */
static pa_status place_product(sl_work *w, const int32_t *left, int32_t n_left, const int32_t *right, int32_t n_right,
                               const int32_t *cells, int32_t terms) {
    product p = {0, n_left, n_right, terms, left, right, cells}, q = {1, n_right, n_left, terms, right, left, cells};
    if (n_right < LANES_MIN || (n_left >= LANES_MIN && cost_of(w, &q) < cost_of(w, &p))) p = q;
    place_factors(w, &p);
    if (w->dry) return PA_OK;
    sl_instruction instruction = {.kind = SL_DO_PRODUCT};
    instruction.of.product = (pa_straightline_product){.rows = p.n_rows, .lanes = p.n_lanes, .terms = terms};
    PA_TRY(place_rows(w, &p, &instruction.of.product));
    PA_TRY(place_lanes(w, &p, &instruction.of.product.b));
    PA_TRY(place_cells(w, &p, &instruction.of.product));
    w->code->stats.products++;
    return sl_add_instruction(w, instruction);
}

/* ---- side by side ---- */

/* Positions of one side's factors: lanes side by side, one number for all lanes, or copied. */
static pa_status sums_operand(sl_work *w, int side, const int32_t *ops, int32_t n, int32_t *first, int32_t *lane) {
    int32_t terms = w->ops[ops[0]].in[2], pitch = round_up(n, 8);
    PA_TRY(sl_need_matrix(w, (size_t)terms * (size_t)n));
    bool one = true, next = true;
    for (int32_t k = 0; k < terms; k++)
        for (int32_t l = 0; l < n; l++) {
            int32_t at = sl_place(w, factor(w, side, &w->ops[ops[l]], k)), *row = w->matrix + (int64_t)k * n;
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

static pa_status place_sums(sl_work *w, const int32_t *ops, int32_t n) {
    sl_instruction instruction = {.kind = SL_DO_SUMS};
    pa_straightline_sums *sums = &instruction.of.sums;
    *sums = (pa_straightline_sums){.lanes = n, .terms = w->ops[ops[0]].in[2]};
    PA_TRY(sums_operand(w, 0, ops, n, &sums->a, &sums->a_lane));
    PA_TRY(sums_operand(w, 1, ops, n, &sums->b, &sums->b_lane));
    if (!sums->a_lane && !sums->b_lane) { /* equal reductions, where nothing merged them */
        memcpy(w->pending + w->n_pending, ops, (size_t)n * sizeof *ops);
        w->n_pending += (size_t)n;
        return PA_OK;
    }
    PA_TRY(sl_need_matrix(w, (size_t)n));
    for (int32_t l = 0; l < n; l++) w->matrix[l] = sl_place(w, w->ops[ops[l]].in[0]);
    pa_straightline_operand init;
    PA_TRY(place_init(w, 1, n, &init));
    sums->init = init.at;
    sums->init_lane = init.lane;
    sums->out = sl_take(w, round_up(n, 8));
    for (int32_t l = 0; l < n; l++) w->at[w->ops[ops[l]].out] = sums->out + l;
    return sl_add_instruction(w, instruction);
}

/* ---- a pack ---- */

/* The reductions that one walk works on, and what it knows about them. */
typedef struct reductions {
    const int32_t *ops;
    size_t n;
    int32_t terms;
    int32_t *ids[2], *reps[2]; /* sequences of the left and of the right factors */
    int32_t n_ids[2];
    int32_t *left; /* ops that are in no product */
    size_t n_left;
} reductions;

/* Reductions members[0 … n) of one row or column alone: one row of lanes. */
static pa_status place_line(sl_work *w, reductions *c, const int32_t *members, int32_t n, int side) {
    if (n < LANES_MIN) {
        for (int32_t i = 0; i < n; i++) c->left[c->n_left++] = c->ops[members[i]];
        return PA_OK;
    }
    int32_t *cells = w->local; /* its reductions, which also stand for their lanes */
    for (int32_t i = 0; i < n; i++) cells[i] = c->ops[members[i]];
    return side == 0 ? place_product(w, cells, 1, cells, n, cells, c->terms)
                     : place_product(w, cells, n, cells, 1, cells, c->terms);
}

/* A component that is not a product, or not enough of one: its rows or its columns, whichever are fewer. */
static pa_status place_lines(sl_work *w, reductions *c, int32_t *members, int32_t n, int side) {
    for (int32_t i = 0; i < n; i++) w->keys[members[i]] = (uint64_t)c->ids[side][members[i]];
    sl_sort(members, w->spare, w->keys, (size_t)n);
    for (int32_t start = 0, end; start < n; start = end) {
        for (end = start + 1; end < n && c->ids[side][members[end]] == c->ids[side][members[start]];) end++;
        PA_TRY(place_line(w, c, members + start, end - start, side));
    }
    return PA_OK;
}

/* Sorts sequences by the places of their first factors, or as these were written down: a backward goes through them
   from the last to the first. */
static void sort_lines(sl_work *w, const reductions *c, int side, int32_t *lines, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        int32_t reg = factor(w, side, &w->ops[c->reps[side][lines[i]]], 0);
        uint32_t at = (uint32_t)w->at[reg]; /* those without a place come last */
        w->hashes[lines[i]] = (uint64_t)at << 32 | (uint32_t)reg;
    }
    sl_sort(lines, w->spare, w->hashes, (size_t)n);
}

/* One connected component of rows and columns. */
static pa_status place_component(sl_work *w, reductions *c, int32_t *members, int32_t n) {
    int32_t *of[2] = {w->local, w->local + c->n}; /* id to place in the product */
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
    int64_t cells = (int64_t)count[0] * count[1];
    bool enough = (int64_t)n * 5 >= cells * 2 && (count[0] >= LANES_MIN || count[1] >= LANES_MIN);
    if (!enough) return place_lines(w, c, members, n, count[0] <= count[1] ? 0 : 1);

    int32_t *cell = pa_mem_alloc_array((size_t)cells, sizeof *cell);
    if (cell == NULL) return PA_MEMORY;
    memset(cell, 0xff, (size_t)cells * sizeof *cell);
    for (int32_t i = 0; i < n; i++) {
        int32_t *own = &cell[(int64_t)of[0][c->ids[0][members[i]]] * count[1] + of[1][c->ids[1][members[i]]]];
        if (*own < 0)
            *own = c->ops[members[i]];
        else
            c->left[c->n_left++] = c->ops[members[i]]; /* the same sum from another start */
    }
    pa_status status = place_product(w, lines[0], count[0], lines[1], count[1], cell, c->terms);
    pa_mem_free_array(cell, (size_t)cells, sizeof *cell);
    return status;
}

pa_status sl_place_reductions(sl_work *w, const int32_t *ops, size_t n) {
    reductions c = {
        .ops = ops,
        .n = n,
        .terms = w->ops[ops[0]].in[2],
        .ids = {w->ids, w->ids + n},
        .reps = {w->reps, w->reps + n},
        .left = w->left,
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
        PA_TRY(place_component(w, &c, members + start, (int32_t)(end - start)));
    }
    if (w->dry) return PA_OK;
    if (c.n_left >= LANES_MIN) return place_sums(w, c.left, (int32_t)c.n_left);
    memcpy(w->pending + w->n_pending, c.left, c.n_left * sizeof *c.left);
    w->n_pending += c.n_left;
    return PA_OK;
}
