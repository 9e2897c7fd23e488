/* Random numbers: a stream a thread, and streams that stand alone; the same on every machine and instruction set.

   Number i of the stream is a function of the seed and i alone (SplitMix64: Steele, Lea, Flood, "Fast splittable
   pseudorandom number generators", 2014), so the state is two integers, and saving it, restoring it or skipping ahead
   costs nothing. */
#ifndef PA_RANDOM_H
#define PA_RANDOM_H

#include "../graph.h"

typedef struct pa_random_state {
    uint64_t seed;
    uint64_t counter; /* numbers drawn since the seed was set */
} pa_random_state;

/* What a thread knows of its stream. */
typedef struct pa_random_thread {
    pa_random_state stream;
    uint64_t epoch; /* of the process's seed that it follows from; 0: none yet */
    uint64_t is_set;
} pa_random_thread;

/* The stream of the calling thread. Where the thread has not set it, it follows from the seed of the process. */
pa_random_state *pa_random_here(void);

/* Sets the calling thread's stream; `of_process`: and, by its seed, those of all threads that have not set theirs. */
void pa_random_set_here(pa_random_state state, bool of_process);

/* Gives the calling thread another stream, and what it had. */
void pa_random_swap(pa_random_thread *other);

/* These fill a contiguous node. uniform: [low, high), 24 bits in float32 and 53 in float64; normal: Box-Muller;
   integers: [low, high); permutation: 0 … n - 1 in random order. They fail where the dtype or the bounds do not fit,
   with no number used up. */
pa_status pa_random_uniform(pa_random_state *stream, pa_node *node, double low, double high);
pa_status pa_random_normal(pa_random_state *stream, pa_node *node, double mean, double std);
pa_status pa_random_integers(pa_random_state *stream, pa_node *node, int64_t low, int64_t high);
pa_status pa_random_permutation(pa_random_state *stream, pa_node *node);

#endif
