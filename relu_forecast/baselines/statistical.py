"""What the models of statsmodels share: their base class, and how their warnings are told."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np

from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting.data.history import Past
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.validation import Array, check_int


class StatisticalForecaster(Forecaster):
    """Base class of forecasters that may have a season, and whose states forecast by themselves.

    A subclass names the class of its states, which have a method ``forecast(past, h)``, and
    writes `train`, which returns one.
    """

    state_class: ClassVar[type]
    season_length: int | None

    def check_parameters(self) -> None:
        super().check_parameters()
        if self.season_length is not None:
            check_int(self.season_length, "season_length", minimum=2, remedy="Pass None for none.")

    @property
    def lookback(self) -> int:
        return 1

    def check_state(self, state: Any, n_samples: int) -> None:
        if not isinstance(state, self.state_class):
            raise ValueError(f"it must be of class {self.state_class.__name__}")

    def forecast(self, state: Any, past: Past, h: int) -> Array:
        forecasts: Array = state.forecast(past, h)
        return forecasts


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Collect the warnings of statsmodels, which are not shown; yield the list of them."""
    with warnings.catch_warnings(record=True) as caught:
        # Its import changes the filters, so it comes before ours.
        import statsmodels.tools.sm_exceptions  # noqa: F401

        warnings.simplefilter("always")
        yield caught


def has_converged(caught: list[warnings.WarningMessage]) -> bool:
    """Tell whether statsmodels reached the maximum, by the warnings that `quiet` collected."""
    from statsmodels.tools.sm_exceptions import ConvergenceWarning as Unfinished

    return not any(issubclass(warning.category, Unfinished) for warning in caught)


def warn_not_converged(model: str, remedy: str) -> None:
    """Warn that the likelihood of a model was not maximised to the end."""
    warnings.warn(
        f"{model}: the maximum of the likelihood was not reached; its last estimates are used."
        f" {remedy}", ConvergenceWarning, stacklevel=2)


def is_constant(series: Array, values: Array) -> bool:
    """Tell whether differences of ``values`` are equal up to rounding."""
    return bool(np.ptp(series) <= 64 * np.finfo(np.float64).eps * np.abs(values).max())


def refuse_multiplicative(values: Array) -> None:
    """Raise the error for samples that are not all positive."""
    raise InvalidArgumentError(
        "training part", "> 0 for multiplicative errors or seasons",
        f"samples down to {values.min()}", "Use additive ones, or add a constant to the series.")


def check_smoothing(level: float, season: Array) -> None:
    """Refuse, in a model from a file, an empty season or a weight that is out of range."""
    if len(season) == 0:
        raise ValueError("it must have a season")
    if not 0 < level <= 1:
        raise ValueError("it must have a smoothing level within 0 and 1")
