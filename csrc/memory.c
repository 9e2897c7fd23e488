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
        size_t class = (size + PA_MEM_SMALL_STEP - 1) / PA_MEM_SMALL_STEP;
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
        pa_mem_block *cached = pa_mem.free_list[class];
        if (cached != NULL) {
            pa_mem.free_list[class] = cached->next;
            pa_mem.cached_bytes -= (int64_t)bytes;
            block = cached;
        } else if (size <= PA_MEM_SMALL_MAX) {
            block = malloc(bytes);
        } else {
            bytes = (bytes + PA_MEM_ALIGN - 1) / PA_MEM_ALIGN * PA_MEM_ALIGN;
            block = aligned_alloc(PA_MEM_ALIGN, bytes);
        }
    }
    if (block == NULL) {
        pa_fail(PA_MEMORY, "out of memory asking for %zu bytes", size);
        return NULL;
    }
    pa_mem.live_bytes += (int64_t)bytes;
    pa_mem.live_blocks++;
    return block;
}

void pa_mem_free_slow(void *block, size_t size) {
    if (block == NULL) return;
    if (size == 0) size = 1;
    size_t bytes;
    size_t class = size_class(size, &bytes);
    pa_mem.live_bytes -= (int64_t)bytes;
    pa_mem.live_blocks--;
    if (pa_mem.cached_bytes + (int64_t)bytes > pa_mem.cache_cap) {
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

pa_status pa_mem_grow(void **block, size_t *capacity, size_t needed, size_t element) {
    if (needed <= *capacity) return PA_OK;
    size_t wanted = *capacity < 32 ? 64 : *capacity * 2;
    if (wanted < needed) wanted = needed;
    void *grown = pa_mem_alloc_array(wanted, element);
    if (grown == NULL) return PA_MEMORY;
    if (*capacity > 0) memcpy(grown, *block, *capacity * element);
    pa_mem_free(*block, *capacity * element);
    *block = grown;
    *capacity = wanted;
    return PA_OK;
}

void pa_mem_trim(void) {
    for (size_t class = 0; class < PA_MEM_CLASSES; class++) {
        while (pa_mem.free_list[class] != NULL) {
            pa_mem_block *block = pa_mem.free_list[class];
            pa_mem.free_list[class] = block->next;
            free(block);
        }
    }
    pa_mem.cached_bytes = 0;
}
