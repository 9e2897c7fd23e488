"""Each optimiser's formula in NumPy, with the options to try, and gradients to feed both."""

import numpy as np

import pyautograd as pa
from pyautograd import optim

GRADS = [[0.5, -1.0, 0.0], [0.25, 0.75, -2.0], [-1.5, 0.5, 1.0], [0.0, 0.0, 3.0], [1.0, 1.0, 1.0]]


def by_hand_sgd(p, grads, lr, momentum=0.0, dampening=0.0, weight_decay=0.0, nesterov=False, maximize=False):
    buffer = None
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * p
        if momentum:
            buffer = g if buffer is None else momentum * buffer + (1 - dampening) * g
            g = g + momentum * buffer if nesterov else buffer
        p = p - lr * g
    return p


def by_hand_adam(p, grads, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, amsgrad=False, maximize=False, w=False):
    m = v = largest = np.zeros(3)
    for t, grad in enumerate(grads, 1):
        g = -grad if maximize else grad
        if w:
            p = p * (1 - lr * weight_decay)
        else:
            g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g * g
        largest = np.maximum(largest, v)
        root = np.sqrt((largest if amsgrad else v) / (1 - betas[1] ** t))
        p = p - lr * (m / (1 - betas[0] ** t)) / (root + eps)
    return p


def by_hand_rmsprop(p, grads, lr, alpha=0.99, eps=1e-8, weight_decay=0.0, momentum=0.0, centered=False, maximize=False):
    v = mean = buffer = np.zeros(3)
    for grad in grads:
        g = (-grad if maximize else grad) + weight_decay * p
        v = alpha * v + (1 - alpha) * g * g
        mean = alpha * mean + (1 - alpha) * g
        size = np.sqrt(v - mean * mean if centered else v) + eps
        buffer = momentum * buffer + g / size
        p = p - lr * (buffer if momentum else g / size)
    return p


CASES = [
    (optim.SGD, by_hand_sgd, {}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9, "dampening": 0.5, "weight_decay": 0.1}),
    (optim.SGD, by_hand_sgd, {"momentum": 0.9, "nesterov": True, "maximize": True}),
    (optim.SGD, by_hand_sgd, {"weight_decay": 0.1}),
    (optim.Adam, by_hand_adam, {}),
    (optim.Adam, by_hand_adam, {"betas": (0.7, 0.9), "eps": 1e-3, "weight_decay": 0.1}),
    (optim.Adam, by_hand_adam, {"amsgrad": True, "maximize": True}),
    (optim.AdamW, lambda *a, **k: by_hand_adam(*a, w=True, **k), {"weight_decay": 0.3}),
    (optim.AdamW, lambda *a, **k: by_hand_adam(*a, w=True, **k), {"weight_decay": 0.3, "amsgrad": True}),
    (optim.RMSprop, by_hand_rmsprop, {}),
    (optim.RMSprop, by_hand_rmsprop, {"alpha": 0.8, "eps": 1e-3, "weight_decay": 0.1, "maximize": True}),
    (optim.RMSprop, by_hand_rmsprop, {"momentum": 0.9, "centered": True}),
    (optim.RMSprop, by_hand_rmsprop, {"centered": True}),
]
IDS = [f"{kind.__name__}({', '.join(f'{k}={v}' for k, v in options.items())})" for kind, _, options in CASES]


def run(optimizer, parameters, grads):
    for grad in grads:
        for p in parameters:
            p.grad = pa.tensor(grad, dtype=p.dtype)
        optimizer.step()
