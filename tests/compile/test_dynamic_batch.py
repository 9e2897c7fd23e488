"""With `dynamic_batch` one program serves any number of rows, as the plain function does, or the step is refused."""

import contextlib
import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from functions import Cube
from trainings import training_step

import pyautograd as pa
from pyautograd import Tensor, _compile, nn, optim
from pyautograd._c import lib
from pyautograd._program import Program
from pyautograd.nn import functional as F

from .training import close

FIRST = [5, 8]  # rows of the calls that are recorded
ROWS = [7, 1, 2, 199, 33, 64, 198, 1, 3, 12, 12, 0, 150]

Case = Callable[[], tuple[Callable[..., Any], list[Tensor]]]  # a step, and the parameters that it trains


def floats(*shape: int) -> Callable[[np.random.Generator, int], Any]:
    return lambda generator, rows: generator.normal(size=(rows, *shape)).astype(np.float32)


def classes(n: int) -> Callable[[np.random.Generator, int], Any]:
    return lambda generator, rows: generator.integers(0, n, rows)


def numbers(found: Any) -> list[Any]:
    """The numbers in what a step returned."""
    results = found if isinstance(found, tuple) else (found,)
    return [np.asarray(each.tolist() if isinstance(each, Tensor) else each) for each in results]


def check_same(
    case: Case, *data: Any, rows: list[int] = FIRST + ROWS, programs: int = 1, as_arrays: bool = False
) -> Any:
    """The compiled step returns what the plain one does and leaves the same parameters and gradients."""
    (plain, expected), (function, found) = case(), case()
    step = pa.compile(function, dynamic_batch=True)
    generator = np.random.default_rng(0)
    for i, n in enumerate(rows):
        arrays = [make(generator, n) for make in data]
        pa.manual_seed(i)
        wanted = numbers(plain(*map(pa.tensor, arrays)))
        drawn = pa.rand(1).item()
        pa.manual_seed(i)
        given = numbers(step(*(arrays if as_arrays else map(pa.tensor, arrays))))
        assert drawn == pa.rand(1).item(), f"the random stream after call {i}, of {n} rows"
        assert [each.shape for each in given] == [each.shape for each in wanted], f"call {i}, of {n} rows"
        with np.errstate(invalid="ignore"):
            same = all(np.allclose(a, b, rtol=1e-4, atol=1e-5, equal_nan=True) for a, b in zip(given, wanted))
        assert same, f"call {i}, of {n} rows"
        for a, b in zip(found, expected):
            assert np.allclose(a.tolist(), b.tolist(), rtol=1e-3, atol=1e-4, equal_nan=True), f"{i}: {n} rows"
            assert (a.grad is None) == (b.grad is None)
            if a.grad is not None and b.grad is not None:
                assert np.allclose(a.grad.tolist(), b.grad.tolist(), rtol=1e-3, atol=1e-4, equal_nan=True), f"{i}: {n}"
    assert len(step.programs) == programs
    return step


def training(make: Callable[[], nn.Module], loss: Callable[..., Tensor] = F.mse_loss) -> Case:
    """A model trained on (x, y)."""

    def case() -> tuple[Callable[..., Any], list[Tensor]]:
        pa.manual_seed(0)
        model = make()
        optimizer = optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
        return training_step(model, optimizer, loss), list(model.parameters())

    return case


def inference(make: Callable[[], nn.Module]) -> Case:
    def case() -> tuple[Callable[..., Any], list[Tensor]]:
        pa.manual_seed(0)
        model = make()

        def predict(x: Tensor) -> Tensor:
            with pa.no_grad():
                return model(x)

        return predict, []

    return case


def of(function: Callable[..., Any], *shapes: tuple[int, ...]) -> Case:
    """A function of arguments and of parameters of these shapes, whose gradients come from the sum of its result."""

    def case() -> tuple[Callable[..., Any], list[Tensor]]:
        pa.manual_seed(0)
        parameters = [pa.randn(*shape, requires_grad=True) for shape in shapes]

        def step(*args: Tensor) -> Any:
            for parameter in parameters:
                parameter.grad = None
            result = function(*args, *parameters)
            if parameters:
                result.sum().backward()
            return result

        return step, parameters

    return case


def mlp() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 16), nn.ReLU(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 1))


def test_a_call_that_raises_leaves_the_optimiser_as_it_was() -> None:
    w = pa.ones(4, requires_grad=True)
    optimizer = optim.Adam([w], lr=0.5)

    @pa.compile(dynamic_batch=True)
    def step(x: Tensor) -> None:
        optimizer.zero_grad()
        (x + pa.zeros(3, 4) + w).sum().backward()
        optimizer.step()

    for k, rows in enumerate([3, 3, 5, 3, 3]):
        if rows == 5:
            with pytest.raises(ValueError):
                step(pa.ones(rows, 4))
        else:
            step(pa.ones(rows, 4))
        assert optimizer.state[w]["step"].item() == k + (k < 2)


