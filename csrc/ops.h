/* The op table as data: the enum of ops and one pa_op_info a row. Ops are generated from ops.def. */
#ifndef PA_OPS_H
#define PA_OPS_H

#include "status.h"

/* In the order of promotion. */
typedef enum pa_dtype { PA_BOOL, PA_UINT8, PA_INT32, PA_INT64, PA_FLOAT32, PA_FLOAT64, PA_DTYPE_COUNT } pa_dtype;

enum { PA_MAX_NDIM = 8, PA_MAX_PARAMS = 2, PA_MAX_OPERANDS = 3 /* of an elementwise op */ };

/* What an op's backward reads, what its forward does besides computing its result, and what is true of the op. */
enum {
    READS_NONE = 0,
    READS_A = 1,
    READS_B = 2,
    READS_C = 4,
    READS_OUT = 8,
    READS_G = 16,      /* the upstream gradient: of the loops for gradients, no row states it */
    READS_SAVED = 32,  /* what the forward has left in array->saved */
    DRAWS = 64,        /* the forward moves the random stream on */
    MAY_FAIL = 128,    /* the forward checks the contents of its operands */
    COMMUTES = 256,    /* a and b in the other order give the same bits */
    COSTLY = 512,      /* a product: its work is not one step an element, pa_product_cost counts it */
    MIXES_ROWS = 1024, /* a row of the result may depend on other rows of a than its own */
    READS_OTHER = 2048 /* a product: the gradient of a reads b, and that of b reads a */
};

/* How many parameters a row states. */
#define PARAMS(...) ((int)(sizeof((const char *const[]){"", __VA_ARGS__}) / sizeof(char *)) - 1)

/* A formula, and the words that `trace` shows in its place. */
#define IN_WORDS(words, formula) formula

typedef enum pa_op {
    PA_OP_leaf, /* no op: a node that the user made */
#define X(name) PA_OP_##name,
#define UNARY(name, ...) X(name)
#define BINARY UNARY
#define TERNARY_BOOL UNARY
#define COMPARE UNARY
#define LOGIC1 UNARY
#define LOGIC2 UNARY
#define TENSOR UNARY
#include "ops.def"
#undef X
    PA_OP_COUNT
} pa_op;

typedef enum pa_family { PA_LEAF, PA_ELEMENTWISE, PA_COMPARISON, PA_LOGIC, PA_WHOLE } pa_family;

typedef struct pa_op_info {
    const char *name;
    const char *symbol; /* what a drawing shows, and micrograd's `_op` */
    const char *words;  /* the formula */
    uint16_t effects;
    uint8_t family;  /* pa_family */
    int8_t operands; /* -1: any number */
    uint8_t params;
    uint8_t lowest; /* pa_dtype: what is lower, the op does not compute in */
} pa_op_info;

PA_INTERNAL extern const pa_op_info pa_op_table[PA_OP_COUNT];

/* Bytes of an element, and the name that Python knows ("float32", …). */
size_t pa_dtype_size(pa_dtype dtype);
const char *pa_dtype_name(pa_dtype dtype);
static inline bool pa_dtype_is_float(pa_dtype dtype) { return dtype >= PA_FLOAT32; }
/* bool, integers, floats: 0, 1, 2. */
static inline int pa_dtype_category(pa_dtype dtype) { return (dtype > PA_BOOL) + (dtype > PA_INT64); }
/* uint8 and int32 have no loops of their own: they are computed in int64, and results narrowed, which wraps around. */
static inline bool pa_dtype_is_narrow(pa_dtype dtype) { return dtype == PA_UINT8 || dtype == PA_INT32; }
static inline pa_dtype pa_dtype_computed(pa_dtype dtype) { return pa_dtype_is_narrow(dtype) ? PA_INT64 : dtype; }

#endif
