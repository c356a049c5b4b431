"""The Theta method of statsmodels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import lfilter

from relu_forecast.baselines import statistical
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.storage import VECTOR, Whole, stored
from relu_forecast.validation import Array, check_choice, check_real


@stored(season=VECTOR, n_samples=Whole(1))
@dataclass(frozen=True)
class ThetaLines:
    """The two lines of the Theta method at the end of the training part."""

    smoothing_level: float
    """Weight of the newest sample in the level."""
    slope: float
    """Of the least-squares line through the training part, times ``1 - 1 / theta``."""
    level: float
    """Smoothed, without season."""
    season: Array
    """Shape (m,). Of the m samples that follow."""
    multiplicative: bool
    """Whether the season is a factor."""
    n_samples: int
    """Samples of the training part."""

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each cutoff, shape (C, h)."""
        at = past.elapsed[:, np.newaxis]
        kept = 1 - self.smoothing_level
        known = (1 - kept ** (self.n_samples + at)) / self.smoothing_level
        lines = self._levels(past.recent.values)[at] + self.slope * (np.arange(h) + known)
        season = self.season[(at + np.arange(h)) % len(self.season)]
        return np.asarray(lines * season if self.multiplicative else lines + season)

    def check_stored(self) -> None:
        """Refuse a model without season, or with a weight out of range."""
        statistical.check_smoothing(self.smoothing_level, self.season)

    def _levels(self, recent: Array) -> Array:
        """Return the level up to each sample since the training part, shape (len(recent) + 1,)."""
        alone = _without_season(recent, self.season, self.multiplicative)
        kept = 1 - self.smoothing_level
        levels = lfilter(
            [self.smoothing_level], [1.0, -kept], alone, zi=np.array([kept * self.level]))[0]
        return np.concatenate([[self.level], levels])


class Theta(statistical.StatisticalForecaster):
    """The Theta method of statsmodels: a smoothed level plus part of the slope of a line.

    ``y[t + k] = l[t] + (1 - 1 / theta) b (k - 1 + (1 - (1 - a)^t) / a)`` with the level l of
    exponential smoothing with weight a, and the slope b of the least-squares line, both of the
    series without season, which comes back in the end: the method of Assimakopoulos and
    Nikolopoulos (2000, International Journal of Forecasting 16(4)) as Hyndman and Billah write it
    (2003, the same journal 19(2)).

    The weight and the season are those of ``statsmodels.tsa.forecasting.theta.ThetaModel``, and
    so are the forecasts. From a cutoff after the training part weight, slope and season stay,
    and the level moves on. Where the training part is constant without its season, the level is
    the last known sample.
    Warns with a `ConvergenceWarning` if the weight of the exponential smoothing is not found.

    Parameters
    ----------
    season_length : int, optional
        Samples in a season; None has no season. The season is taken out, by classical
        decomposition, where the training part is correlated with itself that many samples ago,
        at 10 %.
    seasonal : {"auto", "add", "mul"}, default "auto"
        Whether the season is added or is a factor; "auto" is "mul" where samples and factors
        are positive.
    theta : float, default 2.0
        How much the second line is bent, >= 1: 1 is exponential smoothing.
    alias : str, default "Theta"
        Column of the forecasts.
    """

    state_class = ThetaLines

    def __init__(self, season_length: int | None = None, seasonal: str = "auto", theta: float = 2.0,
                 alias: str = "Theta") -> None:
        self.season_length = season_length
        self.seasonal = seasonal
        self.theta = theta
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        check_choice(self.seasonal, "seasonal", ("auto", "add", "mul"))
        remedy = "Pass 2 for the classical method."
        if check_real(self.theta, "theta", remedy) < 1:
            raise InvalidArgumentError("theta", "a finite number >= 1", repr(self.theta), remedy)

    def min_length(self, h: int) -> int:
        # Two seasons for the decomposition; two samples for a line, and one more for its errors.
        return max(3, 2 * (self.season_length or 0))

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> ThetaLines:
        from statsmodels.tsa.forecasting.theta import ThetaModel

        values = history.values
        if self.season_length is not None and self.seasonal == "mul" and values.min() <= 0:
            statistical.refuse_multiplicative(values)
        with statistical.quiet() as caught:
            model = ThetaModel(values, period=self.season_length, method=self.seasonal,
                               deseasonalize=self.season_length is not None)
            fitted = model.fit()
        lines = self._lines(fitted, model.method == "mul", values)
        if not statistical.has_converged(caught) and lines.smoothing_level < 1:
            statistical.warn_not_converged("Theta", "Supply a longer training part.")
        return lines

    def _lines(self, fitted: Any, multiplicative: bool, values: Array) -> ThetaLines:
        """Take weight, slope, level and season out of statsmodels' results."""
        ahead = fitted.forecast_components(self.season_length or 1)
        season = ahead["seasonal"].to_numpy()
        # A season is over at the end of the training part, seen backwards as well.
        alone = _without_season(values[::-1], season[::-1], multiplicative)[::-1]
        if statistical.is_constant(alone, values):
            # statsmodels' line through a constant is wrong, and no weight is better than another.
            return ThetaLines(1.0, 0.0, alone[-1], season, multiplicative, len(values))
        slope, weight = fitted.params
        return ThetaLines(float(weight), (1 - 1 / self.theta) * float(slope),
                          float(ahead["ses"].iloc[0]), season, multiplicative, len(values))


def _without_season(values: Array, season: Array, multiplicative: bool) -> Array:
    """Return samples, the first of which starts a season, without it."""
    seasons = np.resize(season, len(values))
    return values / seasons if multiplicative else values - seasons
