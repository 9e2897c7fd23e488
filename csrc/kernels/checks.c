/* Checks of data as an op: a class or a position out of range, probabilities beyond 0 and 1. The check is in the log of
   a step like any op, so that each replay makes it where the plain call does.

       check   ints = {pa_check, low, end, ignored}: int64 elements lie in [low, end) or are `ignored`, floats in
               [low, end]; the result is True */
#include <string.h>

#include "ops.h"
#include "stream.h"

static const struct {
    const char *op, *what;
} names[PA_CHECKS] = {[PA_CHECK_CROSS_ENTROPY] = {"cross_entropy", "class"},
                      [PA_CHECK_NLL_LOSS] = {"nll_loss", "class"},
                      [PA_CHECK_ONE_HOT] = {"one_hot", "class"},
                      [PA_CHECK_GATHER] = {"gather", "index"},
                      [PA_CHECK_INDEX_SELECT] = {"index_select", "index"},
                      [PA_CHECK_INDEX] = {"index", "position"},
                      [PA_CHECK_BCE_INPUT] = {"binary_cross_entropy", "input"},
                      [PA_CHECK_BCE_TARGET] = {"binary_cross_entropy", "target"},
                      [PA_CHECK_QUANTILE] = {"quantile", "q"},
                      [PA_CHECK_BERNOULLI] = {"bernoulli", "probabilities"},
                      [PA_CHECK_MULTINOMIAL] = {"multinomial", "finite from 0 on, and some above 0"},
                      [PA_CHECK_GAUSSIAN_NLL] = {"gaussian_nll_loss", "var"},
                      [PA_CHECK_NORMAL] = {"normal", "std"},
                      [PA_CHECK_MULTILABEL_MARGIN] = {"multilabel_margin_loss", "class"}};

pa_status pa_check_shape(const pa_call *call, pa_spec *spec) {
    PA_FAIL_IF(call->n_ints != 4 || call->ints[0] < 0 || call->ints[0] >= PA_CHECKS, PA_VALUE, "check: no such check");
    spec->dtype = PA_BOOL;
    spec->ndim = 0;
    memcpy(spec->ints, call->ints, 4 * sizeof *spec->ints);
    return PA_OK;
}

static pa_status fail_int(const int64_t *ints, int64_t number) {
    const char *op = names[ints[0]].op, *what = names[ints[0]].what;
    if (strcmp(what, "class") == 0)
        return pa_fail(PA_INDEX, "%s: class %lld is out of range: there are %lld classes, from 0", op,
                       (long long)number, (long long)ints[2]);
    if (ints[0] == PA_CHECK_MULTINOMIAL) return pa_fail(PA_VALUE, "%s: the probabilities of a row are %s", op, what);
    return pa_fail(PA_INDEX, "%s: %s %lld is out of range at an axis of size %lld", op, what, (long long)number,
                   (long long)ints[2]);
}

pa_status pa_check_forward(pa_node *node, void *PA_UNUSED(scratch)) {
    enum { BLOCK = 256 };
    const pa_node *a = pa_node_parent(node, 0);
    const int64_t *ints = node->array->ints;
    bool is_float = pa_dtype_is_float(a->dtype);
    union {
        double floats[BLOCK];
        int64_t whole[BLOCK];
    } block;
    pa_stream stream;
    pa_stream_open_node(&stream, a, a);
    for (int64_t left = pa_node_numel(a), n; left > 0; left -= n) {
        n = left < BLOCK ? left : BLOCK;
        pa_stream_read(&stream, is_float ? PA_FLOAT64 : PA_INT64, (char *)&block, n);
        for (int64_t i = 0; i < n; i++) {
            double number = block.floats[i];
            if (is_float)
                PA_FAIL_IF(!(number >= (double)ints[1] && number <= (double)ints[2]), PA_VALUE,
                           "%s: all elements of %s should be between %lld and %lld", names[ints[0]].op,
                           names[ints[0]].what, (long long)ints[1], (long long)ints[2]);
            else if ((block.whole[i] < ints[1] || block.whole[i] >= ints[2]) && block.whole[i] != ints[3])
                return fail_int(ints, block.whole[i]);
        }
    }
    *(uint8_t *)pa_node_data(node) = 1;
    return PA_OK;
}
