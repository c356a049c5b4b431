"""Alarms of a stream: errors of a sample in, a verdict out, in constant time and memory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.streaming.alarms.detector import Detector
from relu_forecast.streaming.alarms.errors import by_sample
from relu_forecast.streaming.alarms.parts import checked, foreign_state
from relu_forecast.streaming.alarms.settings import TESTS, AlarmSettings
from relu_forecast.streaming.alarms.warm_up import WarmUp, is_enough
from relu_forecast.validation import Array, as_real_array

_KINDS = ("", *TESTS)
_KIND_ARRAY = np.array(_KINDS)
_UNKNOWN = float("nan")


class Verdict(NamedTuple):
    """What is said of a sample; of many channels, each field is an array (N,).

    Attributes
    ----------
    score : float
        How large the errors of its forecasts are beside usual ones: half the error of the last
        forecast before it, half the mean over all. About 1 on average; NaN where the sample is
        missing, and during the warm-up.
    p_value : float
        Share of recent scores that are at least as large, this one included; NaN with the score.
    alarm : bool
        Whether the sample lies in an alarm.
    onset : bool
        Whether an alarm begins with it.
    kind : str
        ``"point"``, ``"rise"`` or ``"fall"`` for the test that began the alarm; else empty.
    """

    score: Any
    p_value: Any
    alarm: Any
    onset: Any
    kind: Any


_SILENT = Verdict(_UNKNOWN, _UNKNOWN, False, False, "")


class AlarmMonitor:
    """Raises alarms at errors that are too large, or too large or small for too long.

    Made by `start` or `from_state`. Three tests look at each sample. ``point``: is the error of
    its last forecast too large? ``rise``, ``fall``: have scores, made of the errors of all steps
    ahead, been large or small for too long (CUSUM of normal scores of ranks; Page, 1954)? The
    threshold of each follows the signal, so that alarms begin as often as asked for (see
    `AlarmSettings`), whatever the signal does. Scores, p-values and alarms do not depend on the
    unit of the signal.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> settings = AlarmSettings(samples_per_hour=3600)
    >>> monitor = AlarmMonitor.start(np.abs(rng.standard_normal((2000, 3))), settings)
    >>> monitor.observe(np.array([0.7, 0.5, 1.0])).alarm
    False
    >>> monitor.observe(np.array([20.0, 30.0, 25.0])).kind
    'point'
    """

    __slots__ = ("_detector", "_horizon", "_n_channels", "_shape", "_warm_up", "_which", "settings")

    def __init__(self, settings: AlarmSettings, horizon: int, n_channels: int | None) -> None:
        self.settings = settings
        self._horizon, self._n_channels = horizon, n_channels
        self._shape = (horizon,) if n_channels is None else (n_channels, horizon)
        self._detector: Detector | None = None
        self._warm_up: WarmUp | None = WarmUp.of(n_channels or 1, settings.warm_up, horizon)
        self._which = np.empty(0, dtype=np.int64)

    @classmethod
    def start(cls, errors: Any, settings: AlarmSettings) -> AlarmMonitor:
        """Return a monitor that knows how large errors were on held-out samples.

        Parameters
        ----------
        errors : array-like, shape (m, H) or (N, m, H)
            Absolute errors of one channel, or of N: entry (i, k) that of the forecast of sample
            i + k from origin i, k = 1, ..., H; NaN where unknown. m may be 0. With fewer samples
            than ``settings.warm_up``, those that are observed first make up for them.
        settings : AlarmSettings
            How often alarms may come.

        Raises
        ------
        InvalidArgumentError
            If errors are infinite, or of another shape.
        """
        held_out = _as_held_out(errors)
        single = held_out.ndim == 2
        monitor = cls(settings, held_out.shape[-1], None if single else len(held_out))
        monitor._prepare({channel: by_sample(np.abs(rows)) for channel, rows
                          in enumerate(held_out[np.newaxis] if single else held_out)})
        return monitor

    @property
    def is_ready(self) -> bool:
        """Whether the warm-up is over, in all channels."""
        return self._warm_up is None

    def observe(self, errors: Any) -> Verdict:
        """Judge a sample, and learn from it.

        Parameters
        ----------
        errors : ndarray, shape (H,) or (N, H)
            ``|y - forecast made k steps before|`` for k = 1, ..., H; NaN where there was no
            forecast. All NaN says that the sample is missing: it is no alarm, and nothing changes.

        Returns
        -------
        Verdict
            Of one channel, or with an array for each field.

        Raises
        ------
        InvalidArgumentError
            If errors are infinite, or of another shape.
        """
        if getattr(errors, "shape", None) != self._shape:
            errors = self._as_errors(errors)
        if self._n_channels is not None:
            return self._observe_many(errors)
        if errors.item(0) != errors.item(0) and np.isnan(errors).all():
            return _SILENT
        if self._detector is None:
            _check_finite(errors)
            self._prepare({0: np.abs(errors)[np.newaxis]})
            return _SILENT
        score, p_value, alarm, onset, kind = self._detector.step(errors)
        return Verdict(score, p_value, alarm, onset, _KINDS[kind])

    def _observe_many(self, errors: Array) -> Verdict:
        """Judge a sample of each channel."""
        missing: Any = np.isnan(errors[:, 0])
        if missing.any():
            missing = np.isnan(errors).all(axis=1)
        if self._warm_up is None and not missing.any():
            outcome = self._detector.step(errors)  # type: ignore[union-attr]
            return Verdict(outcome.score, outcome.p_value, outcome.alarm, outcome.onset,
                           _KIND_ARRAY[outcome.kind])
        _check_finite(errors)
        verdict = self._observe_some(errors, missing)
        if self._warm_up is not None:
            waiting = np.setdiff1d(np.flatnonzero(~missing), self._which)
            self._prepare({int(one): np.abs(errors[one])[np.newaxis] for one in waiting})
        return verdict

    def _observe_some(self, errors: Array, missing: npt.NDArray[np.bool_]) -> Verdict:
        """Judge the channels that are ready and whose sample is there; the others stand still."""
        verdict = _silent(len(errors))
        if self._detector is None:
            return verdict
        absent = np.flatnonzero(missing[self._which])
        before = self._detector.rows(absent)
        outcome = self._detector.step(np.where(missing[:, np.newaxis], 0.0, errors)[self._which])
        present = ~missing[self._which]
        for said, found in zip(verdict, (*outcome[:4], _KIND_ARRAY[outcome.kind]), strict=True):
            said[self._which[present]] = found[present]
        self._detector.put(absent, before)
        return verdict

    def _prepare(self, errors: Mapping[int, Array]) -> None:
        """Take errors of channels that are not ready; those that have enough become so."""
        found = {}
        for channel, rows in errors.items():
            enough = rows if is_enough(rows, self.settings.warm_up) else (
                self._warm_up.add(channel, rows))  # type: ignore[union-attr]
            if enough is not None:
                found[channel] = Detector.start(enough, self.settings)
        if not found:
            return
        if self._n_channels is None:
            self._detector, self._warm_up = found[0], None
            return
        which = np.concatenate([self._which, np.array(list(found), dtype=np.int64)])
        before = [] if self._detector is None else [self._detector]
        order = np.argsort(which)
        self._detector = Detector.joined([*before, *found.values()]).rows(order)
        self._which = which[order]
        if len(which) == self._n_channels:
            self._warm_up = None

    def _as_errors(self, errors: Any) -> Array:
        """Return errors of the right shape, as an array."""
        found = as_real_array(errors, "errors").astype(np.float64)
        if found.shape != self._shape:
            raise InvalidArgumentError(
                "errors", f"of shape {self._shape}, as the monitor was started for",
                f"shape {found.shape}", "Pass the errors of all steps, NaN where unknown.")
        return found

    def state(self) -> dict[str, Any]:
        """Return all that the monitor knows, as numbers and arrays by name."""
        about = {"horizon": self._horizon, "n_channels": self._n_channels or 0,
                 **{f"settings.{name}": value for name, value in self.settings.as_dict().items()}}
        if self._warm_up is not None:
            about |= self._warm_up.state()
        if self._detector is not None:
            about |= {"which": self._which.copy(), **self._detector.state()}
        return about

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> AlarmMonitor:
        """Return a monitor that goes on exactly where the one of a state was.

        Raises
        ------
        InvalidArgumentError
            If it is not what `state` returned.
        """
        settings, horizon, n_channels = _described(state)
        monitor = cls(settings, horizon, n_channels or None)
        if "warm_up.rows" in state:
            monitor._warm_up = WarmUp.from_state(state, n_channels or 1, settings.warm_up, horizon)
        else:
            monitor._warm_up = None
        if "which" in state:
            which = np.asarray(state["which"])
            ready = n_channels if monitor._warm_up is None else len(np.atleast_1d(which))
            monitor._which = checked(state, "which", (ready,), whole=True)
            monitor._detector = Detector.from_state(state, settings, horizon,
                                                    ready if n_channels else None)
        if set(monitor.state()) != set(state):
            raise foreign_state("nothing else", f"{sorted(set(state) ^ set(monitor.state()))}")
        return monitor


def _as_held_out(errors: Any) -> Array:
    """Return held-out errors as an array (m, H) or (N, m, H)."""
    found = as_real_array(errors, "errors").astype(np.float64)
    if found.ndim not in (2, 3) or found.shape[-1] == 0 or (found.ndim == 3 and len(found) == 0):
        raise InvalidArgumentError(
            "errors", "absolute errors (m, H) of one channel, or (N, m, H) of N",
            f"shape {found.shape}", "Pass np.empty((0, H)) where nothing was held out.")
    _check_finite(found)
    return found


def _check_finite(errors: Array) -> None:
    """Refuse infinite errors."""
    if np.isinf(errors).any():
        raise InvalidArgumentError("errors", "finite, or NaN where unknown", "infinite ones",
                                   "Pass NaN for errors that are unknown.")


def _silent(n_channels: int) -> Verdict:
    """Return what is said of samples that are missing, of many channels."""
    return Verdict(np.full(n_channels, np.nan), np.full(n_channels, np.nan),
                   np.zeros(n_channels, dtype=bool), np.zeros(n_channels, dtype=bool),
                   np.full(n_channels, "", dtype=_KIND_ARRAY.dtype))


def _described(state: Mapping[str, Any]) -> tuple[AlarmSettings, int, int]:
    """Return settings, horizon and number of channels (0 for one alone) of a state."""
    names = [field.name for field in fields(AlarmSettings)]
    try:
        settings = AlarmSettings(**{name: _number(state[f"settings.{name}"]) for name in names})
        horizon, n_channels = int(state["horizon"]), int(state["n_channels"])
    except (KeyError, TypeError, ValueError) as error:
        raise foreign_state("settings, horizon and n_channels", repr(error)) from error
    if horizon < 1 or n_channels < 0:
        raise foreign_state("horizon >= 1 and n_channels >= 0", f"{horizon}, {n_channels}")
    return settings, horizon, n_channels


def _number(value: Any) -> Any:
    """Return a Python number out of a state, which may have been an array in a file."""
    return np.asarray(value).item()
