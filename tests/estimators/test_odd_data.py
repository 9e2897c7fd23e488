"""Data and parameters that nobody should give: the errors are scikit-learn's, and say in which column."""

from typing import Any

import numpy as np
import pytest
from scipy.sparse import csr_array, csr_matrix, issparse, vstack
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

import pyautograd as pa
from pyautograd import nn, optim
from pyautograd.sklearn import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GENERATOR = np.random.default_rng(0)
X = GENERATOR.normal(size=(300, 3))
CLASSES = (X[:, 0] > 0).astype(int)
NUMBERS = X[:, 0] * 2
QUICK: dict[str, Any] = {"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0}


class DtypeOfPolars:
    """As one looks from outside."""

    def __init__(self, name: str) -> None:
        self.name = name

    def is_numeric(self) -> bool:
        return self.name == "Float64"

    def __str__(self) -> str:
        return self.name


class FrameOfPolars(np.ndarray):
    columns = ("age", "member", "city")
    dtypes = tuple(map(DtypeOfPolars, ("Float64", "Boolean", "String")))


def test_a_column_of_words_of_polars_is_named() -> None:
    words = np.array([[1.5, True, "Bern"], [2.5, False, "Rome"]] * 10, object)
    with pytest.raises(ValueError, match=r"could not convert[\s\S]*Column 'city' is String.*OneHotEncoder"):
        MLPRegressor(**QUICK).fit(words.view(FrameOfPolars), np.arange(20))


def test_a_column_of_words_is_named() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=["age", "income", "city"]).assign(city="Bern")
    with pytest.raises(ValueError, match=r"could not convert[\s\S]*Column 'city' is .*OneHotEncoder"):
        MLPClassifier(**QUICK).fit(frame, CLASSES)
    with pytest.raises(TypeError, match=r"no numbers\.\nColumn 'city' is datetime64.*frame\['city'\]\)\.dt\.days"):
        MLPClassifier(**QUICK).fit(frame.assign(city=pandas.Timestamp("2020")), CLASSES)
    numbered = frame.assign(city=pandas.Categorical([1, 2] * 150))
    with pytest.raises(ValueError, match="Input y contains NaN") as found:
        MLPClassifier(**QUICK).fit(numbered, np.where(CLASSES, np.nan, 1.0))
    assert "city" not in str(found.value)


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_numbers_beyond_float32_are_no_prediction(kind: Any) -> None:
    estimator = kind(**QUICK).fit(X, CLASSES)
    with pytest.raises(ValueError, match=r"too large for dtype\('float32'\)[\s\S]*column 1, row 2"):
        estimator.predict(np.where(np.arange(300)[:, None] == [9, 2, 9], 1e39, X))


def test_a_factory_of_modules_says_what_it_is_given() -> None:
    with pytest.raises(TypeError, match="given the numbers of features and outputs: module=lambda features, outputs"):
        MLPRegressor(**QUICK, module=lambda: nn.Linear(3, 1)).fit(X, NUMBERS)
    with pytest.raises(ValueError, match=r"must be ints, such as \(64, 32\), not the text '64'"):
        MLPRegressor(hidden_layer_sizes="64").fit(X, NUMBERS)


def test_a_regressor_keeps_its_number_of_outputs() -> None:
    both = np.stack([NUMBERS, NUMBERS], axis=1)
    for model in (MLPRegressor(**QUICK, warm_start=True).fit(X, both), MLPRegressor(**QUICK).partial_fit(X, both)):
        fit = model.fit if model.warm_start else model.partial_fit
        with pytest.raises(ValueError, match="`y` has 1 outputs, and had 2"):
            fit(X, NUMBERS)
        assert fit(X, both[:50].repeat(6, 0)).predict(X).shape == (300, 2)


@pytest.mark.parametrize("early_stopping", [False, True])
def test_sparse_rows_are_fitted_and_predicted_as_dense_ones(early_stopping: bool) -> None:
    def fit(rows: Any) -> Any:
        return MLPRegressor(**QUICK, early_stopping=early_stopping).fit(rows, NUMBERS)

    sparse = csr_matrix(np.where(X > 0, X, 0))
    dense = sparse.toarray()
    wanted = fit(dense)
    for rows in (sparse, sparse.tocsc(), csr_array(sparse)):
        found = fit(rows)
        assert all(np.array_equal(a, b) for a, b in zip(found.coefs_, wanted.coefs_, strict=True))
        assert np.array_equal(found.predict(rows), wanted.predict(dense))
    assert np.allclose(wanted.predict(vstack([sparse] * 20)), np.tile(wanted.predict(dense), 20), atol=1e-6)
    many = vstack([sparse] * 15, format="lil")
    many[4200, 2] = 1e39
    with pytest.raises(ValueError, match="column 2, row 4200"):
        wanted.predict(many)


