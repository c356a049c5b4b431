"""The search for the orders of an ARIMA: unit-root tests, and steps towards the least AICc."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import least_squares

from relu_forecast.baselines.arima.orders import Orders, Sizes
from relu_forecast.baselines.statistical import is_constant
from relu_forecast.storage import COUNT, Whole, stored
from relu_forecast.validation import Array


@stored(fit_steps=Whole(1), final_fits=Whole(1), css_steps=Whole(1), search_fits=Whole(1),
        max_differences=COUNT)
@dataclass(frozen=True)
class ArimaSettings:
    """How `ARIMA` searches for orders and fits."""

    fit_steps: int = 100
    """Iterations of L-BFGS towards the maximum of the likelihood, at most."""
    final_fits: int = 3
    """Orders, the best of a search, whose likelihood is maximised until one of them has regular
    estimates, at most."""
    search_fits: int = 94
    """Orders that a search tries, at most; as many as R's ``auto.arima`` does."""
    css_steps: int = 100
    """Evaluations of the conditional sum of squares in a first estimate, at most."""
    max_differences: int = 2
    """Differences that the unit-root tests may ask for."""
    kpss_critical: float = 0.463
    """Statistic of the KPSS test above which a level is not stationary, at 5 % (KPSS 1992)."""
    seasonal_strength: float = 0.64
    """Share of the season in what is not trend, 0 to 1, above which it is differenced (Hyndman
    2018)."""
    largest_root: float = 1 / 1.001
    """Inverse roots of lag polynomials that are larger count as not stationary, or not
    invertible."""


SETTINGS = ArimaSettings()
"""The default settings."""


def first_estimates(orders: Orders, series: Array, settings: ArimaSettings) -> Array | None:
    """Return the parameters of least conditional sum of squares, or None if they are irregular.

    A moving average that is not invertible makes errors grow without bound; least squares steps
    back from it, and what still ends there is told by its roots.
    """
    start = np.zeros(sum(orders.sizes))
    if start.size == 0:
        return start
    with np.errstate(all="ignore"):
        params: Array = least_squares(
            orders.residuals, start, args=(series,), x_scale="jac", max_nfev=settings.css_steps).x
    return params if orders.is_regular(params, settings.largest_root) else None


def count_differences(series: Array, settings: ArimaSettings) -> int:
    """Return how often to difference until the KPSS test finds a stationary level."""
    from statsmodels.tsa.stattools import kpss

    for times in range(settings.max_differences):
        steps = np.diff(series, times)
        if is_constant(steps, series):
            return times
        # Lags as in Hyndman and Khandakar (2008).
        statistic = kpss(steps, nlags=int(3 * np.sqrt(len(steps)) / 13))[0]
        if statistic <= settings.kpss_critical:
            return times
    return settings.max_differences


def count_seasonal_differences(values: Array, season_length: int, settings: ArimaSettings) -> int:
    """Return 1 if the season is strong in what the trend leaves, and 0 otherwise."""
    from statsmodels.tsa.seasonal import STL

    parts = STL(values, period=season_length, seasonal=11).fit()
    spread = float(np.var(parts.seasonal + parts.resid))
    strength = 1 - float(np.var(parts.resid)) / spread if spread > 0 else 0.0
    return int(strength > settings.seasonal_strength)


@dataclass(frozen=True)
class OrderSearch:
    """A stepwise search for the orders of least AICc (Hyndman and Khandakar 2008).

    Parameters of each candidate are those of least conditional sum of squares, and its
    likelihood is the exact one there, so that all are judged on the same samples.
    """

    series: Array
    """Shape (n,). Differenced and scaled."""
    moves: tuple[Sizes, ...]
    """Changes to (p, q, P, Q, constant) that lead from a candidate to its neighbours."""
    limits: Sizes
    """The most that (p, q, P, Q, constant) may be moved to."""
    settings: ArimaSettings = SETTINGS
    scores: dict[Orders, float] = field(default_factory=dict)
    """AICc of the candidates tried; infinite where there is no regular estimate."""

    def ranked(self, starts: list[Orders]) -> list[Orders]:
        """Search from the best of some candidates; return all that were tried, the best first."""
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
            if len(self.scores) >= self.settings.search_fits:
                return np.inf
            self.scores[orders] = self._aicc(orders)
        return self.scores[orders]

    def _aicc(self, orders: Orders) -> float:
        """Return the AICc at the first estimates."""
        n, k = len(self.series), sum(orders.sizes) + 1
        if orders.overlaps or n < orders.reach + k + 2:
            return np.inf
        params = first_estimates(orders, self.series, self.settings)
        if params is None:
            return np.inf
        likelihood = float(orders.state_space(self.series, concentrate_scale=True).loglike(params))
        aicc = -2 * likelihood + 2 * k + 2 * k * (k + 1) / (n - k - 1)
        return aicc if np.isfinite(aicc) else np.inf
