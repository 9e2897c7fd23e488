/* Streams opened over an array, its axes merged, and read or written a block at a time. */
#include "stream.h"

#include <string.h>

#include "kernels.h"
#include "ops.h"

void pa_stream_open(pa_stream *stream, char *data, pa_dtype dtype, int ndim, const int64_t *shape,
                    const int64_t *strides, int broadcast_ndim, const int64_t *broadcast_shape) {
    stream->at = data;
    stream->dtype = dtype;
    stream->ndim = 0;
    for (int axis = 0; axis < broadcast_ndim; axis++) {
        int64_t size = broadcast_shape[axis];
        int own = axis - (broadcast_ndim - ndim);
        int64_t stride = own < 0 || shape[own] == 1 ? 0 : strides[own];
        if (size == 1) continue;
        int last = stream->ndim - 1;
        if (last >= 0 && stream->strides[last] == stride * size) {
            stream->shape[last] *= size;
            stream->strides[last] = stride;
        } else {
            stream->shape[stream->ndim] = size;
            stream->strides[stream->ndim] = stride;
            stream->ndim++;
        }
    }
    if (stream->ndim == 0) {
        stream->ndim = 1;
        stream->shape[0] = 1;
        stream->strides[0] = 0;
    }
    memset(stream->index, 0, sizeof stream->index);
}

/* Elements of the current innermost run, n at the most. */
static inline int64_t run_length(const pa_stream *stream, int64_t n) {
    int last = stream->ndim - 1;
    int64_t left = stream->shape[last] - stream->index[last];
    return left < n ? left : n;
}

static inline void advance(pa_stream *stream, int64_t run) {
    int64_t size = (int64_t)pa_dtype_size(stream->dtype);
    int axis = stream->ndim - 1;
    stream->index[axis] += run;
    stream->at += run * stream->strides[axis] * size;
    while (stream->index[axis] == stream->shape[axis] && axis > 0) {
        stream->at -= stream->shape[axis] * stream->strides[axis] * size;
        stream->index[axis] = 0;
        axis--;
        stream->index[axis]++;
        stream->at += stream->strides[axis] * size;
    }
}

void pa_stream_read(pa_stream *stream, pa_dtype dtype, void *out, int64_t n) {
    char *to = out;
    int64_t size = (int64_t)pa_dtype_size(dtype);
    while (n > 0) {
        int64_t run = run_length(stream, n);
        pa_k->convert[stream->dtype][dtype](to, stream->at, stream->strides[stream->ndim - 1], run);
        advance(stream, run);
        to += run * size;
        n -= run;
    }
}

static inline double load_float(pa_dtype dtype, const void *data, int64_t i) {
    return dtype == PA_FLOAT32 ? ((const float *)data)[i] : ((const double *)data)[i];
}

static void add_run(pa_dtype to_dtype, char *to, int64_t stride, pa_dtype dtype, const char *from, int64_t n) {
    int f = dtype == PA_FLOAT64;
    if (stride == 0) {
        double total = n == 1 ? load_float(dtype, from, 0) : pa_k->sum[f](from, n);
        if (to_dtype == PA_FLOAT32)
            *(float *)to = (float)(*(float *)to + total);
        else
            *(double *)to += total;
    } else if (stride == 1 && to_dtype == dtype) {
        pa_k->add[f](to, from, n);
    } else if (to_dtype == PA_FLOAT32) {
        for (int64_t i = 0; i < n; i++) ((float *)to)[i * stride] += (float)load_float(dtype, from, i);
    } else {
        for (int64_t i = 0; i < n; i++) ((double *)to)[i * stride] += load_float(dtype, from, i);
    }
}

void pa_stream_add(pa_stream *stream, pa_dtype dtype, const void *in, int64_t n) {
    const char *from = in;
    int64_t size = (int64_t)pa_dtype_size(dtype);
    while (n > 0) {
        int64_t run = run_length(stream, n);
        add_run(stream->dtype, stream->at, stream->strides[stream->ndim - 1], dtype, from, run);
        advance(stream, run);
        from += run * size;
        n -= run;
    }
}

void pa_stream_write(pa_stream *stream, pa_dtype dtype, const void *in, int64_t n) {
    const char *from = in;
    int64_t size = (int64_t)pa_dtype_size(dtype), to_size = (int64_t)pa_dtype_size(stream->dtype);
    while (n > 0) {
        int64_t run = run_length(stream, n), stride = stream->strides[stream->ndim - 1];
        if (stride == 1) {
            pa_k->convert[dtype][stream->dtype](stream->at, from, 1, run);
        } else {
            for (int64_t i = 0; i < run; i++)
                pa_k->convert[dtype][stream->dtype](stream->at + i * stride * to_size, from + i * size, 0, 1);
        }
        advance(stream, run);
        from += run * size;
        n -= run;
    }
}

void pa_stream_copy(pa_stream *from, pa_stream *to, int64_t n) {
    char block[PA_BLOCK * 8];
    for (int64_t done = 0; done < n; done += PA_BLOCK) {
        int64_t some = n - done < PA_BLOCK ? n - done : PA_BLOCK;
        pa_stream_read(from, to->dtype, block, some);
        pa_stream_write(to, to->dtype, block, some);
    }
}

void pa_node_gather(const pa_node *node, pa_dtype dtype, void *out) {
    pa_stream stream;
    pa_stream_open_node(&stream, node, node);
    pa_stream_read(&stream, dtype, out, pa_node_numel(node));
}

void pa_add_or_copy(pa_dtype to, void *out, pa_dtype from, const void *in, int64_t n, bool accumulate) {
    if (accumulate)
        add_run(to, out, 1, from, in, n);
    else
        pa_k->convert[from][to](out, in, 1, n);
}
