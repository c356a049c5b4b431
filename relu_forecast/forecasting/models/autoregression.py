"""Autoregression: any regressor on windows of lags becomes a forecaster of many steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.base import clone

from relu_forecast.estimators.base import NetworkRegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import Covariates, History, Past
from relu_forecast.forecasting.models.analog_columns import AnalogColumns, fewest_windows
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.forecasting.models.inputs import Inputs, Regressor
from relu_forecast.forecasting.models.strategies import (
    DirectModel,
    JointModel,
    RecursiveModel,
    takes_warm_start,
    takes_weights,
)
from relu_forecast.storage import check_storable
from relu_forecast.training.warm_start import WarmStart
from relu_forecast.validation import Array, check_choice, check_positive_int
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.transforms import TRANSFORMS

StepsModel = RecursiveModel | DirectModel | JointModel
"""What a fit of a series gives, by the strategy."""
MODELS: Mapping[str, type[StepsModel]] = MappingProxyType(
    {"recursive": RecursiveModel, "direct": DirectModel, "joint": JointModel})
"""States by the name that a forecaster's ``strategy`` parameter takes."""


class Autoregression(Forecaster):
    """Forecast each sample from the ``lags`` before it, with any scikit-learn regressor.

    Parameters
    ----------
    lags : int, sequence of int or Context
        Samples (with ``transform="difference"``, differences) that the regressor sees: the last
        so many; those so many steps back, ``[1, 2, 24]``; or stretches of a
        `relu_forecast.windows.Context`.
    estimator : regressor
        A scikit-learn regressor, ``fit(X, y)`` and ``predict(X)``; it is cloned, not fitted.
        ``X`` is (n, lags), oldest first, ``y`` is (n,), or (n, horizon) for ``strategy="joint"``.
    strategy : {"recursive", "direct", "joint"}, default "recursive"
        Further steps from the predictions of earlier ones, with one fit; one fit per step
        ahead; or one fit with an output for each step, of regressors that can have several. For
        the last two, `fit` must be told the ``horizon``.
    transform : {"last_value", "standardize", "difference", None}, default "last_value"
        What the regressor sees: samples minus the last one of their window; samples minus the mean
        of the training part; differences between samples (the target of these is, as for
        ``"last_value"``, the change since the last known sample); or samples as they are. Each is
        divided by a size of the training part.
    alias : str, default "Autoregression"
        Column of the forecasts.
    future_exog : sequence of str, default ()
        Columns of the data that are known ahead, at forecasts too: each adds its value at the
        time that is forecast to the features, standardised.
    past_exog : sequence of str, default ()
        Columns that are known up to the cutoff, as the target is: each adds its last ``lags``
        values. Not for ``strategy="recursive"``, which would have to forecast them.
    analogs : int, optional
        Samples by which past windows are compared with the last one: what followed the five most
        like it, on average and relative to its last sample, adds a feature for each step ahead. In
        training, windows are looked up that share no sample with a window and its horizon.

    Attributes
    ----------
    models_ : dict
        `RecursiveModel`, `DirectModel` or `JointModel` of each series, by identifier.

    Notes
    -----
    Cost: one fit on n - lags windows for "recursive", h of them for "direct", one with h outputs
    for "joint"; forecasts from all cutoffs that share a fit take h batched predictions, or one.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> model = Autoregression(lags=2, estimator=LinearRegression()).fit([1, 2, 4, 7, 11, 16])
    >>> model.predict(h=3)["Autoregression"].round(6).tolist()
    [22.0, 29.0, 37.0]
    """

    def __init__(self, lags: Any, estimator: Any, strategy: str = "recursive",
                 transform: str | None = "last_value", alias: str = "Autoregression",
                 future_exog: Sequence[str] = (), past_exog: Sequence[str] = (),
                 analogs: int | None = None) -> None:
        self.lags = lags
        self.estimator = estimator
        self.strategy = strategy
        self.transform = transform
        self.alias = alias
        self.future_exog = future_exog
        self.past_exog = past_exog
        self.analogs = analogs

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

    def make_regressor(self) -> Any:
        """Return the regressor, not fitted, that is cloned for each series and step.

        Subclasses return their own.
        """
        if not (hasattr(self.estimator, "fit") and hasattr(self.estimator, "predict")):
            raise InvalidTypeError("estimator", "a scikit-learn regressor", repr(self.estimator),
                                   "Pass for example sklearn.linear_model.Ridge().")
        return self.estimator

    def check_parameters(self) -> None:
        super().check_parameters()
        Context.of(self.lags)
        check_choice(self.strategy, "strategy", tuple(MODELS))
        check_choice(self.transform, "transform", tuple(TRANSFORMS))
        self._check_covariates()
        if self.analogs is not None:
            check_positive_int(self.analogs, "analogs")
        self.make_regressor()

    def _check_covariates(self) -> None:
        """Refuse columns that are no names, that are named twice, or cannot be known."""
        for argument in ("future_exog", "past_exog"):
            names = getattr(self, argument)
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise InvalidTypeError(argument, "a sequence of column names", repr(names),
                                       "Pass for example ('temperature',).")
        names = [*self.future_exog, *self.past_exog]
        if len(set(names)) < len(names):
            raise InvalidArgumentError(
                "future_exog and past_exog", "different names", ", ".join(map(repr, names)),
                "A column is known ahead, or it is not.")
        if self.past_exog and self.strategy == "recursive":
            raise InvalidArgumentError(
                "past_exog", "empty with strategy='recursive', which would have to forecast them",
                repr(self.past_exog), "Use strategy='direct' or 'joint'.")
        if self.future_exog and self.strategy == "joint":
            raise InvalidArgumentError(
                "future_exog", "empty with strategy='joint', whose steps are at many times",
                repr(self.future_exog), "Use strategy='recursive' or 'direct'.")

    @property
    def covariates(self) -> Covariates:
        return Covariates(tuple(self.past_exog), tuple(self.future_exog))

    @property
    def accepts_warm_start(self) -> bool:
        return takes_warm_start(self.make_regressor())

    @property
    def skips_missing(self) -> bool:
        return True

    @property
    def accepts_weights(self) -> bool:
        return takes_weights(self.make_regressor())

    @property
    def needs_horizon(self) -> bool:
        return self.strategy != "recursive"

    @property
    def lookback(self) -> int:
        own = Context.of(self.lags).length + TRANSFORMS[self.transform].extra
        return max(own, self.analogs or 0)

    def min_length(self, h: int) -> int:
        # Networks are fitted to two windows at least.
        more = isinstance(self.make_regressor(), NetworkRegressor)
        steps = 1 if self.strategy == "recursive" else h
        fewest = self.lookback + steps + more
        if self.analogs is None:
            return fewest
        return max(fewest, self.analogs + steps - 1 + fewest_windows(self.analogs, steps))

    @property
    def sees_level(self) -> bool:
        """Whether ``transform="last_value"`` leaves the level in sight, as a feature."""
        return False

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> StepsModel:
        steps = 1 if self.strategy == "recursive" else horizon
        inputs = self.inputs_of(history, steps)
        if self.strategy == "recursive":
            return RecursiveModel(inputs, self._fit(inputs, history, 1, None, warm_start[:1]))
        if self.strategy == "joint":
            fitted = self._fit(inputs, history, 1, horizon, warm_start[:1])
            return JointModel(inputs, fitted, horizon)
        return DirectModel(inputs, tuple(
            self._fit(inputs, history, step, None, warm_start[step - 1 : step])
            for step in range(1, horizon + 1)))

    def inputs_of(self, history: History, steps: int) -> Inputs:
        """Return how windows become features; analogs, if any, say so many steps."""
        analogs = self.analogs and AnalogColumns.of(history, self.analogs, steps)
        return Inputs.of(history, self.lags, self.transform, self.sees_level, analogs or None)

    def _fit(self, inputs: Inputs, history: History, first: int, n_steps: int | None,
             warm_start: WarmStarts) -> Any:
        """Fit a regressor to targets from step ``first`` on, see `Inputs.training`."""
        steps = np.arange(first, first + (n_steps or 1))
        h = 1 if self.strategy == "recursive" else int(steps[-1])
        history.check_windows(history.whole_windows(inputs.length, steps),
                              self.min_length(h) - self.lookback - h + 1, inputs.length)
        features, targets = self.rows(inputs, history, first, n_steps)
        if n_steps == 1:
            targets = targets[:, 0]
        weights = history.window_weights(inputs.length, steps)
        given = {} if weights is None else {"sample_weight": weights}
        fitted = clone(self.choose_regressor(features, targets, inputs, weights))
        if warm_start and takes_warm_start(fitted):
            return fitted.fit(features, targets, warm_start=warm_start[0], **given)
        return fitted.fit(features, targets, **given)

    def rows(self, inputs: Inputs, history: History, first: int,
             n_steps: int | None) -> tuple[Array, Array]:
        """Return features and targets to fit a regressor to, see `Inputs.training`."""
        return inputs.training(history, first, n_steps)

    def choose_regressor(self, features: Array, targets: Array, inputs: Inputs,
                         sample_weight: Array | None) -> Any:
        """Return the regressor to clone for these samples; here, that of `make_regressor`.

        Subclasses may choose its parameters here, by features, targets and where features come
        from.
        """
        return self.make_regressor()

    def check_storable(self) -> None:
        super().check_storable()
        check_storable(self.make_regressor())

    def check_state(self, state: Any, n_samples: int) -> None:
        if type(state) is not MODELS[self.strategy]:
            raise ValueError(f"it must have strategy {self.strategy!r}")
        inputs: Inputs = state.inputs
        if inputs.context != Context.of(self.lags):
            raise ValueError(f"it must have lags {self.lags}")
        if (inputs.analogs and inputs.analogs.lags) != self.analogs:
            raise ValueError(f"it must have analogs {self.analogs}")
        if type(inputs.transform) is not TRANSFORMS[self.transform]:
            raise ValueError(f"it must have transform {self.transform!r}")
        past, future = len(self.past_exog), len(self.future_exog)
        for scales, n in ((inputs.past, past), (inputs.future, future)):
            if not scales.means.shape == scales.scales.shape == (n,):
                raise ValueError(f"it must have {n} scales of columns")
        self._check_regressors(state)

    def _check_regressors(self, state: StepsModel) -> None:
        """Refuse regressors that do not take the features, or put out other than the targets."""
        n_steps = state.horizon if isinstance(state, JointModel) else 1
        width = state.inputs.width
        horizon = getattr(self, "horizon_", None)
        if isinstance(state, DirectModel) and horizon not in (None, len(state.regressors)):
            raise ValueError(f"it must have {horizon} regressors")
        if isinstance(state, JointModel) and horizon not in (None, n_steps):
            raise ValueError(f"it must forecast {horizon} samples")
        outputs = (1,) if n_steps == 1 else (1, n_steps)
        for regressor in state.regressors:
            if getattr(regressor, "n_features_in_", width) != width:
                raise ValueError(f"it must have regressors of {width} features")
            if np.asarray(regressor.predict(np.zeros((1, width)))).shape != outputs:
                targets = "one target" if n_steps == 1 else f"{n_steps} targets"
                raise ValueError(f"it must have regressors of {targets}")

    def warm_start_of(self, state: StepsModel) -> WarmStarts:
        starts = (getattr(regressor, "warm_start_", None) for regressor in state.regressors)
        return tuple(start for start in starts if isinstance(start, WarmStart))

    def forecast(self, state: StepsModel, past: Past, h: int) -> Array:
        return state.forecast(past, h)
