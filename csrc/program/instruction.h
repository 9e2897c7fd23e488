/* Instructions looked at: which buffers one reads and writes, one in words, which of them reads from which. */
#ifndef PA_PROGRAM_INSTRUCTION_H
#define PA_PROGRAM_INSTRUCTION_H

#include "program.h"

typedef void pa_visit_fn(void *context, int32_t buffer, bool writes);

/* Every buffer that an instruction reads or writes. */
void pa_instruction_visit(const pa_program *p, const pa_instruction *instruction, pa_visit_fn *visit, void *context);

/* Does it call Python, which may read and write whatever outlives the step? */
static inline bool pa_instruction_is_host(const pa_program *p, const pa_instruction *i) {
    return i->kind == PA_DO_HOST || (i->kind == PA_DO_BACKWARD && p->nodes[i->node]->op == PA_OP_custom);
}

/* Between which instructions each buffer lives; a result lives until the end. */
void pa_program_find_lives(pa_program *p);

/* The first instruction of the backward that makes the program an op of its caller's graph; n_code where it has none.
   */
int32_t pa_program_split(const pa_program *p);

/* A number for each buffer, `fill` to begin with; NULL where there is no memory. */
int32_t *pa_per_buffer_new(const pa_program *p, int32_t fill);
void pa_per_buffer_free(const pa_program *p, int32_t *numbers); /* NULL is fine */

/* "linear (100, 16), (16, 16), (16,) -> (100, 16)" */
void pa_instruction_text(const pa_program *p, const pa_instruction *instruction, char *text, size_t size);

/* Calls edge(context, from, to) for every pair of instructions of which `to` reads what `from` has written. */
pa_status pa_program_edges(const pa_program *p, void (*edge)(void *context, int32_t from, int32_t to), void *context);

#endif
