"""Hooks of gradients in a compiled step are called as in the plain call, with the same numbers, and change the same."""

from collections.abc import Callable
from typing import Any

import pytest
from functions import Twice
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, nn, optim

from .training import alike

CALLS = 6

# What a step does with h = w * x, and s, a list that hooks may append to
STEPS = {
    "a hook changes the gradient": "h.register_hook(lambda g: g * 2); h.exp().sum().backward()",
    "several, in order": """
for k in (2, 3):
    h.register_hook(lambda g, k=k: g * k + 1)
h.sum().backward()""",
    "one that returns nothing sees it": "h.register_hook(lambda g: s.append(g.tolist())); (h * h).sum().backward()",
    "of a tensor that was used before": "a = h * 3; h.register_hook(lambda g: s.append(g)); (a + h).sum().backward()",
    "taken away": "h.register_hook(lambda g: g * 2).remove(); h.sum().backward()",
    "in a with": "with h.register_hook(lambda g: g * 2):\n    h.sum().backward(retain_graph=True)\nh.sum().backward()",
    "added between two backwards": """
h.register_hook(lambda g: g * 2)
h.sum().backward(retain_graph=True)
h.register_hook(lambda g: g + 1)
h.sum().backward()""",
    "retain_grad": "h.retain_grad(); h.register_hook(lambda g: g * 2); h.sum().backward(); s.append(h.grad.tolist())",
    "of another dtype": "h.register_hook(lambda g: (g / 3).to(pa.float64)); h.sum().backward()",
    "written in place": """
h.register_hook(lambda g: s.append(g.tolist()))
h *= 3
h[0] = w[1]
h.register_hook(lambda g: g * 5)
h.sum().backward()""",
    "of a leaf of the step": """
z = pa.zeros(2, requires_grad=True)
z.register_hook(lambda g: g * 2)
(z * h).sum().backward()
s.append(z.grad.tolist())""",
    "autograd.grad": """
h.register_hook(lambda g: g * 2)
a, b = pa.autograd.grad((h * h).sum(), [h, w])
w.grad = (a + b).detach()""",
    "draws": "h.register_hook(lambda g: g * pa.rand(2)); (h * pa.rand(2)).sum().backward(); s.append(pa.rand(1)[0])",
    "of a view of its own strides": """
t = (h * pa.ones(3, 2)).T
t.register_hook(lambda g: g * t0)
(t * t0).sum().backward()""",
    "looks at .grad": "w.sum().backward(); h.register_hook(lambda g: s.append(w.grad.tolist())); h.sum().backward()",
    "a Function beside it": "h.register_hook(lambda g: g * 2); Twice.apply(h).exp().sum().backward()",
}


def plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def hooked(act: Callable[[Any, list[Any]], Any]) -> None:
    """`act` gives the same with steps compiled and not, and hooks leave the same in the list that it is given."""

    def seen(wrap):
        pa.manual_seed(0)
        s: list[Any] = []
        return act(wrap, s), [plain(each) for each in s]

    alike(seen)


def beside(make: Callable[[list[Any]], tuple[Callable[[Tensor], Any], Callable[[], Any]]]) -> None:
    """The step that `make` gives, and what it leaves, compiled and not."""

    def act(wrap, s):
        step, left = make(s)
        step = wrap(step)
        seen = [(plain(step(pa.ones(2) * (k + 1))), left(), [plain(each) for each in s]) for k in range(CALLS)]
        assert getattr(step, "programs", True)
        return seen

    hooked(act)


@pytest.mark.parametrize("name", STEPS)
def test_a_hook_registered_in_a_step(name):
    def make(s):
        w, body = pa.tensor([1.0, 2.0], requires_grad=True), STEPS[name].strip().replace("\n", "\n    ")
        scope = {"w": w, "s": s, "pa": pa, "Twice": Twice, "t0": pa.arange(6.0).reshape(2, 3)}
        exec(f"def step(x):\n    w.grad = None\n    h = w * x\n    {body}\n    return h * 1", scope)
        return scope["step"], lambda: plain(w.grad)

    beside(make)


def test_a_hook_is_a_function_of_the_user_s_that_keeps_what_it_is_given():
    def make(s):
        w, kept = pa.ones(2, requires_grad=True), {}

        class Counter:
            n = 0

            def hook(self, gradient):
                self.n += 1
                kept[self.n] = gradient
                return gradient * self.n

        counter = Counter()

        def step(x):
            h = w * x
            h.register_hook(counter.hook)
            (h * h).sum().backward()

        return step, lambda: (counter.n, w.grad.tolist(), [each.tolist() for each in kept.values()])

    beside(make)


