"""Hooks of tensors see, and may change, the gradients that a backward makes."""

import copy
import gc
import weakref

import pytest
from functions import double

import pyautograd as pa


def leaf():
    return pa.tensor([1.0, 2.0], requires_grad=True)


def test_a_result_s_hook_sees_the_whole_gradient_before_it_goes_further():
    x, seen = leaf(), []
    y = x * 1
    y.register_hook(seen.append)
    (y * 2 + y * 3).sum().backward()
    assert [each.tolist() for each in seen] == [[5, 5]] and x.grad.tolist() == [5, 5]


def test_hooks_run_in_order_and_each_gets_what_the_last_one_returned():
    x, seen = leaf(), []
    y = x * 1
    y.retain_grad()
    for factor in (2, 3):
        y.register_hook(lambda g, factor=factor: seen.append(g.tolist()) or g * factor)
    y.register_hook(seen.append)
    y.sum().backward()
    assert seen[:2] == [[1, 1], [2, 2]] and seen[2].tolist() == x.grad.tolist() == y.grad.tolist() == [6, 6]


def test_a_leaf_s_hook_changes_what_is_added_and_not_what_was_there():
    x = leaf()
    x.register_hook(lambda g: 10 * g)
    for expected in (10, 20):
        x.sum().backward()
        assert x.grad.tolist() == [expected, expected]


def test_gradients_that_are_asked_for_have_been_through_the_hooks():
    x = leaf()
    y = x * 1
    x.register_hook(lambda g: g * 2)
    y.register_hook(lambda g: g * 5)
    after = []
    x.register_post_accumulate_grad_hook(after.append)
    assert [g.tolist() for g in pa.autograd.grad(y.sum(), [x, y])] == [[10, 10], [5, 5]]
    assert not after and x.grad is None


def test_a_hook_of_a_leaf_that_is_not_asked_for_does_not_run():
    x, w, seen = leaf(), leaf(), []
    w.register_hook(seen.append)
    pa.autograd.grad((x * w).sum(), x)
    assert not seen


def test_a_handle_takes_its_hook_away_and_no_other():
    x, seen = leaf(), []
    handles = [x.register_hook(lambda g, name=name: seen.append(name)) for name in "abc"]
    handles[1].remove()
    handles[1].remove()
    x.sum().backward()
    assert seen == ["a", "c"]


def test_post_accumulate_hooks_may_update_the_leaf_they_are_given():
    x = leaf()

    def update(tensor):
        assert tensor is x
        tensor -= tensor.grad
        tensor.grad = None

    x.register_post_accumulate_grad_hook(update)
    for _ in range(2):
        (x * x).sum().backward()
    assert x.tolist() == [1, 2] and x.grad is None


def test_hooks_stay_with_the_result_that_an_update_in_place_replaces():
    x, seen = leaf(), []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.tolist()))
    y *= 3
    y.sum().backward()
    assert seen == [[3, 3]]


def test_hooks_outlive_the_object_of_their_tensor_and_go_with_its_node():
    def hook(gradient):
        return gradient * 2

    x = leaf()
    y = (x * 1).exp()
    inner = x * 1
    inner.register_hook(hook)
    y = inner.sum()
    watched = weakref.ref(hook)
    del inner, hook
    y.backward(retain_graph=True)
    assert x.grad.tolist() == [2, 2]
    del y
    gc.collect()
    assert watched() is None


def test_a_hook_that_raises_leaves_all_gradients_as_they_were():
    x, w = leaf(), leaf()
    x.register_hook(lambda g: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        (double(x) * w).sum().backward()
    assert x.grad is None and w.grad is None


@pytest.mark.parametrize(
    "returned, error, text",
    [(pa.ones(3), RuntimeError, r"shape \(3,\) for one of \(2,\)"), (2.0, TypeError, "returned a float")],
)
def test_what_is_no_gradient_is_refused(returned, error, text):
    x = leaf()
    x.register_hook(lambda g: returned)
    with pytest.raises(error, match=text):
        x.sum().backward()


def test_what_has_no_gradient_takes_no_hooks():
    with pytest.raises(RuntimeError, match="does not require grad"):
        pa.ones(2).register_hook(print)
    with pytest.raises(RuntimeError, match="is no leaf"):
        (leaf() * 2).register_post_accumulate_grad_hook(print)
    with pytest.raises(TypeError, match="a function is wanted"):
        leaf().register_hook(3)


def test_hooks_are_not_copied():
    x, seen = leaf(), []
    x.register_hook(seen.append)
    copied = x.clone().detach().requires_grad_()
    for each in (copied, copy.copy(x), copy.deepcopy(x)):
        each.sum().backward()
    assert not seen


def test_a_hook_may_run_a_backward_of_its_own():
    x, other = leaf(), leaf()

    def hook(gradient):
        with pa.enable_grad():
            (other * gradient).sum().backward()

    x.register_hook(hook)
    (x * 3).sum().backward()
    assert other.grad.tolist() == [3, 3]
    y = x * 1
    total = y.sum()
    handle = y.register_hook(lambda g: pa.autograd.grad(total, x) and None)
    with pytest.raises(RuntimeError, match="running through this graph"):
        y.sum().backward()
    handle.remove()


def test_a_hook_of_a_leaf_runs_in_the_backward_through_a_compiled_step():
    x = leaf()
    x.register_hook(lambda g: g * 2)
    step = pa.compile(lambda: (x * x).sum())
    for _ in range(3):
        x.grad = None
        step().backward()
        assert x.grad.tolist() == [4, 8]
