"""Random programs: lists of statements, written by looking at what the oracle makes of them."""

import random
from pathlib import Path

import numpy as np
import oracle

MOST_NAMES = 14
ALLOWED = (RuntimeError, ValueError, TypeError, IndexError, NameError)  # NameError: while a program is shortened


def prelude():
    """The text of prelude.py."""
    return Path(__file__).with_name("prelude.py").read_text(encoding="utf-8")


def namespace(pa):
    """The globals of a program, over pyautograd or over the oracle."""
    names = {"pa": pa, "Value": pa.Value}
    exec(compile(prelude(), "prelude.py", "exec"), names)
    return names


def execute(line, names):
    """Runs a statement; the error that it raised, if it is one that the documentation allows."""
    try:
        exec(compile(line, "<program>", "exec"), names)
    except ALLOWED as error:
        return type(error), str(error)
    return None, ""


class Writer:
    """Writes a program statement by statement, and runs it with the oracle to know what its names stand for."""

    def __init__(self, seed):
        self.rng = random.Random(seed)
        self.names = namespace(oracle.pa)
        self.known = set(self.names)
        self.count = 0

    def program(self, length):
        lines = []
        while len(lines) < length:
            line = self.statement()
            if line is None:
                continue
            try:
                execute(line, self.names)
            except oracle.NotModelledError:
                continue
            lines.append(line)
        return lines

    # What there is

    def variables(self, kind, holds=lambda x: True):
        return [n for n, x in self.names.items() if n not in self.known and isinstance(x, kind) and holds(x)]

    def one_of(self, names):
        if not names:
            raise LookupError
        return self.rng.choice(names)

    def tensor(self, holds=lambda a: True):
        """A tensor of numbers that stay in hand; `holds` is asked about its array."""
        fits = lambda t: small(t.node.array) and holds(t.node.array)
        return self.one_of(self.variables(oracle.Tensor, fits))

    def floats(self, holds=lambda a: True):
        return self.tensor(lambda a: a.dtype.kind == "f" and a.size > 0 and holds(a))

    def like(self, name):
        """A float tensor that broadcasts with the one named."""
        shape = self.names[name].shape

        def fits(a):
            try:
                return np.broadcast_shapes(shape, a.shape) is not None
            except ValueError:
                return False

        return self.floats(fits)

    def same(self, name):
        array = self.names[name].node.array
        return self.floats(lambda a: a.shape == array.shape and a.dtype == array.dtype)

    def value(self):
        return self.one_of(self.variables(oracle.Value, lambda v: abs(v.data) < 8))

    def number(self):
        return self.rng.choice([-1.5, -1.0, -0.5, 0.25, 0.5, 1.0, 2.0])

    def dim(self, name):
        ndim = len(self.names[name].shape)
        if ndim == 0:
            raise LookupError
        return self.rng.randrange(ndim)

    def fresh(self, letter):
        self.count += 1
        return f"{letter}{self.count}"

    # Statements

    def statement(self):
        if len(self.names) - len(self.known) >= MOST_NAMES:
            return self.delete()
        kind, _ = self.rng.choices(KINDS, [weight for _, weight in KINDS])[0]
        try:
            line = kind(self)
        except LookupError:
            return self.make()
        around = self.rng.random()
        if around < 0.12:
            return f"with pa.no_grad(): {line}"
        if around < 0.17 and " = " in line and line[0] == "t":
            target, expression = line.split(" = ", 1)
            return f"{target} = in_thread(lambda: {expression})"
        return line

    def delete(self):
        return f"del {self.one_of([n for n in self.names if n not in self.known])}"

    def make(self):
        dtype = self.rng.choice(["float32", "float64"])
        shape = self.rng.choice([(), (1,), (3,), (3,), (2, 3), (2, 3), (3, 3), (3, 2), (3, 1), (1, 3), (2, 3, 3)])
        numbers = (
            np.array([self.rng.randrange(-12, 13) / 4 for _ in range(int(np.prod(shape)))]).reshape(shape).tolist()
        )
        grad = ", requires_grad=True" if self.rng.random() < 0.6 else ""
        return f"{self.fresh('t')} = pa.tensor({numbers}, dtype=pa.{dtype}{grad})"

    def make_integers(self):
        shape = self.rng.choice([(2,), (3,), (2, 2)])
        low = self.rng.choice([0, 0, -2])
        numbers = np.array([self.rng.randrange(low, 2) for _ in range(int(np.prod(shape)))]).reshape(shape).tolist()
        return f"{self.fresh('t')} = pa.tensor({numbers}, dtype=pa.int64)"

    def make_value(self):
        return f"{self.fresh('v')} = Value({self.number()})"

    def unary(self):
        name = self.rng.choice(["abs", "square", "exp", "tanh", "sin", "relu", "sigmoid"])
        return f"{self.fresh('t')} = {self.floats()}.{name}()"

    def binary(self):
        a = self.floats()
        b = self.like(a)
        operator = self.rng.choice("+-*/")
        if operator == "/" and np.abs(self.names[b].node.array).min() < 0.1:
            operator = "*"
        return f"{self.fresh('t')} = {a} {operator} {b}"

    def misfit(self):
        return f"{self.fresh('t')} = {self.floats()} {self.rng.choice('+*@')} {self.floats()}"

    def with_number(self):
        a, b = self.floats(), self.number()
        forms = ["{0} * {1}", "{1} - {0}", "{0} + {1}", "-{0}", "{0} ** 3", "{0} / {1}", "pa.maximum({0}, {1})"]
        return f"{self.fresh('t')} = {self.rng.choice(forms).format(a, b)}"

    def choose(self):
        a = self.floats()
        return f"{self.fresh('t')} = pa.where({a} < {self.number()}, {a}, {self.like(a)})"

    def product(self):
        a = self.floats(lambda a: a.ndim > 1)
        columns = self.names[a].shape[-1]
        b = self.floats(lambda b: b.ndim == 2 and b.shape[0] == columns)
        return f"{self.fresh('t')} = {a} @ {b}"

    def reduce(self):
        a = self.floats()
        if self.rng.random() < 0.4:
            return f"{self.fresh('t')} = {a}.{self.rng.choice(['sum', 'mean'])}()"
        dim = self.dim(a)
        how = self.rng.choice(["sum({})", "sum({}, True)", "mean({})", "amax({})", "softmax({})", "logsumexp({})"])
        return f"{self.fresh('t')} = {a}.{how.format(dim)}"

    def shape(self):
        a = self.tensor()
        shape = self.names[a].shape
        axes = list(range(len(shape)))
        self.rng.shuffle(axes)
        size = self.names[a].node.array.size
        choices = ["flatten()", "clone()", "contiguous()", "detach()", "data", "to(pa.float64)", "to(pa.float32)"]
        choices += [f"reshape({size})", f"view({size})", f"unsqueeze({len(shape)})"]
        choices += [
            f"reshape({', '.join(map(str, reversed(shape))) or 1})",
            f"expand({', '.join(map(str, (2, *shape)))})",
        ]
        choices += [f"permute({', '.join(map(str, axes))})"] if axes else []
        if axes:
            choices += [f"squeeze({axes[0]})", f"transpose({axes[0]}, {axes[-1]})", "T"]
        return f"{self.fresh('t')} = {a}.{self.rng.choice(choices)}"

    def key(self, shape):
        """A key that makes a view of a part."""
        parts = []
        for size in shape[: self.rng.randint(1, len(shape))]:
            parts.append(self.rng.choice([":", "1:", ":-1", "::2", "0", "-1", "None, :", f"{size - 1}:", f"{size}:"]))
        return ", ".join(parts)

    def slice(self):
        a = self.tensor(lambda a: a.ndim > 0)
        return f"{self.fresh('t')} = {a}[{self.key(self.names[a].shape)}]"

    def gather(self):
        a = self.floats(lambda a: a.ndim > 0)
        if self.rng.random() < 0.3:
            return f"{self.fresh('t')} = {a}[{a} < {self.number()}]"
        if self.rng.random() < 0.5:
            return f"{self.fresh('t')} = {a}[{self.rng.choice([[0], [0, 0], [-1, 0], [2, 0, 1], []])}]"
        return f"{self.fresh('t')} = {a}[{self.tensor(lambda a: a.dtype.kind == 'i')}]"

    def join(self):
        a = self.floats()
        b = self.same(a)
        how = self.rng.choice(["pa.cat([{0}, {1}, {0}], {2})", "pa.cat([{1}, {0}], {2})", "pa.stack([{0}, {1}], {2})"])
        return f"{self.fresh('t')} = {how.format(a, b, self.dim(a))}"

    def split(self):
        a = self.floats(lambda a: a.ndim > 0 and a.shape[0] == 2)
        return f"{self.fresh('t')}, {self.fresh('t')} = {a}.split(1)"

    def in_place(self):
        a = self.floats()
        b = self.rng.choice([self.like(a), str(self.number())])
        forms = [
            "{0} += {1}",
            "{0} -= {1}",
            "{0} *= {1}",
            "{0} /= 2.0",
            "{0}.add_({1})",
            "{0}.sub_({1})",
            "{0}.mul_({1})",
        ]
        return self.rng.choice(forms).format(a, b)

    def overwrite(self):
        a = self.floats()
        return f"{a}." + self.rng.choice(
            [f"copy_({self.like(a)})", f"fill_({self.number()})", "zero_()", "clamp_(-1.0, 1.0)"]
        )

    def set_item(self):
        a = self.floats(lambda a: a.ndim > 0)
        key = self.rng.choice([self.key(self.names[a].shape), "[0, -1]" if self.names[a].shape[0] > 1 else "[0]"])
        value = self.rng.choice([str(self.number()), self.floats()])
        return f"{a}[{key}] = {value}"

    def set_part(self):
        a = self.floats(lambda a: a.ndim > 0)
        return f"{a}[{self.key(self.names[a].shape)}] {self.rng.choice('+*')}= {self.number()}"

    def set_data(self):
        a = self.floats()
        return f"{a}.data = {self.same(a)}"

    def numpy(self):
        return f"{self.fresh('n')} = {self.tensor()}.numpy()"

    def from_numpy(self):
        return f"{self.fresh('t')} = pa.from_numpy({self.one_of(self.variables(np.ndarray))})"

    def write_numpy(self):
        name = self.one_of(self.variables(np.ndarray, lambda a: a.flags.writeable))
        array = self.names[name]
        numbers = {"f": [0.5, -2.0, 1.0], "i": [0, 1, 10**6], "b": [True, False]}[array.dtype.kind]
        return f"{name}[{self.rng.choice(['...', '0']) if array.ndim else '...'}] = {self.rng.choice(numbers)}"

    def backward(self):
        a = self.one_of(self.variables(oracle.Tensor, lambda t: t.requires_grad and t.node.array.size == 1))
        return f"{a}.backward({self.rng.choice(['', 'retain_graph=True'])})"

    def backward_with(self):
        a = self.floats(lambda a: True)
        return f"{a}.backward({self.same(a)}, retain_graph={self.rng.choice([True, False])})"

    def backward_of_sum(self):
        a = self.one_of(self.variables(oracle.Tensor, lambda t: t.requires_grad and small(t.node.array)))
        return f"{a}.sum().backward()"

    def gradient(self):
        a = self.one_of(self.variables(oracle.Tensor, lambda t: t.requires_grad and small(t.node.array)))
        leaf = self.one_of(self.variables(oracle.Tensor, lambda t: t.requires_grad))
        unused = self.rng.choice(["", ", allow_unused=True"])
        return f"{self.fresh('t')}, = pa.autograd.grad({a}.sum(), [{leaf}]{unused})"

    def about_gradients(self):
        a = self.tensor()
        return f"{a}." + self.rng.choice(["requires_grad_()", "requires_grad_(False)", "retain_grad()", "grad = None"])

    def take_grad(self):
        return (
            f"{self.fresh('t')} = {self.one_of(self.variables(oracle.Tensor, lambda t: t.node.grad is not None))}.grad"
        )

    def set_grad(self):
        a = self.floats()
        # A history would lead back to the tensor, in a circle that nobody frees, as in PyTorch.
        return f"{a}.grad = {self.rng.choice([self.same(a), self.floats()])}.detach()"

    def descend(self):
        leaf = self.variables(oracle.Tensor, lambda t: t.requires_grad and t.is_leaf and t.node.grad is not None)
        return f"descend({self.one_of(leaf)})"

    def compiled(self):
        w = self.floats(lambda a: a.ndim > 0 and a.flags.c_contiguous)
        if not (self.names[w].requires_grad and self.names[w].is_leaf):
            raise LookupError
        x = self.same(w)
        if self.names[x].requires_grad or x == w or self.names[x].node.memory is self.names[w].node.memory:
            raise LookupError
        return f"{self.fresh('t')} = {self.rng.choice(['trained', 'accumulated'])}({w}, {x}, {self.rng.randint(2, 5)})"

    def custom(self):
        return f"{self.fresh('t')} = Cube.apply({self.floats(lambda a: np.abs(a).max() < 3)})"

    def copied(self):
        a = self.tensor()
        return f"{self.fresh('t')} = {self.rng.choice(['pickled', 'saved', 'copy.deepcopy', 'copy.deepcopy'])}({a})"

    def value_op(self):
        a, b = self.value(), self.rng.choice([self.value(), str(self.number())])
        letter = "k" if "k" in a + b else "v"
        forms = ["{0} + {1}", "{0} * {1}", "{0} - {1}", "{0}.tanh()", "{0}.relu()", "{0} ** 2", "-{0}", "{0}.exp()"]
        return f"{self.fresh(letter)} = {self.rng.choice(forms).format(a, b)}"

    def closure(self):
        return f"{self.fresh('k')} = tripled({self.value()})"

    def value_state(self):
        a = self.value()
        return self.rng.choice([f"{a}.backward()", f"{a}.backward()", f"{a}.grad = 0.0", f"{a}.data = {self.number()}",
                                f"{a}.data -= 0.125 * {a}.grad"])  # fmt: skip

    def value_copied(self):
        a = self.value()
        return f"{self.fresh('k' if 'k' in a else 'v')} = {self.rng.choice(['pickled', 'copy.deepcopy'])}({a})"

    def mixed(self):
        v = self.value()
        if "k" in v:
            raise LookupError
        return f"{self.fresh('t')} = {self.floats()} {self.rng.choice('+*-')} {v}"

    def note(self):
        """A cycle for the collector. (One that runs through the graph is not seen by it.)"""
        a = self.tensor()
        return f"{a}.note = {a}"

    def forget(self):
        return f"{self.tensor()}.note = None"

    def weak(self):
        return f"{self.fresh('w')} = weakref.ref({self.tensor()})"

    def collect(self):
        return "gc.collect()"


