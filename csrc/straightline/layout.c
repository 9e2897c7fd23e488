/* Data layout: the position of every number, and the instructions over packs of equal ops.

   The results of a pack stand side by side, in the order of its lanes. That order follows the positions of the
   operands, so that they are read side by side too, or row by row:

       relu    x [ s0: h0 h1 h2 … │ s1: h0 h1 h2 … │ … ]      one row of all lanes
       mul     g [ s0 │ s1 │ … ]   w [ h0 h1 h2 … ]           rows: one g, all of w

   Arithmetic whose operands fit no such pattern reads them by position. For other ops and for products they are brought
   side by side by an instruction of its own, which all who want the same numbers share. */
#include <string.h>

#include "internal.h"

/* Shorter rows are not worth a loop of their own; calls through pa_k cost more and want longer ones. */
enum { ROW_MIN = 8, CALL_ROW_MIN = 32 };

/* ---- positions ---- */

void sl_align(sl_work *w) { w->top = (w->top + 7) & ~INT64_C(7); }

int32_t sl_take(sl_work *w, int64_t n) {
    if (n >= 8) sl_align(w);
    int64_t first = w->top;
    if (first + n > INT32_MAX - 64) { /* such code is refused at the end; until then any position will do */
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

int32_t sl_position(sl_work *w, int32_t reg) {
    if (w->at[reg] < 0) w->at[reg] = sl_take(w, 1);
    return w->at[reg];
}

pa_status sl_reserve_matrix(sl_work *w, size_t n) {
    if (n <= w->matrix_capacity) return PA_OK;
    pa_mem_free_array(w->matrix, w->matrix_capacity, sizeof *w->matrix);
    w->matrix_capacity = n + n / 2;
    w->matrix = pa_mem_alloc_array(w->matrix_capacity, sizeof *w->matrix);
    return w->matrix == NULL ? PA_MEMORY : PA_OK;
}

pa_status sl_new_list(sl_work *w, size_t n, int32_t *first) {
    pa_straightline *code = w->code;
    PA_FAIL_IF(code->n_lists + n > INT32_MAX, PA_VALUE, "straight-line code: a program of too many positions");
    PA_TRY(pa_mem_reserve(&code->lists, &code->lists_capacity, code->n_lists + n, sizeof *code->lists));
    *first = (int32_t)code->n_lists;
    code->n_lists += n;
    return PA_OK;
}

pa_status sl_add_instruction(sl_work *w, sl_instruction instruction) {
    pa_straightline *code = w->code;
    PA_TRY(pa_mem_reserve(&code->instructions, &code->instructions_capacity, code->n_instructions + 1,
                          sizeof instruction));
    code->instructions[code->n_instructions++] = instruction;
    if (instruction.kind != SL_DO_SCALARS) code->stats.packs++;
    return PA_OK;
}

/* ---- copies ---- */

/* Do rows of positions stand at a constant distance, and lanes within them? */
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

/* Does an earlier copy hold the same numbers? */
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

/* ---- the order of the lanes ---- */

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

/* How often the positions, in this order, neither stay the same nor go on by one. */
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

/* Leaves in w->choice the order of the lanes with the fewest breaks: as it was written, or sorted by one of the columns
   and then by the others. positions[k * n + i]: of op i in column k, an operand or the results' mates. */
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

/* How many of the first positions stay the same, or go on by one. */
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

/* Positions of the results' mates; false where one has none. */
static bool mate_positions(const sl_work *w, const int32_t *ops, size_t n, int32_t *positions) {
    for (size_t i = 0; i < n; i++) {
        int32_t mate = w->mates[w->ops[ops[i]].out];
        if (mate < 0 || w->at[mate] < 0) return false;
        positions[i] = w->at[mate];
    }
    return true;
}

/* Chooses the order of the lanes, and leaves the positions of the operands in that order in w->matrix, one operand
   behind the other. */
static pa_status order_lanes(sl_work *w, const int32_t *ops, size_t n, int operands) {
    PA_TRY(sl_reserve_matrix(w, (size_t)operands * n));
    for (int k = 0; k < operands; k++) {
        int32_t *positions = w->positions + (size_t)k * n;
        for (size_t i = 0; i < n; i++) positions[i] = sl_position(w, w->ops[ops[i]].in[k]);
    }
    choose_order(w, w->positions, n, operands + mate_positions(w, ops, n, w->positions + (size_t)operands * n));
    for (int k = 0; k < operands; k++)
        for (size_t i = 0; i < n; i++)
            w->matrix[(size_t)k * n + i] = w->positions[(size_t)k * n + (size_t)w->choice[i]];
    return PA_OK;
}

/* ---- packs ---- */

pa_map_kind sl_map_of(unsigned code) {
    switch (code) {
    case PA_OP_add: return PA_MAP_ADD;
    case PA_OP_sub: return PA_MAP_SUB;
    case PA_OP_mul: return PA_MAP_MUL;
    case PA_OP_div: return PA_MAP_DIV;
    case PA_OP_neg: return PA_MAP_NEG;
    case SL_CODE_MULADD: return PA_MAP_MULADD;
    case PA_OP_relu: return PA_MAP_RELU;
    case SL_CODE_RELU_GRADIENT: return PA_MAP_RELU_GRADIENT;
    default: return PA_MAP_KINDS;
    }
}

/* Rows that are as far apart as the results' are one long row, with unused lanes between. */
static bool is_one_row(const pa_straightline_operand *in, int operands, int32_t out_row) {
    for (int k = 0; k < operands; k++)
        if (in[k].lane == 0 ? in[k].row != 0 : in[k].row != out_row) return false;
    return true;
}

/* An instruction that reads its operands by their positions in w->matrix. */
static pa_status emit_indexed(sl_work *w, const int32_t *ops, int32_t n, int operands, pa_map_kind map) {
    sl_instruction instruction = {.kind = SL_DO_INDEXED, .map = (uint8_t)map};
    instruction.of.indexed.n = n;
    instruction.of.indexed.out = sl_take(w, n);
    PA_TRY(sl_new_list(w, (size_t)operands * (size_t)n, &instruction.of.indexed.list));
    memcpy(w->code->lists + instruction.of.indexed.list, w->matrix, (size_t)operands * (size_t)n * sizeof *w->matrix);
    for (int32_t i = 0; i < n; i++) w->at[w->ops[ops[w->choice[i]]].out] = instruction.of.indexed.out + i;
    return sl_add_instruction(w, instruction);
}

pa_status sl_emit_pack(sl_work *w, const int32_t *ops, size_t count) {
    const sl_op *first = &w->ops[ops[0]];
    int operands = sl_operands(first->roles);
    pa_map_kind map = sl_map_of(first->code);
    PA_TRY(order_lanes(w, ops, count, operands));

    int32_t n = (int32_t)count;
    bool call = map == PA_MAP_KINDS;
    int32_t lanes = (int32_t)row_length(w->matrix, count, operands, call ? CALL_ROW_MIN : ROW_MIN), rows = n / lanes;
    int32_t pitch = lanes;
    pa_straightline_operand in[SL_MAX_OPERANDS];
    bool copied[SL_MAX_OPERANDS] = {false}, any_copied = false;
    for (int k = 0; k < operands; k++) {
        bool regular = is_regular(w->matrix + (size_t)k * count, rows, lanes, &in[k]);
        bool one_number = regular && in[k].lane == 0;
        copied[k] = !regular || (in[k].lane != 1 && (!one_number || (operands == 1 && !call)));
        any_copied = any_copied || copied[k];
        if (!copied[k] && rows > 1 && in[k].lane == 1 && in[k].row > lanes && in[k].row - lanes < 8) pitch = in[k].row;
    }
    if (any_copied && !call) return emit_indexed(w, ops, n, operands, map);
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
            instruction.of.call.in[i] = first->roles & 1 << i ? in[k++] : (pa_straightline_operand){.at = -1};
    }
    return sl_add_instruction(w, instruction);
}
