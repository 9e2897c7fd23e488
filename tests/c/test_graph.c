/* Nodes and storages: making, linking, sharing and letting go, with every allocation made to fail in turn. */
#include "graph.h"

#include <stdint.h>
#include <string.h>

#include "check.h"

static void a_value_holds_its_number(void) {
    pa_node *node = NULL;
    CHECK_OK(pa_value_new(2.5, &node));
    CHECK(node->ndim == 0 && node->array == NULL && pa_node_number(node) == 2.5);
    CHECK(pa_node_is_leaf(node) && pa_node_numel(node) == 1);
    pa_node_release(node);
}

static void an_array_has_shape_strides_and_aligned_bytes(void) {
    const int64_t shape[] = {2, 3, 4};
    pa_node *node = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT32, 3, shape, &node));
    CHECK(pa_node_numel(node) == 24);
    CHECK(pa_node_strides(node)[0] == 12 && pa_node_strides(node)[1] == 4 && pa_node_strides(node)[2] == 1);
    CHECK((uintptr_t)pa_node_data(node) % PA_MEM_ALIGN == 0);
    CHECK(pa_node_is_contiguous(node));
    memset(pa_node_data(node), 0, 24 * sizeof(float));
    pa_node_release(node);
}

static void empty_arrays_are_made_and_impossible_ones_refused(void) {
    const int64_t empty[] = {3, 0, 2}, huge[] = {INT64_MAX / 2, 3}, huge_empty[] = {INT64_MAX / 2, 3, 0};
    const int64_t many[PA_MAX_NDIM + 1] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    pa_node *node = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT64, 3, empty, &node));
    CHECK(pa_node_numel(node) == 0 && pa_node_is_contiguous(node));
    pa_node_release(node);
    CHECK(pa_node_new(PA_FLOAT32, 2, huge, &node) == PA_MEMORY);
    CHECK(message_has("shape (4611686018427387903, 3)"));
    CHECK(pa_node_new(PA_FLOAT32, 3, huge_empty, &node) == PA_MEMORY);
    CHECK(pa_node_new(PA_FLOAT32, PA_MAX_NDIM + 1, many, &node) == PA_VALUE);
    CHECK(message_has("9 axes"));
}

static void a_view_shares_and_keeps_the_storage(void) {
    const int64_t shape[] = {2, 3}, turned[] = {3, 2}, strides[] = {1, 3};
    pa_node *base = NULL, *view = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT32, 2, shape, &base));
    float *data = (float *)pa_node_data(base);
    for (int i = 0; i < 6; i++) data[i] = (float)i;
    CHECK_OK(pa_node_over(PA_FLOAT32, 2, turned, strides, base->array->storage, base->array->data, &view));
    CHECK(!pa_node_is_contiguous(view) && !pa_same_shape(base, view));
    CHECK(base->array->storage->refs == 2);
    pa_node_release(base);
    CHECK(((float *)pa_node_data(view))[5] == 5.0f);
    pa_node_release(view);
}

static void a_child_holds_its_parents(void) {
    pa_node *a = NULL, *b = NULL, *child = NULL;
    CHECK_OK(pa_value_new(1, &a));
    CHECK_OK(pa_value_new(2, &b));
    CHECK_OK(pa_value_new(3, &child));
    pa_node *const parents[] = {a, b};
    CHECK_OK(pa_node_link(child, PA_OP_add, 2, parents));
    CHECK(pa_graph.newest == child && (child->flags & PA_LISTED));
    pa_node_release(a);
    pa_node_release(b);
    CHECK(pa_node_number(pa_node_parent(child, 0)) == 1 && pa_node_number(pa_node_parent(child, 1)) == 2);
    pa_node_unlink(child);
    CHECK(child->n_parents == 0 && pa_node_number(child) == 3);
    CHECK(pa_graph.newest != child);
    pa_node_release(child);
}

static void a_node_may_have_many_parents_and_one_twice(void) {
    enum { COUNT = 1000 };
    pa_node *parents[COUNT], *child = NULL;
    CHECK_OK(pa_value_new(1, &parents[0]));
    CHECK_OK(pa_value_new(2, &parents[1]));
    for (int i = 2; i < COUNT; i++) parents[i] = parents[i % 2];
    const int64_t shape[] = {COUNT};
    CHECK_OK(pa_node_new(PA_FLOAT64, 1, shape, &child));
    CHECK_OK(pa_node_link(child, PA_OP_cat, COUNT, parents));
    CHECK(parents[0]->refs == 1 + COUNT / 2);
    pa_node_release(parents[0]);
    pa_node_release(parents[1]);
    pa_node_release(child);
}

