"""Baselines that learn nothing, or one number: repeat, repeat a season, or draw a line."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from relu_forecast.compiled import WindowModel, WindowNetwork
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.networks.layers import Layers
from relu_forecast.validation import Array, check_positive_int
from relu_forecast.windows.contexts import Context


class Naive(Forecaster):
    """Repeat the last sample: ``y[t + k] = y[t]``.

    Parameters
    ----------
    alias : str, default "Naive"
        Column of the forecasts.

    Examples
    --------
    >>> Naive().fit([1, 2, 3]).predict(h=2)["Naive"].tolist()
    [3.0, 3.0]
    """

    def __init__(self, alias: str = "Naive") -> None:
        self.alias = alias

    @property
    def lookback(self) -> int:
        return 1

    @property
    def skips_missing(self) -> bool:
        return True

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> None:
        """There is nothing to learn."""

    def check_state(self, state: Any, n_samples: int) -> None:
        if state is not None:
            raise ValueError("it must be null")

    def compile(self, state: None, n_steps: int) -> WindowModel:
        return WindowNetwork(Context.of(1), Layers.of_linear(
            np.zeros((2, n_steps)), np.zeros(n_steps)))

    def forecast(self, state: None, past: Past, h: int) -> Array:
        return past.windows.repeat(h, axis=1)


class SeasonalNaive(Naive):
    """Repeat the last season: ``y[t + k]`` is the last sample at the same place in a season.

    Parameters
    ----------
    season_length : int
        Samples in a season.
    alias : str, default "SeasonalNaive"
        Column of the forecasts.

    Examples
    --------
    >>> SeasonalNaive(2).fit([1, 2, 3, 4]).predict(h=3)["SeasonalNaive"].tolist()
    [3.0, 4.0, 3.0]
    """

    def __init__(self, season_length: int, alias: str = "SeasonalNaive") -> None:
        super().__init__(alias)
        self.season_length = season_length

    def check_parameters(self) -> None:
        super().check_parameters()
        check_positive_int(self.season_length, "season_length")

    @property
    def lookback(self) -> int:
        return self.season_length

    def compile(self, state: None, n_steps: int) -> WindowModel:
        places = np.arange(n_steps) % self.season_length
        seen = np.vstack([np.eye(self.season_length), np.zeros(self.season_length)])
        return WindowNetwork(Context.of(self.season_length),
                             Layers.of_linear(seen[:, places], np.zeros(n_steps)))

    def forecast(self, state: None, past: Past, h: int) -> Array:
        return past.windows[:, np.arange(h) % self.season_length]


class Drift(Forecaster):
    """Continue from the last sample with the mean step of the training part.

    ``y[t + k] = y[t] + k (y_n - y_1) / (n - 1)``, the line through the first and the last
    training sample, moved to start from the last known one.

    Parameters
    ----------
    alias : str, default "Drift"
        Column of the forecasts.

    Examples
    --------
    >>> Drift().fit([1, 5, 3]).predict(h=2)["Drift"].tolist()
    [4.0, 5.0]
    """

    def __init__(self, alias: str = "Drift") -> None:
        self.alias = alias

    @property
    def lookback(self) -> int:
        return 1

    def min_length(self, h: int) -> int:
        return 2

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> float:
        values = history.values
        return float((values[-1] - values[0]) / (len(values) - 1))

    def check_state(self, state: Any, n_samples: int) -> None:
        if not isinstance(state, float) or not math.isfinite(state):
            raise ValueError("it must be the mean step, a finite number")

    def compile(self, state: float, n_steps: int) -> WindowModel:
        return WindowNetwork(Context.of(1), Layers.of_linear(
            np.zeros((2, n_steps)), state * np.arange(1.0, n_steps + 1)))

    def forecast(self, state: float, past: Past, h: int) -> Array:
        return past.windows + state * np.arange(1, h + 1)
