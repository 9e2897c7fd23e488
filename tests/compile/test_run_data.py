"""What `run` takes for data: arrays of any dtype, data frames, loaders; a loop over their batches gives the same."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import _run, nn, optim
from pyautograd._training_data import as_floats
from pyautograd.nn import functional as F
from pyautograd.utils.data import ConcatDataset, DataLoader, Dataset, IterableDataset, Subset, TensorDataset

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(50, 3)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int64)


class World:
    def __init__(self, dtype: Any = None) -> None:
        pa.manual_seed(5)
        self.model = nn.Linear(3, 2, dtype=dtype)
        self.optimizer = optim.Adam(self.model.parameters(), lr=0.1)
        self.seen: list[Any] = []
        self.step: Any = pa.compile(self.plain)

    def plain(self, x: Any, y: Any) -> Any:
        self.optimizer.zero_grad()
        loss = F.cross_entropy(self.model(x), y)
        loss.backward()
        self.optimizer.step()
        return loss

    def bits(self) -> list[Any]:
        return [parameter.tolist() for parameter in self.model.parameters()]


def run(*data: Any, dtype: Any = None, **options: Any) -> tuple[Any, Any]:
    world = World(dtype)
    losses = world.step.run(*data, **{"batch_size": 8, "epochs": 3, "seed": 1, **options})
    return losses.tolist(), world.bits()


class Frame:
    """As a data frame of pandas looks from outside."""

    def __init__(self, **columns: Any) -> None:
        self._columns = {name: np.asarray(column) for name, column in columns.items()}
        self.columns = list(columns)
        self.ndim = 2

    def items(self) -> Any:
        return self._columns.items()

    def __len__(self) -> int:
        return len(next(iter(self._columns.values())))

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([list(row) for row in zip(*self._columns.values(), strict=True)], object)


def frame(x: Any) -> Frame:
    return Frame(a=x[:, 0], b=x[:, 1], c=x[:, 2])


@pytest.mark.parametrize(
    "x",
    [
        X.astype(np.float64),
        frame(X),
        frame(X.astype(np.float64)),
        np.asfortranarray(X),
        X.astype(np.float64)[:, ::-1][:, ::-1],
    ],
)
def test_arrays_and_frames_train_as_their_numbers_in_the_dtype_of_the_model(x: Any) -> None:
    assert run(x, Y) == run(X, Y)


def test_a_model_of_float64_gets_float64() -> None:
    x = GENERATOR.normal(size=(50, 3))
    assert run(x, Y, dtype=pa.float64) == run(pa.tensor(x), pa.tensor(Y), dtype=pa.float64)
    assert run(x, Y, dtype=pa.float64) != run(x.astype(np.float32).astype(np.float64), Y, dtype=pa.float64)


def test_a_frame_of_mixed_columns_is_a_tensor_and_one_of_words_is_named() -> None:
    mixed = Frame(a=X[:, 0], b=X[:, 1] > 0)
    assert pa.tensor(mixed).tolist() == np.stack([X[:, 0], X[:, 1] > 0], 1).tolist()
    with pytest.raises(TypeError, match=r"^tensor: column 'city' of data is <U4, no numbers"):
        pa.tensor(Frame(age=X[:, 0], city=["Bern"] * 50))
    with pytest.raises(TypeError, match=r"Frame'>; pyautograd\.tensor\(data\) makes one"):
        pa.nn.Linear(2, 1)(mixed)


def test_what_takes_float64_gets_it_beside_a_model_of_float32() -> None:
    times = 1.7e9 + np.arange(50.0)
    world = World()

    @pa.compile
    def step(time: Any) -> Any:
        spread = (time - 1.7e9).float() / 50
        return world.model(pa.stack([spread, spread, spread], 1)).sum() * 0 + spread.std()

    assert step.run(times, batch_size=50, shuffle=False)[0] == pytest.approx(
        np.std(np.arange(50) / 50, ddof=1), rel=1e-5
    )


def test_tensors_of_float64_are_the_callers_to_convert() -> None:
    with pytest.raises(TypeError, match="float64"):
        run(pa.tensor(X, dtype=pa.float64), pa.tensor(Y))


def test_a_refused_float64_leaves_nothing_behind() -> None:
    world = World()
    before = world.bits(), pa.get_rng_state()
    with pytest.raises((TypeError, ValueError, RuntimeError)):
        world.step.run(X.astype(np.float64)[:, :2], Y, batch_size=8)
    assert (world.bits(), pa.get_rng_state()) == before


def test_a_step_that_has_refused_float64_is_asked_again_only_where_it_may_take_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refusals: list[Any] = []
    monkeypatch.setattr(_run, "as_floats", lambda *data: refusals.append(data) or as_floats(*data))
    model, x = nn.Linear(3, 2), X.astype(np.float64)
    step = pa.compile(training_step(model, optim.SGD(model.parameters(), lr=0.0)))
    for _ in range(3):
        step.run(x, Y, batch_size=8)
    assert len(refusals) == 1
    model.double()
    assert (
        step.run(x, Y, batch_size=8, shuffle=False)[0]
        == F.cross_entropy(model(pa.tensor(x[:8])), pa.tensor(Y[:8])).item()
    )
    assert len(refusals) == 1


def test_mixed_columns_promote_and_targets_keep_their_integers() -> None:
    whole = np.round(X[:, 2] * 10).astype(np.int64)
    mixed = Frame(a=X[:, 0], b=X[:, 1] > 0, c=whole)
    numbers = np.stack([X[:, 0], (X[:, 1] > 0).astype(np.float64), whole.astype(np.float64)], axis=1)
    assert run(mixed, Y) == run(numbers.astype(np.float32), Y)


@pytest.mark.parametrize("dtype", [np.int64, np.int8, np.bool_])
@pytest.mark.parametrize("model", [pa.float32, pa.float64])
def test_a_table_of_integers_trains_as_floats(dtype: Any, model: Any) -> None:
    whole = (X * 3).astype(dtype)
    floats = run(pa.tensor(whole).to(model), Y, dtype=model)
    assert run(whole, Y, dtype=model) == run(frame(whole), Y, dtype=model) == floats


def test_a_step_that_takes_integers_gets_them() -> None:
    embedding, seen = pa.nn.Embedding(5, 1), []

    @pa.compile
    def step(tokens: Any, y: Any) -> Any:
        seen.append(tokens.dtype)
        return (embedding(tokens).sum((1, 2)) - y).square().mean()

    step.run(np.arange(20).reshape(10, 2) % 5, np.zeros(10), batch_size=5)
    assert set(seen) == {pa.int64}
    tokens = pa.tensor([[1, 2]])
    with pytest.raises(TypeError, match="int64 and float32"):  # of the data as they were given
        pa.compile(lambda tokens, x: embedding(tokens).sum() + x @ pa.ones(2)).run(tokens, tokens, batch_size=1)


def test_integers_that_stay_refused_are_named_as_they_were_given() -> None:
    embedding = pa.nn.Embedding(5, 2)
    with pytest.raises(TypeError, match="int64 and float32"):
        pa.compile(lambda tokens: (embedding(tokens) + tokens @ pa.ones(2, 2)).sum()).run(
            np.ones((4, 2), int), batch_size=2
        )


def test_a_nan_is_let_through_as_by_hand() -> None:
    x = X.copy()
    x[3, 1] = np.nan
    losses, _ = run(x, Y)
    assert np.isnan(losses[-1])


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (Frame(age=X[:, 0], city=["Bern"] * 50, c=Y), r"column 'city' of x is <U4, no numbers.*get_dummies"),
        (Frame(a=X[:, 0], b=np.array([1, None] * 25, object), c=Y), r"column 'b' of x is object, no numbers"),
        (
            Frame(a=np.array(["2020-01-01"] * 50, "datetime64[D]")),
            r"column 'a' of x is datetime64\[D\], no numbers; make a number",
        ),
        (np.array([["a"] * 3] * 50), "x is <U1, no numbers"),
        (X.astype(complex), "x is complex128, no numbers"),
        ("text", "x is a str"),
        (X.tolist(), "x is a list"),
    ],
)
def test_what_is_no_number_is_named(x: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        run(x, Y)


def loop(loader: Any, epochs: int) -> tuple[Any, Any]:
    world = World()
    return [world.step(*batch).item() for _ in range(epochs) for batch in loader], world.bits()


DATA = TensorDataset(pa.tensor(X), pa.tensor(Y))


@pytest.mark.parametrize(
    "make",
    [
        lambda: DataLoader(DATA, 8),
        lambda: DataLoader(DATA, 8, shuffle=True),
        lambda: DataLoader(DATA, 7, shuffle=True, drop_last=True),
        lambda: DataLoader(DATA, 16, shuffle=True, generator=pa.Generator().manual_seed(3)),
        lambda: DataLoader(Subset(Subset(DATA, range(0, 50, 2)), [*range(20), -1]), 6, shuffle=True),
        lambda: DataLoader([(row, int(y)) for row, y in zip(X, Y, strict=True)], 8),
    ],
)
def test_a_loader_trains_as_a_loop_over_it(make: Callable[[], DataLoader]) -> None:
    world = World()
    losses = world.step.run(make(), epochs=3)
    assert (losses.tolist(), world.bits()) == loop(make(), 3)


def test_a_loader_of_one_array_gives_the_step_one_argument() -> None:
    total = pa.compile(lambda x: x.sum())
    assert total.run(DataLoader(X, 50)).tolist() == [pytest.approx(X.sum(), rel=1e-5)]


class Squares(Dataset[int]):
    def __len__(self) -> int:
        return 8

    def __getitem__(self, index: int) -> int:
        return index * index


@pytest.mark.parametrize(
    ("loader", "options", "words"),
    [
        (DataLoader(DATA, 8), {"batch_size": 8}, "batch_size is said by the DataLoader"),
        (DataLoader(DATA, 8), {"shuffle": False}, "shuffle is said by the DataLoader"),
        (DataLoader(DATA, 8), {"drop_last": True}, "drop_last is said by the DataLoader"),
        (DataLoader(DATA, 8), {"generator": pa.Generator()}, "generator is said by the DataLoader"),
        (DataLoader(DATA, 8, sampler=[0, 1]), {}, "has a sampler of its own.*in a loop"),
        (DataLoader(DATA, batch_sampler=[[0, 1]]), {}, "has a batch_sampler of its own"),
        (DataLoader(DATA, 8, collate_fn=list), {}, "has a collate_fn of its own"),
        (DataLoader(DATA, None), {}, "has no batch_size"),
        (DataLoader(DATA, 8, shuffle=True, generator=3), {}, r"generator=pyautograd.Generator\(\).manual_seed"),
        (DataLoader(Squares(), 8), {}, "reads a Squares item by item; make it a TensorDataset"),
        (DataLoader(ConcatDataset([DATA, DATA]), 8), {}, "reads a ConcatDataset item by item"),
        (DataLoader(IterableDataset(), 8), {}, "reads a IterableDataset item by item"),
    ],
)
def test_a_loader_whose_batches_run_does_not_make_is_refused(loader: Any, options: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        World().step.run(loader, **options)


@pytest.mark.parametrize(("dataset", "words"), [([{"x": 1.0}], "rows is a dict"), (["a"], "rows is a str")])
def test_what_a_loader_gives_besides_tensors_is_refused(dataset: Any, words: str) -> None:
    with pytest.raises(TypeError, match=words):
        pa.compile(lambda rows: rows.sum()).run(DataLoader(dataset))


def test_data_without_a_loader_want_a_batch_size() -> None:
    with pytest.raises(TypeError, match="batch_size is missing"):
        World().step.run(X, Y)
