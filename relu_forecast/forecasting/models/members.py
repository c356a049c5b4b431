"""Who may become a member: networks on a ladder of windows, linear models, analogs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.analogs import Analogs
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.committee import FIRST_PART, Candidate
from relu_forecast.forecasting.models.network import NetworkAutoregression
from relu_forecast.forecasting.models.seasons import find_season
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.transforms import RIDGE_PENALTIES

_WINDOWS: Mapping[int, tuple[float, ...]] = MappingProxyType(
    {4: (), 12: (), 30: (0.01, 0.003), 60: (0.01, 0.003), 120: (0.01, 0.003)})
"""Samples of windows that are seen as they are, and penalties of their networks."""
_LONG_WINDOWS: Mapping[int, tuple[float, ...]] = MappingProxyType(
    {240: (0.01,), 480: (0.01,), 960: (0.01,)})
"""The same of windows whose older samples are averaged over growing stretches."""
_SEASON_RATIOS = (0.03, 0.01)
_LONGEST_SEASON = 1000
_SEASON_NEWEST = 16
"""Penalties of networks that see the newest samples and those a season before what is forecast;
samples of the longest season that is looked for; and how many of the newest they see."""
_RECURSIVE_RATIO = 0.01
_RECURSIVE_WINDOW = 30
"""Of the network that is fed with its own forecasts."""
_ANALOG_WINDOWS = (12, 30, 60, 120, 240)
_FEWEST_ROWS = 100
"""Windows to train on that a network needs."""
_ROWS_PER_FEATURE = 2
"""The same of any model, for each of its inputs."""
TOL, QUICK_TOL = 0.1, 0.2
"""Gaps to reach of the one network that is kept, and of members: forecasts feel no smaller ones."""
CHOSEN_RATIOS = (0.1, 0.03, 0.01, 0.003)
"""Penalties to choose from where there is one window."""


@dataclass(frozen=True)
class Workshop:
    """How models of a series are made: what they have in common."""

    strategy: str
    transform: str | None
    ratios: tuple[float, ...] | None
    """Penalties of networks in place of the usual ones, if any."""
    skip_penalty: float | None
    random_state: Any
    future_exog: tuple[str, ...]
    past_exog: tuple[str, ...]

    def network(self, lags: Any, ratio: float, tol: float, *, quick: bool,
                strategy: str | None = None) -> NetworkAutoregression:
        """Return a network."""
        return NetworkAutoregression(
            lags, strategy or self.strategy, self.transform, ratio, self.skip_penalty, tol, quick,
            self.random_state, future_exog=self.future_exog, past_exog=self.past_exog)

    def linear(self, lags: Any, strategy: str | None = None) -> Autoregression:
        """Return a linear model."""
        return Autoregression(
            lags, RidgeCV(RIDGE_PENALTIES), strategy or self.strategy, self.transform, "Linear",
            self.future_exog, self.past_exog)

    def chain(self, context: Context, name: str, ratios: Sequence[float], *,
              quick: bool = True) -> list[Candidate]:
        """Return the linear model of a window, and networks of falling penalties."""
        candidates = [Candidate(f"linear {name}", self.linear(context), guards=True)]
        before = None
        for ratio in self.ratios or ratios:
            tol = QUICK_TOL if quick else TOL
            candidates.append(Candidate(
                f"network {name}, {ratio:g}", self.network(context, ratio, tol, quick=quick),
                before))
            before = candidates[-1].name
        return candidates


def one_window(workshop: Workshop, lags: Any) -> list[Candidate]:
    """Return the candidates of one window: the linear model, and networks of falling penalties."""
    context = Context.of(lags)
    return workshop.chain(context, str(context), CHOSEN_RATIOS, quick=False)


def ladder(workshop: Workshop, history: History, horizon: int) -> list[Candidate]:
    """Return the candidates of all windows that a training part is long enough for.

    Columns that are known ahead go to recursive models, each of whose steps is at one time.
    """
    if workshop.future_exog and workshop.strategy == "joint":
        workshop = replace(workshop, strategy="recursive")
    first = int(FIRST_PART * len(history))
    rows = partial(_rows, history.part(slice(first)), horizon)
    contexts = {Context.of(length): ratios for length, ratios in _WINDOWS.items()} | {
        Context.multiresolution(length): ratios for length, ratios in _LONG_WINDOWS.items()}
    candidates = [one for context, ratios in contexts.items()
                  for one in _on(workshop, context, rows, ratios)]
    season = find_season(history.values, min(_LONGEST_SEASON, first // 3))
    if season is not None:
        candidates += _seasonal(workshop, season, rows, horizon)
    candidates += _others(workshop, rows)
    return candidates or [Candidate("linear 1", workshop.linear(1), guards=True)]


def _rows(first: History, horizon: int, length: int) -> int:
    """Return how many windows of a length the first part of the samples has to train on."""
    whole = first.whole_windows(length, np.arange(1, horizon + 1))
    return len(first) - length - horizon + 1 if whole is None else int(whole.sum())


def _on(workshop: Workshop, context: Context, rows: Callable[[int], int],
        ratios: Sequence[float]) -> list[Candidate]:
    """Return the linear model and the networks of a window; fewer or none if it is long."""
    count, name = rows(context.length), str(context)
    if count < _ROWS_PER_FEATURE * context.size:
        return []
    if count < _FEWEST_ROWS or not ratios:
        return [Candidate(f"linear {name}", workshop.linear(context), guards=True)]
    return workshop.chain(context, name, ratios)


def _seasonal(workshop: Workshop, season: int, rows: Callable[[int], int],
              horizon: int) -> list[Candidate]:
    """Return models that see a season: all of it, or what there was a season before the horizon."""
    whole, newest = Context.of(season), range(1, _SEASON_NEWEST + 1)
    before = range(max(1, season - horizon + 1), season + 1)
    places = Context.of(sorted({*newest, *before}))
    name = f"season {season}"
    candidates = []
    if rows(season) >= season:
        strategies = [workshop.strategy] if workshop.past_exog else sorted(
            {workshop.strategy, "recursive"})
        candidates = [Candidate(f"linear {name}, {strategy}", workshop.linear(whole, strategy),
                                guards=True) for strategy in strategies]
    if rows(season) >= max(_FEWEST_ROWS, _ROWS_PER_FEATURE * places.size):
        candidates += workshop.chain(places, f"places of {name}", _SEASON_RATIOS)
    return candidates


def _others(workshop: Workshop, rows: Callable[[int], int]) -> list[Candidate]:
    """Return the network that is fed with its own forecasts, and analogs."""
    candidates = []
    ratio, = (workshop.ratios or (_RECURSIVE_RATIO,))[:1]
    if workshop.strategy != "recursive" and not workshop.past_exog and (
            rows(_RECURSIVE_WINDOW) >= _FEWEST_ROWS):
        network = workshop.network(
            _RECURSIVE_WINDOW, ratio, QUICK_TOL, quick=True, strategy="recursive")
        candidates.append(Candidate(f"network {_RECURSIVE_WINDOW}, {ratio:g}, recursive", network))
    return candidates + [
        Candidate(f"analogs {length}", Analogs(length))
        for length in _ANALOG_WINDOWS if rows(length) >= _FEWEST_ROWS / 2]