@pytest.mark.parametrize("grad", [False, True])
def test_hooks_of_parameters_are_those_that_they_have_at_the_call(grad):
    def make(s):
        w, handles, calls = pa.ones(2, requires_grad=True), [], []

        def step(x):
            w.grad = None
            if grad:
                w.grad = pa.autograd.grad((w * x).sum(), w)[0]
            else:
                (w * x).sum().backward()

        def change():
            calls.append(None)
            if len(calls) in (1, 3):
                handles.append(w.register_hook(lambda g: s.append(g.tolist()) or g * 10))
            elif len(calls) > 4:
                handles.pop(0).remove()
            return w.grad.tolist()

        return step, change

    beside(make)


def test_hooks_of_several_parameters_run_in_the_plain_order():
    def make(s):
        ps = [pa.ones(2, requires_grad=True) for _ in range(4)]
        for i, p in enumerate(ps):
            p.register_hook(lambda g, i=i: s.append(i))

        def step(x):
            ((ps[2] * x + ps[0]) * ps[3]).sum().add(ps[1].sum()).backward()

        return step, lambda: [p.grad.tolist() for p in ps]

    beside(make)


def made_net(s):
    net = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
    net[0].register_full_backward_hook(lambda m, given, upstream: s.append((given, upstream[0].tolist())))
    net[1].register_full_backward_hook(lambda m, given, upstream: (given[0] * 2,))
    net[2].register_full_backward_pre_hook(lambda m, upstream: (upstream[0] * 3,))
    return net


def test_backward_hooks_of_modules_in_a_step():
    def make(s):
        net = made_net(s)
        step = training_step(net, optim.Adam(net.parameters(), lr=0.01), lambda y: y.square().sum())
        return step, lambda: [p.tolist() for p in net.parameters()]

    beside(make)


def test_backward_hooks_of_a_module_with_several_arguments_and_outputs():
    class Both(nn.Module):
        def forward(self, a, b, c):
            return a * b, a + b, c

    def make(s):
        net, w = Both(), pa.ones(2, requires_grad=True)
        net.register_full_backward_hook(lambda m, given, upstream: s.append(list(map(plain, given))))

        def step(x):
            w.grad = None
            with net.register_full_backward_hook(lambda m, given, upstream: (given[0] * 2, given[1], None)):
                a, b, _ = net(w * x, w * 2, x)
                (a * a + b).sum().backward()

        return step, lambda: w.grad.tolist()

    beside(make)


@pytest.mark.parametrize("dynamic", [False, True])
def test_backward_hooks_of_a_compiled_module_are_called_by_the_backward_outside(dynamic):
    def act(wrap, s):
        net = made_net(s)
        net.register_full_backward_hook(lambda m, given, upstream: s.append(upstream[0].tolist()))
        model = wrap(net, dynamic_batch=dynamic)
        for rows in (2, 2, 2, 2, 3, 3, 3, 5):
            y = model(pa.randn(rows, 2))
            y.retain_grad()
            y.square().sum().backward()
            s.append(y.grad.tolist())
        return [p.grad.tolist() for p in net.parameters()]

    hooked(act)


def test_a_hook_in_a_step_is_not_called_where_no_gradient_comes():
    def act(wrap, s):
        w = pa.ones(2, requires_grad=True)

        def both(x):
            h = w * x
            h.register_hook(lambda g: s.append(g.tolist()) or g * 2)
            return h * h, w * x

        step = wrap(both)
        for k in range(CALLS):
            w.grad = None
            step(pa.ones(2) * k)[k % 2].sum().backward()
            s.append(w.grad.tolist())

    hooked(act)


def test_hooks_behind_results_that_share_nothing_else_are_called_in_the_plain_order():
    def act(wrap, s):
        w = pa.ones(2, requires_grad=True)

        def three(x):
            parts = [w * x, w + x, w - x]
            for i in (2, 0, 1):
                parts[i].register_hook(lambda g, i=i: s.append(i))
            return parts[1].exp(), parts[0].tanh(), parts[2] * 2

        step = wrap(three)
        for _ in range(4):
            sum(each.sum() for each in step(pa.ones(2))).backward()
        return w.grad.tolist()

    hooked(act)


def test_run_calls_hooks_at_each_step():
    def act(wrap, s):
        net = made_net(s)
        step = wrap(training_step(net, optim.SGD(net.parameters(), lr=0.1), lambda y: y.square().mean()))
        x = pa.randn(12, 2)
        if wrap is pa.compile:
            return step.run(x, batch_size=4, epochs=3, shuffle=False).tolist()
        return [step(x[i : i + 4]).item() for _ in range(3) for i in (0, 4, 8)]

    hooked(act)


