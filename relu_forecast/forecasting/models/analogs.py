"""Analogs: forecasts that are what followed the past windows most like the last one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.compiled import AnalogSearch, WindowModel
from relu_forecast.compiled.recursion import for_steps
from relu_forecast.estimators.decomposition import Part
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past, SeriesArrays
from relu_forecast.forecasting.models.decomposition import (
    Decomposition,
    MemberPart,
    past_of,
    unrolled,
)
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.storage import VECTOR, Added, Maybe, Whole, stored
from relu_forecast.storage import Array as Numbers
from relu_forecast.validation import Array, check_choice, check_positive_int


@stored(values=Numbers((1,), finite=False), lags=Whole(1), k=Whole(1), horizon=Whole(1),
        weights=Added(Maybe(VECTOR), None))
@dataclass(frozen=True)
class AnalogModel:
    """The samples of a training part, to be searched for windows like a given one."""

    values: Array
    """Shape (n,). The training part, n >= lags + horizon; NaN where a sample does not count."""
    lags: int
    """Samples of a window."""
    k: int
    """Windows that are averaged; all, if there are fewer."""
    horizon: int
    """Samples that each window must have after it."""
    relative: bool
    """Whether windows are compared, and continued, relative to their last sample."""
    weights: Array | None = None
    """Shape (n - lags - horizon + 1,). Of the windows, in the mean of what followed them; None: all
    the same."""

    @classmethod
    def of(cls, history: History, lags: int, k: int, horizon: int, relative: bool) -> AnalogModel:
        """Take a training part, whose windows weigh as what follows them does."""
        return cls(history.known, lags, k, horizon, relative,
                   history.mean_weights(lags, np.arange(1, horizon + 1)))

    def check_stored(self) -> None:
        """Refuse samples without one window."""
        if np.isinf(self.values).any():
            raise ValueError("samples must not be infinite")
        if self.weights is not None and ((self.weights < 0).any() or (
                len(self.weights) != len(self.values) - self.lags - self.horizon + 1)):
            raise ValueError("it must have weights >= 0 of its windows")
        if len(self.values) < self.lags + self.horizon or not self._whole.any():
            raise ValueError("it must have samples for one window and what follows it")

    @property
    def _whole(self) -> npt.NDArray[np.bool_]:
        """Which windows count, with what follows them, shape (n - lags - horizon + 1,)."""
        missing = np.concatenate([[0], np.cumsum(np.isnan(self.values))])
        size = self.lags + self.horizon
        whole: npt.NDArray[np.bool_] = missing[size:] == missing[:-size]
        return whole if self.weights is None else whole & (self.weights > 0)

    @property
    def n_windows(self) -> int:
        """Windows that count."""
        return int(self._whole.sum())

    def forecast(self, windows: Array, h: int) -> Array:
        """Return the ``h`` samples after each window, shape (C, h).

        Beyond the horizon, what has been forecast is searched for in its turn, a horizon at a
        time.
        """
        samples = windows
        while samples.shape[1] < windows.shape[1] + h:
            samples = np.concatenate([samples, self._horizon(samples[:, -self.lags :])], axis=1)
        return samples[:, windows.shape[1] :][:, :h]

    def _horizon(self, windows: Array) -> Array:
        """Return the samples of one horizon after each window, shape (C, horizon)."""
        followed = self.followed(windows)
        return followed + windows[:, -1:] if self.relative else followed

    def decompose(self, arrays: SeriesArrays, cutoff: int, h: int) -> Decomposition:
        """Take apart the ``h`` forecasts from one cutoff, the position of the last known sample."""
        past = past_of(arrays, cutoff, self.lags, h)
        return unrolled(self._taken_apart, past.windows[0], h)

    def _taken_apart(self, window: Array, step: int) -> Decomposition:
        """Take apart the forecasts of one horizon: the same analogs are found near the window."""
        followed = self.followed(window[np.newaxis])[0]
        coefficients = np.zeros((self.horizon, self.lags))
        coefficients[:, -1] = self.relative
        base = window[-1] if self.relative else 0.0
        parts = (MemberPart("", Part("last value", "base")),
                 MemberPart("", Part("analogs", "analogs")))
        return Decomposition(
            window, coefficients, parts,
            np.column_stack([np.full(self.horizon, base), followed]),
            np.ones((self.horizon, 2), dtype=bool))

    def followed(self, windows: Array, own: npt.NDArray[np.intp] | None = None) -> Array:
        """Return what followed the windows most like each of these, see `AnalogSearch`."""
        return self.search.followed(windows, own)

    @property
    def search(self) -> AnalogSearch:
        """The samples, prepared to be searched."""
        return AnalogSearch.of(self.values, self.lags, self.k, self.horizon,
                               relative=self.relative, allowed=self._whole, weights=self.weights)

    def compiled(self, n_steps: int) -> WindowModel:
        """Return the model as plain arrays, for ``n_steps`` ahead."""
        return for_steps(self.search, n_steps)


class Analogs(Forecaster):
    """Average what followed the past windows that are most like the last one.

    ``y[t + j] = y[t] + mean of (y[s + j] - y[s])`` over the k times s whose last ``lags`` samples,
    relative to ``y[s]``, are nearest to those of t, by Euclidean distance: analog forecasting
    (Lorenz 1969, Journal of the Atmospheric Sciences 26(4)), called context parroting by Zhang
    and Gilpin (2025, arXiv 2505.11349). Nothing is trained; the training part is kept.

    Only windows with the whole horizon after them in the training part are searched, whatever
    part of it is forecast, so that all steps average the same windows. Of windows at equal
    distance, up to 1e-6 of their usual size, the newer ones are taken: see `windows.neighbours`.
    A constant training part repeats the last sample. With ``weight_col``, the mean is weighted, a
    window by the mean weight of what follows it.

    Parameters
    ----------
    lags : int, default 60
        Samples of the windows.
    k : int, default 5
        Windows that are averaged; all, where there are fewer.
    transform : {"last_value", None}, default "last_value"
        Whether windows are compared, and continued, relative to their last sample, for a level
        that wanders, or as they are.
    alias : str, default "Analogs"
        Column of the forecasts.

    Notes
    -----
    Cost: a forecast from C cutoffs takes 2 C n lags operations, in products of matrices; memory
    beyond the samples does not grow with n.

    Examples
    --------
    >>> model = Analogs(lags=2, k=1).fit([1, 2, 4, 5, 9, 11, 12], horizon=2)
    >>> model.predict()["Analogs"].tolist()
    [16.0, 18.0]
    """

    def __init__(self, lags: int = 60, k: int = 5, transform: str | None = "last_value",
                 alias: str = "Analogs") -> None:
        self.lags = lags
        self.k = k
        self.transform = transform
        self.alias = alias

    def check_parameters(self) -> None:
        super().check_parameters()
        check_positive_int(self.lags, "lags")
        check_positive_int(self.k, "k")
        check_choice(self.transform, "transform", ("last_value", None))

    @property
    def lookback(self) -> int:
        return self.lags

    @property
    def skips_missing(self) -> bool:
        return True

    @property
    def accepts_weights(self) -> bool:
        return True

    @property
    def needs_horizon(self) -> bool:
        return True

    def min_length(self, h: int) -> int:
        return self.lags + h

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> AnalogModel:
        whole = history.whole_windows(self.lags, np.arange(1, horizon + 1))
        history.check_windows(whole, 1, self.lags)
        return AnalogModel.of(history, self.lags, self.k, horizon, self.transform is not None)

    def check_state(self, state: Any, n_samples: int) -> None:
        if not isinstance(state, AnalogModel) or len(state.values) != n_samples:
            raise ValueError(f"it must be the {n_samples} samples of the series")
        kept = state.lags, state.k, state.horizon, state.relative
        if kept != (self.lags, self.k, self.horizon_, self.transform is not None):
            raise ValueError("it must have the lags, k, horizon and transform of the forecaster")

    def forecast(self, state: AnalogModel, past: Past, h: int) -> Array:
        return state.forecast(past.windows, h)
