/* Streams of the elements of an array, in the logical order of a shape that it broadcasts to, a block at a time.

   Axes that lie one after the other in memory are merged first, so a stream over a contiguous array is one run, and
   over a bias seen as (batch, features) it is `batch` runs of `features`. */
#ifndef PA_STREAM_H
#define PA_STREAM_H

#include "../graph.h"

typedef struct pa_stream {
    char *at; /* the next element */
    pa_dtype dtype;
    int ndim;
    int64_t shape[PA_MAX_NDIM];
    int64_t strides[PA_MAX_NDIM]; /* in elements; 0 where the axis is broadcast */
    int64_t index[PA_MAX_NDIM];
} pa_stream;

/* Over `data` of the given shape and strides, as seen in the broadcast shape. */
void pa_stream_open(pa_stream *stream, char *data, pa_dtype dtype, int ndim, const int64_t *shape,
                    const int64_t *strides, int broadcast_ndim, const int64_t *broadcast_shape);

/* Over a node's elements, as seen in the shape of another that it broadcasts to. */
static inline void pa_stream_open_node(pa_stream *stream, const pa_node *node, const pa_node *as) {
    pa_stream_open(stream, pa_node_data(node), node->dtype, node->ndim, pa_node_shape(node), pa_node_strides(node),
                   as->ndim, pa_node_shape(as));
}

/* Copies the next n elements to `out`, converted to `dtype`. */
void pa_stream_read(pa_stream *stream, pa_dtype dtype, void *out, int64_t n);

/* Writes the next n elements from `in`, of `dtype`, converted. */
void pa_stream_write(pa_stream *stream, pa_dtype dtype, const void *in, int64_t n);

/* Copies the next n elements from one stream to another, converted. */
void pa_stream_copy(pa_stream *from, pa_stream *to, int64_t n);

/* Adds the next n elements of `in`, of a float dtype; the stream's dtype is a float one too. */
void pa_stream_add(pa_stream *stream, pa_dtype dtype, const void *in, int64_t n);

#endif
