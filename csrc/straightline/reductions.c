/* Reduction recognition: sums whose partial sums nobody else reads become one op, and every op gets its level, the
   longest path from a leaf.

       s1 = b + w0 x0       read once
       s2 = s1 + w1 x1      read once      ──▶   reduction  init b   terms (w0, x0) (w1, x1) (w2, x2)
       s3 = s2 + w2 x2

   A term that is no product is (1, x), and a reduction that begins with a product has the init -0: both give the same
   bits. Where terms of different levels meet (a weight's decay, and then what its hundred samples send), a reduction is
   split, so that each piece is like the pieces of its neighbours and goes into their packs. */
#include <string.h>

#include "internal.h"

/* For each register: how often it is read, its level, and, where it is a reduction's result, the reduction. */
typedef struct recogniser {
    sl_work *w;
    int32_t *uses;
    int32_t *init, *first, *terms; /* its init, its first term and their number, which is 0 for other registers */
    uint32_t *level;
} recogniser;

/* Is the register the result of such an op, read once and by a sum that can absorb it? */
static bool is_single(const recogniser *r, int32_t reg, unsigned op) {
    const sl_node *node = &r->w->code->nodes[reg];
    return node->code == op && r->uses[reg] == 1 && !(node->flags & (SL_KEPT | SL_ABSORBED));
}

static void count_uses(recogniser *r) {
    const pa_straightline *code = r->w->code;
    for (size_t i = 0; i < code->n; i++) {
        const sl_node *node = &code->nodes[i];
        if (r->w->leader[i] != (int32_t)i || !(node->flags & SL_LIVE)) continue;
        int n = sl_operands(node->roles);
        for (int k = 0; k < n; k++) r->uses[node->in[k]]++;
    }
}

/* A term of the reduction under construction; `sum` is the sum up to it. The last term comes first. */
static void add_term(recogniser *r, int32_t term, int32_t sum) {
    sl_work *w = r->w;
    sl_node *product = &w->code->nodes[term];
    bool single = is_single(r, term, PA_OP_mul);
    if (single) product->flags |= SL_ABSORBED;
    w->term_a[w->n_terms] = single ? product->in[0] : w->one;
    w->term_b[w->n_terms] = single ? product->in[1] : term;
    w->term_sum[w->n_terms++] = sum;
}

static void reverse(int32_t *list, size_t n) {
    for (size_t i = 0; i < n / 2; i++) {
        int32_t swap = list[i];
        list[i] = list[n - 1 - i];
        list[n - 1 - i] = swap;
    }
}

/* Follows the sums below a root, on whichever side they go on, and absorbs them. */
static void recognise(recogniser *r, int32_t root) {
    sl_work *w = r->w;
    sl_node *nodes = w->code->nodes;
    size_t first = w->n_terms;
    for (int32_t sum = root;;) {
        int32_t left = nodes[sum].in[0], right = nodes[sum].in[1];
        bool down_left = is_single(r, left, PA_OP_add), down_right = !down_left && is_single(r, right, PA_OP_add);
        if (down_left || down_right) {
            int32_t below = down_left ? left : right;
            add_term(r, down_left ? right : left, sum);
            nodes[below].flags |= SL_ABSORBED;
            sum = below;
            continue;
        }
        int32_t term = right, init = left;
        if (!is_single(r, right, PA_OP_mul) && is_single(r, left, PA_OP_mul)) {
            term = left;
            init = right;
        }
        add_term(r, term, sum);
        r->init[root] = init;
        if (is_single(r, init, PA_OP_mul)) {
            add_term(r, init, init);
            r->init[root] = w->minus_zero;
        }
        break;
    }
    size_t n = w->n_terms - first;
    reverse(w->term_a + first, n);
    reverse(w->term_b + first, n);
    reverse(w->term_sum + first, n);
    r->first[root] = (int32_t)first;
    r->terms[root] = (int32_t)n;
}

/* ---- ops ---- */

static uint32_t highest(const recogniser *r, const int32_t *in, int n) {
    uint32_t level = 0;
    for (int k = 0; k < n; k++)
        if (r->level[in[k]] > level) level = r->level[in[k]];
    return level;
}

static void add_op(recogniser *r, unsigned code, unsigned roles, int32_t param, int32_t out, const int32_t *in, int n) {
    sl_op *op = &r->w->ops[r->w->n_ops++];
    *op = (sl_op){
        .level = highest(r, in, n) + 1,
        .code = (uint16_t)code,
        .roles = (uint8_t)roles,
        .flags = r->w->code->nodes[out].flags & SL_BACKWARD,
        .param = param,
        .out = out,
    };
    memcpy(op->in, in, (size_t)n * sizeof *in);
    r->level[out] = op->level;
}

static bool is_plain(const recogniser *r, size_t term) { return r->w->term_a[term] == r->w->one; }

static uint32_t term_level(const recogniser *r, size_t term) {
    uint32_t a = r->level[r->w->term_a[term]], b = r->level[r->w->term_b[term]];
    return a > b ? a : b;
}

