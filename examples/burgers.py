"""A physics-informed net: Burgers' equation solved by a net whose own derivatives are in its loss.

    u_t + u u_x = v u_xx,    u(0, x) = -sin(pi x),    u(t, -1) = u(t, 1) = 0

Nothing else is known of the solution. The net is asked for u at random points, autograd has its derivatives there, and
what is left of the equation is the loss. The whole training is one compiled step, run in C.

python examples/burgers.py
python examples/burgers.py --figure burgers.svg
"""

import argparse
import time

import numpy as np

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.autograd import grad

VISCOSITY = 0.05


def residual(net, t, x):
    """What is left of the equation at points (t, x), by the derivatives of the net."""
    t, x = t.clone().requires_grad_(), x.clone().requires_grad_()
    u = net(pa.cat([t, x], 1))
    u_t, u_x = grad(u.sum(), (t, x), create_graph=True)
    (u_xx,) = grad(u_x.sum(), x, create_graph=True)
    return u_t + u * u_x - VISCOSITY * u_xx


def train(net, steps=6000, points=128):
    """The loss of each step."""
    optimizer = optim.Adam(net.parameters(), lr=4e-3)
    start = 2 * pa.rand(64, 1) - 1
    edges = pa.cat([pa.cat([pa.rand(32, 1), pa.full((32, 1), side)], 1) for side in (-1.0, 1.0)])
    known = pa.cat([pa.cat([pa.zeros(64, 1), start], 1), edges])
    values = pa.cat([-(np.pi * start).sin(), pa.zeros(64, 1)])

    @pa.compile
    def step(t, x):
        optimizer.zero_grad()
        loss = residual(net, t, x).square().mean() + 5 * (net(known) - values).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    def slow_down(epoch, losses):
        optimizer.param_groups[0]["lr"] *= 0.97

    batches = 60
    t, x = pa.rand(batches * points, 1), 2 * pa.rand(batches * points, 1) - 1
    return step.run(t, x, batch_size=points, epochs=steps // batches, callback=slow_down)


def by_finite_differences(n=201, steps=4000):
    """The solution on a grid of x at t = 0, 0.25, … 1, to compare with."""
    x = np.linspace(-1, 1, n)
    u, dx, dt, rows = -np.sin(np.pi * x), x[1] - x[0], 1 / steps, []
    for k in range(steps + 1):
        if k % (steps // 4) == 0:
            rows.append(u.copy())
        slope, bend = (u[2:] ** 2 - u[:-2] ** 2) / (4 * dx), (u[2:] - 2 * u[1:-1] + u[:-2]) / dx**2
        u[1:-1] += dt * (VISCOSITY * bend - slope)
    return x, np.array(rows)


def draw(path, x, expected, found):
    """The solution at five times: lines by finite differences, dots by the net."""
    from pyautograd import plot

    figure, ax = plot.new_figure(6.0, 3.4)
    for k, colour in enumerate(plot.COLOURS[:5]):
        ax.plot(x, expected[k], color=colour, linewidth=1, label=f"t = {k / 4:g}")
        ax.plot(x[::8], found[k][::8], ".", color=colour, markersize=4)
    ax.set(xlabel="x", ylabel="u", title="Burgers' equation: a net (dots), finite differences (lines)")
    ax.legend(frameon=False)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", help="draw the solution into this file")
    figure = parser.parse_args().figure
    pa.manual_seed(0)
    net = nn.MLP(2, [20, 20, 20, 1], activation="tanh")
    began = time.perf_counter()
    losses = train(net)
    print(
        f"{len(losses)} steps in {time.perf_counter() - began:.1f} s, loss {losses[0]:.3f} -> {losses[-60:].mean():.6f}"
    )
    x, expected = by_finite_differences()
    with pa.no_grad():
        points = [np.stack([np.full_like(x, t), x], 1) for t in (0, 0.25, 0.5, 0.75, 1)]
        found = np.array([net(pa.tensor(each, dtype=pa.float32)).numpy()[:, 0] for each in points])
    print(f"largest error against finite differences {np.abs(found - expected).max():.3f}")
    if figure:
        draw(figure, x, expected, found)


if __name__ == "__main__":
    main()
