"""Linear autoregressions: least squares, and with a ridge or lasso penalty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import TimeSeriesSplit

from relu_forecast.compiled import WindowModel, WindowNetwork
from relu_forecast.forecasting.contract import WarmStarts, check_within_horizon
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.networks.layers import Layers
from relu_forecast.storage import stored
from relu_forecast.validation import Array, check_non_negative, check_positive, check_positive_int
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.sliding import hankel
from relu_forecast.windows.transforms import RIDGE_PENALTIES

LASSO_SPLITS = 5
"""Parts, each forecast from what comes before it, on which `LassoAR` chooses its penalty."""
LASSO_RANGE = 1e-4
"""Smallest penalty that `LassoAR` tries, as a fraction of the largest."""
MAX_ITERATIONS = 100_000
"""Sweeps of coordinate descent over the lags."""


class LinearAR(Autoregression):
    """Linear autoregression by ordinary least squares, with an intercept.

    Parameters
    ----------
    lags : int, default 15
        Samples that each forecast is linear in.
    strategy, transform, alias
        As for `Autoregression`. ``"last_value"`` leaves the level out of sight; standardising
        changes the forecasts of None by rounding only, but refuses a constant series.

    Examples
    --------
    >>> LinearAR(lags=2).fit([1, 2, 4, 8, 16]).predict(h=2)["LinearAR"].round(6).tolist()
    [32.0, 64.0]
    """

    def __init__(self, lags: int = 15, strategy: str = "recursive",
                 transform: str | None = "last_value", alias: str = "LinearAR") -> None:
        super().__init__(lags, None, strategy, transform, alias)

    def make_regressor(self) -> Any:
        return LinearRegression()


class RidgeAR(Autoregression):
    """Linear autoregression with a ridge penalty, ``||y - Xa - a0||^2 + penalty ||a||^2``.

    Parameters
    ----------
    lags : int, default 15
        Samples that each forecast is linear in.
    penalty : float, optional
        In squared units of the samples that the regressor sees, without 1/n. None chooses from
        `RIDGE_PENALTIES` by leave-one-out error, in closed form.
    strategy, transform, alias
        As for `Autoregression`.
    """

    def __init__(self, lags: int = 15, penalty: float | None = None, strategy: str = "recursive",
                 transform: str | None = "last_value", alias: str = "RidgeAR") -> None:
        super().__init__(lags, None, strategy, transform, alias)
        self.penalty = penalty

    def make_regressor(self) -> Any:
        if self.penalty is None:
            return RidgeCV(RIDGE_PENALTIES)
        return Ridge(check_positive(self.penalty, "penalty"))

    def min_length(self, h: int) -> int:
        # Leaving one window out must leave another one in.
        return super().min_length(h) + 1


class LassoAR(Autoregression):
    """Linear autoregression with a lasso penalty, ``||y - Xa - a0||^2 / 2n + penalty ||a||_1``.

    Parameters
    ----------
    lags : int, default 15
        Samples to choose from.
    penalty : float, optional
        In units of the samples that the regressor sees. None chooses from 100 penalties, from
        the smallest that silences every lag down to `LASSO_RANGE` of it, by the error on
        `LASSO_SPLITS` later parts of the windows.
    strategy, transform, alias
        As for `Autoregression`.
    """

    def __init__(self, lags: int = 15, penalty: float | None = None, strategy: str = "recursive",
                 transform: str | None = "last_value", alias: str = "LassoAR") -> None:
        super().__init__(lags, None, strategy, transform, alias)
        self.penalty = penalty

    def make_regressor(self) -> Any:
        # With the Gram matrix an iteration costs lags^2, whatever the number of windows; smooth
        # signals, whose lags are nearly collinear, take thousands.
        if self.penalty is None:
            return LassoCV(eps=LASSO_RANGE, cv=TimeSeriesSplit(LASSO_SPLITS), precompute=True,
                           max_iter=MAX_ITERATIONS)
        penalty = check_positive(self.penalty, "penalty")
        return Lasso(penalty, precompute=True, max_iter=MAX_ITERATIONS)

    def min_length(self, h: int) -> int:
        return super().min_length(h) + LASSO_SPLITS


@stored()
@dataclass(frozen=True)
class NLinearModel:
    """A linear map from windows, relative to their last sample, to all samples of a horizon."""

    regressor: Any
    """A linear one of scikit-learn, fitted to (n, lags) and (n, horizon)."""

    @classmethod
    def fit(cls, history: History, lags: int, horizon: int, penalty: float) -> NLinearModel:
        """Fit the map to every window with ``horizon`` samples after it."""
        windows, samples = hankel(history.values, lags, horizon)
        steps = np.arange(1, horizon + 1)
        whole = history.whole_windows(lags, steps)
        if whole is not None:
            history.check_windows(whole, 1, lags)
            windows, samples = windows[whole], samples[whole]
        last = windows[:, -1:]
        regressor = Ridge(penalty) if penalty else LinearRegression()
        return cls(regressor.fit(windows - last, samples.reshape(-1, horizon) - last,
                                 history.window_weights(lags, steps)))

    def compiled(self, n_steps: int) -> WindowModel:
        """Return the map as plain arrays, for ``n_steps`` ahead, at most the horizon."""
        check_within_horizon(n_steps, len(self.regressor.coef_))
        linear = np.vstack([self.regressor.coef_.T, np.zeros(len(self.regressor.coef_))])
        layers = Layers.of_linear(linear[:, :n_steps], self.regressor.intercept_[:n_steps])
        return WindowNetwork(Context.of(len(linear) - 1), layers)

    def forecast(self, windows: Array, h: int) -> Array:
        """Return the ``h`` samples after each window, shape (C, h), h at most the horizon."""
        check_within_horizon(h, len(self.regressor.coef_))
        last = windows[:, -1:]
        return np.asarray(self.regressor.predict(windows - last) + last)[:, :h]


class NLinear(Forecaster):
    """One linear map from the lags to the whole horizon, relative to the last sample.

    ``(y[t + 1], ..., y[t + h]) = y[t] + W (y[t - lags + 1] - y[t], ..., 0) + b``, fitted in closed
    form to every window with h samples after it: the NLinear of Zeng et al. (2023, AAAI 37(9)),
    which they train by gradient descent.

    ``LinearAR(lags, strategy="direct", transform="last_value")`` fits each step to all windows
    that have a sample so far ahead; here, the steps share their windows, and so one
    factorisation does for all h. A constant training part repeats the last sample.

    Parameters
    ----------
    lags : int, default 15
        Samples that each forecast is linear in.
    penalty : float, default 0.0
        Of the squared weights, as for `RidgeAR`; 0 is least squares, of smallest norm where
        there are several.
    alias : str, default "NLinear"
        Column of the forecasts.

    Examples
    --------
    >>> model = NLinear(lags=2).fit([1, 2, 4, 8, 16], horizon=2)
    >>> model.predict()["NLinear"].round(6).tolist()
    [32.0, 64.0]
    """

    def __init__(self, lags: int = 15, penalty: float = 0.0, alias: str = "NLinear") -> None:
        self.lags = lags
        self.penalty = penalty
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        check_positive_int(self.lags, "lags")
        check_non_negative(self.penalty, "penalty")

    @property
    def lookback(self) -> int:
        return self.lags

    @property
    def skips_missing(self) -> bool:
        return True

    @property
    def accepts_weights(self) -> bool:
        return True

    @property
    def needs_horizon(self) -> bool:
        return True

    def min_length(self, h: int) -> int:
        return self.lags + h

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> NLinearModel:
        return NLinearModel.fit(history, self.lags, horizon, self.penalty)

    def check_state(self, state: Any, n_samples: int) -> None:
        if not isinstance(state, NLinearModel) or state.regressor.n_features_in_ != self.lags:
            raise ValueError(f"it must be a map from {self.lags} lags")
        outputs = state.regressor.predict(np.zeros((1, self.lags)))
        if outputs.shape != (1, self.horizon_):
            raise ValueError(f"it must be a map to {self.horizon_} samples")

    def forecast(self, state: NLinearModel, past: Past, h: int) -> Array:
        return state.forecast(past.windows, h)
