/* Slabs for small blocks, free lists for large ones, and what tests count and make fail. */
#include "memory.h"

#include <stdlib.h>
#include <string.h>

#ifndef PA_MEM_CACHE_CAP
#define PA_MEM_CACHE_CAP (INT64_C(256) << 20)
#endif

pa_mem_state pa_mem = {.cache_cap = PA_MEM_CACHE_CAP, .fail_after = -1};

/* The size class of a size, and the bytes that a block of the class has. */
static size_t size_class(size_t size, size_t *bytes) {
    if (size <= PA_MEM_SMALL_MAX) {
        size_t class = pa_mem_small_class(size);
        *bytes = class * PA_MEM_SMALL_STEP;
        return class;
    }
    int power = 63 - __builtin_clzll((unsigned long long)size - 1); /* 2^power < size <= 2^(power + 1) */
    size_t base = (size_t)1 << power;
    size_t step = base / 4;
    size_t steps = (size - base + step - 1) / step; /* 1 to 4 */
    *bytes = base + steps * step;
    return PA_MEM_SMALL_MAX / PA_MEM_SMALL_STEP + (size_t)(power - 10) * 4 + steps;
}

/* The bytes of a block of a class. */
static size_t class_bytes(size_t class) {
    size_t small = PA_MEM_SMALL_MAX / PA_MEM_SMALL_STEP;
    if (class <= small) return class * PA_MEM_SMALL_STEP;
    size_t power = 10 + (class - small - 1) / 4, steps = (class - small - 1) % 4 + 1;
    return ((size_t)1 << power) + steps * (((size_t)1 << power) / 4);
}

/* ---- slabs ---- */

enum { SLAB_HEADER = 128 };
_Static_assert(sizeof(pa_mem_slab) <= SLAB_HEADER, "a slab's header fits before its blocks");

static void push(pa_mem_slab **list, pa_mem_slab *slab) {
    slab->listed = true;
    slab->previous = NULL;
    slab->next = *list;
    if (*list != NULL) (*list)->previous = slab;
    *list = slab;
}

static void take_out(pa_mem_slab **list, pa_mem_slab *slab) {
    if (slab->previous != NULL)
        slab->previous->next = slab->next;
    else
        *list = slab->next;
    if (slab->next != NULL) slab->next->previous = slab->previous;
    slab->listed = false;
}

static char *first_block(pa_mem_slab *slab) { return (char *)slab + SLAB_HEADER; }

static void start_over(pa_mem_slab *slab) {
    slab->free = NULL;
    slab->fresh = first_block(slab);
}

static pa_mem_slab *new_slab(size_t class) {
    pa_mem_slab *slab = aligned_alloc(PA_MEM_SLAB_BYTES, PA_MEM_SLAB_BYTES);
    if (slab == NULL) return NULL;
    uint32_t bytes = (uint32_t)(class * PA_MEM_SMALL_STEP);
    uint32_t capacity = (PA_MEM_SLAB_BYTES - SLAB_HEADER) / bytes;
    *slab = (pa_mem_slab){.block_bytes = bytes, .capacity = capacity, .older = pa_mem.slabs};
    start_over(slab);
    slab->end = slab->fresh + (size_t)capacity * bytes;
    if (pa_mem.slabs != NULL) pa_mem.slabs->newer = slab;
    pa_mem.slabs = slab;
    pa_mem.system_bytes += PA_MEM_SLAB_BYTES;
    return slab;
}

static void free_slab(pa_mem_slab *slab) {
    if (slab->older != NULL) slab->older->newer = slab->newer;
    if (slab->newer != NULL)
        slab->newer->older = slab->older;
    else
        pa_mem.slabs = slab->older;
    pa_mem.system_bytes -= PA_MEM_SLAB_BYTES;
    free(slab);
}

void pa_mem_slab_has_room(pa_mem_slab *slab) {
    size_t class = pa_mem_small_class(slab->block_bytes);
    bool is_current = pa_mem.current[class] == slab;
    if (slab->used > 0) {
        if (!is_current) push(&pa_mem.partial[class], slab);
        return;
    }
    start_over(slab);
    if (is_current) return;
    if (slab->listed) take_out(&pa_mem.partial[class], slab);
    if (pa_mem.cached_bytes + PA_MEM_SLAB_BYTES > pa_mem.cache_cap) {
        free_slab(slab);
    } else {
        pa_mem.cached_bytes += PA_MEM_SLAB_BYTES;
        push(&pa_mem.empty[class], slab);
    }
}

static pa_mem_slab *take_empty(size_t class) {
    pa_mem_slab *slab = pa_mem.empty[class];
    take_out(&pa_mem.empty[class], slab);
    pa_mem.cached_bytes -= PA_MEM_SLAB_BYTES;
    return slab;
}

/* Makes a slab with room the current one of its class: an empty one, else one that is partly free, else a new one. */
static bool next_slab(size_t class) {
    pa_mem_slab *slab = pa_mem.partial[class];
    if (pa_mem.empty[class] != NULL)
        slab = take_empty(class);
    else if (slab != NULL)
        take_out(&pa_mem.partial[class], slab);
    else if ((slab = new_slab(class)) == NULL)
        return false;
    pa_mem.current[class] = slab;
    return true;
}

