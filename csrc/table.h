/* A hash table from whatever the caller knows by a number to that number: open addressing over int32 ids.

       ids    │ -1 │  7 │  2 │ -1 │ … │      a power of two of entries, -1 where free, at most half of them taken
                     ▲ first entry of a hash; the next one is behind it, and the last one is followed by the first

   The table knows neither keys nor hashes: the caller compares with what it keeps under an id, and writes the id of
   what was not found into the free entry where the search ended.

       int32_t *entry = pa_table_first(&table, hash);
       while (*entry >= 0 && !same(*entry)) entry = pa_table_next(&table, entry);
       if (*entry < 0) *entry = id; */
#ifndef PA_TABLE_H
#define PA_TABLE_H

#include "memory.h"

typedef struct pa_table {
    int32_t *ids;
    size_t room; /* entries that there is memory for */
    size_t mask; /* entries in use, less one */
} pa_table;

/* An empty table with room for `most` ids. */
pa_status pa_table_new(pa_table *table, size_t most);
void pa_table_free(pa_table *table);

/* Empties the table for the next use, of up to n ids: only as many entries as these need are cleared. */
void pa_table_clear(pa_table *table, size_t n);

static inline int32_t *pa_table_first(const pa_table *table, uint64_t hash) {
    return table->ids + (hash & table->mask);
}
static inline int32_t *pa_table_next(const pa_table *table, int32_t *entry) {
    return entry == table->ids + table->mask ? table->ids : entry + 1;
}

/* The hash of a sequence that begins with the hash `hash` and goes on with x. */
static inline uint64_t pa_hash_mix(uint64_t hash, uint64_t x) {
    hash = (hash ^ x) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

#endif
