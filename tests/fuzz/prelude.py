"""What programs call besides the API. Written for `pa` and `Value`, which are pyautograd's or the oracle's."""

# ruff: noqa: F821

import io
import pickle
import threading


def in_thread(action):
    """What an action returns in a thread of its own."""
    outcome = []

    def run():
        try:
            outcome.append((action(), None))
        except Exception as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    result, error = outcome.pop()
    if error is not None:
        raise error
    return result


def pickled(x):
    return pickle.loads(pickle.dumps(x))


def saved(x):
    file = io.BytesIO()
    pa.save({"x": x}, file)
    if hasattr(file, "getvalue"):
        file.seek(0)
    return pa.load(file)["x"]


class Cube(pa.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx, upstream):
        (x,) = ctx.saved_tensors
        return x * x * 3.0 * upstream


def tripled(x):
    """An op of Values that is written as a closure, micrograd's way."""
    out = Value(x.data * 3.0, (x,), "tripled")

    def _backward():
        x.grad += 3.0 * out.grad

    out._backward = _backward
    return out


def descend(w):
    """An optimiser's step."""
    pa.optim.SGD([w], lr=0.125).step()


def trained(w, x, times):
    """A step compiled, run and replayed; the last loss."""

    @pa.compile
    def step(x):
        w.grad = None
        loss = (x * w - 1.0).square().mean()
        loss.backward()
        with pa.no_grad():
            w.sub_(w.grad * 0.0625)
        return loss

    for _ in range(times):
        loss = step(x)
    return loss.detach().clone()


def accumulated(w, x, times):
    """The same with gradients that add up, and an op with a saved result."""

    @pa.compile
    def step(x):
        y = (x * w).tanh()
        y.sum().backward()
        return y

    for _ in range(times):
        y = step(x)
    return y.detach().clone()