static void *alloc_small(size_t class) {
    pa_mem_slab *slab = pa_mem.current[class];
    void *block = slab == NULL ? NULL : pa_mem_slab_take(slab);
    if (block == NULL && next_slab(class)) block = pa_mem_slab_take(pa_mem.current[class]);
    return block;
}

/* ---- the slow ways ---- */

void *pa_mem_alloc_slow(size_t size) {
    if (pa_mem.fail_after >= 0 && pa_mem.fail_after-- == 0) {
        pa_fail(PA_MEMORY, "out of memory (injected) asking for %zu bytes", size);
        return NULL;
    }
    if (size == 0) size = 1;
    size_t bytes = 0;
    void *block = NULL;
    if (size < (size_t)1 << 62) {
        size_t class = size_class(size, &bytes);
        if (size <= PA_MEM_SMALL_MAX && PA_MEM_CACHE_CAP > 0) {
            block = alloc_small(class);
            if (block != NULL) return block;
        } else {
            pa_mem_block *cached = pa_mem.free_list[class];
            if (cached != NULL) {
                pa_mem.free_list[class] = cached->next;
                pa_mem.cached_bytes -= (int64_t)bytes;
                return cached;
            }
            block = size <= PA_MEM_SMALL_MAX ? malloc(bytes) : aligned_alloc(PA_MEM_ALIGN, bytes);
        }
    }
    if (block == NULL) {
        pa_fail(PA_MEMORY, "out of memory asking for %zu bytes", size);
        return NULL;
    }
    pa_mem.system_bytes += (int64_t)bytes;
    return block;
}

/* A large block; or any, in a build for sanitizers, which keeps none so that they see every one. */
void pa_mem_free_slow(void *block, size_t size) {
    if (block == NULL) return;
    if (size == 0) {
        pa_mem_free(block, 1);
        return;
    }
    size_t bytes;
    size_t class = size_class(size, &bytes);
    if (pa_mem.cached_bytes + (int64_t)bytes > pa_mem.cache_cap) {
        pa_mem.system_bytes -= (int64_t)bytes;
        free(block);
        return;
    }
    pa_mem_block *freed = block;
    freed->next = pa_mem.free_list[class];
    pa_mem.free_list[class] = freed;
    pa_mem.cached_bytes += (int64_t)bytes;
}

void *pa_mem_alloc_array(size_t count, size_t size) {
    if (size != 0 && count > SIZE_MAX / size) {
        pa_fail(PA_MEMORY, "out of memory asking for %zu blocks of %zu bytes", count, size);
        return NULL;
    }
    return pa_mem_alloc(count * size);
}

pa_status pa_mem_grow(void *list, size_t *capacity, size_t needed, size_t element) {
    size_t wanted = *capacity < 32 ? 64 : *capacity * 2;
    if (wanted < needed) wanted = needed;
    void *grown = pa_mem_alloc_array(wanted, element), *block;
    if (grown == NULL) return PA_MEMORY;
    memcpy(&block, list, sizeof block); /* a pointer of any type, read and written as bytes */
    if (*capacity > 0) memcpy(grown, block, *capacity * element);
    pa_mem_free(block, *capacity * element);
    memcpy(list, &grown, sizeof grown);
    *capacity = wanted;
    return PA_OK;
}

int64_t pa_mem_idle_bytes(void) {
    int64_t bytes = 0;
    for (const pa_mem_slab *slab = pa_mem.slabs; slab != NULL; slab = slab->older)
        bytes += PA_MEM_SLAB_BYTES - (int64_t)slab->used * slab->block_bytes;
    for (size_t class = PA_MEM_SMALL_CLASSES; class < PA_MEM_CLASSES; class++)
        for (const pa_mem_block *block = pa_mem.free_list[class]; block != NULL; block = block->next)
            bytes += (int64_t)class_bytes(class);
    return bytes;
}

int64_t pa_mem_live_bytes(void) { return pa_mem.system_bytes - pa_mem_idle_bytes(); }

void pa_mem_trim(void) {
    for (size_t class = 0; class < PA_MEM_SMALL_CLASSES; class++) {
        pa_mem_slab *current = pa_mem.current[class];
        if (current != NULL && current->used == 0) {
            free_slab(current);
            pa_mem.current[class] = NULL;
        }
        while (pa_mem.empty[class] != NULL) free_slab(take_empty(class));
    }
    for (size_t class = 0; class < PA_MEM_CLASSES; class++) {
        while (pa_mem.free_list[class] != NULL) {
            pa_mem_block *block = pa_mem.free_list[class];
            pa_mem.free_list[class] = block->next;
            int64_t bytes = (int64_t)class_bytes(class);
            pa_mem.system_bytes -= bytes;
            pa_mem.cached_bytes -= bytes;
            free(block);
        }
    }
}
