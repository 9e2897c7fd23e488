"""Optimizer: parameter groups, state and their dicts; and the update of a whole group in one C call.

A group's update needs arrays of node pointers, a step count per parameter and a struct of hyper-parameters. They are
made once, in a `_Plan`, and kept until the groups or the state change:

    plan.params   pa_node *[n]       the parameters
    plan.state    pa_node *[3 n]     up to three state tensors of each, NULL before its first gradient
    plan.steps    int64_t [n]        updates so far
    plan.hyper    pa_hyper *        lr and the like, written again when a value of the group changes
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import deepcopy
from itertools import chain
from typing import Any, TypeAlias

from pyautograd import _updates
from pyautograd._arguments import named
from pyautograd._array_like import tensor
from pyautograd._c import check, ffi, lib, node_pointer
from pyautograd._core import holder, paused
from pyautograd._creation import zeros, zeros_like
from pyautograd._dtype import float64
from pyautograd._grad_mode import enable_grad
from pyautograd._tensor import Tensor
from pyautograd._value import Value

__all__ = ["Optimizer"]

Params: TypeAlias = Iterable[Any]

_NUMBERS = ("step", "mu_product", "mu", "eta")  # what states have besides tensors of the parameter's shape
# What constructors take besides the options of groups: an update is always fused and outside the graph.
_NO_OPTIONS = ("self", "params", "foreach", "fused", "capturable", "differentiable")
_WORDS = {"lr": "learning rate", "eps": "epsilon value"}  # what PyTorch calls options that are not valid

_optim_zero_grad = lib.pa_optim_zero_grad
_optim_step = lib.pa_optim_step


class Optimizer:
    """Base class of optimisers, as `torch.optim.Optimizer`: a subclass defines `step`.

    `params` are tensors, pairs of name and tensor, or dicts with the key "params" and options of their own. **Raises**
    ValueError for an empty list, for a tensor that is not a leaf, and for one that appears twice, TypeError for what is
    no Tensor or Value.

    >>> import pyautograd as pa
    >>> class Descent(pa.optim.Optimizer):
    ...     def step(self, closure=None):
    ...         with pa.no_grad():
    ...             for group in self.param_groups:
    ...                 for p in group["params"]:
    ...                     p -= group["lr"] * p.grad
    >>> w = pa.nn.Parameter(pa.tensor([1.0]))
    >>> (w * w).sum().backward()
    >>> Descent([w], {"lr": 0.25}).step()
    >>> w.tolist()
    [0.5]
    """

    _has_stepped = True  # what a schedule asks; only FusedOptimizer keeps count
    _state_is_flat = False  # kept with the first parameter, of all of them in one vector

    @named
    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        if isinstance(params, (Tensor, Value)):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of tensors or dicts, "
                f"but got {type(params).__name__}"
            )
        self._refuse_module(params)
        self.defaults = defaults
        self.param_groups: list[dict[str, Any]] = []
        self._state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _refuse_module(self, params: Any) -> None:
        if hasattr(params, "parameters"):
            raise TypeError(f"{type(self).__name__}: params has a {type(params).__name__}; give its .parameters()")

    @property
    def state(self) -> defaultdict[Any, dict[str, Any]]:
        """What is kept for each parameter, such as `exp_avg`: a dict by parameter."""
        return self._state

    @named
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Adds parameters with options of their own: `{"params": [...], "lr": 0.01}`.

        **Raises** as making the optimiser does, and ValueError for parameters that it has already, KeyError without
        "params".

        >>> import pyautograd as pa
        >>> optimizer = pa.optim.SGD([pa.nn.Parameter(pa.ones(2))], lr=0.1)
        >>> optimizer.add_param_group({"params": [pa.nn.Parameter(pa.ones(1))], "lr": 0.01})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.1, 0.01]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group).__name__}")
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError("optimizer parameters need an order that is the same in every run: give a list, not a set")
        self._refuse_module(params)
        listed: list[Any] = [params] if isinstance(params, (Tensor, Value)) else list(params)
        named = [isinstance(param, tuple) for param in listed]
        if any(named):
            if not all(named):
                raise ValueError("all optimizer params should be with/without names. Some param names are missing")
            param_group["param_names"] = [name for name, _ in listed]
            listed = [param for _, param in listed]
        if any(("param_names" in group) != any(named) for group in self.param_groups):
            raise ValueError("all optimizer param groups should be with/without names")
        for param in listed:
            self._refuse_module(param)
            if not isinstance(param, (Tensor, Value)):
                raise TypeError(
                    f"optimizer can only optimize Tensors and Values, but one of the params is {type(param).__name__}"
                )
            if isinstance(param, Tensor) and not param.is_leaf:
                raise ValueError("can't optimize a non-leaf Tensor")
        taken = {id(param) for group in self.param_groups for param in group["params"]}
        if not taken.isdisjoint(map(id, listed)):
            raise ValueError("some parameters appear in more than one parameter group")
        if len({id(param) for param in listed}) != len(listed):
            raise ValueError("a parameter group contains a parameter more than once")
        param_group["params"] = listed
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        self.param_groups.append(param_group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One update of every parameter that has a gradient; returns what `closure`, called first, returns.

        A subclass defines it. **Raises** NotImplementedError where it does not; that of SGD and the others, TypeError
        and ValueError for options or states that an update cannot be made with.

        >>> import pyautograd as pa
        >>> w = pa.nn.Parameter(pa.tensor([1.0]))
        >>> optimizer = pa.optim.SGD([w], lr=0.25)
        >>> (w * w).sum().backward()
        >>> optimizer.step()
        >>> w.tolist()
        [0.5]
        """
        raise NotImplementedError(f"{type(self).__name__} has no step")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters: to None, or to zeros where `set_to_none` is False. It raises nothing.

        >>> import pyautograd as pa
        >>> w = pa.nn.Parameter(pa.tensor([1.0]))
        >>> (w * w).sum().backward()
        >>> pa.optim.SGD([w], lr=0.1).zero_grad()
        >>> w.grad is None
        True
        """
        for group in self.param_groups:
            for param in group["params"]:
                if isinstance(param, Value):
                    param.grad = 0.0
                elif set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach().zero_()

    def state_dict(self) -> dict[str, Any]:
        """`{"state": {index: {...}}, "param_groups": [{..., "params": [index, ...]}]}`, tensors not copied.

        >>> import pyautograd as pa
        >>> pa.optim.SGD([pa.nn.Parameter(pa.ones(2))], lr=0.1).state_dict()["param_groups"][0]["params"]
        [0]
        """
        index = {id(param): i for i, param in enumerate(chain.from_iterable(g["params"] for g in self.param_groups))}
        groups = [{**group, "params": [index[id(param)] for param in group["params"]]} for group in self.param_groups]
        state = {index.get(id(param), param): dict(kept) for param, kept in self.state.items()}
        return {"state": state, "param_groups": groups}

    @named
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes over a state dict of an optimiser with groups of the same sizes; the tensors are copied.

        **Raises** ValueError where it is no such dict or another optimiser's, the groups differ, or a state tensor does
        not have its parameter's shape; nothing is changed then.

        >>> import pyautograd as pa
        >>> a, b = (pa.optim.SGD([pa.nn.Parameter(pa.ones(2))], lr=lr) for lr in (0.1, 0.2))
        >>> a.load_state_dict(b.state_dict())
        >>> a.param_groups[0]["lr"]
        0.2
        """
        _check_form(state_dict)
        groups = deepcopy([dict(group) for group in state_dict["param_groups"]])
        if len(groups) != len(self.param_groups):
            raise ValueError(
                f"loaded state dict has a different number of parameter groups: {len(groups)}, "
                f"and the optimizer has {len(self.param_groups)}"
            )
        params: dict[Any, Any] = {}
        for own, group in zip(self.param_groups, groups, strict=True):
            if len(own["params"]) != len(group["params"]):
                raise ValueError(
                    "loaded state dict contains a parameter group that doesn't match the size of optimizer's group: "
                    f"{len(group['params'])} parameters against {len(own['params'])}"
                )
            params.update(zip(group["params"], own["params"], strict=True))
            group["params"] = own["params"]
            if "param_names" in own:
                group.setdefault("param_names", own["param_names"])
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for index, kept in state_dict["state"].items():
            # Keys of JSON-like files are strings.
            param = params.get(int(index) if isinstance(index, str) and index.isdigit() else index, index)
            like = None if self._state_is_flat else param
            state[param] = {name: _like_param(name, value, like) for name, value in kept.items()}
        self._check_loaded(groups, state)
        _bring_values_together(state)
        self.__setstate__({"_state": state, "param_groups": groups})

    def _check_loaded(self, groups: list[dict[str, Any]], state: dict[Any, dict[str, Any]]) -> None:
        """ValueError for groups and states that the updates cannot go on from."""

    def __getstate__(self) -> dict[str, Any]:
        """What is pickled: states in a list beside their parameters, as joblib sorts the keys of dicts to hash them."""
        return {**vars(self), "_state": [*self._state.items()]}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _state=defaultdict(dict, state["_state"]))
        for group in self.param_groups:
            for name, default in self.defaults.items():
                group.setdefault(name, default)

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for i, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {i}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


