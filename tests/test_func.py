"""Derivatives of functions are those of closed forms, in every composition, and inside compiled steps."""

import numpy as np
import pytest
from functions import Cube

import pyautograd as pa
from pyautograd import nn
from pyautograd.autograd import functional
from pyautograd.func import (
    functional_call,
    grad,
    grad_and_value,
    hessian,
    hvp,
    jacfwd,
    jacobian,
    jacrev,
    jvp,
    linearize,
    value_and_grad,
    vjp,
    vmap,
)  # fmt: skip
from pyautograd.nn import functional as F


def random(*shape):
    return pa.tensor(np.random.default_rng(sum(shape)).normal(size=shape))


def close(a, b, tolerance=1e-10):
    np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=tolerance, atol=tolerance)


def cubes(x):
    return (x**3).sum()


X = random(3)
V = random(3) + 1


# ---- each of them ----


def test_a_gradient_has_the_structure_of_its_argument_and_zeros_for_what_is_not_used():
    def f(a, parts, factor):
        return (a * parts["b"][0]).sum() * factor

    a, b, c = random(2, 3), random(3), random(4)
    of_parts = grad(f, 1)(a, {"b": [b], "c": (c,)}, 2.0)
    close(of_parts["b"][0], 2 * a.sum(0))
    assert of_parts["c"][0].tolist() == [0, 0, 0, 0]
    of_both = grad(f, (0, -2))(a, {"b": [b], "c": (c,)}, 2.0)
    close(of_both[0], 2 * b.expand(2, 3))
    assert isinstance(of_both, tuple) and of_both[1].keys() == {"b", "c"}


def test_value_and_gradient_come_in_the_order_of_the_name_and_with_what_the_function_adds():
    def f(x):
        return cubes(x), {"double": 2 * x, "name": "f"}

    value, gradient = value_and_grad(cubes)(X)
    close(value, cubes(X))
    close(gradient, 3 * X**2)
    assert [each.tolist() for each in grad_and_value(cubes)(X)] == [gradient.tolist(), value.tolist()]
    gradient, aux = grad(f, has_aux=True)(X)
    close(gradient, 3 * X**2)
    assert aux["name"] == "f" and not aux["double"].requires_grad
    (value, aux), gradient = value_and_grad(f, has_aux=True)(X)
    assert aux["double"].tolist() == (2 * X).tolist() and not value.requires_grad


def test_products_with_jacobians_are_those_of_the_jacobian():
    def f(x, y):
        return {"outer": x[:, None] * y.sin(), "sum": x.sum()}

    x, y = random(2), random(3)
    cotangents, tangents = {"outer": random(2, 3), "sum": random()}, (random(2) + 1, random(3))
    output, vjp_fn = vjp(f, x, y)
    close(output["outer"], x[:, None] * y.sin())
    of_x, of_y = vjp_fn(cotangents)
    close(of_x, (cotangents["outer"] * y.sin()).sum(1) + cotangents["sum"])
    close(of_y, (cotangents["outer"] * x[:, None] * y.cos()).sum(0))
    output, product = jvp(f, (x, y), tangents)
    close(product["outer"], tangents[0][:, None] * y.sin() + x[:, None] * y.cos() * tangents[1])
    close(product["sum"], tangents[0].sum())
    inner = sum((cotangents[key] * product[key]).sum().item() for key in product)
    assert inner == pytest.approx((of_x * tangents[0]).sum().item() + (of_y * tangents[1]).sum().item())
    output, jvp_fn = linearize(f, x, y)
    for _ in range(2):
        close(jvp_fn(*tangents)["outer"], product["outer"])


@pytest.mark.parametrize("of", [jacrev, jacfwd, jacobian])
def test_jacobians_have_the_shape_of_the_output_and_then_of_the_input(of):
    matrix, x = random(2, 3), random(3, 2)
    found = of(lambda x, m: (m @ x, x.sum()), (0, 1))(x, matrix)
    close(found[0][0], np.einsum("ik,jl->ijkl", matrix.numpy(), np.eye(2)))
    close(found[0][1], np.einsum("ik,lj->ijkl", np.eye(2), x.numpy()))
    close(found[1][0], np.ones((3, 2)))
    close(found[1][1], np.zeros((2, 3)))
    assert of(lambda x: x * 2)(pa.zeros(0)).shape == (0, 0) and of(pa.sin)(pa.tensor(0.0)).tolist() == 1


