/* Places: where each number stands, and the instructions over them.

   A pack's results stand side by side, in the order of its lanes. That order follows the places of the operands, so
   that they are read side by side too, or row by row:

       relu    x [ s0: h0 h1 h2 … │ s1: h0 h1 h2 … │ … ]      one row of all lanes
       mul     g [ s0 │ s1 │ … ]   w [ h0 h1 h2 … ]           rows: one g, all of w

   Arithmetic whose operands fit no such pattern reads them by position. For other ops and for products they are brought
   side by side by an instruction of its own, once for all who want them. Packs of a few ops wait in w->pending and become runs
   of scalar ops. */
#include <string.h>

#include "internal.h"

/* Shorter rows are not worth being rows; calls through pa_k want longer ones. */
enum { ROW_MIN = 8, CALL_ROW_MIN = 32 };

/* ---- positions ---- */

void sl_align(sl_work *w) { w->top = (w->top + 7) & ~INT64_C(7); }

int32_t sl_take(sl_work *w, int64_t n) {
    if (n >= 8) sl_align(w);
    int64_t first = w->top;
    if (first + n > INT32_MAX - 64) { /* refused at the end: until then, any position does */
        w->top = INT32_MAX;
        return 0;
    }
    w->top = first + n;
    return (int32_t)first;
}

bool sl_is_unplaced(const sl_work *w, int32_t reg) {
    unsigned code = w->code->nodes[reg].code;
    return w->at[reg] < 0 && (code == PA_OP_leaf || code == SL_CODE_CONSTANT);
}

int32_t sl_place(sl_work *w, int32_t reg) {
    if (w->at[reg] < 0) w->at[reg] = sl_take(w, 1);
    return w->at[reg];
}

pa_status sl_need_matrix(sl_work *w, size_t n) {
    if (n <= w->matrix_room) return PA_OK;
    pa_mem_free_array(w->matrix, w->matrix_room, sizeof *w->matrix);
    w->matrix_room = 0;
    w->matrix = pa_mem_alloc_array(n + n / 2, sizeof *w->matrix);
    if (w->matrix == NULL) return PA_MEMORY;
    w->matrix_room = n + n / 2;
    return PA_OK;
}

pa_status sl_new_list(sl_work *w, size_t n, int32_t *first) {
    pa_straightline *code = w->code;
    PA_FAIL_IF(code->n_lists + n > INT32_MAX, PA_VALUE, "straight-line code: a program of too many positions");
    void *lists = code->lists;
    PA_TRY(pa_mem_grow(&lists, &code->lists_capacity, code->n_lists + n, sizeof *code->lists));
    code->lists = lists;
    *first = (int32_t)code->n_lists;
    code->n_lists += n;
    return PA_OK;
}

pa_status sl_add_instruction(sl_work *w, sl_instruction instruction) {
    pa_straightline *code = w->code;
    void *instructions = code->instructions;
    PA_TRY(pa_mem_grow(&instructions, &code->instructions_capacity, code->n_instructions + 1, sizeof instruction));
    code->instructions = instructions;
    code->instructions[code->n_instructions++] = instruction;
    if (instruction.kind != SL_DO_SCALARS) code->stats.packs++;
    return PA_OK;
}

/* ---- patterns ---- */

/* Are the positions those of rows at constant distances, of lanes at constant distances? */
static bool is_regular(const int32_t *positions, int32_t rows, int32_t lanes, pa_straightline_operand *operand) {
    *operand = (pa_straightline_operand){
        .at = positions[0],
        .row = rows > 1 ? positions[lanes] - positions[0] : 0,
        .lane = lanes > 1 ? positions[1] - positions[0] : 1,
    };
    for (int32_t r = 0; r < rows; r++)
        for (int32_t l = 0; l < lanes; l++)
            if (positions[(int64_t)r * lanes + l] != operand->at + r * operand->row + l * operand->lane) return false;
    return true;
}

