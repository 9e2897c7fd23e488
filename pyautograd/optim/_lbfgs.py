"""L-BFGS: Newton's method with a Hessian that the last steps tell of (Nocedal and Wright 2006, chapters 3 and 7).

A step calls its closure as often as it needs, and decides by numbers, which a compiled step has not got yet: compile
the model, or the loss, instead.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from pyautograd._arguments import named
from pyautograd._c import refuse_in_step
from pyautograd._grad_mode import enable_grad, no_grad
from pyautograd._joins import cat
from pyautograd._tensor import Tensor
from pyautograd.optim._optimizer import Optimizer, Params, check_non_negative

__all__ = ["LBFGS"]

_DECREASE, _CURVATURE = 1e-4, 0.9  # the constants of Wolfe's conditions


class _Point(NamedTuple):
    """A place on the line: how far, and there the loss, the gradient and the slope along the line."""

    t: float
    loss: float
    grad: Tensor
    slope: float


class LBFGS(Optimizer):
    """L-BFGS (Liu and Nocedal 1989), as in PyTorch: each step goes along -H grad, H the inverse Hessian as the last
    `history_size` changes of place and gradient tell of it, with length `lr`, or as long as a line search says.

    A `step(closure)` makes at most `max_iter` of them and at most `max_eval` calls of the closure, by default 1.25
    times `max_iter`; it ends where the largest gradient is at most `tolerance_grad`, or a step changes place or loss by
    less than `tolerance_change`. `line_search_fn`: None, or "strong_wolfe". **Raises** ValueError for several groups of
    parameters, for a negative `lr` and an unknown line search; from `step`, TypeError without a closure, and TraceError
    in a compiled step.

    >>> import pyautograd as pa
    >>> w = pa.nn.Parameter(pa.tensor([-1.5, 2.0]))
    >>> optimizer = pa.optim.LBFGS([w], line_search_fn="strong_wolfe")
    >>> def closure():
    ...     optimizer.zero_grad()
    ...     loss = (1 - w[0]) ** 2 + 100 * (w[1] - w[0] ** 2) ** 2
    ...     loss.backward()
    ...     return loss
    >>> for _ in range(4):
    ...     loss = optimizer.step(closure)
    >>> w
    Parameter containing:
    tensor([1.0000, 1.0000], requires_grad=True)
    """

    _state_is_flat = True

    @named
    def __init__(
        self,
        params: Params,
        lr: float = 1.0,
        max_iter: int = 20,
        max_eval: int | None = None,
        tolerance_grad: float = 1e-7,
        tolerance_change: float = 1e-9,
        history_size: int = 100,
        line_search_fn: str | None = None,
    ) -> None:
        check_non_negative("lr", lr)
        if line_search_fn not in (None, "strong_wolfe"):
            raise ValueError(f"LBFGS: line_search_fn must be None or 'strong_wolfe', got {line_search_fn!r}")
        super().__init__(params, {
            "lr": lr, "max_iter": max_iter, "max_eval": max_iter * 5 // 4 if max_eval is None else max_eval,
            "tolerance_grad": tolerance_grad, "tolerance_change": tolerance_change, "history_size": history_size,
            "line_search_fn": line_search_fn,
        })  # fmt: skip
        if len(self.param_groups) != 1:
            raise ValueError("LBFGS: takes one group of parameters, with the same options for all")

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        refuse_in_step("LBFGS.step", "compile what the closure computes, such as the model, and call step outside")
        if closure is None:
            raise TypeError("LBFGS: step takes a closure, which computes the loss and its gradients, and returns it")
        group = self.param_groups[0]
        state = self._state[group["params"][0]]
        state.setdefault("func_evals", 0)
        state.setdefault("n_iter", 0)
        calls = 0

        def evaluate() -> tuple[Any, float, Tensor]:
            nonlocal calls
            with enable_grad():
                result = closure()
            calls += 1
            return result, float(result.detach() if isinstance(result, Tensor) else result), self._gradient()

        with no_grad():
            first, loss, grad = evaluate()
            if grad.abs().max().item() <= group["tolerance_grad"]:
                state["func_evals"] += calls
                return first
            for iteration in range(1, group["max_iter"] + 1):
                state["n_iter"] += 1
                direction = self._direction(state, grad, group["history_size"])
                state["prev_flat_grad"], state["prev_loss"] = grad.clone(), loss
                t = group["lr"]
                if state["n_iter"] == 1:
                    t *= min(1.0, 1.0 / grad.abs().sum().item())
                slope = (grad @ direction).item()
                state["d"], state["t"] = direction, t
                if slope > -group["tolerance_change"]:
                    break
                before = loss
                if group["line_search_fn"] is not None:
                    place = [p.clone() for p in group["params"]]

                    def at(t: float, place: list[Tensor] = place, direction: Tensor = direction) -> _Point:
                        self._move(t, direction)
                        _, loss, grad = evaluate()
                        for p, old in zip(group["params"], place, strict=True):
                            p.copy_(old)
                        return _Point(t, loss, grad, (grad @ direction).item())

                    start = _Point(0.0, loss, grad, slope)
                    narrow = group["tolerance_change"] / direction.abs().max().item()
                    found = _search(at, start, t, group["max_eval"] - calls, narrow)
                    t, loss, grad = found.t, found.loss, found.grad
                    state["t"] = t
                    self._move(t, direction)
                else:
                    self._move(t, direction)
                    if iteration < group["max_iter"]:
                        _, loss, grad = evaluate()
                if (
                    iteration == group["max_iter"]
                    or calls >= group["max_eval"]
                    or grad.abs().max().item() <= group["tolerance_grad"]
                    or (direction * t).abs().max().item() <= group["tolerance_change"]
                    or abs(loss - before) < group["tolerance_change"]
                ):
                    break
        state["func_evals"] += calls
        return first

    def _gradient(self) -> Tensor:
        """All gradients in one vector; zeros where there is none."""
        return cat([
            (p.detach() * 0 if p.grad is None else p.grad).reshape(-1) for p in self.param_groups[0]["params"]
        ])  # fmt: skip

    def _move(self, t: float, direction: Tensor) -> None:
        begin = 0
        for p in self.param_groups[0]["params"]:
            p.add_(direction[begin : begin + p.numel()].reshape(p.shape), alpha=t)
            begin += p.numel()

    @staticmethod
    def _direction(state: dict[str, Any], grad: Tensor, history_size: int) -> Tensor:
        """-H grad by the two loops of L-BFGS (Nocedal and Wright, algorithm 7.4)."""
        if state["n_iter"] == 1:
            state.update(old_dirs=[], old_stps=[], ro=[], H_diag=1.0)
            return -grad
        changes, steps, inverses = state["old_dirs"], state["old_stps"], state["ro"]
        direction, weights = -grad, []
        change, step = grad - state["prev_flat_grad"], state["d"] * state["t"]
        product = (change @ step).item()
        if product > 1e-10:  # else the Hessian would not stay positive
            for kept, new in ((changes, change), (steps, step), (inverses, 1.0 / product)):
                if len(kept) == history_size:
                    kept.pop(0)
                kept.append(new)
            state["H_diag"] = product / (change @ change).item()
        for y, s, ro in zip(reversed(changes), reversed(steps), reversed(inverses), strict=True):
            weights.append((s @ direction).item() * ro)
            direction = direction - weights[-1] * y
        direction = direction * float(state["H_diag"])
        for y, s, ro, weight in zip(changes, steps, inverses, reversed(weights), strict=True):
            direction = direction + s * (weight - (y @ direction).item() * ro)
        return direction


def _least(a: _Point, b: _Point, low: float, high: float) -> float:
    """Where the cubic through two points with their slopes is least, in [low, high] (Nocedal and Wright, 3.59)."""
    first = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = first * first - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2
    root = math.sqrt(square)
    if a.t > b.t:
        a, b = b, a
    return min(max(b.t - (b.t - a.t) * ((b.slope + root - first) / (b.slope - a.slope + 2 * root)), low), high)


def _search(at: Callable[[float], _Point], start: _Point, t: float, most: int, narrow: float) -> _Point:
    """A point where the loss has fallen enough and the slope is flat enough: Wolfe's strong conditions (Nocedal and
    Wright, algorithms 3.5 and 3.6), by cubic interpolation, from at most 1 + `most` evaluations."""

    def is_high(point: _Point) -> bool:
        return point.loss > start.loss + _DECREASE * point.t * start.slope

    def is_flat(point: _Point) -> bool:
        return abs(point.slope) <= -_CURVATURE * start.slope

    last, new = start, at(t)
    count = 0
    while count < most:
        if is_high(new) or (count > 1 and new.loss >= last.loss):
            break
        if is_flat(new):
            return new
        if new.slope >= 0:
            break
        further = _least(last, new, new.t + 0.01 * (new.t - last.t), new.t * 10)
        last, new = new, at(further)
        count += 1
    else:
        last = start
    return _zoomed(at, last, new, most - count, is_high, is_flat, narrow)


def _zoomed(
    at: Callable[[float], _Point],
    last: _Point,
    new: _Point,
    most: int,
    is_high: Callable[[_Point], bool],
    is_flat: Callable[[_Point], bool],
    narrow: float,
) -> _Point:
    """A point between two that have one between them; the lower one where none is found."""
    ends = [last, new]
    low = 0 if last.loss <= new.loss else 1
    is_slow = False
    while most > 0 and abs(ends[1].t - ends[0].t) >= narrow:
        first, second = sorted(end.t for end in ends)
        t = _least(ends[0], ends[1], first, second)
        edge = 0.1 * (second - first)
        if min(second - t, t - first) < edge:  # hardly a step: one into the inside, if it is the second in a row
            if is_slow or t >= second or t <= first:
                t = second - edge if abs(t - second) < abs(t - first) else first + edge
                is_slow = False
            else:
                is_slow = True
        else:
            is_slow = False
        point = at(t)
        most -= 1
        if is_high(point) or point.loss >= ends[low].loss:
            ends[1 - low] = point
            low = 0 if ends[0].loss <= ends[1].loss else 1
            continue
        is_done = is_flat(point)
        if not is_done and point.slope * (ends[1 - low].t - ends[low].t) >= 0:
            ends[1 - low] = ends[low]
        ends[low] = point
        if is_done:
            break
    return ends[low]