enum { LENGTH = 1000000 }; /* of a chain that the default stack would not hold, if freeing it recursed */

static pa_node *chain(void) {
    pa_node *last = NULL;
    CHECK_OK(pa_value_new(0, &last));
    for (int i = 1; i < LENGTH; i++) {
        pa_node *next = NULL;
        if (pa_value_new(i, &next) != PA_OK || pa_node_link(next, PA_OP_neg, 1, &last) != PA_OK) {
            CHECK(!"out of memory");
            break;
        }
        pa_node_release(last);
        last = next;
    }
    return last;
}

static void a_chain_of_a_million_is_freed(void) {
    int64_t nodes = pa_graph.live_nodes;
    pa_node *last = chain();
    CHECK(pa_graph.live_nodes == nodes + LENGTH);
    pa_node_release(last);
    CHECK(pa_graph.live_nodes == nodes);
    CHECK(pa_graph.newest == NULL);
}

static void unlinking_frees_a_chain_of_a_million(void) {
    int64_t nodes = pa_graph.live_nodes;
    pa_node *last = chain();
    pa_node_unlink(last);
    CHECK(pa_node_number(last) == LENGTH - 1 && pa_graph.live_nodes == nodes + 1);
    pa_node_release(last);
}

static void failing_allocations_leave_nothing_behind(void) {
    const int64_t shape[] = {5, 5};
    int64_t bytes = pa_mem_live_bytes(), nodes = pa_graph.live_nodes, storages = pa_graph.live_storages;
    int tried = 0;
    for (pa_status status = PA_MEMORY; status != PA_OK; tried++) {
        pa_node *node = NULL;
        pa_mem.fail_after = tried;
        status = pa_node_new(PA_FLOAT32, 2, shape, &node);
        pa_mem.fail_after = -1;
        if (status == PA_OK) pa_node_release(node);
        CHECK(status == PA_OK || status == PA_MEMORY);
        CHECK(pa_mem_live_bytes() == bytes && pa_graph.live_nodes == nodes && pa_graph.live_storages == storages);
    }
    CHECK(tried >= 2);
}

static void writes_are_versioned_and_guarded(void) {
    const int64_t shape[] = {3}, strides[] = {0};
    pa_node *node = NULL, *expanded = NULL;
    CHECK_OK(pa_node_new(PA_FLOAT32, 1, shape, &node));
    uint32_t version = node->array->storage->version;
    CHECK_OK(pa_node_begin_write(node, "add_"));
    pa_node_end_write(node);
    CHECK(node->array->storage->version == version + 1);
    node->flags |= PA_REQUIRES_GRAD;
    CHECK(pa_node_begin_write(node, "add_") == PA_RUNTIME);
    CHECK(message_has("add_") && message_has("(3,)"));
    pa_grad_enable(false);
    CHECK_OK(pa_node_begin_write(node, "add_"));
    pa_grad_enable(true);
    CHECK_OK(pa_node_over(PA_FLOAT32, 1, shape, strides, node->array->storage, node->array->data, &expanded));
    CHECK(pa_node_begin_write(expanded, "mul_") == PA_RUNTIME);
    CHECK(message_has("expanded"));
    pa_node_release(expanded);
    pa_node_release(node);
}

static void shapes_read_as_python_writes_them(void) {
    const int64_t shape[] = {3, 4};
    CHECK(strcmp(pa_shape_text(0, NULL), "()") == 0);
    CHECK(strcmp(pa_shape_text(1, shape), "(3,)") == 0);
    CHECK(strcmp(pa_shape_text(2, shape), "(3, 4)") == 0);
}

void test_graph(void) {
    a_value_holds_its_number();
    an_array_has_shape_strides_and_aligned_bytes();
    empty_arrays_are_made_and_impossible_ones_refused();
    a_view_shares_and_keeps_the_storage();
    a_child_holds_its_parents();
    a_node_may_have_many_parents_and_one_twice();
    a_chain_of_a_million_is_freed();
    unlinking_frees_a_chain_of_a_million();
    failing_allocations_leave_nothing_behind();
    writes_are_versioned_and_guarded();
    shapes_read_as_python_writes_them();
}