def test_sparse_labels_are_predicted_sparse_as_scikit_learns() -> None:
    labels = csr_matrix(np.stack([CLASSES, 1 - CLASSES], axis=1))
    predicted = MLPClassifier(**QUICK).fit(X, labels).predict(X)
    assert issparse(predicted) and predicted.shape == labels.shape


def test_labels_of_several_types_are_refused() -> None:
    with pytest.raises(ValueError, match="classes of one type are wanted"):
        MLPClassifier(**QUICK).fit(X, np.array([1, "a", None] * 100, object))


def test_one_row_left_over_does_not_stop_batch_norm() -> None:
    model = MLPClassifier(**QUICK, norm="batch", batch_size=299).fit(X, CLASSES)
    assert len(model.loss_curve_) == 3 and np.isfinite(model.predict_proba(X)).all()


def test_a_class_stands_for_its_module() -> None:
    by_class = MLPRegressor(**QUICK, activation=nn.Tanh, loss=nn.HuberLoss).fit(X, NUMBERS)
    by_object = MLPRegressor(**QUICK, activation=nn.Tanh(), loss=nn.HuberLoss()).fit(X, NUMBERS)
    assert by_class.predict(X).tolist() == by_object.predict(X).tolist()


@pytest.mark.parametrize("schedule", [lambda o: None, optim.lr_scheduler.ReduceLROnPlateau])
def test_a_schedule_that_epochs_do_not_step_is_refused(schedule: Any) -> None:
    with pytest.raises(TypeError, match="a schedule by epochs is wanted, and the callable made"):
        MLPClassifier(**QUICK, learning_rate=schedule).fit(X, CLASSES)


@pytest.mark.parametrize("options", [{"alpha": -1}, {"class_weight": "balance"}, {"dtype": "float16"}])
def test_parameters_are_refused_by_scikit_learns_error(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameterError, match=next(iter(options))):
        MLPClassifier(**QUICK, **options).fit(X, CLASSES)


def test_a_module_of_ones_own_may_be_compiled() -> None:
    net = pa.compile(nn.MLP(3, [4, 1]))
    assert MLPClassifier(**QUICK, module=net).fit(X, CLASSES).predict(X).shape == (300,)


PLAIN = X[:5]
ODD_ROWS = {
    "strided": PLAIN[::2, ::-1],
    "of float32": PLAIN.astype(np.float32),
    "of the other byte order": PLAIN.astype(">f8"),
    "integers": np.arange(6).reshape(2, 3),
    "whose sum overflows": np.full((2, 3), 1e308),
    "with NaN": np.where(np.arange(5)[:, None] > 2, np.nan, PLAIN),
    "with infinities": np.array([[np.inf, 1.0, 0.0]]),
    "none": PLAIN[:0],
    "of two columns": PLAIN[:, :2],
    "of one axis": PLAIN[0],
    "complex": PLAIN * 1j,
}


@pytest.mark.parametrize("rows", ODD_ROWS.values(), ids=ODD_ROWS)
def test_an_array_is_predicted_as_what_scikit_learn_makes_of_it(rows: Any) -> None:
    class Subclass(np.ndarray[Any, Any]):
        """Which goes by scikit-learn's checks."""

    def outcome(given: Any) -> Any:
        try:
            return estimator.predict(given).tolist()
        except ValueError as error:
            return str(error)

    estimator = MLPRegressor(dtype="float64", **QUICK).fit(X, NUMBERS)
    assert outcome(rows) == outcome(rows.view(Subclass))


def test_an_array_without_names_is_warned_of_where_the_columns_have_some() -> None:
    pandas = pytest.importorskip("pandas")
    estimator = MLPRegressor(**QUICK).fit(pandas.DataFrame(X, columns=["a", "b", "c"]), NUMBERS)
    with pytest.warns(UserWarning, match="feature names"):
        estimator.predict(X)


def test_one_class_is_certain() -> None:
    assert MLPClassifier(**QUICK).fit(X, ["a"] * 300).predict_proba(X[:2]).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize(
    ("rows", "targets"), [(X.astype("M8[s]"), NUMBERS), (X, NUMBERS.astype("M8[s]")), (X, NUMBERS.astype("m8[s]"))]
)
def test_arrays_of_dates_are_no_numbers(rows: Any, targets: Any) -> None:
    with pytest.raises(TypeError, match=r"is (datetime|timedelta)64\[s\], no numbers: make numbers of them"):
        MLPRegressor(**QUICK).fit(rows, targets)


