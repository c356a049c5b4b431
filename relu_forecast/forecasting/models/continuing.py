"""The part of `Forecaster` that goes on: samples that followed, with a fit or without."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import replace
from typing import Any, TypeVar

from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from relu_forecast.forecasting.contract import ForecastingModel
from relu_forecast.forecasting.data.panel import Panel
from relu_forecast.forecasting.data.reading import extend_panel, without_fit
from relu_forecast.forecasting.evaluation.intervals import ConformalIntervals
from relu_forecast.forecasting.models import fitting
from relu_forecast.validation import Array, check_choice

_C = TypeVar("_C", bound="Continues")


class Continues(ForecastingModel, BaseEstimator):
    """The part of `Forecaster` that takes samples which followed those that it was fitted to."""

    panel_: Panel
    horizon_: int | None
    models_: dict[Hashable, Any]
    intervals_: ConformalIntervals | None
    calibrations_: dict[Hashable, Array]

    def update(self: _C, new_data: Any, *, refit: bool = True, n_jobs: int | None = None) -> _C:
        """Append the samples that followed, and fit again, starting from what was fitted.

        Parameters
        ----------
        new_data : array_like (n,), pandas.Series or pandas.DataFrame
            As for `fit`, from the time on at which each series ended. Series of which there is
            nothing new stay as they are, unless one fit serves all series.
        refit : bool, default True
            Whether to fit again. Otherwise models stay as they are, and forecast from the longer
            past; weights of a committee follow the new samples. Intervals stay those of the fit.
        n_jobs : int, optional
            As for `fit`.

        Returns
        -------
        Forecaster
            Itself, fitted to all samples unless ``refit`` is False, with the horizon and intervals
            of before. Members and penalties that ``fit`` chose stay.

        Raises
        ------
        sklearn.exceptions.NotFittedError
            Before `fit`.
        InvalidArgumentError, ForecastError
            As `fit`; or the data does not begin where a series ended, or holds a series that was
            not fitted.
        """
        check_is_fitted(self)
        check_choice(refit, "refit", (True, False))
        panel = extend_panel(self.panel_, new_data)
        if not refit:
            self.panel_ = without_fit(self.panel_, panel)
            return self
        grown = tuple(new for old, new in zip(self.panel_.series, panel.series, strict=True)
                      if len(new) > old.n_fitted)
        longer = panel if self.pools and grown else replace(panel, series=grown)
        starts = {series.unique_id: self.warm_start_of(self.models_[series.unique_id])
                  for series in longer.series}
        fits = fitting.fit_panel(
            clone(self), longer, self.horizon_, self.intervals_, n_jobs, starts)
        self.panel_ = replace(panel, series=tuple(replace(one, unfitted=0) for one in panel.series))
        self.models_ = self.models_ | {name: fit.state for name, fit in fits.items()}
        self.calibrations_ = self.calibrations_ | fitting.errors_of(fits)
        return self