def test_second_derivatives_agree_in_every_combination_of_modes():
    def f(x):
        return (x**3).sum() * x.sin().sum()

    sines, cosines = X.sin().numpy(), X.cos().numpy()
    x = X.numpy()
    mixed = np.outer(3 * x**2, cosines)
    expected = np.diag(6 * x * sines.sum() - sines * (x**3).sum()) + mixed + mixed.T
    for found in (
        hessian(f), jacfwd(jacrev(f)), jacrev(jacfwd(f)), jacfwd(jacfwd(f)), jacrev(grad(f)), jacfwd(grad(f)),
    ):  # fmt: skip
        result = found(X)
        close(result, expected)
        assert not result.requires_grad
    products = [
        hvp(f, (X,), (V,)), jvp(grad(f), (X,), (V,))[1], grad(lambda x: jvp(f, (x,), (V,))[1])(X),
        vjp(grad(f), X)[1](V)[0], grad(lambda x: (grad(f)(x) * V).sum())(X),
    ]  # fmt: skip
    for product in products:
        close(product, expected @ V.numpy())


def test_derivatives_go_to_any_order():
    f = pa.sin
    for order in range(6):
        close(f(pa.tensor(0.3, dtype=pa.float64)), np.sin(0.3 + order * np.pi / 2))
        f = jacfwd(f) if order % 2 else grad(f)
    third = jacfwd(hessian(cubes))(X)
    close(third, 6 * np.einsum("ij,jk->ijk", np.eye(3), np.eye(3)))


NET = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2)).double()


@pytest.mark.parametrize(
    "f",
    [
        lambda x: (x.softmax(1), x.logsumexp(0), x.log_softmax(1)),
        lambda x: (x.var(0), x.std(), x.norm(), x.amax(1), x.prod(1), x.cumsum(0)),
        lambda x: (x.T[1:, ::2].reshape(-1), pa.cat([x, x * 2], 1), x[[0, 0, 2]], x.expand(2, 4, 3)),
        lambda x: (F.cross_entropy(x, pa.tensor([0, 1, 2, 1])), pa.where(x > 0, x * x, x.exp()), x.clamp(-0.5, 1)),
        lambda x: (x @ x.T, x @ x[0], F.linear(x, x, x[0][:1].expand(4)), x * x[:, :1], x.maximum(x.abs() * 0.5)),
        lambda x: (NET(x), Cube.apply(x) * 2),
    ],
)
def test_forward_mode_agrees_with_reverse_mode_through_every_kind_of_op(f):
    x = random(4, 3)
    for forward, reverse in zip(jacfwd(f)(x), jacrev(f)(x), strict=True):
        assert forward.shape == reverse.shape
        close(forward.detach(), reverse.detach())


def test_a_tangent_has_its_output_s_dtype():
    x = pa.tensor([0.5, 2.0])
    output, product = jvp(lambda x: (x.double() * 2, x.double().float() * x), (x,), (pa.ones(2),))
    assert [each.dtype for each in product] == [pa.float64, pa.float32] == [each.dtype for each in output]
    assert product[1].tolist() == [1, 4]


# ---- what has a history ----


def test_results_have_no_history_at_the_top_and_one_where_somebody_differentiates():
    w = pa.tensor([2.0, 3.0, 4.0], dtype=pa.float64, requires_grad=True)
    for results in (grad(cubes)(X), jacfwd(pa.sin)(X), hvp(cubes, (X,), (V,)), vjp(pa.sin, X)[0]):
        assert not results.requires_grad
    for of_argument in (grad(cubes)(w), jacrev(grad(cubes))(w).sum(0), hvp(cubes, (w,), (pa.ones(3).double(),))):
        assert of_argument.requires_grad
    grad(lambda x: (x * w * w).sum())(X).sum().backward()
    close(w.grad, 2 * w.detach())
    with pa.no_grad():
        assert not grad(cubes)(w).requires_grad
        close(grad(cubes)(w), 3 * w.detach() ** 2)
    assert w.grad.tolist() == (2 * w.detach()).tolist()


def test_a_gradient_penalty_trains_the_weights_through_the_gradient_of_the_input():
    w, x = random(3).requires_grad_(), random(3)
    penalty = grad(lambda x: (w * x**2).sum())(x).square().sum()
    penalty.backward()
    close(w.grad, 8 * w.detach() * x**2)


# ---- modules ----


