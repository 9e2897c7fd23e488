"""Products of tensors summed over axes, each made as a product of matrices: einsum and its like."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from typing import Any

from pyautograd import _arguments, _dims, _ops
from pyautograd._arguments import named
from pyautograd._core import Tensor, apply, reshape
from pyautograd._shape import diagonal, listed, permute

__all__ = ["einsum", "inner", "tensordot"]


@named
def inner(input: Tensor, other: Tensor) -> Tensor:
    """Products summed over the last axes of both, (..., k) and (..., k); of a 0-d tensor just products. **Raises**
    ValueError for last axes that differ.

    >>> import pyautograd
    >>> pyautograd.inner(pyautograd.ones(2, 3), pyautograd.ones(4, 3)).shape
    (2, 4)
    """
    if not input.ndim or not other.ndim:
        return apply(_ops.mul, input, other)
    if input.shape[-1] != other.shape[-1]:
        raise ValueError(f"inner: shapes {input.shape} and {other.shape} have last axes that differ")
    return tensordot(input, other, ([-1], [-1]))


@named
def tensordot(a: Tensor, b: Tensor, dims: Any = 2) -> Tensor:
    """Products summed over axes of both: the last `dims` of a and the first of b, or those of two lists, pair by pair.

    **Raises** ValueError for sizes that differ, IndexError for an axis that is not there.

    >>> import pyautograd
    >>> pyautograd.tensordot(pyautograd.ones(2, 3, 4), pyautograd.ones(4, 3, 5), dims=([1, 2], [1, 0])).shape
    (2, 5)
    """
    if isinstance(dims, tuple | list):
        first, second = (_dims.sizes("tensordot", (each,), "dims") for each in dims)
    else:
        n = _arguments.integer("tensordot", "dims", dims)
        if not 0 <= n <= min(a.ndim, b.ndim):
            raise ValueError(f"tensordot: {n} axes of shapes {a.shape} and {b.shape}")
        first, second = tuple(range(a.ndim - n, a.ndim)), tuple(range(n))
    axes_a = _dims.distinct("tensordot", first, a.ndim, "dims")
    axes_b = _dims.distinct("tensordot", second, b.ndim, "dims")
    if len(axes_a) != len(axes_b):
        raise ValueError(f"tensordot: {len(axes_a)} axes of one and {len(axes_b)} of the other")
    labels_a: list[Hashable] = [("a", axis) for axis in range(a.ndim)]
    labels_b: list[Hashable] = [("b", axis) for axis in range(b.ndim)]
    for one, two in zip(axes_a, axes_b, strict=True):
        labels_b[two] = labels_a[one]
    out = [label for label in labels_a + labels_b if (label in labels_a) != (label in labels_b)]
    return _contracted("tensordot", [(a, labels_a), (b, labels_b)], out)


def einsum(equation: Any, *operands: Any) -> Tensor:
    """Products summed over the axes whose letter the result does not have: `einsum("ij,jk->ik", a, b)` is a @ b.

    A letter names an axis, and stands for one size; twice in an operand it means a diagonal; `...` stands for axes that
    broadcast. Without `->` the result has the letters that appear once, in alphabetical order. Operands may also be
    given with lists of ints for letters: `einsum(a, [0, 1], b, [1, 2], [0, 2])`. Contractions are made from left to
    right, as products of matrices. **Raises** ValueError for what does not fit.

    >>> import pyautograd
    >>> a, b = pyautograd.ones(2, 3), pyautograd.ones(3, 4)
    >>> pyautograd.einsum("ij,jk->ik", a, b).shape
    (2, 4)
    >>> pyautograd.einsum("ii", pyautograd.ones(3, 3))
    tensor(3.)
    >>> pyautograd.einsum("...ij,...j->...i", pyautograd.ones(5, 2, 3), pyautograd.ones(3)).shape
    (5, 2)
    """
    if isinstance(equation, str):
        tensors = listed("einsum", operands)
        left, arrow, right = equation.replace(" ", "").partition("->")
        terms: list[list[Any]] = [_letters(term) for term in left.split(",")]
        out: list[Any] | None = _letters(right) if arrow else None
    else:
        given = [equation, *operands]
        out = _numbers(given.pop()) if len(given) % 2 else None
        tensors = listed("einsum", tuple(given[::2]))
        terms = [_numbers(sublist) for sublist in given[1::2]]
    if len(terms) != len(tensors) or not tensors:
        raise ValueError(f"einsum: {len(terms)} terms for {len(tensors)} operands")
    labelled = [(each, _without_ellipsis(each, term)) for each, term in zip(tensors, terms, strict=True)]
    everything = [label for _, labels in labelled for label in labels]
    spread = sorted({label for label in everything if isinstance(label, int)})
    if out is None:
        once = sorted(x for x in set(everything) if not isinstance(x, int) and everything.count(x) == 1)
        out = [*spread, *once]
    elif ... in out:
        at = out.index(...)
        out = [*out[:at], *spread, *out[at + 1 :]]
    if len(set(out)) != len(out) or not set(out) <= set(everything):
        raise ValueError(f"einsum: a letter of the result is there twice, or in no operand: {equation}")
    return _contracted("einsum", labelled, out)


def _letters(term: str) -> list[Any]:
    before, dots, after = term.partition("...")
    letters = before + after
    if letters and not (letters.isascii() and letters.isalpha()):
        raise ValueError(f"einsum: {term!r} is no list of letters")
    return [*before, *([...] if dots else []), *after]


def _numbers(sublist: Any) -> list[Any]:
    """Letters for a list of ints, of which Ellipsis may be one."""
    if not isinstance(sublist, tuple | list):
        raise _arguments.wrong("einsum", "a sublist", "a list of ints", sublist)
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    found = [x if x is ... else _arguments.integer("einsum", "a sublist", x) for x in sublist]
    if any(x is not ... and not 0 <= x < len(letters) for x in found):
        raise ValueError(f"einsum: a sublist {sublist}; its numbers go from 0 to {len(letters) - 1}")
    return [x if x is ... else letters[x] for x in found]


def _without_ellipsis(tensor: Tensor, term: list[Any]) -> list[Any]:
    """A label for each axis; those of the ellipsis are numbers, -1 the last."""
    extra = tensor.ndim - (len(term) - term.count(...))
    if term.count(...) > 1 or extra < 0 or (extra and ... not in term):
        raise ValueError(f"einsum: {len(term)} letters for a tensor of shape {tensor.shape}")
    at = term.index(...) if ... in term else 0
    return [*term[:at], *range(-extra, 0), *term[at + 1 :]] if ... in term else term


def _contracted(name: str, operands: list[tuple[Tensor, list[Any]]], out: Sequence[Any]) -> Tensor:
    """The products of labelled tensors, summed over the labels that are not in `out`, from left to right."""
    sizes: dict[Any, int] = {}
    for tensor, labels in operands:
        for size, label in zip(tensor.shape, labels, strict=True):
            known = sizes.setdefault(label, size)
            if known == 1:
                sizes[label] = size
            elif size not in (1, known):
                raise ValueError(f"{name}: axes of sizes {known} and {size} are to be one, of shape {tensor.shape}")
    plain = [_reduced(name, *operand, sizes) for operand in operands]
    result, labels = plain[0]
    for i, (tensor, own) in enumerate(plain[1:], 1):
        kept = {*out, *(label for _, later in plain[i + 1 :] for label in later)}
        result, labels = _product(_summed(result, labels, kept | {*own}), _summed(tensor, own, kept | {*labels}), kept)
    result, labels = _summed(result, labels, {*out})
    order = [labels.index(label) for label in out]
    return permute(result, order) if order != sorted(order) else result


def _reduced(name: str, tensor: Tensor, labels: list[Any], sizes: dict[Any, int]) -> tuple[Tensor, list[Any]]:
    """Each label once, a repeated one as a diagonal, and without axes of size 1 that broadcast."""
    for label in dict.fromkeys(labels):
        while labels.count(label) > 1:
            first = labels.index(label)
            second = labels.index(label, first + 1)
            if tensor.shape[first] != tensor.shape[second]:
                raise ValueError(f"{name}: a diagonal of axes that differ, of shape {tensor.shape}")
            tensor = diagonal(tensor, 0, first, second)
            labels = [x for i, x in enumerate(labels) if i not in (first, second)] + [label]
    kept = [i for i, label in enumerate(labels) if tensor.shape[i] != 1 or sizes[label] == 1]
    if len(kept) < len(labels):
        tensor = reshape(tensor, tuple([tensor.shape[i] for i in kept]))
    return tensor, [labels[i] for i in kept]


def _summed(tensor: Tensor, labels: list[Any], kept: set[Any]) -> tuple[Tensor, list[Any]]:
    """Without the labels that nobody asks for."""
    mask = sum(1 << i for i, label in enumerate(labels) if label not in kept)
    if not mask:
        return tensor, labels
    return apply(_ops.sum, tensor, (mask, False)), [label for label in labels if label in kept]


def _product(a: tuple[Tensor, list[Any]], b: tuple[Tensor, list[Any]], kept: set[Any]) -> tuple[Tensor, list[Any]]:
    """Two tensors multiplied: labels of both that are kept are a batch, the others of both are contracted."""
    both = [label for label in a[1] if label in b[1]]
    batch, inner = [x for x in both if x in kept], [x for x in both if x not in kept]
    left, right = [x for x in a[1] if x not in both], [x for x in b[1] if x not in both]
    shape = dict(zip(a[1] + b[1], a[0].shape + b[0].shape, strict=True))

    def arranged(tensor: Tensor, labels: list[Any], *groups: list[Any]) -> Tensor:
        order = [labels.index(label) for label in (*batch, *groups[0], *groups[1])]
        moved = permute(tensor, order) if order != sorted(order) else tensor
        if len(groups[0]) == len(groups[1]) == 1:
            return moved
        flat = [math.prod(shape[label] for label in group) for group in groups]
        return reshape(moved, (*(shape[label] for label in batch), *flat))

    if inner:
        product = apply(_ops.matmul, arranged(*a, left, inner), arranged(*b, inner, right))
    else:
        product = apply(_ops.mul, arranged(*a, left, []), arranged(*b, [], right))
    labels = [*batch, *left, *right]
    if len(left) == len(right) == 1:
        return product, labels
    return reshape(product, tuple([shape[label] for label in labels])), labels
