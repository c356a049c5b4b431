"""Walking forward through a series: fit on the past, forecast, step on, and repeat.

The walk hands a model copies of the training part and of the windows that end at its cutoffs,
never the series, so that no sample after a cutoff is there to be used.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd
from joblib import Parallel, delayed, effective_n_jobs

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.series import Panel, TimeSeries
from relu_forecast.validation import check_choice, check_int, check_positive_int


class ForecastError(RuntimeError):
    """A model failed on one series or cutoff, which the message names; its cause is chained."""


@dataclass(frozen=True)
class Past:
    """What a model may know when it forecasts: the samples up to each of C cutoffs.

    Attributes
    ----------
    windows : ndarray, shape (C, L)
        The last ``L`` samples at each cutoff, oldest first.
    elapsed : ndarray of int, shape (C,)
        Samples between the end of the training part and each cutoff; 0 right after fitting.
    """

    windows: npt.NDArray[np.float64]
    elapsed: npt.NDArray[np.intp]


@runtime_checkable
class WindowModel(Protocol):
    """A forecaster as the walk forward sees it: arrays in, arrays out, nothing kept."""

    @property
    def _history_length(self) -> int:
        """Samples that a forecast looks back on, L."""

    def _fit_values(self, values: npt.NDArray[np.float64]) -> Any:
        """Return the state that fitting ``values`` gives."""

    def _forecast_values(self, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
        """Return the ``h`` samples after each cutoff, shape (C, h)."""


@dataclass(frozen=True)
class Fold:
    """One fit, and the cutoffs that are forecast with it.

    Attributes
    ----------
    fit_start, fit_stop : int
        The training part is ``values[fit_start:fit_stop]``.
    cutoffs : ndarray of int, shape (C,)
        Positions of the last known samples; the first is ``fit_stop - 1``.
    """

    fit_start: int
    fit_stop: int
    cutoffs: npt.NDArray[np.intp]


@dataclass(frozen=True)
class Walk:
    """Where to stop, fit and forecast; see `Forecaster.cross_validation` for the parameters.

    A cutoff is the position of the last known sample. From each one, samples
    ``cutoff + gap + 1`` to ``cutoff + gap + h`` are forecast. The last forecast ends with the
    series, and cutoffs are ``step_size`` samples apart.

    Attributes
    ----------
    h : int
    n_windows, step_size, input_size : int or None
    gap : int
    refit : bool or int

    Raises
    ------
    InvalidArgumentError
        If one of them is out of range.
    """

    h: int
    n_windows: int | None = None
    step_size: int | None = None
    input_size: int | None = None
    gap: int = 0
    refit: bool | int = True

    def __post_init__(self) -> None:
        check_positive_int(self.h, "h", "Pass how many samples to forecast, >= 1.")
        for name in ("n_windows", "step_size", "input_size"):
            if getattr(self, name) is not None:
                check_positive_int(getattr(self, name), name, "Pass a whole number >= 1 or None.")
        check_int(self.gap, "gap", minimum=0, remedy="Pass 0 to forecast from the next sample.")
        if not isinstance(self.refit, bool | np.bool_):
            check_positive_int(self.refit, "refit", "Pass True, False, or k >= 1 cutoffs per fit.")

    @property
    def reach(self) -> int:
        """Samples from a cutoff to the end of its forecast, ``gap + h``."""
        return self.gap + self.h

    def cutoffs(self, length: int, shortest_fit: int) -> npt.NDArray[np.intp]:
        """Place the cutoffs on a series.

        Parameters
        ----------
        length : int
            Samples in the series.
        shortest_fit : int
            Samples that a model needs to be fitted, at least.

        Returns
        -------
        ndarray of int, shape (C,)
            Increasing positions; ``C`` is ``n_windows``, or as many as leave the first half of
            the series, ``shortest_fit`` and ``input_size`` samples to the first fit.

        Raises
        ------
        InvalidArgumentError
            If the series is too short for them, or ``input_size`` for the model.
        """
        first_fit = self._first_fit(length, shortest_fit)
        step = self.step_size or self.h
        last = length - self.reach - 1
        possible = (last + 1 - first_fit) // step + 1
        wanted = possible if self.n_windows is None else self.n_windows
        if not 1 <= wanted <= possible:
            needed = first_fit + max(wanted - 1, 0) * step + self.reach
            raise InvalidArgumentError(
                "data", f"at least {needed} samples long, {first_fit} of them for the first fit",
                f"{length} samples", "Supply more history, or lower h, gap, n_windows, step_size"
                " or input_size; without n_windows, half of the series is kept for the first fit.")
        return last - step * np.arange(wanted - 1, -1, -1, dtype=np.intp)

    def _first_fit(self, length: int, shortest_fit: int) -> int:
        """Return how many samples the first fit must have."""
        if self.input_size is not None and self.input_size < shortest_fit:
            raise InvalidArgumentError(
                "input_size", f"at least {shortest_fit}, what the model needs to be fitted",
                str(self.input_size), "Use longer training windows, or fewer lags.")
        half = (length + 1) // 2 if self.n_windows is None else 1
        return max(half, shortest_fit, self.input_size or 1)

    def folds(self, length: int, shortest_fit: int) -> tuple[Fold, ...]:
        """Group the cutoffs of a series by the fit that they share.

        Parameters
        ----------
        length, shortest_fit : int
            As for `cutoffs`.

        Returns
        -------
        tuple of Fold
            In order of time. Their training parts end at their first cutoffs.
        """
        cutoffs = self.cutoffs(length, shortest_fit)
        per_fit = int(self.refit) if self.refit else len(cutoffs)
        groups = [cutoffs[i : i + per_fit] for i in range(0, len(cutoffs), per_fit)]
        return tuple(self._fold(group) for group in groups)

    def _fold(self, cutoffs: npt.NDArray[np.intp]) -> Fold:
        """Return the fold that is fitted up to the first of these cutoffs."""
        stop = int(cutoffs[0]) + 1
        return Fold(0 if self.input_size is None else stop - self.input_size, stop, cutoffs)


def walk_forward(
    model: WindowModel,
    panel: Panel,
    walk: Walk,
    *,
    shortest_fit: int,
    alias: str,
    n_jobs: int | None = None,
    verbose: bool = False,
) -> pd.DataFrame:
    """Fit and forecast at every cutoff of every series.

    Parameters
    ----------
    model : WindowModel
        Left unchanged.
    panel : Panel
    walk : Walk
    shortest_fit : int
        Samples that each fit must have, at least.
    alias : str
        Column of the forecasts.
    n_jobs : int, optional
        Joblib workers over series and fits. The forecasts do not depend on it.
    verbose : bool, default False
        Show progress on stderr, if it is a terminal.

    Returns
    -------
    pandas.DataFrame
        Identifier, time, ``"cutoff"``, target and ``alias``, sorted by identifier, cutoff and
        time.

    Raises
    ------
    ForecastError
        If a fit or a forecast fails; the message names the series and the cutoff.
    InvalidArgumentError
        The same, where what failed says which argument is wrong; or a series is too short.
    """
    panel.columns.check_free(alias, "alias")
    folds = [_folds_of(series, walk, shortest_fit) for series in panel.series]
    tasks = (
        delayed(_fit_and_forecast)(model, _task(series, fold, model._history_length), walk.reach)
        for series, own in zip(panel.series, folds, strict=True)
        for fold in own
    )
    blocks = iter(_run(tasks, sum(map(len, folds)), n_jobs, verbose))
    forecasts = [np.concatenate([next(blocks) for _ in own])[:, walk.gap :] for own in folds]
    cutoffs = [np.concatenate([fold.cutoffs for fold in own]) for own in folds]
    return _frame(panel, cutoffs, forecasts, walk, alias)


def forecast_after(
    model: WindowModel, state: Any, series: TimeSeries, h: int
) -> npt.NDArray[np.float64]:
    """Forecast the ``h`` samples after the end of a series on which ``state`` was fitted.

    Parameters
    ----------
    model : WindowModel
    state : object
        What ``model`` made of ``series``.
    series : TimeSeries
    h : int

    Returns
    -------
    ndarray, shape (h,)

    Raises
    ------
    ForecastError, InvalidArgumentError
        As for `walk_forward`.
    """
    window = series.values[len(series.values) - model._history_length :].copy()
    past = Past(window[np.newaxis], np.zeros(1, dtype=np.intp))
    with locate_errors(f"series {series.unique_id}"):
        return _forecast(model, state, past, h).ravel()


@contextmanager
def locate_errors(where: str) -> Iterator[None]:
    """Say in the message of any error where it happened.

    Parameters
    ----------
    where : str
        For example ``"series a, cutoff 41"``.

    Raises
    ------
    InvalidArgumentError
        In place of one of its kind.
    ForecastError
        In place of any other exception.
    """
    try:
        yield
    except InvalidArgumentError as error:
        raise type(error)(
            f"{error.argument} ({where})", error.required, error.got, error.remedy) from error
    except Exception as error:
        raise ForecastError(f"{where}: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class _Task:
    """What one fit and its forecasts need to know, and no sample more."""

    training: npt.NDArray[np.float64]
    past: Past
    where: str


def _folds_of(series: TimeSeries, walk: Walk, shortest_fit: int) -> tuple[Fold, ...]:
    """Return the folds of one series; an error names it."""
    with locate_errors(f"series {series.unique_id}"):
        return walk.folds(len(series.values), shortest_fit)


def _task(series: TimeSeries, fold: Fold, history_length: int) -> _Task:
    """Copy what a fold may see out of a series."""
    back = np.arange(1 - history_length, 1)
    past = Past(
        series.values[fold.cutoffs[:, np.newaxis] + back], fold.cutoffs - (fold.fit_stop - 1))
    training = series.values[fold.fit_start : fold.fit_stop].copy()
    ends = [str(series.times[position]) for position in fold.cutoffs[[0, -1]]]
    shown = f"cutoff {ends[0]}" if len(fold.cutoffs) == 1 else f"cutoffs {ends[0]} to {ends[1]}"
    return _Task(training, past, f"series {series.unique_id}, {shown}")


def _fit_and_forecast(
    model: WindowModel, task: _Task, h: int
) -> npt.NDArray[np.float64] | ForecastError | InvalidArgumentError:
    """Fit one fold and forecast from each of its cutoffs, shape (C, h); or return its error.

    Were it raised in a worker, which of several failing folds is named would be chance.
    """
    try:
        with locate_errors(task.where):
            state = model._fit_values(task.training)
            return _forecast(model, state, task.past, h)
    except (ForecastError, InvalidArgumentError) as error:
        return error


def _forecast(model: WindowModel, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
    """Forecast, and refuse to return anything that is not finite."""
    forecasts: npt.NDArray[np.float64] = model._forecast_values(state, past, h)
    if not np.isfinite(forecasts).all():
        step = int(np.argmin(np.isfinite(forecasts).all(axis=0))) + 1
        raise FloatingPointError(
            f"the forecast is not finite from step {step} of {h} on. The fitted recursion is"
            " unstable: shorten h, use fewer lags, or regularise more.")
    return forecasts


def _run(tasks: Iterator[Any], total: int, n_jobs: int | None, verbose: bool) -> list[Any]:
    """Run joblib tasks in order, with a progress bar if a person can see it."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise InvalidArgumentError(
            "n_jobs", "a whole number other than 0, or None", repr(n_jobs),
            "Pass 2 for two workers, -1 for all cores.")
    alone = effective_n_jobs(n_jobs) == 1  # then a failure ends the run at once
    if not (check_choice(verbose, "verbose", (True, False)) and sys.stderr.isatty()):
        results = Parallel(n_jobs=n_jobs, return_as="generator" if alone else "list")(tasks)
        return list(map(_raise_errors, results))
    # Imported here: nobody else waits for it. Not every joblib backend can give results one by one.
    from rich.console import Console
    from rich.progress import track

    results = Parallel(n_jobs=n_jobs, return_as="generator")(tasks)
    shown = track(results, "Walking forward", total, console=Console(stderr=True))
    return list(map(_raise_errors, shown))


def _raise_errors(result: Any) -> Any:
    """Raise what a fold returned in place of its forecasts, if that is an error."""
    if isinstance(result, Exception):
        raise result
    return result


def _frame(
    panel: Panel,
    cutoffs: list[npt.NDArray[np.intp]],
    forecasts: list[npt.NDArray[np.float64]],
    walk: Walk,
    alias: str,
) -> pd.DataFrame:
    """Lay forecasts (C, h) per series out as one long DataFrame."""
    ahead = np.arange(walk.gap + 1, walk.reach + 1)
    targets = [(own[:, np.newaxis] + ahead).ravel() for own in cutoffs]
    pairs = list(zip(panel.series, cutoffs, targets, strict=True))
    return panel.long_frame(
        [series.times[positions] for series, _, positions in pairs],
        {
            "cutoff": [series.times[own.repeat(walk.h)] for series, own, _ in pairs],
            panel.columns.target: [series.values[positions] for series, _, positions in pairs],
            alias: [block.ravel() for block in forecasts],
        },
    )
