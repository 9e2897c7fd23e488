/* The core without Python: this program links every C file but those of csrc/python/, runs the groups of tests below
   and prints how many checks passed. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "graph.h"
#include "kernels/kernels.h"
#include "memory.h"

static int passed, failed;

void check_result(bool result, const char *what, const char *file, int line) {
    if (result) {
        passed++;
        return;
    }
    failed++;
    printf("%s:%d: %s does not hold\n", file, line, what);
}

void check_status(pa_status status, const char *what, const char *file, int line) {
    check_result(status == PA_OK, what, file, line);
    if (status != PA_OK) printf("    status %d: %s\n", (int)status, pa_status_message());
}

bool message_has(const char *part) { return strstr(pa_status_message(), part) != NULL; }

uint64_t check_seed = 1;

uint64_t check_random(void) {
    check_seed = check_seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return check_seed;
}

double check_uniform(void) { return (double)(int64_t)check_random() / 0x1p63; }

int main(void) {
    setvbuf(stdout, NULL, _IOLBF, 0); /* what was said stays said when a test crashes */
    static const struct {
        const char *name;
        void (*run)(void);
    } groups[] = {
        {"memory", test_memory},
        {"ops", test_ops},
        {"graph", test_graph},
        {"kernels", test_kernels},
        {"engine", test_engine},
        {"program", test_program},
        {"straightline", test_straightline},
    };
    CHECK_OK(pa_isa_select(NULL));
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) {
        int before = failed;
        int64_t nodes = pa_graph.live_nodes, storages = pa_graph.live_storages;
        groups[i].run();
        CHECK(pa_graph.live_nodes == nodes);
        CHECK(pa_graph.live_storages == storages);
        if (failed > before) printf("FAILED: %s\n", groups[i].name);
    }
    pa_mem_trim();
    CHECK(pa_mem.cached_bytes == 0);
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
