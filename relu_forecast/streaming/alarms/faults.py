"""Faults of sensors to try alarms on, put into a signal that has none.

Each function returns a copy in which the samples from ``start`` on are changed. Sizes are in the
unit of the signal, lengths in samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import (
    Array,
    check_int,
    check_non_negative,
    check_positive,
    check_positive_int,
    check_real,
    check_values,
)


def spike(values: Any, start: int, size: float, length: int = 1) -> Array:
    """Add a size to one sample, or to a few.

    Examples
    --------
    >>> spike([1.0, 1.0, 1.0], start=1, size=-0.5)
    array([1. , 0.5, 1. ])
    """
    signal, part = _part(values, start, length)
    signal[part] += check_real(size, "size", "Pass a finite number.")
    return signal


def flat_line(values: Any, start: int, length: int) -> Array:
    """Hold the sample at ``start`` for so many samples.

    Examples
    --------
    >>> flat_line([1.0, 2.0, 3.0, 4.0], start=1, length=2)
    array([1., 2., 2., 4.])
    """
    signal, part = _part(values, start, length)
    signal[part] = signal[start]
    return signal


def noise_burst(values: Any, start: int, length: int, size: float, *,
                random_state: int | None = None) -> Array:
    """Add white noise of a standard deviation ``size`` to so many samples."""
    signal, part = _part(values, start, length)
    noise = np.random.default_rng(random_state).standard_normal(len(signal[part]))
    signal[part] += check_non_negative(size, "size") * noise
    return signal


def lead_off(values: Any, start: int, rail: float, *, decay: float = 5.0, noise: float = 0.0,
             random_state: int | None = None) -> Array:
    """Let the signal fall to a rail and stay there, as when an electrode comes off.

    Parameters
    ----------
    values : array-like, shape (n,)
        The signal.
    start : int
        The first sample that is not measured.
    rail : float
        Where it falls to.
    decay : float, default 5.0
        Samples in which the distance to the rail falls by a factor of e.
    noise : float, default 0.0
        Standard deviation of the white noise that is left.
    random_state : int, optional
        Of the noise.
    """
    signal, part = _part(values, start, None)
    after = np.arange(len(signal) - start)
    way = np.exp(-after / check_positive(decay, "decay"))
    left = np.random.default_rng(random_state).standard_normal(len(after))
    rail = check_real(rail, "rail", "Pass a finite number.")
    signal[part] = rail + (signal[start] - rail) * way + check_non_negative(noise, "noise") * left
    return signal


def baseline_jump(values: Any, start: int, size: float) -> Array:
    """Add a size to all samples from ``start`` on.

    Examples
    --------
    >>> baseline_jump([1.0, 1.0, 1.0], start=1, size=2)
    array([1., 3., 3.])
    """
    signal, part = _part(values, start, None)
    signal[part] += check_real(size, "size", "Pass a finite number.")
    return signal


def change_of_rhythm(values: Any, start: int, factor: float) -> Array:
    """Let the signal go on so many times as fast, by linear interpolation.

    Where it is faster the signal is used up sooner, and what is returned is shorter.

    Examples
    --------
    >>> change_of_rhythm([0.0, 1.0, 2.0, 3.0, 4.0, 5.0], start=1, factor=2)
    array([0., 1., 3., 5.])
    """
    signal, _ = _part(values, start, None)
    speed = check_positive(factor, "factor")
    places = np.arange(len(signal))
    at = start + (places[start:] - start) * speed
    at = at[at <= len(signal) - 1]
    return np.concatenate([signal[:start], np.interp(at, places, signal)])


def _part(values: Any, start: int, length: int | None) -> tuple[Array, slice]:
    """Return a copy of a signal, and the part of it that is to be changed."""
    signal = check_values(values, "values").copy()
    first = check_int(start, "start", minimum=0, remedy="Pass a position in the signal.")
    if first >= len(signal):
        raise InvalidArgumentError("start", f"below {len(signal)}, the length of values",
                                   str(first), "Let the fault begin within the signal.")
    last = None if length is None else first + check_positive_int(length, "length")
    return signal, slice(first, last)
