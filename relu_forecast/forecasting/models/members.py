"""Who may become a member: networks on a ladder of windows, linear models, analogs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
from sklearn.linear_model import RidgeCV

from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.analogs import Analogs
from relu_forecast.forecasting.models.autoregression import Autoregression
from relu_forecast.forecasting.models.judging import Candidate, first_part
from relu_forecast.forecasting.models.network import NetworkAutoregression
from relu_forecast.forecasting.models.seasons import find_seasons
from relu_forecast.windows.contexts import Context
from relu_forecast.windows.transforms import RIDGE_PENALTIES

_Ratios = tuple[float, ...]

_ONE_WINDOW: _Ratios = (0.1, 0.03, 0.01, 0.003)
"""Penalties of networks of one window, falling; they are tried as long as forecasts get better."""
_PLAIN: Mapping[int, _Ratios] = MappingProxyType(
    {4: (), 12: (), 30: (0.03, 0.01), 60: (0.03, 0.01), 120: (0.03, 0.01, 0.003)})
"""Samples of the windows of members, which see them as they are, and penalties of networks."""
_AVERAGED: Mapping[int, _Ratios] = MappingProxyType(
    {240: (0.03, 0.01), 480: (0.03,), 960: (0.03,)})
"""The same of windows whose older samples are averaged over growing stretches."""
_INFORMED: Mapping[int, _Ratios] = MappingProxyType({30: (0.06,), 120: (0.06,)})
"""The same of windows beside which the linear part sees what analogs say."""
_SEASONAL: _Ratios = (0.03, 0.01, 0.003)
_RECURSIVE: _Ratios = (0.03,)
_FEW: _Ratios = (0.1,)
"""Penalties of networks that see a season before; that are fed with their own forecasts; and that
have few windows to train on: smaller ones fit noise, and take long to."""
_FIRST_NETWORK = 30
"""Samples of the shortest window that has networks, not a linear model alone."""
_LONGEST_SEASON = 1000
_SEASON_NEWEST = 16
"""Samples of the longest season that is looked for; and how many of the newest are seen by networks
that see those a season before what is forecast."""
_RECURSIVE_WINDOW = 30
"""Of the network that is fed with its own forecasts."""
_ANALOG_WINDOWS = (12, 30, 60, 120, 240)
_INFORMING = 60
"""Samples of windows that analogs are found by; and that those are which inform a linear part."""
_FEWEST_ROWS, _MANY_ROWS = 100, 1000
"""Windows to train on that a network needs, and from which on there are networks on all windows."""
_ROWS_PER_FEATURE = 2
"""The same of any model, for each of its inputs."""
TOL, QUICK_TOL = 0.1, 0.2
"""Gaps to reach of the one network that is kept, and of members: forecasts feel no smaller ones."""


@dataclass(frozen=True)
class Workshop:
    """How models of a series are made: what they have in common."""

    strategy: str
    transform: str | None
    ratios: _Ratios | None
    """Penalties of networks in place of the usual ones, if any."""
    skip_penalty: float | None
    random_state: Any
    future_exog: tuple[str, ...]
    past_exog: tuple[str, ...]

    def network(self, lags: Any, ratio: float, tol: float, *, quick: bool,
                analogs: int | None = None) -> NetworkAutoregression:
        """Return a network."""
        return NetworkAutoregression(
            lags, self.strategy, self.transform, ratio, self.skip_penalty, tol, quick,
            self.random_state, future_exog=self.future_exog, past_exog=self.past_exog,
            analogs=analogs)

    def linear(self, lags: Any, strategy: str | None = None,
               analogs: int | None = None) -> Autoregression:
        """Return a linear model."""
        return Autoregression(
            lags, RidgeCV(RIDGE_PENALTIES), strategy or self.strategy, self.transform, "Linear",
            self.future_exog, self.past_exog, analogs)

    def chain(self, context: Context, name: str, ratios: _Ratios, *,
              quick: bool = True, analogs: int | None = None) -> list[Candidate]:
        """Return the linear model of a window, and networks of falling penalties."""
        linear = self.linear(context, analogs=analogs)
        candidates = [Candidate(f"linear {name}", linear, guards=True)]
        before = candidates[0].name
        for ratio in self.ratios or ratios:
            network = self.network(
                context, ratio, QUICK_TOL if quick else TOL, quick=quick, analogs=analogs)
            candidates.append(Candidate(f"network {name}, {ratio:g}", network, before))
            before = candidates[-1].name
        return candidates


def one_window(workshop: Workshop, lags: Any) -> list[Candidate]:
    """Return the candidates of one window: the linear model, and networks of falling penalties."""
    context = Context.of(lags)
    return workshop.chain(context, str(context), _ONE_WINDOW, quick=False)


def ladder(workshop: Workshop, history: History, horizon: int) -> list[Candidate]:
    """Return the candidates of all windows that a training part is long enough for.

    Columns that are known ahead go to recursive models, each of whose steps is at one time.
    """
    if workshop.future_exog and workshop.strategy == "joint":
        workshop = replace(workshop, strategy="recursive")
    first = first_part(len(history))
    rows = partial(_rows, history.part(slice(first)), horizon)
    contexts = {Context.of(length): ratios for length, ratios in _PLAIN.items()} | {
        Context.multiresolution(length): ratios for length, ratios in _AVERAGED.items()}
    candidates = [one for context, ratios in contexts.items()
                  for one in _on(workshop, context, rows, ratios)]
    for season in find_seasons(history.known, min(_LONGEST_SEASON, first // 2)):
        candidates += _seasonal(workshop, season, rows, horizon)
    candidates += _informed(workshop, rows)
    candidates += _others(workshop, rows)
    return candidates or [Candidate("linear 1", workshop.linear(1), guards=True)]


def _rows(first: History, horizon: int, length: int) -> int:
    """Return how many windows of a length the first part of the samples has to train on."""
    whole = first.whole_windows(length, np.arange(1, horizon + 1))
    return len(first) - length - horizon + 1 if whole is None else int(whole.sum())


def _on(workshop: Workshop, context: Context, rows: Callable[[int], int],
        ratios: _Ratios) -> list[Candidate]:
    """Return the linear model and the networks of a window; fewer or none if it is long."""
    count, name = rows(context.length), str(context)
    if count < _ROWS_PER_FEATURE * context.size:
        return []
    shortest = context.length == _FIRST_NETWORK
    if count < (_FEWEST_ROWS if shortest else _MANY_ROWS) or not ratios:
        return [Candidate(f"linear {name}", workshop.linear(context), guards=True)]
    return workshop.chain(context, name, ratios if count >= _MANY_ROWS else _FEW)


def _informed(workshop: Workshop, rows: Callable[[int], int]) -> list[Candidate]:
    """Return models whose linear part sees what analogs say too."""
    if workshop.strategy != "joint" or workshop.past_exog:
        return []
    return [one for length, ratios in _INFORMED.items()
            if rows(max(length, _INFORMING)) >= _MANY_ROWS
            for one in workshop.chain(
                Context.of(length), f"{length} and analogs", ratios, analogs=_INFORMING)]


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
        few = rows(season) < _MANY_ROWS
        candidates += workshop.chain(
            places, f"places of {name}", _FEW if few else _SEASONAL)
    return candidates


def _others(workshop: Workshop, rows: Callable[[int], int]) -> list[Candidate]:
    """Return the network that is fed with its own forecasts, and analogs."""
    candidates: list[Candidate] = []
    if workshop.strategy != "recursive" and not workshop.past_exog and (
            rows(_RECURSIVE_WINDOW) >= _MANY_ROWS):
        recursive = replace(workshop, strategy="recursive")
        candidates = recursive.chain(
            Context.of(_RECURSIVE_WINDOW), f"{_RECURSIVE_WINDOW} recursive", _RECURSIVE)
    return candidates + [
        Candidate(f"analogs {length}", Analogs(length))
        for length in _ANALOG_WINDOWS if rows(length) >= _FEWEST_ROWS / 2]
