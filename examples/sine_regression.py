"""Fits sin(x) with a small tanh network, and takes the slope of the fit at a point from the same graph.

python examples/sine_regression.py
"""

import math

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.nn import functional as F

pa.manual_seed(0)
x = pa.linspace(-math.pi, math.pi, 200).reshape(-1, 1)
y = pa.sin(x) + 0.05 * pa.randn(200, 1)

model = nn.MLP(1, [32, 32, 1], activation="tanh")
optimizer = optim.Adam(model.parameters(), lr=0.01)
for step in range(1001):
    loss = F.mse_loss(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 250 == 0:
        print(f"step {step:>4}: loss {loss.item():.5f}")

point = pa.tensor([[1.0]], requires_grad=True)
fit = model(point)
fit.sum().backward()
print(f"at 1.0: fit {fit.item():.3f}, sin {math.sin(1):.3f}; slope {point.grad.item():.3f}, cos {math.cos(1):.3f}")
