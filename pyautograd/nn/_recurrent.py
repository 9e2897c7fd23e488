"""Recurrent layers over sequences, RNN, LSTM and GRU, and their cells for one step.

A layer multiplies the whole sequence by its input weights in one product and then goes through the steps; a cell is
one of these steps. The formulas are PyTorch's, as are names and shapes of the parameters, so that state dicts are
exchanged.
"""

from __future__ import annotations

import math
from typing import Any

from pyautograd._arguments import named, wrong
from pyautograd._creation import empty, zeros
from pyautograd._joins import cat, stack
from pyautograd._tensor import Parameter, Tensor
from pyautograd.nn import functional as F
from pyautograd.nn import init
from pyautograd.nn._module import Module

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNCell"]

_PARAMETERS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
_MAX_LAYERS = 10_000  # beyond them a number was meant for something else, and making them has no end
State = tuple[Tensor, ...]  # what a step hands on: (h,), of an LSTM (h, c)


def _rnn(given: Tensor, recurrent: Tensor, state: State, nonlinearity: str) -> State:
    total = given + recurrent
    return (total.tanh() if nonlinearity == "tanh" else total.relu(),)


def _lstm(given: Tensor, recurrent: Tensor, state: State, nonlinearity: str) -> State:
    i, f, g, o = (given + recurrent).chunk(4, -1)
    c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _gru(given: Tensor, recurrent: Tensor, state: State, nonlinearity: str) -> State:
    (r, z, n), (r_h, z_h, n_h) = given.chunk(3, -1), recurrent.chunk(3, -1)
    n = (n + (r + r_h).sigmoid() * n_h).tanh()
    return (n + (z + z_h).sigmoid() * (state[0] - n),)


