"""micrograd's API over the C engine: `Value`, and nets made of Values.

A script written for micrograd runs with its imports changed, and computes the same numbers:

    from pyautograd.scalar import Value, MLP        # was: micrograd.engine, micrograd.nn

Every node that micrograd would build is there to be looked at (`_prev`, `_op`, `draw_dot`, `trace`); a layer builds all
of its nodes in one C call. `pyautograd.reference` is the same in pure Python, to read.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from typing import Any

from pyautograd import _core
from pyautograd._arguments import wrong
from pyautograd._draw import draw_dot
from pyautograd._trace import trace
from pyautograd._value import Value

__all__ = ["MLP", "Layer", "Module", "Neuron", "Value", "draw_dot", "grad", "trace"]


def __dir__() -> list[str]:
    return __all__


def grad(
    output: Value, inputs: Value | Sequence[Value], create_graph: bool = False, allow_unused: bool = False
) -> tuple[Value | None, ...]:
    """d output / d input for each input, as new Values; no `.grad` changes.

    **Arguments:** `create_graph`: the results have a history of their own, so that they can be differentiated again, to
    any order. **Raises** TypeError for what is no Value, RuntimeError for an input that the output does not depend on
    (with `allow_unused=True` its gradient is None), NotImplementedError where a Value has a `_backward` or local
    gradients of its own.

    >>> x = Value(2.0)
    >>> (slope,) = grad(x ** 3, x, create_graph=True)
    >>> (curvature,) = grad(slope, x)
    >>> slope.data, curvature.data
    (12.0, 12.0)
    """
    wanted = (inputs,) if isinstance(inputs, Value) else tuple(inputs)
    for each in (output, *wanted):
        if not isinstance(each, Value):
            raise TypeError(f"grad: a {type(each).__name__} is no Value; tensors have autograd.grad")
    found = _core.grad(output, wanted, None, True, True, False)
    unused = [i for i, each in enumerate(found) if each is None]
    if unused and not allow_unused:
        raise RuntimeError(f"grad: the output does not depend on input {unused[0]}; pass allow_unused=True for None")
    return found if create_graph else tuple(None if each is None else Value(each.data) for each in found)


class Module:
    """What has parameters: a neuron, a layer, a net. A subclass defines `parameters`.

    >>> class Line(Module):
    ...     def __init__(self):
    ...         self.slope = Value(2.0)
    ...     def parameters(self):
    ...         return [self.slope]
    >>> Line().parameters()
    [Value(data=2.0, grad=0.0)]
    """

    def zero_grad(self) -> None:
        """Sets the gradient of every parameter to 0, as each training step must: leaves add up.

        >>> neuron = Neuron(2)
        >>> neuron([1.0, 1.0]).backward()
        >>> neuron.zero_grad()
        >>> neuron.b.grad
        0.0
        """
        for parameter in self.parameters():
            parameter.grad = 0.0

    def parameters(self) -> list[Value]:
        """Every Value that training changes.

        >>> len(Layer(2, 3).parameters())
        9
        """
        return []


class Neuron(Module, _core.NeuronState):
    """w · x + b of `nin` inputs, through a relu if `nonlin`. Weights start uniform in [-1, 1), drawn from `random`; the
    bias starts at 0.

    A subclass may compute something else in `__call__`: layers then call it neuron by neuron. **Raises** TypeError for
    a number of inputs that is no int; when called, ValueError for more or fewer inputs than weights.

    >>> neuron = Neuron(2, nonlin=False)
    >>> neuron.w = [Value(2.0), Value(-1.0)]
    >>> neuron([3.0, 1.0])
    Value(data=5.0, grad=0.0)
    """

    def __init__(self, nin: int, nonlin: bool = True) -> None:
        self.w = [Value(random.uniform(-1, 1)) for _ in range(nin)]
        self.b = Value(0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Any]) -> Any:
        """b + w[0] x[0] + w[1] x[1] + …, summed in this order, for Values or numbers `x`; its relu if `nonlin`.

        Raises ValueError if there are more or fewer inputs than weights.
        """
        if type(self) is Neuron:
            return _layer([self], x)[0]
        return _sum(self, list(x))

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "w": self.w, "b": self.b, "nonlin": self.nonlin}

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            setattr(self, name, value)

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


_build_layer = _core.layer
_call_of_neuron = Neuron.__call__


def _layer(neurons: list[Neuron], x: Any) -> list[Any]:
    """One Value a neuron, from one C call; or, where there are Tensors among the inputs, one Tensor a neuron.

    NotImplemented where a neuron is of a subclass, which may compute something else.
    """
    if type(x) is not list and type(x) is not tuple:
        if not isinstance(x, Value | Iterable):
            raise TypeError(
                f"layer: x is a {type(x).__name__}; give a list of the inputs of each neuron, such as [{x!r}]"
            )
        x = [x] if isinstance(x, Value) else list(x)
    try:
        return _build_layer(neurons, x, Neuron)
    except TypeError:
        if any(isinstance(xi, Sequence) or getattr(xi, "ndim", 0) for xi in x if not isinstance(xi, _core.Node | str)):
            raise TypeError(
                "layer: x has rows, and a net of Values takes the inputs of one: [model(row) for row in X]"
            ) from None
        if not any(isinstance(xi, _core.Node) for xi in x):
            raise
        return [_sum(neuron, x) for neuron in neurons]


def _sum(neuron: Neuron, x: Sequence[Any]) -> Any:
    if len(x) != len(neuron.w):
        raise ValueError(f"neuron: {len(x)} inputs for {len(neuron.w)} weights")
    act: Any = neuron.b
    for wi, xi in zip(neuron.w, x, strict=True):
        act = act + wi * xi
    return act.relu() if neuron.nonlin else act


class Layer(Module):
    """`nout` neurons over the same `nin` inputs; called, a list of one Value a neuron, or the Value itself if there is
    one.

    **Raises** as Neuron.

    >>> len(Layer(2, 3)([1.0, -1.0]))
    3
    """

    def __init__(self, nin: int, nout: int, **kwargs: Any) -> None:
        self.neurons = [Neuron(nin, **kwargs) for _ in range(nout)]

    def __call__(self, x: Sequence[Any]) -> Any:
        """A list of one Value a neuron; the Value itself if there is one neuron."""
        neurons = self.neurons
        out = _layer(neurons, x) if Neuron.__call__ is _call_of_neuron else NotImplemented
        if out is NotImplemented:
            out = [neuron(x) for neuron in neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        parameters: list[Value] = []
        for neuron in self.neurons:
            parameters += neuron.parameters()
        return parameters

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(map(str, self.neurons))}]"


class MLP(Module):
    """Layers of `nouts` neurons one after the other, over `nin` inputs; all but the last with a relu.

    **Raises** as Neuron; TypeError for `nouts` that are no list.

    >>> import random
    >>> random.seed(1337)
    >>> model = MLP(2, [16, 16, 1])
    >>> len(model.parameters()), model([1.0, -2.0])
    (337, Value(data=-1.3324313779586294, grad=0.0))
    """

    def __init__(self, nin: int, nouts: Sequence[int]) -> None:
        if not isinstance(nouts, Iterable):
            raise wrong("MLP", "nouts", "a list of layer sizes, such as [16, 16, 1]", nouts)
        sizes = [nin, *nouts]
        last = len(sizes) - 2
        self.layers = [Layer(sizes[i], sizes[i + 1], nonlin=i != last) for i in range(len(sizes) - 1)]

    def __call__(self, x: Any) -> Any:
        """One Value for each neuron of the last layer: a list of them, or the Value itself if it has one.

        `x` is a list, tuple or 1-d array of Values or numbers.
        """
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self) -> list[Value]:
        parameters: list[Value] = []
        for layer in self.layers:
            parameters += layer.parameters()
        return parameters

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(map(str, self.layers))}]"
