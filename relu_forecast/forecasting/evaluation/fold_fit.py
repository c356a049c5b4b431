"""One fold of an evaluation: fit, calibrate and forecast, in whatever process."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import ForecastError, InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.evaluation.checkpoint import digest_of
from relu_forecast.forecasting.evaluation.intervals import Calibration
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


@dataclass(frozen=True, kw_only=True)
class FoldFit(ABC):
    """What the fits and forecasts of one fold need to know, and no sample more."""

    model: ForecastingModel
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
        return digest_of(self.model, *self.data, self.horizon, self.calibration,
                         encode(self.warm_starts))

    def run(self) -> FoldResult:
        """Fit, calibrate and forecast."""
        began = perf_counter()
        with interrupts_end_all(), collect_unconverged() as messages:
            fitted = self.fit(self.warm_starts.main)
            forecasts = self.forecast(fitted)
            widths, calibrating = None, ()
            if self.calibration is not None:
                widths, calibrating = self.calibrate(fitted, self.calibration)
        warm_starts = FoldWarmStarts(self.warm_start_of(fitted), calibrating)
        return FoldResult(
            forecasts, widths, warm_starts, perf_counter() - began, "\n".join(messages))

    @property
    @abstractmethod
    def data(self) -> tuple[Any, ...]:
        """What is fitted and forecast, for `digest`."""

    @abstractmethod
    def fit(self, warm_start: WarmStarts) -> Any:
        """Return the fit that forecasts."""

    @abstractmethod
    def forecast(self, fitted: Any) -> _Array:
        """Return its forecasts, (C, H)."""

    @abstractmethod
    def calibrate(self, fitted: Any, calibration: Calibration) -> tuple[_Array, WarmStarts]:
        """Return half-widths of intervals, and what a later fit that calibrates can start from."""

    @abstractmethod
    def warm_start_of(self, fitted: Any) -> WarmStarts:
        """Return what a later fit can start from."""


@dataclass(frozen=True, kw_only=True)
class SeriesFoldFit(FoldFit):
    """One fold of one series."""

    arrays: SeriesArrays
    """Up to the last cutoff of the fold, what is known ahead to the end of its forecasts."""
    fold: Fold

    @property
    def data(self) -> tuple[Any, ...]:
        arrays = self.arrays
        return (arrays.values, arrays.past, arrays.future, arrays.skips, arrays.weights, self.fold)

    def fit(self, warm_start: WarmStarts) -> Any:
        history = self.arrays.history(self.fold.fit_start, self.fold.fit_stop)
        return self.model.train(history, self.horizon, warm_start)

    def forecast(self, fitted: Any) -> _Array:
        past = self.arrays.past_at(
            self.fold.cutoffs, self.fold.fit_stop, self.model.lookback, self.horizon)
        return forecast_checked(self.model, fitted, past, self.horizon)

    def calibrate(self, fitted: Any, calibration: Calibration) -> tuple[_Array, WarmStarts]:
        part = calibration.part(self.model, self.arrays, self.fold, self.horizon)
        errors, warm_start = part.held_out(fitted), self.warm_starts.calibrating
        if errors is None:
            calibrating = part.fit(warm_start)
            errors, warm_start = part.errors(calibrating), self.model.warm_start_of(calibrating)
        return calibration.half_widths(part, errors, fitted), warm_start

    def warm_start_of(self, fitted: Any) -> WarmStarts:
        return self.model.warm_start_of(fitted)


@dataclass(frozen=True)
class FoldFailure:
    """An error and its cause, which would get lost on the way from a worker."""

    error: Exception
    cause: BaseException | None


def run_fold(number: int, fit: FoldFit) -> tuple[int, FoldResult | FoldFailure]:
    """Run a fold in a worker; an error is returned, so that the first in order can be raised."""
    try:
        with locate_errors(fit.where):
            return number, fit.run()
    except (ForecastError, InvalidArgumentError) as error:
        return number, FoldFailure(error, error.__cause__)
