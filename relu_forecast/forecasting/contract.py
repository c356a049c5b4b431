"""What is asked of a forecaster: arrays in, arrays out, and nothing kept in between.

`Forecaster` is the base class that has defaults for all but `lookback`, `train` and `forecast`.
Whether a forecaster keeps the contract is what `relu_forecast.check_forecaster` tells.
"""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from relu_forecast.forecasting.data.history import Covariates, History, Past
from relu_forecast.training.warm_start import WarmStart

WarmStarts = tuple[WarmStart, ...]
"""What a fit can start from, one for each regressor of an earlier state; empty for none."""


@runtime_checkable
class ForecastingModel(Protocol):
    """A forecaster as backtests and walk-forward evaluation see it.

    `train` and `forecast` work on one series. They leave the forecaster as it is, so that one
    can serve many series, cutoffs and processes at once: what is learned is in the state that
    `train` returns, and `forecast` gets back.
    """

    @property
    def lookback(self) -> int:
        """Samples before a cutoff that a forecast is made from, L >= 1."""

    @property
    def covariates(self) -> Covariates:
        """Columns beside the target that the model uses."""

    @property
    def needs_horizon(self) -> bool:
        """Whether a state forecasts at most the ``horizon`` steps that it was trained for."""

    @property
    def accepts_warm_start(self) -> bool:
        """Whether `train` makes use of ``warm_start``.

        The fits of a walk forward then wait for one another; without it all can run at once.
        """

    def check_parameters(self) -> None:
        """Raise `InvalidArgumentError` for parameters out of range, before any work is done."""

    def min_length(self, h: int) -> int:
        """Return how many samples training and then forecasting ``h`` steps need, at least."""

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> Any:
        """Fit to one series.

        Parameters
        ----------
        history : History
            The training part: samples, and columns beside them.
        horizon : int
            Steps ahead that will be forecast from the state. Where `needs_horizon` is false it
            may be left unused.
        warm_start : tuple of WarmStart
            What `warm_start_of` returned for a state of an earlier, similar training part;
            empty for a fit from nothing.

        Returns
        -------
        object
            The state: whatever `forecast` needs. It must be picklable. Plain data (None,
            numbers, text, arrays, lists, tuples and dicts of these) can also be saved.
        """

    def warm_start_of(self, state: Any) -> WarmStarts:
        """Return what a later fit can start from; empty where nothing helps."""

    def forecast(self, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
        """Forecast from several cutoffs at once.

        Parameters
        ----------
        state : object
            What `train` returned; it must not be changed.
        past : Past
            What is known at each of C cutoffs.
        h : int
            Steps ahead; at most ``horizon`` of the training, where `needs_horizon` is true.

        Returns
        -------
        ndarray, shape (C, h)
            The ``h`` samples after each cutoff. A row depends on its own cutoff alone.
        """


def forecast_checked(
    model: ForecastingModel, state: Any, past: Past, h: int
) -> npt.NDArray[np.float64]:
    """Forecast, shape (C, h).

    Raises
    ------
    FloatingPointError
        If a forecast is not finite.
    """
    forecasts: npt.NDArray[np.float64] = model.forecast(state, past, h)
    if not np.isfinite(forecasts).all():
        step = int(np.argmin(np.isfinite(forecasts).all(axis=0))) + 1
        raise FloatingPointError(
            f"the forecast is not finite from step {step} of {h} on. The fitted recursion is"
            " unstable: shorten h, use fewer lags, or regularise more.")
    return forecasts
