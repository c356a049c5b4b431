"""What pictures and pages need to know of the results that they show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import pandas as pd


@runtime_checkable
class ColumnNames(Protocol):
    """How the columns of a long DataFrame are called."""

    @property
    def id(self) -> str:
        """Column that tells which series a row is of."""

    @property
    def time(self) -> str:
        """Column of the time stamps."""

    @property
    def target(self) -> str:
        """Column of what happened."""


@runtime_checkable
class BacktestResult(Protocol):
    """Forecasts of several models: a `relu_forecast.Backtest`."""

    @property
    def predictions(self) -> pd.DataFrame:
        """Identifier, time, ``"cutoff"``, target, and the columns of each model."""

    @property
    def seconds(self) -> pd.Series:
        """Wall time of each model."""

    @property
    def columns(self) -> ColumnNames:
        """How the first columns are called."""

    @property
    def levels(self) -> tuple[float, ...]:
        """Levels of the intervals, in percent."""

    @property
    def step_size(self) -> int:
        """Samples between cutoffs."""

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models."""

    def scores(self, metrics: Sequence[str] | None = None, by: str | None = None) -> pd.DataFrame:
        """Return a row per metric (and step), a column per model."""

    def interval_columns(self, model: str) -> list[tuple[str, str]]:
        """Return the columns with the lower and upper ends of a model's intervals, by level."""


@runtime_checkable
class RankingResult(Protocol):
    """Models ranked over series: a `relu_forecast.Ranking`."""

    @property
    def test(self) -> str:
        """Name of the test."""

    @property
    def p_value(self) -> float:
        """Of the test."""

    @property
    def critical_difference(self) -> float | None:
        """Of mean ranks; None where there is none."""

    @property
    def n_series(self) -> int:
        """Series that were ranked on."""

    @property
    def level(self) -> float:
        """Confidence in percent."""

    def frame(self) -> pd.DataFrame:
        """Return the columns mean_rank, lower, upper and with_best; rows models, best first."""


@runtime_checkable
class Training(Protocol):
    """One training of a network."""

    @property
    def seconds(self) -> float:
        """Wall time."""

    @property
    def objective(self) -> float:
        """Objective (1) at the end."""

    @property
    def trace(self) -> tuple[Any, ...]:
        """Points with ``seconds`` and ``objective``, in order of time; empty if there are none."""


@runtime_checkable
class LowerBound(Protocol):
    """A lower bound on an objective: a `relu_forecast.Certificate`."""

    @property
    def dual_objective(self) -> float:
        """The bound."""

    @property
    def scope(self) -> str:
        """What it covers."""


@runtime_checkable
class PathResult(Protocol):
    """Trainings along decreasing penalties: a `relu_forecast.RegularizationPath`."""

    @property
    def ratios(self) -> npt.NDArray[np.float64]:
        """Penalties as shares of beta_max, decreasing."""

    @property
    def objectives(self) -> npt.NDArray[np.float64]:
        """Objective of the best network at each."""

    @property
    def n_neurons(self) -> npt.NDArray[np.intp]:
        """Its neurons."""
