"""The estimators keep scikit-learn's contracts, train to scikit-learn's weights, and do what is theirs alone."""

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import sklearn.neural_network as theirs
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import GridSearchCV, HalvingRandomSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from threads import in_threads

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.nn import functional as F
from pyautograd.sklearn import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
    pytest.mark.filterwarnings("ignore:A worker stopped:UserWarning"),
]

X_IRIS, Y_IRIS = load_iris(return_X_y=True)
X_IRIS = StandardScaler().fit_transform(X_IRIS)
X_MANY, Y_MANY = make_classification(300, 6, random_state=0)
X_NUMBERS, Y_NUMBERS = make_regression(300, 5, random_state=0)
Y_NUMBERS = Y_NUMBERS / Y_NUMBERS.std()


@parametrize_with_checks([MLPClassifier(max_iter=50), MLPRegressor(max_iter=50)])
def test_scikit_learns_checks_of_estimators(estimator: Any, check: Any) -> None:
    check(estimator)


@pytest.mark.parametrize("options", [
    {"solver": "sgd", "learning_rate_init": 0.1},
    {"solver": "sgd", "batch_size": 32, "activation": "logistic", "alpha": 1.0},
    {"solver": "sgd", "batch_size": 50, "learning_rate": "invscaling", "nesterovs_momentum": False, "momentum": 0.5},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 0.1, "n_iter_no_change": 2, "hidden_layer_sizes": (8, 4)},
    {"solver": "adam", "activation": "tanh", "epsilon": 1e-14},
    {"solver": "lbfgs", "max_iter": 5},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("y", [Y_IRIS, Y_IRIS > 0], ids=["three classes", "two"])
def test_the_weights_are_scikit_learns(options: dict[str, Any], y: Any) -> None:
    options = {"max_iter": 20, "random_state": 3, "shuffle": False, **options}
    weights = np.linspace(0.5, 1.5, len(y))
    ours, other = MLPClassifier(**options, dtype="float64"), theirs.MLPClassifier(**options)
    if options["max_iter"] == 5:
        weights = None  # not in scikit-learn 1.6
    ours.fit(X_IRIS, y, weights)
    other.fit(X_IRIS, y, weights)
    for mine, its in zip([*ours.coefs_, *ours.intercepts_], other.coefs_ + other.intercepts_):
        np.testing.assert_allclose(mine, its, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(ours.loss_, other.loss_)
    np.testing.assert_allclose(ours.predict_proba(X_IRIS), other.predict_proba(X_IRIS), rtol=1e-6)
    for name in ("n_iter_", "t_", "n_layers_", "n_outputs_", "out_activation_", "n_features_in_"):
        assert getattr(ours, name) == getattr(other, name, getattr(ours, name))
    if options["solver"] != "lbfgs":
        np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_)


@pytest.mark.parametrize("loss", ["squared_error", "poisson"])
@pytest.mark.parametrize("outputs", [1, 3])
def test_the_weights_of_a_regression_are_scikit_learns(loss: str, outputs: int) -> None:
    options: Any = {"loss": loss, "max_iter": 20, "random_state": 3, "shuffle": False, "solver": "sgd"}
    y = np.abs(Y_NUMBERS)
    y = y if outputs == 1 else np.column_stack([y / each for each in range(1, outputs + 1)])
    ours = MLPRegressor(**options, dtype="float64").fit(X_NUMBERS, y)
    other = theirs.MLPRegressor(**options).fit(X_NUMBERS, y)
    for mine, its in zip(ours.coefs_, other.coefs_):
        np.testing.assert_allclose(mine, its, rtol=1e-7, atol=1e-10)
    np.testing.assert_allclose(ours.loss_curve_, other.loss_curve_)


NOISY = {"hidden_layer_sizes": (8,), "dropout": 0.2, "batch_size": 32, "max_iter": 5, "random_state": 1}


def test_random_state_decides_every_bit_in_any_thread_and_process() -> None:
    expected = MLPClassifier(**NOISY).fit(X_MANY, Y_MANY).coefs_
    state = pa.get_rng_state()
    found = in_threads(*[lambda: MLPClassifier(**NOISY).fit(X_MANY, Y_MANY)] * 2)
    search = GridSearchCV(MLPClassifier(**NOISY), {"alpha": [1e-4, 1e-2]}, cv=2, n_jobs=2).fit(X_MANY, Y_MANY)
    serial = GridSearchCV(MLPClassifier(**NOISY), {"alpha": [1e-4, 1e-2]}, cv=2).fit(X_MANY, Y_MANY)
    for model in found:
        assert all((a == b).all() for a, b in zip(model.coefs_, expected))
    assert (search.cv_results_["mean_test_score"] == serial.cv_results_["mean_test_score"]).all()
    assert all((a == b).all() for a, b in zip(search.best_estimator_.coefs_, serial.best_estimator_.coefs_))
    assert pa.get_rng_state() == state


def test_the_number_of_threads_decides_on_no_bit() -> None:
    X = np.random.RandomState(0).normal(size=(300, 2000))
    options: Any = {"hidden_layer_sizes": (200,), "batch_size": 300, "max_iter": 2, "random_state": 0}
    before = pa.get_num_threads()
    fits = []
    try:
        for threads in (1, 2):
            pa.set_num_threads(threads)
            fits.append(MLPClassifier(**options).fit(X, X[:, 0] > 0).coefs_)
    finally:
        pa.set_num_threads(before)
    assert all((a == b).all() for a, b in zip(*fits))


@pytest.mark.parametrize("between", [lambda m: m, copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))])
def test_epochs_of_partial_fit_are_those_of_fit(between: Any) -> None:
    at_once = MLPClassifier(**NOISY, tol=0).fit(X_MANY, Y_MANY)
    model = MLPClassifier(**NOISY)
    for _ in range(5):
        model = between(model.partial_fit(X_MANY, Y_MANY, classes=[0, 1]))
    assert all((a == b).all() for a, b in zip(model.coefs_, at_once.coefs_))
    assert model.loss_curve_ == at_once.loss_curve_


