"""What a model may know: the samples that it is fitted on, and the past of each cutoff.

Models are handed a `History` and a `Past`, copies that end at a cutoff, and never the series,
so that no sample after a cutoff is there to be used.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import Array
from relu_forecast.windows.grids import Grid

_Positions = npt.NDArray[np.intp]
_Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Covariates:
    """Columns beside the target that a model uses.

    Attributes
    ----------
    past : tuple of str
        Known up to a cutoff, as the target is.
    future : tuple of str
        Known ahead: calendars, plans, weather forecasts.
    """

    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, those of the past first."""
        return (*self.past, *self.future)


@dataclass(frozen=True)
class History:
    """Samples that a model is fitted on; missing ones are filled, see `SeriesArrays`.

    Attributes
    ----------
    values : ndarray, shape (n,)
        The series, oldest first.
    past : ndarray, shape (n, p)
        Columns that are known up to a cutoff, as the series is.
    future : ndarray, shape (n, q)
        Columns that are known ahead.
    observed : ndarray of bool, shape (n,), or None
        Where neither the series nor a column of the past is missing, for models that leave out
        what touches the other samples. None: all samples count, filled ones too.
    weights : ndarray, shape (n,), or None
        How much each sample counts as what is to be forecast, >= 0. None: all the same.
    start : int
        Position of the first sample in its series, by which a later training part is known to go on
        from an earlier one.
    """

    values: Array
    past: Array
    future: Array
    observed: _Flags | None = None
    weights: Array | None = None
    start: int = 0

    @classmethod
    def of(cls, values: npt.ArrayLike) -> History:
        """Return a history without further columns."""
        samples = np.asarray(values, dtype=np.float64)
        return cls(samples, np.empty((len(samples), 0)), np.empty((len(samples), 0)))

    def __len__(self) -> int:
        """Return the number of samples, n."""
        return len(self.values)

    def part(self, part: slice) -> History:
        """Return some consecutive samples."""
        observed = None if self.observed is None else self.observed[part]
        weights = None if self.weights is None else self.weights[part]
        return History(self.values[part], self.past[part], self.future[part], observed, weights,
                       self.start + part.indices(len(self))[0])

    def on_grids(self, relative: bool) -> History:
        """Return the same with whole numbers for samples, see `Grid`; so for each column.

        ``relative`` numbers are those of steps from the first sample of the series.
        """
        return replace(self, values=Grid.of(self.known, relative).steps(self.values),
                       past=_on_grids(self.past), future=_on_grids(self.future))

    @property
    def known(self) -> Array:
        """The series, shape (n,), NaN where a sample does not count."""
        return self.values if self.observed is None else np.where(
            self.observed, self.values, np.nan)

    @property
    def longest_run(self) -> int:
        """Samples that follow one another and are observed, at most."""
        starts, stops = self._runs
        return int((stops - starts).max())

    @property
    def _runs(self) -> tuple[_Positions, _Positions]:
        """Where samples that follow one another and are observed begin, and where they end."""
        gaps = np.empty(0) if self.observed is None else np.flatnonzero(~self.observed)
        edges = np.concatenate([[-1], gaps, [len(self)]]).astype(np.intp)
        return edges[:-1] + 1, edges[1:]

    def has_run(self, length: int, lookback: int) -> bool:
        """Tell whether at least ``length`` samples follow one another and are observed.

        With weights, as many of them as come after a window of ``lookback`` must weigh more than 0.
        """
        starts, stops = self._runs
        weigh = np.ones(len(self)) if self.weights is None else self.weights > 0
        count = np.concatenate([[0], np.cumsum(weigh)])
        ahead = count[stops] - count[np.minimum(starts + lookback, stops)]
        return bool(((stops - starts >= length) & (ahead >= length - lookback)).any())

    def whole_windows(self, length: int, steps: _Positions) -> _Flags | None:
        """Tell of each window of so many samples whether they, and those to forecast, all count.

        Windows are those with samples at all ``steps`` after them, which increase; None where
        all count. A window does not if all that is to be forecast weighs nothing.
        """
        if self.observed is None and self.weights is None:
            return None
        ends = np.arange(length, len(self) - steps[-1] + 1)
        ahead = ends[:, np.newaxis] + steps - 1
        whole: _Flags = np.ones(len(ends), dtype=bool)
        if self.observed is not None:
            missing = np.concatenate([[0], np.cumsum(~self.observed)])
            whole = (missing[ends] == missing[ends - length]) & self.observed[ahead].all(axis=1)
        if self.weights is not None:
            whole &= (self.weights[ahead] > 0).any(axis=1)
        return whole

    def mean_weights(self, length: int, steps: _Positions) -> Array | None:
        """Return the weights of all windows: the mean ones of the samples ``steps`` after them."""
        if self.weights is None:
            return None
        ends = np.arange(length, len(self) - steps[-1] + 1)
        means: Array = self.weights[ends[:, np.newaxis] + steps - 1].mean(axis=1)
        return means

    def window_weights(self, length: int, steps: _Positions) -> Array | None:
        """Return the weights of the windows that count, see `whole_windows`; None: all the same."""
        weights = self.mean_weights(length, steps)
        return None if weights is None else weights[self.whole_windows(length, steps)]

    def check_windows(self, whole: _Flags | None, fewest: int, length: int) -> None:
        """Refuse gaps and weights that leave too few windows of ``length`` samples to train on."""
        if whole is None or whole.sum() >= fewest:
            return
        if self.weights is not None:
            raise InvalidArgumentError(
                "training part", f"of weights above 0 at what follows {fewest} windows of {length}"
                " samples, at least, with weight_col",
                f"{whole.sum()} that count", "Weigh more of the samples, or use fewer lags.")
        raise InvalidArgumentError(
            "training part", f"observed at {fewest} windows of {length} samples, and what follows"
            " them, at least, with missing='skip'",
            f"{whole.sum()} without a missing value",
            "Use fewer lags or a shorter horizon, or missing='interpolate'.")


