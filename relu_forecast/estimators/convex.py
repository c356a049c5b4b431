"""Networks trained by convex optimization, with a lower bound, as regressors."""

from __future__ import annotations

import warnings
from math import prod
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from relu_forecast.estimators.base import Device, NetworkRegressor, Precision
from relu_forecast.exceptions import ConvergenceWarning, InvalidTypeError
from relu_forecast.networks.architectures import Architecture, Circular, Dense, named_architecture
from relu_forecast.networks.sites import Sites
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.task import Activation, TrainingTask
from relu_forecast.solvers import METHODS, Method
from relu_forecast.storage import Number, stored_estimator
from relu_forecast.training.pricing.priced import Pricing
from relu_forecast.training.retraining import reprice_linear, retrain
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.threads import one_thread
from relu_forecast.training.train import Effort, Trainer, Training
from relu_forecast.training.warm_start import WarmStart
from relu_forecast.validation import check_choice, check_positive, check_positive_int

_FAR = 1e4
"""Level of a column, in standard deviations, at which kinks drown in rounding."""

Model = TypeVar("Model", bound="_ConvexRegressor")


class _ConvexRegressor(NetworkRegressor):
    """Training of the regressors below; they differ in their architecture and its parameters."""

    activation: Activation
    patterns: Any
    n_patterns: int
    solver: Method
    tol: float
    max_iter: int
    settings: TrainingSettings | None
    verbose: int
    certificate_: Certificate
    gap_: float
    n_neurons_: int
    warm_start_: WarmStart

    def fit(
        self: Model, X: Any, y: Any, sample_weight: Any = None, *, warm_start: Any = None
    ) -> Model:
        """Train the network; Ctrl-C ends an adaptive training with the best network so far.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples, finite.
        y : array_like, shape (n,) or (n, C)
            Targets, finite. With C columns one network has C outputs, which share its neurons.
        sample_weight : array_like, shape (n,), optional
            Weights of the samples, which their squared errors are multiplied by: a weight of 2 is
            the same as the sample twice, a weight of 0 leaves it out. Beside a given `beta`, twice
            the weights are half the penalty, while `beta_ratio` goes along. None: ones.
        warm_start : WarmStart, optional
            `warm_start_` of an earlier fit to similar data, to start from; it saves time and
            changes the result within the tolerance. Of use to ``patterns="adaptive"``.

        Returns
        -------
        self
            Itself, fitted.
        """
        check_choice(self.solver, "solver", METHODS)
        return self._fit_task(self._task(X, y, self.activation, sample_weight), warm_start)

    def _fit_task(self: Model, task: TrainingTask, warm_start: Any) -> Model:
        """Train the network of a task, and keep what comes of it."""
        trainer = Trainer(task, self._effort())
        with one_thread():
            start = _on_rows(warm_start, trainer)
            linear = trainer.linear if start is None else reprice_linear(trainer, start)
            self.beta_ = self._choose_beta(trainer.pricer.beta_max(trainer.task, linear))
            training = self._train(trainer, linear, start)
            kept = trainer.pricer.distinct(
                linear.found, 0.0, trainer.effort.settings.rounds.kept_linear_ends)
            self.objective_ = trainer.task.objective(training.network, self.beta_)
        self.warm_start_ = WarmStart.of(training.neurons, training.ends, kept.directions)
        self.network_, self.n_neurons_ = training.network, training.network.n_neurons
        self.certificate_, self.gap_ = training.certificate, training.certificate.gap
        self.n_iter_ = training.n_rounds
        if self.verbose:
            print(f"{self.n_neurons_} neurons: {self.certificate_}")
        self._warn_unless_optimal(training, trainer.task.X)
        return self

    def check_stored(self) -> None:
        """Refuse a warm start of other targets or sites than the network's, and see the base."""
        super().check_stored()
        if hasattr(self, "network_") and self.warm_start_.neurons.heads.shape[1] != prod(
                self.network_.output_weight.shape[1:]):
            raise ValueError("the warm start is of other outputs than the network")

    def _effort(self) -> Effort:
        """Return how far to go; the seed is drawn here."""
        if self.settings is not None and not isinstance(self.settings, TrainingSettings):
            raise InvalidTypeError("settings", "TrainingSettings or None", repr(self.settings)[:80],
                                   "Pass relu_forecast.training.settings.TrainingSettings(...).")
        return Effort(check_positive(self.tol, "tol"),
                      check_positive_int(self.max_iter, "max_iter"), self.solver, self._seed(),
                      self.settings or TrainingSettings())

    def _train(self, trainer: Trainer, linear: Pricing, start: WarmStart | None) -> Training:
        """Train on the patterns that the parameters ask for."""
        if self.beta_ == 0.0:
            return trainer.train_linear(linear, 0.0)
        n_patterns = check_positive_int(self.n_patterns, "n_patterns")
        fixed = trainer.fixed_patterns(self.patterns, n_patterns, self.beta_)
        if fixed is not None:
            return trainer.train_on_patterns(fixed, self.beta_)
        report = None if not self.verbose else (
            lambda n_round, certificate: print(f"round {n_round}: {certificate}"))
        if start is not None:
            return retrain(trainer, self.beta_, linear, start, report)
        return trainer.train(self.beta_, linear, progress=report)

    def _warn_unless_optimal(self, training: Training, X: Float[Tensor, "n d"]) -> None:
        """Warn with the gap and a remedy when training is unfinished."""
        if training.status != "optimal":
            remedy = "raise max_iter or tol"
            if training.status == "interrupted":
                remedy = "to go on, fit again with warm_start=warm_start_"
            elif bool((X.mean(dim=0).abs() > _FAR * X.std(dim=0)).any()):
                remedy = "subtract the mean of X, which lies far from zero"
            warnings.warn(
                f"{type(self).__name__} stopped ({training.status}) after {training.n_rounds} "
                f"rounds with relative gap {training.certificate.gap:.1e} > tol={self.tol:.1e} "
                f"(scope: {training.certificate.scope}): {remedy}.",
                ConvergenceWarning, stacklevel=3)


