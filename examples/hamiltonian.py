"""A Hamiltonian net: a pendulum's energy learnt from how it moves, beside a net that learns the motion itself.

Both see noisy velocities at random states (q, p). One net gives them directly. The other gives one number H, and its
derivatives are the velocities: dq/dt = dH/dp, dp/dt = -dH/dq. What moves along it keeps H, whatever H is.

python examples/hamiltonian.py
python examples/hamiltonian.py --figure pendulum.svg
"""

import argparse

import numpy as np

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.func import grad


def energy(z):
    return z[..., 1] ** 2 / 2 + 1 - np.cos(z[..., 0])


def along(net):
    """The velocities of which the net's number is the energy."""

    def velocity(z):
        slope = grad(lambda z: net(z).sum())(z)
        return pa.stack([slope[:, 1], -slope[:, 0]], 1)

    return velocity


def train(velocity, parameters, states, velocities, epochs=300):
    optimizer = optim.Adam(parameters, lr=3e-3)

    @pa.compile
    def step(z, wanted):
        optimizer.zero_grad()
        loss = (velocity(z) - wanted).square().mean()
        loss.backward()
        optimizer.step()
        return loss

    return step.run(states, velocities, batch_size=100, epochs=epochs)


def move(velocity, z, steps=1200, dt=0.1):
    """The states on the way from z, by Runge and Kutta's steps."""

    @pa.compile
    def step(z):
        with pa.no_grad():
            a = velocity(z)
            b = velocity(z + dt / 2 * a)
            c = velocity(z + dt / 2 * b)
            return z + dt / 6 * (a + 2 * b + 2 * c + velocity(z + dt * c))

    path = [z]
    for _ in range(steps):
        path.append(step(path[-1]))
    return pa.cat(path).numpy()


def draw(path, paths, dt=0.1):
    """The two ways through the states, and what becomes of the energy."""
    from pyautograd import plot

    figure, _ = plot.new_figure(7.0, 3.2)
    figure.clear()
    left, right = figure.subplots(1, 2, width_ratios=(1, 1.4))
    for (name, states), colour in zip(paths.items(), plot.COLOURS, strict=False):
        left.plot(states[::2, 0], states[::2, 1], color=colour, linewidth=0.8)
        right.plot(dt * np.arange(len(states))[::5], energy(states)[::5], color=colour, linewidth=1, label=name)
    right.axhline(energy(paths["its energy learnt"][0]), color=plot.GREY, linewidth=0.8, linestyle=":")
    left.set(xlabel="q", ylabel="p")
    right.set(xlabel="time", ylabel="energy", ylim=(0, None))
    right.legend(frameon=False)
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--figure", help="draw the motions into this file")
    figure = parser.parse_args().figure
    pa.manual_seed(0)
    states = (pa.rand(500, 2) * 2 - 1) * pa.tensor([2.5, 2.0])
    velocities = pa.stack([states[:, 1], -states[:, 0].sin()], 1) + 0.1 * pa.randn(500, 2)
    motion = nn.MLP(2, [32, 32, 2], activation="tanh")
    hamiltonian = nn.MLP(2, [32, 32, 1], activation="tanh")
    paths = {}
    for name, net, velocity in (
        ("its motion learnt", motion, motion),
        ("its energy learnt", hamiltonian, along(hamiltonian)),
    ):
        losses = train(velocity, net.parameters(), states, velocities)
        paths[name] = move(velocity, pa.tensor([[1.8, 0.0]]))
        drift = np.abs(energy(paths[name]) - energy(paths[name][0])).max()
        print(f"{name}: loss {losses[-5:].mean():.4f}, the energy is off by up to {drift:.3f} in 120 seconds")
    if figure:
        draw(figure, paths)


if __name__ == "__main__":
    main()