static bool is_copy(const sl_work *w, const sl_copy *copy, const int32_t *positions, bool regular,
                    const pa_straightline_operand *from, int32_t *at) {
    const sl_instruction *instruction = &w->code->instructions[copy->instruction];
    if (instruction->kind == SL_DO_MAP) {
        const pa_straightline_operand *own = &instruction->of.map.in[0];
        *at = instruction->of.map.out;
        return regular && own->at == from->at && own->row == from->row && own->lane == from->lane;
    }
    *at = instruction->of.gather.out;
    const int32_t *list = w->code->lists + instruction->of.gather.list;
    for (int32_t r = 0; r < copy->rows; r++)
        if (memcmp(list + (int64_t)r * copy->pitch, positions + (int64_t)r * copy->lanes,
                   (size_t)copy->lanes * sizeof *list) != 0)
            return false;
    return true;
}

pa_status sl_copy_of(sl_work *w, const int32_t *positions, int32_t rows, int32_t lanes, int32_t pitch, int32_t *at) {
    pa_straightline_operand from;
    bool regular = is_regular(positions, rows, lanes, &from);
    uint64_t hash = pa_hash_mix((uint64_t)rows << 32 | (uint32_t)lanes, (uint32_t)pitch);
    int64_t n = (int64_t)rows * lanes, room = (int64_t)rows * pitch;
    for (int64_t i = 0; i < n; i++) hash = pa_hash_mix(hash, (uint32_t)positions[i]);
    sl_copy *copy = &w->copies[hash % SL_COPIES];
    if (copy->lanes == lanes && copy->rows == rows && copy->pitch == pitch && copy->hash == hash &&
        is_copy(w, copy, positions, regular, &from, at))
        return PA_OK;

    *at = sl_take(w, room);
    sl_instruction instruction = {.kind = SL_DO_MAP, .map = PA_MAP_MOVE};
    if (regular) {
        instruction.of.map =
            (pa_straightline_map){.rows = rows, .lanes = lanes, .out = *at, .out_row = pitch, .in = {from}};
    } else {
        int32_t first = 0;
        PA_TRY(sl_new_list(w, (size_t)room, &first));
        int32_t *list = w->code->lists + first;
        for (int32_t r = 0; r < rows; r++)
            for (int32_t l = 0; l < pitch; l++) *list++ = positions[(int64_t)r * lanes + (l < lanes ? l : 0)];
        instruction.kind = SL_DO_GATHER;
        instruction.of.gather.out = *at;
        instruction.of.gather.list = first;
        instruction.of.gather.n = (int32_t)room;
    }
    *copy = (sl_copy){
        .hash = hash, .instruction = (int32_t)w->code->n_instructions, .rows = rows, .lanes = lanes, .pitch = pitch};
    w->code->stats.copies++;
    return sl_add_instruction(w, instruction);
}

/* ---- packs of one op ---- */

/* How often the positions, in this order, neither stay nor move on by one. */
static size_t breaks(const int32_t *positions, const int32_t *order, size_t n) {
    size_t found = 0;
    int32_t stride = -1;
    for (size_t i = 1; i < n; i++) {
        int32_t step = positions[order[i]] - positions[order[i - 1]];
        bool goes_on = (step == 0 || step == 1) && (stride < 0 || stride == step);
        found += !goes_on;
        stride = goes_on ? step : -1;
    }
    return found;
}

static size_t all_breaks(const int32_t *positions, const int32_t *order, size_t n, int operands) {
    size_t found = 0;
    for (int k = 0; k < operands; k++) found += breaks(positions + (size_t)k * n, order, n);
    return found;
}

/* Leaves the best order of the lanes in w->choice: sorted by one of the columns, then by the others; or as it was
   written. positions[k * n + i]: of op i in column k, an operand or the results' mates. */
