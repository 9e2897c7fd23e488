/* Scalars made: from leaves, from constants, by ops; and carried from one segment of the code to the next. */
#include "lower_scalars.h"

pa_status pa_scalar_new(pa_scalars *l, pa_register reg, int32_t identity, bool flows, int32_t *out) {
    PA_TRY(pa_mem_reserve(&l->all, &l->capacity, l->n + 1, sizeof *l->all));
    int32_t scalar = (int32_t)l->n++, segment = (int32_t)l->values->n_segments - 1;
    l->all[scalar] = (pa_scalar){identity < 0 ? scalar : identity, segment, reg, segment, reg, flows};
    *out = scalar;
    return PA_OK;
}

pa_status pa_scalar_register(pa_scalars *l, int32_t scalar, pa_register *out) {
    pa_scalar *s = &l->all[scalar];
    int32_t now = (int32_t)l->values->n_segments - 1;
    if (s->used_by != now) {
        pa_values_segment *to = pa_scalars_segment(l);
        PA_TRY(pa_mem_reserve(&to->crossings, &to->crossings_capacity, to->n_crossings + 1, sizeof *to->crossings));
        PA_TRY(pa_straightline_leaf(to->code, &s->used_as));
        PA_TRY(pa_straightline_keep(l->values->segments[s->segment].code, s->reg));
        to->crossings[to->n_crossings++] = (pa_values_crossing){s->segment, s->reg, s->used_as, NULL, NULL};
        s->used_by = now;
    }
    *out = s->used_as;
    return PA_OK;
}

pa_status pa_scalar_constant(pa_scalars *l, double value, int32_t *out) {
    pa_register reg;
    PA_TRY(pa_straightline_constant(pa_scalars_segment(l)->code, value, &reg));
    return pa_scalar_new(l, reg, -1, false, out);
}

pa_status pa_scalar_apply(pa_scalars *l, pa_op op, const int32_t *in, int n, const double *params, bool flows,
                          int32_t *out) {
    pa_register operands[PA_MAX_OPERANDS], reg;
    for (int i = 0; i < n; i++) PA_TRY(pa_scalar_register(l, in[i], &operands[i]));
    PA_TRY(pa_straightline_apply(pa_scalars_segment(l)->code, op, operands, params, &reg));
    return pa_scalar_new(l, reg, -1, flows, out);
}

pa_status pa_scalar_load(pa_scalars *l, int32_t buffer, pa_dtype dtype, int64_t offset, bool flows, int32_t *out) {
    pa_values_segment *s = pa_scalars_segment(l);
    pa_register reg;
    PA_TRY(pa_mem_reserve(&s->loads, &s->loads_capacity, s->n_loads + 1, sizeof *s->loads));
    PA_TRY(pa_straightline_leaf(s->code, &reg));
    s->loads[s->n_loads++] = (pa_values_move){buffer, (int32_t)dtype, offset, NULL, reg};
    return pa_scalar_new(l, reg, -1, flows, out);
}

pa_status pa_scalar_store(pa_scalars *l, int32_t scalar, int32_t buffer, pa_dtype dtype, int64_t offset) {
    const pa_scalar *from = &l->all[scalar];
    pa_values_segment *s = &l->values->segments[from->segment];
    PA_TRY(pa_mem_reserve(&s->stores, &s->stores_capacity, s->n_stores + 1, sizeof *s->stores));
    PA_TRY(pa_straightline_keep(s->code, from->reg));
    s->stores[s->n_stores++] = (pa_values_move){buffer, (int32_t)dtype, offset, NULL, from->reg};
    return PA_OK;
}

pa_status pa_scalars_new_elements(pa_scalars *l, int32_t variable, int32_t **out) {
    size_t n = (size_t)pa_node_numel(l->log->variables[variable].node);
    PA_FAIL_IF(l->n_elements + n > INT32_MAX / 2, PA_UNSUPPORTED, "compile: a step of more than %d numbers",
               INT32_MAX / 2);
    PA_TRY(pa_mem_reserve(&l->elements, &l->elements_capacity, l->n_elements + n, sizeof *l->elements));
    l->variables[variable].at = (int32_t)l->n_elements;
    *out = l->elements + l->n_elements;
    l->n_elements += n;
    return PA_OK;
}

/* Where element i, in logical order, of a node stands: bytes from its data. */
static int64_t element_offset(const pa_node *node, int64_t i) {
    int64_t offset = 0;
    for (int axis = node->ndim - 1; axis >= 0; axis--) {
        offset += i % node->array->shape[axis] * node->array->strides[axis];
        i /= node->array->shape[axis];
    }
    return offset * (int64_t)pa_dtype_size(node->dtype);
}

static pa_status read_constant(pa_scalars *l, const pa_node *node, int64_t offset, bool flows, int32_t *out) {
    double value = 0;
    pa_k->convert[node->dtype][PA_FLOAT64](&value, pa_node_data(node) + offset, 1, 1);
    PA_TRY(pa_scalar_constant(l, value, out));
    l->all[*out].flows = flows;
    return PA_OK;
}

pa_status pa_scalars_need(pa_scalars *l, int32_t variable) {
    if (l->variables[variable].at >= 0) return PA_OK;
    const pa_variable *v = &l->log->variables[variable];
    bool is_constant = v->kind == PA_VARIABLE_CONSTANT;
    const pa_node *node = is_constant ? v->constant : v->node;
    bool flows = is_constant ? l->variables[variable].gradient_is_read : (node->flags & PA_IS_VALUE) != 0;
    int32_t *out = NULL, buffer = -1;
    if (!is_constant) PA_TRY(pa_lower_leaf(&l->lowering, variable, &buffer));
    PA_TRY(pa_scalars_new_elements(l, variable, &out));
    for (int64_t i = 0; i < pa_node_numel(node); i++) {
        int64_t offset = element_offset(node, i);
        if (is_constant)
            PA_TRY(read_constant(l, node, offset, flows, &out[i]));
        else
            PA_TRY(pa_scalar_load(l, buffer, node->dtype, offset, flows, &out[i]));
    }
    return PA_OK;
}
