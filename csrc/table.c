/* The memory of a hash table, and its clearing. */
#include "table.h"

#include <string.h>

static size_t entries_for(size_t n) {
    size_t entries = 16;
    while (entries < 2 * n) entries *= 2;
    return entries;
}

pa_status pa_table_new(pa_table *table, size_t most) {
    size_t room = entries_for(most);
    table->ids = pa_mem_alloc_array(room, sizeof *table->ids);
    if (table->ids == NULL) return PA_MEMORY;
    table->room = room;
    pa_table_clear(table, most);
    return PA_OK;
}

void pa_table_free(pa_table *table) { pa_mem_free_array(table->ids, table->room, sizeof *table->ids); }

void pa_table_clear(pa_table *table, size_t n) {
    table->mask = entries_for(n) - 1;
    memset(table->ids, 0xff, (table->mask + 1) * sizeof *table->ids);
}
