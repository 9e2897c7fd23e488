"""How an estimator is trained: by epochs in the compiled `run`, or by L-BFGS over a compiled objective.

step.run(x, y, …) ── after each epoch ──▶ loss_curve_, validation_scores_, learning rate, stop?
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from pyautograd import optim, where
from pyautograd._c import lib
from pyautograd._compile import compile
from pyautograd._described import short
from pyautograd._generator import get_rng_state, set_rng_state
from pyautograd._tensor import Tensor
from pyautograd.nn import BatchNorm1d, Module
from pyautograd.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, ReduceLROnPlateau
from pyautograd.sklearn._losses import Loss, log_loss, mean_log_loss, squared_error
from pyautograd.sklearn._network import rows_of

Arrays = tuple[Any, ...]  # rows, targets, and weights of rows where there are any


class Programs(dict[Any, Any]):
    """The compiled functions of an estimator. They stay behind when it is copied or pickled, and are made anew."""

    def __init__(self) -> None:
        super().__init__()
        self.lock = threading.RLock()  # for two threads that predict by one estimator

    def __reduce__(self) -> Any:
        return Programs, ()


@contextmanager
def stream(estimator: Any) -> Iterator[None]:
    """Draws come from the estimator's own stream, which goes on where it stood, and products from kernels of one
    thread: so nothing of the thread or process that calls decides on a bit, and nothing in it has changed."""
    before = get_rng_state()
    set_rng_state(estimator._rng_state)
    stayed_out = lib.pa_blas_stay_out(True)
    try:
        yield
    finally:
        lib.pa_blas_stay_out(stayed_out)
        estimator._rng_state = get_rng_state()
        set_rng_state(before)


def objective(module: Module, loss: Loss, alpha: float) -> Callable[..., Any]:
    """The mean loss of rows, weighted if there are weights, and scikit-learn's penalty: alpha / 2 times the squares of
    the weights, over the number of rows. And what is to be shown of it: of squared errors scikit-learn shows the mean
    over outputs, and follows the gradient of their sum."""
    penalized = [parameter for parameter in module.parameters() if parameter.ndim > 1]

    is_log_loss, is_squared_error = loss is log_loss, loss is squared_error

    def mean_loss(x: Tensor, y: Tensor, *weights: Tensor) -> tuple[Any, Any]:
        output = rows_of(module(x))
        rows = mean_log_loss(output, y) if is_log_loss and not weights else loss(output, y)
        penalty: Any = 0.0
        if alpha and penalized:
            squares = [parameter.norm().square() for parameter in penalized]
            penalty = (0.5 * alpha) * sum(squares[1:], squares[0])
        if not weights:
            mean = rows if rows.ndim == 0 else rows.mean()
            whole = mean + penalty / x.shape[0] if alpha else mean
        elif rows.ndim == 0:
            raise ValueError('loss: rows have weights, so that a loss a row is wanted: reduction="none"')
        else:
            total = weights[0].sum()
            share = where(total > 0, 1 / total, 0.0)  # rows without weight say nothing
            mean = (rows * weights[0]).sum() * share
            whole = mean + penalty * share
        outputs = output.shape[1] if is_squared_error else 1
        return whole, whole if outputs == 1 else (whole - (1 - 1 / outputs) * mean).detach()

    return mean_loss


def make_optimizer(estimator: Any, module: Module) -> optim.Optimizer:
    rate, solver = estimator.learning_rate_init, estimator.solver
    if callable(solver):
        made = solver(module.parameters())
        if not isinstance(made, optim.Optimizer):
            raise TypeError(f"solver: the callable returned a {type(made).__name__}, not an Optimizer")
        return made
    if solver == "sgd":
        momentum = float(estimator.momentum)
        nesterov = bool(estimator.nesterovs_momentum and momentum > 0)
        return optim.SGD(module.parameters(), lr=rate, momentum=momentum, nesterov=nesterov)
    betas = (float(estimator.beta_1), float(estimator.beta_2))
    if solver == "adam":
        return optim.Adam(module.parameters(), lr=rate, betas=betas, eps=estimator.epsilon)
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights, "weight_decay": float(estimator.alpha)}, {"params": others, "weight_decay": 0.0}]
    return optim.AdamW([group for group in groups if group["params"]], lr=rate, betas=betas, eps=estimator.epsilon)


def make_schedule(estimator: Any, optimizer: optim.Optimizer) -> Any:
    """A schedule that goes on after each epoch, or None: those of scikit-learn's names are for sgd alone."""
    if callable(estimator.learning_rate):
        made = estimator.learning_rate(optimizer)
        if not isinstance(made, LRScheduler) or isinstance(made, ReduceLROnPlateau):
            raise TypeError(f"learning_rate: a schedule by epochs is wanted, and the callable made {short(made)}")
        return made
    if estimator.learning_rate == "cosine":
        return CosineAnnealingLR(optimizer, estimator.max_iter)
    return None