def _on_rows(warm_start: Any, trainer: Trainer) -> WarmStart | None:
    """Return a warm start on the device of the task; None where there is nothing in it."""
    if warm_start is None:
        return None
    if not isinstance(warm_start, WarmStart):
        raise InvalidTypeError(
            "warm_start", "a WarmStart or None", type(warm_start).__name__,
            "Pass warm_start_ of a fit of the same architecture.")
    task = trainer.task
    own = warm_start.on(task.features.rows, task.features.n_sites * task.n_targets)
    return None if own.is_empty else own


@stored_estimator(gap_=Number(finite=False))
class ConvexReLURegressor(_ConvexRegressor):
    """Two-layer ReLU network trained by convex optimization, with a lower bound.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + ||w2_j||^2)`` over networks of any
    width, beside an unpenalised linear part. There is no learning rate and no width to choose:
    the number of neurons is a result. With several targets, one network fits them all: w2_j has
    an entry for each.

    Parameters
    ----------
    beta : float, optional
        Weight of the penalty, absolute (there is no 1/n in the objective). None: `beta_ratio`.
    beta_ratio : float, default 0.03
        Weight of the penalty as a share of beta_max, above which the network has no neuron.
    architecture : Architecture, optional
        Of the hidden layer, on windows: for example ``Convolution(5, constant_input=True)``, or
        one of your own, see docs/architectures.md. None: a dense layer.
    activation : {"relu", "gated_relu"}, default "relu"
        Gated ReLU neurons are switched by fixed gates: a faster, convex relative.
    patterns : {"adaptive", "sampled", "exact"} or ActivationPatterns, default "adaptive"
        ``"adaptive"`` discovers patterns and prices all neurons until none helps: a network
        optimum, proven where the samples (with their constant) span at most three dimensions,
        elsewhere as far as a multi-start search sees. ``"sampled"`` solves the program on
        `n_patterns` Gaussian patterns, ``"exact"`` on all patterns, for few samples or low
        rank. Patterns of your own must be those of the samples (of those that weigh more than 0),
        with the constant input as last column when `fit_intercept` is set. Given patterns, and
        those of gated ReLU, of several targets or sites take the heads that are worth most:
        proven for gates, found by a search for the others.
    n_patterns : int, default 100
        Gaussian gates to draw, for ``patterns="sampled"`` and for gated ReLU.
    linear_skip : bool, default True
        Linear part ``a'x + a0`` beside the network; the model starts from linear regression.
    skip_penalty : float, default 0
        Ridge on ``a``.
    scale_targets : bool, default True
        Divide each of C > 1 targets by the root mean square of what the linear part leaves of it
        before training, so that the objective weighs them alike; a target that the linear part
        fits, a constant one for instance, is left as it is. A single target is never scaled.
    fit_intercept : bool, default True
        Give every neuron of a dense layer a bias (penalised like its weights: a constant input).
    solver : {"auto", "interior_point", "proximal", "cvxpy"}, default "auto"
        Solver of the convex programs.
    tol : float, default 1e-4
        Relative duality gap to reach.
    max_iter : int, default 20
        Most rounds of search and pricing.
    device : {"auto", "cpu", "cuda"}, default "auto"
        Where to train; ``"auto"`` is CUDA where there is one.
    dtype : {"float64", "float32"}, default "float64"
        Precision.
    random_state : int, RandomState or None, default 0
        Seed of discovery and pricing; the default makes every fit repeatable.
    settings : TrainingSettings, optional
        Tuning constants of the training, in place of the usual ones.
    verbose : int, default 0
        1 prints what each round reaches, on its way and with its certificate, and the end.

    Attributes
    ----------
    network_ : ReLUNetwork
        The network, a torch module on raw samples; with gates, if it is a gated one.
    beta_, beta_max_ : float
        The weight used, and the smallest weight that leaves no neuron: an estimate from below
        unless pricing is exact.
    objective_ : float
        Objective (1) of `network_` on the training data, targets scaled where they are, errors
        weighted by ``sample_weight``.
    gap_ : float
        Relative duality gap, within the scope of `certificate_`.
    certificate_ : Certificate
        Bounds and their scope: "program" is rigorous for the patterns used, "network" for all
        networks, "network-estimated" rests on a multi-start search over all neurons.
    n_neurons_ : int
        Hidden neurons that the optimum uses.
    n_iter_ : int
        Rounds of search and pricing.
    warm_start_ : WarmStart
        What a later fit to similar data can start from.
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
        self, beta: float | None = None, beta_ratio: float = 0.03, *, architecture: Any = None,
        activation: Activation = "relu", patterns: Any = "adaptive", n_patterns: int = 100,
        linear_skip: bool = True, skip_penalty: float = 0.0, scale_targets: bool = True,
        fit_intercept: bool = True, solver: Method = "auto", tol: float = 1e-4,
        max_iter: int = 20, device: Device = "auto", dtype: Precision = "float64",
        random_state: int | np.random.RandomState | None = 0,
        settings: TrainingSettings | None = None, verbose: int = 0
    ) -> None:
        self._set_parameters(locals())

    def _architecture(self, width: int) -> Architecture:
        if self.architecture is None:
            return Dense(bool(self.fit_intercept))
        chosen: Architecture = self.architecture
        return chosen


@stored_estimator(gap_=Number(finite=False))
class ConvexCNNRegressor(_ConvexRegressor):
    """Convolutional ReLU network with average pooling, trained with a lower bound.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||u_j||^2 + w_j^2)`` over networks
    ``f(x) = sum_j sum_k (u_j'x_k)_+ w_j`` of any number of filters, x_k the patches of a window,
    beside an unpenalised linear part. The sum over patches stands for their average; with `sites`
    a filter has an output weight for each stretch of the window, ``w_js``.

    Parameters
    ----------
    filter_size : int, optional
        Samples that a filter sees, at most those of a window. None: 5, or all of a shorter
        window.
    stride : int, default 1
        Samples from one patch to the next.
    sites : {"global", "flatten"} or int, default "global"
        Whether the output weights tell places apart: ``"global"`` sums over the whole window,
        a number cuts the patches into that many neighbouring runs, each with a weight of its own
        (and a sum divided by the square root of its length), ``"flatten"`` gives every patch one.
    beta, beta_ratio, activation, n_patterns, linear_skip, skip_penalty, scale_targets
        As in `ConvexReLURegressor`.
    solver, tol, max_iter, device, dtype, random_state, settings, verbose
        As in `ConvexReLURegressor`.
    patterns : {"adaptive", "sampled", "exact"} or ActivationPatterns, default "adaptive"
        As in `ConvexReLURegressor`; patterns are those of the stacked patches. Filters of two
        or three taps (the bias counts as one) are priced exactly: their scope is "network".
    fit_intercept : bool, default True
        Give every filter a bias (penalised like its weights: a constant in every patch).

    Attributes
    ----------
    network_ : ConvReLUNetwork
        The network, a torch module on raw windows; with gates, if it is a gated one.
    beta_, beta_max_, objective_, gap_, certificate_, n_neurons_, n_iter_, n_features_in_
        As in `ConvexReLURegressor`.

    Warns
    -----
    ConvergenceWarning
        The gap is above `tol`; the message says by how much and what to do.

    Notes
    -----
    Ergen & Pilanci (2021), arXiv 2006.14798; THEORY section 3.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((40, 4))
    >>> y = np.abs(np.diff(X, axis=1)).sum(axis=1)
    >>> model = ConvexCNNRegressor(2, beta_ratio=0.01, fit_intercept=False).fit(X, y)
    >>> model.n_neurons_, model.certificate_.scope, bool(model.score(X, y) > 0.99)
    (1, 'network', True)
    """

    def __init__(
        self, filter_size: int | None = None, stride: int = 1, *, sites: Sites = "global",
        beta: float | None = None, beta_ratio: float = 0.03, activation: Activation = "relu",
        patterns: Any = "adaptive", n_patterns: int = 100, linear_skip: bool = True,
        skip_penalty: float = 0.0, scale_targets: bool = True, fit_intercept: bool = True,
        solver: Method = "auto", tol: float = 1e-4, max_iter: int = 20, device: Device = "auto",
        dtype: Precision = "float64",
        random_state: int | np.random.RandomState | None = 0,
        settings: TrainingSettings | None = None, verbose: int = 0
    ) -> None:
        self._set_parameters(locals())

    def _architecture(self, width: int) -> Architecture:
        return named_architecture(
            "conv", width, self.filter_size, self.stride, bool(self.fit_intercept), self.sites)


@stored_estimator(gap_=Number(finite=False))
class CircularCNNRegressor(_ConvexRegressor):
    """Circular convolution, pooling, ReLU: trained as a complex Lasso, with a lower bound.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + w2_j^2)`` over networks
    ``f(x) = sum_j (x'U_j w1_j)_+ w2_j`` of any width, U_j the circulant matrix of a unit filter,
    beside an unpenalised linear part. In the DFT domain the penalty is an l1 norm, so neurons
    keep few frequencies. There is no bias inside the ReLU.

    Parameters
    ----------
    beta, beta_ratio, activation, n_patterns, linear_skip, skip_penalty, scale_targets
        As in `ConvexReLURegressor`.
    solver, tol, max_iter, device, dtype, random_state, settings, verbose
        As in `ConvexReLURegressor`.
    patterns : {"adaptive", "sampled", "exact"} or ActivationPatterns, default "adaptive"
        As in `ConvexReLURegressor`; patterns are those of the windows.

    Attributes
    ----------
    network_ : CircularReLUNetwork
        The network, a torch module on raw windows; with gates, if it is a gated one.
    beta_, beta_max_, objective_, gap_, certificate_, n_neurons_, n_iter_, n_features_in_
        As in `ConvexReLURegressor`.

    Warns
    -----
    ConvergenceWarning
        The gap is above `tol`; the message says by how much and what to do.

    Notes
    -----
    Ergen & Pilanci (2021), arXiv 2006.14798; THEORY section 3.

    Examples
    --------
    >>> t = np.arange(60)[:, None] + np.arange(8)
    >>> X = np.sin(2 * np.pi * t / 8) + 0.1 * np.cos(2 * np.pi * t / 2.9)
    >>> model = CircularCNNRegressor(beta_ratio=0.1).fit(X, np.abs(X[:, 0]))
    >>> bool(model.gap_ <= 1e-4), bool(model.score(X, np.abs(X[:, 0])) > 0.9)
    (True, True)
    """

    def __init__(
        self, beta: float | None = None, *, beta_ratio: float = 0.03,
        activation: Activation = "relu", patterns: Any = "adaptive", n_patterns: int = 100,
        linear_skip: bool = True, skip_penalty: float = 0.0, scale_targets: bool = True,
        solver: Method = "auto", tol: float = 1e-4, max_iter: int = 20, device: Device = "auto",
        dtype: Precision = "float64", random_state: int | np.random.RandomState | None = 0,
        settings: TrainingSettings | None = None, verbose: int = 0
    ) -> None:
        self._set_parameters(locals())

    def _architecture(self, width: int) -> Architecture:
        return Circular()
