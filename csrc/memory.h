/* Every allocation of the core.

   Blocks are handed out by size class and kept, up to a cap, when they come back, so that a training loop stops asking
   the system after its first step. The caller gives the size back when it frees: blocks have no header.

       pa_mem_alloc(size) ── class of size ──┬── small: the class's current slab     a few ns
                                             └── large: free list of the class, else aligned_alloc
       small classes: multiples of 16 up to 1024, aligned to 16, out of slabs
       large classes: four steps a power of two,  aligned to 64

   A slab is 64 KiB at a multiple of 64 KiB, so that a block finds its slab by its address:

       │ pa_mem_slab │ block │ block │ block │ not yet handed out … │
                       next ──────────▶ free                ▲ fresh

   A slab whose blocks have all come back starts over from its first block. That keeps nodes that are born together side
   by side: a single free list is a little more shuffled by each training step, until every node is a cache miss.

   All calls are made with the GIL held; kernels that run without it get their scratch beforehand. */
#ifndef PA_MEMORY_H
#define PA_MEMORY_H

#include "status.h"

enum {
    PA_MEM_SMALL_MAX = 1024,
    PA_MEM_SMALL_STEP = 16,
    PA_MEM_SMALL_CLASSES = PA_MEM_SMALL_MAX / PA_MEM_SMALL_STEP + 1,
    PA_MEM_CLASSES = 64 + 4 * 54,
    PA_MEM_ALIGN = 64,
    PA_MEM_SLAB_BYTES = 1 << 16
};

typedef struct pa_mem_block {
    struct pa_mem_block *next;
} pa_mem_block;

typedef struct pa_mem_slab {
    pa_mem_block *free; /* blocks that came back */
    char *fresh;        /* from here on none was handed out yet */
    char *end;
    uint32_t used, capacity; /* blocks */
    uint32_t block_bytes;
    bool listed;                         /* stands in one of the lists below */
    struct pa_mem_slab *next, *previous; /* of that list */
    struct pa_mem_slab *older, *newer;   /* of all slabs */
} pa_mem_slab;

/* The state of the allocator; read by the inline functions below, written by memory.c and them alone. */
typedef struct pa_mem_state {
    pa_mem_slab *current[PA_MEM_SMALL_CLASSES]; /* where small blocks come from */
    pa_mem_slab *empty[PA_MEM_SMALL_CLASSES];   /* other slabs, all of whose blocks are free */
    pa_mem_slab *partial[PA_MEM_SMALL_CLASSES]; /* others, some of whose blocks are */
    pa_mem_block *free_list[PA_MEM_CLASSES];    /* large blocks */
    int64_t cached_bytes;                       /* of empty slabs and free large blocks */
    int64_t cache_cap;
    int64_t system_bytes; /* held from the system */
    pa_mem_slab *slabs;   /* all of them */
    int64_t fail_after;   /* allocations until the injected failure; negative: none */
} pa_mem_state;

PA_INTERNAL extern pa_mem_state pa_mem;

void *pa_mem_alloc_slow(size_t size);
void pa_mem_free_slow(void *block, size_t size);
void pa_mem_slab_has_room(pa_mem_slab *slab); /* it was full, or has become empty */

static inline size_t pa_mem_small_class(size_t size) { return (size + PA_MEM_SMALL_STEP - 1) / PA_MEM_SMALL_STEP; }

/* A block of a slab, or NULL when it has none left. */
static inline void *pa_mem_slab_take(pa_mem_slab *slab) {
    void *block = slab->free;
    if (block != NULL) {
        slab->free = slab->free->next;
    } else {
        block = slab->fresh;
        if (block == slab->end) return NULL;
        slab->fresh = (char *)block + slab->block_bytes;
    }
    slab->used++;
    return block;
}

/* A block of `size` bytes, not cleared, or NULL (with the message set). */
static inline void *pa_mem_alloc(size_t size) {
    if (size - 1 < PA_MEM_SMALL_MAX && pa_mem.fail_after < 0) { /* 0 goes the slow way */
        pa_mem_slab *slab = pa_mem.current[pa_mem_small_class(size)];
        void *block = slab == NULL ? NULL : pa_mem_slab_take(slab);
        if (block != NULL) return block;
    }
    return pa_mem_alloc_slow(size);
}

/* Gives back a block of the `size` it was asked with. NULL is fine. */
static inline void pa_mem_free(void *block, size_t size) {
#if !defined(PA_MEM_CACHE_CAP) || PA_MEM_CACHE_CAP > 0
    if (size - 1 < PA_MEM_SMALL_MAX && block != NULL) {
        pa_mem_slab *slab = (pa_mem_slab *)((uintptr_t)block & ~(uintptr_t)(PA_MEM_SLAB_BYTES - 1));
        pa_mem_block *freed = block;
        freed->next = slab->free;
        slab->free = freed;
        uint32_t used = --slab->used;
        if (used == 0 || used + 1 == slab->capacity) pa_mem_slab_has_room(slab);
        return;
    }
#endif
    pa_mem_free_slow(block, size);
}

/* count * size with a check for overflow; NULL with the message set when it overflows or memory is out. */
void *pa_mem_alloc_array(size_t count, size_t size);
static inline void pa_mem_free_array(void *block, size_t count, size_t size) { pa_mem_free(block, count * size); }

/* Room for at least `needed` elements of `element` bytes in a list, given by the address of its pointer: the block
   doubles, and stays as it is on failure. */
pa_status pa_mem_grow(void *list, size_t *capacity, size_t needed, size_t element);
static inline pa_status pa_mem_reserve(void *list, size_t *capacity, size_t needed, size_t element) {
    return needed <= *capacity ? PA_OK : pa_mem_grow(list, capacity, needed, element);
}

/* Bytes of the blocks that are in use, and bytes held from the system beyond them. Walks the slabs. */
int64_t pa_mem_live_bytes(void);
int64_t pa_mem_idle_bytes(void);

/* Gives empty slabs and free large blocks back to the system. */
void pa_mem_trim(void);

#endif