/* A piece of one term: an ordinary op. */
static void add_pair(recogniser *r, int32_t init, size_t term) {
    const sl_work *w = r->w;
    int32_t in[3] = {w->term_a[term], w->term_b[term], init};
    if (is_plain(r, term)) {
        in[0] = init;
        add_op(r, PA_OP_add, 3, -1, w->term_sum[term], in, 2);
    } else if (init == w->minus_zero) {
        add_op(r, PA_OP_mul, 3, -1, w->term_sum[term], in, 2);
    } else {
        add_op(r, SL_CODE_MULADD, 7, -1, w->term_sum[term], in, 3);
    }
}

/* One piece of a reduction: an op. Returns the register of its sum. */
static int32_t add_piece(recogniser *r, int32_t init, size_t first, size_t n, unsigned flags) {
    sl_work *w = r->w;
    int32_t out = w->term_sum[first + n - 1];
    if (n == 1) {
        add_pair(r, init, first);
        return out;
    }
    uint32_t level = r->level[init];
    for (size_t k = first; k < first + n; k++) {
        uint32_t own = term_level(r, k);
        if (own > level) level = own;
    }
    w->ops[w->n_ops++] = (sl_op){
        .level = level + 1,
        .code = SL_CODE_REDUCTION,
        .flags = (uint8_t)flags,
        .param = -1,
        .out = out,
        .in = {init, (int32_t)first, (int32_t)n},
    };
    w->code->stats.reductions++;
    r->level[out] = level + 1;
    return out;
}

/* A reduction that would be split into more pieces is left whole. */
static size_t most_pieces(size_t terms) { return terms < 8 ? 2 : terms / 4; }

/* Is a reduction split before term k? Where products and plain terms meet and, `by_level`, where levels change. */
static bool is_split(const recogniser *r, size_t k, bool by_level) {
    return is_plain(r, k) != is_plain(r, k - 1) || (by_level && term_level(r, k) != term_level(r, k - 1));
}

static void add_reduction(recogniser *r, int32_t root) {
    size_t first = (size_t)r->first[root], n = (size_t)r->terms[root], end = first + n;
    size_t by_level = 1, by_kind = 1;
    for (size_t k = first + 1; k < end; k++) {
        by_level += is_split(r, k, true);
        by_kind += is_split(r, k, false);
    }
    unsigned flags = r->w->code->nodes[root].flags & SL_BACKWARD;
    bool levels = by_level <= most_pieces(n), kinds = by_kind <= most_pieces(n);
    int32_t sum = r->init[root];
    for (size_t k = first + 1, start = first; k <= end; k++) {
        if (k < end && !((levels || kinds) && is_split(r, k, levels))) continue;
        sum = add_piece(r, sum, start, k - start, flags);
        start = k;
    }
}

/* Does the node stand for itself, and is it an op that no reduction has absorbed? */
static bool is_own(const recogniser *r, size_t i) {
    const sl_node *node = &r->w->code->nodes[i];
    return r->w->leader[i] == (int32_t)i && node->roles != 0 && (node->flags & (SL_LIVE | SL_ABSORBED)) == SL_LIVE;
}

static pa_status walk(recogniser *r) {
    sl_work *w = r->w;
    const sl_node *nodes = w->code->nodes;
    size_t n = w->code->n;
    if (w->passes & PA_STRAIGHTLINE_REDUCTIONS) {
        count_uses(r);
        for (size_t i = n; i-- > 0;)
            if (nodes[i].code == PA_OP_add && is_own(r, i)) recognise(r, (int32_t)i);
    }
    for (size_t i = 0; i < n; i++)
        if (is_own(r, i)) w->ops_capacity += r->terms[i] > 0 ? most_pieces((size_t)r->terms[i]) : 1;
    w->ops = pa_mem_alloc_array(w->ops_capacity, sizeof *w->ops);
    if (w->ops == NULL) return PA_MEMORY;
    for (size_t i = 0; i < n; i++) {
        if (!is_own(r, i)) continue;
        if (r->terms[i] > 0)
            add_reduction(r, (int32_t)i);
        else
            add_op(r, nodes[i].code, nodes[i].roles, nodes[i].param, (int32_t)i, nodes[i].in,
                   sl_operands(nodes[i].roles));
    }
    return PA_OK;
}

pa_status sl_recognise_reductions(sl_work *w) {
    size_t n = w->code->n;
    enum { ARRAYS = 5 };
    int32_t *memory = pa_mem_alloc_array(n, ARRAYS * sizeof *memory);
    if (memory == NULL) return PA_MEMORY;
    memset(memory, 0, n * ARRAYS * sizeof *memory);
    recogniser r = {
        .w = w,
        .uses = memory,
        .init = memory + n,
        .first = memory + 2 * n,
        .terms = memory + 3 * n,
        .level = (uint32_t *)(memory + 4 * n),
    };
    pa_status status = walk(&r);
    pa_mem_free_array(memory, n, ARRAYS * sizeof *memory);
    return status;
}
