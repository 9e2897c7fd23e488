"""MLPClassifier."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, issparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import type_of_target, unique_labels

from pyautograd.sklearn import _losses
from pyautograd.sklearn._estimator import Array, Estimator, checked_rows, keep_parameters
from pyautograd.sklearn._losses import Loss

__all__ = ["MLPClassifier"]


class MLPClassifier(ClassifierMixin, Estimator):  # type: ignore[misc]
    """A multi-layer perceptron that tells classes apart: scikit-learn's, trained by a compiled step.

    Takes scikit-learn's parameters (`hidden_layer_sizes activation solver alpha batch_size learning_rate
    learning_rate_init power_t max_iter shuffle random_state tol verbose warm_start momentum nesterovs_momentum
    early_stopping validation_fraction beta_1 beta_2 epsilon n_iter_no_change max_fun`), and: `activation` by more
    names, as a module or function, or a list of one a layer; `solver="adamw"` or a callable that makes an optimiser of
    parameters; `learning_rate="cosine"` or a callable that makes a schedule of an optimiser; `loss`, "log_loss",
    "focal" (with `gamma`) or a callable of outputs and targets; `class_weight`, a dict or "balanced"; `dropout`;
    `norm`, "batch" or "layer"; `module`, a Module or a callable that makes one of the numbers of features and outputs,
    instead of the layer sizes; `dtype`, "float32" or "float64": None is the latter for at most 100 rows and "lbfgs".

    `fit` takes (n, features) and n labels, or (n, k) of 0 and 1 for k labels at once. **Raises** ValueError, when
    fitted, for parameters and data that do not fit, NaN and infinities among them.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> model = MLPClassifier((16,), learning_rate_init=0.02, random_state=0).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    _loss_names = ("log_loss", "focal")

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: Any = "relu",
        *,
        solver: Any = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: Any = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: Any = None,
        tol: float = 1e-4,
        verbose: Any = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: float = 10,
        max_fun: int = 15000,
        loss: Any = "log_loss",
        gamma: float = 2.0,
        class_weight: Any = None,
        dropout: float = 0.0,
        norm: str | None = None,
        module: Any = None,
        dtype: str | None = None,
    ) -> None:
        keep_parameters(self, locals())

    def fit(
        self,
        X: Any,
        y: Any,
        sample_weight: Any = None,
        *,
        X_val: Any = None,
        y_val: Any = None,
        sample_weight_val: Any = None,
    ) -> MLPClassifier:
        """Trains on rows and their labels; `sample_weight` says how much each row counts, `class_weight` each class.

        With `X_val` and `y_val` training stops early by the accuracy there, and the best weights are kept, as by
        `early_stopping=True` with a part of the data. Returns the estimator. **Raises** ValueError for what does not
        fit.

        >>> model = MLPClassifier(4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.predict([[0.0], [1.0]]).tolist()
        ['no', 'yes']
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda estimator: estimator._has_epochs())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> MLPClassifier:
        """Trains one epoch more; the first call is given all `classes`. **Raises** ValueError for others in `y`.

        >>> model = MLPClassifier(8, learning_rate_init=0.1, random_state=0)
        >>> for _ in range(100):
        ...     _ = model.partial_fit([[0.0], [1.0]], ["no", "yes"], classes=["no", "yes"])
        >>> model.predict([[0.0], [1.0]]).tolist()
        ['no', 'yes']
        """
        is_first = "classes_" not in vars(self)
        if is_first and classes is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        if self.class_weight == "balanced":
            raise ValueError('class_weight="balanced" needs all of the data; give partial_fit a dict of weights')
        if is_first:
            self._see_classes(y if type_of_target(y).startswith("multilabel") else classes, classes)
        elif classes is not None and not np.array_equal(self.classes_, unique_labels(classes)):
            raise ValueError(
                f"`classes={classes!r}` is not the same as on last call to partial_fit, was: {self.classes_!r}"
            )
        self._fit(X, y, sample_weight, goes_on=True)
        return self

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row; of several labels at once those likelier than not, as 0 and 1.

        **Raises** NotFittedError before `fit`, ValueError for rows that do not fit.

        >>> model = MLPClassifier(4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.predict([[0.9]]).tolist()
        ['yes']
        """
        return self._labels(self._forward(self._rows(X)))

    def predict_proba(self, X: Any) -> Array:
        """Probabilities of the classes, in the order of `classes_`: (n, classes). **Raises** as `predict`.

        >>> model = MLPClassifier(4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> model.predict_proba([[0.0], [0.9]]).shape
        (2, 2)
        """
        predicted = self._forward(self._rows(X))
        if self._has_labels or predicted.shape[1] > 1:
            return predicted
        return np.hstack([1 - predicted, predicted]) if len(self.classes_) == 2 else np.ones_like(predicted)

    def predict_log_proba(self, X: Any) -> Array:
        """Logarithms of the probabilities: (n, classes). **Raises** as `predict`.

        >>> model = MLPClassifier(4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], ["no", "yes"])
        >>> bool((model.predict_log_proba([[0.9]]) <= 0).all())
        True
        """
        with np.errstate(divide="ignore"):
            return np.log(self.predict_proba(X))

    # ---- labels and targets ----

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        X, y = checked_rows(self, X, y, multi_output=True, reset=reset)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _targets(self, y: Array, begins: bool) -> Array:
        if begins:
            self._see_classes(y, y)
        elif self.warm_start and set(unique_labels(y)) != set(self.classes_):
            raise ValueError(
                "warm_start can only be used where `y` has the same classes as in the previous call to fit."
                f" Previously got {self.classes_}, `y` has {unique_labels(y)}"
            )
        return self._encoded(y)

    def _see_classes(self, y: Any, classes: Any) -> None:
        whole = isinstance(y, np.ndarray) and y.ndim == 1 and y.dtype.kind in "iu"  # classes for sure: no need to ask
        kind = "multiclass" if whole else type_of_target(y, input_name="y")
        if kind not in ("binary", "multiclass", "multilabel-indicator"):
            raise ValueError(
                f"Unknown label type: {kind}: classes of one type are wanted, or 0 and 1 for several labels at once"
            )
        self._has_labels = kind == "multilabel-indicator"
        self._is_sparse = issparse(y)
        self.classes_ = np.arange(y.shape[1]) if self._has_labels else np.unique(classes)

    def _encoded(self, y: Any) -> Array:
        """The class of each row as its position in `classes_`, (n,); of several labels 0 and 1, (n, k)."""
        if self._has_labels:
            indicators: Array = y.toarray() if issparse(y) else y
            if indicators.ndim != 2 or indicators.shape[1] != len(self.classes_):
                raise ValueError(f"`y` has the shape {indicators.shape}, and not {len(self.classes_)} labels")
            return indicators
        classes: Array = self.classes_
        index: Array = np.searchsorted(classes, y)
        if y.ndim != 1 or not (classes[np.minimum(index, len(classes) - 1)] == y).all():
            raise ValueError(
                f"`y` has classes not in `self.classes_`. `self.classes_` has {classes}. 'y' has {np.unique(y)}."
            )
        return index

    def _labels(self, predicted: Array) -> Array:
        if self._has_labels:
            labels = (predicted > 0.5).astype(int)
            return csr_matrix(labels) if self._is_sparse else labels
        index = predicted[:, 0] > 0.5 if predicted.shape[1] == 1 else predicted.argmax(1)
        classes: Array = self.classes_
        return classes[np.minimum(index, len(classes) - 1)]

    def _link(self, targets: Array, outputs: int | None) -> tuple[str, int]:
        classes = len(self.classes_)
        if self._has_labels:
            link, width = "logistic", classes
        elif classes > 2 or (classes == 2 and outputs == 2):
            link, width = "softmax", classes
        else:
            link, width = "logistic", 1
        if outputs not in (None, width):
            raise ValueError(f"module: it has {outputs} outputs; {width} are wanted for {classes} classes")
        return link, width

    def _row_weights(self, sample_weight: Any, y: Any, X: Array, fitted: Any = None) -> Array | None:
        weights = super()._row_weights(sample_weight, y, X)
        if self.class_weight is None:
            return weights
        known, y = (each.toarray() if issparse(each) else each for each in (y if fitted is None else fitted, y))
        of_classes: Array = compute_sample_weight(
            self.class_weight,
            np.concatenate([known, y]),
            indices=range(len(known)) if self.class_weight == "balanced" else None,
        )[len(known) :]
        return of_classes if weights is None else weights * of_classes

    def _strata(self, targets: Array) -> Any:
        """Two classes are spread alike over both parts, more of them where each has a row for either."""
        if self._has_labels:
            return None
        if len(self.classes_) <= 2:
            return targets.reshape(-1, 1).astype(bool)
        counts = np.bincount(targets)
        return targets if counts.min() >= 2 and self.validation_fraction * len(targets) >= len(counts) else None

    def _row_loss(self) -> Loss:
        if callable(self.loss):
            return _losses.own(self.loss)
        return _losses.focal(float(self.gamma)) if self.loss == "focal" else _losses.log_loss

    def _score(self, predicted: Array, targets: Array, weights: Array | None) -> float:
        if predicted.shape[1] == 1 and targets.ndim == 1:
            right = (predicted[:, 0] > 0.5) == targets
        elif targets.ndim == 1:
            right = predicted.argmax(1) == targets
        else:
            right = ((predicted > 0.5) == targets).all(1)
        return float(np.average(right, weights=weights))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
