/* Places: where each number stands, and the steps over them.

   A group's results stand side by side, in the order of its lanes. That order follows the places of the operands, so
   that they are read side by side too, or row by row:

       relu    x [ s0: h0 h1 h2 … │ s1: h0 h1 h2 … │ … ]      one row of all lanes
       mul     g [ s0 │ s1 │ … ]   w [ h0 h1 h2 … ]           rows: one g, all of w

   Arithmetic whose operands fit no such pattern reads them by position. For other ops and for products they are brought
   side by side by a step of its own, once for all who want them. Groups of a few ops wait in w->pending and become runs
   of scalar ops. */
#include <string.h>

#include "internal.h"

/* Shorter rows are not worth being rows; calls through pa_k want longer ones. */
enum { ROW_MIN = 8, CALL_ROW_MIN = 32 };

/* ---- positions ---- */

void scode_align(scode_work *w) { w->top = (w->top + 7) & ~INT64_C(7); }

int32_t scode_take(scode_work *w, int64_t n) {
    if (n >= 8) scode_align(w);
    int64_t first = w->top;
    if (first + n > INT32_MAX - 64) { /* refused at the end: until then, any position does */
        w->top = INT32_MAX;
        return 0;
    }
    w->top = first + n;
    return (int32_t)first;
}

bool scode_is_free(const scode_work *w, int32_t slot) {
    unsigned code = w->code->nodes[slot].code;
    return w->at[slot] < 0 && (code == PA_OP_leaf || code == CODE_CONSTANT);
}

int32_t scode_place(scode_work *w, int32_t slot) {
    if (w->at[slot] < 0) w->at[slot] = scode_take(w, 1);
    return w->at[slot];
}

pa_status scode_matrix(scode_work *w, size_t n) {
    if (n <= w->matrix_room) return PA_OK;
    pa_mem_free_array(w->matrix, w->matrix_room, sizeof *w->matrix);
    w->matrix_room = 0;
    w->matrix = pa_mem_alloc_array(n + n / 2, sizeof *w->matrix);
    if (w->matrix == NULL) return PA_MEMORY;
    w->matrix_room = n + n / 2;
    return PA_OK;
}

pa_status scode_list(scode_work *w, size_t n, int32_t *first) {
    pa_scode *code = w->code;
    PA_FAIL_IF(code->n_lists + n > INT32_MAX, PA_VALUE, "scode: a program of too many positions");
    void *lists = code->lists;
    PA_TRY(pa_mem_grow(&lists, &code->lists_capacity, code->n_lists + n, sizeof *code->lists));
    code->lists = lists;
    *first = (int32_t)code->n_lists;
    code->n_lists += n;
    return PA_OK;
}

pa_status scode_add_step(scode_work *w, scode_step step) {
    pa_scode *code = w->code;
    void *steps = code->steps;
    PA_TRY(pa_mem_grow(&steps, &code->steps_capacity, code->n_steps + 1, sizeof step));
    code->steps = steps;
    code->steps[code->n_steps++] = step;
    if (step.kind != STEP_SCALARS) code->stats.groups++;
    return PA_OK;
}

/* ---- patterns ---- */

/* Are the positions those of rows at constant distances, of lanes at constant distances? */
static bool is_regular(const int32_t *positions, int32_t rows, int32_t lanes, pa_scode_operand *operand) {
    *operand = (pa_scode_operand){
        .at = positions[0],
        .row = rows > 1 ? positions[lanes] - positions[0] : 0,
        .lane = lanes > 1 ? positions[1] - positions[0] : 1,
    };
    for (int32_t r = 0; r < rows; r++)
        for (int32_t l = 0; l < lanes; l++)
            if (positions[(int64_t)r * lanes + l] != operand->at + r * operand->row + l * operand->lane) return false;
    return true;
}

static bool is_copy(const scode_work *w, const scode_copy *copy, const int32_t *positions, bool regular,
                    const pa_scode_operand *from, int32_t *at) {
    const scode_step *step = &w->code->steps[copy->step];
    if (step->kind == STEP_MAP) {
        const pa_scode_operand *own = &step->of.map.in[0];
        *at = step->of.map.out;
        return regular && own->at == from->at && own->row == from->row && own->lane == from->lane;
    }
    *at = step->of.gather.out;
    const int32_t *list = w->code->lists + step->of.gather.list;
    for (int32_t r = 0; r < copy->rows; r++)
        if (memcmp(list + (int64_t)r * copy->pitch, positions + (int64_t)r * copy->lanes,
                   (size_t)copy->lanes * sizeof *list) != 0)
            return false;
    return true;
}

