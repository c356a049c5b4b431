"""What forecasters did on a stretch, measured, and kept in a file as soon as it is known."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import process_time
from typing import Any

import numpy as np

from benchmarks.accuracy_peers import Entrant, Setting
from benchmarks.accuracy_stretches import Stretch
from benchmarks.instances import Floats
from benchmarks.report import machine
from relu_forecast import ForecastError
from relu_forecast.forecasting.data.history import Past, SeriesArrays

_FAILURES = (ForecastError, ValueError, ArithmeticError, MemoryError)
STEPS = (1, 10, 30)
"""Steps ahead that tables show, beside the mean over all."""


def steps_of(horizon: int) -> list[int | None]:
    """Return the steps that tables show, None for all of them."""
    return [*(step for step in STEPS if step <= horizon), None]


@dataclass(frozen=True)
class Result:
    """One forecaster on one stretch.

    Attributes
    ----------
    stretch, digest : str
        Name of the stretch, and what tells its samples from others.
    model : str
        Name of the entrant.
    lags, horizon : int
        Samples of a window, 0 where they do not matter; steps ahead.
    mean_squares : list of float
        Mean squared error at each step, in variances of the training part.
    fit_s, forecast_s : float
        Processor seconds of the fit, and of all forecasts.
    cutoffs : int
        How many there were.
    failure : str
        Why there are no forecasts; empty if there are.
    notes : dict
        What else the fit says of itself.
    """

    stretch: str
    digest: str
    model: str
    lags: int
    horizon: int
    mean_squares: list[float] = field(default_factory=list)
    fit_s: float = 0.0
    forecast_s: float = 0.0
    cutoffs: int = 0
    failure: str = ""
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What is measured once."""
        return f"{self.digest}-{self.model}-{self.lags}-{self.horizon}"

    def rmse(self, step: int | None = None) -> float:
        """Return the root mean squared error at a step, or over all; infinite after a failure."""
        if self.failure:
            return float("inf")
        squares = self.mean_squares if step is None else self.mean_squares[step - 1 : step]
        return float(np.sqrt(np.mean(squares)))


class Book:
    """Results in a folder: ``results.json``, and the errors that tests of differences need.

    Parameters
    ----------
    folder : Path
        Where to; what earlier runs left there is taken up.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._file = folder / "results.json"
        found = json.loads(self._file.read_text()) if self._file.exists() else []
        self._results = {one.key: one for one in (Result(**row) for row in found)}

    def __iter__(self) -> Iterator[Result]:
        """Iterate over the results, in the order in which they came."""
        return iter(self._results.values())

    def __contains__(self, result: Result) -> bool:
        """Tell whether it, or what was measured in its place, is there."""
        return result.key in self._results

    def add(self, result: Result, errors: Floats | None) -> None:
        """Write a result down, at once and whole."""
        if errors is not None:
            path = self._errors_file(result)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.save(path, _sizes(errors).astype(np.float32))
        self._results[result.key] = result
        self.folder.mkdir(parents=True, exist_ok=True)
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps([asdict(one) for one in self], indent=1))
        new.replace(self._file)

    def errors(self, result: Result) -> dict[int | None, Floats] | None:
        """Return sizes of errors, shape (C,), by step of `steps_of`; None if they are lost.

        Over all steps it is the root mean square for each cutoff; all in training deviations.
        """
        path = self._errors_file(result)
        if not path.exists():
            return None
        return dict(zip(steps_of(result.horizon), np.load(path).astype(np.float64), strict=True))

    def _errors_file(self, result: Result) -> Path:
        """Return where the errors of a result are."""
        return self.folder / "errors" / f"{result.key}.npy"


def _sizes(errors: Floats) -> Floats:
    """Return the sizes of errors, (C, H), at the steps of `steps_of`, shape (steps, C)."""
    return np.stack([np.sqrt((errors**2).mean(axis=1)) if step is None else abs(errors[:, step - 1])
                     for step in steps_of(errors.shape[1])])


def blank(entrant: Entrant, stretch: Stretch, lags: int, horizon: int) -> Result:
    """Return a result that is still to be measured."""
    return Result(
        stretch.name, stretch.digest, entrant.name, lags if entrant.sees_lags else 0, horizon)


def measure(entrant: Entrant, stretch: Stretch, lags: int,
            horizon: int) -> tuple[Result, Floats | None]:
    """Fit to the training part, forecast from every cutoff, and compare with what came."""
    result = blank(entrant, stretch, lags, horizon)
    try:
        forecasts, notes = forecast(entrant, stretch, lags, horizon)
    except _FAILURES as failure:
        text = f"{type(failure).__name__}: {str(failure).splitlines()[0]}"
        return Result(**{**asdict(result), "failure": text}), None
    errors = (forecasts - stretch.truth(horizon)) / stretch.unit
    squares = (errors**2).mean(axis=0).tolist()
    return Result(**{**asdict(result), "mean_squares": squares, "cutoffs": len(errors), **notes}
                  ), errors


def forecast(entrant: Entrant, stretch: Stretch, lags: int,
             horizon: int) -> tuple[Floats, dict[str, Any]]:
    """Return forecasts from all cutoffs, shape (C, horizon), and what they took.

    The fit is handed a copy of the training part. What is handed on later ends at the last cutoff,
    and a forecaster gives each cutoff its own past.
    """
    began = process_time()
    model = entrant.make(Setting(lags, horizon, stretch.train))
    model.fit(stretch.train, horizon=horizon)
    fitted = process_time()
    (state,) = model.models_.values()
    forecasts = model.forecast(state, _past(stretch, model.lookback, horizon), horizon)
    done = process_time()
    if not np.isfinite(forecasts).all():
        raise ArithmeticError("forecasts are not finite")
    notes = {"fit_s": fitted - began, "forecast_s": done - fitted, "notes": _notes(model)}
    return forecasts, notes


def _past(stretch: Stretch, lookback: int, horizon: int) -> Past:
    """Return what is known at the cutoffs."""
    cutoffs = stretch.cutoffs(horizon)
    known = stretch.values[: cutoffs[-1] + 1].copy()
    nothing = np.empty((len(known), 0))
    return SeriesArrays(known, nothing, nothing).past_at(
        cutoffs, stretch.n_train, lookback, horizon)


def _notes(model: Any) -> dict[str, Any]:
    """Return where it was fitted, and the members of a committee, those of most weight first."""
    notes: dict[str, Any] = {"processor": machine(1)["processor"]}
    members = getattr(model, "members_", None)
    if members is not None and "weight" in members:
        notes["members"] = {
            row.member: round(float(row.weight), 4) for row in members.itertuples()}
    return notes


def of_stretch(results: Iterable[Result], stretch: str) -> list[Result]:
    """Return the results of one stretch."""
    return [one for one in results if one.stretch == stretch]
