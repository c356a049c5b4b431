"""One regressor on the windows of many series, each of which keeps its own scale.

Networks are `GroupedReLURegressor`: each series has its own linear part beside the common one, too.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from sklearn.base import clone

from relu_forecast.estimators import GroupedReLURegressor
from relu_forecast.estimators.decomposition import OutputParts, decompose
from relu_forecast.estimators.layers import layers_of
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.failures import locate_errors
from relu_forecast.forecasting.models.autoregression import Autoregression, StepsModel
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.judging import (
    EXACT,
    JudgedPart,
    forecasts_of,
    is_past_its_best,
)
from relu_forecast.forecasting.models.network import NetworkAutoregression
from relu_forecast.forecasting.models.strategies import (
    DirectModel,
    JointModel,
    RecursiveModel,
    takes_warm_start,
)
from relu_forecast.networks.layers import Layers
from relu_forecast.storage import stored
from relu_forecast.training.warm_start import WarmStart
from relu_forecast.validation import Array
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.transforms import TRANSFORMS

RATIOS = (1.0, 0.1, 0.03, 0.01, 0.003)
"""Penalties to choose from, falling; at the first the network has no neurons."""
_USUAL_RATIO = 0.1
"""Penalty where no series is long enough to hold a part of it out."""


class PooledNetwork(NetworkAutoregression):
    """A network of many series; see `NetworkAutoregression` for the parameters."""

    def make_regressor(self) -> Any:
        own = super().make_regressor()
        return GroupedReLURegressor(
            own.beta_ratio, skip_penalty=own.skip_penalty, tol=own.tol,
            random_state=own.random_state, settings=own.settings)


@stored()
@dataclass(frozen=True)
class PooledStart:
    """What a later pooled fit starts from."""

    ratio: float | None
    """Penalty of the networks, which was chosen; None of other regressors."""
    starts: tuple[WarmStart, ...]
    """Of the regressors, as far as they can start from something."""


@stored()
@dataclass(frozen=True)
class OwnPart:
    """What a series has of its own: all that files keep of it beside the regressors."""

    inputs: Inputs
    """Its scales."""
    group: int | None
    """Its number among the series that were fitted; None of a series that was not."""
    still: bool
    """Whether none of its samples has changed, so that there is no unit for what others do."""


@dataclass(frozen=True)
class OfSeries:
    """A regressor as one series sees it: with its linear part, if there is one."""

    shared: Any
    group: int | None
    """None for the common linear part alone."""
    still: bool
    """Whether no change is expected, whatever the regressor says."""

    @property
    def n_features_in_(self) -> int:
        """Features of a window."""
        count: int = self.shared.n_features_in_
        return count

    def fit(self, X: Any, y: Any) -> Any:
        """Refuse: the regressor is of all series."""
        raise NotImplementedError("a pooled regressor is fitted to all series")

    def predict(self, X: Any) -> Array:
        """Return the predictions, shape (n,) or (n, C)."""
        own = {} if self.group is None else {"groups": np.full(len(X), self.group)}
        outputs = np.asarray(self.shared.predict(X, **own))
        return np.zeros_like(outputs) if self.still else outputs

    def layers(self) -> Layers | None:
        """Return the regressor as plain matrices, as this series sees it."""
        layers = layers_of(self.shared, self.group)
        return layers.scaled(0.0) if layers is not None and self.still else layers

    def decompose(self, sample: Array) -> OutputParts:
        """Take apart what is said of one sample, shape (d,)."""
        said: OutputParts = self.shared.decompose(sample, self.group) if isinstance(
            self.shared, GroupedReLURegressor) else decompose(self.shared, sample)
        if not self.still:
            return said
        return replace(said, contributions=np.zeros_like(said.contributions),
                       weights=np.zeros_like(said.weights))


@dataclass(frozen=True)
class Pool:
    """How many series are fitted at once."""

    model: Autoregression
    """Of windows: lags, transform, strategy, regressor."""

    def train(self, histories: Mapping[Hashable, History], horizon: int,
              starts: Sequence[WarmStart] = ()) -> dict[Hashable, StepsModel]:
        """Fit to the windows of all series; return the state of each."""
        inputs = {}
        for name, history in histories.items():
            with locate_errors(f"series {name}"):
                inputs[name] = self.model.inputs_of(history, horizon)
                self._check_windows(history, inputs[name].length, horizon)
        n_steps = horizon if self.model.strategy == "joint" else None
        count = horizon if self.model.strategy == "direct" else 1
        regressors = [
            self._fit(inputs, histories, step, n_steps, starts[step - 1 : step])
            for step in range(1, count + 1)]
        grouped = isinstance(regressors[0], GroupedReLURegressor)
        parts = {name: self.part_of(histories[name], own, place if grouped else None)
                 for place, (name, own) in enumerate(inputs.items())}
        return {name: self.state(part, regressors, horizon) for name, part in parts.items()}

    def _check_windows(self, history: History, length: int, horizon: int) -> None:
        """Refuse a series of whose windows none is whole."""
        reach = 1 if self.model.strategy == "recursive" else horizon
        history.check_windows(
            history.whole_windows(length, np.arange(1, reach + 1)), 1, length)

    def part_of(self, history: History, inputs: Inputs, group: int | None) -> OwnPart:
        """Return what a series with these scales has of its own."""
        relative = self.model.transform in ("last_value", "difference")
        values = history.known[~np.isnan(history.known)]
        still = relative and bool((values == values[:1]).all())
        return OwnPart(inputs, group, still)

    def state(self, own: OwnPart, regressors: Sequence[Any], horizon: int) -> StepsModel:
        """Return the state of a series: regressors of all, and what it has of its own."""
        seen = tuple(OfSeries(one, own.group, own.still) for one in regressors)
        if self.model.strategy == "direct":
            return DirectModel(own.inputs, seen)
        if self.model.strategy == "joint":
            return JointModel(own.inputs, seen[0], horizon)
        return RecursiveModel(own.inputs, seen[0])

    def check_shared(self, regressors: Sequence[Any], group: int | None) -> None:
        """Refuse regressors, read from a file, that a series cannot have a part in."""
        kind = type(self.model.make_regressor())
        if not all(isinstance(one, kind) for one in regressors):
            raise ValueError(f"it must have regressors that are {kind.__name__}s")
        for one in regressors:
            groups = getattr(one, "groups_", None)
            if group is not None and (groups is None or group not in groups):
                raise ValueError(f"it must have regressors that know series {group}")

    def _fit(self, inputs: Mapping[Hashable, Inputs], histories: Mapping[Hashable, History],
             first: int, n_steps: int | None, start: Sequence[WarmStart]) -> Any:
        """Fit a regressor to the windows of all series."""
        pairs = [self.model.rows(own, histories[name], first, n_steps)
                 for name, own in inputs.items()]
        features = np.concatenate([one for one, _ in pairs])
        targets = np.concatenate([one for _, one in pairs])
        if n_steps == 1:
            targets = targets[:, 0]
        fitted = clone(self.model.choose_regressor(
            features, targets, next(iter(inputs.values())), None))
        options: dict[str, Any] = {}
        if isinstance(fitted, GroupedReLURegressor):
            options["groups"] = np.repeat(np.arange(len(pairs)), [len(one) for one, _ in pairs])
        if start and takes_warm_start(fitted):
            options["warm_start"] = start[0]
        return fitted.fit(features, targets, **options)


def shared_regressors(state: StepsModel) -> tuple[Any, ...]:
    """Return the regressors of all series."""
    return tuple(one.shared for one in _seen(state))


def own_part(state: StepsModel) -> OwnPart:
    """Return what the series of a state has of its own."""
    some = _seen(state)[0]
    return OwnPart(state.inputs, some.group, some.still)


def _seen(state: StepsModel) -> tuple[OfSeries, ...]:
    """Return the regressors as a series sees them."""
    regressors: Any = state.regressors
    return tuple(regressors)


def start_from(state: StepsModel) -> PooledStart:
    """Return what a later fit starts from."""
    shared = shared_regressors(state)
    starts = (getattr(one, "warm_start_", None) for one in shared)
    ratio = shared[0].beta_ratio if isinstance(shared[0], GroupedReLURegressor) else None
    return PooledStart(ratio, tuple(one for one in starts if isinstance(one, WarmStart)))


def choose_ratio(make: Callable[[float], Autoregression], histories: Mapping[Hashable, History],
                 horizon: int) -> PooledStart:
    """Return the penalty whose networks forecast the last part of the series best.

    Networks are fitted to the first part of each series, each from the one before; errors of each
    series count in units of its own scale, over all steps. What was learned at the best penalty
    comes with it.
    """
    parts = _judged_parts(make(_USUAL_RATIO), histories, horizon)
    if not parts:
        return PooledStart(_USUAL_RATIO, ())
    best = start = PooledStart(_USUAL_RATIO, ())
    squares: list[float] = []
    for ratio in RATIOS:
        model = make(ratio)
        states = Pool(model).train(
            {name: part.first for name, part in parts.items()}, horizon, start.starts)
        start = start_from(next(iter(states.values())))
        square = _mean_square(model, states, parts)
        if square < min(squares, default=np.inf):
            best = replace(start, ratio=ratio)
        squares.append(square)
        if square < EXACT or is_past_its_best([one / squares[0] for one in squares]):
            break
    return best


def _judged_parts(model: Autoregression, histories: Mapping[Hashable, History],
                  horizon: int) -> dict[Hashable, JudgedPart]:
    """Return the last parts of the series that are long enough to hold one out."""
    length = Context.of(model.lags).length
    found = {}
    for name, history in histories.items():
        part = JudgedPart.of(
            history, horizon, TRANSFORMS[model.transform].fit(history.values, length).scale)
        if part is None or part.stop < model.min_length(horizon):
            continue
        if part.first.longest_run >= model.min_length(horizon):
            found[name] = part
    return found


def _mean_square(model: Autoregression, states: Mapping[Hashable, Any],
                 parts: Mapping[Hashable, JudgedPart]) -> float:
    """Return the mean squared error of forecasts of the last parts, in units of the series."""
    errors = []
    for name, part in parts.items():
        forecasts = forecasts_of(
            model, states[name], part.arrays, part.stop, part.cutoffs, part.horizon)
        errors.append((forecasts / part.unit - part.samples).ravel())
    with np.errstate(over="ignore", invalid="ignore"):
        square = float(np.nanmean(np.concatenate(errors) ** 2))
    return square if np.isfinite(square) else np.inf
