"""What a regressor sees: windows and covariates as features, samples ahead as targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np

from relu_forecast.forecasting.data.history import History
from relu_forecast.storage import Whole, stored
from relu_forecast.validation import Array
from relu_forecast.windows.sliding import hankel
from relu_forecast.windows.transforms import TRANSFORMS, Standardization, WindowTransform


@runtime_checkable
class Regressor(Protocol):
    """What an autoregression asks of a scikit-learn regressor."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit on features of shape (n, d) and targets of shape (n,)."""

    def predict(self, X: Any) -> Any:
        """Return the predictions, shape (n,)."""


@stored(lags=Whole(1))
@dataclass(frozen=True)
class Inputs:
    """How windows and covariates become the features of a regressor."""

    lags: int
    """Features of the window, and of each column that is known up to a cutoff."""
    transform: WindowTransform
    """Fitted on the training part."""
    past: Standardization
    future: Standardization
    """Of the covariates, fitted on the training part."""

    @classmethod
    def of(cls, history: History, lags: int, transform: str | None) -> Inputs:
        """Fit transform and scales to a training part."""
        return cls(lags, TRANSFORMS[transform].fit(history.values),
                   Standardization.of(history.past), Standardization.of(history.future))

    @property
    def length(self) -> int:
        """Samples of a window, L."""
        return self.lags + self.transform.extra

    def features(self, windows: Array, past: Array, future: Array) -> Array:
        """Return features, shape (n, lags + p lags + q).

        They come from windows, shape (n, L); from columns ``past`` at the samples of the windows,
        shape (n, L, p), of which the last ``lags`` are taken; and from columns ``future`` at the
        time that is forecast, shape (n, q).
        """
        own = self.transform.features(windows)
        if not past.shape[2] + future.shape[1]:
            return own
        lagged = self.past.apply(past[:, -self.lags :]).transpose(0, 2, 1)
        return np.concatenate(
            [own, lagged.reshape(len(own), -1), self.future.apply(future)], axis=1)

    def training(self, history: History, step: int) -> tuple[Array, Array]:
        """Return features and targets of a training part, ``step`` samples ahead."""
        windows, samples = hankel(history.values, self.length, step)
        ends = np.arange(len(windows)) + self.length
        positions = ends[:, np.newaxis] + np.arange(-self.length, 0)
        features = self.features(windows, history.past[positions], history.future[ends + step - 1])
        ahead = samples.reshape(len(windows), -1)[:, -1]
        return features, self.transform.targets(windows, ahead)

    def predict(self, regressor: Regressor, windows: Array, past: Array,
                future: Array) -> Array:
        """Return the sample, shape (C,), that ``regressor`` expects after each window."""
        features = self.features(windows, past, future)
        return self.transform.invert(windows, np.asarray(regressor.predict(features)))
