"""Nodes of the oracle: arrays in memory that others may share, what they promote and broadcast to, and how gradients
flow through the nodes of a tape."""

import contextlib
import threading
import weakref

import numpy as np

_mode = threading.local()
births = iter(range(1 << 62))


class NotModelledError(Exception):
    """A write with a history into memory that others see: no program has one, as the oracle's tape stays in place."""


def grad_enabled():
    return getattr(_mode, "enabled", True)


@contextlib.contextmanager
def no_grad():
    before, _mode.enabled = grad_enabled(), False
    try:
        yield
    finally:
        _mode.enabled = before


class Memory:
    """Bytes that tensors share, with the number of writes to them."""

    def __init__(self):
        self.version = 0
        self.nodes = weakref.WeakSet()
        self.arrays = []  # weak references on those that numpy() gave out

    def is_shared(self):
        return len(self.nodes) + sum(array() is not None for array in self.arrays) > 1


class Node:
    def __init__(self, array, memory=None, is_value=False):
        self.array = array
        self.memory = memory or Memory()
        self.memory.nodes.add(self)
        self.is_value = self.requires_grad = is_value
        self.is_view = memory is not None
        self.parents, self.vjp, self.op, self.reads, self.versions = (), None, "", "", ()
        self.grad = 0.0 if is_value else None  # a number, or a Node
        self.freed = self.retains_grad = self.was_used = False
        self.note = None
        self.handle = lambda: None
        self.born = next(births)

    @property
    def is_leaf(self):
        return not self.op

    def begin_write(self):
        if grad_enabled() and self.requires_grad:
            if not self.is_leaf:
                raise NotModelledError
            raise RuntimeError("requires grad")
        if self.array.size and any(
            stride == 0 and size > 1 for stride, size in zip(self.array.strides, self.array.shape)
        ):
            raise RuntimeError("expanded")

    def write(self, array):
        self.array[...] = array
        self.memory.version += 1


def promote(operands):
    """PyTorch's: a dtype of a higher kind wins, among the same kind arrays before 0-d before Python's numbers."""
    kinds = {"b": 0, "i": 1, "f": 2}
    dtypes = [(kinds[o.array.dtype.kind], o.array.ndim > 0, o.array.dtype.itemsize, o.array.dtype) for o in operands
              if isinstance(o, Node)]  # fmt: skip
    weak = [(kinds[np.asarray(o).dtype.kind], np.dtype([bool, np.int64, np.float32][kinds[np.asarray(o).dtype.kind]]))
            for o in operands if not isinstance(o, Node)]  # fmt: skip
    best = max(dtypes)
    higher = [dtype for kind, dtype in weak if kind > best[0]]
    return higher[0] if higher else best[3]


def unbroadcast(gradient, shape):
    gradient = gradient.sum(tuple(range(gradient.ndim - len(shape))))
    return gradient.sum(tuple(i for i, size in enumerate(shape) if size == 1), keepdims=True).reshape(shape)


def tape_of(root):
    """The nodes that a gradient of root flows through, the youngest first."""
    found, waiting = {root}, [root]
    while waiting:
        for parent in waiting.pop().parents:
            if parent.requires_grad and parent not in found:
                found.add(parent)
                waiting.append(parent)
    return sorted(found, key=lambda node: -node.born)


def check(root, gradient, tape):
    if root.freed or not root.requires_grad:
        raise RuntimeError("freed, or without grad")
    if gradient is None and root.array.size != 1:
        raise RuntimeError("no scalar")
    if gradient is not None and gradient.array.shape != root.array.shape:
        raise ValueError("gradient of another shape")
    for node in tape:
        if node.freed:
            raise RuntimeError("freed")
        for i, (version, parent) in enumerate(zip(node.versions, node.parents)):
            if "abc"[i] in node.reads and not parent.is_value and parent.memory.version != version:
                raise RuntimeError("an operand was modified")
        if "o" in node.reads and not node.is_value and node.memory.version != 0:
            raise RuntimeError("the result was modified")


def sweep(root, gradient, tape):
    """The gradient of every node of the tape that one reaches."""
    seed = np.ones(root.array.shape) if gradient is None else gradient.array
    gradients = {root: seed.astype(root.array.dtype)}
    for node in tape:
        if node.op and node in gradients:
            with np.errstate(all="ignore"):
                for parent, g in zip(
                    node.parents, node.vjp(gradients[node], node.array, [p.array for p in node.parents])
                ):
                    if parent.requires_grad and g is not None:
                        gradients[parent] = gradients[parent] + g if parent in gradients else g
    return gradients


def value_backward(root, tape):
    """micrograd's: inner nodes start at zero, each adds to its parents; closures read and write `.grad` themselves."""
    for node in tape:
        if node.op:
            node.grad = 0.0
    root.grad = 1.0
    for node in tape:
        if node.op == "custom":
            if node.vjp is not None:
                node.vjp()
        elif node.op:
            gradients = node.vjp(np.asarray(node.grad), node.array, [p.array for p in node.parents])
            for parent, g in zip(node.parents, gradients):
                parent.grad += float(g)


def accumulate(node, gradient):
    if node.grad is None:
        node.grad = Node(np.array(gradient, dtype=node.array.dtype, order="C"))
    else:
        node.grad.write(node.grad.array + gradient)


def backward(root, gradient, retain):
    tape = tape_of(root) if root.requires_grad else []
    check(root, gradient, tape)
    if root.is_value:
        value_backward(root, tape)
        return
    gradients = sweep(root, gradient, tape)
    for node, g in gradients.items():
        if node.is_value:
            node.grad = float(g) + (node.grad if node.is_leaf else 0)
        elif node.is_leaf or node.retains_grad:
            accumulate(node, g)
    if not retain:
        free(tape)


def free(tape, inputs=None):
    """All of a tape, or what leads to inputs."""
    leading, used = set(inputs or ()), set()
    for node in reversed(tape):
        if inputs is None or any(parent in leading for parent in node.parents):
            leading.add(node)
            used.add(node)
    for node in tape:
        if node in used and node.op and not node.is_value:
            node.parents, node.vjp, node.freed = (), None, True


def gradients(root, inputs, allow_unused):
    if not all(each.requires_grad for each in inputs):
        raise RuntimeError("an input does not require grad")
    tape = tape_of(root) if root.requires_grad else []
    check(root, None, tape)
    found = sweep(root, None, tape)
    if not allow_unused and any(each not in found for each in inputs):
        raise RuntimeError("unused")
    free(tape, inputs)
    return [found.get(each) for each in inputs]
