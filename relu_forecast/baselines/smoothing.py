"""Exponential smoothing of statsmodels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from relu_forecast.baselines import statistical
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.storage import VECTOR, stored
from relu_forecast.validation import Array, check_choice

FIT_STEPS = 1000
"""Iterations of L-BFGS towards the maximum of the likelihood, at most."""
EXACT = 1e-16
"""Mean squared error, over the variance, of a fit so exact that its likelihood has no maximum."""


@dataclass(frozen=True)
class Components:
    """What an exponential smoothing is made of."""

    error: str
    trend: str | None
    damped_trend: bool
    seasonal: str | None
    season_length: int
    """Samples in a season; 1 for none."""

    def __str__(self) -> str:
        """Return for example ``ETS(error='add', trend='add', damped_trend=True, ...)``."""
        return (f"ETS(error={self.error!r}, trend={self.trend!r},"
                f" damped_trend={self.damped_trend}, seasonal={self.seasonal!r})")

    @property
    def needs_positive(self) -> bool:
        """Whether samples must be above 0."""
        return "mul" in (self.error, self.seasonal)

    @property
    def shortest(self) -> int:
        """Samples that leave a finite AICc, and two seasons to start from."""
        # Level and variance; a weight and a start for each component; the damping.
        seasons = self.season_length + 1 if self.seasonal else 0
        n_params = 3 + 2 * (self.trend is not None) + self.damped_trend + seasons
        return max(n_params + 2, 2 * self.season_length * (self.seasonal is not None))

    def fit(self, values: Array) -> Any:
        """Return statsmodels' results."""
        from statsmodels.tsa.exponential_smoothing.ets import ETSModel

        return ETSModel(values, error=self.error, trend=self.trend, damped_trend=self.damped_trend,
                        seasonal=self.seasonal,
                        seasonal_periods=self.season_length).fit(disp=False, maxiter=FIT_STEPS)