def test_inference_has_one_program_for_any_number_of_rows() -> None:
    check_same(inference(mlp), floats(3))


def test_training_has_one_program_for_any_number_of_rows() -> None:
    rng = random.Random(0)
    check_same(training(mlp), floats(3), floats(1), rows=[rng.randint(1, 199) for _ in range(60)])


def test_arrays_are_batches_too() -> None:
    check_same(training(mlp), floats(3), floats(1), as_arrays=True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.4), nn.Linear(8, 4)),
        lambda: nn.Sequential(nn.Linear(3, 8), nn.LayerNorm(8), nn.GELU(), nn.Linear(8, 4)),
        lambda: nn.Sequential(nn.Linear(3, 8), nn.Softmax(dim=1), nn.Linear(8, 4)),
    ],
    ids=["dropout", "layer_norm", "softmax"],
)
def test_classifiers(make: Callable[[], nn.Module]) -> None:
    check_same(training(make, F.cross_entropy), floats(3), classes(4), rows=FIRST + [n for n in ROWS if n])


class Attention(nn.Module):
    """One head over (batch, time, features), with a causal mask and reshapes through (batch * time, features)."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(4, 12), nn.Linear(4, 1)

    def forward(self, x: Tensor) -> Tensor:
        batch, time, features = x.shape
        q, k, v = self.qkv(x.reshape(batch * time, features)).view(batch, time, 3 * features).split(features, dim=2)
        scores = q @ k.transpose(1, 2) * features**-0.5
        mask = pa.ones(time, time).tril() == 0
        attention = F.softmax(scores.masked_fill(mask, float("-inf")), dim=-1)
        return self.out((attention @ v).reshape(-1, features)).view(batch, -1)


def test_attention_over_batch_time_and_features() -> None:
    check_same(training(Attention), floats(5, 4), floats(5), rows=FIRST + [n for n in ROWS if n])


class Patches(nn.Module):
    """A convolution written as a product with patches."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel, self.head = nn.Linear(3, 6), nn.Linear(24, 1)

    def forward(self, x: Tensor) -> Tensor:
        patches = pa.stack([x[:, i : i + 3] for i in range(4)], dim=1)
        return self.head(self.kernel(patches).relu().flatten(1))


def test_convolution_by_patches() -> None:
    check_same(training(Patches), floats(6), floats(1))


@pytest.mark.parametrize(
    "function",
    [
        lambda x, w: pa.cat([x @ w, pa.ones(x.shape[0], 1)], dim=1),
        lambda x, w: pa.cat([x @ w, pa.zeros(3, 4)], dim=0),
        lambda x, w: pa.stack([x @ w, pa.full((x.shape[0], 4), 0.5)]),
        lambda x, w: (x @ w) * pa.tensor([[1.0, 2.0, 3.0, 4.0]]).repeat(x.shape[0], 1),
        lambda x, w: (x @ w)[1:] - (x @ w)[:-1],
        lambda x, w: (x @ w).sum() / x.shape[0],
        lambda x, w: (x @ w).mean(dim=0) + (x @ w).var(dim=1).sum(),
        lambda x, w: (x @ w)[pa.arange(x.shape[0]), 1],
        lambda x, w: pa.where(x[:, :1] > 0, x @ w, 0.0).t(),
        lambda x, w: (x @ w).unsqueeze(1).expand(-1, 3, -1).permute(2, 0, 1),
        lambda x, w: (x @ w) @ (x @ w).t(),
        lambda x, w: ((x @ w) @ (x @ w).t()).reshape(-1),
        lambda x, w: pa.logsumexp(x @ w, dim=0),
        lambda x, w: (x @ w)[-1] + (x @ w)[0],
        lambda x, w: (x @ w) * pa.rand(x.shape[0], 1) + pa.randn(x.shape[0], 4),
        lambda x, w: (x.detach() @ w).cumsum(1) if hasattr(x, "cumsum") else x @ w,
    ],
)
def test_functions_of_a_batch(function: Callable[..., Any]) -> None:
    check_same(of(function, (3, 4)), floats(3), rows=FIRST + [n for n in ROWS if n > 1])


def test_the_first_sizes_may_be_equal() -> None:
    step = check_same(training(mlp), floats(3), floats(1), rows=[4, 4, 4, 9, 4, 30])
    assert "(n, 3)" in repr(step)


