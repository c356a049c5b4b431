"""Autoregression: any regressor on windows of lags becomes a forecaster of many steps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
from sklearn.base import clone

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.forecasting.base import Forecaster
from relu_forecast.forecasting.transforms import TRANSFORMS, WindowTransform
from relu_forecast.forecasting.walk_forward import Past
from relu_forecast.validation import check_choice, check_positive_int
from relu_forecast.windows import hankel

_Array = npt.NDArray[np.float64]


@runtime_checkable
class Regressor(Protocol):
    """What an autoregression asks of a scikit-learn regressor."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit on features of shape (n, lags) and targets of shape (n,)."""

    def predict(self, X: Any) -> Any:
        """Return the predictions, shape (n,)."""


@dataclass(frozen=True)
class RecursiveModel:
    """One regressor for the next sample, fed with its own predictions to go further.

    Attributes
    ----------
    transform : WindowTransform
        Fitted on the training part.
    regressor : Regressor
        Fitted on its windows.
    """

    transform: WindowTransform
    regressor: Regressor

    @classmethod
    def fit(
        cls, values: _Array, lags: int, transform: WindowTransform, regressor: Regressor
    ) -> RecursiveModel:
        """Fit a clone of ``regressor`` to every window of ``values`` and the sample after it."""
        return cls(transform, _fit_step(values, lags, transform, regressor, step=1))

    def forecast(self, windows: _Array, h: int) -> _Array:
        """Return the ``h`` samples after each window, shape (C, h), one step for all at a time."""
        length = windows.shape[1]
        path = np.concatenate([windows, np.empty((len(windows), h))], axis=1)
        for step in range(h):
            path[:, length + step] = _predict(
                self.regressor, self.transform, path[:, step : step + length])
        return path[:, length:]


@dataclass(frozen=True)
class DirectModel:
    """One regressor per step ahead, each fitted when a forecast first reaches that far.

    How far that is shows only in ``predict(h)``, after ``fit``; so the training part is kept,
    and the fits are kept once made.

    Attributes
    ----------
    transform : WindowTransform
        Fitted on the training part.
    template : Regressor
        Not fitted; cloned for each step.
    values : ndarray, shape (n,)
        The training part.
    lags : int
    regressors : list of Regressor
        For 1, 2, ... steps ahead, as far as was needed up to now.
    """

    transform: WindowTransform
    template: Regressor
    values: _Array
    lags: int
    regressors: list[Regressor] = field(default_factory=list)

    @classmethod
    def fit(
        cls, values: _Array, lags: int, transform: WindowTransform, regressor: Regressor
    ) -> DirectModel:
        """Fit the first step, so that what cannot be fitted fails here."""
        model = cls(transform, regressor, values, lags)
        model._reach(1)
        return model

    def forecast(self, windows: _Array, h: int) -> _Array:
        """Return the ``h`` samples after each window, shape (C, h)."""
        self._reach(h)
        steps = [
            _predict(regressor, self.transform, windows) for regressor in self.regressors[:h]]
        return np.stack(steps, axis=1)

    def _reach(self, h: int) -> None:
        """Fit the steps up to ``h`` that have not been fitted yet."""
        for step in range(len(self.regressors) + 1, h + 1):
            self.regressors.append(
                _fit_step(self.values, self.lags, self.transform, self.template, step))


STRATEGIES: Mapping[str, type[RecursiveModel] | type[DirectModel]] = MappingProxyType(
    {"recursive": RecursiveModel, "direct": DirectModel}
)
"""Multi-step strategies by name."""