def test_a_clone_is_not_fitted_and_a_pickle_predicts_the_same() -> None:
    model = MLPClassifier(8, max_iter=20, random_state=0).fit(X_MANY, Y_MANY)
    assert not hasattr(clone(model), "coefs_")
    assert (pickle.loads(pickle.dumps(model)).predict_proba(X_MANY) == model.predict_proba(X_MANY)).all()


def test_searches_ensembles_and_pipelines_take_it() -> None:
    model = MLPClassifier(8, max_iter=30, learning_rate_init=0.02, random_state=0)
    assert cross_val_score(make_pipeline(StandardScaler(), model), X_MANY, Y_MANY, cv=3).mean() > 0.8
    assert CalibratedClassifierCV(model, cv=2).fit(X_MANY, Y_MANY).predict_proba(X_MANY).shape == (300, 2)
    halving = HalvingRandomSearchCV(model, {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, resource="max_iter", min_resources=5,
                                    max_resources=20, random_state=0, cv=2)  # fmt: skip
    assert halving.fit(X_MANY, Y_MANY).score(X_MANY, Y_MANY) > 0.7


def test_rows_without_weight_are_rows_that_are_not_there() -> None:
    weights = np.where(np.arange(300) % 3 == 0, 0.0, 1.0)
    options: Any = {"solver": "lbfgs", "max_iter": 30, "random_state": 0}
    weighted = MLPRegressor(**options).fit(X_NUMBERS, Y_NUMBERS, weights)
    without = MLPRegressor(**options).fit(X_NUMBERS[weights > 0], Y_NUMBERS[weights > 0])
    np.testing.assert_allclose(weighted.predict(X_NUMBERS), without.predict(X_NUMBERS), rtol=1e-4, atol=1e-4)


def test_class_weight_is_a_weight_of_rows() -> None:
    options: Any = {"hidden_layer_sizes": (8,), "max_iter": 20, "random_state": 0, "batch_size": 50}
    by_class = MLPClassifier(**options, class_weight={0: 1.0, 1: 5.0}).fit(X_MANY, Y_MANY)
    by_row = MLPClassifier(**options).fit(X_MANY, Y_MANY, np.where(Y_MANY == 1, 5.0, 1.0))
    assert all((a == b).all() for a, b in zip(by_class.coefs_, by_row.coefs_))
    assert by_class.predict(X_MANY).mean() > MLPClassifier(**options).fit(X_MANY, Y_MANY).predict(X_MANY).mean()
    with pytest.raises(ValueError, match="balanced"):
        MLPClassifier(class_weight="balanced").partial_fit(X_MANY, Y_MANY, classes=[0, 1])


class Residual(nn.Module):
    def __init__(self, features: int, outputs: int) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(features, 16), nn.Linear(16, outputs)
        self.hidden = nn.Linear(16, 16)

    def forward(self, x: pa.Tensor) -> pa.Tensor:
        h = self.into(x).relu()
        return self.out(h + self.hidden(h).relu())


@pytest.mark.parametrize("options", [
    {"dropout": 0.1}, {"norm": "batch"}, {"norm": "layer"},
    {"hidden_layer_sizes": (16, 8), "activation": ["gelu", "tanh"]},
    {"activation": nn.LeakyReLU(0.1)}, {"activation": pa.tanh}, {"solver": "adamw", "alpha": 0.01},
    {"solver": lambda parameters: optim.RMSprop(parameters, lr=0.01)}, {"learning_rate": "cosine"},
    {"learning_rate": lambda optimizer: optim.lr_scheduler.StepLR(optimizer, 20)}, {"loss": "focal"},
    {"loss": lambda output, target: F.binary_cross_entropy_with_logits(output, target)}, {"module": Residual},
    {"module": nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 1))}, {"module": nn.MLP(6, [16, 2])},
    {"class_weight": "balanced"}, {"dtype": "float64"},
], ids=lambda options: next(iter(options)))  # fmt: skip
def test_a_classifier_learns_with(options: dict[str, Any]) -> None:
    options = {"hidden_layer_sizes": (16,), "learning_rate_init": 0.01, "random_state": 0, "max_iter": 60, **options}
    model = MLPClassifier(**options).fit(X_MANY, Y_MANY)
    assert model.score(X_MANY, Y_MANY) > 0.9
    np.testing.assert_allclose(model.predict_proba(X_MANY).sum(1), 1)
    assert (model.predict(X_MANY) == pickle.loads(pickle.dumps(clone_of_what_pickles(model))).predict(X_MANY)).all()


