"""Derivatives of functions, and hooks, have the structures, shapes and numbers that PyTorch's have."""

from typing import Any

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

LIBS = [pa, torch]
pytestmark = [  # PyTorch's own
    pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:Attempted to insert:UserWarning"),
]
ARRAYS = [np.random.default_rng(i).normal(size=shape) for i, shape in enumerate([(3,), (2, 3), (3, 3), ()])]


def args_of(lib: Any) -> list[Any]:
    return [lib.tensor(array) for array in ARRAYS]


def plain(value: Any) -> Any:
    """Containers as they are, tensors as arrays."""
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(plain(each) for each in value)
    return value.detach().numpy() if hasattr(value, "detach") else value


def check_same(ours: Any, theirs: Any) -> None:
    assert type(ours) is type(theirs)
    if isinstance(ours, np.ndarray):
        assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-10)
    elif isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        check_same(list(ours.values()), list(theirs.values()))
    elif isinstance(ours, list | tuple):
        assert len(ours) == len(theirs)
        for a, b in zip(ours, theirs, strict=True):
            check_same(a, b)
    else:
        assert ours == theirs


def scalar(x: Any, m: Any, *_: Any) -> Any:
    return ((m @ x).tanh() ** 2).sum() + x.prod()


def vector(x: Any, m: Any, *_: Any) -> Any:
    return (m @ x).sigmoid()


def nested(x: Any, m: Any, *_: Any) -> Any:
    return {"a": m @ x, "b": [x.sum(), (x[0] * m,)]}


