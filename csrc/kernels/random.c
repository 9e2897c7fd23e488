/* Random streams, what is drawn from them, and the masks of dropout.

       number i = mix(seed + (i + 1) golden)        i = counter … counter + n - 1 for a fill of n elements

   A stream has one user at a time: a thread's own is touched by that thread alone, others under the GIL. A thread that
   has not set its stream gets one by the seed of the process and its turn, which counts the threads that asked since
   that seed was set:

       process   │ seed │ epoch, turn │ ──▶ thread   │ seed, counter │ epoch that it is of │
                          one word: a thread's turn cannot be of another epoch than its seed

   Logarithm, sine and cosine of the normal distribution are polynomials of our own in plain double arithmetic: the same
   bits with every C library. */
#include "random.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "ops.h"

static struct {
    _Atomic uint64_t seeds[2]; /* of even and of odd epochs: the next is set while this one is read */
    _Atomic uint64_t turn;     /* epoch << 32 | threads that have asked in it */
} process = {.turn = (uint64_t)1 << 32};

static _Thread_local pa_random_thread here;

/* Two rounds: seeds and counters that differ by little give unrelated streams. */
static inline uint64_t mix(uint64_t z) {
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static inline uint64_t number(uint64_t start, uint64_t i) { return mix(start + (i + 1) * 0x9e3779b97f4a7c15u); }

pa_random_state *pa_random_here(void) {
    if (!here.is_set && here.epoch != atomic_load_explicit(&process.turn, memory_order_acquire) >> 32) {
        uint64_t turn = atomic_fetch_add_explicit(&process.turn, 1, memory_order_acquire);
        here.epoch = turn >> 32;
        uint64_t seed = atomic_load_explicit(&process.seeds[here.epoch & 1], memory_order_relaxed);
        here.stream = (pa_random_state){.seed = number(~mix(seed), turn & 0xffffffffu), .counter = 0};
    }
    return &here.stream;
}

void pa_random_set_here(pa_random_state state, bool of_process) {
    here.stream = state;
    here.is_set = true;
    if (!of_process) return;
    uint64_t epoch = (atomic_load_explicit(&process.turn, memory_order_relaxed) >> 32) + 1;
    atomic_store_explicit(&process.seeds[epoch & 1], state.seed, memory_order_relaxed);
    atomic_store_explicit(&process.turn, epoch << 32, memory_order_release);
}

void pa_random_swap(pa_random_thread *other) {
    pa_random_thread before = here;
    here = *other;
    *other = before;
}

/* The start of n numbers, which are used up. */
static uint64_t take(pa_random_state *stream, int64_t n) {
    uint64_t start = mix(stream->seed) + stream->counter * 0x9e3779b97f4a7c15u;
    stream->counter += (uint64_t)n;
    return start;
}

static pa_status check_float(const char *what, const pa_node *node) {
    PA_FAIL_IF(!pa_dtype_is_float(node->dtype), PA_TYPE, "%s: fills float32 or float64, not %s (of shape %s)", what,
               pa_dtype_name(node->dtype), pa_node_shape_text(node));
    PA_FAIL_IF(!pa_node_is_contiguous(node), PA_VALUE, "%s: the tensor of shape %s is not contiguous", what,
               pa_node_shape_text(node));
    return PA_OK;
}

static pa_status check_int(const char *what, const pa_node *node) {
    PA_FAIL_IF(node->dtype != PA_INT64, PA_TYPE, "%s: fills int64, not %s (of shape %s)", what,
               pa_dtype_name(node->dtype), pa_node_shape_text(node));
    PA_FAIL_IF(!pa_node_is_contiguous(node), PA_VALUE, "%s: the tensor of shape %s is not contiguous", what,
               pa_node_shape_text(node));
    return PA_OK;
}

pa_status pa_random_uniform(pa_random_state *stream, pa_node *node, double low, double high) {
    PA_TRY(check_float("uniform", node));
    PA_FAIL_IF(!(low <= high) || high - low == INFINITY, PA_VALUE,
               "uniform: the bounds %g and %g do not make an interval", low, high);
    int64_t n = pa_node_numel(node);
    uint64_t start = take(stream, n);
    if (node->dtype == PA_FLOAT32) {
        float *out = (float *)(void *)pa_node_data(node);
        /* Rounding may reach the upper bound, which is not part of the interval. */
        const float from = (float)low, width = (float)(high - low), to = (float)high;
        const float below = to > from ? nextafterf(to, from) : from;
        for (int64_t i = 0; i < n; i++) {
            float value = from + width * ((float)(int32_t)(number(start, (uint64_t)i) >> 40) * 0x1p-24f);
            out[i] = value < to ? value : below;
        }
    } else {
        double *out = (double *)(void *)pa_node_data(node);
        const double width = high - low, below = high > low ? nextafter(high, low) : low;
        for (int64_t i = 0; i < n; i++) {
            double value = low + width * ((double)(int64_t)(number(start, (uint64_t)i) >> 11) * 0x1p-53);
            out[i] = value < high ? value : below;
        }
    }
    return PA_OK;
}

/* ln x of a positive normal x: ln(2^k m) = k ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), m in [sqrt(1/2), sqrt(2)). */
static inline double log_of(double x) {
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint64_t shifted = bits + (0x3ff0000000000000u - 0x3fe6a09e667f3bcdu);
    int64_t k = (int64_t)(shifted >> 52) - 1023;
    bits = (shifted & 0x000fffffffffffffu) + 0x3fe6a09e667f3bcdu;
    double m;
    memcpy(&m, &bits, sizeof m);
    double s = (m - 1) / (m + 1), q = s * s, series = 1.0 / 21;
    for (int power = 19; power >= 1; power -= 2) series = series * q + 1.0 / power;
    return (double)k * 0x1.62e42fefa39efp-1 + 2 * s * series;
}

/* sin and cos of 2 pi turn, 0 <= turn < 1: Taylor series over an eighth of a turn, put into the right quarter. */
static inline void sin_cos_of(double turn, double *sine, double *cosine) {
    double quarter = (double)(int32_t)(4 * turn + 0.5);
    double r = (4 * turn - quarter) * 1.5707963267948966, q = r * r;
    double s = 1, c = 1;
    for (int n = 16; n >= 2; n -= 2) {
        s = 1 - s * q * (1.0 / (n * (n + 1)));
        c = 1 - c * q * (1.0 / (n * (n - 1)));
    }
    s *= r;
    bool odd = quarter == 1 || quarter == 3, behind = quarter == 1 || quarter == 2,
         below = quarter == 2 || quarter == 3;
    double x = odd ? s : c, y = odd ? c : s;
    *cosine = behind ? -x : x;
    *sine = below ? -y : y;
}

pa_status pa_random_normal(pa_random_state *stream, pa_node *node, double mean, double std) {
    PA_TRY(check_float("normal", node));
    PA_FAIL_IF(!(std >= 0), PA_VALUE, "normal: the standard deviation %g is negative", std);
    enum { BLOCK = 128 };
    int64_t n = pa_node_numel(node), pairs = (n + 1) / 2;
    uint64_t start = take(stream, 2 * pairs);
    double values[2 * BLOCK];
    float *out32 = (float *)(void *)pa_node_data(node);
    double *out64 = (double *)(void *)pa_node_data(node);
    for (int64_t done = 0; done < pairs; done += BLOCK) {
        int64_t count = pairs - done < BLOCK ? pairs - done : BLOCK;
        for (int64_t i = 0; i < count; i++) {
            uint64_t first = number(start, (uint64_t)(2 * (done + i))),
                     second = number(start, (uint64_t)(2 * (done + i) + 1));
            double uniform = (double)(int64_t)((first >> 11) + 1) * 0x1p-53; /* not 0 */
            double radius = sqrt(-2 * log_of(uniform)), sine, cosine;
            sin_cos_of((double)(int64_t)(second >> 11) * 0x1p-53, &sine, &cosine);
            values[2 * i] = mean + std * (radius * cosine);
            values[2 * i + 1] = mean + std * (radius * sine);
        }
        int64_t from = 2 * done, left = n - from < 2 * count ? n - from : 2 * count;
        if (node->dtype == PA_FLOAT32)
            for (int64_t i = 0; i < left; i++) out32[from + i] = (float)values[i];
        else
            memcpy(out64 + from, values, (size_t)left * sizeof *values);
    }
    return PA_OK;
}

/* The upper 64 bits of a product: a random number below n, of 64 random bits. */
static inline uint64_t below(uint64_t bits, uint64_t n) {
#ifdef __SIZEOF_INT128__
    return (uint64_t)((unsigned __int128)bits * n >> 64);
#else
    uint64_t low = (bits & 0xffffffffu) * (n & 0xffffffffu), mid = (bits >> 32) * (n & 0xffffffffu) + (low >> 32);
    uint64_t other = (bits & 0xffffffffu) * (n >> 32) + (mid & 0xffffffffu);
    return (bits >> 32) * (n >> 32) + (mid >> 32) + (other >> 32);
#endif
}

pa_status pa_random_integers(pa_random_state *stream, pa_node *node, int64_t low, int64_t high) {
    PA_TRY(check_int("randint", node));
    int64_t n = pa_node_numel(node);
    PA_FAIL_IF(low >= high, PA_VALUE, "randint: no integers from %lld up to below %lld", (long long)low,
               (long long)high);
    uint64_t start = take(stream, n), range = (uint64_t)high - (uint64_t)low;
    int64_t *out = (int64_t *)(void *)pa_node_data(node);
    for (int64_t i = 0; i < n; i++) out[i] = (int64_t)((uint64_t)low + below(number(start, (uint64_t)i), range));
    return PA_OK;
}

pa_status pa_random_permutation(pa_random_state *stream, pa_node *node) {
    PA_TRY(check_int("randperm", node));
    int64_t n = pa_node_numel(node);
    uint64_t start = take(stream, n);
    int64_t *out = (int64_t *)(void *)pa_node_data(node);
    for (int64_t i = 0; i < n; i++) { /* Fisher-Yates from the inside out */
        int64_t j = (int64_t)below(number(start, (uint64_t)i), (uint64_t)i + 1);
        out[i] = out[j];
        out[j] = i;
    }
    return PA_OK;
}

/* ---- dropout ---- */

pa_status pa_dropout_mask_shape(const pa_call *call, pa_spec *spec) {
    const pa_node *a = call->in[0];
    double p = call->n_params > 0 ? call->params[0] : 0.5;
    PA_TRY(pa_check_float(call));
    PA_FAIL_IF(!(p >= 0 && p <= 1), PA_VALUE, "dropout: the probability %g is not between 0 and 1", p);
    spec->dtype = a->dtype;
    spec->ndim = a->ndim;
    spec->params[0] = p;
    if (a->ndim > 0) memcpy(spec->shape, pa_node_shape(a), (size_t)a->ndim * sizeof *spec->shape);
    return PA_OK;
}

pa_status pa_dropout_mask_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    int64_t n = pa_node_numel(node);
    double p = node->array->params[0];
    const double f64_of[2] = {0, 1 / (1 - p)};
    const float f32_of[2] = {0, (float)f64_of[1]}; /* looked up: branches on random bits are mispredicted */
    const uint64_t bound = (uint64_t)(p * 0x1p32); /* 32 bits decide: two elements a number */
    uint64_t start = take(pa_random_here(), (n + 1) / 2);
    float *f32 = (float *)(void *)pa_node_data(node);
    double *f64 = (double *)(void *)pa_node_data(node);
    for (int64_t i = 0; i < n; i += 2) {
        uint64_t bits = number(start, (uint64_t)(i / 2));
        bool first = (bits >> 32) >= bound, second = (bits & 0xffffffffu) >= bound, pair = i + 1 < n;
        if (node->dtype == PA_FLOAT32) {
            f32[i] = f32_of[first];
            if (pair) f32[i + 1] = f32_of[second];
        } else {
            f64[i] = f64_of[first];
            if (pair) f64[i + 1] = f64_of[second];
        }
    }
    return PA_OK;
}