pa_status scode_copy_of(scode_work *w, const int32_t *positions, int32_t rows, int32_t lanes, int32_t pitch,
                        int32_t *at) {
    pa_scode_operand from;
    bool regular = is_regular(positions, rows, lanes, &from);
    uint64_t hash = scode_mix((uint64_t)rows << 32 | (uint32_t)lanes, (uint32_t)pitch);
    int64_t n = (int64_t)rows * lanes, room = (int64_t)rows * pitch;
    for (int64_t i = 0; i < n; i++) hash = scode_mix(hash, (uint32_t)positions[i]);
    scode_copy *copy = &w->copies[hash % SCODE_COPIES];
    if (copy->lanes == lanes && copy->rows == rows && copy->pitch == pitch && copy->hash == hash &&
        is_copy(w, copy, positions, regular, &from, at))
        return PA_OK;

    *at = scode_take(w, room);
    scode_step step = {.kind = STEP_MAP, .map = PA_SCODE_MOVE};
    if (regular) {
        step.of.map = (pa_scode_map){.rows = rows, .lanes = lanes, .out = *at, .out_row = pitch, .in = {from}};
    } else {
        int32_t first = 0;
        PA_TRY(scode_list(w, (size_t)room, &first));
        int32_t *list = w->code->lists + first;
        for (int32_t r = 0; r < rows; r++)
            for (int32_t l = 0; l < pitch; l++) *list++ = positions[(int64_t)r * lanes + (l < lanes ? l : 0)];
        step.kind = STEP_GATHER;
        step.of.gather.out = *at;
        step.of.gather.list = first;
        step.of.gather.n = (int32_t)room;
    }
    *copy = (scode_copy){.hash = hash, .step = (int32_t)w->code->n_steps, .rows = rows, .lanes = lanes, .pitch = pitch};
    w->code->stats.copies++;
    return scode_add_step(w, step);
}

