"""The package's own forecaster: windows, a convexly trained ReLU network, a walk forward."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.penalty_validation import RULES, PenaltyValidation
from relu_forecast.forecasting.models.strategies import DirectModel, RecursiveModel
from relu_forecast.training.warm_start import Penalties
from relu_forecast.validation import (
    check_choice,
    check_non_negative,
    check_positive,
    check_positive_int,
)

DEFAULT_TOL = 1e-2
"""Relative gap of the default network: forecasts do not feel a tighter one, waiting does."""


class ReLUForecaster(Autoregression):
    """Forecast with a two-layer ReLU network trained to a certified global optimum.

    Parameters
    ----------
    lags : int, default 15
        Samples that the network sees.
    estimator : regressor, optional
        In place of the default ``ConvexReLURegressor(tol=0.01)`` with the
        penalties and the seed below, any scikit-learn regressor.
    strategy : {"recursive", "direct"}, default "recursive"
        See `Autoregression`.
    transform : {"standardize", "last_value", "difference", None}, default "standardize"
        See `Autoregression`.
    beta_ratio : float or "cv", optional
        Penalty of the default network, as a fraction of ``beta_max``, above which it has no
        neurons. ``"cv"``, which None stands for, chooses it, and ``skip_penalty``, by validation
        on later blocks of the training part, see `PenaltyValidation`; `update` and
        later fits of an evaluation keep what was chosen. Not together with ``estimator``, which
        has its own.
    skip_penalty : float, optional
        Ridge on the linear part of the default network, which hundreds of lags need; None
        means 0, or what ``beta_ratio="cv"`` chooses.
    cv_rule : {"best", "one_standard_error"}, default "best"
        With ``beta_ratio="cv"``: the penalty of the least error; or the largest one within a
        standard error of it, for fewer neurons.
    cv_horizon : int, default 10
        With ``beta_ratio="cv"``: steps ahead at which forecasts are judged, beside one step; a
        network must be no worse than the linear model at either. Of use to
        ``strategy="recursive"``; a direct one is judged at one step.
    random_state : int, RandomState or None, default 0
        Seed of the default network's search for activation patterns; ``estimator`` has its own.
    alias : str, default "ReLU"
        Column of the forecasts.
    future_exog, past_exog : sequence of str, default ()
        See `Autoregression`.

    Attributes
    ----------
    models_ : dict
        Fitted state of each series; see `Autoregression`.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> forecaster = ReLUForecaster(lags=2, beta_ratio=0.2).fit(wave)
    >>> forecaster.predict(h=2).columns.tolist()
    ['unique_id', 'ds', 'ReLU']
    """

    def __init__(self, lags: int = 15, estimator: Any = None, strategy: str = "recursive",
                 transform: str | None = "standardize", beta_ratio: float | str | None = None,
                 skip_penalty: float | None = None, cv_rule: str = "best", cv_horizon: int = 10,
                 random_state: Any = 0, alias: str = "ReLU", future_exog: Sequence[str] = (),
                 past_exog: Sequence[str] = ()) -> None:
        super().__init__(lags, estimator, strategy, transform, alias, future_exog, past_exog)
        self.beta_ratio = beta_ratio
        self.skip_penalty = skip_penalty
        self.cv_rule = cv_rule
        self.cv_horizon = cv_horizon
        self.random_state = random_state

    def check_parameters(self) -> None:
        super().check_parameters()
        check_choice(self.cv_rule, "cv_rule", RULES)
        check_positive_int(self.cv_horizon, "cv_horizon")

    @property
    def _validates(self) -> bool:
        """Whether penalties are chosen by validation."""
        named = isinstance(self.beta_ratio, str) and self.beta_ratio == "cv"
        return self.estimator is None and (self.beta_ratio is None or named)

    def make_regressor(self) -> Any:
        if self.estimator is not None:
            for name in ("beta_ratio", "skip_penalty"):
                if getattr(self, name) is not None:
                    raise InvalidArgumentError(
                        name, "None when an estimator is given", repr(getattr(self, name)),
                        "Set the penalty on the estimator, or leave the estimator out.")
            return super().make_regressor()
        ratio, ridge = self.beta_ratio, self.skip_penalty
        if self._validates and ridge is not None:
            raise InvalidArgumentError(
                "skip_penalty", "None with beta_ratio='cv', which chooses it", repr(ridge),
                "Leave it out, or give both penalties.")
        network = ConvexReLURegressor(
            skip_penalty=0.0 if ridge is None else check_non_negative(ridge, "skip_penalty"),
            tol=DEFAULT_TOL, random_state=self.random_state)
        if not self._validates:
            network.set_params(beta_ratio=check_positive(ratio, "beta_ratio"))
        return network

    def choose_regressor(self, history: History, inputs: Inputs, warm_start: WarmStarts) -> Any:
        if not self._validates:
            return self.make_regressor()
        chosen = warm_start[0].penalties if warm_start else None
        if chosen is not None:
            return self.make_regressor().set_params(
                beta_ratio=chosen.beta_ratio, skip_penalty=chosen.skip_penalty)
        horizon = self.cv_horizon if self.strategy == "recursive" else 1
        return PenaltyValidation(
            history, inputs, horizon, self.cv_rule, self.make_regressor()).choose()

    def warm_start_of(self, state: RecursiveModel | DirectModel) -> WarmStarts:
        starts = super().warm_start_of(state)
        if not self._validates:
            return starts
        chosen: Any = state.regressors[0]
        penalties = Penalties(chosen.beta_ratio, chosen.skip_penalty)
        return tuple(replace(start, penalties=penalties) for start in starts)
