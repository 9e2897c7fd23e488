/* Every allocation of the core.

   Blocks are handed out by size class and kept, up to a cap, in a free list when they come back, so that a training
   loop stops asking the system after its first step. The caller gives the size back when it frees: blocks have no header.

       pa_mem_alloc(size) ── class of size ──┬── free list of the class      a few ns
                                             └── aligned_alloc               the first time
       small classes: multiples of 16 up to 1024, aligned to 16
       large classes: four steps a power of two,  aligned to 64

   All calls are made with the GIL held; kernels that run without it get their scratch beforehand. */
#ifndef PA_MEMORY_H
#define PA_MEMORY_H

#include "status.h"

enum { PA_MEM_SMALL_MAX = 1024, PA_MEM_SMALL_STEP = 16, PA_MEM_CLASSES = 64 + 4 * 54, PA_MEM_ALIGN = 64 };

typedef struct pa_mem_block {
    struct pa_mem_block *next;
} pa_mem_block;

/* The state of the allocator; read by the inline functions below, written by memory.c and them alone. */
typedef struct pa_mem_state {
    pa_mem_block *free_list[PA_MEM_CLASSES];
    int64_t cached_bytes;
    int64_t cache_cap;
    int64_t live_blocks;
    int64_t live_bytes;
    int64_t fail_after; /* allocations until the injected failure; negative: none */
} pa_mem_state;

extern pa_mem_state pa_mem;

void *pa_mem_alloc_slow(size_t size);
void pa_mem_free_slow(void *block, size_t size);

/* A block of `size` bytes, not cleared, or NULL (with the message set). */
static inline void *pa_mem_alloc(size_t size) {
    if (size - 1 < PA_MEM_SMALL_MAX && pa_mem.fail_after < 0) { /* 0 goes the slow way */
        size_t class = (size + PA_MEM_SMALL_STEP - 1) / PA_MEM_SMALL_STEP;
        pa_mem_block *block = pa_mem.free_list[class];
        if (block != NULL) {
            int64_t bytes = (int64_t)(class * PA_MEM_SMALL_STEP);
            pa_mem.free_list[class] = block->next;
            pa_mem.cached_bytes -= bytes;
            pa_mem.live_bytes += bytes;
            pa_mem.live_blocks++;
            return block;
        }
    }
    return pa_mem_alloc_slow(size);
}

/* Gives back a block of the `size` it was asked with. NULL is fine. */
static inline void pa_mem_free(void *block, size_t size) {
    if (size - 1 < PA_MEM_SMALL_MAX && block != NULL) {
        size_t class = (size + PA_MEM_SMALL_STEP - 1) / PA_MEM_SMALL_STEP;
        int64_t bytes = (int64_t)(class * PA_MEM_SMALL_STEP);
        if (pa_mem.cached_bytes + bytes <= pa_mem.cache_cap) {
            pa_mem_block *freed = block;
            freed->next = pa_mem.free_list[class];
            pa_mem.free_list[class] = freed;
            pa_mem.cached_bytes += bytes;
            pa_mem.live_bytes -= bytes;
            pa_mem.live_blocks--;
            return;
        }
    }
    pa_mem_free_slow(block, size);
}

/* count * size with a check for overflow; NULL with the message set when it overflows or memory is out. */
void *pa_mem_alloc_array(size_t count, size_t size);
static inline void pa_mem_free_array(void *block, size_t count, size_t size) { pa_mem_free(block, count * size); }

/* Grows a block to hold at least `needed` elements, doubling; keeps the old block on failure. */
pa_status pa_mem_grow(void **block, size_t *capacity, size_t needed, size_t element);

/* Gives what the free lists hold back to the system. */
void pa_mem_trim(void);

#endif
