"""The same networks and objectives, trained by gradients as people do: the baseline."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from relu_forecast.estimators.base import Device, NetworkRegressor, Precision
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Architecture, named_architecture
from relu_forecast.networks.sites import Sites
from relu_forecast.storage import stored_estimator
from relu_forecast.training.gradients import (
    GradientSettings,
    Optimizer,
    TracePoint,
    train_by_gradients,
)
from relu_forecast.training.pricing.pricer import Pricer
from relu_forecast.training.settings import PricingSettings
from relu_forecast.training.threads import one_thread
from relu_forecast.validation import check_choice, check_int, check_positive, check_positive_int

_DEFAULTS: dict[str, tuple[int, float, int | None]] = {
    "adam": (1000, 2e-2, None),
    "sgd": (200, 3e-2, 32),
    "lbfgs": (1000, 1.0, None),
}
"""Steps (epochs for SGD), learning rate and batch size by optimizer."""


@stored_estimator()
class NonconvexReLURegressor(NetworkRegressor):
    """The same network and objective, trained by gradients as people do: the baseline.

    Minimises ``1/2 ||f(X) - y||^2 + beta/2 sum_j (||w1_j||^2 + ||w2_j||^2)`` over `n_neurons`
    neurons from a random start. The linear part, where there is one, is refitted by least
    squares at every epoch.

    Parameters
    ----------
    optimizer : {"adam", "sgd", "lbfgs"}, default "adam"
        Full-batch Adam or mini-batch SGD with momentum 0.9, both with cosine decay; or
        full-batch L-BFGS with a strong Wolfe line search.
    n_neurons : int, default 100
        Hidden neurons.
    architecture : {"dense", "conv", "circular"}, default "dense"
        Network and objective of `ConvexReLURegressor`, `ConvexCNNRegressor` or
        `CircularCNNRegressor`; the last in its three factors, filters held at unit length.
    filter_size, stride, sites
        Of a convolution, as in `ConvexCNNRegressor`.
    beta, beta_ratio : float
        As in `ConvexReLURegressor`.
    n_steps : int, optional
        Steps (Adam, L-BFGS; default 1000) or epochs (SGD; default 200).
    learning_rate : float, optional
        Default 0.02 for Adam, 0.03 for SGD, 1 for L-BFGS.
    batch_size : int, optional
        Rows of a mini-batch; default all, and 32 for SGD. L-BFGS takes only all.
    linear_skip, skip_penalty, scale_targets, device, dtype
        As in `ConvexReLURegressor`.
    fit_intercept : bool, optional
        Give every neuron or filter a bias. None: yes, but for a circular network, which has none.
    random_state : int, RandomState or None, default 0
        Seed of the initial weights and of the mini-batches.

    Attributes
    ----------
    network_ : ReLUNetwork, ConvReLUNetwork or CircularReLUNetwork
        The network.
    beta_, beta_max_, objective_ : float
        As in `ConvexReLURegressor`.
    n_iter_ : int
        Steps or epochs done.
    trace_ : tuple of TracePoint
        Objective (1) against steps and seconds.
    """

    trace_: tuple[TracePoint, ...]

    def __init__(
        self, optimizer: Optimizer = "adam", n_neurons: int = 100, *,
        architecture: Literal["dense", "conv", "circular"] = "dense",
        filter_size: int | None = None, stride: int = 1, sites: Sites = "global",
        beta: float | None = None, beta_ratio: float = 0.03, n_steps: int | None = None,
        learning_rate: float | None = None, batch_size: int | None = None,
        linear_skip: bool = True, skip_penalty: float = 0.0, scale_targets: bool = True,
        fit_intercept: bool | None = None, device: Device = "auto", dtype: Precision = "float64",
        random_state: int | np.random.RandomState | None = 0
    ) -> None:
        self._set_parameters(locals())

    def _architecture(self, width: int) -> Architecture:
        return named_architecture(
            self.architecture, width, self.filter_size, self.stride, self.fit_intercept,
            self.sites)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> NonconvexReLURegressor:
        """Train the network; see `ConvexReLURegressor.fit`.

        Mini-batches are drawn without regard to the weights.
        """
        settings = self._gradient_settings()
        task = self._task(X, y, "relu", sample_weight)
        seed = self._seed()
        trace: list[TracePoint] = []
        with one_thread():
            pricer = Pricer(task.features, PricingSettings(), task.n_targets)
            linear = pricer.price_linear(task.linear_residual, seed)
            self.beta_ = self._choose_beta(pricer.beta_max(task, linear))
            factors = train_by_gradients(
                task.problem(self.beta_), task.architecture.layer(task.X), settings, seed,
                trace.append)
            self.network_ = task.network_of(factors)
            self.objective_ = task.objective(self.network_, self.beta_)
        self.trace_ = tuple(trace)
        self.n_iter_ = len(trace)
        return self

    def _gradient_settings(self) -> GradientSettings:
        """Return the settings, defaults filled in by optimizer."""
        check_choice(self.optimizer, "optimizer", tuple(_DEFAULTS))
        n_steps, learning_rate, batch_size = _DEFAULTS[self.optimizer]
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
        return GradientSettings(
            self.optimizer, n_neurons, n_steps, learning_rate, batch_size)
