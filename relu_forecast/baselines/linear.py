"""Linear autoregressions: least squares, and with a ridge or lasso penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.linear_model import Lasso, LassoCV, LinearRegression, Ridge, RidgeCV
from sklearn.model_selection import TimeSeriesSplit

from relu_forecast.forecasting.autoregression import Autoregression
from relu_forecast.validation import check_positive

RIDGE_PENALTIES = tuple(np.logspace(-6, 6, 25).tolist())
"""Penalties that `RidgeAR` chooses from, on standardised samples."""
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
    strategy : {"recursive", "direct"}, default "recursive"
        See `Autoregression`.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        See `Autoregression`. Standardising changes the forecasts by rounding only, but refuses
        a constant series.
    alias : str, default "LinearAR"
        Column of the forecasts.

    Examples
    --------
    >>> LinearAR(lags=1).fit([1, 2, 4, 8, 16]).predict(h=2)["LinearAR"].round(6).tolist()
    [32.0, 64.0]
    """

    def __init__(
        self,
        lags: int = 15,
        strategy: str = "recursive",
        transform: str | None = "standardize",
        alias: str = "LinearAR",
    ) -> None:
        super().__init__(lags, None, strategy, transform, alias)

    def _regressor(self) -> Any:
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
    strategy : {"recursive", "direct"}, default "recursive"
        See `Autoregression`.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        See `Autoregression`.
    alias : str, default "RidgeAR"
        Column of the forecasts.
    """

    def __init__(
        self,
        lags: int = 15,
        penalty: float | None = None,
        strategy: str = "recursive",
        transform: str | None = "standardize",
        alias: str = "RidgeAR",
    ) -> None:
        super().__init__(lags, None, strategy, transform, alias)
        self.penalty = penalty

    def _regressor(self) -> Any:
        if self.penalty is None:
            return RidgeCV(RIDGE_PENALTIES)
        return Ridge(check_positive(self.penalty, "penalty"))

    def _min_length(self, h: int) -> int:
        # Leaving one window out must leave another one in.
        return super()._min_length(h) + 1


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
    strategy : {"recursive", "direct"}, default "recursive"
        See `Autoregression`.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        See `Autoregression`.
    alias : str, default "LassoAR"
        Column of the forecasts.
    """

    def __init__(
        self,
        lags: int = 15,
        penalty: float | None = None,
        strategy: str = "recursive",
        transform: str | None = "standardize",
        alias: str = "LassoAR",
    ) -> None:
        super().__init__(lags, None, strategy, transform, alias)
        self.penalty = penalty

    def _regressor(self) -> Any:
        # With the Gram matrix an iteration costs lags^2, whatever the number of windows; smooth
        # signals, whose lags are nearly collinear, take thousands.
        if self.penalty is None:
            return LassoCV(
                eps=LASSO_RANGE, cv=TimeSeriesSplit(LASSO_SPLITS), precompute=True,
                max_iter=MAX_ITERATIONS)
        penalty = check_positive(self.penalty, "penalty")
        return Lasso(penalty, precompute=True, max_iter=MAX_ITERATIONS)

    def _min_length(self, h: int) -> int:
        return super()._min_length(h) + LASSO_SPLITS
