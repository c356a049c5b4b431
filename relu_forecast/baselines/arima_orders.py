"""Orders of a seasonal ARIMA, first estimates of its parameters, and the search for orders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import least_squares
from scipy.signal import lfilter

from relu_forecast.storage import COUNT, Choice, stored

_Array = npt.NDArray[np.float64]
Sizes = tuple[int, ...]

TRENDS = ("n", "c")
"""Trends of the differenced series: none, or a constant."""
MAX_DIFFERENCES = 2
"""Differences that the unit-root tests may ask for."""
KPSS_CRITICAL = 0.463
"""Statistic of the KPSS test above which a level is not stationary, at 5 % (KPSS 1992)."""
SEASONAL_STRENGTH = 0.64
"""Share of the season in what is not trend above which it is differenced (Hyndman 2018)."""
LARGEST_ROOT = 1 / 1.001
"""Inverse roots beyond this count as not stationary or not invertible in a search."""
SEARCH_FITS = 94
"""Orders that a search tries at most, as many as R's ``auto.arima`` does."""
CSS_STEPS = 100
"""Evaluations of the conditional sum of squares in a first estimate."""


@stored(trend=Choice(TRENDS), season_length=COUNT)
@dataclass(frozen=True)
class Orders:
    """Orders of a seasonal ARIMA, ``(p, d, q)(P, D, Q)_m``.

    Attributes
    ----------
    order, seasonal_order : tuple of 3 int
        Autoregressive terms, differences, and terms of the moving average.
    season_length : int
        Samples in a season, m; 0 for none.
    trend : {"n", "c"}
        Whether the differenced series has a constant.
    """

    order: tuple[int, int, int]
    seasonal_order: tuple[int, int, int] = (0, 0, 0)
    season_length: int = 0
    trend: str = "n"

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
        return replace(
            self, order=(p, self.order[1], q), trend=TRENDS[constant],
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
        """Whether some lag is in the season and beside it, which no data can tell apart."""
        p, q, seasonal_p, seasonal_q, _ = self.sizes
        return bool(self.season_length) and (
            (p >= self.season_length and seasonal_p > 0)
            or (q >= self.season_length and seasonal_q > 0))

    @property
    def differencing(self) -> _Array:
        """The polynomial ``(1 - L)^d (1 - L^m)^D``, constant first."""
        polynomial = np.ones(1)
        for lag, times in ((1, self.order[1]), (self.season_length, self.seasonal_order[1])):
            for _ in range(times):
                polynomial = np.convolve(polynomial, np.r_[1.0, np.zeros(lag - 1), -1.0])
        return polynomial

    def difference(self, values: _Array) -> _Array:
        """Return the differenced series, as many samples shorter as it looks back."""
        return np.convolve(values, self.differencing, mode="valid")

    def factors(self, params: _Array) -> list[_Array]:
        """Return the four lag polynomials: AR, MA, seasonal AR and seasonal MA."""
        # statsmodels has the constant first.
        parts = np.split(params, np.cumsum((self.sizes[-1], *self.sizes[:-1])))[1:5]
        signs = (-1.0, 1.0, -1.0, 1.0)
        return [np.r_[1.0, sign * part] for sign, part in zip(signs, parts, strict=True)]

    def constant(self, params: _Array) -> float:
        """Return the constant of the differenced series."""
        return float(params[: self.sizes[-1]].sum())

    def is_regular(self, params: _Array) -> bool:
        """Tell whether the parameters are clearly stationary and invertible."""
        return all(
            np.abs(np.roots(factor)).max(initial=0.0) < LARGEST_ROOT
            for factor in self.factors(params))

    def residuals(self, params: _Array, series: _Array) -> _Array:
        """Return one-step errors on a differenced series, the errors before it being 0."""
        ar, ma, seasonal_ar, seasonal_ma = self.factors(params)
        ar = np.convolve(ar, self._spread(seasonal_ar))
        ma = np.convolve(ma, self._spread(seasonal_ma))
        shocks = np.convolve(series, ar, mode="valid") - self.constant(params)
        return np.asarray(lfilter([1.0], ma, shocks))

    def _spread(self, factor: _Array) -> _Array:
        """Return a polynomial of the season as one of single samples."""
        spread = np.zeros((len(factor) - 1) * self.season_length + 1)
        spread[:: max(self.season_length, 1)] = factor
        return spread

    def state_space(self, series: _Array, **options: Any) -> Any:
        """Return statsmodels' state space model of a differenced series."""
        from statsmodels.tsa.statespace.sarimax import SARIMAX

        (p, _, q), (seasonal_p, _, seasonal_q) = self.order, self.seasonal_order
        return SARIMAX(
            series, order=(p, 0, q), trend=self.trend,
            seasonal_order=(seasonal_p, 0, seasonal_q, self.season_length), **options)


def first_estimates(orders: Orders, series: _Array) -> _Array | None:
    """Return the parameters of least conditional sum of squares, or None if they are irregular.

    A moving average that is not invertible makes errors grow without bound; least squares steps
    back from it, and what still ends there is told by its roots.
    """
    start = np.zeros(sum(orders.sizes))
    if start.size == 0:
        return start
    with np.errstate(all="ignore"):
        params: _Array = least_squares(
            orders.residuals, start, args=(series,), x_scale="jac", max_nfev=CSS_STEPS).x
    return params if orders.is_regular(params) else None


def is_constant(series: _Array, values: _Array) -> bool:
    """Tell whether differences of ``values`` are equal up to rounding."""
    return bool(np.ptp(series) <= 64 * np.finfo(np.float64).eps * np.abs(values).max())


def count_differences(series: _Array) -> int:
    """Return how often to difference until the KPSS test finds a stationary level."""
    from statsmodels.tsa.stattools import kpss

    for times in range(MAX_DIFFERENCES):
        steps = np.diff(series, times)
        if is_constant(steps, series):
            return times
        # Lags as in Hyndman and Khandakar (2008).
        statistic = kpss(steps, nlags=int(3 * np.sqrt(len(steps)) / 13))[0]
        if statistic <= KPSS_CRITICAL:
            return times
    return MAX_DIFFERENCES


def count_seasonal_differences(values: _Array, season_length: int) -> int:
    """Return 1 if the season is strong in what the trend leaves, and 0 otherwise."""
    from statsmodels.tsa.seasonal import STL

    parts = STL(values, period=season_length, seasonal=11).fit()
    spread = float(np.var(parts.seasonal + parts.resid))
    return int(spread > 0 and 1 - float(np.var(parts.resid)) / spread > SEASONAL_STRENGTH)


@dataclass(frozen=True)
class OrderSearch:
    """A stepwise search for the orders of least AICc (Hyndman and Khandakar 2008).

    Parameters of each candidate are those of least conditional sum of squares, and its
    likelihood is the exact one there, so that all are judged on the same samples.

    Attributes
    ----------
    series : ndarray, shape (n,)
        Differenced and scaled.
    moves : tuple of tuple of int
        Changes to (p, q, P, Q, constant) that lead from a candidate to its neighbours.
    limits : tuple of int
        The most that (p, q, P, Q, constant) may be moved to.
    scores : dict
        AICc of the candidates tried; infinite where there is no regular estimate.
    """

    series: _Array
    moves: tuple[Sizes, ...]
    limits: Sizes
    scores: dict[Orders, float] = field(default_factory=dict)

    def ranked(self, starts: list[Orders]) -> list[Orders]:
        """Return what was tried on the way from some candidates, the best first."""
        best = min(starts, key=self.score)
        better: Orders | None = best
        while better is not None:
            best = better
            better = next((each for each in self.neighbours(best)
                           if self.score(each) < self.scores[best]), None)
        return sorted(self.scores, key=self.score)

    def neighbours(self, orders: Orders) -> Iterator[Orders]:
        """Yield the candidates one move away, and within the limits."""
        for move in self.moves:
            for sign in (1, -1):
                sizes = tuple(np.add(orders.sizes, np.multiply(sign, move)).tolist())
                if all(0 <= size <= limit for size, step, limit in
                       zip(sizes, move, self.limits, strict=True) if step):
                    yield orders.resized(sizes)

    def score(self, orders: Orders) -> float:
        """Return the AICc, infinite if there is none or the budget of fits is spent."""
        if orders not in self.scores:
            if len(self.scores) >= SEARCH_FITS:
                return np.inf
            self.scores[orders] = self._aicc(orders)
        return self.scores[orders]

    def _aicc(self, orders: Orders) -> float:
        """Return the AICc at the first estimates."""
        n, k = len(self.series), sum(orders.sizes) + 1
        if orders.overlaps or n < orders.reach + k + 2:
            return np.inf
        params = first_estimates(orders, self.series)
        if params is None:
            return np.inf
        likelihood = float(orders.state_space(self.series, concentrate_scale=True).loglike(params))
        aicc = -2 * likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        return aicc if np.isfinite(aicc) else np.inf