W = Writer
KINDS = [
    (W.make, 5), (W.make_integers, 2), (W.make_value, 2), (W.unary, 6), (W.binary, 8),
    (W.misfit, 1), (W.with_number, 5), (W.choose, 2), (W.product, 4), (W.reduce, 6),
    (W.shape, 10), (W.slice, 6), (W.gather, 4), (W.join, 3), (W.split, 2),
    (W.in_place, 5), (W.overwrite, 3), (W.set_item, 3), (W.set_part, 2), (W.set_data, 2),
    (W.numpy, 2), (W.from_numpy, 1), (W.write_numpy, 2), (W.backward, 5), (W.backward_with, 2),
    (W.backward_of_sum, 4), (W.gradient, 2), (W.about_gradients, 4), (W.take_grad, 1), (W.set_grad, 1),
    (W.descend, 1), (W.compiled, 1), (W.custom, 2), (W.copied, 2), (W.value_op, 6),
    (W.closure, 1), (W.value_state, 5), (W.value_copied, 1), (W.mixed, 2), (W.note, 1),
    (W.forget, 1), (W.weak, 1), (W.collect, 1), (W.delete, 6),
]  # fmt: skip


def small(array):
    """Are the numbers such that no op on them overflows?"""
    return array.size <= 64 and (
        array.dtype.kind != "f" or bool(np.isfinite(array).all() and (np.abs(array) < 16).all())
    )


def write(seed, length=60):
    """The program of a seed."""
    return Writer(seed).program(length)
