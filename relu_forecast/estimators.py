"""scikit-learn regressors: the convexly trained network and the same network by gradients."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from relu_forecast.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.descent import Descent, DescentProblem, Optimizer, TracePoint, descend
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.program import Activation
from relu_forecast.solvers import Method
from relu_forecast.training import (
    Effort,
    Objective,
    Training,
    estimate_beta_max,
    train_adaptively,
    train_gated,
    train_linear,
    train_on_patterns,
)
from relu_forecast.validation import (
    check_choice,
    check_int,
    check_non_negative,
    check_positive,
    check_positive_int,
)

_DESCENT_DEFAULTS: dict[str, tuple[int, float, int | None]] = {
    "adam": (1000, 2e-2, None),
    "sgd": (200, 3e-2, 32),
    "lbfgs": (1000, 1.0, None),
}
"""Steps (epochs for SGD), learning rate and batch size by optimizer."""


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside: searches over patterns magnify rounding differences.

    Sums over several threads round differently, and a search that crosses kinks can end
    elsewhere for it. With one thread a fit is the same whatever the machine's thread count.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _NetworkRegressor(RegressorMixin, BaseEstimator):
    """What both regressors share: input checks, the constant input, beta, prediction."""

    beta: float | None
    beta_ratio: float
    linear_skip: bool
    skip_penalty: float
    fit_intercept: bool
    device: Literal["auto", "cpu", "cuda"]
    dtype: Literal["float64", "float32"]
    random_state: Any

    def _objective(self, X: Any, y: Any, activation: Activation) -> Objective:
        """Check the data and move it to the device, with a constant input appended."""
        X, y = validate_data(self, X, y, dtype=np.float64, y_numeric=True, ensure_min_samples=2)
        check_non_negative(self.skip_penalty, "skip_penalty")
        samples = self._tensor(X)
        if self.fit_intercept:
            samples = torch.cat([samples, samples.new_ones(len(samples), 1)], dim=1)
        targets = torch.tensor(np.asarray(y, dtype=np.float64)).to(samples)
        ridge = float(self.skip_penalty) if self.linear_skip else 0.0
        return Objective(samples, targets, activation, bool(self.linear_skip), ridge)

    def _tensor(self, X: npt.NDArray[np.float64]) -> Float[Tensor, "n d"]:
        """Return the samples on the chosen device, in the chosen precision."""
        check_choice(self.device, "device", ("auto", "cpu", "cuda"))
        check_choice(self.dtype, "dtype", ("float64", "float32"))
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        device = automatic if self.device == "auto" else self.device
        return torch.tensor(X, dtype=getattr(torch, self.dtype), device=device)

    def _seed(self) -> int:
        """Draw the seed of this fit."""
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _choose_beta(self, objective: Objective, seed: int) -> float:
        """Set `beta_max_` and return the weight of the penalty."""
        with one_thread():
            self.beta_max_ = estimate_beta_max(objective, seed)
        if self.beta is not None:
            return check_positive(self.beta, "beta")
        return check_positive(self.beta_ratio, "beta_ratio") * self.beta_max_

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the network's outputs.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples.

        Returns
        -------
        ndarray, shape (n,)
            Predictions, in the units of ``y``.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        with torch.no_grad():
            outputs = self.network_(self._tensor(X))
        return np.asarray(outputs.cpu().numpy(), dtype=np.float64)


class ConvexReLURegressor(_NetworkRegressor):
    """Two-layer ReLU network trained to a certified global optimum by convex optimization.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + w2_j^2)`` over networks of any
    width, beside an unpenalised linear part. There is no learning rate and no width to choose:
    the number of neurons is a result.

    Parameters
    ----------
    beta : float, optional
        Weight of the penalty, absolute (there is no 1/n in the objective). None: `beta_ratio`.
    beta_ratio : float, default 0.03
        Weight of the penalty as a share of beta_max, above which the network has no neuron.
    activation : {"relu", "gated_relu"}, default "relu"
        Gated ReLU neurons are switched by fixed gates: a faster, convex relative.
    patterns : {"adaptive", "sampled"} or ActivationPatterns, default "adaptive"
        ``"adaptive"`` discovers patterns and prices all neurons until none helps: a network
        optimum, as far as a multi-start search sees. ``"sampled"`` solves the program on
        `n_patterns` Gaussian patterns. Patterns of your own must be those of the samples, with
        the constant input as last column when `fit_intercept` is set.
    n_patterns : int, default 100
        Gaussian gates to draw, for ``patterns="sampled"`` and for gated ReLU.
    linear_skip : bool, default True
        Linear part ``a'x + a0`` beside the network; the model starts from linear regression.
    skip_penalty : float, default 0
        Ridge on ``a``.
    fit_intercept : bool, default True
        Give every neuron a bias (penalised like its weights: a constant input).
    solver : {"auto", "interior_point", "cvxpy"}, default "auto"
        Solver of the convex programs.
    tol : float, default 1e-4
        Relative duality gap to reach.
    max_iter : int, default 20
        Most rounds of pattern discovery.
    device : {"auto", "cpu", "cuda"}, default "auto"
        Where to train; ``"auto"`` is CUDA where there is one.
    dtype : {"float64", "float32"}, default "float64"
        Precision.
    random_state : int, RandomState or None, default 0
        Seed of discovery and pricing; the default makes every fit repeatable.
    verbose : int, default 0
        1 prints the certificate after each round.

    Attributes
    ----------
    network_ : ReLUNetwork or GatedReLUNetwork
        The network, a torch module on raw samples.
    beta_, beta_max_ : float
        The weight used, and the estimate of the smallest weight that leaves no neuron.
    objective_ : float
        Objective (1) of `network_` on the training data.
    gap_ : float
        Relative duality gap, within the scope of `certificate_`.
    certificate_ : Certificate
        Bounds and their scope: "program" is rigorous for the patterns used,
        "network-estimated" rests on a multi-start search over all neurons.
    n_neurons_ : int
        Hidden neurons that the optimum uses.
    n_iter_ : int
        Programs solved.
    n_features_in_ : int
        Width of ``X``.

    Warns
    -----
    ConvergenceWarning
        The gap is above `tol`; the message says by how much and what to do.

    Notes
    -----
    Inputs of similar scale are assumed, as the penalty weighs them alike. Pilanci & Ergen
    (2020), arXiv 2002.10553; THEORY sections 1, 4 and 6.3.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> model = ConvexReLURegressor(beta_ratio=0.01).fit(X, np.abs(X[:, 0]))
    >>> bool(model.score(X, np.abs(X[:, 0])) > 0.99), model.gap_ <= 1e-4
    (True, True)
    """

    def __init__(
        self,
        beta: float | None = None,
        beta_ratio: float = 0.03,
        *,
        activation: Activation = "relu",
        patterns: Any = "adaptive",
        n_patterns: int = 100,
        linear_skip: bool = True,
        skip_penalty: float = 0.0,
        fit_intercept: bool = True,
        solver: Method = "auto",
        tol: float = 1e-4,
        max_iter: int = 20,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        dtype: Literal["float64", "float32"] = "float64",
        random_state: int | np.random.RandomState | None = 0,
        verbose: int = 0,
    ) -> None:
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.activation = activation
        self.patterns = patterns
        self.n_patterns = n_patterns
        self.linear_skip = linear_skip
        self.skip_penalty = skip_penalty
        self.fit_intercept = fit_intercept
        self.solver = solver
        self.tol = tol
        self.max_iter = max_iter
        self.device = device
        self.dtype = dtype
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any) -> ConvexReLURegressor:
        """Train the network.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples, finite.
        y : array_like, shape (n,)
            Targets, finite.

        Returns
        -------
        ConvexReLURegressor
            Itself.
        """
        check_choice(self.activation, "activation", ("relu", "gated_relu"))
        check_choice(self.solver, "solver", ("auto", "interior_point", "cvxpy"))
        objective = self._objective(X, y, self.activation)
        effort = Effort(check_positive(self.tol, "tol"),
                        check_positive_int(self.max_iter, "max_iter"), self.solver, self._seed())
        self.beta_ = self._choose_beta(objective, effort.seed)
        with one_thread():
            training = self._train(objective, effort)
        network = training.network
        self.objective_ = network.objective(objective.X, objective.y, self.beta_,
                                            objective.skip_penalty)
        self.network_ = network.fold_constant_input() if self.fit_intercept else network
        self.certificate_ = training.certificate
        self.gap_ = training.certificate.gap
        self.n_neurons_ = network.n_neurons
        self.n_iter_ = training.n_rounds
        self._warn_unless_optimal(training)
        return self

    def _train(self, objective: Objective, effort: Effort) -> Training:
        """Train on the patterns that the parameters ask for."""
        if self.beta_ == 0.0:
            return train_linear(objective)
        if isinstance(self.patterns, ActivationPatterns):
            return train_on_patterns(objective, self.patterns, self.beta_, effort)
        check_choice(self.patterns, "patterns", ("adaptive", "sampled"))
        n_patterns = check_positive_int(self.n_patterns, "n_patterns")
        if self.patterns == "sampled":
            drawn = sample_patterns(objective.X, n_patterns, effort.seed)
            return train_on_patterns(objective, drawn, self.beta_, effort)
        if self.activation == "gated_relu":
            return train_gated(objective, self.beta_, n_patterns, effort)
        report = None if not self.verbose else (
            lambda n_round, certificate: print(f"round {n_round}: {certificate}"))
        return train_adaptively(objective, self.beta_, effort, report)

    def _warn_unless_optimal(self, training: Training) -> None:
        """Warn with the gap and a remedy when training is unfinished."""
        if training.status != "optimal":
            warnings.warn(
                f"ConvexReLURegressor stopped ({training.status}) after {training.n_rounds} "
                f"rounds with relative gap {training.certificate.gap:.1e} > tol={self.tol:.1e} "
                f"(scope: {training.certificate.scope}): raise max_iter or tol.",
                ConvergenceWarning, stacklevel=3)


class NonconvexReLURegressor(_NetworkRegressor):
    """The same network and objective, trained by gradients as people do: the baseline.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + w2_j^2)`` over `n_neurons`
    neurons from a random start. The linear part, where there is one, is refitted by least
    squares at every epoch.

    Parameters
    ----------
    optimizer : {"adam", "sgd", "lbfgs"}, default "adam"
        Full-batch Adam or mini-batch SGD with momentum 0.9, both with cosine decay; or
        full-batch L-BFGS with a strong Wolfe line search.
    n_neurons : int, default 100
        Hidden neurons.
    beta, beta_ratio : float
        As in `ConvexReLURegressor`.
    n_steps : int, optional
        Steps (Adam, L-BFGS; default 1000) or epochs (SGD; default 200).
    learning_rate : float, optional
        Default 0.02 for Adam, 0.03 for SGD, 1 for L-BFGS.
    batch_size : int, optional
        Rows of a mini-batch; default all, and 32 for SGD. L-BFGS takes only all.
    linear_skip, skip_penalty, fit_intercept, device, dtype
        As in `ConvexReLURegressor`.
    random_state : int, RandomState or None, default 0
        Seed of the initial weights and of the mini-batches.

    Attributes
    ----------
    network_ : ReLUNetwork
        The network.
    beta_, beta_max_, objective_ : float
        As in `ConvexReLURegressor`.
    n_iter_ : int
        Steps or epochs done.
    trace_ : tuple of TracePoint
        Objective (1) against steps and seconds.
    """

    def __init__(
        self,
        optimizer: Optimizer = "adam",
        n_neurons: int = 100,
        *,
        beta: float | None = None,
        beta_ratio: float = 0.03,
        n_steps: int | None = None,
        learning_rate: float | None = None,
        batch_size: int | None = None,
        linear_skip: bool = True,
        skip_penalty: float = 0.0,
        fit_intercept: bool = True,
        device: Literal["auto", "cpu", "cuda"] = "auto",
        dtype: Literal["float64", "float32"] = "float64",
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        self.optimizer = optimizer
        self.n_neurons = n_neurons
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.linear_skip = linear_skip
        self.skip_penalty = skip_penalty
        self.fit_intercept = fit_intercept
        self.device = device
        self.dtype = dtype
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> NonconvexReLURegressor:
        """Train the network; see `ConvexReLURegressor.fit`."""
        descent = self._descent()
        objective = self._objective(X, y, "relu")
        seed = self._seed()
        self.beta_ = self._choose_beta(objective, seed)
        problem = DescentProblem(objective.X, objective.y, self.beta_, objective.skip)
        trace: list[TracePoint] = []
        with one_thread():
            network = problem.network(*descend(problem, descent, seed, trace.append))
        self.trace_ = tuple(trace)
        self.n_iter_ = len(trace)
        self.objective_ = network.objective(objective.X, objective.y, self.beta_,
                                            objective.skip_penalty)
        self.network_ = network.fold_constant_input() if self.fit_intercept else network
        return self

    def _descent(self) -> Descent:
        """Return the settings, defaults filled in by optimizer."""
        check_choice(self.optimizer, "optimizer", tuple(_DESCENT_DEFAULTS))
        n_steps, learning_rate, batch_size = _DESCENT_DEFAULTS[self.optimizer]
        if self.n_steps is not None:
            n_steps = check_positive_int(self.n_steps, "n_steps")
        if self.learning_rate is not None:
            learning_rate = check_positive(self.learning_rate, "learning_rate")
        if self.batch_size is not None:
            batch_size = check_int(self.batch_size, "batch_size", minimum=1,
                                   remedy="Pass rows per mini-batch, or None for all.")
        if self.optimizer == "lbfgs" and batch_size is not None:
            raise InvalidArgumentError("batch_size", "None for L-BFGS", repr(batch_size),
                                       "Leave it out, or use adam or sgd.")
        n_neurons = check_positive_int(self.n_neurons, "n_neurons")
        return Descent(self.optimizer, n_neurons, n_steps, learning_rate, batch_size)
