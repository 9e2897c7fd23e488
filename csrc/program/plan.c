/* The memory plan: how long each buffer lives, and where in the arena it stands meanwhile.

   Buffers are placed in the order of their sizes, the largest first, each at the lowest offset where no buffer stands
   that lives at the same time. Comparing each with all takes long where there are thousands: the smallest then share
   nothing. An elementwise op may write where an operand stood that dies there, for its loop reads each element before
   it writes it. */
#include "passes.h"

#include <stdlib.h>

#include "../kernels/ops.h"
#include "instruction.h"

enum { ALIGN = 64, MOST_COMPARED = 4096 };

static bool in_arena(const pa_buffer *b) { return b->kind == PA_BUFFER_ARENA && b->first >= 0; }

static size_t padded(const pa_buffer *b) { return (b->bytes + ALIGN - 1) / ALIGN * ALIGN; }

static int by_size(const void *x, const void *y) {
    const pa_buffer *a = *(pa_buffer *const *)x, *b = *(pa_buffer *const *)y;
    if (a->bytes != b->bytes) return a->bytes < b->bytes ? 1 : -1;
    return a < b ? -1 : a > b;
}

static int by_offset(const void *x, const void *y) {
    const pa_buffer *a = *(pa_buffer *const *)x, *b = *(pa_buffer *const *)y;
    return a->offset < b->offset ? -1 : a->offset > b->offset;
}

/* Two buffers may share bytes when one is dead before the other is born; where both meet in one elementwise op, too,
   if they begin at the same place: then the second takes over from the first. */
static bool meet(const pa_program *p, const pa_buffer *a, const pa_buffer *b) {
    if (a->last < b->first || b->last < a->first) return false;
    const pa_buffer *older = a->first < b->first ? a : b, *younger = a->first < b->first ? b : a;
    if (older->last != younger->first || older->bytes != younger->bytes) return true;
    const pa_instruction *i = &p->code[younger->first];
    bool takes_over = i->kind == PA_DO_MAP && p->buffers + p->buffer_of[i->node] == younger;
    return !takes_over;
}

static bool overlap(const pa_buffer *a, size_t offset, size_t bytes) {
    return a->offset < offset + bytes && offset < a->offset + padded(a);
}

/* The lowest place for a buffer among those placed that live at the same time, given in the order of their offsets. */
static size_t find_place(const pa_program *p, const pa_buffer *b, pa_buffer **placed, int32_t n, pa_buffer **meeting) {
    int32_t k = 0;
    for (int32_t i = 0; i < n; i++)
        if (meet(p, placed[i], b)) meeting[k++] = placed[i];
    qsort(meeting, (size_t)k, sizeof *meeting, by_offset);
    size_t offset = 0;
    for (int32_t i = 0; i < k; i++) {
        if (!overlap(meeting[i], offset, padded(b))) {
            if (meeting[i]->offset >= offset + padded(b)) break;
            continue;
        }
        offset = meeting[i]->offset + padded(meeting[i]);
    }
    /* A partial overlap with a buffer that it takes over from would mix their elements. */
    for (int32_t i = 0; i < n; i++) {
        const pa_buffer *other = placed[i];
        bool touching = !(other->last < b->first || b->last < other->first);
        if (touching && overlap(other, offset, padded(b)) && other->offset != offset) return SIZE_MAX;
    }
    return offset;
}

static void place_all(pa_program *p, pa_buffer **order, int32_t n, pa_buffer **meeting, bool share) {
    size_t end = 0;
    for (int32_t i = 0; i < n; i++) {
        size_t offset = share && i < MOST_COMPARED ? find_place(p, order[i], order, i, meeting) : end;
        if (offset == SIZE_MAX) offset = end;
        order[i]->offset = offset;
        order[i]->room = padded(order[i]);
        if (offset + padded(order[i]) > end) end = offset + padded(order[i]);
    }
    p->arena_bytes = end;
}

size_t pa_plan_scratch(const pa_program *p) {
    size_t most = 0;
    for (const pa_instruction *i = p->code; i < p->code + p->n_code; i++) {
        if (i->kind != PA_DO_FORWARD && i->kind != PA_DO_BACKWARD) continue;
        size_t bytes = pa_node_scratch(p->nodes[i->node]);
        if (bytes > most) most = bytes;
    }
    return most;
}

pa_status pa_pass_plan(pa_program *p) {
    pa_program_find_lives(p);
    size_t room = (size_t)p->n_buffers + 1;
    pa_buffer **order = pa_mem_alloc_array(room, sizeof *order), **meeting = pa_mem_alloc_array(room, sizeof *meeting);
    pa_status status = order == NULL || meeting == NULL ? PA_MEMORY : PA_OK;
    if (status == PA_OK) {
        int32_t n = 0;
        p->tensor_bytes = 0;
        for (int32_t b = 0; b < p->n_buffers; b++) {
            if (!in_arena(&p->buffers[b])) continue;
            order[n++] = &p->buffers[b];
            p->tensor_bytes += padded(&p->buffers[b]);
        }
        qsort(order, (size_t)n, sizeof *order, by_size);
        place_all(p, order, n, meeting, (p->passes & PA_PASS_PLAN) != 0);
        size_t scratch = pa_plan_scratch(p);
        if (scratch < p->scratch_bytes) scratch = p->scratch_bytes;
        pa_storage *arena = NULL, *before = p->arena;
        status = pa_storage_new((p->arena_bytes + ALIGN - 1) / ALIGN * ALIGN + scratch, &arena);
        if (status == PA_OK) {
            p->scratch_bytes = scratch;
            pa_program_move(p, arena);
            pa_storage_release(before);
        }
    }
    pa_mem_free_array(order, room, sizeof *order);
    pa_mem_free_array(meeting, room, sizeof *meeting);
    return status;
}
