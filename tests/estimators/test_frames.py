"""Data frames train, validate and are summed up as their numbers do; columns without numbers are named."""

from typing import Any

import numpy as np
import pytest
from trainings import training_step

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.callbacks import Validation
from pyautograd.sklearn import MLPClassifier

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(50, 3))
Y = (X[:, 0] > 0).astype(np.int64)


@pytest.fixture(params=["pandas", "polars"])
def frames(request: pytest.FixtureRequest) -> Any:
    return pytest.importorskip(request.param)


def frame_of(frames: Any, x: Any) -> Any:
    return frames.DataFrame({name: x[:, i] for i, name in enumerate(["age", "income", "visits"])})


def train(x: Any, y: Any) -> Any:
    pa.manual_seed(0)
    model = nn.Linear(3, 2)
    step = pa.compile(training_step(model, optim.Adam(model.parameters(), lr=0.1)))
    losses = step.run(x, y, batch_size=8, epochs=3, seed=1)
    return losses.tolist(), Validation(model, x, y, metrics="accuracy").compute()


def test_a_frame_and_a_series_train_as_their_numbers(frames: Any) -> None:
    assert train(frame_of(frames, X), frames.Series(Y)) == train(X.astype(np.float32), Y)


def test_a_column_of_words_is_named(frames: Any) -> None:
    frame = frames.DataFrame({"age": X[:, 0], "city": ["Bern"] * 50})
    with pytest.raises(TypeError, match="column 'city' of x is"):
        train(frame, Y)


def test_columns_of_pandas_with_types_of_its_own() -> None:
    pandas = pytest.importorskip("pandas")
    frame = frame_of(pandas, X).astype({"age": "Float64", "income": "float32"})
    assert train(frame, pandas.Series(Y, dtype="Int64")) == train(frame.to_numpy(np.float32), Y)
    for column in (pandas.Categorical(["a", "b"] * 25), pandas.Timestamp("2020"), pandas.array([True, None] * 25)):
        with pytest.raises(TypeError, match=r"column 'visits' of x is .*, no numbers"):
            train(frame.assign(visits=column), Y)


def test_a_frame_is_summed_up(frames: Any) -> None:
    assert pa.summary(nn.Linear(3, 2), frame_of(frames, X)).layers[0].shape == (50, 2)


def test_predictions_go_back_into_the_frame() -> None:
    pandas = pytest.importorskip("pandas")
    frame, model = frame_of(pandas, X), nn.Linear(3, 2)
    with pa.no_grad():
        found = model(pa.tensor(frame, dtype=pa.float32)).softmax(1)
    table = frame.join(pandas.DataFrame(found, index=frame.index, columns=["no", "yes"]))
    assert np.allclose(table.no + table.yes, 1)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_boundary_of_a_frame_has_its_columns_names(frames: Any) -> None:
    pytest.importorskip("matplotlib").use("Agg")
    x, y = frame_of(frames, X)[["age", "income"]], frames.Series(np.where(Y, "yes", "no").tolist())
    classifier = MLPClassifier((4,), max_iter=5).fit(x, y)
    ax = pa.plot.decision_boundary(classifier, x, y, ax=pa.plot.new_figure()[1])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("age", "income")
    assert [text.get_text() for text in ax.get_legend().get_texts()][-2:] == ["no", "yes"]
