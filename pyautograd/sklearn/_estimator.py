"""What both estimators are: data checked, a module made, trained and asked."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import numpy as np
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from pyautograd._compile import compile
from pyautograd._dtype import float32, float64
from pyautograd._frames import DATE, is_of_dates
from pyautograd._grad_mode import no_grad
from pyautograd._tensor import Tensor
from pyautograd.sklearn import _network, _training
from pyautograd.sklearn._losses import Loss
from pyautograd.sklearn._parameters import check, hidden_sizes, layer_activations

Array = np.ndarray[Any, Any]

_FLOATS = (np.dtype(np.float64), np.dtype(np.float32))
SPARSE_ROWS = 4096  # that are made dense at once for a prediction
DATE_OF_ARRAY = 'make numbers of them, such as (dates - dates.min()) / np.timedelta64(1, "D")'
EXACT_ROWS = 100  # up to so many float64 costs little, and fits of the same rows differ by less than 1e-7


def keep_parameters(estimator: Any, given: dict[str, Any]) -> None:
    """Sets the attributes that an `__init__` was given as arguments."""
    vars(estimator).update((name, value) for name, value in given.items() if name not in ("self", "__class__"))


def checked_rows(estimator: Any, X: Any, *y: Any, **options: Any) -> Any:
    """The data as arrays of floats, or sparse rows of them; errors say in which column and row the first NaN or
    infinity is, and which column of a data frame has no numbers."""
    try:
        for name, given in zip("Xy", (X, *y)):
            if is_of_dates(getattr(given, "dtype", None)) and (name == "X" or options.get("y_numeric")):
                raise TypeError(f"{name} is {given.dtype}, no numbers: {DATE_OF_ARRAY}")
        return validate_data(estimator, X, *y, accept_sparse="csr", dtype=(np.float64, np.float32), **options)
    except (TypeError, ValueError) as error:
        text = str(error)
        place = _place_of(X) if text.startswith("Input X contains") else ""
        if "could not be promoted" in text:  # of DTypes, which say nothing to who has a frame
            place, text = _words_in(X), "X has a column that is no numbers."
        elif "could not convert" in text or "with a sequence" in text:
            place = _words_in(X)
        if not place:
            raise
        what, _, advice = text.partition("\n")
        raise type(error)(f"{what}\n{place}\n{advice}".rstrip()) from None


def _place_of(X: Any, names: Any = None, dtype: Any = np.float64, first: int = 0) -> str:
    """Where the first number is that is not finite, in rows the first of which is number `first`."""
    try:
        with np.errstate(over="ignore"):
            values = np.asarray(X, dtype)
        row, column = np.argwhere(~np.isfinite(values))[0]
    except (TypeError, ValueError, IndexError):
        return ""
    names = getattr(X, "columns", names)
    name = int(column) if names is None else names[column]
    label = f" (its label is {X.index[row]})" if hasattr(X, "iloc") and X.index[row] != row else ""
    return f"The first is in column {name!r}, row {first + row}{label}."


def _words_in(X: Any) -> str:
    """Which is the first column of a data frame that has no numbers."""
    for name, dtype in zip(getattr(X, "columns", ()), getattr(X, "dtypes", ())):
        if not _is_of_numbers(dtype):
            advice = "encode it, as OneHotEncoder does in a ColumnTransformer"
            return f"Column {name!r} is {dtype}: {DATE.format(name) if is_of_dates(dtype) else advice}."
    return ""


def _is_of_numbers(dtype: Any) -> bool:
    """NumPy's and pandas's dtypes have a kind, polars's a method."""
    if hasattr(dtype, "is_numeric"):
        return bool(dtype.is_numeric()) or str(dtype) == "Boolean"
    return getattr(dtype, "kind", "f") in "biuf"


def _is_finite(values: Array) -> bool:
    """Are all finite? False also where only their sum overflows."""
    with np.errstate(over="ignore", invalid="ignore"):
        return math.isfinite(values.sum())


def _torch(name: str) -> Any:
    return {"float32": float32, "float64": float64}[name]


