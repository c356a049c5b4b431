"""How good candidates for a committee are: what they forecast of the last training samples.

Candidates are fitted to the first part of the training samples, and forecast the rest. Those of one
window make a chain: the linear model, then networks of falling penalties, each of which starts from
the one before. A chain ends where forecasts get no better.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import numpy.typing as npt

from relu_forecast.forecasting.contract import ForecastingModel, WarmStarts
from relu_forecast.forecasting.data.history import History, SeriesArrays
from relu_forecast.forecasting.failures import collect_unconverged
from relu_forecast.validation import Array

_FIRST_PART = 0.7
"""Share of the training samples from which members forecast the others."""
MOST_JUDGED = 3000
"""Samples of the rest that members are judged on at most, the latest."""
BETTER, SAME = 0.995, 1e-3
"""Squared errors, as a share of the least before in a chain, that let it go on; and how near to
those of the linear model they count as the same."""
EXACT = 1e-12
"""Squared errors, in units of the series, that are rounding: nothing is left to be learned."""
_AS_GOOD = 1.05
"""Squared errors, over the least of a window, up to which further networks of it join."""
_CROWDED = 0.2
"""Neurons, for each sample, of a network after which a chain ends: the next would fit noise."""
SPARE = 2
"""Samples beyond the fewest that a candidate can be fitted to, below which it is not judged."""


@dataclass(frozen=True)
class Candidate:
    """A model that may become a member."""

    name: str
    model: ForecastingModel
    after: str | None = None
    """Name of the candidate whose fit its own starts from, if any: one of the same windows."""
    guards: bool = False
    """Whether it may stand in for the best member at single steps: a linear model."""


@dataclass(frozen=True)
class Judged:
    """A candidate and what it forecast of the judged part."""

    candidate: Candidate
    forecasts: Array
    """Shape (T, H), in units of the series; T is 0 where nothing could be judged."""
    mean_squares: Array
    """Shape (H,). Of its errors, in these units, weighted as the samples are."""
    warm_start: WarmStarts
    """What the fit to all samples can start from."""
    seconds: float

    @classmethod
    def unknown(cls, candidate: Candidate, horizon: int) -> Judged:
        """Return a candidate that could not be judged."""
        return cls(candidate, np.empty((0, horizon)), np.full(horizon, np.nan), (), 0.0)


@dataclass(frozen=True)
class JudgedPart:
    """The last training samples, which candidates forecast from fits to those before."""

    history: History
    horizon: int
    unit: float
    stop: int
    """Samples that candidates are fitted to."""

    @classmethod
    def of(cls, history: History, horizon: int, unit: float) -> JudgedPart | None:
        """Return the part; None where it would be shorter than what is forecast.

        Or where there is a step ahead at which no sample of it is observed, and weighs anything.
        """
        n = len(history)
        stop = first_part(n)
        if stop < 1 or n - stop < horizon:
            return None
        part = cls(history, horizon, unit, stop)
        judged = ~np.isnan(part.samples)
        if part.weights is not None:
            judged &= part.weights > 0
        return part if judged.any(axis=0).all() else None

    @property
    def first(self) -> History:
        """What candidates are fitted to."""
        return self.history.part(slice(self.stop))

    @property
    def arrays(self) -> SeriesArrays:
        """What candidates forecast from: gaps are filled for each cutoff by what it knows."""
        values = self.history.known.copy()
        values[:1] = self.history.values[:1]
        return SeriesArrays(values, self.history.past, self.history.future)

    def can_judge(self, model: ForecastingModel) -> bool:
        """Tell whether the samples before the part are enough for a model, with some to spare."""
        shortest = model.min_length(self.horizon) + SPARE
        return self.first.has_run(shortest, model.lookback)

    @property
    def cutoffs(self) -> npt.NDArray[np.intp]:
        """Positions of the T samples after which the rest is forecast."""
        return np.arange(self.stop - 1, len(self.history) - 1)

    @property
    def samples(self) -> Array:
        """What was to be forecast, (T, H), in units of the series; NaN where it is not known."""
        return samples_ahead(self.history.known[self.stop :], self.horizon) / self.unit

    @property
    def weights(self) -> Array | None:
        """Weights of `samples`, (T, H); None where all weigh the same."""
        if self.history.weights is None:
            return None
        return samples_ahead(self.history.weights[self.stop :], self.horizon)

    @property
    def mean_weights(self) -> Array | float:
        """Mean weight of the samples that are known, by step ahead, (H,)."""
        weights = self.weights
        return 1.0 if weights is None else np.asarray(
            np.nanmean(np.where(np.isnan(self.samples), np.nan, weights), axis=0))

    def mean_squares(self, forecasts: Array) -> Array:
        """Return mean squared errors of forecasts, (T, H), by step; weighted by `weights`."""
        weights = self.weights
        with np.errstate(over="ignore", invalid="ignore"):
            squares = (forecasts - self.samples) ** 2
            if weights is None:
                means = np.nanmean(squares, axis=0)
            else:
                weights = np.where(np.isnan(squares), 0.0, weights)
                weighed = np.where(weights > 0, weights * squares, 0.0)
                means = weighed.sum(axis=0) / weights.sum(axis=0)
        return np.asarray(np.nan_to_num(means, nan=np.inf))

    def judge(self, chain: Sequence[Candidate]) -> list[Judged]:
        """Fit candidates one after the other, each from the one before, and let them forecast."""
        known, first, warm_start = self.arrays, self.first, ()
        judged: list[Judged] = []
        crowded = False
        for candidate in chain:
            exact = bool(judged) and judged[0].mean_squares.max() < EXACT
            if crowded or exact or is_past_its_best(relative_errors(judged).mean(axis=1).tolist()):
                break
            model = candidate.model
            if not candidate.after:
                warm_start = ()
            state, seconds, _ = fit_and_time(model, first, self.horizon, warm_start)
            forecasts = forecasts_of(
                model, state, known, self.stop, self.cutoffs, self.horizon) / self.unit
            warm_start = model.warm_start_of(state)
            crowded = _neurons_of(state) > _CROWDED * len(first)
            judged.append(Judged(
                candidate, forecasts, self.mean_squares(forecasts), warm_start, seconds))
        return judged


def first_part(n_samples: int) -> int:
    """Return how many of the training samples candidates are fitted to, to forecast the rest."""
    return max(int(_FIRST_PART * n_samples), n_samples - MOST_JUDGED)


def samples_ahead(samples: Array, horizon: int) -> Array:
    """Return each of n samples and those after it, (n, horizon); NaN beyond the last."""
    padded = np.concatenate([samples, np.full(horizon, np.nan)])
    return np.lib.stride_tricks.sliding_window_view(padded, horizon)[: len(samples)]


def is_past_its_best(errors: Sequence[float]) -> bool:
    """Tell whether the last in a chain is no better than one before it: the next will be worse.

    By mean squared errors over those of the first, the linear model. A network that is that but for
    rounding, as it is at a large penalty, says nothing of the next.
    """
    if len(errors) < 2 or abs(errors[-1] - 1) < SAME:
        return False
    return errors[-1] > BETTER * min(errors[:-1])


def _neurons_of(state: Any) -> int:
    """Return the neurons of a state, of its largest network; 0 without one."""
    return max((getattr(one, "n_neurons_", 0) for one in getattr(state, "regressors", ())),
               default=0)


def relative_errors(judged: Sequence[Judged]) -> Array:
    """Return mean squared errors, (M, H), over those of the first."""
    if not judged:
        return np.empty((0, 1))
    squares = np.stack([one.mean_squares for one in judged])
    with np.errstate(over="ignore", invalid="ignore"):
        relative: Array = squares / np.maximum(squares[0], np.finfo(np.float64).tiny)
    return np.nan_to_num(relative, nan=np.inf)


def best_of(chain: Sequence[Judged]) -> list[Judged]:
    """Return the linear models of a chain, the best other one, and what is as good as that."""
    errors = relative_errors(chain).mean(axis=1)
    others = [error for one, error in zip(chain, errors, strict=True) if not one.candidate.guards]
    least = min(others, default=np.inf)
    return [one for one, error in zip(chain, errors, strict=True)
            if one.candidate.guards or error <= _AS_GOOD * least]


def forecasts_of(model: ForecastingModel, state: Any, known: SeriesArrays, fit_stop: int,
                 cutoffs: Any, h: int) -> Array:
    """Return what a model forecasts from cutoffs, positions of last known samples, (C, h).

    NaN from those after which columns are not known ``h`` steps ahead.
    """
    n_able = len(cutoffs)
    if known.future.shape[1]:
        n_able = int(np.searchsorted(cutoffs, len(known.future) - h))
    found = np.full((len(cutoffs), h), np.nan)
    if n_able:
        past = known.past_at(cutoffs[:n_able], fit_stop, model.lookback, h)
        with np.errstate(over="ignore", invalid="ignore"):  # an unstable recursion gets no weight
            found[:n_able] = model.forecast(state, past, h)
    return found


def fit_and_time(model: ForecastingModel, history: History, horizon: int,
                 warm_start: WarmStarts) -> tuple[Any, float, list[str]]:
    """Return the state of a fit, its seconds, and what was said of trainings that did not end."""
    began = perf_counter()
    with collect_unconverged() as messages:
        state = model.train(history, horizon, warm_start)
    return state, perf_counter() - began, messages