static void choose_order(sl_work *w, const int32_t *positions, size_t n, int columns) {
    for (size_t i = 0; i < n; i++) w->choice[i] = (int32_t)i;
    size_t best = all_breaks(positions, w->choice, n, columns);
    for (int k = 0; k < columns && best > 0; k++) {
        for (size_t i = 0; i < n; i++) w->order[i] = (int32_t)i;
        for (int also = columns; also >= 0; also--) { /* the least important key first: the sort is stable */
            int by = also == 0 ? k : also - 1;
            if (also > 0 && by == k) continue;
            for (size_t i = 0; i < n; i++) w->keys[i] = (uint32_t)positions[(size_t)by * n + i];
            sl_sort(w->order, w->spare, w->keys, n);
        }
        size_t found = all_breaks(positions, w->order, n, columns);
        if (found >= best && !(k == 0 && found == best)) continue;
        best = found;
        memcpy(w->choice, w->order, n * sizeof *w->order);
    }
}

static size_t first_run(const int32_t *positions, size_t n) {
    int32_t stride = n > 1 ? positions[1] - positions[0] : 1;
    if (stride != 0 && stride != 1) return 1;
    size_t i = 1;
    while (i < n && positions[i] - positions[i - 1] == stride) i++;
    return i;
}

/* The length of the rows that the operands, in the order of the lanes, fall into; n if they do not. */
static size_t row_length(const int32_t *positions, size_t n, int operands, size_t least) {
    size_t length = n;
    for (int k = 0; k < operands; k++) {
        size_t run = first_run(positions + (size_t)k * n, n);
        if (run >= least && run < length && n % run == 0) length = run;
    }
    return length;
}

/* Which loop of pa_k->straightline_map computes the code, or PA_MAP_KINDS. */
static pa_map_kind map_of(unsigned code) {
    switch (code) {
    case PA_OP_add: return PA_MAP_ADD;
    case PA_OP_sub: return PA_MAP_SUB;
    case PA_OP_mul: return PA_MAP_MUL;
    case PA_OP_div: return PA_MAP_DIV;
    case PA_OP_neg: return PA_MAP_NEG;
    case SL_CODE_MULADD: return PA_MAP_MULADD;
    case PA_OP_relu: return PA_MAP_RELU;
    case SL_CODE_GRADIENT + PA_OP_relu *PA_MAX_OPERANDS: return PA_MAP_RELU_GRADIENT;
    default: return PA_MAP_KINDS;
    }
}

/* The positions of the results' mates, where all of them have one. */
static bool have_mates(const sl_work *w, const int32_t *ops, size_t n, int32_t *positions) {
    for (size_t i = 0; i < n; i++) {
        int32_t mate = w->mates[w->ops[ops[i]].out];
        if (mate < 0 || w->at[mate] < 0) return false;
        positions[i] = w->at[mate];
    }
    return true;
}

/* Positions of all operands in the order of the lanes, behind one another in w->matrix. */
static pa_status operand_positions(sl_work *w, const int32_t *ops, size_t n, int operands) {
    PA_TRY(sl_need_matrix(w, (size_t)operands * n));
    for (int k = 0; k < operands; k++) {
        int32_t *positions = w->positions + (size_t)k * n;
        for (size_t i = 0; i < n; i++) positions[i] = sl_place(w, w->ops[ops[i]].in[k]);
    }
    choose_order(w, w->positions, n, operands + have_mates(w, ops, n, w->positions + (size_t)operands * n));
    for (int k = 0; k < operands; k++)
        for (size_t i = 0; i < n; i++)
            w->matrix[(size_t)k * n + i] = w->positions[(size_t)k * n + (size_t)w->choice[i]];
    return PA_OK;
}

/* Rows of which only the distance differs from the results' are one long row, with unused lanes between. */
static bool is_one_row(const pa_straightline_operand *in, int operands, int32_t out_row) {
    for (int k = 0; k < operands; k++)
        if (in[k].lane == 0 ? in[k].row != 0 : in[k].row != out_row) return false;
    return true;
}

/* An instruction that reads its operands by position; w->matrix holds them, in the order of the lanes. */
static pa_status place_indexed(sl_work *w, const int32_t *ops, int32_t n, int operands, pa_map_kind map) {
    sl_instruction instruction = {.kind = SL_DO_INDEXED, .map = (uint8_t)map};
    instruction.of.indexed.n = n;
    instruction.of.indexed.out = sl_take(w, n);
    PA_TRY(sl_new_list(w, (size_t)operands * (size_t)n, &instruction.of.indexed.list));
    memcpy(w->code->lists + instruction.of.indexed.list, w->matrix, (size_t)operands * (size_t)n * sizeof *w->matrix);
    for (int32_t i = 0; i < n; i++) w->at[w->ops[ops[w->choice[i]]].out] = instruction.of.indexed.out + i;
    return sl_add_instruction(w, instruction);
}

