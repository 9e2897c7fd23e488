"""L-BFGS finds minima, is saved and loaded between steps, and says where it cannot go."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import pyautograd as pa
from pyautograd import nn, optim


def rosenbrock(w):
    return ((1 - w[:-1]) ** 2 + 100 * (w[1:] - w[:-1] ** 2) ** 2).sum()


def problem(loss_of=rosenbrock, **options):
    w = nn.Parameter(pa.tensor([-1.5, 2.0, 0.5], dtype=pa.float64))
    optimizer = optim.LBFGS([w], **options)

    def closure():
        optimizer.zero_grad()
        loss = loss_of(w)
        loss.backward()
        return loss

    return w, optimizer, closure


def test_rosenbrocks_valley_is_gone_through():
    w, optimizer, closure = problem(line_search_fn="strong_wolfe", max_iter=100)
    losses = [optimizer.step(closure).item() for _ in range(3)]
    np.testing.assert_allclose(w.detach(), 1.0, atol=1e-4)
    assert losses[0] > 100 and losses[-1] < 1e-10


def test_a_compiled_loss_gives_the_same_numbers():
    w, optimizer, closure = problem(pa.compile(rosenbrock), line_search_fn="strong_wolfe")
    v, other, plain = problem(line_search_fn="strong_wolfe")
    for _ in range(3):
        assert optimizer.step(closure).item() == other.step(plain).item()
    assert w.tolist() == v.tolist()


@pytest.mark.parametrize("line_search_fn", [None, "strong_wolfe"])
def test_a_loaded_state_goes_on_as_if_it_had_never_stopped(tmp_path, line_search_fn):
    options = {"line_search_fn": line_search_fn, "lr": 0.01 if line_search_fn is None else 1.0, "max_iter": 5}
    w, optimizer, closure = problem(**options)
    optimizer.step(closure)
    pa.save({"w": w, "optimizer": optimizer.state_dict()}, tmp_path / "state.pa")
    kept = copy.deepcopy(w.detach())
    for _ in range(2):
        optimizer.step(closure)
    v, other, again = problem(**options)
    saved = pa.load(tmp_path / "state.pa")
    with pa.no_grad():
        v.copy_(saved["w"])
    assert v.tolist() == kept.tolist()
    other.load_state_dict(saved["optimizer"])
    for _ in range(2):
        other.step(again)
    assert v.tolist() == w.tolist()


def test_what_it_cannot_do_is_said():
    w, optimizer, closure = problem()
    with pytest.raises(TypeError, match="LBFGS: step takes a closure"):
        optimizer.step()
    with pytest.raises(pa.TraceError, match=r"LBFGS\.step.*compile what the closure computes"):
        pa.compile(lambda: optimizer.step(closure))()
    with pytest.raises(ValueError, match="one group"):
        optim.LBFGS([{"params": [w]}, {"params": [nn.Parameter(pa.ones(1))]}])
    with pytest.raises(ValueError, match="line_search_fn must be None or 'strong_wolfe', got 'armijo'"):
        optim.LBFGS([w], line_search_fn="armijo")
