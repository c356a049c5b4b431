"""The package's own forecaster: certified networks on windows, and what keeps them company."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd
from sklearn.utils.validation import check_is_fitted

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.contract import WarmStarts
from relu_forecast.forecasting.data.history import Covariates, History, Past
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.committee import Committee, CommitteeModel
from relu_forecast.forecasting.models.forecaster import Forecaster
from relu_forecast.forecasting.models.inputs import Regressor
from relu_forecast.forecasting.models.judging import Candidate
from relu_forecast.forecasting.models.member_table import members_of
from relu_forecast.forecasting.models.members import TOL, Workshop, ladder, one_window
from relu_forecast.forecasting.models.pooling import (
    OwnPart,
    Pool,
    PooledNetwork,
    PooledStart,
    choose_ratio,
    own_part,
    shared_regressors,
    start_from,
)
from relu_forecast.validation import (
    Array,
    check_choice,
    check_non_negative,
    check_positive,
    check_positive_int,
)

_SINGLE_TOL = 1e-2
"""Gap to reach of a network with one output."""
_USUAL_HORIZON = 10
"""Steps ahead that a recursive model is judged by where nobody says how many are wanted."""
_SHORTEST = 3
"""Samples, beside one and the horizon, that a committee can be fitted to."""


class ReLUForecaster(Forecaster):
    """Forecast with two-layer ReLU networks trained by convex optimization, with a lower bound.

    By default a committee: networks on windows of several lengths, linear models and analogs
    forecast all steps of the horizon, and their forecasts are mixed, for each step ahead, by
    weights that follow their errors. With ``lags`` given, one network.

    Parameters
    ----------
    lags : "auto", int, sequence of int or Context, default "auto"
        Samples that a network sees: a committee of windows, as long as the data allow; the last
        so many; those so many steps back, ``[1, 2, 24]``; or stretches of a
        `relu_forecast.windows.Context`.
    horizon : int, optional
        Steps ahead that are forecast at once; beyond, forecasts go on from forecasts. Where they
        cannot, with ``strategy="direct"`` or ``past_exog``, a longer one of `fit` takes its place.
        None takes that of `fit`, which then is the farthest, unless ``strategy="recursive"``.
    estimator : regressor, optional
        In place of the network, any scikit-learn regressor, on the windows of ``lags``.
    strategy : {"joint", "recursive", "direct"}, default "joint"
        One network with an output for each step; one for the next sample, fed with its own
        forecasts; or one network for each step. See `Autoregression`.
    transform : {"last_value", "standardize", "difference", None}, default "last_value"
        See `Autoregression`. With ``"last_value"`` the level stays in sight of the linear part.
    beta_ratio : float or "cv", optional
        Penalty of networks, as a fraction of ``beta_max``, above which they have no neurons.
        ``"cv"``, which None stands for: in a committee, one or two for each window; for
        one window, chosen by the errors of forecasts of the last 30 percent of the training part,
        over all steps of the horizon. Where the linear model is better at a step, it forecasts
        that step. `update` and later fits of an evaluation keep what was chosen. Not together
        with ``estimator``.
    skip_penalty : float, optional
        Ridge on the linear part of networks. None takes the one of the least leave-one-out error
        of the linear part alone.
    committee : bool, default True
        With ``lags="auto"``: whether to mix all windows, or to keep the best network and, for the
        steps at which it is better, the linear model.
    random_state : int, RandomState or None, default 0
        Seed of the networks' search for activation patterns; ``estimator`` has its own.
    alias : str, default "ReLU"
        Column of the forecasts.
    future_exog, past_exog : sequence of str, default ()
        See `Autoregression`. Columns known ahead are of use to ``strategy="recursive"`` and
        ``"direct"``; with ``lags="auto"``, models are recursive where there are any. Analogs use no
        columns.
    scope : {"local", "global"}, default "local"
        A model of each series alone; or one network, or ``estimator``, for all series, fitted to
        the windows of all of them. Each series keeps its own scale and, beside the common linear
        part of the network, a deviation from it under a ridge, which is chosen by the
        leave-one-out error; see `relu_forecast.estimators.GroupedReLURegressor`. Needs ``lags``.
        A penalty that is not given is chosen by the errors of forecasts of the last 30 percent
        of each series, in units of its scale, over all of them. `predict` forecasts series that
        were not fitted, then, from their samples alone.

    Attributes
    ----------
    models_ : dict
        Fitted state of each series, by identifier.
    members_ : pandas.DataFrame
        A row for each series and member; see there.

    Notes
    -----
    Networks of a committee end at a gap of 0.2, and a single one with several outputs at 0.1: what
    they forecast changes little after that, and the gap reached is in ``members_``. For a tighter
    one, pass ``estimator=ConvexReLURegressor(tol=1e-3)``. Weights are those of ML-Poly, see
    `relu_forecast.compiled.experts`.

    Examples
    --------
    >>> import numpy as np
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> forecaster = ReLUForecaster(lags=2, horizon=2, beta_ratio=0.2).fit(wave)
    >>> forecaster.predict().columns.tolist()
    ['unique_id', 'ds', 'ReLU']
    """

    def __init__(self, lags: Any = "auto", horizon: int | None = None, estimator: Any = None,
                 strategy: str = "joint", transform: str | None = "last_value",
                 beta_ratio: float | str | None = None, skip_penalty: float | None = None,
                 committee: bool = True, random_state: Any = 0, alias: str = "ReLU",
                 future_exog: Sequence[str] = (), past_exog: Sequence[str] = (),
                 scope: str = "local") -> None:
        self.lags = lags
        self.horizon = horizon
        self.estimator = estimator
        self.strategy = strategy
        self.transform = transform
        self.beta_ratio = beta_ratio
        self.skip_penalty = skip_penalty
        self.committee = committee
        self.random_state = random_state
        self.alias = alias
        self.future_exog = future_exog
        self.past_exog = past_exog
        self.scope = scope

    @property
    def regressor_(self) -> Regressor:
        """The fitted network, or ``estimator``, of a single series, or of ``scope="global"``.

        Of a committee the network of the largest weight, or a linear model where there is none; of
        ``strategy="direct"`` that of the first step.
        """
        models = list(getattr(self, "models_", {}).values())
        if models and self.pools:
            shared: Regressor = shared_regressors(models[0])[0]
            return shared
        if len(models) != 1:
            raise AttributeError(
                "regressor_ exists after fitting one series, or all at once; see models_.")
        regressors: tuple[Regressor, ...] = models[0].regressors
        networks = (one for one in regressors if hasattr(one, "certificate_"))
        return next(networks, regressors[0])

    @property
    def members_(self) -> pd.DataFrame:
        """The members of each series, most weight first.

        Columns: identifier, ``member``, ``window``, ``ratio`` (penalty), ``neurons``, ``gap`` and
        ``scope`` of the certificate (empty for members that are no networks), ``error`` (root mean
        squared error, over all steps, of forecasts of the last part of the training samples by a
        fit to those before), ``seconds``, ``weight`` (mean over steps) and ``weight_1``, ... by
        step ahead.
        """
        check_is_fitted(self)
        rows = [{self.panel_.columns.id: name, **row} for name, state in self.models_.items()
                for row in members_of(state)]
        return pd.DataFrame(rows)

    def check_parameters(self) -> None:
        super().check_parameters()
        check_choice(self.committee, "committee", (True, False))
        check_choice(self.scope, "scope", ("local", "global"))
        if self.pools and _is(self.lags, "auto"):
            raise InvalidArgumentError("lags", "given with scope='global'", "'auto'",
                                       "Pass lags=30, for example.")
        if self.horizon is not None:
            check_positive_int(self.horizon, "horizon")
        if self.estimator is not None:
            self._check_estimator()
        elif not (self.beta_ratio is None or _is(self.beta_ratio, "cv")):
            check_positive(self.beta_ratio, "beta_ratio")
        if self.skip_penalty is not None:
            check_non_negative(self.skip_penalty, "skip_penalty")
        if not _is(self.lags, "auto"):
            self._on_windows(self.lags).check_parameters()
            return
        if self.past_exog and self.future_exog:
            raise InvalidArgumentError(
                "past_exog and future_exog", "not both given with lags='auto'",
                f"{self.past_exog!r} and {self.future_exog!r}",
                "Pass lags=60, for example, and strategy='direct'.")
        strategy = "recursive" if self.future_exog else self.strategy
        replace(self._workshop, strategy=strategy).linear(1).check_parameters()

    def _check_estimator(self) -> None:
        """Refuse parameters that an estimator has in its own right, or needs."""
        for name in ("beta_ratio", "skip_penalty"):
            if getattr(self, name) is not None:
                raise InvalidArgumentError(
                    name, "None when an estimator is given", repr(getattr(self, name)),
                    "Set the penalty on the estimator, or leave the estimator out.")
        if _is(self.lags, "auto"):
            raise InvalidArgumentError("lags", "given when an estimator is", repr(self.lags),
                                       "Pass lags=60, for example.")

    def _on_windows(self, lags: Any) -> Autoregression:
        """Return the one model on given windows."""
        if self.estimator is not None:
            return Autoregression(lags, self.estimator, self.strategy, self.transform, self.alias,
                                  self.future_exog, self.past_exog)
        ratio: Any = 0.1 if self._chooses else self.beta_ratio
        return self._pooled(ratio) if self.pools else self._workshop.network(
            lags, ratio, self._tol, quick=False)

    @property
    def _tol(self) -> float:
        """Gap to reach of one network."""
        return TOL if self.strategy == "joint" else _SINGLE_TOL

    def _pooled(self, ratio: float) -> PooledNetwork:
        """Return the network of all series, at a penalty."""
        return PooledNetwork(
            self.lags, self.strategy, self.transform, ratio, self.skip_penalty, self._tol, False,
            self.random_state, self.alias, self.future_exog, self.past_exog)

    @property
    def _workshop(self) -> Workshop:
        """How members are made."""
        ratio = self.beta_ratio
        ratios = None if ratio is None or isinstance(ratio, str) else (ratio,)
        return Workshop(self.strategy, self.transform, ratios,
                        self.skip_penalty, self.random_state, tuple(self.future_exog),
                        tuple(self.past_exog))

    @property
    def _judges(self) -> bool:
        """Whether candidates are judged, so that the state is a committee."""
        return not self.pools and (_is(self.lags, "auto") or self._chooses)

    @property
    def _chooses(self) -> bool:
        """Whether penalties are chosen by forecasts of the last part of the samples."""
        return self.estimator is None and (
            self.beta_ratio is None or _is(self.beta_ratio, "cv"))

    @property
    def pools(self) -> bool:
        return self.scope == "global"

    def _candidates(self, history: History, horizon: int) -> list[Candidate]:
        """Return the candidates for a training part."""
        if not _is(self.lags, "auto"):
            return one_window(self._workshop, self.lags)
        return ladder(self._workshop, history, horizon)

    @property
    def covariates(self) -> Covariates:
        return Covariates(tuple(self.past_exog), tuple(self.future_exog))

    @property
    def accepts_warm_start(self) -> bool:
        return self._judges or self._on_windows(self.lags).accepts_warm_start

    @property
    def skips_missing(self) -> bool:
        return True

    @property
    def accepts_weights(self) -> bool:
        return not self.pools and (
            self._judges or self._on_windows(self.lags).accepts_weights)

    @property
    def needs_horizon(self) -> bool:
        return self._is_limited or (self.strategy != "recursive" and self.horizon is None)

    @property
    def _is_limited(self) -> bool:
        """Whether forecasts cannot go on from forecasts, whatever the horizon."""
        return self.strategy == "direct" or (
            self.strategy == "joint" and len(self.past_exog) > 0)

    @property
    def usual_horizon(self) -> int | None:
        return self.horizon

    @property
    def lookback(self) -> int:
        # A committee remembers the samples that its members look back on.
        return 1 if self._judges else self._on_windows(self.lags).lookback

    def min_length(self, h: int) -> int:
        steps = self._steps_at_once(h)
        if _is(self.lags, "auto"):
            return 1 + steps + _SHORTEST
        return self._on_windows(self.lags).min_length(steps) + self._judges

    def _steps_at_once(self, horizon: int) -> int:
        """Return how many steps models are trained for and judged by."""
        if self.strategy == "recursive":
            judges = self._judges or self._chooses
            return self.horizon or (_USUAL_HORIZON if judges else 1)
        return max(self.horizon or 1, horizon) if self._is_limited else self.horizon or horizon

    def train(self, history: History, horizon: int, warm_start: WarmStarts) -> Any:
        if self.pools:
            return self.train_pooled({"y": history}, horizon, warm_start)["y"]
        steps = self._steps_at_once(horizon)
        if not self._judges:
            return self._on_windows(self.lags).train(history, steps, warm_start)
        learns = _is(self.lags, "auto") and self.committee
        committee = Committee(self._candidates(history, steps), steps, chooses=not learns)
        if warm_start and isinstance(warm_start[0], CommitteeModel):
            return committee.train_again(history, warm_start[0])
        return committee.train(history)

    def train_pooled(self, histories: Mapping[Hashable, History], horizon: int,
                     warm_start: WarmStarts) -> dict[Hashable, Any]:
        steps = self._steps_at_once(horizon)
        start = next((one for one in warm_start if isinstance(one, PooledStart)), None)
        if start is None:
            start = PooledStart(None, ())
            if self._chooses:
                start = choose_ratio(self._pooled, histories, steps)
        model = self._on_windows(self.lags)
        if self._chooses and start.ratio is not None:
            model = self._pooled(start.ratio)
        return dict(Pool(model).train(histories, steps, start.starts))

    def adopt(self, state: Any, history: History) -> Any:
        if not self.pools:
            return super().adopt(state, history)
        pool, steps = Pool(self._on_windows(self.lags)), getattr(state, "horizon", 1)
        own = pool.part_of(history, pool.model.inputs_of(history, steps), None)
        return pool.state(own, shared_regressors(state), steps)

    def shared_part(self, states: Sequence[Any]) -> Any:
        return shared_regressors(states[0]) if self.pools else None

    def own_part(self, state: Any) -> Any:
        return own_part(state) if self.pools else state

    def joined(self, shared: Any, own: Any) -> Any:
        if not self.pools:
            return super().joined(shared, own)
        if not (isinstance(own, OwnPart) and isinstance(shared, tuple) and shared):
            raise ValueError("it must have scales, and regressors of all series")
        horizon = self._steps_at_once(getattr(self, "horizon_", None) or 1)
        pool = Pool(self._on_windows(self.lags))
        pool.check_shared(shared, own.group)
        return pool.state(own, shared, horizon)

    def warm_start_of(self, state: Any) -> WarmStarts:
        if self.pools:
            return (start_from(state),)
        if isinstance(state, CommitteeModel):
            return (state,)
        return self._on_windows(self.lags).warm_start_of(state)

    def held_out_errors(self, state: Any) -> Array | None:
        return state.judged_errors if isinstance(state, CommitteeModel) else None

    def forecast(self, state: Any, past: Past, h: int) -> Array:
        forecasts: Array = state.forecast(past, h)
        return forecasts

    def check_storable(self) -> None:
        super().check_storable()
        if self.estimator is not None:
            self._on_windows(self.lags).check_storable()

    def check_state(self, state: Any, n_samples: int) -> None:
        steps = self._steps_at_once(getattr(self, "horizon_", None) or 1)
        if not self._judges:
            model: Any = self._on_windows(self.lags)
            model.horizon_ = steps
            model.check_state(state, n_samples)
            return
        if not isinstance(state, CommitteeModel):
            raise ValueError("it must be a committee")
        state.check(steps, n_samples)


def _is(given: Any, text: str) -> bool:
    """Tell whether an argument is a given text: arrays compare with texts by element."""
    return isinstance(given, str) and given == text