def test_a_size_of_one_comes_first() -> None:
    check_same(training(mlp), floats(3), floats(1), rows=[1, 1, 1, 9, 4, 30, 1])


def test_what_python_decides_on_the_rows_bounds_a_program() -> None:
    def function(x: Tensor, w: Tensor) -> Tensor:
        return (x @ w) * 2 if x.shape[0] > 64 else (x @ w).squeeze() - 1

    rows = [70, 5, 8, 80, 3, 64, 65, 199, 1, 1, 1, 2]
    step = check_same(of(function, (3, 4)), floats(3), rows=rows, programs=3)
    assert [str(program.signature[0].shape) for program in step.programs].count("('n', 3)") == 2


def test_a_slice_of_a_fixed_length_bounds_a_program() -> None:
    check_same(of(lambda x, w: (x @ w)[:6], (3, 4)), floats(3), rows=[10, 20, 6, 5, 3, 4, 2, 100], programs=2)
    check_same(of(lambda x, w: (x @ w)[-6:], (3, 4)), floats(3), rows=[5, 3, 4, 2, 10, 20, 100, 5], programs=2)


def test_batch_norm_refuses_one_row_as_the_plain_call_does() -> None:
    pa.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU())
    step = pa.compile(lambda x: model(x).sum(), dynamic_batch=True)
    for rows in (5, 8, 13):
        step(pa.ones(rows, 3))
    with pytest.raises(ValueError, match="more than 1 value"):
        step(pa.ones(1, 3))
    check_same(
        training(lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))),
        floats(3),
        floats(1),
        rows=FIRST + [n for n in ROWS if n > 1],
    )


def test_an_empty_batch_raises_where_the_plain_call_does() -> None:
    step = pa.compile(lambda x: x.amax(dim=0), dynamic_batch=True)
    for rows in (5, 8, 13):
        assert step(pa.ones(rows, 3)).tolist() == [1.0] * 3
    with pytest.raises((ValueError, IndexError)):
        pa.ones(0, 3).amax(dim=0)
    with pytest.raises((ValueError, IndexError)):
        step(pa.ones(0, 3))


def test_arguments_that_are_no_batch_have_programs_of_their_own() -> None:
    step = pa.compile(lambda x, w: x @ w, dynamic_batch=True)
    for columns in (2, 4):
        for rows in [5, 8, 3, 3, 11]:
            x, w = pa.randn(rows, 3), pa.randn(3, columns)
            assert np.allclose(step(x, w).tolist(), (x @ w).tolist(), atol=1e-5)
    assert len(step.programs) == 2


def test_modes_have_programs_of_their_own() -> None:
    pa.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.Dropout(0.5))
    step = pa.compile(lambda x: model(x), dynamic_batch=True)
    for _ in range(2):
        for is_training in (True, False):
            model.train(is_training)
            for i, rows in enumerate((5, 8, 12, 2)):
                pa.manual_seed(i)
                expected = model(pa.ones(rows, 3)).tolist()
                pa.manual_seed(i)
                assert np.allclose(step(pa.ones(rows, 3)).tolist(), expected, atol=1e-6)
    assert len(step.programs) == 2


def test_gradients_of_arguments_are_left_in_them() -> None:
    step = pa.compile(lambda x: (x * x).sum().backward(), dynamic_batch=True)
    for rows in (3, 5, 4, 9, 2, 2):
        x = pa.randn(rows, 2, requires_grad=True)
        step(x)
        assert x.grad is not None and np.allclose(x.grad.tolist(), (2 * x.detach()).tolist())
    assert len(step.programs) == 1


def test_results_stay_when_the_program_is_set_to_other_rows() -> None:
    step = pa.compile(lambda x: (x + 1, x[1:]), dynamic_batch=True)
    kept = [(step(pa.full((rows, 2), rows)), rows) for rows in (3, 5, 4, 50, 2, 9)]
    for (more, rest), rows in kept:
        assert more.tolist() == [[rows + 1.0] * 2] * rows and rest.tolist() == [[rows] * 2] * (rows - 1)


def test_run_uses_the_one_program_for_whole_and_ragged_batches() -> None:
    def make(**options: Any) -> tuple[Any, list[Tensor]]:
        function, parameters = training(mlp)()
        return pa.compile(function, **options), parameters

    generator = np.random.default_rng(0)
    x, y = pa.tensor(floats(3)(generator, 50)), pa.tensor(floats(1)(generator, 50))
    (free, found), (fixed, expected) = make(dynamic_batch=True), make()
    losses = [step.run(x, y, batch_size=16, epochs=5, seed=1) for step in (free, fixed)]
    assert np.allclose(*losses, rtol=1e-4)
    assert close([each.tolist() for each in found], [each.tolist() for each in expected])
    assert len(free.programs) == 1


