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