class Epochs:
    """What is done after each epoch of a fit, and whether it was the last."""

    MOST_AHEAD = 1 << 16

    def __init__(self, estimator: Any, sizes: np.ndarray[Any, Any], score: Callable[[], float] | None) -> None:
        self.estimator, self.sizes, self.score = estimator, sizes, score
        self.rows = int(sizes.sum())
        self.sgd = estimator.learning_rate if estimator.solver == "sgd" else "constant"
        self.prints = _prints(estimator.verbose)
        self.best: dict[str, Tensor] | None = None

    def epochs_ahead(self) -> int:
        """How many epochs cannot be the last for want of improvement: they run in one call of C."""
        fitted = self.estimator
        if self.score is not None or self.prints or self.sgd != "constant" or fitted._schedule is not None:
            return 1
        return int(min(fitted.n_iter_no_change + 1 - fitted._no_improvement_count, self.MOST_AHEAD))

    def __call__(self, epoch: int, losses: np.ndarray[Any, Any]) -> bool:
        fitted = self.estimator
        fitted.n_iter_ += 1
        fitted.loss_ = float(losses.dot(self.sizes)) / self.rows
        fitted.t_ += self.rows
        fitted.loss_curve_.append(fitted.loss_)
        if self.prints:
            print(f"Iteration {fitted.n_iter_}, loss = {fitted.loss_:.8f}")
        self._count()
        groups = fitted.optimizer_.param_groups
        if self.sgd == "invscaling":
            _set_rate(fitted.optimizer_, fitted.learning_rate_init / (fitted.t_ + 1) ** fitted.power_t)
        if fitted._schedule is not None:
            fitted._schedule.step()
        if fitted._no_improvement_count <= fitted.n_iter_no_change:
            return False
        what = "Training loss" if self.score is None else "Validation score"
        words = f"{what} did not improve more than tol={fitted.tol:f} for {fitted.n_iter_no_change} consecutive epochs."
        if self.sgd != "adaptive" or groups[0]["lr"] <= 1e-6:
            self._say(f"{words} Stopping.")
            return True
        _set_rate(fitted.optimizer_, groups[0]["lr"] / 5)
        fitted._no_improvement_count = 0
        self._say(f"{words} Setting learning rate to {groups[0]['lr']:f}")
        return False

    def _count(self) -> None:
        """Notes whether the epoch was better than all before it, and how many in a row were not by `tol`."""
        fitted = self.estimator
        if self.score is None:
            is_worse = fitted.loss_ > fitted.best_loss_ - fitted.tol
            fitted.best_loss_ = min(fitted.loss_, fitted.best_loss_)
        else:
            score = self.score()
            fitted.validation_scores_.append(score)
            self._say(f"Validation score: {score:f}")
            is_worse = score < fitted.best_validation_score_ + fitted.tol
            if score > fitted.best_validation_score_ or self.best is None:
                self.best = {name: tensor.clone() for name, tensor in fitted.module_.state_dict().items()}
            fitted.best_validation_score_ = max(score, fitted.best_validation_score_)
        fitted._no_improvement_count = fitted._no_improvement_count + 1 if is_worse else 0

    def _say(self, words: str) -> None:
        if self.prints:
            print(words)

    def restore_best(self) -> None:
        if self.best is not None:
            self.estimator.module_.load_state_dict(self.best)


