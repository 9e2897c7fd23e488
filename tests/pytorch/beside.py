"""One expression over pyautograd and over PyTorch: values, dtypes, gradients and errors beside one another."""

import numpy as np
import pytest

import pyautograd as pa

torch = pytest.importorskip("torch")

OUR_ERRORS = (ValueError, TypeError, IndexError, RuntimeError, NotImplementedError)


def tensors(arrays):
    """The same arrays as tensors of both; floats require grad."""
    ours, theirs = [pa.tensor(a) for a in arrays], [torch.tensor(a) for a in arrays]
    for o, t in zip(ours, theirs):
        if t.dtype.is_floating_point:
            o.requires_grad_()
            t.requires_grad_()
    return ours, theirs


def listed(result):
    return list(result) if isinstance(result, tuple | list) else [result]


def close(a, b, tolerance):
    if not isinstance(b, torch.Tensor):
        assert a == b
        return
    assert tuple(a.shape) == tuple(b.shape)
    assert a.dtype.name == str(b.dtype).removeprefix("torch.")
    np.testing.assert_allclose(a.detach().numpy(), b.detach().resolve_neg().numpy(), rtol=tolerance, atol=tolerance)


def compare(expression, arrays, tolerance=1e-12):
    """What an expression of a module and tensors gives, and the gradient of a weighted sum of it, on both sides; where
    PyTorch raises, pyautograd raises too."""
    ours, theirs = tensors(arrays)
    try:
        wanted = listed(expression(torch, *theirs))
    except (RuntimeError, ValueError, TypeError, IndexError) as error:
        with pytest.raises(OUR_ERRORS):
            pytest.fail(f"PyTorch raises {error!r}, and this gives {expression(pa, *ours)}")
        return
    found = listed(expression(pa, *ours))
    assert len(found) == len(wanted)
    for a, b in zip(found, wanted):
        close(a, b, tolerance)
    rng = np.random.default_rng(5)
    pairs = [(a, b, rng.normal(size=b.shape)) for a, b in zip(found, wanted) if getattr(b, "requires_grad", False)]
    if not pairs:
        return
    sum((a * pa.tensor(w)).sum() for a, b, w in pairs).backward()
    sum((b * torch.tensor(w)).sum() for a, b, w in pairs).backward()
    for o, t in zip(ours, theirs):
        assert (o.grad is None) == (t.grad is None)
        if t.grad is not None:
            close(o.grad, t.grad, 100 * tolerance)
