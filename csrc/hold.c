/* The nodes of work without the GIL, the holds under way, and what is left of them after a fork. */
#include "hold.h"

#include <time.h>

uint32_t pa_process = 1;

static pa_hold *newest;
static _Thread_local char here; /* its address tells threads apart, also after a fork */

pa_status pa_hold_add(pa_hold *hold, pa_node *node, unsigned how) {
    PA_TRY(pa_mem_reserve(&hold->held, &hold->capacity, hold->n + 1, sizeof *hold->held));
    pa_storage *storage = pa_node_storage(node);
    if (storage != NULL) pa_storage_retain(storage);
    hold->held[hold->n++] = (pa_held){pa_node_retain(node), storage, how};
    return PA_OK;
}

static void mark(const pa_hold *hold, bool on) {
    for (size_t i = 0; i < hold->n; i++) {
        pa_node *node = hold->held[i].node;
        pa_storage *storage = hold->held[i].storage;
        unsigned how = hold->held[i].how;
        if (how & PA_HOLD_NODE) node->flags = (uint16_t)(on ? node->flags | PA_BUSY : node->flags & ~PA_BUSY);
        if (storage != NULL && how & PA_HOLD_READ) storage->readers += on ? 1 : -1;
        if (storage != NULL && how & PA_HOLD_WRITE) storage->writer = on;
    }
}

void pa_hold_begin(pa_hold *hold) {
    mark(hold, true);
    hold->thread = &here;
    hold->older = newest;
    hold->newer = NULL;
    if (newest != NULL) newest->newer = hold;
    newest = hold;
}

void pa_hold_end(pa_hold *hold) {
    if (hold->thread == NULL) return;
    hold->thread = NULL;
    if (hold->older != NULL) hold->older->newer = hold->newer;
    if (hold->newer != NULL)
        hold->newer->older = hold->older;
    else
        newest = hold->older;
    mark(hold, false);
}

void pa_hold_free(pa_hold *hold) {
    pa_hold_end(hold);
    pa_hold gone = *hold; /* letting go may run Python */
    *hold = (pa_hold){0};
    for (size_t i = 0; i < gone.n; i++) {
        pa_storage_release(gone.held[i].storage);
        pa_node_release(gone.held[i].node);
    }
    pa_mem_free(gone.held, gone.capacity * sizeof *gone.held);
}

double pa_now_ms(void) {
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

void pa_hold_after_fork(void) {
    if (++pa_process == 0) pa_process = 1;
    for (pa_hold *hold = newest, *older; hold != NULL; hold = older) {
        older = hold->older;
        if (hold->thread != &here) pa_hold_free(hold);
    }
    pa_graph_after_fork();
}
