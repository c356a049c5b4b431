"""Conformal prediction intervals: forecasts plus and minus what errors have been lately.

The last part of the training samples is held out, a model is fitted to what comes before, and
its errors there, for each step ahead on its own, say how wide intervals must be.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import Samples
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.validation import check_choice, check_positive, check_positive_int, check_real

_Array = npt.NDArray[np.float64]

METHODS = ("split", "adaptive")
_SHARE = 4
"""The calibration part is the last 1/4 of the training samples."""
_WINDOW = 1000
"""Errors that adaptive intervals look back on, at most."""


def interval_columns(model: str, level: float) -> tuple[str, str]:
    """Return the names of the columns with the ends of a model's prediction intervals."""
    return f"{model}-lo-{level:g}", f"{model}-hi-{level:g}"


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
        of them, or more where the levels need more.
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
    >>> Drift().fit(steps).predict(1, level=[80]).iloc[0, 2:].round(2).tolist()
    [161.34, 160.67, 162.0]
    """

    method: Literal["split", "adaptive"] = "split"
    calibration_size: int | None = None
    gamma: float = 0.02

    def __post_init__(self) -> None:
        check_choice(self.method, "method", METHODS)
        if self.calibration_size is not None:
            check_positive_int(self.calibration_size, "calibration_size")
        check_positive(self.gamma, "gamma")


@dataclass(frozen=True)
class Calibration:
    """Levels that are wanted, and how intervals are made.

    Attributes
    ----------
    levels : tuple of float
        In percent, increasing.
    conformal : ConformalIntervals
    """

    levels: tuple[float, ...]
    conformal: ConformalIntervals

    @classmethod
    def of(cls, level: Any, intervals: Any) -> Calibration | None:
        """Check what a caller asks for; None where no level is wanted."""
        if not isinstance(intervals, ConformalIntervals):
            intervals = ConformalIntervals(check_choice(intervals, "intervals", METHODS))
        if level is None:
            return None
        return cls(_check_levels(level), intervals)

    def columns(self, alias: str) -> list[str]:
        """Return the names of the interval columns, low and high by level."""
        return [name for level in self.levels for name in interval_columns(alias, level)]

    def bounds(self, alias: str, forecasts: _Array, half_widths: _Array) -> dict[str, _Array]:
        """Return forecasts of any shape, and the bounds of their intervals, by column.

        ``half_widths`` has a last axis more than ``forecasts``, for the levels.
        """
        sides = [forecasts + sign * half_widths[..., place]
                 for place in range(len(self.levels)) for sign in (-1, 1)]
        return {alias: forecasts, **dict(zip(self.columns(alias), sides, strict=True))}

    def shortest(self, model: ForecastingModel, reach: int) -> int:
        """Return how many samples fitting and calibrating need."""
        return model.min_length(reach) + self._fewest(reach)

    def size(self, model: ForecastingModel, length: int, reach: int) -> int:
        """Return the samples of the calibration part of ``length`` training samples."""
        fewest = self._fewest(reach)
        if self.conformal.calibration_size is not None:
            return fewest
        return min(max(fewest, length // _SHARE), length - model.min_length(reach))

    @property
    def errors(self) -> int:
        """How many errors the highest level needs: with fewer, its interval has no end."""
        share = self.levels[-1] / 100
        return math.ceil(share / (1 - share) - 1e-9)

    def _fewest(self, reach: int) -> int:
        """Return the samples that the calibration part must have."""
        needed = (2 if self.conformal.method == "adaptive" else 1) * self.errors + reach - 1
        size = self.conformal.calibration_size
        if size is not None and size < needed:
            raise InvalidArgumentError(
                "calibration_size", f"at least {needed} for level={self.levels[-1]:g} at"
                f" {reach} steps ahead", str(size), "Raise it, or lower level or h.")
        return needed if size is None else size


def _check_levels(level: Any) -> tuple[float, ...]:
    """Return levels in percent, increasing."""
    given = level if isinstance(level, Sequence | np.ndarray) else [level]
    if isinstance(level, str) or len(given) == 0:
        raise InvalidTypeError("level", "percentages such as [80, 95]", repr(level),
                               "Pass a list of numbers between 0 and 100, or None.")
    levels = sorted({check_real(one, "level", "Pass numbers such as [80, 95].") for one in given})
    if not 1 <= levels[0] <= levels[-1] < 100:
        raise InvalidArgumentError("level", "percentages from 1 to below 100, not shares",
                                   repr(level), "Pass for example level=[80, 95].")
    if len({f"{one:g}" for one in levels}) < len(levels):
        raise InvalidArgumentError("level", "different to six digits", repr(level),
                                   "Their columns would have the same names.")
    return tuple(levels)


@dataclass(frozen=True)
class Calibrator:
    """Errors on the calibration part of one fold, for the intervals of all its cutoffs.

    Attributes
    ----------
    calibration : Calibration
    model : ForecastingModel
    samples : Samples
        Up to the last cutoff of the fold.
    fold : Fold
    reach : int
        Steps ahead, H.
    """

    calibration: Calibration
    model: ForecastingModel
    samples: Samples
    fold: Fold
    reach: int

    @property
    def fit_stop(self) -> int:
        """Position after the last sample that the calibrating fit sees."""
        length = self.fold.fit_stop - self.fold.fit_start
        return self.fold.fit_stop - self.calibration.size(self.model, length, self.reach)

    def fit(self, start: WarmStarts) -> Any:
        """Return the state of the fit that calibrates."""
        history = self.samples.history(self.fold.fit_start, self.fit_stop)
        return self.model.train(history, self.reach, start)

    def half_widths(self, calibrating: Any, state: Any) -> npt.NDArray[np.float64]:
        """Return half-widths at each cutoff, step and level, shape (C, H, n_levels).

        Parameters
        ----------
        calibrating, state : object
            What `fit` gave, and the fit that forecasts.

        Raises
        ------
        InvalidArgumentError
            If so many samples of the calibration part are missing that a level needs more.
        """
        held_out = np.arange(self.fit_stop - 1, self.fold.fit_stop - 1)
        errors = self._errors(calibrating, held_out, self.fit_stop)
        known = errors.copy()
        known[held_out[:, np.newaxis] + np.arange(1, self.reach + 1)
              >= self.fold.fit_stop] = np.nan
        self._check_enough(known)
        if self.calibration.conformal.method == "split":
            widths = _quantiles(known, np.array(self.calibration.levels) / 100)
            return np.broadcast_to(widths, (len(self.fold.cutoffs), *widths.shape))
        since = np.arange(self.fold.fit_stop - 1, self.fold.cutoffs[-1] + 1)
        errors = np.concatenate([errors, self._errors(state, since, self.fold.fit_stop)])
        widths = _adaptive(errors, len(held_out) // 2, self.calibration)
        at_cutoffs: _Array = widths[self.fold.cutoffs - held_out[0]]
        return at_cutoffs

    def _check_enough(self, known: _Array) -> None:
        """Refuse levels that need more errors than are known at some step, of (m, H)."""
        counts, needed = (~np.isnan(known)).sum(axis=0), self.calibration.errors
        if counts.min() < needed:
            raise InvalidArgumentError(
                "data", f"known at {needed} errors of the calibration part for"
                f" level={self.calibration.levels[-1]:g}",
                f"{counts.min()} at {np.argmin(counts) + 1} steps ahead, as samples are missing",
                "Raise calibration_size, lower level, or fill the series first.")

    def _errors(self, state: Any, origins: npt.NDArray[np.intp], fit_stop: int) -> _Array:
        """Return absolute errors from each origin, NaN where the sample is not known."""
        past = self.samples.past_at(origins, fit_stop, self.model.lookback, self.reach)
        forecasts = forecast_checked(self.model, state, past, self.reach)
        values = np.concatenate([self.samples.values, np.full(self.reach, np.nan)])
        targets: _Array = values[origins[:, np.newaxis] + np.arange(1, self.reach + 1)]
        return np.abs(targets - forecasts)


def _quantiles(errors: _Array, shares: _Array) -> _Array:
    """Return conformal quantiles of each column of (m, H) that holds NaN, shape (H, L).

    ``shares`` are (L,), or (H, L) for other ones at each step. Above the largest error that is
    known nothing is: it stands for infinity.
    """
    ordered = np.sort(errors, axis=0)  # NaN last
    counts = (~np.isnan(errors)).sum(axis=0)[:, np.newaxis]
    ranks = np.ceil((counts + 1) * shares - 1e-9).astype(np.intp)
    ranks = np.clip(ranks, 1, np.maximum(counts, 1)) - 1
    quantiles: _Array = ordered[ranks, np.arange(errors.shape[1])[:, np.newaxis]]
    return quantiles


def _adaptive(errors: _Array, warm_up: int, calibration: Calibration) -> _Array:
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
        recent = known[max(0, origin + 1 - _WINDOW) : origin + 1]
        widths[origin] = np.maximum.accumulate(_quantiles(recent, shares), axis=1)
    return widths
