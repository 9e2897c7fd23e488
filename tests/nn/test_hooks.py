"""Hooks of modules run around `forward`, in PyTorch's order, also in containers and in compiled steps."""

import copy

import pytest

import pyautograd as pa
from pyautograd import nn


class Scale(nn.Module):
    def forward(self, x, by=2.0):
        return x * by


ONE = pa.ones(1)


def test_hooks_run_in_the_order_of_their_registration_but_for_those_in_front():
    module, order = Scale(), []
    for name, prepend in (("a", False), ("b", False), ("c", True)):
        module.register_forward_pre_hook(lambda m, args, name=name: order.append(f"pre {name}"), prepend=prepend)
        module.register_forward_hook(lambda m, args, out, name=name: order.append(name), prepend=prepend)
    module(ONE)
    assert order == ["pre c", "pre a", "pre b", "c", "a", "b"]


@pytest.mark.parametrize("returned, expected", [(None, 2), (pa.full((1,), 5.0), 10), ((pa.full((1,), 5.0), 3.0), 15)])
def test_a_pre_hook_may_give_other_arguments(returned, expected):
    module = Scale()
    module.register_forward_pre_hook(lambda m, args: returned)
    assert module(ONE).tolist() == [expected]


def test_hooks_with_keywords_see_them_and_may_change_them():
    module, seen = Scale(), []
    module.register_forward_pre_hook(lambda m, args, kwargs: (args, {"by": kwargs["by"] + 1}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kwargs, out: seen.append((kwargs, out.item())), with_kwargs=True)
    assert module(ONE, by=3.0).tolist() == [4] and seen == [({"by": 4.0}, 4.0)]
    module.register_forward_pre_hook(lambda m, args, kwargs: args, with_kwargs=True)
    with pytest.raises(RuntimeError, match=r"returns None or \(args, kwargs\), not tuple"):
        module(ONE, by=3.0)


def test_a_forward_hook_may_give_another_output_until_it_is_removed():
    model = nn.Sequential(Scale(), Scale())
    plain = model[0]._calls_forward
    with model[0].register_forward_hook(lambda m, args, out: -out) as handle:
        assert model(ONE).tolist() == [-4] and model[0](ONE).tolist() == [-2]
    assert model(ONE).tolist() == [4]
    handle.remove()
    assert model[0]._calls_forward is plain is True and "_hooks" not in vars(model[0])


def test_a_copy_of_a_module_has_its_hooks():
    module = Scale()
    handle = module.register_forward_hook(lambda m, args, out: -out)
    copied = copy.deepcopy(module)
    handle.remove()
    assert module(ONE).tolist() == [2] and copied(ONE).tolist() == [-2]


def test_compiled_steps_do_what_hooks_do_and_notice_when_they_change():
    model, factor = nn.Sequential(Scale(), nn.Tanh()), {"k": 2.0}
    step = pa.compile(lambda x: model(x).sum())
    for k in (2.0, 3.0):
        factor["k"] = k
        with model[0].register_forward_hook(lambda m, args, out: out * factor["k"]):
            assert step(ONE).tolist() == step(ONE).tolist() == model(ONE).sum().tolist()
        assert step(ONE).tolist() == model(ONE).sum().tolist()


def test_what_is_no_hook_is_refused():
    with pytest.raises(TypeError, match="a forward hook is a function, not int"):
        Scale().register_forward_hook(3)
    with pytest.raises(NotImplementedError, match="always_call"):
        Scale().register_forward_hook(print, always_call=True)


class Mix(nn.Module):
    """Two outputs of two inputs and a number."""

    def forward(self, a, b, k):
        return a * b, b * k


def test_a_backward_hook_sees_the_gradients_of_all_arguments_and_outputs():
    module, seen = Mix(), []
    module.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    a, b = pa.tensor([1.0, 2.0], requires_grad=True), pa.tensor([[3.0], [4.0]], dtype=pa.float64, requires_grad=True)
    first, second = module(a, b, 10.0)
    (first.sum() + 2 * second.sum()).backward()
    ((of_a, of_b, of_k), (of_first, of_second)) = seen[0]
    assert of_a.tolist() == a.grad.tolist() == [7, 7] and of_b.tolist() == b.grad.tolist() == [[23], [23]]
    assert of_k is None and of_first.shape == (2, 2) and of_second.tolist() == [[2], [2]] and len(seen) == 1


def test_backward_hooks_may_change_gradients():
    model = nn.Sequential(Scale(), Scale())
    x = pa.ones(2, requires_grad=True)
    handles = [
        model[1].register_full_backward_hook(lambda m, grad_input, grad_output: (grad_input[0] + 1,)),
        model[1].register_full_backward_pre_hook(lambda m, grad_output: 10 * grad_output[0]),
    ]
    model(x).sum().backward()
    assert x.grad.tolist() == [42, 42]
    for handle in handles:
        handle.remove()
    model[1].register_full_backward_pre_hook(lambda m, grad_output: grad_output * 2)
    with pytest.raises(RuntimeError, match="Scale: a full backward pre hook returned 2 gradients for 1"):
        model(x).sum().backward()


def test_a_backward_hook_of_a_module_whose_inputs_have_no_gradient_is_called_all_the_same():
    layer, seen = nn.Linear(2, 1), []
    layer.register_full_backward_hook(lambda m, grad_input, grad_output: seen.append((grad_input, grad_output)))
    layer(pa.ones(3, 2)).sum().backward()
    assert seen[0][0] == (None,) and seen[0][1][0].tolist() == [[1], [1], [1]]
    with pa.no_grad():
        layer(pa.ones(3, 2))
    assert len(seen) == 1