class _Recurrent(Module):
    """What layers and cells share: a step, its parameters, and their start."""

    _step = staticmethod(_rnn)
    _gates = 1
    _states = 1
    hidden_size: int

    def _draw(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0.0
        for parameter in self.parameters():
            init.uniform_(parameter, -bound, bound)

    def reset_parameters(self) -> None:
        """Draws all parameters anew, uniform in ±1 / sqrt(hidden_size).

        >>> import pyautograd as pa
        >>> layer = pa.nn.GRU(2, 4)
        >>> layer.reset_parameters()
        >>> bool((layer.weight_ih_l0.abs() <= 0.5).all())
        True
        """
        self._draw()

    def _add(self, suffix: str, inputs: int, outputs: int, bias: bool, options: dict[str, Any]) -> None:
        """The parameters of one step: (gates * hidden, inputs), (gates * hidden, outputs) and two biases."""
        rows = self._gates * self.hidden_size
        for name, shape in zip(_PARAMETERS, ((rows, inputs), (rows, outputs), (rows,), (rows,)), strict=True):
            if bias or len(shape) == 2:
                setattr(self, name + suffix, Parameter(empty(*shape, **options)))
            elif not suffix:
                self.register_parameter(name, None)


class _Layer(_Recurrent):
    """A stack of recurrent layers over a sequence."""

    @named
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        if proj_size:
            raise NotImplementedError(f"{name}: proj_size; write a Linear behind the layer")
        if hidden_size < 1 or not 1 <= num_layers <= _MAX_LAYERS or input_size < 0:
            raise ValueError(f"{name}: sizes {input_size} and {hidden_size}, {num_layers} layers")
        if not 0 <= dropout <= 1:
            raise ValueError(f"{name}: dropout must be in [0, 1], got {dropout}")
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout, self.bidirectional = bias, batch_first, float(dropout), bidirectional
        self.proj_size = proj_size
        self.nonlinearity = "tanh"
        for layer in range(num_layers):
            inputs = hidden_size * (1 + bidirectional) if layer else input_size
            for suffix in self._suffixes(layer):
                self._add(suffix, inputs, hidden_size, bias, {"device": device, "dtype": dtype})
        self._draw()

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        return (f"_l{layer}", f"_l{layer}_reverse")[: 1 + self.bidirectional]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        suffixes = [suffix for layer in range(self.num_layers) for suffix in self._suffixes(layer)]
        names = _PARAMETERS if self.bias else _PARAMETERS[:2]
        return [[getattr(self, name + suffix) for name in names] for suffix in suffixes]

    def flatten_parameters(self) -> None:
        """Does nothing: parameters stay where they are.

        >>> import pyautograd as pa
        >>> pa.nn.LSTM(2, 4).flatten_parameters()
        """

    def _sequence(self, input: Tensor, state: State, suffix: str) -> tuple[list[Tensor], State]:
        """The output of each step, forward or backward through the sequence, and the last state."""
        held: list[Any] = [getattr(self, name + suffix, None) for name in _PARAMETERS]
        weight_ih, weight_hh, bias_ih, bias_hh = held
        given = F.linear(input, weight_ih, bias_ih)
        steps = range(len(input))
        outputs = []
        for t in reversed(steps) if suffix.endswith("reverse") else steps:
            recurrent = F.linear(state[0], weight_hh, bias_hh)
            state = self._step(given[t], recurrent, state, self.nonlinearity)
            outputs.append(state[0])
        return outputs[::-1] if suffix.endswith("reverse") else outputs, state

    def _run(self, input: Tensor, hx: State | None) -> tuple[Tensor, State]:
        """The output (L, N, directions * hidden), and the last states, (layers * directions, N, hidden) each."""
        name = type(self).__name__
        if not isinstance(input, Tensor):
            raise wrong(name, "input", "a Tensor", input)
        along = int(self.batch_first and input.ndim == 3)
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size or input.shape[along] == 0:
            raise ValueError(
                f"{name}: expected an input of shape (L, {self.input_size}) or, of batches, "
                f"{'(N, L, ' if self.batch_first else '(L, N, '}{self.input_size}), got {input.shape}"
            )
        batched = input.ndim == 3
        if not batched:
            input = input.unsqueeze(1)
        elif self.batch_first:
            input = input.transpose(0, 1)
        shape = (self.num_layers * (1 + self.bidirectional), input.shape[1], self.hidden_size)
        states = self._states_of(hx, shape, batched, input)
        last: list[State] = []
        for layer in range(self.num_layers):
            if layer and self.dropout:
                input = F.dropout(input, self.dropout, self.training)
            directions = []
            for suffix in self._suffixes(layer):
                start = tuple(each[len(last)] for each in states)
                outputs, state = self._sequence(input, start, suffix)
                directions.append(stack(outputs))
                last.append(state)
            input = directions[0] if len(directions) == 1 else cat(directions, -1)
        output, final = input, tuple(map(stack, zip(*last, strict=True)))
        if not batched:
            return output.squeeze(1), tuple(each.squeeze(1) for each in final)
        return output.transpose(0, 1) if self.batch_first else output, final

    def _states_of(self, hx: State | None, shape: tuple[int, ...], batched: bool, input: Tensor) -> State:
        if hx is None:
            return (zeros(*shape, dtype=input.dtype),) * self._states
        wanted = shape if batched else (shape[0], shape[2])
        for each in hx:
            if not isinstance(each, Tensor):
                raise wrong(type(self).__name__, "a state", "a Tensor", each)
        if len(hx) != self._states or any(tuple(each.shape) != wanted for each in hx):
            raise ValueError(
                f"{type(self).__name__}: {self._states} states of shape {wanted} are wanted for this input, got "
                f"{', '.join(str(tuple(each.shape)) for each in hx)}"
            )
        return hx if batched else tuple(each.unsqueeze(1) for each in hx)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name, usual in ("num_layers", 1), ("bias", True), ("batch_first", False), ("dropout", 0.0):
            if (value := getattr(self, name)) != usual:
                text += f", {name}={value}"
        return text + f", bidirectional={self.bidirectional}" * self.bidirectional


class RNN(_Layer):
    """h_t = tanh(x_t weight_ih^T + bias_ih + h_(t-1) weight_hh^T + bias_hh) through a sequence (Elman 1990).

    Takes (L, N, input_size), with `batch_first` (N, L, input_size), or (L, input_size), and the first state (num_layers
    * directions, N, hidden_size), by default zeros; returns the output (L, N, directions * hidden_size) and the last
    state. `nonlinearity`: "tanh" or "relu"; `dropout` between layers; with `bidirectional` each layer goes both ways.
    Parameters `weight_ih_l0`, … start uniform in ±1 / sqrt(hidden_size). **Raises** ValueError for sizes below 1 and
    for another nonlinearity, when called, for other shapes; NotImplementedError for `proj_size`.

    >>> import pyautograd as pa
    >>> output, h = pa.nn.RNN(2, 4)(pa.zeros(5, 3, 2))
    >>> output.shape, h.shape
    ((5, 3, 4), (1, 3, 4))
    """

    @named
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            input_size, hidden_size, num_layers, bias, batch_first, dropout, bidirectional, 0, device, dtype
        )
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class LSTM(_Layer):
    """Long short-term memory through a sequence (Hochreiter and Schmidhuber 1997).

    i, f, g, o = x_t weight_ih^T + bias_ih + h_(t-1) weight_hh^T + bias_hh; c_t = sigmoid(f) c_(t-1) + sigmoid(i)
    tanh(g); h_t = sigmoid(o) tanh(c_t). Shapes, parameters and what it **raises** are those of `RNN`; the state is a
    pair (h, c).

    >>> import pyautograd as pa
    >>> output, (h, c) = pa.nn.LSTM(2, 4, num_layers=2, batch_first=True)(pa.zeros(3, 5, 2))
    >>> output.shape, h.shape, c.shape
    ((3, 5, 4), (2, 3, 4), (2, 3, 4))
    """

    _step, _gates, _states = staticmethod(_lstm), 4, 2

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        output, (h, c) = self._run(input, hx)
        return output, (h, c)