class CheckedOptimizer(Optimizer):
    """An optimiser that knows what its update needs, and takes no other's state dict."""

    _counts_steps = True  # whether "step" is part of the state
    _non_negative: tuple[str, ...] = ()  # options that may not be below 0, besides these that many have

    def _begin(self, given: dict[str, Any]) -> None:
        """Makes the optimiser of the arguments of its constructor, which are options of its groups but for switches."""
        if given["differentiable"]:
            raise NotImplementedError("differentiable=True is not supported: updates are made outside the graph")
        for option in ("lr", "eps", "weight_decay", *self._non_negative):
            if option in given:
                check_non_negative(option, given[option])
        for i, beta in enumerate(given.get("betas", ())):
            if not 0.0 <= beta < 1.0:
                raise ValueError(f"Invalid beta parameter at index {i}: {beta}")
        super().__init__(given["params"], {name: given[name] for name in given if name not in _NO_OPTIONS})

    def _state_names(self, group: dict[str, Any]) -> tuple[str | None, ...]:
        """The state tensors, for C in its order; None for a place not in use."""
        raise NotImplementedError

    def _check_loaded(self, groups: list[dict[str, Any]], state: dict[Any, dict[str, Any]]) -> None:
        for group in groups:
            # Switches are younger than some checkpoints, and off in these.
            wanted = {name for name, default in self.defaults.items() if not isinstance(default, (bool, type(None)))}
            if missing := sorted(wanted - group.keys()):
                raise ValueError(
                    f"load_state_dict: a group lacks {', '.join(missing)}, which {type(self).__name__} needs: "
                    "is it the state of another optimizer?"
                )
            names = [name for name in self._state_names({**self.defaults, **group}) if name is not None]
            for param in group["params"]:
                self._check_kept(names, state.get(param, {}))

    def _check_kept(self, names: list[str], kept: dict[str, Any]) -> None:
        """Is what is kept of a parameter whole? All of it after its first step; momentum begins when it is wanted."""
        held = [name for name in names if kept.get(name) is not None]
        for name in held:
            if not isinstance(kept[name], Tensor):
                raise ValueError(f"load_state_dict: the state {name} is a {type(kept[name]).__name__}, not a tensor")
        if not self._counts_steps or not kept:
            return
        steps = kept.get("step")
        try:
            is_count = steps is not None and float(steps) == int(steps) >= 0
        except (TypeError, ValueError, OverflowError):
            is_count = False
        if not is_count:
            raise ValueError(f"load_state_dict: the state step is {steps!r}, not a number of steps")
        if steps > 0 and len(held) < len(names):  # type: ignore[operator]
            missing = ", ".join(name for name in names if name not in held)
            raise ValueError(
                f"load_state_dict: the state has no {missing}, which {type(self).__name__} needs: is it the state of "
                "another optimizer?"
            )


