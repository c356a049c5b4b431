"""One fold of an evaluation: fit, calibrate and forecast, in whatever process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from relu_forecast.exceptions import ForecastError, InvalidArgumentError
from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts, forecast_checked
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.forecasting.evaluation.checkpoint import digest_of
from relu_forecast.forecasting.evaluation.intervals import Calibration, CalibrationPart
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.forecasting.failures import collect_unconverged, locate_errors
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.warm_start import Penalties, WarmStart

_Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class FoldWarmStarts:
    """What the fits of a later fold can start from.

    Attributes
    ----------
    main, calibrating : tuple of WarmStart
        For the fit that forecasts, and for the one before the calibration part.
    """

    main: WarmStarts = ()
    calibrating: WarmStarts = ()

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the same as arrays, the names of which say where they belong."""
        return {f"{role}/{place}/{name}": array for role, starts in vars(self).items()
                for place, start in enumerate(starts)
                for name, array in _arrays_of(start).items()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> FoldWarmStarts:
        """Return what `to_arrays` turned into arrays; those of other names are left out."""
        found: dict[str, dict[int, dict[str, npt.NDArray[Any]]]] = {"main": {}, "calibrating": {}}
        for key, array in arrays.items():
            role, *rest = key.split("/")
            if rest:
                found[role].setdefault(int(rest[0]), {})[rest[1]] = array
        return cls(**{role: tuple(_start_of(own[place]) for place in sorted(own))
                      for role, own in found.items()})


@dataclass(frozen=True)
class FoldResult:
    """What came of one fold.

    Attributes
    ----------
    forecasts : ndarray, shape (C, H)
        From each cutoff, at each step ahead.
    half_widths : ndarray, shape (C, H, n_levels), or None
        Of the intervals, where levels are wanted.
    warm_starts : FoldWarmStarts
        What the next fold can start from.
    seconds : float
        Wall-clock time of fits and forecasts.
    unconverged : str
        What was said of fits that did not converge; empty if all did.
    """

    forecasts: _Array
    half_widths: _Array | None
    warm_starts: FoldWarmStarts
    seconds: float
    unconverged: str

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the same as arrays, for a `Checkpoint`."""
        widths = {} if self.half_widths is None else {"half_widths": self.half_widths}
        return {
            "forecasts": self.forecasts, **widths, **self.warm_starts.to_arrays(),
            "seconds": np.array([self.seconds]),
            "unconverged": np.frombuffer(self.unconverged.encode(), dtype=np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> FoldResult:
        """Return the result that `to_arrays` turned into arrays."""
        return cls(
            arrays["forecasts"], arrays.get("half_widths"), FoldWarmStarts.from_arrays(arrays),
            float(arrays["seconds"][0]), arrays["unconverged"].tobytes().decode())


@dataclass(frozen=True)
class FoldFit:
    """What the fits and forecasts of one fold need to know, and no sample more.

    Attributes
    ----------
    model : ForecastingModel
    arrays : SeriesArrays
        Up to the last cutoff of the fold, what is known ahead to the end of its forecasts.
    fold : Fold
    horizon : int
        Steps ahead, from a cutoff to the end of its forecasts, H.
    calibration : Calibration or None
    warm_starts : FoldWarmStarts
        What an earlier fold left.
    where : str
        Series and cutoffs, for messages.
    """

    model: ForecastingModel
    arrays: SeriesArrays
    fold: Fold
    horizon: int
    calibration: Calibration | None
    warm_starts: FoldWarmStarts
    where: str

    @property
    def digest(self) -> str:
        """A digest of all that decides the result."""
        return digest_of(
            self.model, *vars(self.arrays).values(), self.fold, self.horizon, self.calibration,
            self.warm_starts.to_arrays())

    def run(self) -> FoldResult:
        """Fit, calibrate and forecast."""
        began = perf_counter()
        with collect_unconverged() as messages:
            state, forecasts = self._fit()
            widths, calibrating = self._calibrate(state)
        warm_starts = FoldWarmStarts(self.model.warm_start_of(state), calibrating)
        return FoldResult(
            forecasts, widths, warm_starts, perf_counter() - began, "\n".join(messages))

    def _fit(self) -> tuple[Any, _Array]:
        """Return the state of the fit, and its forecasts."""
        model, fold = self.model, self.fold
        state = model.train(
            self.arrays.history(fold.fit_start, fold.fit_stop), self.horizon,
            self.warm_starts.main)
        past = self.arrays.past_at(fold.cutoffs, fold.fit_stop, model.lookback, self.horizon)
        return state, forecast_checked(model, state, past, self.horizon)

    def _calibrate(self, state: Any) -> tuple[_Array | None, WarmStarts]:
        """Return half-widths of intervals, and what a later fit that calibrates can start from."""
        if self.calibration is None:
            return None, ()
        length = self.fold.fit_stop - self.fold.fit_start
        size = self.calibration.size(self.model, length, self.horizon)
        part = CalibrationPart(self.model, self.arrays, self.fold, self.horizon, size)
        calibrating = part.fit(self.warm_starts.calibrating)
        widths = self.calibration.half_widths(part, calibrating, state)
        return widths, self.model.warm_start_of(calibrating)


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


def _arrays_of(start: WarmStart) -> dict[str, npt.NDArray[Any]]:
    """Return a warm start as arrays by name."""
    parts = {"blocks": start.neurons.blocks, "signs": start.neurons.signs, "ends": start.ends,
             "linear_ends": start.linear_ends}
    arrays = {name: part.numpy() for name, part in parts.items()}
    if start.penalties is not None:
        arrays["penalties"] = np.array([start.penalties.beta_ratio, start.penalties.skip_penalty])
    return arrays


def _start_of(arrays: Mapping[str, npt.NDArray[Any]]) -> WarmStart:
    """Return the warm start that was turned into arrays."""
    blocks, signs, ends, linear_ends = (
        torch.from_numpy(arrays[name].copy()) for name in ("blocks", "signs", "ends",
                                                           "linear_ends"))
    penalties = Penalties(*arrays["penalties"].tolist()) if "penalties" in arrays else None
    return WarmStart(Neurons(blocks, signs), ends, linear_ends, penalties)
