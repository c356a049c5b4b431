"""Conformal prediction intervals: forecasts plus and minus what errors have been lately.

The last part of the training samples, the calibration part, is held out. A model fitted to what
comes before forecasts it, and its errors, for each step ahead on its own, say how wide intervals
must be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import History, SeriesArrays
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.storage import stored
from relu_forecast.streaming.half_widths import conformal_quantiles
from relu_forecast.validation import (
    Array,
    check_choice,
    check_levels,
    check_positive,
    check_positive_int,
)

Method = Literal["split", "adaptive"]
"""How intervals are made, see `ConformalIntervals`."""
CALIBRATION_SHARE = 0.25
"""Share of the training samples, at their end, that the calibration part is by default."""
USUAL_LEVEL = 95.0
"""Level, in percent, that the calibration part of `Forecaster.fit` has errors enough for."""
_RECENT = 1000
"""Latest errors that adaptive intervals are quantiles of, at most."""


def interval_columns(model: str, level: float) -> tuple[str, str]:
    """Return the names of the columns with the ends of a model's prediction intervals."""
    return f"{model}-lo-{level:g}", f"{model}-hi-{level:g}"


@stored()
@dataclass(frozen=True)
class ConformalIntervals:
    """How prediction intervals are made of past errors.

    Attributes
    ----------
    method : {"split", "adaptive"}, default "split"
        ``"split"``: at k steps ahead the half-width is the quantile ``ceil((m + 1) level) / m``
        of the m absolute errors in the calibration part; the share of intervals that cover is
        at least ``level`` where errors are exchangeable (Vovk, Gammerman & Shafer, 2005; Lei et
        al., 2018). ``"adaptive"``: the level that is aimed at rises after misses and falls
        after hits, as each error becomes known, and the quantile is of the most recent errors;
        the long-run share comes right for signals that drift too (Gibbs & Candès, 2021).
    calibration_size : int, optional
        Samples of the calibration part, the last of the training samples. None takes a quarter
        of them, or more where the levels need more: those that are asked for in a backtest, and
        95 percent at `Forecaster.fit`.
    gamma : float, default 0.02
        Step of the adaptive level; 0.005 to 0.05 are usual.

    Raises
    ------
    InvalidArgumentError
        If one of them is out of range.

    Examples
    --------
    >>> from relu_forecast.baselines import Drift
    >>> steps = np.tile([1.0, 1.0, 2.0], 40).cumsum()
    >>> model = Drift().fit(steps, horizon=1, intervals="split")
    >>> model.predict(level=[80]).iloc[0, 2:].round(2).tolist()
    [161.34, 160.67, 162.0]
    """

    method: Method = "split"
    calibration_size: int | None = None
    gamma: float = 0.02

    def __post_init__(self) -> None:
        check_choice(self.method, "method", get_args(Method))
        if self.calibration_size is not None:
            check_positive_int(self.calibration_size, "calibration_size")
        check_positive(self.gamma, "gamma")

    @classmethod
    def of(cls, intervals: Any) -> ConformalIntervals:
        """Return how intervals are made, which may be given by the name of the method."""
        if isinstance(intervals, cls):
            return intervals
        return cls(check_choice(intervals, "intervals", get_args(Method)))


