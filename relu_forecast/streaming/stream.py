"""A fitted model on a signal while it comes in: constant time and memory a sample."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np

from relu_forecast.compiled import Mixture, WindowModel
from relu_forecast.compiled.signature import signature_of
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.streaming.alarms import AlarmMonitor
from relu_forecast.streaming.half_widths import USUAL_GAMMA, HalfWidths
from relu_forecast.streaming.outstanding import Outstanding
from relu_forecast.streaming.reading import Reading
from relu_forecast.streaming.rolling import RollingWindow
from relu_forecast.streaming.runners import MixtureRunner, runner_of
from relu_forecast.streaming.ticks import Ticks
from relu_forecast.validation import Array, check_levels, check_positive, check_positive_int

_VERSION = 1
State = dict[str, Any]
"""Nested dicts of arrays, numbers and texts, as `relu_forecast.storage` keeps them."""


class Stream:
    """A fitted model on a signal while it comes in. `Forecaster.stream` makes one.

    Nothing is trained, and nothing grows: a sample takes the same time and memory whether it is the
    tenth or the billionth.

    Parameters
    ----------
    model : WindowModel
        As `Forecaster.compile` returns it.
    window : ndarray, shape (n,) or (n, N), optional
        The last samples before the stream, oldest first, as many as the model looks back on at
        least; missing ones filled. None: the stream starts with nothing.
    errors : ndarray, shape (m, H), optional
        Absolute errors of forecasts of samples that the model had not seen, to start intervals
        from; None: they start from the first errors of the stream.
    levels : float or sequence of float, default (90.0,)
        Percentages of samples that intervals should cover.
    gamma : float, default 0.02
        Step of the intervals, see `HalfWidths`.
    channels : int, optional
        Signals side by side, N: a sample is an array (N,) then, and all share the model, but
        nothing else.
    monitor : AlarmMonitor, optional
        What raises alarms.
    ticks : Ticks, optional
        Times of the samples, for `push` to check.

    Attributes
    ----------
    reading : Reading
        What was said last; at first, of what is to come.
    count : int
        Samples that have come in, missing ones included.
    """

    def __init__(self, model: WindowModel, window: Array | None = None, *,
                 errors: Array | None = None, levels: Any = (90.0,),
                 gamma: float = USUAL_GAMMA, channels: int | None = None,
                 monitor: AlarmMonitor | None = None, ticks: Ticks | None = None) -> None:
        self.levels = () if np.size(levels) == 0 else check_levels(levels)
        self.channels = None if channels is None else check_positive_int(channels, "channels")
        self.count, self.monitor, self._ticks = 0, monitor, ticks
        self._model = _anew(model) if window is None else model
        self._run = runner_of(self._model, self.channels)
        self._window = RollingWindow(model.length, self.channels)
        self._outstanding = Outstanding(model.n_steps, 1 + len(self.levels), self.channels)
        errors = np.empty((0, model.n_steps)) if errors is None else errors
        self._half_widths = HalfWidths(np.array(self.levels) / 100, errors,
                                       check_positive(gamma, "gamma"), self.channels)
        for sample in () if window is None else window[-model.length :]:
            self._window.push(sample)
        self._axes = () if channels is None else (channels,)
        self._none = self._nothing()
        self.reading = self._say(self._none)

    @property
    def length(self) -> int:
        """Samples that the model looks back on, L."""
        return self._model.length

    @property
    def n_steps(self) -> int:
        """Steps ahead, H."""
        return self._model.n_steps

    @property
    def weights(self) -> Array | None:
        """Weights of the members of a committee now, (M, H) or (M, H, N); None of other models."""
        run = self._run
        return run.mixing.weights() if isinstance(run, MixtureRunner) else None

    def push(self, sample: Any, at: Any = None) -> Reading:
        """Take in the next sample; say what comes next, and how unusual it was.

        Parameters
        ----------
        sample : float, or array_like
            The sample, in the unit of the data; NaN or None where it is missing. An array (T,) is
            T samples, one after the other; with ``channels``, an array (N,) has one of each, and
            (T, N) many.
        at : time or array_like of times, optional
            When: the sample after the last one, or later. Samples between are missing then.

        Returns
        -------
        Reading
            Of T samples with a first axis of them.

        Raises
        ------
        InvalidArgumentError, InvalidTypeError
            It is infinite, no number, or of other channels; or its time is not later than that of
            the last one, or none at which there are samples.
        """
        if type(sample) is not float or self._axes:
            values = self._checked(sample)
            if values.ndim > len(self._axes):
                return self._many(values, at)
            sample = values if self._axes else float(values)
        if sample.__class__ is float and sample in (np.inf, -np.inf):
            raise _infinite()
        if at is not None:
            self._catch_up(at)
        return self._take(sample)

    def skip(self, count: int) -> Reading:
        """Take in so many missing samples: a gap whose length is known."""
        missing: Any = np.full(self._axes, np.nan) if self._axes else np.nan
        count = check_positive_int(count, "count")
        # After so many of them nothing changes any more but their number.
        most = self._window.length + self.n_steps + 1
        for _ in range(min(count, most)):
            self._take(missing)
        if count > most:
            self._window.lengthen_gap(count - most)
            self.count += count - most
        if self._ticks is not None:
            self._ticks = self._ticks.after(max(0, count - most))
        return self.reading

    def follow(self, samples: Array, weights: Array | None = None) -> None:
        """Take in samples, (T,), that came before the stream begins to count.

        ``weights``, (T,), are how much each counts for the weights of a committee.
        """
        weights = np.ones(len(samples)) if weights is None else weights
        for sample, weight in zip(samples.tolist(), weights.tolist(), strict=True):
            self._take(sample, weight)
        self.count = 0

    def swap(self, model: WindowModel) -> None:
        """Go on with another model, such as one that was fitted to later samples.

        What is said from the next sample on is of that model; window, intervals and alarms stay,
        and so do the weights of a committee, if both have as many members.

        Parameters
        ----------
        model : WindowModel
            As `Forecaster.compile` returns it: of as many steps, and of no longer a window.

        Raises
        ------
        InvalidArgumentError
            It is not.
        """
        if (model.n_steps, max(model.length, self._window.length)) != (
                self.n_steps, self._window.length):
            raise InvalidArgumentError(
                "model", f"of {self.n_steps} steps from {self._window.length} samples at most",
                f"{model.n_steps} steps from {model.length} samples", "Start a new stream.")
        model, before = _anew(model), self._run
        run = runner_of(model, self.channels)
        if isinstance(run, MixtureRunner) and isinstance(before, MixtureRunner):
            run.go_on_from(before)
        self._model, self._run = model, run
        self.__dict__.pop("_signature", None)

    @cached_property
    def _signature(self) -> str:
        """Which model it is: the digest of all its numbers is made once."""
        return signature_of(self._model)

    def state(self) -> State:
        """Return all that the stream knows, as plain data: dicts, arrays, numbers and texts.

        `restore` of a stream of the same model goes on from it as this one would.
        """
        parts = {"window": self._window.state(), "outstanding": self._outstanding.state(),
                 "half_widths": self._half_widths.state()}
        if isinstance(self._run, MixtureRunner):
            parts["mixing"] = self._run.mixing.state()
        return {
            "version": _VERSION, "model": self._signature, "count": self.count,
            "levels": list(self.levels), "channels": self.channels or 0, "parts": parts,
            "monitor": None if self.monitor is None else self.monitor.state(),
            "ticks": None if self._ticks is None else self._ticks.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises
        ------
        InvalidArgumentError
            It is that of another model, of other levels or channels, or none at all.
        """
        own = self.state()
        try:
            _check_like(own, state)
            if (self.monitor is None) != (state["monitor"] is None):
                raise ValueError("state has alarms where the stream has none, or none")
        except (TypeError, KeyError, ValueError) as error:
            raise InvalidArgumentError(
                "state", "of a stream of the same model, levels and channels", str(error)[:200],
                "Make the stream as that one was made, or start anew.") from error
        parts = state["parts"]
        self._window.restore(parts["window"])
        self._outstanding.restore(parts["outstanding"])
        self._half_widths.restore(parts["half_widths"])
        if isinstance(self._run, MixtureRunner):
            self._run.mixing.restore(parts["mixing"])
        if self.monitor is not None:
            self.monitor = _restored(self.monitor, state["monitor"])
        if self._ticks is not None:
            self._ticks = self._ticks.at(state["ticks"])
        self.count = int(state["count"])
        forecast, *widths = self._outstanding.latest
        half = np.array(widths).reshape(len(widths), *forecast.shape)
        self.reading = self._none._replace(
            forecast=forecast, lower=forecast - half, upper=forecast + half)

    def _take(self, sample: Any, weight: float = 1.0) -> Reading:
        """Take in one sample, a number or (N,), that weighs so much."""
        due = self._outstanding.due
        errors = np.abs(due[0] - sample)
        judged: Any = self._none
        self._half_widths.update(errors, due[1:])
        if self.monitor is not None:
            judged = self.monitor.observe(errors.T)
        if isinstance(self._run, MixtureRunner):
            self._run.observe(sample, weight)
        self._window.push(sample)
        self.count += 1
        if self._ticks is not None:
            self._ticks = self._ticks.after(1)
        self.reading = self._say(judged)
        return self.reading

    def _say(self, judged: Any) -> Reading:
        """Forecast from all that has come in, and book it."""
        samples = self._window.samples
        last = samples[-1] if self._axes else float(samples[-1])
        if not self._axes and samples[0] != samples[0]:
            return self._silent(judged)
        shifted = samples - last
        if self._axes:
            shifted[:, np.isnan(samples[0])] = np.nan  # what has seen too little says nothing
        forecast = self._run(shifted, last) + last
        widths = self._half_widths.now
        if len(widths) > 1:
            np.maximum.accumulate(widths, axis=0, out=widths)
        self._outstanding.issue(forecast, widths)
        return Reading(forecast, forecast - widths, forecast + widths, judged.p_value, judged.score,
                       judged.alarm, judged.onset, judged.kind)

    def _silent(self, judged: Any) -> Reading:
        """Say nothing yet: too few samples have come in."""
        blank = np.full(self._model.n_steps, np.nan)
        widths = np.full((len(self.levels), self._model.n_steps), np.nan)
        self._outstanding.issue(blank, widths)
        return Reading(blank, widths, widths.copy(), judged.p_value, judged.score, judged.alarm,
                       judged.onset, judged.kind)

    def _many(self, values: Array, at: Any) -> Reading:
        """Take in one sample after the other; return what was said of each."""
        times = [None] * len(values) if at is None else list(at)
        if len(times) != len(values):
            raise InvalidArgumentError("at", f"of {len(values)} times, as there are samples",
                                       f"{len(times)}", "Pass a time for each sample.")
        if not len(values):
            raise InvalidArgumentError("sample", "one sample at least", "none", "Pass some.")
        readings = []
        for value, time in zip(values if self._axes else values.tolist(), times, strict=True):
            if time is not None:
                self._catch_up(time)
            readings.append(self._take(value))
        return Reading(*(np.stack([np.asarray(part) for part in parts])
                         for parts in zip(*readings, strict=True)))

    def _catch_up(self, at: Any) -> None:
        """Let the samples before a time be missing that have not come in."""
        if self._ticks is None:
            raise InvalidArgumentError(
                "at", "None, as the times of the series are on no even grid", repr(at),
                "Leave it out, and push NaN for missing samples.")
        missing = self._ticks.missing_before(at)
        if missing:
            self.skip(missing)
        # The time as it came: so a clock that runs a little fast or slow does not get out of step.
        self._ticks = self._ticks.now(at).after(-1)

    def _checked(self, sample: Any) -> Array:
        """Return samples as an array, (), (T,), (N,) or (T, N); refuse what is none."""
        if sample is None:
            sample = np.nan
        values = np.asarray(sample)
        if values.dtype.kind not in "iuf" or np.ma.isMaskedArray(sample):
            raise InvalidTypeError("sample", "a number, or an array of them", repr(sample)[:80],
                                   "Pass a float, or NaN where a sample is missing.")
        values = values.astype(float)
        axes = self._axes
        if values.ndim < len(axes) or values.ndim > len(axes) + 1 or (
                axes and values.shape[-1:] != axes):
            wanted = f"({axes[0]},), or (T, {axes[0]})" if axes else "one number, or (T,)"
            raise InvalidArgumentError("sample", f"of shape {wanted}", f"{values.shape}",
                                       "Pass one sample of each channel.")
        if np.isinf(values).any():
            raise _infinite()
        return values

    def _nothing(self) -> Reading:
        """Return a reading that judges nothing, and whose forecasts are none."""
        empty = np.empty(0)
        if not self._axes:
            return Reading(empty, empty, empty, np.nan, np.nan, False, False, "")
        unknown, none = np.full(self._axes, np.nan), np.zeros(self._axes, dtype=bool)
        return Reading(empty, empty, empty, unknown, unknown, none, none,
                       np.full(self._axes, "", dtype="<U8"))


