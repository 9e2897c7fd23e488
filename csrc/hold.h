/* What work without the GIL uses, and what others must keep their hands off meanwhile.

   Each node is held, so that whatever others let go of stays until the end, and marked, so that nobody writes what is
   read or touches what is written; they get a RuntimeError instead.

       pa_hold_add(node, how) … ── pa_hold_begin ──▶ GIL released, work, GIL taken ──▶ pa_hold_end ── pa_hold_free

   Holds under way stand in a list. In the child of a fork nobody works on but the thread that forked: there
   pa_hold_after_fork ends the holds of all others, whose marks would otherwise stay for ever. */
#ifndef PA_HOLD_H
#define PA_HOLD_H

#include "graph.h"

enum pa_hold_how {
    PA_HOLD_READ = 1,  /* its bytes are read */
    PA_HOLD_WRITE = 2, /* its bytes are written */
    PA_HOLD_NODE = 4   /* the node itself: the number and the gradient in it */
};

typedef struct pa_held {
    pa_node *node;
    pa_storage *storage; /* as it was when it was added; NULL for a number that stands in its node */
    unsigned how;
} pa_held;

typedef struct pa_hold {
    pa_held *held;
    size_t n, capacity;
    const void *thread;            /* whose it is; NULL while it is not under way */
    struct pa_hold *older, *newer; /* the list of those under way */
} pa_hold;

pa_status pa_hold_add(pa_hold *hold, pa_node *node, unsigned how);

void pa_hold_begin(pa_hold *hold); /* marks all of them */
void pa_hold_end(pa_hold *hold);   /* and clears the marks */
void pa_hold_free(pa_hold *hold);  /* lets go of them; fine without a beginning */

/* How often work without the GIL asks whether there was a signal, and the clock it goes by. */
enum { PA_POLL_MS = 50 };
double pa_now_ms(void);

/* In the child of a fork, with the GIL. */
void pa_hold_after_fork(void);

/* Counts forks: what is marked with another number was marked by a thread that is no more. Never 0. */
PA_INTERNAL extern uint32_t pa_process;

#endif