def _on_grids(columns: Array) -> Array:
    """Return columns as whole numbers of steps of each."""
    steps = [Grid.of(column).steps(column) for column in columns.T]
    return np.stack(steps, axis=1) if steps else columns


@dataclass(frozen=True)
class Past:
    """What a model may know when it forecasts, at each of C cutoffs.

    Attributes
    ----------
    windows : ndarray, shape (C, L)
        The last ``L`` samples at each cutoff, oldest first.
    elapsed : ndarray of int, shape (C,)
        Samples between the end of the training part and each cutoff; 0 right after fitting.
    recent : History
        The max(elapsed) samples after the training part, of which a cutoff may use the first
        ``elapsed``, with their columns; those known ahead go on to H samples later.
    past : ndarray, shape (C, L, p)
        Columns that are known up to a cutoff, at the samples of the windows.
    future : ndarray, shape (C, H, q)
        Columns that are known ahead, at the H samples after each cutoff.
    """

    windows: Array
    elapsed: _Positions
    recent: History
    past: Array
    future: Array

    @classmethod
    def of(cls, windows: Array, h: int) -> Past:
        """Return the past of ``h`` forecasts right after fitting, without further columns."""
        count = len(windows)
        return cls(windows, np.zeros(count, dtype=np.intp), History.of(np.empty(0)),
                   np.empty((*windows.shape, 0)), np.empty((count, h, 0)))