class _Plan:
    """The C side of one group's update; see the module's docstring."""

    __slots__ = ("holders", "hyper", "keep", "listed", "n", "names", "params", "state", "steps", "values", "waiting")

    def __init__(self, group: dict[str, Any]) -> None:
        params = group["params"]
        self.listed = params
        self.n = len(params)
        self.params = ffi.new("pa_node *[]", [node_pointer(param) for param in params])
        self.state = ffi.new("pa_node *[]", 3 * self.n)
        self.steps = ffi.new("int64_t[]", self.n)
        self.hyper = ffi.new("pa_hyper *")
        # References on all that the arrays point to: a user may edit lists and dicts under us, and a program that
        # another thread runs may be bound to the arrays. So pointers stay; only places without one are filled.
        self.keep: list[Any] = list(params)
        self.holders: list[Any] = [holder(param) for param in params]
        self.values: list[Any] | None = None
        self.names: tuple[str | None, ...] = ()
        self.waiting: list[int] = []


class FusedOptimizer(CheckedOptimizer):
    """An optimiser whose update is a C kernel: one call a group.

    A subclass gives `_kind`, writes its hyper-parameters into a pa_hyper and names the state tensors that they need.
    """

    _kind: int
    _plans: list[_Plan] | None = None
    _has_stepped = False

    def _write_hyper(self, hyper: Any, group: dict[str, Any]) -> None:
        raise NotImplementedError

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Updates every parameter that has a gradient; returns what `closure`, called first, returns."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        plans = self._prepare()
        if _updates.noted:
            _updates.note(self, plans)
        for plan in plans:
            if plan.waiting:
                self._make_state(plan)
            status = _optim_step(self._kind, plan.n, plan.params, plan.state, plan.steps, plan.hyper)
            if status:
                check(status)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clears the gradients of all parameters: to None, or to zeros where `set_to_none` is False."""
        plans = self._plans
        if plans is None or len(plans) != len(self.param_groups):
            plans = self._make_plans()
        for plan, group in zip(plans, self.param_groups):
            params = group["params"]
            if params is not plan.listed or len(params) != plan.n:
                plan = self._make_plan_again(plan, group)
            status = _optim_zero_grad(plan.n, plan.params, set_to_none)
            if status:
                check(status)

    @property
    def state(self) -> defaultdict[Any, dict[str, Any]]:
        """What is kept for each parameter, such as `exp_avg` and `step`: a dict by parameter."""
        # Whoever reads the state may edit it, so it is read again at the next step.
        self._sync()
        return self._state

    @named
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        self._sync()
        super().add_param_group(param_group)

    # ---- plans ----

    def _prepare(self) -> list[_Plan]:
        """The plans, brought up to date with the groups: all that a step does before its updates."""
        plans = self._plans
        if plans is not None and len(plans) == len(self.param_groups):
            for plan, group in zip(plans, self.param_groups):
                if plan.values != list(group.values()) or len(plan.listed) != plan.n:
                    break
            else:
                return plans
        with paused():
            return self._renew()

    def _renew(self) -> list[_Plan]:
        plans = self._plans
        if plans is None or len(plans) != len(self.param_groups):
            plans = self._make_plans()
        for plan, group in zip(list(plans), self.param_groups):  # what another thread adds comes with the next step
            params = group["params"]
            if params is not plan.listed or len(params) != plan.n or plan.names not in ((), self._state_names(group)):
                plan = self._make_plan_again(plan, group)
            if plan.values != list(group.values()):
                self._refresh(plan, group)
        return plans

    def _make_plans(self) -> list[_Plan]:
        with paused():
            self._sync()
            self._plans = [self._make_plan(group) for group in self.param_groups]
        return self._plans

    def _make_plan(self, group: dict[str, Any]) -> _Plan:
        plan = _Plan(group)
        for i in range(plan.n):
            kept = self._state.get(plan.keep[i])
            if kept:
                # Without a count of steps, 1 says that there has been one.
                plan.steps[i] = int(kept.get("step", 1)) if self._counts_steps else 1
        return plan

    def _make_plan_again(self, plan: _Plan, group: dict[str, Any]) -> _Plan:
        """A plan for a group whose list of parameters was changed."""
        assert self._plans is not None
        with paused():
            self._sync_steps(plan)
            again = self._make_plan(group)
        self._plans[self._plans.index(plan)] = again
        return again

    def _sync(self) -> None:
        """Writes the step counts that C kept into the state dicts, then drops the plans, so that none can be lost."""
        for plan in self._plans or []:
            self._sync_steps(plan)
        self._plans = None

    def _sync_steps(self, plan: _Plan) -> None:
        if self._counts_steps:
            for i in range(plan.n):
                if plan.keep[i] in self._state:
                    self._state[plan.keep[i]]["step"] = tensor(float(plan.steps[i]))

    def _refresh(self, plan: _Plan, group: dict[str, Any]) -> None:
        """Writes the group's options to C."""
        self._has_stepped = True
        self._write_hyper(plan.hyper, group)
        if not plan.names:
            self._find_state(plan, self._state_names(group))
        values = list(group.values())
        # A tensor changes without ceasing to be equal to itself: such options are written at every step.
        plan.values = None if any(isinstance(value, Tensor) for value in values) else values

    def _find_state(self, plan: _Plan, names: tuple[str | None, ...]) -> None:
        """Points C at the state tensors that there are, and lists the parameters that still lack some."""
        waiting: list[int] = []
        for i in range(plan.n):
            kept = self._state.get(plan.keep[i], {})
            for place, name in enumerate(names):
                held = kept.get(name) if name is not None else None
                plan.state[3 * i + place] = ffi.NULL if held is None else node_pointer(held)
                if held is not None:
                    plan.holders.append(holder(held))
                if held is None and name is not None and (not waiting or waiting[-1] != i):
                    waiting.append(i)
        plan.waiting = waiting
        plan.names = names  # last: a search that was interrupted begins anew

    def _make_state(self, plan: _Plan) -> None:
        """Zeros as the state of parameters that have their first gradient."""
        still = []
        with paused():
            zeros_of_values = _zeros_side_by_side(sum(isinstance(plan.keep[i], Value) for i in plan.waiting))
            for i in plan.waiting:
                param = plan.keep[i]
                if param.grad is None:
                    still.append(i)
                    continue
                kept = self._state[param]
                for place, name in enumerate(plan.names):
                    if name is None or plan.state[3 * i + place] != ffi.NULL:
                        continue
                    if kept.get(name) is None:
                        is_value = isinstance(param, Value)
                        kept[name] = next(zeros_of_values[place]) if is_value else zeros_like(param).detach()
                    if not self._counts_steps:
                        plan.steps[i] = 0
                    plan.holders.append(holder(kept[name]))
                    # Last: what an interrupt left without a pointer is pointed at by the next step.
                    plan.state[3 * i + place] = node_pointer(kept[name])
        plan.waiting = still

    # ---- copies ----

    def __getstate__(self) -> dict[str, Any]:
        self._sync()
        return {name: value for name, value in super().__getstate__().items() if name != "_plans"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._plans = None
        super().__setstate__(state)


def _check_form(state_dict: Any) -> None:
    """ValueError unless it looks like what `state_dict` gives."""
    found = isinstance(state_dict, Mapping) and (state_dict.get("state"), state_dict.get("param_groups"))
    if not (
        found
        and isinstance(found[0], Mapping)
        and all(isinstance(kept, Mapping) for kept in found[0].values())
        and isinstance(found[1], (list, tuple))
        and all(isinstance(group, Mapping) and isinstance(group.get("params"), (list, tuple)) for group in found[1])
    ):
        raise ValueError(
            'load_state_dict takes what state_dict gave: {"state": {index: {...}}, "param_groups": [{"params": [index, '
            f"...], ...}}]}}, not this {type(state_dict).__name__}"
        )


def _zeros_side_by_side(n: int) -> tuple[Iterator[Tensor], ...]:
    """Zeros for n Values, for each of three states, side by side: a program updates them where they stand."""
    return tuple(iter(zeros(n, dtype=float64)) if n else iter(()) for _ in range(3))


def _bring_values_together(state: dict[Any, dict[str, Any]]) -> None:
    """Puts the loaded states of Values side by side, each name's in one block, as `_zeros_side_by_side` makes them."""
    of_values = [kept for param, kept in state.items() if isinstance(param, Value)]
    for name in of_values[0] if of_values else ():
        held = [kept.get(name) for kept in of_values]
        if name == "step" or not all(isinstance(each, Tensor) and each.ndim == 0 for each in held):
            continue
        together = tensor([each.item() for each in held], dtype=float64)  # type: ignore[union-attr]
        for kept, each in zip(of_values, together, strict=True):
            kept[name] = each


def _like_param(name: str, value: Any, param: Any) -> Any:
    """A copy of a loaded state value, in its parameter's dtype."""
    if hasattr(value, "shape") and not isinstance(value, Tensor):
        value = tensor(value)
    if not isinstance(value, Tensor):
        return deepcopy(value)
    value = value.detach().clone()
    if name in _NUMBERS or not isinstance(param, Tensor):
        return value
    if tuple(value.shape) != tuple(param.shape):
        raise ValueError(
            f"loaded state dict has {name} of shape {tuple(value.shape)} for a parameter of shape {tuple(param.shape)}"
        )
    return value.to(param.dtype)


def check_non_negative(option: str, value: Any) -> None:
    """ValueError, in PyTorch's words, for an option that is negative or NaN."""
    if not value >= 0.0:
        raise ValueError(f"Invalid {_WORDS.get(option, f'{option} value')}: {value}")
