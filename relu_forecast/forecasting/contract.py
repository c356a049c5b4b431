"""What is asked of a model, arrays in and arrays out, and how its failures are told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import ConvergenceWarning, ForecastError, InvalidArgumentError
from relu_forecast.forecasting.data.history import History, Past

WarmStart = Mapping[str, npt.NDArray[np.float64]]
"""What the fit of a regressor can start from, such as the neurons of an earlier fit."""
WarmStarts = tuple[WarmStart, ...]
"""One for each regressor of a state; empty where there is nothing to start from."""


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


@runtime_checkable
class ForecastingModel(Protocol):
    """A forecaster as the walk forward sees it: it keeps nothing, its states are picklable."""

    @property
    def lookback(self) -> int:
        """Samples that a forecast looks back on, L."""

    @property
    def covariates(self) -> Covariates:
        """Columns beside the target that it uses."""

    @property
    def accepts_warm_start(self) -> bool:
        """Whether a fit makes use of a start."""

    def check_parameters(self) -> None:
        """Refuse parameters that are out of range."""

    def min_length(self, h: int) -> int:
        """Return how many samples fitting and forecasting ``h`` steps need."""

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> Any:
        """Return the state that fitting gives, for forecasts of up to ``horizon`` steps."""

    def warm_start_of(self, state: Any) -> WarmStarts:
        """Return what a later fit can start from."""

    def forecast(self, state: Any, past: Past, h: int) -> npt.NDArray[np.float64]:
        """Return the ``h`` samples after each cutoff, shape (C, h)."""


def forecast_checked(
    model: ForecastingModel, state: Any, past: Past, h: int
) -> npt.NDArray[np.float64]:
    """Forecast, and refuse to return anything that is not finite, shape (C, h)."""
    forecasts: npt.NDArray[np.float64] = model.forecast(state, past, h)
    if not np.isfinite(forecasts).all():
        step = int(np.argmin(np.isfinite(forecasts).all(axis=0))) + 1
        raise FloatingPointError(
            f"the forecast is not finite from step {step} of {h} on. The fitted recursion is"
            " unstable: shorten h, use fewer lags, or regularise more.")
    return forecasts


@contextmanager
def unfinished() -> Iterator[list[str]]:
    """Collect what a `ConvergenceWarning` says, which would be lost in a worker.

    Yields
    ------
    list of str
        Complete when the context ends; other warnings are passed on then.
    """
    messages: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ConvergenceWarning)
        yield messages
    for warning in caught:
        if issubclass(warning.category, ConvergenceWarning):
            messages.append(str(warning.message))
        else:
            warnings.warn_explicit(
                warning.message, warning.category, warning.filename, warning.lineno)


def warn_unfinished(who: str, count: int, messages: Sequence[str]) -> None:
    """Warn once of all fits that did not converge.

    Parameters
    ----------
    who : str
        Whose fits they are.
    count : int
        Fits in all.
    messages : sequence of str
        What was said of those that did not converge, each with its series and cutoff.
    """
    if messages:
        warnings.warn(
            f"{len(messages)} of {count} fits of {who} did not converge; {messages[0]}",
            ConvergenceWarning, stacklevel=4)


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
