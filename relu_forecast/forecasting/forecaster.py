"""The package's own forecaster: windows, a convexly trained ReLU network, a walk forward."""

from __future__ import annotations

from typing import Any

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.autoregression import Autoregression
from relu_forecast.validation import check_positive

DEFAULT_BETA_RATIO = 0.03
"""Penalty of the default network, as a fraction of the smallest one that silences it."""

DEFAULT_TOL = 1e-2
"""Relative gap of the default network: forecasts do not feel a tighter one, waiting does."""


class ReLUForecaster(Autoregression):
    """Forecast with a two-layer ReLU network trained to a certified global optimum.

    Parameters
    ----------
    lags : int, default 15
        Samples that the network sees.
    estimator : regressor, optional
        In place of the default ``ConvexReLURegressor(beta_ratio=beta_ratio, tol=0.01,
        random_state=random_state)``, any scikit-learn regressor.
    strategy : {"recursive", "direct"}, default "recursive"
        See `Autoregression`.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        See `Autoregression`.
    beta_ratio : float, optional
        Penalty of the default network, as a fraction of ``beta_max``, above which it has no
        neurons; None means 0.03. Not together with ``estimator``, which has its own.
    random_state : int, RandomState or None, default 0
        Seed of the default network's search for activation patterns; ``estimator`` has its own.
    alias : str, default "ReLU"
        Column of the forecasts.

    Attributes
    ----------
    models_ : dict
        Fitted state of each series; see `Autoregression`.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> forecaster = ReLUForecaster(lags=2, beta_ratio=0.2).fit(wave)
    >>> forecaster.predict(h=2).columns.tolist()
    ['unique_id', 'ds', 'ReLU']
    """

    def __init__(
        self,
        lags: int = 15,
        estimator: Any = None,
        strategy: str = "recursive",
        transform: str | None = "standardize",
        beta_ratio: float | None = None,
        random_state: Any = 0,
        alias: str = "ReLU",
    ) -> None:
        super().__init__(lags, estimator, strategy, transform, alias)
        self.beta_ratio = beta_ratio
        self.random_state = random_state

    def _regressor(self) -> Any:
        if self.estimator is None:
            ratio = DEFAULT_BETA_RATIO if self.beta_ratio is None else self.beta_ratio
            return ConvexReLURegressor(
                beta_ratio=check_positive(ratio, "beta_ratio"), tol=DEFAULT_TOL,
                random_state=self.random_state)
        if self.beta_ratio is not None:
            raise InvalidArgumentError(
                "beta_ratio", "None when an estimator is given", repr(self.beta_ratio),
                "Set the penalty on the estimator, or leave the estimator out.")
        return super()._regressor()

    def _min_length(self, h: int) -> int:
        # A network is fitted to two windows at least.
        return super()._min_length(h) + 1