def test_a_module_is_called_with_other_parameters_and_has_its_own_again():
    own = dict(NET.named_parameters())
    given = {name: parameter.detach() * 2 for name, parameter in own.items()}
    x = random(5, 3)
    output = functional_call(NET, given, (x,))
    assert not output.requires_grad and dict(NET.named_parameters()) == own
    other = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.LayerNorm(4), nn.Linear(4, 2)).double()
    other.load_state_dict(given)
    close(output, other(x).detach())

    class Fails(nn.Linear):
        def forward(self, x):
            raise ZeroDivisionError

    failing = Fails(1, 1)
    weight = failing.weight
    with pytest.raises(ZeroDivisionError):
        functional_call(failing, {"weight": pa.zeros(1, 1)}, x)
    assert failing.weight is weight


def test_gradients_and_hessian_products_in_a_module_s_parameters():
    layer, x = nn.Linear(3, 1, bias=False).double(), random(5, 3)

    def loss(parameters):
        return functional_call(layer, parameters, x).square().sum()

    w = {"weight": layer.weight.detach()}
    close(grad(loss)(w)["weight"], 2 * w["weight"].numpy() @ x.numpy().T @ x.numpy())
    product = hvp(loss, (w,), ({"weight": V[None]},))["weight"]
    close(product, 2 * V[None].numpy() @ x.numpy().T @ x.numpy())


def test_tied_parameters_are_replaced_together():
    tied = nn.Linear(2, 2, bias=False)
    model = nn.Sequential(tied, tied)
    given, x = pa.eye(2) * 3, pa.ones(1, 2)
    assert functional_call(model, {"0.weight": given}, x).tolist() == [[9, 9]]
    assert functional_call(model, {"0.weight": given, "1.weight": given}, x).tolist() == [[9, 9]]
    with pytest.raises(ValueError, match=r"0\.weight, 1\.weight are one tensor"):
        functional_call(model, {"0.weight": given, "1.weight": given * 2}, x)


def test_names_that_are_not_there_and_with_strict_missing_ones_are_refused():
    layer, x = nn.Linear(1, 1), pa.ones(1, 1)
    with pytest.raises(RuntimeError, match="Linear has no wait"):
        functional_call(layer, {"wait": x}, x)
    with pytest.raises(RuntimeError, match="bias of Linear missing"):
        functional_call(layer, {"weight": x}, x, strict=True)
    with pytest.raises(ValueError, match="weight given twice"):
        functional_call(layer, ({"weight": x}, {"weight": x}), x)


# ---- in compiled steps ----


@pytest.mark.parametrize(
    "f",
    [
        grad(cubes), value_and_grad(cubes), jacrev(pa.sin), jacfwd(pa.sin), hessian(cubes), jacfwd(hessian(cubes)),
        lambda x: hvp(cubes, (x,), (V,)), lambda x: jvp(NET, (x[None],), (V[None],)), lambda x: vjp(pa.sin, x)[1](V),
        lambda x: grad(lambda w: functional_call(NET, {"0.weight": w}, x[None]).sum())(NET[0].weight.detach()),
    ],
)  # fmt: skip
def test_derivatives_are_compiled_as_they_are_called(f):
    step = pa.compile(f)
    for k in range(4):
        x = X * (1 + k)
        found, wanted = (pa.stack([each.detach().sum() for each in tensors(g(x))]) for g in (step, f))
        assert found.tolist() == wanted.tolist()
    assert len(step.programs) == 1


def tensors(value):
    return [each for part in value for each in tensors(part)] if isinstance(value, tuple) else [value]


def test_a_compiled_derivative_notices_what_its_function_reads():
    factor = {"k": 2.0}
    step = pa.compile(grad(lambda x: (x * factor["k"]).sum()))
    for k in (2.0, 3.0):
        factor["k"] = k
        assert step(X).tolist() == [k] * 3


def test_training_through_functional_call_in_a_step_leaves_the_module_as_it_is():
    layer = nn.Linear(3, 1).double()
    own = dict(layer.named_parameters())

    @pa.compile
    def step(w, x):
        gradient = grad(lambda w: functional_call(layer, w, x).square().mean())(w)
        return {name: w[name] - 0.1 * gradient[name] for name in w}

    w = {name: each.detach().clone() for name, each in own.items()}
    losses = []
    for _ in range(20):
        losses.append(functional_call(layer, w, random(5, 3)).square().mean().item())
        w = step(w, random(5, 3))
    assert losses[-1] < 0.5 * losses[0] and dict(layer.named_parameters()) == own


