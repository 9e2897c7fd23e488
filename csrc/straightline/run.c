/* Execution: the instructions, one after the other, over the numbers. */
#include <math.h>
#include <string.h>

#include "internal.h"

/* ---- any op ---- */

enum { CALL_BLOCK = 256 };

/* Comparisons and logic ops: their kernels read or write bytes. */
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
        /* The loop's short way is PyTorch's; a Value's square roots of -0 and -inf are Python's. */
        for (int64_t i = 0; i < n && code == PA_OP_power && params[0] == 0.5; i++)
            if (in[0][i] <= 0) out[i] = pow(in[0][i], params[0]);
    } else {
        call_in_bytes(code, pa_op_table[code].family == PA_LOGIC, out, in, n);
    }
}

static void run_call(const pa_straightline *code, const sl_call *call) {
    double *d = code->numbers;
    const double *params = call->param < 0 ? NULL : code->params + 2 * call->param;
    _Alignas(64) double filled[SL_MAX_OPERANDS][PA_BLOCK]; /* numbers that stand for all lanes */
    for (int32_t r = 0; r < call->rows; r++)
        for (int32_t done = 0; done < call->lanes; done += PA_BLOCK) {
            int32_t n = call->lanes - done < PA_BLOCK ? call->lanes - done : PA_BLOCK;
            const double *in[5] = {NULL};
            for (int i = 0, k = 0; i < 5; i++) {
                const pa_straightline_operand *operand = &call->in[i];
                if (operand->at < 0) continue;
                in[i] = d + operand->at + r * operand->row + done;
                if (operand->lane == 0) {
                    const double number = d[operand->at + r * operand->row];
                    if (done == 0 && (r == 0 || operand->row != 0))
                        for (int32_t l = 0; l < n; l++) filled[k][l] = number;
                    in[i] = filled[k];
                }
                k++;
            }
            sl_call_kernel(call->code, params, d + call->out + r * call->out_row + done, in, n);
        }
}

#define INDEXED(formula)                                                                                               \
    for (int32_t i = 0; i < n; i++) out[i] = formula;                                                                  \
    break

static void run_indexed(double *restrict d, const int32_t *a, int32_t n, pa_map_kind map, double *restrict out) {
    const int32_t *b = a + n, *c = b + n;
    switch (map) {
    case PA_MAP_ADD: INDEXED(d[a[i]] + d[b[i]]);
    case PA_MAP_SUB: INDEXED(d[a[i]] - d[b[i]]);
    case PA_MAP_MUL: INDEXED(d[a[i]] * d[b[i]]);
    case PA_MAP_DIV: INDEXED(d[a[i]] / d[b[i]]);
    case PA_MAP_NEG: INDEXED(-d[a[i]]);
    case PA_MAP_MULADD: INDEXED(d[a[i]] * d[b[i]] + d[c[i]]);
    case PA_MAP_RELU: INDEXED(d[a[i]] < 0 ? 0 : d[a[i]]);
    case PA_MAP_RELU_GRADIENT: INDEXED(d[a[i]] <= 0 ? 0 : d[b[i]]);
    default: break;
    }
}

static double scalar_call(const pa_straightline *code, const int32_t *list) {
    const double *in[5] = {NULL};
    for (int i = 0; i < 5; i++)
        if (list[2 + i] >= 0) in[i] = code->numbers + list[2 + i];
    double value;
    sl_call_kernel((unsigned)list[0], list[1] < 0 ? NULL : code->params + 2 * list[1], &value, in, 1);
    return value;
}

static double reduction(const double *d, const int32_t *pairs, int32_t n, double sum) {
    for (int32_t k = 0; k < n; k++) sum += d[pairs[2 * k]] * d[pairs[2 * k + 1]];
    return sum;
}

static double reduction_in_parts(const double *d, const int32_t *pairs, int32_t n, double sum) {
    enum { PARTS = 8 };
    double part[PARTS];
    for (int i = 0; i < PARTS; i++) part[i] = -0.0;
    int32_t k = 0;
    for (; k + PARTS <= n; k += PARTS)
        for (int i = 0; i < PARTS; i++) part[i] += d[pairs[2 * (k + i)]] * d[pairs[2 * (k + i) + 1]];
    for (int i = 0; i < PARTS; i += 2) sum += part[i] + part[i + 1];
    return reduction(d, pairs + 2 * k, n - k, sum);
}

