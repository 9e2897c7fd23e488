"""An operation with a gradient of its own: rounding that lets gradients through, to learn weights of few values.

    python examples/custom_function.py

The straight-through estimator (Bengio et al. 2013, https://arxiv.org/abs/1308.3432): forward rounds to a grid, backward
pretends that it did not.
"""

import pyautograd as pa
from pyautograd import autograd, optim


class Quantize(autograd.Function):
    """Rounds to multiples of `step`."""

    @staticmethod
    def forward(ctx, x, step):
        return (x / step).round() * step

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


pa.manual_seed(0)
X = pa.randn(256, 4)
truth = pa.tensor([[0.5], [-1.0], [1.5], [0.0]])
y = X @ truth

weight = pa.zeros(4, 1, requires_grad=True)
optimizer = optim.SGD([weight], lr=0.1)
for _ in range(100):
    loss = ((X @ Quantize.apply(weight, 0.5) - y) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

for name, tensor in (("learned", weight), ("quantized", Quantize.apply(weight, 0.5)), ("truth", truth)):
    print(f"{name:<10}", [round(number, 3) for number in tensor.detach().reshape(-1).tolist()])