def test_a_compiled_step_is_differentiated_as_one_op():
    step = pa.compile(cubes)
    for _ in range(3):
        close(grad(step)(X), 3 * X**2)


# ---- torch.autograd.functional ----


def test_the_names_of_autograd_functional():
    def f(x, y):
        return (x**2 * y).sum()

    x, y, v = random(2), random(2) + 3, (random(2), random(2) + 1)
    blocks = functional.hessian(f, (x, y))
    assert len(blocks) == 2
    close(blocks[0][0], np.diag(2 * y.numpy()))
    close(blocks[0][1], np.diag(2 * x.numpy()))
    for product in (functional.hvp(f, (x, y), v), functional.vhp(f, (x, y), v)):
        close(product[0], f(x, y))
        close(product[1][0], 2 * y * v[0] + 2 * x * v[1])
        close(product[1][1], 2 * x * v[0])
    close(functional.jvp(f, (x, y), v)[1], (2 * x * y * v[0] + x**2 * v[1]).sum())
    assert [each.shape for each in functional.jacobian(lambda x, y: x[:, None] * y, (x, y))] == [(2, 2, 2)] * 2
    for strategy in ("reverse-mode", "forward-mode"):
        close(functional.jacobian(pa.sin, x, strategy=strategy), np.diag(x.cos().numpy()))
    assert functional.vjp(cubes, x)[1].tolist() == (3 * x**2).tolist()


def test_autograd_functional_keeps_history_where_it_is_asked_to():
    w = random(2).requires_grad_()
    assert not functional.jacobian(pa.sin, w).requires_grad
    functional.jacobian(pa.sin, w, create_graph=True).sum().backward()
    close(w.grad, -w.detach().sin())
    value, product = functional.hvp(cubes, w, pa.ones(2).double(), create_graph=True)
    assert value.requires_grad and product.requires_grad


def test_strict_refuses_what_does_not_depend():
    for call in (
        lambda: functional.jacobian(lambda x, y: x * 2, (X, V), strict=True),
        lambda: functional.vjp(lambda x, y: x.sum(), (X, V), strict=True),
        lambda: functional.jvp(lambda x: (x, pa.ones(2)), X, V, strict=True),
        lambda: functional.hvp(lambda x: x.sum(), X, V, strict=True),
    ):
        with pytest.raises(RuntimeError, match="not depend"):
            call()


# ---- errors ----


@pytest.mark.parametrize(
    "call, error, text",
    [
        (lambda: grad(pa.sin)(X), ValueError, r"one element, not shape \(3,\); see jacrev"),
        (lambda: grad(lambda x: 3.0)(X), ValueError, "not float"),
        (lambda: grad(cubes)(pa.tensor([1])), TypeError, r"dtype int64, shape \(1,\)"),
        (lambda: grad(cubes, 1)(X), ValueError, "argnums 1, and 1 positional"),
        (lambda: grad(3), TypeError, "grad: a function is wanted, not int"),
        (lambda: grad(cubes, has_aux=True)(X), TypeError, r"\(output, aux\)"),
        (lambda: jvp(cubes, X, (V,)), TypeError, "primals are a tuple"),
        (lambda: jvp(cubes, (X,), V), TypeError, "tangents are a tuple"),
        (lambda: jvp(cubes, (X,), (V[:2],)), ValueError, r"shape \(2,\) for a tensor of shape \(3,\)"),
        (lambda: vjp(cubes, X)[1]((V, V)), ValueError, "cotangents are tuple"),
        (lambda: vmap(pa.sin), NotImplementedError, "vmap is not there"),
        (lambda: functional.vjp(pa.sin, X), RuntimeError, "v may be left out only"),
        (lambda: functional.jvp(pa.sin, X, V[:2]), RuntimeError, r"v of shapes"),
        (lambda: functional.jacobian(pa.sin, 2.0), TypeError, "input 0 is a float"),
        (lambda: functional.hessian(pa.sin, X), RuntimeError, "one tensor of one element"),
        (lambda: functional.jacobian(pa.sin, X, strategy="x"), ValueError, "reverse-mode or forward-mode"),
    ],
)
def test_what_cannot_be_is_said(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_tangent_is_refused_where_what_the_op_reads_was_changed_since():
    x = random(3)
    _, jvp_fn = linearize(lambda x: x * x, x)
    x += 1
    with pytest.raises(RuntimeError, match="modified in place since"):
        jvp_fn(V)
