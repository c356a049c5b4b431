"""Orders of a seasonal ARIMA, and what follows from them and from parameters."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from scipy.signal import lfilter

from relu_forecast.storage import COUNT, Choice, stored
from relu_forecast.validation import Array

Sizes = tuple[int, ...]

TRENDS = ("n", "c")
"""Trends of the differenced series: none, or a constant."""


@stored(trend=Choice(TRENDS), season_length=COUNT)
@dataclass(frozen=True)
class Orders:
    """Orders of a seasonal ARIMA, ``(p, d, q)(P, D, Q)_m``."""

    order: tuple[int, int, int]
    seasonal_order: tuple[int, int, int] = (0, 0, 0)
    """Autoregressive terms, differences, and terms of the moving average."""
    season_length: int = 0
    """Samples in a season, m; 0 for none."""
    trend: str = "n"
    """Whether the differenced series has a constant."""

    def check_stored(self) -> None:
        """Refuse negative orders."""
        if min(*self.order, *self.seasonal_order) < 0:
            raise ValueError("it must have orders that are not negative")

    def __str__(self) -> str:
        """Return for example ``(1, 0, 1)(0, 1, 1)_12 with trend 'c'``."""
        season = f"{self.seasonal_order}_{self.season_length}" if self.season_length else ""
        return f"{self.order}{season} with trend {self.trend!r}"

    @property
    def sizes(self) -> Sizes:
        """How many parameters of each kind there are: (p, q, P, Q, constant)."""
        (p, _, q), (seasonal_p, _, seasonal_q) = self.order, self.seasonal_order
        return p, q, seasonal_p, seasonal_q, TRENDS.index(self.trend)

    def resized(self, sizes: Sizes) -> Orders:
        """Return orders of other sizes and the same differences."""
        p, q, seasonal_p, seasonal_q, constant = sizes
        return replace(self, order=(p, self.order[1], q), trend=TRENDS[constant],
                       seasonal_order=(seasonal_p, self.seasonal_order[1], seasonal_q))

    @property
    def reach(self) -> int:
        """Samples of the differenced series that the autoregressive terms look back on."""
        return self.order[0] + self.seasonal_order[0] * self.season_length

    @property
    def shortest(self) -> int:
        """Samples that leave more equations than parameters, and a finite AICc."""
        return len(self.differencing) - 1 + self.reach + sum(self.sizes) + 3

    @property
    def overlaps(self) -> bool:
        """Whether a lag has a seasonal and a plain term, which no data can tell apart."""
        p, q, seasonal_p, seasonal_q, _ = self.sizes
        return bool(self.season_length) and ((p >= self.season_length and seasonal_p > 0)
                                             or (q >= self.season_length and seasonal_q > 0))

    @property
    def differencing(self) -> Array:
        """The polynomial ``(1 - L)^d (1 - L^m)^D``, constant first."""
        polynomial = np.ones(1)
        for lag, times in ((1, self.order[1]), (self.season_length, self.seasonal_order[1])):
            for _ in range(times):
                polynomial = np.convolve(polynomial, np.r_[1.0, np.zeros(lag - 1), -1.0])
        return polynomial

    def difference(self, values: Array) -> Array:
        """Return the differenced series, shorter by d + D m samples."""
        return np.convolve(values, self.differencing, mode="valid")

    def factors(self, params: Array) -> list[Array]:
        """Return the four lag polynomials: AR, MA, seasonal AR and seasonal MA."""
        # statsmodels has the constant first.
        parts = np.split(params, np.cumsum((self.sizes[-1], *self.sizes[:-1])))[1:5]
        signs = (-1.0, 1.0, -1.0, 1.0)
        return [np.r_[1.0, sign * part] for sign, part in zip(signs, parts, strict=True)]

    def constant(self, params: Array) -> float:
        """Return the constant of the differenced series."""
        return float(params[: self.sizes[-1]].sum())

    def is_regular(self, params: Array, largest_root: float) -> bool:
        """Tell whether the parameters are stationary and invertible by their inverse roots."""
        return all(np.abs(np.roots(factor)).max(initial=0.0) < largest_root
                   for factor in self.factors(params))

    def residuals(self, params: Array, series: Array) -> Array:
        """Return one-step errors on a differenced series, the errors before it being 0."""
        ar, ma, seasonal_ar, seasonal_ma = self.factors(params)
        ar = np.convolve(ar, self._spread(seasonal_ar))
        ma = np.convolve(ma, self._spread(seasonal_ma))
        shocks = np.convolve(series, ar, mode="valid") - self.constant(params)
        return np.asarray(lfilter([1.0], ma, shocks))

    def _spread(self, factor: Array) -> Array:
        """Return a polynomial in L^m as one in L."""
        spread = np.zeros((len(factor) - 1) * self.season_length + 1)
        spread[:: max(self.season_length, 1)] = factor
        return spread

    def state_space(self, series: Array, **options: Any) -> Any:
        """Return statsmodels' state space model of a differenced series."""
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        (p, _, q), (seasonal_p, _, seasonal_q) = self.order, self.seasonal_order
        return SARIMAX(series, order=(p, 0, q), trend=self.trend,
                       seasonal_order=(seasonal_p, 0, seasonal_q, self.season_length), **options)