class Estimator(BaseEstimator):  # type: ignore[misc]
    """What classifier and regressor share."""

    _loss_names: tuple[str, ...]
    module_: Any
    n_outputs_: int
    loss_: float

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        raise NotImplementedError

    def _targets(self, y: Array, begins: bool) -> Array:
        """Targets to train on; where it begins, they say which classes there are."""
        return self._encoded(y)

    def _encoded(self, y: Array) -> Array:
        """Targets as numbers, (n, k), or as classes by their positions, (n,)."""
        raise NotImplementedError

    def _link(self, targets: Array, outputs: int | None) -> tuple[str, int]:
        """The output activation, and how many outputs it takes; `outputs` is what a module of the user's own has."""
        raise NotImplementedError

    def _row_loss(self) -> Loss:
        raise NotImplementedError

    def _score(self, predicted: Array, targets: Array, weights: Array | None) -> float:
        raise NotImplementedError

    # ---- fitting ----

    def _fit(self, X: Any, y: Any, sample_weight: Any, validation: Any = (), goes_on: bool = False) -> None:
        """Fits; where that fails before there is a fit to go on from, the estimator is what it was."""
        before = dict(vars(self))
        begins = "module_" not in before or not (self.warm_start or goes_on)
        try:
            self._fit_rows(X, y, sample_weight, validation, begins, goes_on)
        except BaseException:
            if begins:
                self.__dict__.clear()
                self.__dict__.update(before)
            raise

    def _fit_rows(self, X: Any, y: Any, sample_weight: Any, validation: Any, begins: bool, goes_on: bool) -> None:
        check(self, self._loss_names)
        if goes_on and self.early_stopping:
            raise ValueError("partial_fit does not support early_stopping=True")
        has_weights = hasattr(self, "coefs_")  # set by the caller, or fitted
        X, y = self._checked(X, y, begins and not (goes_on and has_weights))
        targets = self._targets(y, begins and not goes_on)
        weights = self._row_weights(sample_weight, y, X)
        random = check_random_state(self.random_state)
        if begins:
            self._begin(X, targets, random, goes_on and has_weights)
        elif targets.ndim == 2 and targets.shape[1] != self.n_outputs_:
            raise ValueError(f"`y` has {targets.shape[1]} outputs, and had {self.n_outputs_} in the previous call")
        else:  # another loss may have been set
            self.out_activation_, _ = self._link(targets, self.n_outputs_)
        data, held_out = self._arrays(X, targets, weights), None
        validates = any(each is not None for each in validation)
        if self.solver == "lbfgs":
            if validates:
                raise ValueError('X_val: the solver "lbfgs" does not stop early')
            _training.by_lbfgs(self, data)
        else:
            if validates:
                held_out = self._validation(y, *validation)
            elif self.early_stopping:
                train, rest = self._split(targets, random)
                held_out = X[rest], targets[rest], None if weights is None else weights[rest]
                data = tuple(each[train] for each in data)
            if held_out is not None and held_out[2] is not None and not held_out[2].any():
                raise ValueError("Sample weights must contain at least one non-zero number: no row to validate on has")
            if vars(self).get("_validates") is not (held_out is not None):
                self._begin_history(held_out is not None)
            score = None if held_out is None else partial(self._validation_score, *held_out)
            _training.by_epochs(self, data, score, goes_on)
        if not all(np.isfinite(p.detach().numpy()).all() for p in self.module_.parameters()):
            raise ValueError(
                "Solver produced non-finite parameter weights. The input data may contain large values and need to be"
                " preprocessed."
            )
        if math.isinf(self.loss_) and held_out is None:
            raise ValueError(f"The loss is {self.loss_}: scale the targets, or train in dtype='float64'")

    def _begin(self, X: Array, targets: Array, random: Any, keeps_weights: bool) -> None:
        """A new module, its weights drawn."""
        dtype = self.dtype or ("float64" if self.solver == "lbfgs" or X.shape[0] <= EXACT_ROWS else "float32")
        given = self.__dict__.pop("_given", None) if keeps_weights else None
        self._dtype, self._in_dtype, self._programs = dtype, X.dtype, _training.Programs()
        features, own = X.shape[1], self.module
        self.out_activation_, self.n_outputs_ = self._link(targets, None)
        self._rng_state = (0, 0)
        if own is None:
            hidden = hidden_sizes(self.hidden_layer_sizes)
            activations = layer_activations(self.activation, len(hidden))
            sizes = [features, *hidden, self.n_outputs_]
            with _training.stream(self):  # for what layers draw, which is drawn over
                module = _network.of_sizes(sizes, activations, self.norm, self.dropout, random, _torch(dtype))
        self._rng_state = (int(random.randint(np.iinfo(np.int32).max)), 0)
        if own is not None:
            with _training.stream(self):
                module = _network.of_module(own, features, self.n_outputs_, _torch(dtype))
                outputs = _network.outputs_of(module, features, dtype)
            self.out_activation_, self.n_outputs_ = self._link(targets, outputs)
        for name in ("optimizer_", "_validates"):  # of the fit before
            self.__dict__.pop(name, None)
        self.module_ = module
        self.n_layers_ = len(list(_network.linear_layers(module))) + 1
        if given is not None:
            _network.put_weights(list(_network.linear_layers(module)), given["coefs_"], given["intercepts_"])
        self.t_ = self.n_iter_ = 0

    def _begin_history(self, validates: bool) -> None:
        self.loss_curve_: list[float] = []
        self._no_improvement_count, self._validates = 0, validates
        self.validation_scores_: list[float] | None = [] if validates else None
        self.best_validation_score_ = -np.inf if validates else None
        self.best_loss_ = None if validates else np.inf

    def _arrays(self, X: Array, targets: Array, weights: Array | None) -> _training.Arrays:
        """As the step takes them."""
        with np.errstate(over="ignore"):
            x: Any = X.astype(self._dtype)
            x = x.toarray() if issparse(x) else x
            y = targets if self.out_activation_ == "softmax" else targets.reshape(len(x), -1).astype(self._dtype)
            return (x, y) if weights is None else (x, y, weights.astype(self._dtype))

    def _row_weights(self, sample_weight: Any, y: Any, X: Array, fitted: Any = None) -> Array | None:
        """The weights of rows, or None where all are 1; `fitted` are the targets of the rows that are trained on, where
        these are others."""
        if sample_weight is None:
            return None
        weights: Array = _check_sample_weight(sample_weight, X)
        return None if (weights == 1).all() else weights

    def _split(self, targets: Array, random: Any) -> tuple[Array, Array]:
        """The rows to train on and those to validate on."""
        train, rest = train_test_split(
            np.arange(len(targets)),
            random_state=random,
            test_size=self.validation_fraction,
            stratify=self._strata(targets),
        )
        if len(rest) < 2:
            raise ValueError(
                "The validation set is too small. Increase 'validation_fraction' or the size of your dataset."
            )
        return train, rest

    def _strata(self, targets: Array) -> Any:
        return None

    def _validation(self, fitted: Array, X_val: Any, y_val: Any, weights: Any) -> Any:
        """A validation set that `fit` was given, checked."""
        if X_val is None or y_val is None:
            raise ValueError("X_val and y_val belong together: give both or none of them")
        X, y = self._checked(X_val, y_val, False)
        return X, self._encoded(y), self._row_weights(weights, y, X, fitted)

    def _validation_score(self, X: Array, targets: Array, weights: Array | None) -> float:
        self.module_.eval()
        predicted = self._forward(X)
        self.module_.train()
        return self._score(predicted, targets, weights) if np.isfinite(predicted).all() else np.nan

    # ---- predicting ----

    def _rows(self, X: Any) -> Array:
        if self._is_plain(X):
            return cast(Array, X)
        check_is_fitted(self)
        rows: Array = checked_rows(self, X, reset=False)
        return rows

    def _is_plain(self, X: Any) -> bool:
        """Is it an array that scikit-learn's checks, which take longer than a prediction, would hand back as it is?"""
        known = vars(self)
        if type(X) is not np.ndarray or X.ndim != 2 or "feature_names_in_" in known or "module_" not in known:
            return False
        return len(X) > 0 and X.shape[1] == self.n_features_in_ and X.dtype in _FLOATS and _is_finite(X)

    def _forward(self, X: Any, first: int = 0) -> Array:
        """Predictions of shape (n, k), of rows the first of which is number `first` to errors."""
        if issparse(X):
            starts = range(0, X.shape[0], SPARSE_ROWS)
            return np.concatenate([self._forward(X[i : i + SPARSE_ROWS].toarray(), i) for i in starts])
        programs = self._programs
        with programs.lock:
            link = self.out_activation_
            if link not in programs:
                programs[link] = self._compiled_forward()
            predicted: Array = programs[link](X).numpy()
        if self._dtype == "float32" and not _is_finite(predicted):
            place = _place_of(X, vars(self).get("feature_names_in_"), np.float32, first)
            if place:
                raise ValueError(f"Input X contains a value too large for dtype('float32').\n{place}")
        return predicted

    def _compiled_forward(self) -> Any:
        module, dtype, out = self.module_, _torch(self._dtype), _torch(self._in_dtype.name)
        link = _network.LINKS[self.out_activation_]

        def forward(x: Tensor) -> Tensor:
            with no_grad():
                return link(_network.rows_of(module(x.to(dtype))).to(out))

        return compile(forward, dynamic_batch=True)

    # ---- the weights as scikit-learn shows them ----

    @property
    def coefs_(self) -> Any:
        """The weight matrices, (inputs, outputs), a layer. Assign a list to set them."""
        return self._weights("coefs_", lambda layer: layer.weight.detach().numpy().T)

    @coefs_.setter
    def coefs_(self, given: Any) -> None:
        self._set_weights("coefs_", given)

    @property
    def intercepts_(self) -> Any:
        """The bias vectors, a layer. Assign a list to set them."""
        return self._weights("intercepts_", lambda layer: layer.bias.detach().numpy())

    @intercepts_.setter
    def intercepts_(self, given: Any) -> None:
        self._set_weights("intercepts_", given)

    def _weights(self, name: str, of_layer: Callable[[Any], Array]) -> Any:
        if "module_" not in vars(self):
            given = vars(self).get("_given", {})
            if name in given:
                return given[name]
            raise AttributeError(f"{type(self).__name__} is not fitted and has no {name}")
        arrays = [of_layer(layer).astype(self._in_dtype) for layer in _network.linear_layers(self.module_)]
        for array in arrays:
            array.flags.writeable = False
        return tuple(arrays)

    def _set_weights(self, name: str, given: Any) -> None:
        if "module_" not in vars(self):
            self.__dict__.setdefault("_given", {})[name] = given
            return
        both = {"coefs_": self.coefs_, "intercepts_": self.intercepts_, name: given}
        _network.put_weights(list(_network.linear_layers(self.module_)), both["coefs_"], both["intercepts_"])

    def __sklearn_is_fitted__(self) -> bool:
        return "module_" in vars(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags

    def _has_epochs(self) -> bool:
        if self.solver == "lbfgs":
            raise AttributeError("partial_fit is only available for stochastic optimizers. lbfgs is not stochastic.")
        return True
