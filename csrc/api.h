/* The C API that Python reads through cffi: no #include and no macro, so that C and ffi.cdef read it as it stands.

   Functions that return int return a pa_status: 0, or a code whose exception and message the functions below tell.
   All of them run under the GIL. What makes nodes goes through the functions of csrc/python/ instead. */

typedef struct pa_node pa_node;

/* Failures */
const char *pa_status_message(void);
const char *pa_status_exception(int status); /* "ValueError", … */

/* The op table, by op number */
int pa_op_total(void);
const char *pa_op_name(int op);
const char *pa_op_symbol(int op);
const char *pa_op_words(int op);
int pa_op_family(int op);   /* 0 leaf, 1 elementwise, 2 comparison, 3 logic, 4 whole tensors */
int pa_op_operands(int op); /* -1: any number */
int pa_op_parameters(int op);
int pa_op_lowest_dtype(int op);
bool pa_op_differentiable(int op, int operand); /* elementwise: has that operand a gradient? */

/* What is alive, in nodes, storages and bytes; what the free lists hold */
int64_t pa_memory_live_nodes(void);
int64_t pa_memory_live_storages(void);
int64_t pa_memory_live_bytes(void);
int64_t pa_memory_cached_bytes(void);
void pa_memory_trim(void);
void pa_memory_fail_after(int64_t allocations); /* the next but so many fails, once; negative: none does */
int64_t pa_memory_fail_left(void);

/* The instruction set: "baseline", "avx2", "avx512" */
int pa_isa_use(const char *name); /* "" for the best that this machine runs */
const char *pa_isa_name(void);
bool pa_isa_available(const char *name);

int pa_grad_disabled_count(void); /* threads in which ops keep no history */

bool pa_flush_denormal(bool flush); /* of float32 work; false where the processor cannot */

/* Python floats that become arrays: 2 float32, 3 float64 */
void pa_default_float_set(int dtype);
int pa_default_float_get(void);

/* Random streams: two numbers, the seed and how many were drawn from it. pa_random_stream() is the calling thread's,
   which pa_random_stream_set sets (of_process: and by its seed those of all threads that have not set theirs).
   pa_random_stream_swap exchanges it with one that is kept in four numbers: a stream, 0, and 1 for one that is set;
   NULL leaves it. */
uint64_t *pa_random_stream(void);
void pa_random_stream_set(uint64_t seed, uint64_t counter, bool of_process);
void pa_random_stream_swap(uint64_t *kept);

/* Fails while a step is recorded, with what cannot be part of it and what to write instead. */
int pa_step_refuse(const char *what, const char *instead);

/* Does a step that is being recorded not know a node's numbers? And TraceError where `what` asks for them then. */
bool pa_step_hides(const pa_node *node);
int pa_step_check_read(const pa_node *node, const char *what);

/* Random numbers into a contiguous tensor, from a Generator's state, an int64 tensor of the two numbers; NULL: from the
   thread's stream. */
int pa_fill_uniform(pa_node *state, pa_node *node, double low, double high);
int pa_fill_normal(pa_node *state, pa_node *node, double mean, double std);
int pa_fill_integers(pa_node *state, pa_node *node, int64_t low, int64_t high);
int pa_fill_permutation(pa_node *state, pa_node *node);

/* Optimisers: one call updates every parameter that has a gradient. kind: 0 SGD, 1 Adam, 2 RMSprop;
   state: three tensors a parameter, NULL where it has none; steps: a counter a parameter; pa_hyper: kernels/hyper.h */
int pa_optim_step(int kind, int n, pa_node **params, pa_node **state, int64_t *steps, const pa_hyper *hyper);
int pa_optim_zero_grad(int n, pa_node **params, bool set_to_none);
int pa_optim_clip_grad_norm(int n, pa_node **params, double max_norm, double norm_type, bool must_be_finite,
                            double *total);

int pa_record_result_of_last(pa_node *node); /* while a step is recorded: what its last entry gave */

/* Products by a BLAS (blas.h) */
void pa_blas_set(void *sgemm, void *dgemm, void *set_threads, void *get_threads, bool ilp64, bool always);
void pa_blas_set_threads(int n); /* 0: what the BLAS is set to */
int pa_blas_get_threads(void);
bool pa_blas_stay_out(bool out); /* of the calling thread's products */
