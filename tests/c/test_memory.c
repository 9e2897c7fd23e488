/* The allocator: sizes and alignment, counters, free lists, overflow, failures on demand. */
#include "memory.h"

#include <stdint.h>
#include <string.h>

#include "check.h"

static void every_size_is_usable_and_aligned(void) {
    int64_t bytes = pa_mem_live_bytes();
    for (size_t size = 0; size < 5000; size = size < 2100 ? size + 1 : size + 97) {
        char *block = pa_mem_alloc(size);
        CHECK(block != NULL);
        if (block == NULL) return;
        memset(block, 0xab, size);
        size_t alignment = size > PA_MEM_SMALL_MAX ? PA_MEM_ALIGN : PA_MEM_SMALL_STEP;
        if ((uintptr_t)block % alignment != 0) CHECK(!"aligned");
        if (pa_mem_live_bytes() < bytes + (int64_t)size) CHECK(!"counted");
        pa_mem_free(block, size);
    }
    CHECK(pa_mem_live_bytes() == bytes);
}

static void blocks_do_not_overlap(void) {
    enum { COUNT = 300 };
    char *blocks[COUNT];
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = pa_mem_alloc((size_t)i * 7);
        memset(blocks[i], i & 0xff, (size_t)i * 7);
    }
    bool intact = true;
    for (int i = 0; i < COUNT; i++)
        for (size_t j = 0; j < (size_t)i * 7; j++) intact &= blocks[i][j] == (char)(i & 0xff);
    CHECK(intact);
    for (int i = 0; i < COUNT; i++) pa_mem_free(blocks[i], (size_t)i * 7);
}

static void a_freed_block_is_handed_out_again(void) {
    if (pa_mem.cache_cap == 0) return; /* a build for sanitizers */
    static const size_t sizes[] = {1, 64, 1024, 1025, 4096, 100000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        void *first = pa_mem_alloc(sizes[i]);
        pa_mem_free(first, sizes[i]);
        void *second = pa_mem_alloc(sizes[i]);
        CHECK(first == second);
        pa_mem_free(second, sizes[i]);
    }
}

static void the_cache_is_capped_and_given_back(void) {
    int64_t cap = pa_mem.cache_cap;
    pa_mem_trim();
    CHECK(pa_mem.cached_bytes == 0);
    pa_mem.cache_cap = 20480;
    void *blocks[8];
    for (int i = 0; i < 8; i++) blocks[i] = pa_mem_alloc(8192);
    for (int i = 0; i < 8; i++) pa_mem_free(blocks[i], 8192);
    CHECK(pa_mem.cached_bytes <= 20480);
    CHECK(pa_mem.cached_bytes > 0);
    pa_mem.cache_cap = cap;
    pa_mem_trim();
    CHECK(pa_mem.cached_bytes == 0);
}

static void sizes_that_overflow_are_refused(void) {
    int64_t bytes = pa_mem_live_bytes();
    CHECK(pa_mem_alloc_array(SIZE_MAX / 2, 3) == NULL);
    CHECK(message_has("out of memory"));
    CHECK(pa_mem_alloc_array((size_t)1 << 33, (size_t)1 << 33) == NULL);
    CHECK(pa_mem_alloc(SIZE_MAX) == NULL);
    CHECK(pa_mem_alloc(SIZE_MAX - 100) == NULL);
    CHECK(pa_mem_live_bytes() == bytes);
    pa_mem_free(NULL, 10);
    pa_mem_free(NULL, 0);
}

static void the_nth_allocation_fails_on_demand(void) {
    int64_t bytes = pa_mem_live_bytes();
    for (int n = 0; n < 5; n++) {
        pa_mem.fail_after = n;
        void *held[5] = {0};
        int got = 0;
        while (got < 5 && (held[got] = pa_mem_alloc(got % 2 ? 40 : 4000)) != NULL) got++;
        CHECK(got == n);
        CHECK(message_has("injected"));
        CHECK(pa_mem.fail_after < 0); /* only once */
        for (int i = 0; i < got; i++) pa_mem_free(held[i], i % 2 ? 40 : 4000);
    }
    CHECK(pa_mem_live_bytes() == bytes);
}

static void a_list_grows_and_keeps_what_it_has(void) {
    int64_t *list = NULL;
    size_t capacity = 0;
    bool intact = true;
    for (size_t i = 0; i < 1000; i++) {
        CHECK_OK(pa_mem_reserve(&list, &capacity, i + 1, sizeof *list));
        list[i] = (int64_t)i;
    }
    for (size_t i = 0; i < 1000; i++) intact &= list[i] == (int64_t)i;
    CHECK(intact);
    int64_t *before = list;
    size_t capacity_before = capacity;
    pa_mem.fail_after = 0;
    CHECK(pa_mem_reserve(&list, &capacity, capacity + 1, sizeof *list) == PA_MEMORY);
    CHECK(list == before && capacity == capacity_before);
    pa_mem_free_array(list, capacity, sizeof *list);
}

void test_memory(void) {
    every_size_is_usable_and_aligned();
    blocks_do_not_overlap();
    a_freed_block_is_handed_out_again();
    the_cache_is_capped_and_given_back();
    sizes_that_overflow_are_refused();
    the_nth_allocation_fails_on_demand();
    a_list_grows_and_keeps_what_it_has();
}
