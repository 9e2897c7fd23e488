/* Running straight-line code: its steps, one after the other, over its numbers. */
#include <string.h>

#include "internal.h"

static void run_call(const pa_scode *code, const scode_call *call) {
    double *d = code->numbers;
    const double *params = call->param < 0 ? NULL : code->params + 2 * call->param;
    _Alignas(64) double filled[IN_MAX][PA_BLOCK]; /* numbers that stand for all lanes */
    for (int32_t r = 0; r < call->rows; r++)
        for (int32_t done = 0; done < call->lanes; done += PA_BLOCK) {
            int32_t n = call->lanes - done < PA_BLOCK ? call->lanes - done : PA_BLOCK;
            const double *in[5] = {NULL};
            for (int i = 0, k = 0; i < 5; i++) {
                const pa_scode_operand *operand = &call->in[i];
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
            scode_call_kernel(call->code, params, d + call->out + r * call->out_row + done, in, n);
        }
}

#define INDEXED(formula)                                                                                               \
    for (int32_t i = 0; i < n; i++) out[i] = formula;                                                                  \
    break

static void run_indexed(double *restrict d, const int32_t *a, int32_t n, pa_scode_kind map, double *restrict out) {
    const int32_t *b = a + n, *c = b + n;
    switch (map) {
    case PA_SCODE_ADD: INDEXED(d[a[i]] + d[b[i]]);
    case PA_SCODE_SUB: INDEXED(d[a[i]] - d[b[i]]);
    case PA_SCODE_MUL: INDEXED(d[a[i]] * d[b[i]]);
    case PA_SCODE_DIV: INDEXED(d[a[i]] / d[b[i]]);
    case PA_SCODE_NEG: INDEXED(-d[a[i]]);
    case PA_SCODE_MULADD: INDEXED(d[a[i]] * d[b[i]] + d[c[i]]);
    case PA_SCODE_RELU: INDEXED(d[a[i]] < 0 ? 0 : d[a[i]]);
    case PA_SCODE_RELU_GRADIENT: INDEXED(d[a[i]] <= 0 ? 0 : d[b[i]]);
    default: break;
    }
}

static double scalar_call(const pa_scode *code, const int32_t *list) {
    const double *in[5] = {NULL};
    for (int i = 0; i < 5; i++)
        if (list[2 + i] >= 0) in[i] = code->numbers + list[2 + i];
    double value;
    scode_call_kernel((unsigned)list[0], list[1] < 0 ? NULL : code->params + 2 * list[1], &value, in, 1);
    return value;
}

static double chain(const double *d, const int32_t *pairs, int32_t n, double sum) {
    for (int32_t k = 0; k < n; k++) sum += d[pairs[2 * k]] * d[pairs[2 * k + 1]];
    return sum;
}

static double chain_in_parts(const double *d, const int32_t *pairs, int32_t n, double sum) {
    enum { PARTS = 8 };
    double part[PARTS];
    for (int i = 0; i < PARTS; i++) part[i] = -0.0;
    int32_t k = 0;
    for (; k + PARTS <= n; k += PARTS)
        for (int i = 0; i < PARTS; i++) part[i] += d[pairs[2 * (k + i)]] * d[pairs[2 * (k + i) + 1]];
    for (int i = 0; i < PARTS; i += 2) sum += part[i] + part[i + 1];
    return chain(d, pairs + 2 * k, n - k, sum);
}

/* n ops that follow no pattern, as one formula: a jump to each would be foreseen no better than by chance. Nothing in it is a
   jump. `list` holds the positions s, a, b, c, e of each: 0 where s <= 0, else a b + c e. */
static double *mixed(const double *d, const int32_t *list, int32_t n, double *out) {
    for (int32_t k = 0; k < n; k++, list += 5, out++) {
        double sum = d[list[1]] * d[list[2]] + d[list[3]] * d[list[4]];
        uint64_t bits, keep = (uint64_t)0 - (uint64_t)!(d[list[0]] <= 0);
        memcpy(&bits, &sum, sizeof bits);
        bits &= keep;
        memcpy(out, &bits, sizeof bits);
    }
    return out;
}

/* Ops of a kind that follow one another stay in one loop: the jumps of a recurrence are foreseen. */
#define OPS(name, formula)                                                                                             \
    case SCALAR_##name: do { *out++ = last = formula;                                                                  \
        } while (++op < end && op->kind == SCALAR_##name);                                                             \
        break

static void run_scalars(const pa_scode *code, const scode_scalar *op, int32_t n, double *out) {
    const double *d = code->numbers;
    const scode_scalar *const end = op + n;
    double last = 0;
    while (op < end) {
        switch ((scode_scalar_kind)op->kind) {
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
            OPS(CHAIN, chain(d, code->lists + op->a, op->b, d[op->c]));
            OPS(CHAIN_PARTS, chain_in_parts(d, code->lists + op->a, op->b, d[op->c]));
            OPS(CALL, scalar_call(code, code->lists + op->a));
        case SCALAR_MIXED:
            out = mixed(d, code->lists + op->a, op->b, out);
            last = out[-1];
            op++;
            break;
        }
    }
}

void pa_scode_run(const pa_scode *code) {
    double *d = code->numbers;
    for (const scode_step *step = code->steps, *end = step + code->n_steps; step < end; step++) {
        switch ((scode_step_kind)step->kind) {
        case STEP_PRODUCT: pa_k->scode_product(&step->of.product, d, code->lists); break;
        case STEP_SUMS: pa_k->scode_sums(&step->of.sums, d, code->lists); break;
        case STEP_MAP: pa_k->scode_map[step->map](&step->of.map, d); break;
        case STEP_CALL: run_call(code, &step->of.call); break;
        case STEP_INDEXED:
            run_indexed(d, code->lists + step->of.indexed.list, step->of.indexed.n, (pa_scode_kind)step->map,
                        d + step->of.indexed.out);
            break;
        case STEP_GATHER:
            pa_k->scode_gather(d, step->of.gather.out, code->lists + step->of.gather.list, step->of.gather.n);
            break;
        case STEP_SCALARS:
            run_scalars(code, code->scalars + step->of.scalars.first, step->of.scalars.n, d + step->of.scalars.out);
            break;
        }
    }
}
