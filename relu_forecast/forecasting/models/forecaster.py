"""The base class of forecasters: data in, one fit per series, frames of forecasts out."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.utils.validation import check_is_fitted

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import (
    check_missing,
    check_weights,
    check_within_horizon,
    forecast_checked,
)
from relu_forecast.forecasting.data.panel import Columns, Panel, Reading
from relu_forecast.forecasting.data.reading import (
    read_ahead,
    read_panel,
)
from relu_forecast.forecasting.evaluation.intervals import Calibration, ConformalIntervals
from relu_forecast.forecasting.evaluation.plan import Evaluation
from relu_forecast.forecasting.evaluation.splits import Splits
from relu_forecast.forecasting.evaluation.walk_forward import walk_forward
from relu_forecast.forecasting.failures import locate_errors
from relu_forecast.forecasting.models import card, fitting
from relu_forecast.forecasting.models.continuing import Continues
from relu_forecast.forecasting.models.exporting import Exports
from relu_forecast.forecasting.models.storing import StorableForecaster
from relu_forecast.validation import check_positive_int

_F = TypeVar("_F", bound="Forecaster")


class Forecaster(card.CardInNotebooks, Continues, Exports, StorableForecaster):
    """Base class of forecasters: one model per series, fitted on its samples alone.

    A subclass writes ``__init__``, which stores its parameters and ``alias``, and three methods
    that work on arrays: `lookback`, `train`, which turns a `History` into a state, and `forecast`,
    which turns a state and a `Past` into forecasts. `ForecastingModel` says what these and the
    others do, docs/custom_forecaster.md has an example, and `check_forecaster` tells whether all
    fits together.

    Parameters follow scikit-learn: ``__init__`` stores them unchanged, `check_parameters` checks
    them at `fit`, and ``get_params``, ``set_params`` and ``sklearn.base.clone`` work.

    Attributes
    ----------
    alias : str
        Column of the forecasts.
    models_ : dict
        After `fit`: the state of each series, by its identifier.
    panel_ : Panel
        After `fit`: the series that were fitted.
    horizon_ : int or None
        After `fit`: steps ahead that `predict` forecasts unless it is told otherwise.
    intervals_ : ConformalIntervals or None
        After `fit`: how intervals are made, if they are.
    calibrations_ : dict
        After `fit`: by identifier, the absolute errors on the calibration part, which intervals
        are made of, shape (m, horizon); empty without intervals.
    """

    alias: str

    def check_parameters(self) -> None:
        """Refuse parameters that are out of range, before any work is done."""
        if not isinstance(self.alias, str) or not self.alias:
            raise InvalidTypeError(
                "alias", "a non-empty string", repr(self.alias), "Name the forecast column.")

    def fit(self: _F, data: Any, *, horizon: int | None = None, intervals: Any = None,
            freq: Any = None, missing: str = "error", n_jobs: int | None = None,
            id_col: str = "unique_id", time_col: str = "ds", target_col: str = "y",
            weight_col: str | None = None) -> _F:
        """Fit one model to each series.

        Parameters
        ----------
        data : array_like (n,), pandas.Series or pandas.DataFrame
            One series; or a long DataFrame of one or many, with a row per sample. An array has
            times 0, 1, 2, ...; a Series has its index as times.
        horizon : int, optional
            Samples that `predict` will be asked for. Models with a regressor for each step ahead,
            such as those of ``strategy="direct"``, and ``intervals`` need it.
        intervals : {"split", "adaptive"} or ConformalIntervals, optional
            How prediction intervals are made: of the errors on a calibration part at the end of
            each series. A committee knows them; of other models a fit to the samples before it
            makes them. None makes no intervals.
        freq : None, number, str, pandas.Timedelta or pandas offset, optional
            Time between samples. None infers it; a given one must agree with the time stamps.
        missing : {"error", "interpolate", "skip"}, default "error"
            Refuse missing values; or fill them on the line between their neighbours, and at
            the end of what is known with the last observed value; or, with ``"skip"``, leave all
            windows and targets that touch one out of training, and fill only the windows that are
            forecast from. A column of ``past_exog`` that is missing is treated as the series
            is. Models of whole series, such as ETS and ARIMA, refuse ``"skip"``.
        n_jobs : int, optional
            Joblib workers over series. The fits do not depend on it.
        id_col, time_col, target_col : str
            Column names, of ``data`` and of the forecasts.
        weight_col : str, optional
            Column of ``data``, and of that of `update`, with a weight >= 0 for each sample: a
            window counts in training as what is forecast from it weighs, and not at all at 0.
            Models that weigh no samples, such as ETS and Naive, refuse it.

        Returns
        -------
        Forecaster
            Itself, fitted.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, or the horizon is missing; the data is unusable, see
            `read_panel`; or a series is too short, or constant where the model has to
            standardise it.
        ForecastError
            If the fit of a series fails in any other way.
        """
        reading = self._reading(freq, missing, id_col, time_col, target_col, weight_col)
        conformal = None if intervals is None else ConformalIntervals.of(intervals)
        horizon = self._checked_horizon(horizon, conformal)
        panel = read_panel(data, reading)
        panel.columns.check_free(self.alias, "alias")
        fits = fitting.fit_panel(clone(self), panel, horizon, conformal, n_jobs, {})
        self.panel_, self.horizon_, self.intervals_, self.notes_ = panel, horizon, conformal, {}
        self.models_ = {name: fit.state for name, fit in fits.items()}
        self.calibrations_ = fitting.errors_of(fits)
        return self

    def calibrate(self: _F, horizon: int | None = None, intervals: Any = "split", *,
                  n_jobs: int | None = None) -> _F:
        """Make the intervals of a forecaster that was fitted without them, or others.

        The fits that forecast stay as they are. Where they do not know errors of forecasts of
        samples that they had not seen, each series is fitted once more, to all but its calibration
        part.

        Parameters
        ----------
        horizon : int, optional
            Samples that `predict` will be asked for; it becomes ``horizon_``. None keeps that of
            `fit`; so do models that are limited to it, which refuse a longer one.
        intervals, n_jobs
            As for `fit`.

        Returns
        -------
        Forecaster
            Itself.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError, ForecastError
            As `fit`; or ``horizon`` is above that of a fit that is limited to it.
        """
        check_is_fitted(self)
        conformal = ConformalIntervals.of(intervals)
        steps = self._checked_horizon(self.horizon_ if horizon is None else horizon, conformal) or 0
        if self.needs_horizon:
            check_within_horizon(steps, self.horizon_ or 0)
            steps = self.horizon_ or 0
        fits = fitting.fit_panel(
            clone(self), self.panel_, steps, conformal, n_jobs, {}, self.models_)
        self.horizon_, self.intervals_ = steps, conformal
        self.calibrations_ = fitting.errors_of(fits)
        return self

    def predict(self, h: int | None = None, *, level: Any = None,
                future: pd.DataFrame | None = None, data: Any = None) -> pd.DataFrame:
        """Forecast the samples that follow the end of each fitted series. Nothing is trained.

        Parameters
        ----------
        h : int, optional
            Samples to forecast; None takes the ``horizon`` of `fit`.
        level : float or list of float, optional
            Percentages of the samples that prediction intervals should cover, after a `fit` with
            ``intervals``; ``h`` is at most its ``horizon`` then.
        future : pandas.DataFrame, optional
            The columns that the model knows ahead, at the times that are forecast: identifier,
            time and these columns.
        data : array_like (n,), pandas.Series or pandas.DataFrame, optional
            As for `fit`: series to forecast in place of those that were fitted, for models of all
            series, such as those of ``scope="global"``. Those that were fitted, by their
            identifier, keep their scale and linear part; others are scaled by their samples in
            ``data``, and have the common linear part. There are no intervals of them.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per series
            Identifier, time, and the forecasts in the column ``alias``, in the unit of the
            data; for each level the bounds, ``<alias>-lo-<level>`` and ``<alias>-hi-<level>``;
            sorted by identifier and time.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError
            If an argument is out of range, ``h`` is above the horizon of a fit that is limited to
            it, there are no intervals, or too few errors for a level.
        ForecastError
            If a forecast fails or diverges.
        """
        check_is_fitted(self)
        h = self._steps(h)
        panel, states = self._adopted(data, level, h)
        calibration = self._calibration(level, h)
        times = [series.clock.after(h) for series in panel.series]
        ahead = read_ahead(panel, future, times, self.covariates.future)
        columns: dict[str, Any] = {}
        for series, known in zip(panel.series, ahead, strict=True):
            arrays, last = series.arrays(self.covariates, known), np.array([len(series) - 1])
            past = arrays.past_at(last, series.n_fitted, self.lookback, h)
            with locate_errors(f"series {series.unique_id}"):
                forecasts = forecast_checked(self, states[series.unique_id], past, h)[0]
                own = {self.alias: forecasts}
                if calibration is not None:
                    widths = calibration.half_widths_at_end(
                        self.calibrations_[series.unique_id][:, :h])
                    own = calibration.bounds(self.alias, forecasts, widths)
            for name, values in own.items():
                columns.setdefault(name, []).append(values)
        return panel.long_frame(times, columns)

    def cross_validation(self, data: Any, h: int, *, n_windows: int | None = None,
                         step_size: int | None = None, input_size: int | None = None, gap: int = 0,
                         refit: bool | int = True, level: Any = None, intervals: Any = "split",
                         n_jobs: int | None = None, verbose: bool = False, checkpoint: Any = None,
                         freq: Any = None, missing: str = "error", id_col: str = "unique_id",
                         time_col: str = "ds", target_col: str = "y",
                         weight_col: str | None = None) -> pd.DataFrame:
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
            A cutoff without a fit of its own still forecasts from all samples up to it. Fits
            after the first start warm from an earlier one, and keep the penalties that it chose.
        level : float or list of float, optional
            As for `predict`. Every fit comes with one for its calibration part then. Where
            cutoffs share a fit, split intervals stay as they were at the fit; adaptive ones
            learn from every sample up to the cutoff.
        intervals : {"split", "adaptive"} or ConformalIntervals, default "split"
            How intervals are made, if levels are given.
        n_jobs : int, optional
            Joblib workers over series and fits. The forecasts do not depend on it.
        verbose : bool, default False
            Show progress on stderr, if it is a terminal.
        checkpoint : str or path, optional
            A file that keeps each fit's forecasts once they are done. After an interruption,
            the same call goes on where it was. Delete the file when it is no longer needed,
            or when the code of an estimator of your own has changed.
        freq, missing, id_col, time_col, target_col, weight_col
            As for `fit`. A target that is missing stays missing in the result.

        Returns
        -------
        pandas.DataFrame, ``h`` rows per cutoff
            Identifier, time, ``"cutoff"``, target, the forecasts in the column ``alias``, and
            the bounds of intervals as in `predict`; sorted by identifier, cutoff and time.

        Raises
        ------
        InvalidArgumentError
            If a parameter is out of range, the data is unusable, or a series is too short.
        ForecastError
            If a fit or a forecast fails; the message names series and cutoff.
        """
        reading = self._reading(freq, missing, id_col, time_col, target_col, weight_col)
        evaluation = Evaluation({self.alias: clone(self)}, read_panel(data, reading),
                                Splits(h, n_windows, step_size, input_size, gap, refit),
                                Calibration.of(level, intervals))
        predictions, _ = walk_forward(evaluation, n_jobs=n_jobs, verbose=verbose,
                                      checkpoint=checkpoint)
        return predictions

    def _adopted(self, data: Any, level: Any, h: int) -> tuple[Panel, dict[Hashable, Any]]:
        """Return the series to forecast, by default those that were fitted, and their states."""
        if data is None:
            fitting.check_lengths(self, self.panel_, h)
            return self.panel_, self.models_
        if level is not None:
            raise InvalidArgumentError(
                "level", "None with data, whose series have no calibration part", repr(level),
                "Leave it out, or fit with these series.")
        panel = read_panel(data, self.panel_.reading)
        return panel, fitting.adopt_panel(self, panel, self.models_)

    @property
    def usual_horizon(self) -> int | None:
        """Samples that `fit` takes to be asked for where it is not told; by default None."""
        return None

    def _reading(self, freq: Any, missing: str, id_col: str, time_col: str,
                 target_col: str, weight_col: str | None) -> Reading:
        """Check the parameters, and return how data is read."""
        self.check_parameters()
        check_missing(self, missing)
        check_weights(self, weight_col)
        return Reading(Columns(id_col, time_col, target_col), freq, missing,
                       self.covariates.names, weight_col)

    def _checked_horizon(self, horizon: Any, conformal: ConformalIntervals | None) -> int | None:
        """Return the horizon; refuse one that is none, or is missing where it is needed."""
        remedy = "Pass fit(..., horizon=h), h being the samples that predict will be asked for."
        horizon = self.usual_horizon if horizon is None else horizon
        if horizon is not None:
            return check_positive_int(horizon, "horizon", remedy)
        if self.needs_horizon:
            raise InvalidArgumentError(
                "horizon", f"given for {type(self).__name__}, which fits the steps ahead", "None",
                remedy)
        if conformal is not None:
            raise InvalidArgumentError("horizon", "given with intervals", "None", remedy)
        return None

    def _steps(self, h: Any) -> int:
        """Return how many samples to forecast."""
        wanted = self.horizon_ if h is None else h
        remedy = "Pass how many samples to forecast, >= 1."
        if wanted is None:
            raise InvalidArgumentError("h", "given after a fit without a horizon", "None", remedy)
        steps = check_positive_int(wanted, "h", remedy)
        if self.needs_horizon:
            check_within_horizon(steps, self.horizon_ or 0)
        return steps

    def _calibration(self, level: Any, h: int) -> Calibration | None:
        """Return the levels of the intervals; refuse those that the fit was not calibrated for."""
        if level is None:
            return None
        calibration = Calibration.of(level, self.intervals_ or ConformalIntervals())
        if self.intervals_ is None or h > (self.horizon_ or 0):
            raise InvalidArgumentError(
                "level", "left out unless fit made intervals for as many steps",
                f"{level!r} for h={h}",
                f"Fit with fit(..., horizon={h}, intervals='split'), or call calibrate({h}).")
        return calibration
