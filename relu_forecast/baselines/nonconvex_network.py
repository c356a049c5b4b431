"""The same network, trained as people usually do: by gradient descent, to a local optimum."""

from __future__ import annotations

from typing import Any, Literal

from relu_forecast.estimators import NonconvexReLURegressor
from relu_forecast.forecasting.models.autoregression import Autoregression


class NonconvexNetwork(Autoregression):
    """Forecast with a two-layer ReLU network trained by a nonconvex optimizer.

    It minimises the very objective of the convexly trained network of its architecture, so that
    only the training differs. For settings beyond these, give `Autoregression` a
    `NonconvexReLURegressor`.

    Parameters
    ----------
    lags : int, default 15
        Samples that the network sees.
    optimizer : {"adam", "sgd", "lbfgs"}, default "adam"
        Full-batch Adam, mini-batch SGD with momentum, or full-batch L-BFGS.
    n_neurons : int, default 100
        Hidden neurons, or filters.
    architecture : {"dense", "conv", "circular"}, default "dense"
        The network of `ConvexReLURegressor`, `ConvexCNNRegressor` or `CircularCNNRegressor`.
    filter_size : int, optional
        Samples that a filter of a convolution sees; None is 5, or all of fewer lags.
    beta : float, optional
        Penalty, absolute. None takes ``beta_ratio``.
    beta_ratio : float, default 0.03
        Penalty, as a fraction of ``beta_max``, above which the best network has no neurons.
    n_steps : int, optional
        Steps (Adam, L-BFGS) or epochs (SGD); None takes the optimizer's default.
    learning_rate : float, optional
        None takes the optimizer's default.
    linear_skip : bool, default True
        Add an unpenalised linear part.
    random_state : int, RandomState or None, default 0
        Seed of the initial weights and batches.
    strategy, transform, alias
        As for `Autoregression`.
    """

    def __init__(self, lags: int = 15, optimizer: Literal["adam", "sgd", "lbfgs"] = "adam",
                 n_neurons: int = 100, architecture: Literal["dense", "conv", "circular"] = "dense",
                 filter_size: int | None = None, beta: float | None = None,
                 beta_ratio: float = 0.03, n_steps: int | None = None,
                 learning_rate: float | None = None, linear_skip: bool = True,
                 strategy: str = "recursive", transform: str | None = "last_value",
                 random_state: Any = 0, alias: str = "NonconvexNetwork") -> None:
        super().__init__(lags, None, strategy, transform, alias)
        self.optimizer = optimizer
        self.n_neurons = n_neurons
        self.architecture = architecture
        self.filter_size = filter_size
        self.beta = beta
        self.beta_ratio = beta_ratio
        self.n_steps = n_steps
        self.learning_rate = learning_rate
        self.linear_skip = linear_skip
        self.random_state = random_state

    def make_regressor(self) -> Any:
        return NonconvexReLURegressor(optimizer=self.optimizer, n_neurons=self.n_neurons,
                                      architecture=self.architecture, filter_size=self.filter_size,
                                      beta=self.beta, beta_ratio=self.beta_ratio,
                                      n_steps=self.n_steps, learning_rate=self.learning_rate,
                                      linear_skip=self.linear_skip, random_state=self.random_state)