CASES: dict[str, Any] = {
    "grad": lambda f, a: f.grad(scalar)(*a),
    "grad of both": lambda f, a: f.grad(scalar, (0, 1))(*a),
    "grad of the last but two": lambda f, a: f.grad(scalar, -3)(*a),
    "grad of a tuple of one": lambda f, a: f.grad(scalar, (0,))(*a),
    "grad_and_value with aux": lambda f, a: f.grad_and_value(lambda x: (scalar(x, a[1]), {"x": x}), has_aux=True)(a[0]),
    "grad of a dict": lambda f, a: f.grad(lambda w: scalar(w["x"], w["m"]))({"x": a[0], "m": a[1]}),
    "grad of grad": lambda f, a: f.grad(f.grad(lambda x: x**3))(a[3]),
    "vjp": lambda f, a: f.vjp(vector, a[0], a[1])[1](a[0][:2]),
    "vjp of one": lambda f, a: f.vjp(lambda x: vector(x, a[1]), a[0])[1](a[0][:2]),
    "vjp of a tuple": lambda f, a: f.vjp(lambda x: (x * 2, x.sum()), a[0])[1]((a[0], a[3])),
    "jvp": lambda f, a: f.jvp(vector, (a[0], a[1]), (a[2][0], a[2][:2])),
    "jvp of a dict": lambda f, a: f.jvp(nested, (a[0], a[1]), (a[2][0], a[2][:2])),
    "linearize": lambda f, a: f.linearize(vector, a[0], a[1])[1](a[2][0], a[2][:2]),
    "jacrev": lambda f, a: f.jacrev(vector)(*a),
    "jacfwd": lambda f, a: f.jacfwd(vector, 1)(*a),
    "jacrev of both": lambda f, a: f.jacrev(vector, (0, 1))(*a),
    "jacfwd with aux": lambda f, a: f.jacfwd(lambda x: (x.sin(), x), has_aux=True)(a[0]),
    "jacrev of a dict": lambda f, a: f.jacrev(nested, (0,))(*a),
    "jacfwd of a 0-d": lambda f, a: f.jacfwd(lambda t: t * a[0])(a[3]),
    "hessian": lambda f, a: f.hessian(scalar)(*a),
    "hessian of both": lambda f, a: f.hessian(scalar, (0, 1))(*a),
    "hessian of a vector": lambda f, a: f.hessian(vector)(*a),
    "third derivatives": lambda f, a: f.jacfwd(f.hessian(scalar))(*a),
    "jvp of grad": lambda f, a: f.jvp(f.grad(lambda x: scalar(x, a[1])), (a[0],), (a[2][0],)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_functions_of_functions(name: str) -> None:
    ours, theirs = (plain(CASES[name](lib.func, args_of(lib))) for lib in LIBS)
    check_same(ours, theirs)


OF_AUTOGRAD: dict[str, Any] = {
    "jacobian": lambda f, a: f.jacobian(vector, (a[0], a[1])),
    "jacobian of one": lambda f, a: f.jacobian(lambda x: x.sin(), a[0]),
    "jacobian of a tuple": lambda f, a: f.jacobian(lambda x: (x.sin(), x.sum()), a[0]),
    "jacobian of both": lambda f, a: f.jacobian(lambda x, m: (m @ x, x.sum()), (a[0], a[1])),
    "jacobian, unused": lambda f, a: f.jacobian(lambda x, m: x.sin(), (a[0], a[1])),
    "hessian": lambda f, a: f.hessian(scalar, (a[0], a[1])),
    "hessian of one": lambda f, a: f.hessian(lambda x: scalar(x, a[1]), a[0]),
    "vjp": lambda f, a: f.vjp(vector, (a[0], a[1]), a[0][:2]),
    "vjp of a scalar": lambda f, a: f.vjp(scalar, (a[0], a[1])),
    "jvp": lambda f, a: f.jvp(vector, (a[0], a[1]), (a[2][0], a[2][:2])),
    "jvp of one": lambda f, a: f.jvp(lambda x: (x.sin(), x.sum()), a[0], a[2][0]),
    "hvp": lambda f, a: f.hvp(scalar, (a[0], a[1]), (a[2][0], a[2][:2])),
    "vhp of one": lambda f, a: f.vhp(lambda x: scalar(x, a[1]), a[0], a[2][0]),
}  # fmt: skip


@pytest.mark.parametrize("name", OF_AUTOGRAD)
def test_autograd_functional(name: str) -> None:
    ours, theirs = (plain(OF_AUTOGRAD[name](lib.autograd.functional, args_of(lib))) for lib in LIBS)
    check_same(ours, theirs)


def through_functional_call(lib: Any) -> Any:
    net = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.Tanh(), lib.nn.Linear(2, 1)).double()
    shapes = {name: tuple(each.shape) for name, each in net.named_parameters()}
    values = {name: lib.tensor(np.random.default_rng(3).normal(size=shape)) for name, shape in shapes.items()}
    x = lib.tensor(ARRAYS[2])
    gradient = lib.func.grad(lambda w: lib.func.functional_call(net, w, (x,)).sum())(values)
    return plain([lib.func.functional_call(net, values, x), gradient])


def test_functional_call_and_its_gradients() -> None:
    check_same(*map(through_functional_call, LIBS))


def through_hooks(lib: Any) -> Any:
    seen: list[Any] = []
    net = lib.nn.Sequential(lib.nn.Linear(3, 2), lib.nn.Tanh()).double()
    for each in net.parameters():
        each.data = lib.tensor(np.random.default_rng(5).normal(size=tuple(each.shape)))
    x = lib.tensor(ARRAYS[2]).requires_grad_()
    net[0].register_full_backward_pre_hook(lambda m, g: seen.append(g) or (g[0] * 2,))
    net[0].register_full_backward_hook(lambda m, a, b: seen.append((a, b)) or (a[0] + 1,))
    net[1].register_forward_pre_hook(lambda m, args: (args[0] * 3,))
    net.register_forward_hook(lambda m, args, y: seen.append(y) or y * 2)
    x.register_hook(lambda g: seen.append(g) or g * 10)
    x.register_post_accumulate_grad_hook(lambda t: seen.append(t.grad))
    y = net(x)
    y.register_hook(lambda g: seen.append(g))
    y.retain_grad()
    y.register_hook(lambda g: g * 5)
    y.square().sum().backward()
    return plain([*seen, x.grad, y.grad, net[0].weight.grad])


def test_hooks_see_the_same_in_the_same_order() -> None:
    check_same(*map(through_hooks, LIBS))


def test_gradcheck_agrees_on_right_and_wrong_gradients() -> None:
    for lib in LIBS:

        class Wrong(lib.autograd.Function):  # type: ignore[misc, name-defined]
            @staticmethod
            def forward(ctx: Any, x: Any) -> Any:
                return x * 2

            @staticmethod
            def backward(ctx: Any, upstream: Any) -> Any:
                return upstream * 2.01

        x = lib.tensor(ARRAYS[1]).requires_grad_()
        check, twice = lib.autograd.gradcheck, lib.autograd.gradgradcheck
        assert check(lambda x: (x.tanh(), x @ x.T), x) and twice(lambda x: (x.tanh(), x @ x.T), (x,))
        assert not check(Wrong.apply, (x,), raise_exception=False)
