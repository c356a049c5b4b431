"""What every forecaster shares: data in, walk forward, frames out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.series import Panel, read_panel
from relu_forecast.forecasting.walk_forward import (
    Past,
    Walk,
    forecast_after,
    locate_errors,
    walk_forward,
)
from relu_forecast.validation import check_positive_int

_F = TypeVar("_F", bound="Forecaster")


class Forecaster(BaseEstimator, ABC):
    """Base class of forecasters: one model per series, fitted on its samples alone.

    The parameters follow scikit-learn: ``__init__`` stores them, `fit` checks them, and
    ``get_params``, ``set_params`` and ``sklearn.base.clone`` work. A subclass gives ``alias``,
    the column of its forecasts, and works on arrays: `_fit_values` returns a picklable state,
    `_forecast_values` turns a state and a `Past` into forecasts, and neither keeps anything.

    Attributes
    ----------
    models_ : dict
        After `fit`: the fitted state of each series, by its identifier.
    panel_ : Panel
        After `fit`: the series that were fitted.
    """

    alias: str

    @property
    @abstractmethod
    def _history_length(self) -> int:
        """Samples that a forecast looks back on, L >= 1."""

    @abstractmethod
    def _fit_values(self, values: npt.NDArray[np.float64]) -> Any:
        """Return the state that fitting ``values``, shape (n,), gives."""

    @abstractmethod
    def _forecast_values(self, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
        """Return the ``h`` samples after each of C cutoffs, shape (C, h)."""

    def _min_length(self, h: int) -> int:
        """Return how many samples fitting and forecasting ``h`` steps need."""
        return self._history_length

    def _check_parameters(self) -> None:
        """Refuse parameters that are out of range, before any work is done."""
        if not isinstance(self.alias, str) or not self.alias:
            raise InvalidTypeError(
                "alias", "a non-empty string", repr(self.alias), "Name the forecast column.")

    def fit(
        self: _F,
        data: Any,
        *,
        freq: Any = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
    ) -> _F:
        """Fit one model to each series.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            One series; or a long DataFrame of one or many, with a row per sample. An array has
            times 0, 1, 2, ...; a Series has its index as times.
        freq : None, number, str, pandas.Timedelta or pandas offset, optional
            Time between samples. None infers it; a given one must agree with the time stamps.
        id_col, time_col, target_col : str
            Column names, of ``data`` and of the forecasts.

        Returns
        -------
        Forecaster
            Itself, fitted.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, or the data is unusable: see `read_panel`; or a
            series is too short, or constant where the model has to standardise it.
        ForecastError
            If the fit of a series fails in any other way.
        """
        self._check_parameters()
        panel = read_panel(
            data, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)
        panel.columns.check_free(self.alias, "alias")
        self._check_lengths(panel, h=1)
        models: dict[Hashable, Any] = {}
        for series in panel.series:
            with locate_errors(f"series {series.unique_id}"):
                models[series.unique_id] = self._fit_values(series.values)
        self.models_, self.panel_ = models, panel
        return self

    def predict(self, h: int) -> pd.DataFrame:
        """Forecast the ``h`` samples that follow the end of each fitted series.

        Parameters
        ----------
        h : int
            Samples to forecast.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per series
            Identifier, time, and the forecasts in the column ``alias``, in the unit of the
            data; sorted by identifier and time.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            If ``h`` is below 1, or a series is too short for it.
        ForecastError
            If a forecast fails or diverges.
        """
        check_is_fitted(self)
        h = check_positive_int(h, "h", "Pass how many samples to forecast, >= 1.")
        panel: Panel = self.panel_
        self._check_lengths(panel, h)
        forecasts = [
            forecast_after(self, self.models_[series.unique_id], series, h)
            for series in panel.series
        ]
        return panel.long_frame(
            [series.clock.after(h) for series in panel.series], {self.alias: forecasts})

    def cross_validation(
        self,
        data: Any,
        h: int,
        *,
        n_windows: int | None = None,
        step_size: int | None = None,
        input_size: int | None = None,
        gap: int = 0,
        refit: bool | int = True,
        n_jobs: int | None = None,
        verbose: bool = False,
        freq: Any = None,
        id_col: str = "unique_id",
        time_col: str = "ds",
        target_col: str = "y",
    ) -> pd.DataFrame:
        """Walk forward through each series: fit on the past, forecast ``h`` samples, step on.

        The forecaster itself is not changed. A cutoff is the time of the last sample that a
        forecast knows. The last window ends with the series.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            As for `fit`.
        h : int
            Samples to forecast from each cutoff.
        n_windows : int, optional
            Cutoffs per series. None takes as many as leave at least the first half of the
            series, and ``input_size`` samples, to the first fit.
        step_size : int, optional
            Samples between cutoffs; None means ``h``.
        input_size : int, optional
            Train on a sliding window of this many samples; None trains on an expanding one,
            all samples up to the cutoff.
        gap : int, default 0
            Samples left out between the cutoff and the first one that is forecast.
        refit : bool or int, default True
            Fit at every cutoff, only at the first one (False), or at every ``refit``-th one.
            A cutoff without a fit of its own still forecasts from all samples up to it.
        n_jobs : int, optional
            Joblib workers over series and fits. The forecasts do not depend on it.
        verbose : bool, default False
            Show progress on stderr, if it is a terminal.
        freq, id_col, time_col, target_col
            As for `fit`.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per cutoff
            Identifier, time, ``"cutoff"``, target, and the forecasts in the column ``alias``;
            sorted by identifier, cutoff and time.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, the data is unusable, or a series is too short.
        ForecastError
            If a fit or a forecast fails; the message names series and cutoff.
        """
        self._check_parameters()
        panel = read_panel(
            data, freq=freq, id_col=id_col, time_col=time_col, target_col=target_col)
        walk = Walk(h, n_windows, step_size, input_size, gap, refit)
        return walk_forward(
            clone(self), panel, walk, shortest_fit=self._min_length(walk.reach),
            alias=self.alias, n_jobs=n_jobs, verbose=verbose)

    def _check_lengths(self, panel: Panel, h: int) -> None:
        """Refuse series that are too short to fit and to forecast ``h`` steps."""
        needed = self._min_length(h)
        for series in panel.series:
            if len(series.values) < needed:
                raise InvalidArgumentError(
                    f"series {series.unique_id}",
                    f"at least {needed} samples long for {type(self).__name__} and h={h}",
                    f"{len(series.values)} samples",
                    "Supply more history, or use fewer lags or a shorter season.")