def _set_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Sets the learning rate of SGD as scikit-learn does, whose velocity is in steps and not in gradients: what is left
    of the steps before keeps its size."""
    (group,) = optimizer.param_groups
    for state in optimizer.state.values():
        if state.get("momentum_buffer") is not None:
            state["momentum_buffer"].mul_(group["lr"] / rate)
    group["lr"] = rate


def _shows_a_bar(verbose: Any) -> bool:
    return verbose in (True, 1) and find_spec("tqdm") is not None


def _prints(verbose: Any) -> bool:
    return bool(verbose) and not _shows_a_bar(verbose)


def by_epochs(estimator: Any, data: Arrays, score: Callable[[], float] | None, goes_on: bool) -> None:
    """Trains by the optimiser of `solver`; one epoch where it goes on from a `partial_fit` before."""
    module, rows = estimator.module_, len(data[0])
    batch_size = min(200, rows) if estimator.batch_size == "auto" else int(estimator.batch_size)
    if batch_size > rows:
        warnings.warn("Got `batch_size` larger than sample size. It is going to be clipped", stacklevel=4)
        batch_size = rows
    if not goes_on or "optimizer_" not in vars(estimator):
        estimator.optimizer_ = make_optimizer(estimator, module)
        estimator._schedule = make_schedule(estimator, estimator.optimizer_)
        estimator._programs.clear()
    sizes = np.full(-(-rows // batch_size), float(batch_size))
    sizes[-1] = rows - batch_size * (len(sizes) - 1)
    leaves_one_out = (
        len(sizes) > 1 and sizes[-1] == 1 and any(isinstance(part, BatchNorm1d) for part in module.modules())
    )
    sizes = sizes[:-1] if leaves_one_out else sizes  # a row alone has no deviation
    after = Epochs(estimator, sizes, score)
    epochs = 1 if goes_on else estimator.max_iter
    module.train()
    estimator.n_iter_ = 0
    step = _step(estimator, len(data) > 2)
    try:
        with stream(estimator):
            step.run(
                *data,
                batch_size=batch_size,
                epochs=epochs,
                shuffle=bool(estimator.shuffle) and batch_size < rows,  # the order within one batch changes nothing
                drop_last=leaves_one_out,
                progress=_shows_a_bar(estimator.verbose),
                callback=after,
            )
    except KeyboardInterrupt:
        warnings.warn("Training interrupted by user.", stacklevel=4)
    finally:
        after.restore_best()
        module.eval()
    if not goes_on and estimator.n_iter_ == estimator.max_iter:
        warnings.warn(
            f"Stochastic Optimizer: Maximum iterations ({epochs}) reached and the optimization hasn't converged yet.",
            ConvergenceWarning,
            stacklevel=4,
        )


def _step(estimator: Any, is_weighted: bool) -> Any:
    alpha = 0.0 if estimator.solver == "adamw" else float(estimator.alpha)
    of_loss = (vars(estimator).get(name) for name in ("loss", "gamma", "delta", "quantile"))
    key = ("step", is_weighted, alpha, *of_loss)
    if key not in estimator._programs:
        optimizer, mean_loss = estimator.optimizer_, objective(estimator.module_, estimator._row_loss(), alpha)

        def step(x: Tensor, y: Tensor, *weights: Tensor) -> Any:
            optimizer.zero_grad()
            loss, shown = mean_loss(x, y, *weights)
            loss.backward()
            optimizer.step()
            return shown

        estimator._programs[key] = compile(step, dynamic_batch=True)
    return estimator._programs[key]


def by_lbfgs(estimator: Any, data: Arrays) -> None:
    """Minimises the objective over all rows at once by scipy's L-BFGS."""
    from scipy.optimize import minimize

    module = estimator.module_
    parameters = [parameter for parameter in module.parameters() if parameter.requires_grad]
    arrays = [parameter.detach().numpy() for parameter in parameters]
    ends = np.cumsum([array.size for array in arrays])[:-1]
    mean_loss = objective(module, estimator._row_loss(), float(estimator.alpha))

    @compile
    def gradients(x: Tensor, y: Tensor, *weights: Tensor) -> tuple[Any, ...]:
        for parameter in parameters:
            parameter.grad = None
        loss, shown = mean_loss(x, y, *weights)
        loss.backward()
        return shown, loss, *(parameter.grad for parameter in parameters)

    def put(packed: Any) -> None:
        for parameter, piece, array in zip(parameters, np.split(packed, ends), arrays):
            parameter.data.copy_(piece.reshape(array.shape))

    def value_and_gradient(packed: Any) -> Any:
        put(packed)
        _, loss, *grads = gradients(*data)
        return loss.item(), np.concatenate([grad.numpy().ravel() for grad in grads], dtype=np.float64)

    module.train()
    try:
        with stream(estimator):
            found = minimize(
                value_and_gradient,
                np.concatenate([array.ravel() for array in arrays], dtype=np.float64),
                method="L-BFGS-B",
                jac=True,
                options={"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol},
            )
            put(found.x)
            shown = gradients(*data)[0].item()
    finally:
        module.eval()
        for parameter in parameters:
            parameter.grad = None
    estimator.n_iter_, estimator.loss_ = min(int(found.nit), estimator.max_iter), shown
    if estimator.verbose:
        print(f"L-BFGS: {found.nit} iterations, loss = {shown:.8f}")
    if found.status != 0:
        warnings.warn(
            f"lbfgs failed to converge (status={found.status}): {found.message}", ConvergenceWarning, stacklevel=4
        )