pa_status sl_place_pack(sl_work *w, const int32_t *ops, size_t count) {
    const sl_op *first = &w->ops[ops[0]];
    int operands = sl_operands(first->where);
    pa_map_kind map = map_of(first->code);
    PA_TRY(operand_positions(w, ops, count, operands));

    int32_t n = (int32_t)count;
    bool call = map == PA_MAP_KINDS;
    int32_t lanes = (int32_t)row_length(w->matrix, count, operands, call ? CALL_ROW_MIN : ROW_MIN), rows = n / lanes;
    int32_t pitch = lanes;
    pa_straightline_operand in[IN_MAX];
    bool copied[IN_MAX] = {false}, any_copied = false;
    for (int k = 0; k < operands; k++) {
        bool regular = is_regular(w->matrix + (size_t)k * count, rows, lanes, &in[k]);
        bool one_number = regular && in[k].lane == 0;
        copied[k] = !regular || (in[k].lane != 1 && (!one_number || (operands == 1 && !call)));
        any_copied = any_copied || copied[k];
        if (!copied[k] && rows > 1 && in[k].lane == 1 && in[k].row > lanes && in[k].row - lanes < 8) pitch = in[k].row;
    }
    if (any_copied && !call) return place_indexed(w, ops, n, operands, map);
    for (int k = 0; k < operands; k++) {
        if (!copied[k]) continue;
        in[k] = (pa_straightline_operand){.row = pitch, .lane = 1};
        PA_TRY(sl_copy_of(w, w->matrix + (size_t)k * count, rows, lanes, pitch, &in[k].at));
    }
    int32_t out = sl_take(w, (int64_t)rows * pitch);
    for (int32_t i = 0; i < n; i++) w->at[w->ops[ops[w->choice[i]]].out] = out + i / lanes * pitch + i % lanes;
    if (rows > 1 && is_one_row(in, operands, pitch)) {
        lanes += (rows - 1) * pitch;
        rows = 1;
    }
    sl_instruction instruction = {.kind = call ? SL_DO_CALL : SL_DO_MAP, .map = (uint8_t)(call ? 0 : map)};
    if (!call) {
        instruction.of.map = (pa_straightline_map){.rows = rows, .lanes = lanes, .out = out, .out_row = pitch};
        memcpy(instruction.of.map.in, in, (size_t)operands * sizeof *in);
    } else {
        instruction.of.call = (sl_call){
            .code = first->code, .param = first->param, .rows = rows, .lanes = lanes, .out = out, .out_row = pitch};
        for (int i = 0, k = 0; i < 5; i++)
            instruction.of.call.in[i] = first->where & 1 << i ? in[k++] : (pa_straightline_operand){.at = -1};
    }
    return sl_add_instruction(w, instruction);
}

/* ---- one by one ---- */

