"""Functions of mathematics by the names of `torch.special`; most are those of the package itself."""

from __future__ import annotations

import math
from typing import Any

from pyautograd._absent import say_what_is_missing
from pyautograd._arguments import named
from pyautograd._core import Tensor
from pyautograd._elementwise import logical_and, logical_or, polygamma, where
from pyautograd._generated import (
    digamma,
    eq,
    erf,
    erfc,
    erfinv,
    exp2,
    expm1,
    le,
    lgamma,
    log1p,
    lt,
    mul,
    sigmoid,
    xlogy,
)
from pyautograd._maths import logit, round, sinc
from pyautograd._reduce import log_softmax, logsumexp, softmax

__all__ = [
    "digamma", "entr", "erf", "erfc", "erfinv", "exp2", "expit", "expm1", "gammaln", "log1p", "log_softmax", "logit",
    "logsumexp", "multigammaln", "ndtr", "polygamma", "psi", "round", "sinc", "softmax", "xlog1py", "xlogy",
]  # fmt: skip

expit, gammaln, psi = sigmoid, lgamma, digamma


def __dir__() -> list[str]:
    return __all__


say_what_is_missing(__name__)


def entr(input: Any) -> Tensor:
    """Elementwise -a ln a, of the input's shape: 0 at 0, and -inf below. **Raises** TypeError for what is no Tensor and
    no number.

    >>> import pyautograd as pa
    >>> pa.special.entr(pa.tensor([0.0, 0.5, 1.0]))
    tensor([0.0000, 0.3466, 0.0000])
    """
    return where(lt(input, 0), -math.inf, 0 - xlogy(input, input))


def xlog1py(input: Any, other: Any) -> Tensor:
    """Elementwise a ln(1 + b), and 0 where a is 0 and b no NaN.

    **Returns** a Tensor of the broadcast shape and the promoted dtype; integers become the default float. **Raises**
    ValueError for shapes that do not broadcast, TypeError for what is no Tensor and no number.

    >>> import pyautograd as pa
    >>> pa.special.xlog1py(pa.tensor([0.0, 2.0]), pa.tensor([-1.0, 0.5]))
    tensor([0.0000, 0.8109])
    """
    nothing = logical_and(eq(input, 0), logical_or(le(other, -1), eq(other, math.inf)))
    return mul(input, log1p(where(nothing, 0.0, other)))


def ndtr(input: Any) -> Tensor:
    """Elementwise the distribution function of the normal distribution, of the input's shape. **Raises** TypeError for
    what is no Tensor and no number.

    >>> import pyautograd as pa
    >>> pa.special.ndtr(pa.tensor([-1.0, 0.0]))
    tensor([0.1587, 0.5000])
    """
    return mul(erfc(mul(input, -math.sqrt(0.5))), 0.5)


@named
def multigammaln(input: Tensor, p: int) -> Tensor:
    """Elementwise the logarithm of the gamma function in `p` dimensions, of the input's shape: the sum of
    lgamma(a - j / 2) for j < p, and p (p - 1) / 4 ln pi.

    **Raises** ValueError for a p below 1, TypeError for what is no Tensor.

    >>> import pyautograd as pa
    >>> pa.special.multigammaln(pa.tensor([2.0]), 2)
    tensor([0.4516])
    """
    if p < 1:
        raise ValueError(f"multigammaln: p must be at least 1, not {p}")
    total: Any = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = total + lgamma(input - j / 2)
    return total  # type: ignore[no-any-return]
