"""What the tests of baselines share: a fit and its forecasts, and what is known at cutoffs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone

from relu_forecast.forecasting.data.history import History, Past


@pytest.fixture(scope="session")
def forecast() -> Callable[..., Any]:
    """Return a function that forecasts with a fresh fit, as an array."""

    def forecast(model: Any, values: Any, h: int = 6) -> Any:
        return clone(model).fit(values, horizon=h).predict()[model.alias].to_numpy()

    return forecast


@pytest.fixture(scope="session")
def fit() -> Callable[..., Any]:
    """Return a function that returns the state of a fit."""
    return lambda model, values: model.train(History.of(values), 1, ())


@pytest.fixture(scope="session")
def past_at() -> Callable[..., Any]:
    """Return a function that says what is known at cutoffs after a training part."""

    def past_at(values: Any, training: int, cutoffs: Any, length: int) -> Past:
        windows = np.stack([values[cutoff + 1 - length : cutoff + 1] for cutoff in cutoffs])
        return Past(windows, cutoffs - (training - 1),
                    History.of(values[training : cutoffs.max() + 1]),
                    np.empty((*windows.shape, 0)), np.empty((len(cutoffs), 0, 0)))

    return past_at