def test_sparse_targets_of_a_regression_are_refused() -> None:
    with pytest.raises(TypeError, match="Sparse data was passed for y"):
        MLPRegressor(**QUICK).fit(X, csr_matrix(np.stack([NUMBERS, NUMBERS], axis=1)))


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
def test_a_validation_set_without_weight_is_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match="at least one non-zero number"):
        kind(**QUICK).fit(X, CLASSES, X_val=X, y_val=CLASSES, sample_weight_val=np.zeros(300))


def test_a_fit_that_fails_leaves_the_estimator_what_it_was() -> None:
    def fails(output: Any, target: Any) -> Any:
        raise ValueError("my loss")

    model = MLPClassifier(**QUICK).fit(X, CLASSES)
    before = model.predict_proba(X).tolist()
    for options in ({"y_val": CLASSES[:9]}, {"y_val": CLASSES + 5}):
        with pytest.raises(ValueError, match=r"inconsistent|classes not in"):
            model.fit(X[:, :2], CLASSES, X_val=X[:, :2], **options)
    with pytest.raises(ValueError, match="my loss"):
        model.set_params(loss=fails).fit(X[:, :2], CLASSES)
    assert model.predict_proba(X).tolist() == before and model.n_features_in_ == 3
    fresh = MLPRegressor(**QUICK, loss=fails)
    for _ in range(2):
        with pytest.raises(ValueError, match="my loss"):
            fresh.fit(X, NUMBERS)
        with pytest.raises(NotFittedError):
            fresh.predict(X)


FITS = ({"solver": "adam"}, {"solver": "adam", "early_stopping": True}, {"solver": "lbfgs"}, {"solver": "sgd"})


@pytest.mark.parametrize("kind", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("warm_start", [False, True])
@pytest.mark.parametrize("first", FITS, ids=str)
def test_training_goes_on_by_other_parameters(kind: Any, warm_start: bool, first: dict[str, Any]) -> None:
    """Of solver and early stopping, where scikit-learn lacks attributes of the fit before."""
    model = kind(**QUICK, warm_start=warm_start)
    for options in FITS:
        for given in (first, options):
            model.set_params(**{"early_stopping": False, **given}).fit(X, CLASSES)
        assert model.early_stopping is False or len(model.validation_scores_) > 0
        if options["solver"] != "lbfgs":
            model.set_params(early_stopping=False)
            before = model.coefs_[0].copy()
            assert (model.partial_fit(X, CLASSES).coefs_[0] != before).any()


def test_an_epoch_after_a_fit_by_lbfgs_trains_its_weights() -> None:
    model = MLPClassifier(**QUICK).fit(X, CLASSES).set_params(solver="lbfgs").fit(X, CLASSES)
    before = model.coefs_[0].copy()
    model.set_params(solver="adam").partial_fit(X, CLASSES)
    assert (model.coefs_[0] != before).any() and len(model.loss_curve_) == 1


def test_a_loss_set_between_two_fits_is_the_one_that_is_trained() -> None:
    counts = np.abs(NUMBERS).round()
    for model in (MLPRegressor(**QUICK, warm_start=True), MLPRegressor(**QUICK)):
        assert model.fit(X, counts).predict(X).min() < 0
        model.set_params(loss="poisson")
        goes_on = model.fit if model.warm_start else model.partial_fit
        assert goes_on(X, counts).predict(X).min() > 0 and model.out_activation_ == "exp"
    other, one = (MLPRegressor(**QUICK, loss="quantile").fit(X, NUMBERS) for _ in range(2))
    one.set_params(quantile=0.9)
    assert (one.partial_fit(X, NUMBERS).coefs_[0] != other.partial_fit(X, NUMBERS).coefs_[0]).any()


def test_targets_beyond_the_dtype_are_no_fit() -> None:
    with pytest.raises(ValueError, match=r"The loss is inf: scale the targets, or train in dtype='float64'"):
        MLPRegressor(**QUICK).fit(X, NUMBERS * 1e30)
    assert np.isfinite(MLPRegressor(**QUICK, dtype="float64").fit(X, NUMBERS * 1e30).loss_)


def test_weights_of_a_validation_set_that_is_missing_are_refused() -> None:
    with pytest.raises(ValueError, match="belong together"):
        MLPRegressor(**QUICK).fit(X, NUMBERS, sample_weight_val=np.ones(300))