def clone_of_what_pickles(model: MLPClassifier) -> MLPClassifier:
    """Lambdas do not pickle."""
    model = copy.copy(model)
    for name, value in model.get_params(deep=False).items():
        if getattr(value, "__name__", "") == "<lambda>":
            setattr(model, name, None)
    if hasattr(model, "_schedule"):
        model._schedule = None
    return model


@pytest.mark.parametrize("options", [
    {"loss": "absolute_error"}, {"loss": "huber", "delta": 0.5}, {"loss": "quantile"}, {"loss": "squared_error"},
    {"loss": lambda output, target: (output - target).square()}, {"module": lambda n, k: nn.MLP(n, [32, k])},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("outputs", [1, 2])
def test_a_regressor_learns_with(options: dict[str, Any], outputs: int) -> None:
    y = Y_NUMBERS if outputs == 1 else np.column_stack([Y_NUMBERS, -Y_NUMBERS])
    options = {"learning_rate_init": 0.01, "random_state": 0, "max_iter": 100, **options}
    model = MLPRegressor(**options).fit(X_NUMBERS, y)
    assert model.score(X_NUMBERS, y) > 0.9
    assert model.predict(X_NUMBERS).shape == y.shape


def test_a_quantile_lies_above_its_share() -> None:
    rng = np.random.RandomState(0)
    X = rng.uniform(size=(1000, 1))
    y = X[:, 0] + rng.exponential(size=1000)
    model = MLPRegressor("quantile", (16,), quantile=0.9, learning_rate_init=0.01, random_state=0).fit(X, y)
    assert 0.87 < (y < model.predict(X)).mean() < 0.93


@pytest.mark.parametrize("options", [{"early_stopping": True}, {"norm": "batch", "dropout": 0.3}])
def test_the_best_weights_on_a_validation_set_are_kept(options: dict[str, Any]) -> None:
    given = {} if "early_stopping" in options else {"X_val": X_MANY[200:], "y_val": Y_MANY[200:]}
    model = MLPClassifier((16,), learning_rate_init=0.05, random_state=0, **options).fit(
        X_MANY[:200], Y_MANY[:200], **given
    )
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert len(model.validation_scores_) == len(model.loss_curve_) == model.n_iter_ < 200
    if given:
        assert model.score(X_MANY[200:], Y_MANY[200:]) == model.best_validation_score_


@pytest.mark.parametrize("weights", ["balanced", {0: 1.0, 1: 9.0}])
def test_a_validation_set_is_scored_with_the_weights_of_classes_as_a_part_of_the_data_is(weights: Any) -> None:
    rare = np.flatnonzero(Y_MANY == 1)[:20]
    rows = np.concatenate([np.flatnonzero(Y_MANY == 0), rare])
    X, y = X_MANY[rows], Y_MANY[rows]
    options = {"class_weight": weights, "max_iter": 1, "random_state": 0}
    model = MLPClassifier(**options).fit(X, y, X_val=X[-60:], y_val=y[-60:])
    of_classes = {0: 1.0, 1: (len(y) - 20) / 20} if weights == "balanced" else weights
    right = model.predict(X[-60:]) == y[-60:]
    assert model.validation_scores_ == [pytest.approx(np.average(right, weights=[of_classes[c] for c in y[-60:]]))]


def test_several_labels_at_once() -> None:
    X, Y = make_multilabel_classification(100, n_classes=4, random_state=0)
    model = MLPClassifier(random_state=0, learning_rate_init=0.01).fit(X, Y, X_val=X, y_val=Y)
    assert model.predict(X).shape == Y.shape
    assert model.score(X, Y) == model.best_validation_score_ > 0.8


def test_weights_are_set_by_assignment_and_not_by_accident() -> None:
    model = MLPClassifier(4, max_iter=2, random_state=0).fit(X_MANY, Y_MANY)
    before = model.predict_proba(X_MANY)
    with pytest.raises(ValueError, match="read-only"):
        model.coefs_[0][0, 0] = 1.0
    with pytest.raises(TypeError):
        model.coefs_[0] = np.zeros((6, 4))
    model.coefs_ = [2 * coef for coef in model.coefs_]
    assert not np.allclose(model.predict_proba(X_MANY), before)
    with pytest.raises(ValueError, match=r"shape \(2, 2\) for one of shape \(6, 4\)"):
        model.coefs_ = [np.zeros((2, 2))] * 2


def test_predictions_of_several_threads_by_one_model() -> None:
    model = MLPClassifier(8, max_iter=5, random_state=0).fit(X_MANY, Y_MANY)
    expected = model.predict_proba(X_MANY)

    def wrong() -> list[int]:
        return [n for n in (1, 2, 3, 300) * 20 if not np.allclose(model.predict_proba(X_MANY[:n]), expected[:n])]

    assert in_threads(wrong, wrong, wrong) == [[], [], []]


def test_a_column_with_nan_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"age": [1.0, 2.0, 3.0], "income": [1.0, np.nan, 2.0]})
    with pytest.raises(ValueError, match=r"Input X contains NaN[\s\S]*column 'income', row 1"):
        MLPClassifier().fit(frame, [0, 1, 0])
    with pytest.raises(
        ValueError, match=r"NaN\.\nThe first is in column 'income', row 2 \(its label is 7\)\.\n[\s\S]*impute"
    ):
        MLPClassifier().fit(frame.set_axis([9, 8, 7]).assign(income=[1, 2, np.nan]), [0, 1, 0])
    with pytest.raises(ValueError, match=r"infinity[\s\S]*column 1, row 2"):
        MLPClassifier().fit([[1.0, 2.0], [1.0, 2.0], [1.0, np.inf]], [0, 1, 0])


@pytest.mark.parametrize("options, words", [
    ({"solver": "adm"}, "solver must be 'lbfgs', 'sgd', 'adam', 'adamw' or a callable, not 'adm'"),
    ({"alpha": -1}, "alpha must be a number of at least 0, not -1"),
    ({"hidden_layer_sizes": (0,)}, "hidden_layer_sizes must be > 0"),
    ({"activation": "rely"}, "activation must be 'logistic', 'relu'"),
    ({"hidden_layer_sizes": (4, 4), "activation": ["relu"]}, "1 activations for 2 hidden layers"),
    ({"loss": "log"}, "loss must be 'log_loss', 'focal' or a callable, not 'log'"),
    ({"module": nn.MLP(6, [8, 3])}, "it has 3 outputs; 1 are wanted for 2 classes"),
    ({"dropout": 1.0}, "dropout must be a number of at least 0 and below 1"),
])  # fmt: skip
def test_what_cannot_be_fitted_is_named(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words.replace("(", r"\(")):
        MLPClassifier(**options).fit(X_MANY, Y_MANY)


def test_a_fit_that_has_not_converged_says_so() -> None:
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        MLPClassifier(4, max_iter=2).fit(X_MANY, Y_MANY)
