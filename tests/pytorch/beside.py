"""One expression over pyautograd and over PyTorch: values, dtypes, first and second gradients, and errors."""

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
    np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(force=True), rtol=tolerance, atol=tolerance)


def compare(expression, arrays, tolerance=1e-12, order=2):
    """What an expression of a module and tensors gives, the gradients of a weighted sum of it, and of a weighted
    sum of these, on both sides; where PyTorch raises, pyautograd raises too."""
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
    ours, theirs = [x for x in ours if x.requires_grad], [x for x in theirs if x.requires_grad]
    ours_sum = sum((a * pa.tensor(w)).sum() for a, b, w in pairs)
    theirs_sum = sum((b * torch.tensor(w)).sum() for a, b, w in pairs)
    gradients = pa.autograd.grad(ours_sum, ours, create_graph=order > 1, allow_unused=True)
    expected = torch.autograd.grad(theirs_sum, theirs, create_graph=order > 1, allow_unused=True)
    seconds = []
    for a, b in zip(gradients, expected):
        assert (a is None) == (b is None)
        if b is not None:
            close(a, b, 100 * tolerance)
            seconds += [(a, b, rng.normal(size=b.shape))] if b.requires_grad else []
    if not seconds or order == 1:
        return
    if any(a.requires_grad for a, _, _ in seconds):
        sum((a * pa.tensor(w)).sum() for a, b, w in seconds).backward()
    sum((b * torch.tensor(w)).sum() for a, b, w in seconds).backward()
    for a, b in zip(ours, theirs):
        if b.grad is not None:
            close(pa.zeros_like(a) if a.grad is None else a.grad, b.grad, 1e4 * tolerance)
