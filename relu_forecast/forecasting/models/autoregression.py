"""Autoregression: any regressor on windows of lags becomes a forecaster of many steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from relu_forecast.estimators.base import NetworkRegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import Covariates, History, Past
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.forecasting.models.inputs import Inputs, Regressor
from relu_forecast.forecasting.models.strategies import (
    DirectModel,
    RecursiveModel,
    fit_step,
    takes_warm_start,
)
from relu_forecast.storage import check_storable
from relu_forecast.training.warm_start import WarmStart
from relu_forecast.validation import Array, check_choice, check_positive_int
from relu_forecast.windows.transforms import TRANSFORMS


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
        ahead, all of them made at `fit`, which must be told the ``horizon`` then.
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

    def __init__(self, lags: int, estimator: Any, strategy: str = "recursive",
                 transform: str | None = "standardize", alias: str = "Autoregression",
                 future_exog: Sequence[str] = (), past_exog: Sequence[str] = ()) -> None:
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
        check_positive_int(self.lags, "lags")
        check_choice(self.strategy, "strategy", ("recursive", "direct"))
        check_choice(self.transform, "transform", tuple(TRANSFORMS))
        self._check_covariates()
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
                repr(self.past_exog), "Use strategy='direct'.")

    @property
    def covariates(self) -> Covariates:
        return Covariates(tuple(self.past_exog), tuple(self.future_exog))

    @property
    def accepts_warm_start(self) -> bool:
        return takes_warm_start(self.make_regressor())

    @property
    def needs_horizon(self) -> bool:
        return self.strategy == "direct"

    @property
    def lookback(self) -> int:
        return self.lags + TRANSFORMS[self.transform].extra

    def min_length(self, h: int) -> int:
        # Networks are fitted to two windows at least.
        more = isinstance(self.make_regressor(), NetworkRegressor)
        return self.lookback + (h if self.strategy == "direct" else 1) + more

    def train(self, history: History, horizon: int,
              warm_start: WarmStarts) -> RecursiveModel | DirectModel:
        inputs = Inputs.of(history, self.lags, self.transform)
        regressor = self.choose_regressor(history, inputs, warm_start)
        if self.strategy == "recursive":
            return RecursiveModel(inputs, fit_step(inputs, regressor, history, 1, warm_start))
        return DirectModel(inputs, tuple(
            fit_step(inputs, regressor, history, step, warm_start)
            for step in range(1, horizon + 1)))

    def choose_regressor(self, history: History, inputs: Inputs, warm_start: WarmStarts) -> Any:
        """Return the regressor to clone for these samples; here, that of `make_regressor`.

        `ReLUForecaster` chooses its penalties here.
        """
        return self.make_regressor()

    def check_storable(self) -> None:
        super().check_storable()
        check_storable(self.make_regressor())

    def check_state(self, state: Any, n_samples: int) -> None:
        if type(state) is not (DirectModel if self.needs_horizon else RecursiveModel):
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
        if self.needs_horizon and len(state.regressors) != self.horizon_:
            raise ValueError(f"it must have {self.horizon_} regressors")
        for regressor in state.regressors:
            if getattr(regressor, "n_features_in_", width) != width:
                raise ValueError(f"it must have regressors of {width} features")
            if np.asarray(regressor.predict(np.zeros((1, width)))).shape != (1,):
                raise ValueError("it must have regressors of one target")

    def warm_start_of(self, state: RecursiveModel | DirectModel) -> WarmStarts:
        starts = (getattr(regressor, "warm_start_", None) for regressor in state.regressors)
        return tuple(start for start in starts if isinstance(start, WarmStart))

    def forecast(self, state: RecursiveModel | DirectModel, past: Past, h: int) -> Array:
        return state.forecast(past, h)