@dataclass(frozen=True)
class SeriesArrays:
    """A series and its further columns, out of which histories and pasts are cut.

    A missing sample is filled on the straight line between its observed neighbours, and from
    the last observed one where its cutoff knows no later neighbour: what is filled at a cutoff
    rests on samples up to it alone. The first sample of each column is observed.
    """

    values: Array
    """Shape (n,). The series; NaN where a sample is missing."""
    past: Array
    """Shape (n, p). Columns that are known up to a cutoff; NaN where a sample is missing."""
    future: Array
    """Shape (n + H, q). Columns that are known ahead, and complete."""
    skips: bool = False
    """Whether histories say which samples are missing, for what touches them to be left out."""
    weights: Array | None = None
    """Shape (n,). How much each sample counts as what is to be forecast; None: all the same."""

    def __len__(self) -> int:
        """Return the number of samples, n."""
        return len(self.values)

    def until(self, stop: int, reach: int) -> SeriesArrays:
        """Return copies that end before position ``stop``, known columns ``reach`` later."""
        return SeriesArrays(
            self.values[:stop].copy(), self.past[:stop].copy(), self.future[: stop + reach].copy(),
            self.skips, self._weights(slice(stop)))

    def history(self, start: int, stop: int) -> History:
        """Return what is known of positions ``start`` to ``stop - 1`` when they are past."""
        at = np.array([stop - 1])
        back = np.arange(start - stop + 1, 1)
        return History(self._columns.known(at, back)[0, :, 0],
                       self._past_columns.known(at, back)[0], self.future[start:stop].copy(),
                       self._observed(slice(start, stop)), self._weights(slice(start, stop)),
                       start)

    def _weights(self, part: slice) -> Array | None:
        """Return a copy of some weights, if there are any."""
        return None if self.weights is None else self.weights[part].copy()

    def _observed(self, part: slice) -> _Flags | None:
        """Return which samples are observed, with their columns; None where all count."""
        if not self.skips:
            return None
        observed: _Flags = ~(np.isnan(self.values[part]) | np.isnan(self.past[part]).any(axis=1))
        return observed

    def past_at(self, cutoffs: _Positions, fit_stop: int, length: int, reach: int) -> Past:
        """Return what is known at some cutoffs, positions of the last known samples.

        The training part ends before position ``fit_stop``. Windows have ``length`` samples, and
        columns that are known ahead go ``reach`` samples beyond each cutoff.
        """
        back = np.arange(1 - length, 1)
        stop, now = max(int(cutoffs.max()) + 1, fit_stop), np.zeros(1, dtype=np.intp)
        since = np.arange(fit_stop, stop)
        ahead = cutoffs[:, np.newaxis] + np.arange(1, reach + 1)
        return Past(self._columns.known(cutoffs, back)[:, :, 0], cutoffs - (fit_stop - 1),
                    History(self._columns.known(since, now)[:, 0, 0],
                            self._past_columns.known(since, now)[:, 0],
                            self.future[fit_stop : stop + reach],
                            self._observed(slice(fit_stop, stop)),
                            self._weights(slice(fit_stop, stop)), fit_stop),
                    self._past_columns.known(cutoffs, back),
                    self.future[ahead] if self.future.shape[1] else np.empty((*ahead.shape, 0)))

    @cached_property
    def _columns(self) -> _Filled:
        """The series, filled."""
        return _Filled.of(self.values[:, np.newaxis])

    @cached_property
    def _past_columns(self) -> _Filled:
        """The further columns of the past, filled."""
        return _Filled.of(self.past)


@dataclass(frozen=True)
class _Filled:
    """Columns with missing samples filled, and where the last observed one is."""

    lines: Array
    """Shape (n, p). Missing samples on the straight line between their observed neighbours."""
    last: _Positions
    """Shape (n, p). Position of the last observed sample up to each."""

    @classmethod
    def of(cls, columns: Array) -> _Filled:
        """Fill columns, the first sample of which is observed."""
        observed = ~np.isnan(columns)
        positions = np.arange(len(columns))
        last = np.maximum.accumulate(np.where(observed, positions[:, np.newaxis], 0), axis=0)
        if observed.all():
            return cls(columns, last)
        lines = [np.interp(positions, positions[seen], column[seen])
                 for column, seen in zip(columns.T, observed.T, strict=True)]
        return cls(np.stack(lines, axis=1), last)

    def known(self, cutoffs: _Positions, back: _Positions) -> Array:
        """Return what each cutoff knows of the samples around it, shape (C, len(back), p)."""
        positions = (cutoffs[:, np.newaxis] + back)[:, :, np.newaxis]
        known = np.minimum(positions, self.last[cutoffs][:, np.newaxis, :])
        samples: Array = self.lines[known, np.arange(self.lines.shape[1])]
        return samples
