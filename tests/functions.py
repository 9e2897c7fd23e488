"""Functions of `autograd.Function` made of lambdas."""

import pyautograd as pa


def function(forward, backward, *arguments):
    """The result of an autograd.Function made of two lambdas."""
    made = type("Made", (pa.autograd.Function,), {"forward": staticmethod(forward), "backward": staticmethod(backward)})
    return made.apply(*arguments)


def double(x):
    return function(lambda ctx, x: x * 2, lambda ctx, g: g * 2, x)
