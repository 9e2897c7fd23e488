"""The signature of a call: the structure of its arguments, the kind, dtype and shape of the tensors, all else as it is.

step(x, [y, 0.5], scale=2)
    structure   ((tuple, (LEAF, (list, (LEAF, LEAF)))), (dict, (("scale", LEAF),)))
    leaves      x, y, 0.5, 2
    signature   TensorSpec(x), TensorSpec(y), float, Constant(2)       a float may be another at each call
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pyautograd._array_like import as_tensor
from pyautograd._core import Node
from pyautograd._structure import BY_VALUE, LEAF, Constant, Inner, rebuild
from pyautograd._tensor import Tensor


class TensorSpec(NamedTuple):
    """What a signature says of a tensor."""

    kind: str
    dtype: str
    shape: tuple[Any, ...]  # "n" for a free batch axis
    contiguous: bool
    requires_grad: bool

    def __str__(self) -> str:
        if self.kind == "Value":
            return "Value"
        notes = ["not contiguous"] * (not self.contiguous) + ["requires grad"] * self.requires_grad
        shape = f"({', '.join(map(str, self.shape))}{',' * (len(self.shape) == 1)})"
        return f"{self.kind} {self.dtype} {shape}" + (f" ({', '.join(notes)})" if notes else "")


class Call(NamedTuple):
    """The arguments of one call, taken apart."""

    structure: Any  # of (args, kwargs)
    arrays: frozenset[int]  # the leaves that were ndarrays
    leaves: tuple[Any, ...]

    @property
    def kind(self) -> Any:
        return self.structure, self.arrays

    def signature(self) -> tuple[Any, ...]:
        return tuple([_spec(leaf, i in self.arrays) for i, leaf in enumerate(self.leaves)])

    def argument_kinds(self) -> tuple[Any, ...]:
        """What a program compares its arguments with."""
        return tuple([memoryview if i in self.arrays else None if isinstance(leaf, Node)
                      else float if type(leaf) is float else leaf for i, leaf in enumerate(self.leaves)])  # fmt: skip

    def objects(self, names: list[str]) -> list[tuple[Any, str]]:
        """What is neither tensor nor number and may change inside, such as models, with its name."""
        return [
            (leaf, name)
            for leaf, name in zip(self.leaves, names)
            if not isinstance(leaf, Node) and not isinstance(leaf, (float, *BY_VALUE))
        ]

    def names(self, function: Callable[..., Any], is_method: bool) -> list[str]:
        """A name for each leaf: x, y[0], options['scale']."""
        (_, _, _, positional), (_, _, keys, named) = self.structure
        pairs = [*zip(_parameter_names(function, is_method, len(positional)), positional), *zip(keys, named)]
        return [leaf for name, structure in pairs for leaf in _leaf_names(structure, name)]

    @property
    def is_flat(self) -> bool:
        """Are the arguments positional and no containers?"""
        positional, named = (structure.members for structure in self.structure)
        return not named and all(member is LEAF for member in positional)


def take_apart(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
    leaves: list[Any] = []
    named = {name: kwargs[name] for name in sorted(kwargs)}
    structure = _flatten(args, leaves), _flatten(named, leaves)
    arrays = []
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, np.ndarray) and leaf.dtype.kind in "fiub":
            leaves[i] = as_tensor(leaf)
            arrays.append(i)
        elif isinstance(leaf, np.generic):
            leaves[i] = leaf.item()
    return Call(structure, frozenset(arrays), tuple(leaves))


def with_tensors(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments of a call as a compiled step has them: tensors over the arrays among them."""
    call = take_apart(args, kwargs)
    if not call.arrays:
        return args, kwargs
    leaves = iter(call.leaves)
    positional, named = call.structure
    return rebuild(positional, leaves), rebuild(named, leaves)


def _flatten(value: Any, leaves: list[Any]) -> Any:
    """All but None and the class float, which have a meaning of their own among the argument kinds of a program."""
    kind = type(value)
    if kind is list or kind is tuple or hasattr(kind, "_fields"):
        return Inner(kind, None, (), tuple([_flatten(item, leaves) for item in value]))
    if kind is dict:
        return Inner(kind, None, tuple(value), tuple([_flatten(item, leaves) for item in value.values()]))
    if value is None or value is float:
        return Constant(value)
    leaves.append(value)
    return LEAF


def _leaf_names(structure: Any, name: str) -> list[str]:
    """How to reach each leaf of what has a name: x, y[0], options['scale']."""
    if structure is LEAF:
        return [name]
    if isinstance(structure, Constant):
        return []
    pairs = zip(structure.keys, structure.members) if structure.kind is dict else enumerate(structure.members)
    return [leaf for key, member in pairs for leaf in _leaf_names(member, f"{name}[{key!r}]")]


def _spec(leaf: Any, is_array: bool) -> Any:
    if isinstance(leaf, Tensor):
        kind = "ndarray" if is_array else "Tensor"
        return TensorSpec(kind, leaf.dtype.name, leaf.shape, leaf.is_contiguous(), leaf.requires_grad)
    if isinstance(leaf, Node):
        return TensorSpec("Value", "float64", (), True, leaf.requires_grad)
    return float if type(leaf) is float else Constant(leaf)


def _parameter_names(function: Callable[..., Any], is_method: bool, n: int) -> list[str]:
    """Names for the first n positional arguments."""
    try:
        parameters = list(inspect.signature(function).parameters.values())[int(is_method) :]
    except (TypeError, ValueError):
        parameters = []
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    names = [each.name for each in parameters if each.kind in positional][:n]
    rest = next((each.name for each in parameters if each.kind is each.VAR_POSITIONAL), "argument")
    return names + [f"{rest}[{i}]" for i in range(n - len(names))]