class GRU(_Layer):
    """Gated recurrent units through a sequence (Cho et al. 2014).

    With r, z, n = x_t weight_ih^T + bias_ih and r', z', n' = h_(t-1) weight_hh^T + bias_hh: n_t = tanh(n + sigmoid(r +
    r') n'); h_t = (1 - sigmoid(z + z')) n_t + sigmoid(z + z') h_(t-1). Shapes, parameters and what it **raises** are
    those of `RNN`.

    >>> import pyautograd as pa
    >>> output, h = pa.nn.GRU(2, 4, bidirectional=True)(pa.zeros(5, 3, 2))
    >>> output.shape, h.shape
    ((5, 3, 8), (2, 3, 4))
    """

    _step, _gates = staticmethod(_gru), 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> tuple[Tensor, Tensor]:
        output, (h,) = self._run(input, None if hx is None else (hx,))
        return output, h


class _Cell(_Recurrent):
    """One step of one layer."""

    nonlinearity = "tanh"
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    @named
    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        if hidden_size < 1 or input_size < 0:
            raise ValueError(f"{type(self).__name__}: sizes {input_size} and {hidden_size}")
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        self._add("", input_size, hidden_size, bias, {"device": device, "dtype": dtype})
        self._draw()

    def _run(self, input: Tensor, hx: State | None) -> State:
        name = type(self).__name__
        if not isinstance(input, Tensor):
            raise wrong(name, "input", "a Tensor", input)
        shape = (*input.shape[:-1], self.hidden_size)
        if input.ndim not in (1, 2) or input.shape[-1] != self.input_size:
            raise ValueError(
                f"{name}: expected an input of shape (N, {self.input_size}) or ({self.input_size},), got {input.shape}"
            )
        state = (zeros(*shape, dtype=input.dtype),) * self._states if hx is None else hx
        if len(state) != self._states or any(tuple(each.shape) != shape for each in state):
            raise ValueError(f"{name}: {self._states} states of shape {shape} are wanted for this input")
        given = F.linear(input, self.weight_ih, self.bias_ih)
        return self._step(given, F.linear(state[0], self.weight_hh, self.bias_hh), state, self.nonlinearity)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}" + ", bias=False" * (not self.bias)
        return text + f", nonlinearity={self.nonlinearity}" * (self.nonlinearity != "tanh")


class RNNCell(_Cell):
    """One step of an `RNN`: (N, input_size) or (input_size,), and the state (N, hidden_size), to the next state.

    Parameters `weight_ih`, `weight_hh`, `bias_ih`, `bias_hh`. **Raises** as `RNN`.

    >>> import pyautograd as pa
    >>> pa.nn.RNNCell(2, 4)(pa.zeros(3, 2)).shape
    (3, 4)
    """

    @named
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, device, dtype)
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._run(input, None if hx is None else (hx,))[0]


class LSTMCell(_Cell):
    """One step of an `LSTM`: (N, input_size) or (input_size,), and the state (h, c), to the next (h, c).

    Parameters and what it **raises** are those of `RNNCell`.

    >>> import pyautograd as pa
    >>> h, c = pa.nn.LSTMCell(2, 4)(pa.zeros(3, 2))
    >>> h.shape, c.shape
    ((3, 4), (3, 4))
    """

    _step, _gates, _states = staticmethod(_lstm), 4, 2

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._run(input, hx)
        return h, c


class GRUCell(_Cell):
    """One step of a `GRU`: (N, input_size) or (input_size,), and the state (N, hidden_size), to the next state.

    Parameters and what it **raises** are those of `RNNCell`.

    >>> import pyautograd as pa
    >>> pa.nn.GRUCell(2, 4)(pa.zeros(3, 2), pa.zeros(3, 4)).shape
    (3, 4)
    """

    _step, _gates = staticmethod(_gru), 3

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._run(input, None if hx is None else (hx,))[0]