/* ---- groups of one op ---- */

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
static void choose_order(scode_work *w, const int32_t *positions, size_t n, int columns) {
    for (size_t i = 0; i < n; i++) w->choice[i] = (int32_t)i;
    size_t best = all_breaks(positions, w->choice, n, columns);
    for (int k = 0; k < columns && best > 0; k++) {
        for (size_t i = 0; i < n; i++) w->order[i] = (int32_t)i;
        for (int also = columns; also >= 0; also--) { /* the least important key first: the sort is stable */
            int by = also == 0 ? k : also - 1;
            if (also > 0 && by == k) continue;
            for (size_t i = 0; i < n; i++) w->keys[i] = (uint32_t)positions[(size_t)by * n + i];
            scode_sort(w->order, w->spare, w->keys, n);
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

/* Which loop of pa_k->scode_map computes the code, or PA_SCODE_KINDS. */
static pa_scode_kind map_of(unsigned code) {
    switch (code) {
    case PA_OP_add: return PA_SCODE_ADD;
    case PA_OP_sub: return PA_SCODE_SUB;
    case PA_OP_mul: return PA_SCODE_MUL;
    case PA_OP_div: return PA_SCODE_DIV;
    case PA_OP_neg: return PA_SCODE_NEG;
    case CODE_MULADD: return PA_SCODE_MULADD;
    case PA_OP_relu: return PA_SCODE_RELU;
    case CODE_GRADIENT + PA_OP_relu *PA_MAX_OPERANDS: return PA_SCODE_RELU_GRADIENT;
    default: return PA_SCODE_KINDS;
    }
}

/* The positions of the results' mates, where all of them have one. */
static bool have_mates(const scode_work *w, const int32_t *tasks, size_t n, int32_t *positions) {
    for (size_t i = 0; i < n; i++) {
        int32_t mate = w->mates[w->tasks[tasks[i]].out];
        if (mate < 0 || w->at[mate] < 0) return false;
        positions[i] = w->at[mate];
    }
    return true;
}

/* Positions of all operands in the order of the lanes, behind one another in w->matrix. */
static pa_status operand_positions(scode_work *w, const int32_t *tasks, size_t n, int operands) {
    PA_TRY(scode_matrix(w, (size_t)operands * n));
    for (int k = 0; k < operands; k++) {
        int32_t *positions = w->positions + (size_t)k * n;
        for (size_t i = 0; i < n; i++) positions[i] = scode_place(w, w->tasks[tasks[i]].in[k]);
    }
    choose_order(w, w->positions, n, operands + have_mates(w, tasks, n, w->positions + (size_t)operands * n));
    for (int k = 0; k < operands; k++)
        for (size_t i = 0; i < n; i++)
            w->matrix[(size_t)k * n + i] = w->positions[(size_t)k * n + (size_t)w->choice[i]];
    return PA_OK;
}

/* Rows of which only the distance differs from the results' are one long row, with unused lanes between. */
static bool is_one_row(const pa_scode_operand *in, int operands, int32_t out_row) {
    for (int k = 0; k < operands; k++)
        if (in[k].lane == 0 ? in[k].row != 0 : in[k].row != out_row) return false;
    return true;
}

/* A step that reads its operands by position; w->matrix holds them, in the order of the lanes. */
static pa_status place_indexed(scode_work *w, const int32_t *tasks, int32_t n, int operands, pa_scode_kind map) {
    scode_step step = {.kind = STEP_INDEXED, .map = (uint8_t)map};
    step.of.indexed.n = n;
    step.of.indexed.out = scode_take(w, n);
    PA_TRY(scode_list(w, (size_t)operands * (size_t)n, &step.of.indexed.list));
    memcpy(w->code->lists + step.of.indexed.list, w->matrix, (size_t)operands * (size_t)n * sizeof *w->matrix);
    for (int32_t i = 0; i < n; i++) w->at[w->tasks[tasks[w->choice[i]]].out] = step.of.indexed.out + i;
    return scode_add_step(w, step);
}

pa_status scode_place_group(scode_work *w, const int32_t *tasks, size_t count) {
    const scode_task *first = &w->tasks[tasks[0]];
    int operands = scode_operands(first->where);
    pa_scode_kind map = map_of(first->code);
    PA_TRY(operand_positions(w, tasks, count, operands));

    int32_t n = (int32_t)count;
    bool call = map == PA_SCODE_KINDS;
    int32_t lanes = (int32_t)row_length(w->matrix, count, operands, call ? CALL_ROW_MIN : ROW_MIN), rows = n / lanes;
    int32_t pitch = lanes;
    pa_scode_operand in[IN_MAX];
    bool copied[IN_MAX] = {false}, any_copied = false;
    for (int k = 0; k < operands; k++) {
        bool regular = is_regular(w->matrix + (size_t)k * count, rows, lanes, &in[k]);
        bool one_number = regular && in[k].lane == 0;
        copied[k] = !regular || (in[k].lane != 1 && (!one_number || (operands == 1 && !call)));
        any_copied = any_copied || copied[k];
        if (!copied[k] && rows > 1 && in[k].lane == 1 && in[k].row > lanes && in[k].row - lanes < 8) pitch = in[k].row;
    }
    if (any_copied && !call) return place_indexed(w, tasks, n, operands, map);
    for (int k = 0; k < operands; k++) {
        if (!copied[k]) continue;
        in[k] = (pa_scode_operand){.row = pitch, .lane = 1};
        PA_TRY(scode_copy_of(w, w->matrix + (size_t)k * count, rows, lanes, pitch, &in[k].at));
    }
    int32_t out = scode_take(w, (int64_t)rows * pitch);
    for (int32_t i = 0; i < n; i++) w->at[w->tasks[tasks[w->choice[i]]].out] = out + i / lanes * pitch + i % lanes;
    if (rows > 1 && is_one_row(in, operands, pitch)) {
        lanes += (rows - 1) * pitch;
        rows = 1;
    }
    scode_step step = {.kind = call ? STEP_CALL : STEP_MAP, .map = (uint8_t)(call ? 0 : map)};
    if (!call) {
        step.of.map = (pa_scode_map){.rows = rows, .lanes = lanes, .out = out, .out_row = pitch};
        memcpy(step.of.map.in, in, (size_t)operands * sizeof *in);
    } else {
        step.of.call = (scode_call){
            .code = first->code, .param = first->param, .rows = rows, .lanes = lanes, .out = out, .out_row = pitch};
        for (int i = 0, k = 0; i < 5; i++)
            step.of.call.in[i] = first->where & 1 << i ? in[k++] : (pa_scode_operand){.at = -1};
    }
    return scode_add_step(w, step);
}

/* ---- one by one ---- */

static pa_status scalar_call(scode_work *w, const scode_task *task, scode_scalar *scalar) {
    enum { WORDS = 7 };
    PA_TRY(scode_list(w, WORDS, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    *list++ = task->code;
    *list++ = task->param;
    for (int i = 0, k = 0; i < 5; i++) *list++ = task->where & 1 << i ? w->at[task->in[k++]] : -1;
    scalar->kind = SCALAR_CALL;
    return PA_OK;
}

/* Sums of gradients that are longer than this run in parts: one chain of additions waits for each of them. */
enum { PARTS_MIN = 256 };

static pa_status scalar_chain(scode_work *w, const scode_task *task, scode_scalar *scalar) {
    int32_t n = task->in[2];
    for (int32_t k = 0; k < n; k++) {
        scode_place(w, w->term_a[task->in[1] + k]);
        scode_place(w, w->term_b[task->in[1] + k]);
    }
    PA_TRY(scode_list(w, 2 * (size_t)n, &scalar->a));
    int32_t *list = w->code->lists + scalar->a;
    for (int32_t k = 0; k < n; k++) {
        *list++ = w->at[w->term_a[task->in[1] + k]];
        *list++ = w->at[w->term_b[task->in[1] + k]];
    }
    scalar->b = n;
    scalar->c = scode_place(w, task->in[0]);
    scalar->kind = task->flags & NODE_BACKWARD && n >= PARTS_MIN ? SCALAR_CHAIN_PARTS : SCALAR_CHAIN;
    return PA_OK;
}

/* `last` is the slot that the op before has computed. */
static pa_status add_scalar(scode_work *w, const scode_task *task, int32_t last, scode_scalar *scalar) {
    if (task->code == CODE_CHAIN) return scalar_chain(w, task, scalar);
    int operands = scode_operands(task->where);
    int32_t at[IN_MAX] = {0};
    for (int k = 0; k < operands; k++) at[k] = scode_place(w, task->in[k]);
    *scalar = (scode_scalar){.a = at[0], .b = at[1], .c = at[2]};
    bool left = task->in[0] == last, right = operands > 1 && task->in[1] == last;
    bool swap = right && !left;
    switch (map_of(task->code)) {
    case PA_SCODE_ADD:
    case PA_SCODE_MUL: {
        bool add = task->code == PA_OP_add;
        if (swap) scalar->b = at[0];
        if (left && right) left = right = false;
        scalar->kind = left || right ? (add ? SCALAR_ADD_LAST : SCALAR_MUL_LAST) : add ? SCALAR_ADD : SCALAR_MUL;
        return PA_OK;
    }
    case PA_SCODE_SUB:
        scalar->kind = left && right ? SCALAR_SUB : left ? SCALAR_SUB_LAST : right ? SCALAR_SUB_FROM : SCALAR_SUB;
        return PA_OK;
    case PA_SCODE_MULADD:
        if (swap) scalar->b = at[0];
        scalar->kind = left != right ? SCALAR_MULADD_LAST : SCALAR_MULADD;
        if (!left && !right && task->in[2] == last) scalar->kind = SCALAR_MULADD_TO;
        return PA_OK;
    case PA_SCODE_DIV: scalar->kind = SCALAR_DIV; return PA_OK;
    case PA_SCODE_NEG: scalar->kind = SCALAR_NEG; return PA_OK;
    case PA_SCODE_RELU: scalar->kind = SCALAR_RELU; return PA_OK;
    case PA_SCODE_RELU_GRADIENT: scalar->kind = SCALAR_RELU_GRADIENT; return PA_OK;
    default: return scalar_call(w, task, scalar);
    }
}

/* Simple ops in no regular order are run by one formula without jumps (run.c):

       s, a, b, c, e  ──▶  0 where s <= 0, else a b + c e

   An op of a kind that is neither that of the op before it nor of the one before that is taken to come as a surprise. */
enum { MIXED_MIN = 16, MIXED_SURPRISE = 8 /* one in so many */ };

static bool is_simple(const scode_task *task) {
    pa_scode_kind kind = map_of(task->code);
    return kind != PA_SCODE_KINDS && kind != PA_SCODE_DIV;
}

static void mixed_positions(scode_work *w, const scode_task *task, int32_t *list) {
    int32_t one = scode_place(w, w->one), zero = scode_place(w, w->minus_zero), minus = scode_place(w, w->minus_one),
            at[IN_MAX];
    for (int k = 0; k < scode_operands(task->where); k++) at[k] = w->at[task->in[k]];
    int32_t found[5] = {one, at[0], one, zero, one};
    switch (map_of(task->code)) {
    case PA_SCODE_ADD: found[3] = at[1]; break;
    case PA_SCODE_SUB:
        found[3] = at[1];
        found[4] = minus;
        break;
    case PA_SCODE_MUL: found[2] = at[1]; break;
    case PA_SCODE_MULADD:
        found[2] = at[1];
        found[3] = at[2];
        break;
    case PA_SCODE_NEG: found[2] = minus; break;
    case PA_SCODE_RELU: found[0] = at[0]; break;
    default: /* ReLU's gradient */ found[0] = at[0]; found[1] = at[1];
    }
    memcpy(list, found, sizeof found);
}

/* How many of the pending ops from i on make a mixed run; 0 where they do not. */
static size_t mixed_length(const scode_work *w, size_t i, size_t n) {
    size_t end = i, surprises = 0;
    pa_scode_kind before = PA_SCODE_KINDS, earlier = PA_SCODE_KINDS;
    for (; end < n && is_simple(&w->tasks[w->pending[end]]); end++) {
        pa_scode_kind kind = map_of(w->tasks[w->pending[end]].code);
        surprises += kind != before && kind != earlier;
        earlier = before;
        before = kind;
    }
    size_t length = end - i;
    return length >= MIXED_MIN && surprises * MIXED_SURPRISE >= length ? length : 0;
}

/* The ops of a run from i on that become one of kind MIXED; their results stand at `out`. */
static pa_status add_mixed(scode_work *w, size_t i, size_t length, int32_t out, scode_scalar *scalar) {
    *scalar = (scode_scalar){.kind = SCALAR_MIXED, .b = (int32_t)length};
    for (size_t k = 0; k < length; k++) {
        const scode_task *task = &w->tasks[w->pending[i + k]];
        for (int operand = 0; operand < scode_operands(task->where); operand++) scode_place(w, task->in[operand]);
        w->at[task->out] = out + (int32_t)k;
    }
    PA_TRY(scode_list(w, 5 * length, &scalar->a));
    for (size_t k = 0; k < length; k++)
        mixed_positions(w, &w->tasks[w->pending[i + k]], w->code->lists + scalar->a + 5 * k);
    return PA_OK;
}

pa_status scode_place_pending(scode_work *w) {
    size_t n = w->n_pending;
    if (n == 0) return PA_OK;
    w->n_pending = 0;
    for (size_t i = 0; i < n; i++) w->keys[w->pending[i]] = (uint64_t)w->pending[i];
    scode_sort(w->pending, w->spare, w->keys, n); /* the order in which they were written */

    pa_scode *code = w->code;
    void *scalars = code->scalars;
    PA_TRY(pa_mem_grow(&scalars, &code->scalars_capacity, code->n_scalars + n, sizeof *code->scalars));
    code->scalars = scalars;
    scode_step step = {.kind = STEP_SCALARS};
    step.of.scalars.first = (int32_t)code->n_scalars;
    step.of.scalars.results = (int32_t)n;
    step.of.scalars.out = scode_take(w, (int64_t)n);
    int32_t last = -1;
    size_t simple_until = 0; /* ops up to there make no mixed run */
    for (size_t i = 0; i < n; i++) {
        size_t length = i < simple_until ? 0 : mixed_length(w, i, n);
        if (length > 0) {
            PA_TRY(add_mixed(w, i, length, step.of.scalars.out + (int32_t)i, &code->scalars[code->n_scalars]));
            code->n_scalars++;
            i += length - 1;
            last = w->tasks[w->pending[i]].out;
            continue;
        }
        if (i >= simple_until) /* a stretch of simple ops is looked at once */
            for (simple_until = i; simple_until < n && is_simple(&w->tasks[w->pending[simple_until]]);) simple_until++;
        const scode_task *task = &w->tasks[w->pending[i]];
        PA_TRY(add_scalar(w, task, last, &code->scalars[code->n_scalars]));
        code->n_scalars++;
        w->at[task->out] = step.of.scalars.out + (int32_t)i;
        last = task->out;
    }
    step.of.scalars.n = (int32_t)(code->n_scalars - (size_t)step.of.scalars.first);
    code->stats.scalars += (int64_t)n;
    return scode_add_step(w, step);
}