/* n ops that follow no pattern, as one formula without jumps, which could be predicted no better than by chance. `list`
   holds the positions s, a, b, c, e of each: 0 where s <= 0, else a b + c e. ~s: 0 where s < 0, as ReLU keeps -0. */
static double *mixed(const double *d, const int32_t *list, int32_t n, double *out) {
    for (int32_t k = 0; k < n; k++, list += 5, out++) {
        double sum = d[list[1]] * d[list[2]] + d[list[3]] * d[list[4]];
        int32_t keeps_zero = list[0] >> 31;
        double s = d[list[0] ^ keeps_zero];
        uint64_t bits, keep = (uint64_t)0 - (uint64_t)((!(s <= 0)) | (keeps_zero & (s == 0)));
        memcpy(&bits, &sum, sizeof bits);
        bits &= keep;
        memcpy(out, &bits, sizeof bits);
    }
    return out;
}

/* Ops of a kind that follow one another stay in one loop, whose jump is predicted. */
#define OPS(name, formula)                                                                                             \
    case SL_SCALAR_##name: do { *out++ = last = formula;                                                               \
        } while (++op < end && op->kind == SL_SCALAR_##name);                                                          \
        break

static void run_scalars(const pa_straightline *code, const sl_scalar *op, int32_t n, double *out) {
    const double *d = code->numbers;
    const sl_scalar *const end = op + n;
    double last = 0;
    while (op < end) {
        switch ((sl_scalar_kind)op->kind) {
            OPS(ADD, d[op->a] + d[op->b]);
            OPS(ADD_LAST, last + d[op->b]);
            OPS(SUB, d[op->a] - d[op->b]);
            OPS(SUB_LAST, last - d[op->b]);
            OPS(SUB_FROM, d[op->a] - last);
            OPS(MUL, d[op->a] * d[op->b]);
            OPS(MUL_LAST, last * d[op->b]);
            OPS(DIV, d[op->a] / d[op->b]);
            OPS(NEG, -d[op->a]);
            OPS(MULADD, d[op->a] * d[op->b] + d[op->c]);
            OPS(MULADD_LAST, last * d[op->b] + d[op->c]);
            OPS(MULADD_TO, d[op->a] * d[op->b] + last);
            OPS(RELU, d[op->a] < 0 ? 0 : d[op->a]);
            OPS(RELU_GRADIENT, d[op->a] <= 0 ? 0 : d[op->b]);
            OPS(REDUCTION, reduction(d, code->lists + op->a, op->b, d[op->c]));
            OPS(REDUCTION_IN_PARTS, reduction_in_parts(d, code->lists + op->a, op->b, d[op->c]));
            OPS(CALL, scalar_call(code, code->lists + op->a));
        case SL_SCALAR_MIXED:
            out = mixed(d, code->lists + op->a, op->b, out);
            last = out[-1];
            op++;
            break;
        }
    }
}

void pa_straightline_run(const pa_straightline *code) {
    double *d = code->numbers;
    for (const sl_instruction *instruction = code->instructions, *end = instruction + code->n_instructions;
         instruction < end; instruction++) {
        switch ((sl_instruction_kind)instruction->kind) {
        case SL_DO_PRODUCT: pa_k->straightline_product(&instruction->of.product, d, code->lists); break;
        case SL_DO_SUMS: pa_k->straightline_sums(&instruction->of.sums, d, code->lists); break;
        case SL_DO_MAP: pa_k->straightline_map[instruction->map](&instruction->of.map, d); break;
        case SL_DO_CALL: run_call(code, &instruction->of.call); break;
        case SL_DO_INDEXED:
            run_indexed(d, code->lists + instruction->of.indexed.list, instruction->of.indexed.n,
                        (pa_map_kind)instruction->map, d + instruction->of.indexed.out);
            break;
        case SL_DO_GATHER:
            pa_k->straightline_gather(d, instruction->of.gather.out, code->lists + instruction->of.gather.list,
                                      instruction->of.gather.n);
            break;
        case SL_DO_SCALARS:
            run_scalars(code, code->scalars + instruction->of.scalars.first, instruction->of.scalars.n,
                        d + instruction->of.scalars.out);
            break;
        }
    }
}
