"""What is asked of a forecaster: arrays in, arrays out, and nothing kept in between.

`Forecaster` is the base class that has defaults for all but `lookback`, `train` and `forecast`.
Whether a forecaster keeps the contract is what `relu_forecast.check_forecaster` tells.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Hashable, Mapping
from typing import Any, Protocol, runtime_checkable

import numpy as np

from relu_forecast.compiled import WindowModel
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import Covariates, History, Past
from relu_forecast.validation import Array

WarmStarts = tuple[Any, ...]
"""What a fit can start from, such as the `WarmStart` of each regressor of an earlier state, or all
of that state; values that can be saved. Empty for none."""


@runtime_checkable
class ForecastingModel(Protocol):
    """A forecaster as backtests see it: a `Forecaster`, or any class with these methods.

    `lookback`, `train` and `forecast` must be written, the others have a default. `train` and
    `forecast` work on one series and leave the forecaster as it is, so that one can serve many
    series, cutoffs and processes at once: what is learned is in the state that `train` returns
    and `forecast` is given back.
    """

    @property
    @abstractmethod
    def lookback(self) -> int:
        """Samples before a cutoff that a forecast is made from, L >= 1."""

    @property
    def covariates(self) -> Covariates:
        """Columns beside the target that the model uses; by default none."""
        return Covariates()

    @property
    def needs_horizon(self) -> bool:
        """Whether a state forecasts only as far as it was trained for; by default it does not.

        `Forecaster.fit` must be told the horizon of such a model.
        """
        return False

    @property
    def accepts_warm_start(self) -> bool:
        """Whether `train` makes use of ``warm_start``; by default it does not.

        Later fits of an evaluation then wait for earlier ones; without it, all can run at once.
        """
        return False

    @property
    def skips_missing(self) -> bool:
        """Whether training leaves out what touches a missing value; by default it does not.

        Of a model that does, `train` goes by ``history.observed``; others are refused
        ``missing="skip"``.
        """
        return False

    @property
    def accepts_weights(self) -> bool:
        """Whether training weighs samples; by default it does not.

        Of a model that does, `train` goes by ``history.weights``, which may be None, and takes
        what is to be forecast and weighs nothing for no part of its training; others are refused
        ``weight_col``.
        """
        return False

    @property
    def pools(self) -> bool:
        """Whether one fit serves all series of the data; by default each has its own.

        `train_pooled` is called then, in place of `train`, with all of them.
        """
        return False

    def check_parameters(self) -> None:
        """Raise `InvalidArgumentError` for parameters out of range, before any work is done."""
        return

    def min_length(self, h: int) -> int:
        """Return how many samples training and forecasting ``h`` steps need; here, `lookback`."""
        return self.lookback

    @abstractmethod
    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> Any:
        """Fit to one series.

        Parameters
        ----------
        history : History
            The training part: its samples, and columns beside them.
        horizon : int
            Steps ahead that will be forecast; of use to models that `needs_horizon` says so of.
        warm_start : tuple
            What `warm_start_of` returned for the state of an earlier, similar training part;
            empty for a fit from nothing.

        Returns
        -------
        object
            The state: whatever `forecast` needs. It must be picklable. Plain data (None,
            numbers, text, arrays, and lists, tuples and dicts of these) can be saved, too, which
            `check_forecaster` asks for.
        """

    def train_pooled(self, histories: Mapping[Hashable, History], horizon: int,
                     warm_start: WarmStarts) -> dict[Hashable, Any]:
        """Fit to many series at once, for models that `pools` says so of.

        Parameters
        ----------
        histories : mapping of identifier to History
            The training parts, in the order of the identifiers.
        horizon, warm_start
            As for `train`; the warm start is that of the state of any series.

        Returns
        -------
        dict of identifier to object
            A state for each series, as of `train`.
        """
        return {name: self.train(one, horizon, warm_start) for name, one in histories.items()}

    def adopt(self, state: Any, history: History) -> Any:
        """Return the state of a series that was not fitted; of models that pool alone.

        Parameters
        ----------
        state : object
            Of any series that was fitted.
        history : History
            What is known of the new series.
        """
        raise InvalidArgumentError(
            "data", f"None for {type(self).__name__}, which has a model of each series alone",
            "data", "Leave it out, or fit to these series.")

    def warm_start_of(self, state: Any) -> WarmStarts:
        """Return what a later fit can start from; by default nothing."""
        return ()

    def held_out_errors(self, state: Any) -> Array | None:
        """Return errors that intervals can be made of; by default None: another fit makes them.

        Returns
        -------
        ndarray, shape (m, H), or None
            Absolute errors at 1 to H steps ahead of forecasts from the m samples before the last
            training sample, oldest first, by fits that had not seen what they forecast; NaN for
            what comes after the training part.
        """
        return None

    def compile(self, state: Any, n_steps: int) -> WindowModel:
        """Return a state as plain arrays, which streams and exports run.

        By default what its method ``compiled`` returns; a state that has none is refused.

        Parameters
        ----------
        state : object
            What `train` returned.
        n_steps : int
            Steps ahead, as many as the state can forecast at most.

        Returns
        -------
        WindowModel
            Whose forecasts are those of `forecast`.

        Raises
        ------
        InvalidArgumentError
            It has no such form.
        """
        if not hasattr(state, "compiled"):
            raise InvalidArgumentError(
                "model", "made of networks, linear models and analogs, to run live or elsewhere",
                type(self).__name__, "Pass for example ReLUForecaster or RidgeAR.")
        compiled: WindowModel = state.compiled(n_steps)
        return compiled

    @abstractmethod
    def forecast(self, state: Any, past: Past, h: int) -> Array:
        """Forecast from several cutoffs at once.

        Parameters
        ----------
        state : object
            What `train` returned; it must not be changed.
        past : Past
            What is known at each of C cutoffs.
        h : int
            Steps ahead.

        Returns
        -------
        ndarray, shape (C, h)
            The ``h`` samples after each cutoff. Each row depends on its own cutoff alone.
        """


def forecast_checked(model: ForecastingModel, state: Any, past: Past, h: int) -> Array:
    """Forecast, shape (C, h); raise FloatingPointError if a forecast is not finite."""
    forecasts: Array = model.forecast(state, past, h)
    if not np.isfinite(forecasts).all():
        step = int(np.argmin(np.isfinite(forecasts).all(axis=0))) + 1
        raise FloatingPointError(
            f"the forecast is not finite from step {step} of {h} on. The fitted recursion is"
            " unstable: shorten h, use fewer lags, or regularise more.")
    return forecasts


def check_missing(model: ForecastingModel, missing: Any) -> None:
    """Refuse ``missing="skip"`` for a model that needs every sample of a series."""
    if missing == "skip" and not model.skips_missing:
        raise InvalidArgumentError(
            "missing", f"'error' or 'interpolate' for {type(model).__name__}, which needs every"
            " sample of a series", "'skip'", "Pass missing='interpolate', or leave the model out.")


def check_weights(model: ForecastingModel, weight_col: Any) -> None:
    """Refuse ``weight_col`` for a model that cannot weigh samples."""
    if weight_col is not None and not model.accepts_weights:
        raise InvalidArgumentError(
            "weight_col", "None for a model whose training weighs no samples"
            + (", as one of all series does not" if model.pools else ""),
            f"{weight_col!r} for {model!r}",
            "Leave it out; or take a model that weighs samples, such as RidgeAR, or an estimator"
            " whose fit takes sample_weight.")


def check_within_horizon(h: int, horizon: int) -> None:
    """Refuse forecasts of more steps than a model was fitted for."""
    if h > horizon:
        raise InvalidArgumentError("h", f"at most {horizon}, the horizon of the fit", str(h),
                                   f"Fit again with fit(..., horizon={h}).")