def test_what_a_hook_raises_the_call_raises_and_no_gradient_is_there():
    w, calls = pa.ones(2, requires_grad=True), []

    def hook(gradient):
        calls.append(None)
        if len(calls) == 4:
            raise ValueError("the fourth")

    @pa.compile
    def step(x):
        w.grad = None
        h = w * x
        h.register_hook(hook)
        h.sum().backward()

    for _ in range(3):
        step(pa.ones(2))
    with pytest.raises(ValueError, match="the fourth"):
        step(pa.ones(2))
    assert w.grad is None
    step(pa.ones(2))
    assert w.grad.tolist() == [1, 1]


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize("function", [True, False])
def test_nobody_writes_into_a_leaf_that_a_sweep_reads(inside, function):
    w, calls = pa.tensor([1.0, 2.0], requires_grad=True), []

    def hook(gradient):
        calls.append(None)
        if len(calls) == 4:
            w.data.mul_(2)

    class Writes(pa.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 1

        @staticmethod
        def backward(ctx: Any, upstream: Tensor) -> Tensor:
            hook(upstream)
            return upstream

    @pa.compile
    def step(x):
        h = w * x
        if function:
            h = Writes.apply(h)
        else:
            h.register_hook(hook)
        loss = (h * w).sum()
        if inside:
            loss.backward()
        return loss * 1

    for k in range(6):
        w.grad = None
        try:
            loss = step(pa.ones(2))
            if not inside:
                loss.backward()
        except RuntimeError as error:
            assert k == 3 and "another thread is using this tensor" in str(error)
        else:
            assert k != 3 and w.grad.tolist() == [2, 4]


def test_anomalies_that_a_hook_makes_are_found():
    w = pa.ones(2, requires_grad=True)

    @pa.compile
    def step(x):
        h = w * x
        h.register_hook(lambda g: g * float("inf"))
        with pa.autograd.detect_anomaly():
            h.sum().backward()

    for _ in range(4):
        with pytest.raises(FloatingPointError, match="mul"):
            step(pa.ones(2))


W = pa.ones(2, requires_grad=True)


def reads_the_step(x):
    h = W * x
    h.register_hook(lambda g: g * x)
    h.sum().backward()


def registers_on_a_parameter(x):
    W.register_hook(lambda g: g)


def waits_for_grad(x):
    W.register_post_accumulate_grad_hook(print)


def returns_it(x):
    h = W * x
    h.register_hook(lambda g: g * 2)
    return h


def differentiates_twice(x):
    h = W * x
    h.register_hook(lambda g: g * 2)
    (h * h).sum().backward(create_graph=True)


def changes_what_it_reads(x):
    h, k = W * x, 2.0
    h.register_hook(lambda g: g * k)
    h.sum().backward()
    k = 3.0
    return x * k


@pytest.mark.parametrize(
    "step, text",
    [
        (reads_the_step, "register_hook reads x of the step.*backward of an autograd.Function, which saves it"),
        (registers_on_a_parameter, r"was there before the step.*before the first call, or on a result, as x \* 1"),
        (waits_for_grad, r"register_post_accumulate_grad_hook.*behind backward\(\)"),
        (returns_it, r"gives hooks and returns, or stores; register them on what comes out.*x \* 1"),
        (differentiates_twice, r"create_graph=True through a tensor that has hooks.*as an autograd\.Function"),
        (changes_what_it_reads, "did not do the same: .* did a hook"),
    ],
)
def test_what_a_program_cannot_repeat_is_refused(step, text):
    with pytest.raises(pa.TraceError, match=text):
        compiled = pa.compile(step)
        for _ in range(3):
            compiled(pa.ones(2))
    W.grad = None


@pytest.mark.parametrize("step", [lambda x: (x * x).sum().backward(), lambda x: pa.autograd.grad((x * x).sum(), x)[0]])
def test_hooks_of_arguments_are_refused(step):
    step = pa.compile(step)
    for _ in range(3):
        x = pa.ones(2, requires_grad=True)
        step(x)
    x.register_hook(lambda g: g * 2)
    with pytest.raises(pa.TraceError, match=r"an argument that has hooks.*on what the step computes of it"):
        step(x)


def test_post_accumulate_hooks_of_parameters_are_refused_also_those_that_come_later():
    w = pa.ones(2, requires_grad=True)
    w.register_hook(lambda g: g * 2)
    step = pa.compile(lambda x: (w * x).sum().backward())
    for _ in range(3):
        step(pa.ones(2))
    handle = w.register_post_accumulate_grad_hook(lambda p: None)
    with pytest.raises(pa.TraceError, match="post-accumulate hooks"):
        step(pa.ones(2))
    assert w.grad.tolist() == [6, 6]
    handle.remove()
    step(pa.ones(2))
    assert w.grad.tolist() == [8, 8]


def test_a_compiled_module_with_hooks_has_no_second_derivatives_from_outside():
    model = pa.compile(made_net([]))
    for _ in range(3):
        x = pa.ones(1, 2, requires_grad=True)
        y = model(x).sum()
    with pytest.raises(NotImplementedError, match="gives a tensor hooks"):
        pa.autograd.grad(y, x, create_graph=True)
