"""A committee: several models of one series, whose forecasts are mixed by how well they have done.

Each member is fitted twice: to the first part of the training samples, from which it forecasts the
rest, so that it is known how good it is before the first real forecast; and to all of them. Of a
committee that learns, weights go on to follow the errors as samples come in. One that chooses keeps
the best member, and for each step the better of it and its guard, a linear model.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from joblib import delayed

from relu_forecast.compiled import Mixture
from relu_forecast.compiled.experts import Experts, Mixing
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.forecasting.contract import check_within_horizon
from relu_forecast.forecasting.data.history import History, Past, SeriesArrays
from relu_forecast.forecasting.models.decomposition import Decomposition, mixed
from relu_forecast.forecasting.models.judging import (
    MOST_JUDGED,
    Candidate,
    Judged,
    JudgedPart,
    best_of,
    fit_and_time,
    forecasts_of,
    relative_errors,
    samples_ahead,
)
from relu_forecast.forecasting.models.storing import StorableForecaster
from relu_forecast.forecasting.parallel import in_parallel
from relu_forecast.storage import COUNT, MATRIX, VECTOR, stored
from relu_forecast.storage import Array as Numbers
from relu_forecast.validation import Array

_JUDGED_AGAIN = 2
"""Members are judged again where there are so many times the samples."""
_AT_ONCE = 2000
"""Cutoffs that all members forecast from at a time."""


@stored(errors=Numbers((1,), finite=False))
@dataclass(frozen=True)
class Member:
    """A fitted member."""

    name: str
    model: Any
    """A `Forecaster`, which is not fitted itself."""
    state: Any
    """What its `train` returned."""
    errors: Array
    """Shape (H,). Mean squared errors on the judged part, by step ahead, in units of the series;
    NaN where nothing was judged."""
    seconds: float
    """Of its fits."""


@stored(values=VECTOR, past=MATRIX, future=MATRIX)
@dataclass(frozen=True)
class Tail:
    """The last training samples, which forecasts from later cutoffs look back on."""

    values: Array
    past: Array
    future: Array

    @classmethod
    def of(cls, history: History, length: int) -> Tail:
        """Keep the last ``length`` samples."""
        start = max(0, len(history) - length)
        return cls(history.values[start:].copy(), history.past[start:].copy(),
                   history.future[start:].copy())

    def followed_by(self, recent: History) -> SeriesArrays:
        """Return these samples and those after them, of which some may be missing."""
        return SeriesArrays(np.concatenate([self.values, recent.known]),
                            np.concatenate([self.past, recent.past]),
                            np.concatenate([self.future, recent.future]))


@stored(judged_errors=Numbers((2,), finite=False), stop=COUNT)
@dataclass(frozen=True)
class CommitteeModel:
    """Fitted members, and what is known of them at the end of the training part."""

    members: tuple[Member, ...]
    experts: Experts
    tail: Tail
    unit: float
    """Size of the series, in its own unit, so that squares neither under- nor overflow."""
    judged_on: int
    """Training samples that there were when members were judged."""
    stop: int
    """Position in the series of the sample after the training part."""
    judged_errors: Array
    """Shape (T, H). Absolute errors of the mixture, from the samples of the judged part on to the
    last but one, in the unit of the data; NaN where the sample was not known."""

    def check(self, horizon: int, n_samples: int) -> None:
        """Refuse parts, read from a file, that do not belong together; see `check_state`."""
        shape = len(self.members), horizon
        if not self.members or self.experts.eligible.shape != shape:
            raise ValueError(f"it must have weights of its members at {horizon} steps")
        if self.stop != n_samples:
            raise ValueError(f"it must end with the {n_samples} samples of the series")
        if self.unit <= 0 or self.judged_errors.shape[1:] != (horizon,):
            raise ValueError(f"it must have a unit above 0, and errors at {horizon} steps")
        for member in self.members:
            model: Any = member.model
            if not isinstance(model, StorableForecaster) or member.errors.shape != (horizon,):
                raise ValueError("it must have members that are forecasters, with errors by step")
            model.check_parameters()
            if len(self.tail.values) < model.lookback:
                raise ValueError("it must keep the samples that members look back on")
            model.horizon_ = horizon
            model.check_state(member.state, n_samples)
            del model.horizon_

    @property
    def regressors(self) -> tuple[Any, ...]:
        """The regressors of all members, the one of most weight first."""
        order = np.argsort(-self.weights.mean(axis=1), kind="stable")
        return tuple(regressor for place in order
                     for regressor in getattr(self.members[place].state, "regressors", ()))

    @property
    def weights(self) -> Array:
        """Weight of each member at each step right after the fit, shape (M, H)."""
        return self.experts.weights()

    def forecast(self, past: Past, h: int) -> Array:
        """Return the ``h`` samples after each cutoff, shape (C, h).

        Members forecast from all cutoffs since the training part, for their weights to follow.
        """
        origins = np.unique(past.elapsed)
        if self.experts.learns:
            origins = np.arange(origins[-1] + 1)
        found, _ = self._mixtures(past.recent, origins, h)
        return found[np.searchsorted(origins, past.elapsed)]

    @property
    def lookback(self) -> int:
        """Samples that members look back on, the most of any."""
        return max(int(member.model.lookback) for member in self.members)

    def weights_along(self, recent: History) -> Array:
        """Return the weights at the end of the training part, and after each sample since.

        Shape (T + 1, M, H), of forecasts from there on, for the T samples of ``recent``.
        """
        known, mixing = self.tail.followed_by(recent), Mixing(self.experts)
        forecasts = self._of_members(
            known, np.arange(len(recent) + 1), len(self.experts.scales)) / self.unit
        samples = np.append(recent.known, np.nan) / self.unit
        weights = np.ones(len(samples)) if recent.weights is None else np.append(recent.weights, 0)
        found = []
        for place, (sample, weight) in enumerate(zip(samples, weights, strict=True)):
            found.append(mixing.shares(np.isfinite(forecasts[:, place])))
            mixing.mix(forecasts[:, place])
            mixing.observe(sample, weight)
        return np.stack(found)

    def compiled(self, n_steps: int) -> Mixture:
        """Return the committee as plain arrays, for its whole horizon, ``n_steps`` at most."""
        horizon = len(self.experts.scales)
        check_within_horizon(n_steps, horizon)
        return Mixture(tuple(member.model.compile(member.state, horizon)
                             for member in self.members), self.experts, self.unit)

    def decompose(self, arrays: SeriesArrays, cutoff: int, h: int) -> Decomposition:
        """Take apart the ``h`` forecasts from one cutoff, the position of the last known sample.

        Members have the weights that they have right after the fit.
        """
        members = [member.state.decompose(arrays, cutoff, h).of_member(member.name)
                   for member in self.members]
        forecasts = np.stack([one.forecasts for one in members])
        return mixed(members, Mixing(self.experts).shares(np.isfinite(forecasts)))

    def new_samples(self, history: History) -> History | None:
        """Return the part of a history that comes after the training part of this committee.

        Where that ended is known by its position in the series. None where it is not within the
        history, or other samples are there, as of a gap that was filled otherwise.
        """
        place = self.stop - history.start
        if not 0 <= place <= len(history):
            return None
        seen = history.values[max(0, place - len(self.tail.values)) : place]
        same = np.array_equal(seen, self.tail.values[len(self.tail.values) - len(seen) :])
        return history.part(slice(place, None)) if same else None

    def followed(self, recent: History) -> tuple[Experts, Array]:
        """Return what is known of the members after the samples that followed, and all errors."""
        horizon = len(self.experts.scales)
        mixtures, experts = self._mixtures(recent, np.arange(len(recent)), horizon)
        new = np.abs(mixtures - samples_ahead(recent.known, horizon))
        return experts, np.concatenate([self.judged_errors, new])[-MOST_JUDGED:]

    def _mixtures(self, recent: History, elapsed: Any, h: int) -> tuple[Array, Experts]:
        """Return the mixture from cutoffs so many samples after the training part, (C, h).

        And what is known after the sample that follows the last of them, if there is one.
        """
        known, mixing = self.tail.followed_by(recent), Mixing(self.experts)
        values = np.append(recent.known, np.nan) / self.unit
        weights = np.append(
            np.ones(len(recent)) if recent.weights is None else recent.weights, 0.0)
        parts = [elapsed[start : start + _AT_ONCE] for start in range(0, len(elapsed), _AT_ONCE)]
        found = [
            mixing.follow(
                self._of_members(known, part, h) / self.unit, values[part], weights[part])
            for part in parts]
        return np.concatenate([np.empty((0, h)), *found]) * self.unit, mixing.experts

    def _of_members(self, known: SeriesArrays, elapsed: Any, h: int) -> Array:
        """Return what each member forecasts, (M, C, h), so many samples after the training part."""
        stop = len(self.tail.values)
        return np.stack([forecasts_of(member.model, member.state, known, stop,
                                      stop - 1 + elapsed, h) for member in self.members])


@dataclass(frozen=True)
class Committee:
    """How candidates are judged, and become a committee."""

    candidates: Sequence[Candidate]
    horizon: int
    """Steps ahead, H, that they are judged by."""
    chooses: bool = False
    """Whether to keep the best and its guard only, instead of all."""

    def train(self, history: History) -> CommitteeModel:
        """Judge the candidates, and fit those that are kept to all samples."""
        unit = _unit(history.values)
        part = JudgedPart.of(history, self.horizon, unit)
        judged = self._judge(part)
        kept, experts, errors = self._settled(judged, part)
        fits = _fitted([(one.candidate.model, history, self.horizon, one.warm_start)
                        for one in kept])
        members = tuple(
            Member(one.candidate.name, one.candidate.model, state, one.mean_squares,
                   one.seconds + seconds)
            for one, (state, seconds) in zip(kept, fits, strict=True))
        return CommitteeModel(members, experts, self._tail(members, history), unit, len(history),
                              history.start + len(history), errors)

    def train_again(self, history: History, before: CommitteeModel) -> CommitteeModel:
        """Fit the members of an earlier committee to later samples; weights have followed them.

        Where the samples do not go on from those before, or are twice as many, all starts anew.
        """
        new = before.new_samples(history)
        if new is None or len(history) >= _JUDGED_AGAIN * before.judged_on:
            return self.train(history)
        fits = _fitted([(member.model, history, self.horizon,
                         member.model.warm_start_of(member.state)) for member in before.members])
        members = tuple(
            replace(member, state=state, seconds=seconds)
            for member, (state, seconds) in zip(before.members, fits, strict=True))
        experts, errors = before.followed(new)
        return replace(before, members=members, experts=experts, judged_errors=errors,
                       tail=self._tail(members, history), stop=history.start + len(history))

    def _judge(self, part: JudgedPart | None) -> list[Judged]:
        """Return the candidates that can be judged, with what they forecast; all if none can."""
        able = [] if part is None else [
            one for one in self.candidates if part.can_judge(one.model)]
        if part is None or not able:
            plain = [one for one in self.candidates if one.guards] or self.candidates
            return [Judged.unknown(one, self.horizon) for one in plain]
        chains: dict[str, list[Candidate]] = {}
        first = {one.name: one.name for one in able}
        for one in able:
            first[one.name] = first.get(one.after or "", one.name)
            chains.setdefault(first[one.name], []).append(one)
        calls = (delayed(part.judge)(chain) for chain in chains.values())
        found = in_parallel(calls, len(chains), "Judging windows")
        return [one for chain in found for one in best_of(chain)]

    def _settled(self, judged: list[Judged],
                 part: JudgedPart | None) -> tuple[list[Judged], Experts, Array]:
        """Return who is kept, what is known of them, and errors of what they forecast together.

        The errors are absolute, (T, H), of the judged part, in the unit of the series.
        """
        if part is None or not len(judged[0].forecasts):
            experts = Experts.beginners(len(judged), self.horizon)
            return judged, experts, np.empty((0, self.horizon))
        if self.chooses:
            judged, experts = _chosen(judged)
        else:
            start = Experts.judged(np.stack([one.mean_squares for one in judged]))
            judged = [judged[place] for place in np.flatnonzero(start.eligible.any(axis=1))]
            experts = Experts.judged(
                np.stack([one.mean_squares for one in judged]), part.mean_weights)
        forecasts = np.stack([one.forecasts for one in judged])
        mixing, samples = Mixing(experts), part.samples
        weights = None if part.weights is None else part.weights[:, 0]
        errors = np.abs(mixing.follow(forecasts, samples[:, 0], weights) - samples) * part.unit
        return judged, mixing.experts, errors

    def _tail(self, members: Iterable[Member], history: History) -> Tail:
        """Return the samples that the members look back on."""
        return Tail.of(history, max(member.model.lookback for member in members))


def _chosen(judged: list[Judged]) -> tuple[list[Judged], Experts]:
    """Return the best candidate and the guard, and which of them forecasts each step.

    The best has the least mean over steps of its squared errors, relative to those of the best
    linear model.
    """
    squares = np.stack([one.mean_squares for one in judged])
    guards = [place for place, one in enumerate(judged) if one.candidate.guards]
    guard = min(guards or range(len(judged)), key=lambda place: squares[place].mean())
    best = int(np.argmin(relative_errors([judged[guard], *judged]).mean(axis=1)[1:]))
    kept = [judged[best]] if best == guard else [judged[best], judged[guard]]
    chosen = np.argmin(np.stack([one.mean_squares for one in kept]), axis=0)
    return kept, Experts.fixed(chosen, len(kept))


def _fitted(calls: list[tuple[Any, ...]]) -> list[tuple[Any, float]]:
    """Return states and seconds of fits, of the arguments of `fit_and_time`; warn as they would."""
    fits = in_parallel(
        (delayed(fit_and_time)(*call) for call in calls), len(calls), "Fitting members")
    for _, _, messages in fits:
        for message in messages:
            warnings.warn(message, ConvergenceWarning, stacklevel=4)
    return [(state, seconds) for state, seconds, _ in fits]


def _unit(values: Array) -> float:
    """Return the size of samples relative to the first, a power of two, or 1 if they are equal."""
    largest = float(np.abs(values - values[0]).max())
    return float(2.0 ** np.floor(np.log2(largest))) if largest > 0 else 1.0