static pa_status scalar_call(sl_work *w, const sl_op *op, sl_scalar *scalar) {
    enum { WORDS = 7 };
    PA_TRY(sl_new_list(w, WORDS, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    *list++ = op->code;
    *list++ = op->param;
    for (int i = 0, k = 0; i < 5; i++) *list++ = op->where & 1 << i ? w->at[op->in[k++]] : -1;
    scalar->kind = SL_SCALAR_CALL;
    return PA_OK;
}

/* Sums of gradients that are longer than this run in parts: one reduction of additions waits for each of them. */
enum { PARTS_MIN = 256 };

static pa_status scalar_reduction(sl_work *w, const sl_op *op, sl_scalar *scalar) {
    int32_t n = op->in[2];
    for (int32_t k = 0; k < n; k++) {
        sl_place(w, w->term_a[op->in[1] + k]);
        sl_place(w, w->term_b[op->in[1] + k]);
    }
    PA_TRY(sl_new_list(w, 2 * (size_t)n, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    for (int32_t k = 0; k < n; k++) {
        *list++ = w->at[w->term_a[op->in[1] + k]];
        *list++ = w->at[w->term_b[op->in[1] + k]];
    }
    scalar->b = n;
    scalar->c = sl_place(w, op->in[0]);
    scalar->kind = op->flags & SL_BACKWARD && n >= PARTS_MIN ? SL_SCALAR_REDUCTION_IN_PARTS : SL_SCALAR_REDUCTION;
    return PA_OK;
}

/* `last` is the reg that the op before has computed. */
static pa_status add_scalar(sl_work *w, const sl_op *op, int32_t last, sl_scalar *scalar) {
    if (op->code == SL_CODE_REDUCTION) return scalar_reduction(w, op, scalar);
    int operands = sl_operands(op->where);
    int32_t at[IN_MAX] = {0};
    for (int k = 0; k < operands; k++) at[k] = sl_place(w, op->in[k]);
    *scalar = (sl_scalar){.a = at[0], .b = at[1], .c = at[2]};
    bool left = op->in[0] == last, right = operands > 1 && op->in[1] == last;
    bool swap = right && !left;
    switch (map_of(op->code)) {
    case PA_MAP_ADD:
    case PA_MAP_MUL: {
        bool add = op->code == PA_OP_add;
        if (swap) scalar->b = at[0];
        if (left && right) left = right = false;
        scalar->kind = left || right ? (add ? SL_SCALAR_ADD_LAST : SL_SCALAR_MUL_LAST)
                       : add         ? SL_SCALAR_ADD
                                     : SL_SCALAR_MUL;
        return PA_OK;
    }
    case PA_MAP_SUB:
        scalar->kind = left && right ? SL_SCALAR_SUB
                       : left        ? SL_SCALAR_SUB_LAST
                       : right       ? SL_SCALAR_SUB_FROM
                                     : SL_SCALAR_SUB;
        return PA_OK;
    case PA_MAP_MULADD:
        if (swap) scalar->b = at[0];
        scalar->kind = left != right ? SL_SCALAR_MULADD_LAST : SL_SCALAR_MULADD;
        if (!left && !right && op->in[2] == last) scalar->kind = SL_SCALAR_MULADD_TO;
        return PA_OK;
    case PA_MAP_DIV: scalar->kind = SL_SCALAR_DIV; return PA_OK;
    case PA_MAP_NEG: scalar->kind = SL_SCALAR_NEG; return PA_OK;
    case PA_MAP_RELU: scalar->kind = SL_SCALAR_RELU; return PA_OK;
    case PA_MAP_RELU_GRADIENT: scalar->kind = SL_SCALAR_RELU_GRADIENT; return PA_OK;
    default: return scalar_call(w, op, scalar);
    }
}

/* Simple ops in no regular order are run by one formula without jumps (run.c):

       s, a, b, c, e  ──▶  0 where s <= 0, else a b + c e

   An op of a kind that is neither that of the op before it nor of the one before that is taken to come as a surprise. */
enum { MIXED_MIN = 16, MIXED_SURPRISE = 8 /* one in so many */ };

static bool is_simple(const sl_op *op) {
    pa_map_kind kind = map_of(op->code);
    return kind != PA_MAP_KINDS && kind != PA_MAP_DIV;
}

static void mixed_positions(sl_work *w, const sl_op *op, int32_t *list) {
    int32_t one = sl_place(w, w->one), zero = sl_place(w, w->minus_zero), minus = sl_place(w, w->minus_one), at[IN_MAX];
    for (int k = 0; k < sl_operands(op->where); k++) at[k] = w->at[op->in[k]];
    int32_t found[5] = {one, at[0], one, zero, one};
    switch (map_of(op->code)) {
    case PA_MAP_ADD: found[3] = at[1]; break;
    case PA_MAP_SUB:
        found[3] = at[1];
        found[4] = minus;
        break;
    case PA_MAP_MUL: found[2] = at[1]; break;
    case PA_MAP_MULADD:
        found[2] = at[1];
        found[3] = at[2];
        break;
    case PA_MAP_NEG: found[2] = minus; break;
    case PA_MAP_RELU: found[0] = at[0]; break;
    default: /* ReLU's gradient */ found[0] = at[0]; found[1] = at[1];
    }
    memcpy(list, found, sizeof found);
}

/* How many of the pending ops from i on make a mixed run; 0 where they do not. */
static size_t mixed_length(const sl_work *w, size_t i, size_t n) {
    size_t end = i, surprises = 0;
    pa_map_kind before = PA_MAP_KINDS, earlier = PA_MAP_KINDS;
    for (; end < n && is_simple(&w->ops[w->pending[end]]); end++) {
        pa_map_kind kind = map_of(w->ops[w->pending[end]].code);
        surprises += kind != before && kind != earlier;
        earlier = before;
        before = kind;
    }
    size_t length = end - i;
    return length >= MIXED_MIN && surprises * MIXED_SURPRISE >= length ? length : 0;
}

/* The ops of a run from i on that become one of kind MIXED; their results stand at `out`. */
static pa_status add_mixed(sl_work *w, size_t i, size_t length, int32_t out, sl_scalar *scalar) {
    *scalar = (sl_scalar){.kind = SL_SCALAR_MIXED, .b = (int32_t)length};
    for (size_t k = 0; k < length; k++) {
        const sl_op *op = &w->ops[w->pending[i + k]];
        for (int operand = 0; operand < sl_operands(op->where); operand++) sl_place(w, op->in[operand]);
        w->at[op->out] = out + (int32_t)k;
    }
    PA_TRY(sl_new_list(w, 5 * length, &scalar->a));
    for (size_t k = 0; k < length; k++)
        mixed_positions(w, &w->ops[w->pending[i + k]], w->code->lists + scalar->a + 5 * k);
    return PA_OK;
}

pa_status sl_place_pending(sl_work *w) {
    size_t n = w->n_pending;
    if (n == 0) return PA_OK;
    w->n_pending = 0;
    for (size_t i = 0; i < n; i++) w->keys[w->pending[i]] = (uint64_t)w->pending[i];
    sl_sort(w->pending, w->spare, w->keys, n); /* the order in which they were written */

    pa_straightline *code = w->code;
    void *scalars = code->scalars;
    PA_TRY(pa_mem_grow(&scalars, &code->scalars_capacity, code->n_scalars + n, sizeof *code->scalars));
    code->scalars = scalars;
    sl_instruction instruction = {.kind = SL_DO_SCALARS};
    instruction.of.scalars.first = (int32_t)code->n_scalars;
    instruction.of.scalars.results = (int32_t)n;
    instruction.of.scalars.out = sl_take(w, (int64_t)n);
    int32_t last = -1;
    size_t simple_until = 0; /* ops up to there make no mixed run */
    for (size_t i = 0; i < n; i++) {
        size_t length = i < simple_until ? 0 : mixed_length(w, i, n);
        if (length > 0) {
            PA_TRY(add_mixed(w, i, length, instruction.of.scalars.out + (int32_t)i, &code->scalars[code->n_scalars]));
            code->n_scalars++;
            i += length - 1;
            last = w->ops[w->pending[i]].out;
            continue;
        }
        if (i >= simple_until) /* a stretch of simple ops is looked at once */
            for (simple_until = i; simple_until < n && is_simple(&w->ops[w->pending[simple_until]]);) simple_until++;
        const sl_op *op = &w->ops[w->pending[i]];
        PA_TRY(add_scalar(w, op, last, &code->scalars[code->n_scalars]));
        code->n_scalars++;
        w->at[op->out] = instruction.of.scalars.out + (int32_t)i;
        last = op->out;
    }
    instruction.of.scalars.n = (int32_t)(code->n_scalars - (size_t)instruction.of.scalars.first);
    code->stats.scalars += (int64_t)n;
    return sl_add_instruction(w, instruction);
}