class Autoregression(Forecaster):
    """Forecast each sample from the ``lags`` before it, with any scikit-learn regressor.

    Parameters
    ----------
    lags : int
        Samples (with ``transform="difference"``, differences) that the regressor sees.
    estimator : regressor
        A scikit-learn regressor, ``fit(X, y)`` and ``predict(X)``; it is cloned, not fitted.
        ``X`` is (n, lags), oldest first, ``y`` is (n,).
    strategy : {"recursive", "direct"}, default "recursive"
        Further steps from the predictions of earlier ones, with one fit; or one fit per step
        ahead. Direct fits are made when a forecast first needs them, at `predict` that is.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        What the regressor sees: samples minus the mean of the training part over its standard
        deviation; samples minus the last one of their window; differences between samples (the
        target then is the change since the last known sample); or samples as they are.
    alias : str, default "Autoregression"
        Column of the forecasts.

    Attributes
    ----------
    models_ : dict
        `RecursiveModel` or `DirectModel` of each series, by identifier.

    Notes
    -----
    Cost: one fit on n - lags windows for "recursive", h of them for "direct"; forecasts from
    all cutoffs that share a fit take h batched predictions.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> model = Autoregression(lags=2, estimator=LinearRegression()).fit([1, 2, 4, 7, 11, 16])
    >>> model.predict(h=3)["Autoregression"].round(6).tolist()
    [22.0, 29.0, 37.0]
    """

    def __init__(
        self,
        lags: int,
        estimator: Any,
        strategy: str = "recursive",
        transform: str | None = "standardize",
        alias: str = "Autoregression",
    ) -> None:
        self.lags = lags
        self.estimator = estimator
        self.strategy = strategy
        self.transform = transform
        self.alias = alias

    @property
    def regressor_(self) -> Regressor:
        """The fitted regressor of a single series with ``strategy="recursive"``.

        With several series, or ``strategy="direct"``, the regressors are in ``models_``.
        """
        models = list(getattr(self, "models_", {}).values())
        if len(models) != 1 or self.strategy != "recursive":
            raise AttributeError(
                "regressor_ exists after fitting one series with strategy='recursive';"
                " see models_[unique_id].regressor, or .regressors for strategy='direct'.")
        regressor: Regressor = models[0].regressor
        return regressor

    def _regressor(self) -> Any:
        """Return the regressor to clone; subclasses make their own."""
        if not (hasattr(self.estimator, "fit") and hasattr(self.estimator, "predict")):
            raise InvalidTypeError(
                "estimator", "a scikit-learn regressor", repr(self.estimator),
                "Pass for example sklearn.linear_model.Ridge().")
        return self.estimator

    def _check_parameters(self) -> None:
        super()._check_parameters()
        check_positive_int(self.lags, "lags")
        check_choice(self.strategy, "strategy", tuple(STRATEGIES))
        check_choice(self.transform, "transform", tuple(TRANSFORMS))
        self._regressor()

    @property
    def _history_length(self) -> int:
        return self.lags + TRANSFORMS[self.transform].extra

    def _min_length(self, h: int) -> int:
        return self._history_length + (h if self.strategy == "direct" else 1)

    def _fit_values(self, values: _Array) -> RecursiveModel | DirectModel:
        transform = TRANSFORMS[self.transform].fit(values)
        return STRATEGIES[self.strategy].fit(values, self.lags, transform, self._regressor())

    def _forecast_values(
        self, state: RecursiveModel | DirectModel, past: Past, h: int
    ) -> _Array:
        return state.forecast(past.windows, h)


def _fit_step(
    values: _Array, lags: int, transform: WindowTransform, regressor: Regressor, step: int
) -> Regressor:
    """Fit a clone of ``regressor`` to predict ``step`` samples ahead of every window."""
    windows, samples = hankel(values, lags + transform.extra, step)
    targets = transform.targets(windows, samples.reshape(len(windows), -1)[:, -1])
    fitted: Regressor = clone(regressor)
    fitted.fit(transform.features(windows), targets)
    return fitted


def _predict(regressor: Regressor, transform: WindowTransform, windows: _Array) -> _Array:
    """Return the sample, shape (C,), that ``regressor`` expects after each window."""
    return transform.invert(windows, np.asarray(regressor.predict(transform.features(windows))))
