"""One fold of an evaluation: fit, calibrate and forecast, in whatever process."""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import ForecastError, InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.evaluation.checkpoint import digest_of
from relu_forecast.forecasting.evaluation.intervals import Calibration, CalibrationPart
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import collect_unconverged, locate_errors
from relu_forecast.storage import Array, Maybe, encode, stored
from relu_forecast.training.interruption import interrupts_end_all

_Array = npt.NDArray[np.float64]


@stored()
@dataclass(frozen=True)
class FoldWarmStarts:
    """What the fits of a later fold can start from."""

    main: WarmStarts = ()
    calibrating: WarmStarts = ()
    """For the fit that forecasts, and for the one before the calibration part."""


@stored(forecasts=Array((2,), finite=False), half_widths=Maybe(Array((3,), finite=False)))
@dataclass(frozen=True)
class FoldResult:
    """What came of one fold."""

    forecasts: _Array
    """Shape (C, H). From each cutoff, at each step ahead."""
    half_widths: _Array | None
    """Shape (C, H, n_levels). Of the intervals, where levels are wanted."""
    warm_starts: FoldWarmStarts
    """What the next fold can start from."""
    seconds: float
    """Wall-clock time of fits and forecasts."""
    unconverged: str
    """What was said of fits that did not converge; empty if all did."""


@dataclass(frozen=True)
class FoldFit:
    """What the fits and forecasts of one fold need to know, and no sample more."""

    model: ForecastingModel
    arrays: SeriesArrays
    """Up to the last cutoff of the fold, what is known ahead to the end of its forecasts."""
    fold: Fold
    horizon: int
    """Steps ahead, from a cutoff to the end of its forecasts, H."""
    calibration: Calibration | None
    warm_starts: FoldWarmStarts
    """What an earlier fold left."""
    where: str
    """Series and cutoffs, for messages."""

    @property
    def digest(self) -> str:
        """A digest of all that decides the result."""
        arrays = self.arrays
        return digest_of(self.model, arrays.values, arrays.past, arrays.future, arrays.skips,
                         arrays.weights, self.fold, self.horizon, self.calibration,
                         encode(self.warm_starts))

    def run(self) -> FoldResult:
        """Fit, calibrate and forecast."""
        model, fold, began = self.model, self.fold, perf_counter()
        with interrupts_end_all(), collect_unconverged() as messages:
            state = model.train(self.arrays.history(fold.fit_start, fold.fit_stop), self.horizon,
                                self.warm_starts.main)
            past = self.arrays.past_at(fold.cutoffs, fold.fit_stop, model.lookback, self.horizon)
            forecasts = forecast_checked(model, state, past, self.horizon)
            widths, calibrating = self._calibrate(state)
        warm_starts = FoldWarmStarts(model.warm_start_of(state), calibrating)
        return FoldResult(
            forecasts, widths, warm_starts, perf_counter() - began, "\n".join(messages))

    def _calibrate(self, state: Any) -> tuple[_Array | None, WarmStarts]:
        """Return half-widths of intervals, and what a later fit that calibrates can start from."""
        if self.calibration is None:
            return None, ()
        length = self.fold.fit_stop - self.fold.fit_start
        size = self.calibration.size(self.model, length, self.horizon)
        part = CalibrationPart(self.model, self.arrays, self.fold, self.horizon, size)
        errors, warm_start = part.held_out(state), self.warm_starts.calibrating
        if errors is None:
            calibrating = part.fit(warm_start)
            errors, warm_start = part.errors(calibrating), self.model.warm_start_of(calibrating)
        return self.calibration.half_widths(part, errors, state), warm_start


@runtime_checkable
class RunnableFold(Protocol):
    """A fold of one series, or of all."""

    @property
    def where(self) -> str:
        """Which it is, for messages."""

    def run(self) -> FoldResult:
        """Fit, calibrate and forecast."""


@dataclass(frozen=True)
class FoldFailure:
    """An error and its cause, which would get lost on the way from a worker."""

    error: Exception
    cause: BaseException | None


def run_fold(number: int, fit: RunnableFold) -> tuple[int, FoldResult | FoldFailure]:
    """Run a fold in a worker; an error is returned, so that the first in order can be raised."""
    try:
        with locate_errors(fit.where):
            return number, fit.run()
    except (ForecastError, InvalidArgumentError) as error:
        return number, FoldFailure(error, error.__cause__)