def _restored(monitor: AlarmMonitor, state: Any) -> AlarmMonitor:
    """Return the monitor of a state; refuse one with other settings, or none."""
    found = AlarmMonitor.from_state(state if isinstance(state, Mapping) else {})
    if found.settings != monitor.settings:
        raise InvalidArgumentError(
            "state", "of a stream with the same settings of alarms", repr(found.settings),
            "Make the stream as that one was made, or start anew.")
    return found


def _anew(model: WindowModel) -> WindowModel:
    """Return a model for a signal that does not go on from what it was fitted to."""
    if not isinstance(model, Mixture):
        return model
    return replace(model, experts=model.experts.anew())


def _infinite() -> InvalidArgumentError:
    """Return the error of an infinite sample."""
    return InvalidArgumentError("sample", "finite, or NaN where it is missing", "infinite",
                                "Push NaN where a sensor gives no value.")


def _check_like(own: Any, state: Any, where: str = "state") -> None:
    """Refuse data that is not of the same form as that of the stream itself."""
    if isinstance(own, Mapping):
        if not isinstance(state, Mapping) or set(own) != set(state):
            raise ValueError(f"{where} has other entries")
        for name in own:
            if name != "monitor":
                _check_like(own[name], state[name], f"{where}[{name!r}]")
    elif isinstance(own, np.ndarray):
        if not isinstance(state, np.ndarray) or state.shape != own.shape or (
                state.dtype.kind not in "iuf"):
            raise ValueError(f"{where} is no array of shape {own.shape}")
    elif isinstance(own, int | float) and not isinstance(state, int | float):
        raise ValueError(f"{where} is no number")
    elif where.endswith(("['version']", "['model']", "['levels']", "['channels']")) and (
            own != state):
        raise ValueError(f"{where} is {state!r} in place of {own!r}"[:150])