@stored(season=VECTOR)
@dataclass(frozen=True)
class EtsModel:
    """Weights of an exponential smoothing, and its states at the end of the training part."""

    smoothing_level: float
    smoothing_trend: float
    damping_trend: float
    """As statsmodels has them; 0, and a damping of 1, for what there is not."""
    smoothing_seasonal: float
    """Weight of a sample over its own level, statsmodels' one over ``1 - smoothing_level``."""
    level: float
    trend: float
    """In units of ``scale``."""
    season: Array
    """Shape (m,). Of the m samples that follow; m is 1, and the season 0, where there is none."""
    multiplicative: bool
    """Whether the season is a factor."""
    scale: float
    """In the unit of the data."""

    @classmethod
    def of(cls, parts: Components, fitted: Any, scale: float) -> EtsModel:
        """Take weights and last states out of statsmodels' results."""
        weights = dict(zip(fitted.model.param_names, fitted.params, strict=True))
        states = dict(zip(fitted.model.state_names, np.asarray(fitted.states).T, strict=True))
        level = weights["smoothing_level"]
        return cls(level, weights.get("smoothing_trend", 0.0), weights.get("damping_trend", 1.0),
                   weights.get("smoothing_seasonal", 0.0) / (1 - level), states["level"][-1],
                   states.get("trend", np.zeros(1))[-1],
                   states.get("seasonal", np.zeros(1))[-parts.season_length :].copy(),
                   parts.seasonal == "mul", scale)

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each cutoff, shape (C, h)."""
        levels, trends, seasons = self._smoothed(past.recent.values / self.scale)
        at = past.elapsed[:, np.newaxis]
        lines = levels[at] + trends[at] * np.cumsum(self.damping_trend ** np.arange(1, h + 1))
        season = seasons[at + np.arange(h) % len(self.season)]
        return np.asarray(self.scale * (lines * season if self.multiplicative else lines + season))

    def check_stored(self) -> None:
        """Refuse a model without season or scale, or with a weight out of range."""
        statistical.check_smoothing(self.smoothing_level, self.season)
        if self.scale <= 0:
            raise ValueError("it must have a scale above 0")

    def _smoothed(self, recent: Array) -> tuple[Array, Array, Array]:
        """Return level and trend up to each sample since the training part, and the seasons.

        The kind of error changes how weights are estimated, but not this recursion.
        """
        levels, trends = np.full((2, len(recent) + 1), [[self.level], [self.trend]])
        seasons = np.concatenate([self.season, np.empty(len(recent))])
        without = np.divide if self.multiplicative else np.subtract
        # A level of 0 has no factor; the forecast then is not finite, which is told.
        with np.errstate(all="ignore"):
            for t, sample in enumerate(recent):
                trend = self.damping_trend * trends[t]
                line, season = levels[t] + trend, seasons[t]
                surprise = without(sample, season) - line
                levels[t + 1] = line + self.smoothing_level * surprise
                trends[t + 1] = trend + self.smoothing_trend * surprise
                seasons[t + len(self.season)] = season + self.smoothing_seasonal * (
                    without(sample, levels[t + 1]) - season)
        return levels, trends, seasons


class ETS(statistical.StatisticalForecaster):
    """Exponential smoothing of statsmodels, by maximum likelihood.

    "auto" takes the components of least AICc (Hyndman et al. 2002, International Journal of
    Forecasting 18(3)), among those that the training part is long enough for, multiplicative ones
    only where it is positive. The fits are those of
    ``statsmodels.tsa.exponential_smoothing.ets.ETSModel``, start values estimated, on samples over
    their standard deviation. From a cutoff after the training part the parameters stay, and level,
    trend and season move on. A constant training part is continued by the last known sample.

    Cost: a fit takes some hundred passes over the training part, more with long seasons, each of
    whose samples has a start value of its own; "auto" fits up to 3 trends x 3 seasons x 2 errors.
    Warns with a `ConvergenceWarning` if the maximum of the likelihood is not reached.

    Parameters
    ----------
    error : {"add", "mul", "auto"}, default "add"
        Whether errors are the larger the larger the samples ("mul").
    trend : {None, "add", "auto"}, default "auto"
        No trend, or a line that is smoothed. There is no multiplicative one, which explodes.
    damped_trend : bool or "auto", default "auto"
        Whether the trend dies away.
    season_length : int, optional
        Samples in a season; None has no season.
    seasonal : {None, "add", "mul", "auto"}, default "auto"
        How the season, if there is one, joins the line.
    alias : str, default "ETS"
        Column of the forecasts.
    """

    state_class = EtsModel

    def __init__(self, error: str = "add", trend: str | None = "auto",
                 damped_trend: bool | str = "auto", season_length: int | None = None,
                 seasonal: str | None = "auto", alias: str = "ETS") -> None:
        self.error = error
        self.trend = trend
        self.damped_trend = damped_trend
        self.season_length = season_length
        self.seasonal = seasonal
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        check_choice(self.error, "error", ("add", "mul", "auto"))
        check_choice(self.trend, "trend", (None, "add", "auto"))
        check_choice(self.damped_trend, "damped_trend", (False, True, "auto"))
        check_choice(self.seasonal, "seasonal", (None, "add", "mul", "auto"))
        if self.season_length is None and self.seasonal in ("add", "mul"):
            raise InvalidArgumentError(
                "season_length", f"an integer >= 2 with seasonal={self.seasonal!r}", "None",
                "Pass how many samples a season has.")
        if self.trend is None and self.damped_trend is True:
            raise InvalidArgumentError(
                "damped_trend", "False or 'auto' with trend=None", "True", "Pass trend='add'.")

    def min_length(self, h: int) -> int:
        return min(parts.shortest for parts in self._candidates())

    def _candidates(self) -> Iterator[Components]:
        """Yield what the parameters leave to choose from."""
        errors = ("add", "mul") if self.error == "auto" else (self.error,)
        trends = (None, "add") if self.trend == "auto" else (self.trend,)
        damped = (False, True) if self.damped_trend == "auto" else (bool(self.damped_trend),)
        seasons: tuple[str | None, ...] = (None,)
        if self.season_length is not None:
            seasons = (None, "add", "mul") if self.seasonal == "auto" else (self.seasonal,)
        for error, trend, damp, season in product(errors, trends, damped, seasons):
            # Without a trend there is one candidate, not two that differ in its damping.
            if trend is not None or damp == damped[0]:
                length = self.season_length if season and self.season_length else 1
                yield Components(error, trend, damp and trend is not None, season, length)

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> EtsModel:
        values = history.values
        candidates = self._usable(values)
        if values.min() == values.max():
            return EtsModel(1.0, 0.0, 1.0, 0.0, values[-1], 0.0, np.zeros(1), False, 1.0)
        scale = float(values.std())
        with statistical.quiet():
            fits = [(parts, parts.fit(values / scale)) for parts in candidates]
            parts, fitted = min(fits, key=lambda fit: np.nan_to_num(fit[1].aicc, nan=np.inf))
            model = EtsModel.of(parts, fitted, scale)
        if not fitted.mle_retvals["converged"] and fitted.mse > EXACT:
            statistical.warn_not_converged(
                str(parts), "Choose fewer components, or supply a longer training part.")
        return model

    def _usable(self, values: Array) -> list[Components]:
        """Return the candidates for which a training part is long, and positive, enough."""
        fitting = [parts for parts in self._candidates() if parts.shortest <= len(values)]
        usable = [parts for parts in fitting if values.min() > 0 or not parts.needs_positive]
        if not usable:
            statistical.refuse_multiplicative(values)
        return usable