@pytest.mark.parametrize("full", [2, 3])
def test_run_compiles_once_where_the_ragged_batch_follows_the_second(
    full: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Program] = []

    class Counted(Program):
        def __init__(self, *args: Any) -> None:
            made.append(self)
            super().__init__(*args)

    monkeypatch.setattr(_compile, "Program", Counted)
    step = pa.compile(lambda x: (x * x).sum(), dynamic_batch=True)
    x = pa.arange(16.0 * full + 5)
    losses = step.run(x, batch_size=16, epochs=2, shuffle=False)
    assert losses.tolist() == [(part * part).sum().item() for part in x.split(16)] * 2
    assert len(made) == full - 1 and len(step.programs) == 1


@pytest.mark.parametrize("keeps", ["nothing", "losses", "a mean", "rows"])
@pytest.mark.parametrize("rows", [50, 48, 33, 7])
def test_a_run_over_ragged_batches_has_the_bits_of_calls_one_by_one(keeps: str, rows: int) -> None:
    def world() -> tuple[Any, list[Any], list[Tensor]]:
        model = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.3), nn.Tanh(), nn.Linear(8, 1))
        for parameter in model.parameters():
            parameter.data.copy_(pa.linspace(-1, 1, parameter.numel()).reshape(parameter.shape))
        optimizer = optim.Adam(model.parameters(), lr=0.05)
        kept: list[Any] = []
        last = {"": pa.zeros(1)}

        def step(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
            optimizer.zero_grad()
            output = model(x)
            loss = (output - y).square().mean()
            loss.backward()
            optimizer.step()
            if keeps == "losses":
                kept.append(loss.detach())
            elif keeps == "a mean":
                last[""] = last[""] * 0.5 + output.detach().mean(0)
            elif keeps == "rows":
                last[""] = output.detach()
            return loss, output

        return pa.compile(step, dynamic_batch=True), [kept, last], list(model.parameters())

    generator = np.random.default_rng(0)
    x, y = pa.tensor(floats(3)(generator, rows)), pa.tensor(floats(1)(generator, rows))
    (called, kept, expected), (run, also_kept, found) = world(), world()
    pa.manual_seed(1)
    losses = [
        called(x[start : start + 16], y[start : start + 16])[0].item() for _ in range(6) for start in range(0, rows, 16)
    ]
    pa.manual_seed(1)
    ran = np.concatenate([run.run(x, y, batch_size=16, epochs=epochs, shuffle=False) for epochs in (1, 2, 3)])
    assert ran.tolist() == losses
    assert [each.tolist() for each in found] == [each.tolist() for each in expected]
    assert [each.item() for each in also_kept[0]] == [each.item() for each in kept[0]]
    assert also_kept[1][""].tolist() == kept[1][""].tolist()


@pytest.mark.parametrize("kind", ["put", "moving average", "in place", "argument in place"])
def test_places_are_written_as_in_the_plain_call(kind: str) -> None:
    def world() -> tuple[Callable[[Tensor], Tensor], dict[str, Tensor]]:
        state = {"last": pa.zeros(3)}

        def step(x: Tensor) -> Tensor:
            y = x * 2 + state["last"].mean()
            if kind == "put":
                state["last"] = y
            elif kind == "moving average":
                state["last"] = state["last"] * 0.9 + y.mean(0)
            elif kind == "in place":
                state["last"].add_(y.sum(0), alpha=0.01)
            else:
                x.mul_(3)
            return y

        return step, state

    (plain, expected), (function, found) = world(), world()
    step = pa.compile(function, dynamic_batch=True)
    for i, rows in enumerate([4, 6, 5, 5, 20, 3, 6, 1, 2]):
        x = pa.full((rows, 3), i)
        taken, given = x.clone(), x.clone()
        assert np.allclose(plain(taken).tolist(), step(given).tolist(), rtol=1e-5)
        assert given.tolist() == taken.tolist()
        assert np.allclose(expected["last"].tolist(), found["last"].tolist(), rtol=1e-5)


def test_python_within_the_step_sees_the_rows_of_the_call() -> None:
    def function(x: Tensor, w: Tensor) -> Tensor:
        return Cube.apply(x @ w) + pa.host_call(lambda t: np.sort(t.numpy(), axis=0), x[:, :1])

    check_same(of(function, (3, 4)), floats(3), rows=FIRST + [n for n in ROWS if n])


@pytest.mark.parametrize(
    ("function", "match"),
    [
        (lambda x: x.sum() * (1 / x.shape[0]), r"\.mean\(\)"),
        (lambda x: x.sum() / len(x), r"x\.shape\[0\] for len\(x\)"),
        (lambda x: x[: x.shape[0] // 2], "fraction"),
        (lambda x: x * pa.tensor([[float(i)] for i in range(x.shape[0])]), "rows that are all alike"),
        (lambda x: sum(row.sum() for row in x), r"len\(\)"),
        (lambda x: x.sum() * x.numel() ** 2, "power"),
        (lambda x: x[::2], "fraction"),
        (lambda x: x.reshape(-1, 2) if {x.shape[0]: 1} else x, "look-up"),
    ],
)
def test_what_depends_on_the_rows_otherwise_is_refused(function: Callable[..., Any], match: str) -> None:
    step = pa.compile(function, dynamic_batch=True)
    step(pa.ones(4, 2))
    with pytest.raises(pa.TraceError, match=match):
        step(pa.ones(6, 2))


def test_values_over_columns_of_a_batch() -> None:
    def case() -> tuple[Callable[..., Any], list[Tensor]]:
        w = [pa.Value(0.5), pa.Value(-0.25)]

        def step(x: Tensor, y: Tensor) -> Tensor:
            loss = ((w[0] * x[:, 0] + w[1] * x[:, 1]).tanh() - y).square().mean()
            for each in w:
                each.grad = 0.0
            loss.backward()
            for each in w:
                each.data -= 0.1 * each.grad
            return loss

        return step, []

    check_same(case, lambda g, n: g.normal(size=(n, 2)), lambda g, n: g.normal(size=n))


def test_results_have_a_history_where_the_plain_call_gives_one() -> None:
    pa.manual_seed(0)
    model = mlp()
    compiled = pa.compile(model, dynamic_batch=True)
    parameters = list(model.parameters())
    for rows in [5, 8, 3, 3, 120, 1, 64]:
        x, y = pa.randn(rows, 3, requires_grad=True), pa.randn(rows, 1)
        found = []
        for forward in (model, compiled):
            for each in (x, *parameters):
                each.grad = None
            loss = F.mse_loss(forward(x), y)
            loss.backward()
            found.append([loss.item(), *(each.grad.tolist() for each in (x, *parameters) if each.grad is not None)])
        assert close(*found), f"{rows} rows"
    assert len(compiled.programs) == 1


def test_a_call_whose_backward_is_to_come_keeps_its_rows() -> None:
    pa.manual_seed(0)
    model = mlp()
    compiled = pa.compile(model, dynamic_batch=True)
    for rows in (5, 8, 6):
        compiled(pa.randn(rows, 3)).sum().backward()
    data = [pa.randn(rows, 3) for rows in (3, 20, 3, 7)]
    gradients = []
    for forward in (model, compiled):
        model.zero_grad()
        for result in [forward(x).square().mean() for x in data]:
            result.backward()
        gradients.append([each.grad.tolist() for each in model.parameters() if each.grad is not None])
    assert close(*gradients)


def test_another_size_makes_no_program_and_plans_seldom() -> None:
    step = pa.compile(inference(mlp)()[0], dynamic_batch=True)
    sizes = []
    for rows in [2, 3, *range(4, 200)]:
        step(pa.ones(rows, 3))
        if step.programs:
            sizes.append(step.programs[0].describe()["arena_bytes"])
    assert len(step.programs) == 1 and len(set(sizes)) < 20


def test_a_growth_that_runs_out_of_memory_is_tried_again_by_the_next_call() -> None:
    data = {rows: pa.randn(rows, 40) for rows in (5, 8, 300)}

    def step(x: Tensor) -> Tensor:
        return x.argsort(0)  # whose memory is all scratch

    for number in range(20):
        compiled = pa.compile(step, dynamic_batch=True)
        for rows in (5, 8, 5):
            compiled(data[rows])
        lib.pa_memory_fail_after(number)
        with contextlib.suppress(MemoryError):
            compiled(data[300])
        lib.pa_memory_fail_after(-1)
        assert compiled(data[300]).tolist() == step(data[300]).tolist()


def test_constants_at_the_ends_of_int64_are_those_of_a_step() -> None:
    least, most = -(2**63), 2**63 - 1

    def step(x: Tensor) -> Tensor:
        return x.long() + pa.tensor([[least, most]] * x.shape[0])

    compiled = pa.compile(step, dynamic_batch=True)
    for rows in (5, 4, 3, 6):
        assert compiled(pa.zeros(rows, 2)).tolist() == [[least, most]] * rows