@dataclass(frozen=True)
class Calibration:
    """Levels that are wanted, and how intervals are made."""

    levels: tuple[float, ...]
    """In percent, increasing."""
    conformal: ConformalIntervals

    @classmethod
    def of(cls, level: Any, intervals: Any) -> Calibration | None:
        """Check what a caller asks for; None where no level is wanted."""
        conformal = ConformalIntervals.of(intervals)
        return None if level is None else cls(check_levels(level), conformal)

    def columns(self, alias: str) -> list[str]:
        """Return the names of the interval columns, low and high by level."""
        return [name for level in self.levels for name in interval_columns(alias, level)]

    def bounds(self, alias: str, forecasts: Array, half_widths: Array) -> dict[str, Array]:
        """Return forecasts of any shape, and the bounds of their intervals, by column.

        ``half_widths`` has a last axis more than ``forecasts``, for the levels.
        """
        sides = [forecasts + sign * half_widths[..., place]
                 for place in range(len(self.levels)) for sign in (-1, 1)]
        return {alias: forecasts, **dict(zip(self.columns(alias), sides, strict=True))}

    def shortest(self, model: ForecastingModel, horizon: int) -> int:
        """Return how many samples fitting and calibrating need."""
        return model.min_length(horizon) + self._fewest(horizon, self.conformal.calibration_size)

    def size(self, model: ForecastingModel, length: int, horizon: int) -> int:
        """Return the samples of the calibration part of ``length`` training samples."""
        fewest = self._fewest(horizon, self.conformal.calibration_size)
        if self.conformal.calibration_size is not None:
            return fewest
        wanted = max(fewest, int(CALIBRATION_SHARE * length))
        return min(wanted, length - model.min_length(horizon))

    def part(self, model: ForecastingModel, arrays: SeriesArrays, fold: Fold,
             horizon: int) -> CalibrationPart:
        """Return the calibration part of a fold."""
        size = self.size(model, fold.fit_stop - fold.fit_start, horizon)
        return CalibrationPart(model, arrays, fold, horizon, size)

    @property
    def errors_needed(self) -> int:
        """How many errors the highest level needs: with fewer, its interval has no end."""
        share = self.levels[-1] / 100
        return math.ceil(share / (1 - share) - 1e-9)

    def half_widths_at_end(self, errors: Array) -> Array:
        """Return half-widths at the end of the calibration part, shape (H, n_levels).

        The absolute errors, shape (m, H), are from each sample of the calibration part, one column
        for each step ahead; NaN where a sample is missing, or comes after the part. A level that
        needs more errors is refused.
        """
        self._check_enough(errors)
        if self.conformal.method == "split":
            return conformal_quantiles(errors, np.array(self.levels) / 100)
        unknown = np.full((1, errors.shape[1]), np.nan)
        widths: Array = _adaptive(np.concatenate([errors, unknown]), len(errors) // 2, self)[-1]
        return widths

    def half_widths(self, part: CalibrationPart, errors: Array, state: Any) -> Array:
        """Return half-widths at each cutoff of a fold, step and level, shape (C, H, n_levels).

        ``errors`` are absolute ones on the calibration part, (m, H), ``state`` is that of the fit
        that forecasts. A level for which too many samples of the part are missing is refused.
        """
        cutoffs = part.fold.cutoffs
        known = np.where(part.is_known, errors, np.nan)
        if self.conformal.method == "split":
            widths = self.half_widths_at_end(known)
            return np.broadcast_to(widths, (len(cutoffs), *widths.shape))
        self._check_enough(known)
        errors = np.concatenate([errors, part.errors(state, later=True)])
        at_cutoffs: Array = _adaptive(errors, part.size // 2, self)[cutoffs - part.origins[0]]
        return at_cutoffs

    def _fewest(self, horizon: int, size: int | None) -> int:
        """Return the samples that the calibration part must have; refuse a ``size`` below it."""
        needed = _samples_for(self.conformal.method, self.errors_needed, horizon)
        if size is not None and size < needed:
            raise InvalidArgumentError(
                "calibration_size", f"at least {needed} for level={self.levels[-1]:g} at"
                f" {horizon} steps ahead", str(size),
                f"Pass intervals=ConformalIntervals(calibration_size={needed}), or lower level"
                " or h.")
        return size or needed

    def _check_enough(self, errors: Array) -> None:
        """Refuse levels that need more errors, (m, H), than are known at some step."""
        self._fewest(errors.shape[1], len(errors))
        counts, needed = (~np.isnan(errors)).sum(axis=0), self.errors_needed
        if counts.min() < needed:
            raise InvalidArgumentError(
                "data", f"known at {needed} errors of the calibration part for"
                f" level={self.levels[-1]:g}",
                f"{counts.min()} at {np.argmin(counts) + 1} steps ahead, as samples are missing",
                "Raise calibration_size, lower level, or fill the series first.")


def _samples_for(method: str, errors: int, horizon: int) -> int:
    """Return the samples of a calibration part with so many errors at each step ahead.

    Adaptive intervals start in the middle of the part, with the errors of its first half.
    """
    return (2 if method == "adaptive" else 1) * errors + horizon - 1


def size_at_fit(conformal: ConformalIntervals, model: ForecastingModel, length: int,
                horizon: int) -> int:
    """Return the samples of the calibration part of `Forecaster.fit`, where no level is known yet.

    A quarter of the training samples, or as many as 95 percent need, unless that leaves too few to
    fit the model to. A ``calibration_size`` that gives no error at some step is refused.
    """
    fewest, size = _samples_for(conformal.method, 1, horizon), conformal.calibration_size
    if size is None:
        usual = Calibration((USUAL_LEVEL,), conformal).size(model, length, horizon)
        return max(usual, fewest)
    if size < fewest:
        raise InvalidArgumentError(
            "calibration_size", f"at least {fewest} at {horizon} steps ahead", str(size),
            "Raise it, or lower the horizon.")
    return size


@dataclass(frozen=True)
class CalibrationPart:
    """The last training samples of a fold, held out from a fit that forecasts them."""

    model: ForecastingModel
    arrays: SeriesArrays
    """Up to the last cutoff of the fold."""
    fold: Fold
    horizon: int
    """Steps ahead, H."""
    size: int
    """Samples of the part, m."""

    @property
    def fit_stop(self) -> int:
        """Position after the last sample that the fit before the part sees."""
        return self.fold.fit_stop - self.size

    @property
    def origins(self) -> npt.NDArray[np.intp]:
        """Positions of the m samples after which the part is forecast."""
        return np.arange(self.fit_stop - 1, self.fold.fit_stop - 1)

    @property
    def is_known(self) -> npt.NDArray[np.bool_]:
        """Whether what is forecast from each origin and step is a training sample, (m, H)."""
        known: npt.NDArray[np.bool_] = self._targets(self.origins) < self.fold.fit_stop
        return known

    @property
    def history(self) -> History:
        """The training samples before the part."""
        return self.arrays.history(self.fold.fit_start, self.fit_stop)

    def fit(self, warm_start: WarmStarts) -> Any:
        """Return the state of a fit to the training samples before the part."""
        return self.model.train(self.history, self.horizon, warm_start)

    def held_out(self, state: Any) -> Array | None:
        """Return errors on the part, (m, H), that a fit to all samples knows, if it does."""
        known = self.model.held_out_errors(state)
        if known is None or len(known) < self.size or known.shape[1] < self.horizon:
            return None
        return known[len(known) - self.size :, : self.horizon]

    def errors(self, state: Any, later: bool = False) -> Array:
        """Return absolute errors from each origin, (m, H); NaN where a sample is not known.

        With ``later``, they are from the end of the part up to the last cutoff, of a state that
        was fitted to all training samples.
        """
        stop = self.fold.fit_stop if later else self.fit_stop
        origins = np.arange(stop - 1, self.fold.cutoffs[-1] + 1) if later else self.origins
        past = self.arrays.past_at(origins, stop, self.model.lookback, self.horizon)
        forecasts = forecast_checked(self.model, state, past, self.horizon)
        values = np.concatenate([self.arrays.values, np.full(self.horizon, np.nan)])
        return np.abs(values[self._targets(origins)] - forecasts)

    def _targets(self, origins: npt.NDArray[np.intp]) -> npt.NDArray[np.intp]:
        """Return the positions that are forecast from each origin, (m, H)."""
        return origins[:, np.newaxis] + np.arange(1, self.horizon + 1)


def _adaptive(errors: Array, warm_up: int, calibration: Calibration) -> Array:
    """Return half-widths (T, H, L) at T origins, one after the other, from errors (T, H).

    The error of step k from origin i is known at origin i + k, and with it whether the
    interval covered; origins before the warm-up get none.
    """
    aimed = np.array(calibration.levels) / 100
    steps = np.arange(1, errors.shape[1] + 1)
    known = np.full_like(errors, np.nan)  # row t: the errors that become known at origin t
    for step in steps[: len(errors) - 1]:
        known[step:, step - 1] = errors[:-step, step - 1]
    shares = np.broadcast_to(aimed, (len(steps), len(aimed))).copy()
    widths = np.full((*errors.shape, len(aimed)), np.nan)
    for origin in range(warm_up, len(errors)):
        issued = widths[np.maximum(origin - steps, 0), steps - 1]
        missed = known[origin][:, np.newaxis] > issued
        judged = ~np.isnan(known[origin])[:, np.newaxis] & ~np.isnan(issued)
        shares += np.where(judged, calibration.conformal.gamma * (missed - (1 - aimed)), 0.0)
        recent = known[max(0, origin + 1 - _RECENT) : origin + 1]
        widths[origin] = np.maximum.accumulate(conformal_quantiles(recent, shares), axis=1)
    return widths
