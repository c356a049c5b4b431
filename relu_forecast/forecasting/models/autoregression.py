"""Autoregression: any regressor on windows of lags becomes a forecaster of many steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from inspect import signature
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from sklearn.base import clone

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import Covariates, WarmStart, WarmStarts
from relu_forecast.forecasting.data.history import History, Past
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.problems.neurons import Neurons
from relu_forecast.storage import Whole, check_storable, stored
from relu_forecast.training import warm_start as typed
from relu_forecast.validation import check_choice, check_positive_int
from relu_forecast.windows.sliding import hankel
from relu_forecast.windows.transforms import TRANSFORMS, Standardization, WindowTransform

_Array = npt.NDArray[np.float64]


@runtime_checkable
class Regressor(Protocol):
    """What an autoregression asks of a scikit-learn regressor."""

    def fit(self, X: Any, y: Any) -> Any:
        """Fit on features of shape (n, d) and targets of shape (n,)."""

    def predict(self, X: Any) -> Any:
        """Return the predictions, shape (n,)."""


@runtime_checkable
class WarmRegressor(Protocol):
    """A regressor whose fit can start from what an earlier one left behind."""

    warm_start_: Any

    def fit(self, X: Any, y: Any, warm_start: Any = None) -> Any:
        """Fit, starting from ``warm_start_`` of an earlier fit."""


@stored(lags=Whole(1))
@dataclass(frozen=True)
class Inputs:
    """How windows and covariates become the features of a regressor.

    Attributes
    ----------
    lags : int
        Features of the window, and of each column that is known up to a cutoff.
    transform : WindowTransform
        Fitted on the training part.
    past, future : Standardization
        Of the covariates, fitted on the training part.
    """

    lags: int
    transform: WindowTransform
    past: Standardization
    future: Standardization

    @classmethod
    def of(cls, history: History, lags: int, transform: str | None) -> Inputs:
        """Fit transform and scales to a training part."""
        return cls(lags, TRANSFORMS[transform].fit(history.values),
                   Standardization.of(history.past), Standardization.of(history.future))

    @property
    def length(self) -> int:
        """Samples of a window, L."""
        return self.lags + self.transform.extra

    def features(
        self, windows: _Array, past: _Array, future: _Array
    ) -> _Array:
        """Return features.

        Parameters
        ----------
        windows : ndarray, shape (n, L)
        past : ndarray, shape (n, L, p)
            At the samples of the windows, of which the last ``lags`` are taken.
        future : ndarray, shape (n, q)
            At the time that is forecast.

        Returns
        -------
        ndarray, shape (n, lags + p lags + q)
        """
        own = self.transform.features(windows)
        if not past.shape[2] + future.shape[1]:
            return own
        lagged = self.past.apply(past[:, -self.lags :]).transpose(0, 2, 1)
        return np.concatenate(
            [own, lagged.reshape(len(own), -1), self.future.apply(future)], axis=1)

    def training(self, history: History, step: int) -> tuple[_Array, _Array]:
        """Return features and targets of a training part, ``step`` samples ahead."""
        windows, samples = hankel(history.values, self.length, step)
        ends = np.arange(len(windows)) + self.length
        positions = ends[:, np.newaxis] + np.arange(-self.length, 0)
        features = self.features(
            windows, history.past[positions], history.future[ends + step - 1])
        ahead = samples.reshape(len(windows), -1)[:, -1]
        return features, self.transform.targets(windows, ahead)

    def predict(
        self, regressor: Regressor, windows: _Array, past: _Array, future: _Array
    ) -> _Array:
        """Return the sample, shape (C,), that ``regressor`` expects after each window."""
        features = self.features(windows, past, future)
        return self.transform.invert(windows, np.asarray(regressor.predict(features)))


@stored()
@dataclass(frozen=True)
class RecursiveModel:
    """One regressor for the next sample, fed with its own predictions to go further.

    Attributes
    ----------
    inputs : Inputs
    regressor : Regressor
        Fitted on windows of the training part.
    """

    inputs: Inputs
    regressor: Regressor

    @classmethod
    def fit(
        cls, inputs: Inputs, regressor: Regressor, history: History, horizon: int,
        warm_start: WarmStarts,
    ) -> RecursiveModel:
        """Fit a clone of ``regressor`` to every window and the sample after it."""
        return cls(inputs, _fit_step(inputs, regressor, history, 1, warm_start))

    def forecast(self, past: Past, h: int) -> _Array:
        """Return the ``h`` samples after each window, shape (C, h), one step for all at a time."""
        windows = past.windows
        length = windows.shape[1]
        path = np.concatenate([windows, np.empty((len(windows), h))], axis=1)
        for step in range(h):
            path[:, length + step] = self.inputs.predict(
                self.regressor, path[:, step : step + length], past.past, past.future[:, step])
        return path[:, length:]

    @property
    def first(self) -> Regressor:
        """The regressor of the first step."""
        return self.regressor

    @property
    def warm_start(self) -> WarmStarts:
        """What a later fit can start from."""
        return _warm_starts([self.regressor])


@stored()
@dataclass(frozen=True)
class DirectModel:
    """One regressor per step ahead, each fitted when a forecast first reaches that far.

    How far that is shows only in ``predict(h)``, after ``fit``; so the training part is kept,
    and the fits are kept once made.

    Attributes
    ----------
    inputs : Inputs
    template : Regressor
        Not fitted; cloned for each step.
    history : History
        The training part.
    origin : tuple of WarmStart
        What the fits start from.
    regressors : list of Regressor
        For 1, 2, ... steps ahead, as far as was needed up to now.
    """

    inputs: Inputs
    template: Regressor
    history: History
    origin: WarmStarts
    regressors: list[Regressor] = field(default_factory=list)

    @classmethod
    def fit(
        cls, inputs: Inputs, regressor: Regressor, history: History, horizon: int,
        warm_start: WarmStarts,
    ) -> DirectModel:
        """Fit all steps up to the horizon."""
        model = cls(inputs, regressor, history, warm_start)
        model._reach(horizon)
        return model

    def forecast(self, past: Past, h: int) -> _Array:
        """Return the ``h`` samples after each window, shape (C, h)."""
        self._reach(h)
        steps = [
            self.inputs.predict(regressor, past.windows, past.past, past.future[:, step])
            for step, regressor in enumerate(self.regressors[:h])]
        return np.stack(steps, axis=1)

    @property
    def first(self) -> Regressor:
        """The regressor of the first step."""
        return self.regressors[0]

    @property
    def warm_start(self) -> WarmStarts:
        """What a later fit can start from."""
        return _warm_starts(self.regressors)

    def _reach(self, h: int) -> None:
        """Fit the steps up to ``h`` that have not been fitted yet."""
        for step in range(len(self.regressors) + 1, h + 1):
            self.regressors.append(
                _fit_step(self.inputs, self.template, self.history, step, self.origin))


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
    future_exog : sequence of str, default ()
        Columns of the data that are known ahead, at forecasts too: each adds its value at the
        time that is forecast to the features, standardised.
    past_exog : sequence of str, default ()
        Columns that are known up to the cutoff, as the target is: each adds its last ``lags``
        values. For ``strategy="direct"`` only, as a recursion would have to forecast them.

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
        future_exog: Sequence[str] = (),
        past_exog: Sequence[str] = (),
    ) -> None:
        self.lags = lags
        self.estimator = estimator
        self.strategy = strategy
        self.transform = transform
        self.alias = alias
        self.future_exog = future_exog
        self.past_exog = past_exog

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

    def check_parameters(self) -> None:
        super().check_parameters()
        check_positive_int(self.lags, "lags")
        check_choice(self.strategy, "strategy", tuple(STRATEGIES))
        check_choice(self.transform, "transform", tuple(TRANSFORMS))
        self._check_covariates()
        self._regressor()

    def _check_covariates(self) -> None:
        """Refuse columns that are no names, that are named twice, or cannot be known."""
        for argument in ("future_exog", "past_exog"):
            names = getattr(self, argument)
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise InvalidTypeError(
                    argument, "a sequence of column names", repr(names),
                    "Pass for example ('temperature',).")
        names = [*self.future_exog, *self.past_exog]
        if len(set(names)) < len(names):
            raise InvalidArgumentError(
                "future_exog and past_exog", "different names", ", ".join(map(repr, names)),
                "A column is known ahead, or it is not.")
        if self.past_exog and self.strategy == "recursive":
            raise InvalidArgumentError(
                "past_exog", "empty with strategy='recursive', which would have to forecast them",
                repr(self.past_exog), "Use strategy='direct'.")

    @property
    def covariates(self) -> Covariates:
        return Covariates(tuple(self.past_exog), tuple(self.future_exog))

    @property
    def accepts_warm_start(self) -> bool:
        return _takes_warm_starts(self._regressor())

    @property
    def lookback(self) -> int:
        return self.lags + TRANSFORMS[self.transform].extra

    def min_length(self, h: int) -> int:
        return self.lookback + (h if self.strategy == "direct" else 1)

    def train(
        self, history: History, horizon: int, warm_start: WarmStarts
    ) -> RecursiveModel | DirectModel:
        inputs = Inputs.of(history, self.lags, self.transform)
        return STRATEGIES[self.strategy].fit(
            inputs, self._template(history, inputs, warm_start), history, horizon, warm_start)

    def _template(self, history: History, inputs: Inputs, warm_start: WarmStarts) -> Any:
        """Return the regressor to clone for these samples."""
        return self._regressor()

    def check_storable(self) -> None:
        super().check_storable()
        check_storable(self._regressor())

    def check_state(self, state: Any, n_samples: int) -> None:
        if type(state) is not STRATEGIES[self.strategy]:
            raise ValueError(f"it must have strategy {self.strategy!r}")
        inputs: Inputs = state.inputs
        if inputs.lags != self.lags:
            raise ValueError(f"it must have lags {self.lags}")
        if type(inputs.transform) is not TRANSFORMS[self.transform]:
            raise ValueError(f"it must have transform {self.transform!r}")
        past, future = len(self.past_exog), len(self.future_exog)
        for scales, n in ((inputs.past, past), (inputs.future, future)):
            if not scales.means.shape == scales.scales.shape == (n,):
                raise ValueError(f"it must have {n} scales of columns")
        width = self.lags * (1 + past) + future
        regressors = state.regressors if isinstance(state, DirectModel) else [state.regressor]
        if not regressors:
            raise ValueError("it must have regressors")
        for regressor in regressors:
            _check_fitted(regressor, width)

    def warm_start_of(self, state: RecursiveModel | DirectModel) -> WarmStarts:
        return state.warm_start

    def forecast(
        self, state: RecursiveModel | DirectModel, past: Past, h: int
    ) -> _Array:
        return state.forecast(past, h)


def _fit_step(
    inputs: Inputs, regressor: Regressor, history: History, step: int, warm_start: WarmStarts
) -> Any:
    """Fit a clone of ``regressor`` to predict ``step`` samples ahead of every window."""
    features, targets = inputs.training(history, step)
    fitted: Any = clone(regressor)
    if step <= len(warm_start) and _takes_warm_starts(fitted):
        fitted.fit(features, targets, warm_start=_from_arrays(warm_start[step - 1]))
    else:
        fitted.fit(features, targets)
    return fitted


def _warm_starts(regressors: Sequence[Regressor]) -> WarmStarts:
    """Return what later fits of regressors can start from, if they can."""
    return tuple(_arrays(regressor.warm_start_) for regressor in regressors
                 if isinstance(regressor, WarmRegressor))


def _arrays(kept: typed.WarmStart) -> WarmStart:
    """Return the arrays of a warm start."""
    parts = {"blocks": kept.neurons.blocks, "signs": kept.neurons.heads, "ends": kept.ends,
             "linear_ends": kept.linear_ends}
    return {name: part.numpy() for name, part in parts.items()}


def _from_arrays(arrays: WarmStart) -> typed.WarmStart:
    """Return the warm start that arrays hold."""
    parts = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    return typed.WarmStart(
        Neurons(parts["blocks"], parts["signs"]), parts["ends"], parts["linear_ends"])


def _takes_warm_starts(regressor: Any) -> bool:
    """Tell whether a regressor's fit can start from an earlier one."""
    return "warm_start" in signature(regressor.fit).parameters


def _check_fitted(regressor: Any, width: int) -> None:
    """Refuse a regressor that is not fitted to features of this width and to one target."""
    if getattr(regressor, "n_features_in_", width) != width:
        raise ValueError(f"it must have regressors of {width} features")
    outputs = np.asarray(regressor.predict(np.zeros((1, width))))
    if outputs.shape != (1,):
        raise ValueError("it must have regressors of one target")
