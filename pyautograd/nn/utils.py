"""Helpers over parameters, as `torch.nn.utils`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pyautograd import _arguments
from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd._array_like import tensor
from pyautograd._c import check, ffi, lib, node_pointer
from pyautograd._grad_mode import no_grad
from pyautograd._joins import cat, stack
from pyautograd._rearrange import padded
from pyautograd._tensor import Tensor

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "pad_sequence", "parameters_to_vector", "unpad_sequence",
    "vector_to_parameters",
]  # fmt: skip

__path__: list[str] = []  # `nn.utils.clip_grad` and `nn.utils.rnn` lead here (_paths.py)


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


@named
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scales all gradients so that their norm, taken as one vector, is at most `max_norm`; **returns** the norm before,
    0-d.

    **Raises** RuntimeError for a norm that is not finite, with the gradients as they were, if `error_if_nonfinite`.

    >>> import pyautograd as pa
    >>> w = pa.tensor([3.0, 4.0], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> pa.nn.utils.clip_grad_norm_([w], 1.0).item()
    5.0
    """
    listed = _listed("clip_grad_norm_", parameters)
    nodes = ffi.new("pa_node *[]", [node_pointer(parameter) for parameter in listed])
    total = ffi.new("double *")
    finite = bool(error_if_nonfinite)
    check(lib.pa_optim_clip_grad_norm(len(listed), nodes, float(max_norm), float(norm_type), finite, total))
    norm = tensor(total[0])
    check(lib.pa_record_result_of_last(node_pointer(norm)))  # a recorded step's norm is each call's own
    return norm


@named
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None) -> None:
    """Brings every gradient's elements into [-clip_value, clip_value]. **Raises** TypeError for a limit that is no
    number.

    >>> import pyautograd as pa
    >>> w = pa.tensor([3.0, 0.5], requires_grad=True)
    >>> (w * w / 2).sum().backward()
    >>> pa.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad.tolist()
    [1.0, 0.5]
    """
    limit = _arguments.number("clip_grad_value_", "clip_value", clip_value)
    with no_grad():
        for parameter in _listed("clip_grad_value_", parameters):
            grad = parameter.grad
            if grad is not None:
                grad.copy_(grad.clamp(-limit, limit))


@named
def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """All parameters' elements one after the other, shape (total,). **Raises** ValueError where there are none.

    >>> import pyautograd as pa
    >>> tuple(pa.nn.utils.parameters_to_vector(pa.nn.Linear(3, 2).parameters()).shape)
    (8,)
    """
    return cat([parameter.reshape(-1) for parameter in _listed("parameters_to_vector", parameters)])


@named
def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Copies a vector's elements, in order, into parameters. **Raises** ValueError where their numbers differ.

    >>> import pyautograd as pa
    >>> layer = pa.nn.Linear(1, 1)
    >>> pa.nn.utils.vector_to_parameters(pa.tensor([2.0, 0.5]), layer.parameters())
    >>> layer.weight.item(), layer.bias.item()
    (2.0, 0.5)
    """
    if not isinstance(vec, Tensor):
        raise TypeError(f"vector_to_parameters: expected a Tensor, got {type(vec).__name__}")
    listed = _listed("vector_to_parameters", parameters)
    total = sum(parameter.numel() for parameter in listed)
    if vec.numel() != total or vec.ndim != 1:
        raise ValueError(
            f"vector_to_parameters: the vector has shape {tuple(vec.shape)} and the parameters {total} elements"
        )
    start = 0
    with no_grad():
        for parameter in listed:
            end = start + parameter.numel()
            parameter.copy_(vec[start:end].reshape(parameter.shape))
            start = end


def _listed(name: str, parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    listed = [parameters] if isinstance(parameters, Tensor) else list(parameters)
    for i, parameter in enumerate(listed):
        if not isinstance(parameter, Tensor):
            raise _arguments.wrong(name, f"parameters[{i}]", "a Tensor", parameter)
    return listed


@named
def pad_sequence(
    sequences: Sequence[Tensor], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (L_i, ...) of several lengths as one tensor (L, N, ...), or with `batch_first` (N, L, ...); what is
    missing is `padding_value`, at the end or with `padding_side="left"` before.

    **Raises** ValueError for no sequences, further axes that differ, and another side.

    >>> import pyautograd as pa
    >>> pa.nn.utils.rnn.pad_sequence([pa.ones(2), pa.ones(3)], batch_first=True)
    tensor([[1., 1., 0.],
            [1., 1., 1.]])
    """
    if not len(sequences) or padding_side not in ("left", "right"):
        raise ValueError(f"pad_sequence: {len(sequences)} sequences, padding_side={padding_side!r}")
    longest = max(map(len, sequences))
    rows = []
    for each in sequences:
        around = (0, longest - len(each)) if padding_side == "right" else (longest - len(each), 0)
        rows.append(padded(each, (0, 0) * (each.ndim - 1) + around, "constant", padding_value))
    return stack(rows, 0 if batch_first else 1)


@named
def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences that `pad_sequence` made a tensor of, by their lengths (N,). **Raises** TypeError for lengths that
    are no ints, ValueError for as many as there are no sequences.

    >>> import pyautograd as pa
    >>> pa.nn.utils.rnn.unpad_sequence(pa.ones(3, 2), pa.tensor([3, 1]))
    [tensor([1., 1., 1.]), tensor([1.])]
    """
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:length] for row, length in zip(rows, lengths.tolist(), strict=True)]
