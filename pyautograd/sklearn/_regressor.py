"""MLPRegressor."""

from __future__ import annotations

from typing import Any

from scipy.sparse import issparse
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.metaestimators import available_if

from pyautograd.sklearn import _losses
from pyautograd.sklearn._estimator import Array, Estimator, checked_rows, keep_parameters
from pyautograd.sklearn._losses import Loss

__all__ = ["MLPRegressor"]


class MLPRegressor(RegressorMixin, Estimator):  # type: ignore[misc]
    """A multi-layer perceptron that predicts numbers: scikit-learn's, trained by a compiled step.

    Takes scikit-learn's parameters and those that `MLPClassifier` adds to them, but for `class_weight` and `gamma`.
    `loss` is "squared_error", "absolute_error", "huber" (with `delta`), "poisson", "quantile" (with `quantile`) or a
    callable of outputs and targets, both (n, k).

    `fit` takes (n, features) and (n,) or (n, k) numbers. **Raises** ValueError, when fitted, for parameters and data
    that do not fit, NaN and infinities among them.

    >>> import numpy as np
    >>> X = np.linspace(-1, 1, 200).reshape(-1, 1)
    >>> model = MLPRegressor(hidden_layer_sizes=(32,), solver="lbfgs", random_state=0).fit(X, X[:, 0] ** 2)
    >>> model.score(X, X[:, 0] ** 2) > 0.99
    True
    """

    _loss_names = ("squared_error", "absolute_error", "huber", "poisson", "quantile")

    def __init__(
        self,
        loss: Any = "squared_error",
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
        quantile: float = 0.5,
        delta: float = 1.0,
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
    ) -> MLPRegressor:
        """Trains on rows and their numbers; `sample_weight` says how much each row counts.

        With `X_val` and `y_val` training stops early by the R² there, and the best weights are kept, as by
        `early_stopping=True` with a part of the data. Returns the estimator. **Raises** ValueError for what does not
        fit.

        >>> model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [1.0, 3.0])
        >>> model.predict([[0.0], [1.0]]).round(2).tolist()
        [1.0, 3.0]
        """
        self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda estimator: estimator._has_epochs())  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> MLPRegressor:
        """Trains one epoch more. **Raises** as `fit`.

        >>> model = MLPRegressor(hidden_layer_sizes=8, learning_rate_init=0.02, random_state=0)
        >>> for _ in range(300):
        ...     _ = model.partial_fit([[0.0], [1.0]], [1.0, 3.0])
        >>> model.predict([[0.0], [1.0]]).round(1).tolist()
        [1.0, 3.0]
        """
        self._fit(X, y, sample_weight, goes_on=True)
        return self

    def predict(self, X: Any) -> Array:
        """The numbers of each row: (n,), or (n, k) where there are several.

        **Raises** NotFittedError before `fit`, ValueError for rows that do not fit.

        >>> model = MLPRegressor(hidden_layer_sizes=4, solver="lbfgs", random_state=0).fit([[0.0], [1.0]], [1.0, 3.0])
        >>> model.predict([[0.5]]).shape
        (1,)
        """
        predicted = self._forward(self._rows(X))
        return predicted[:, 0] if predicted.shape[1] == 1 else predicted

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Array, Array]:
        if issparse(y):
            raise TypeError("Sparse data was passed for y, but dense data is required. Use 'y.toarray()'")
        X, y = checked_rows(self, X, y, multi_output=True, y_numeric=True, reset=reset)
        y = column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
        if self.loss == "poisson" and (y < 0).any():
            raise ValueError("Some value(s) of y are out of the valid range of the loss 'poisson': they are negative")
        return X, y

    def _encoded(self, y: Array) -> Array:
        return y.reshape(len(y), -1)

    def _link(self, targets: Array, outputs: int | None) -> tuple[str, int]:
        width = targets.shape[1]
        if outputs not in (None, width):
            raise ValueError(f"module: it has {outputs} outputs; {width} are wanted")
        return "exp" if self.loss == "poisson" else "identity", width

    def _row_loss(self) -> Loss:
        if callable(self.loss):
            return _losses.own(self.loss)
        if self.loss == "huber":
            return _losses.huber(float(self.delta))
        if self.loss == "quantile":
            return _losses.quantile(float(self.quantile))
        found: Loss = getattr(_losses, self.loss)
        return found

    def _score(self, predicted: Array, targets: Array, weights: Array | None) -> float:
        return float(r2_score(targets, predicted, sample_weight=weights))
