"""Forecasts from one cutoff, taken apart: what they are sums of, and linear functions of.

A network is piecewise linear, and so is what it forecasts from a window, over however many steps it
is fed with its own forecasts: around a window every forecast is an autoregression. Which one it is
follows from the neurons that are switched on, exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from relu_forecast.estimators.decomposition import Part
from relu_forecast.forecasting.data.history import Past, SeriesArrays
from relu_forecast.validation import Array


@dataclass(frozen=True)
class MemberPart:
    """Something that forecasts are a sum of."""

    member: str
    """Of which member of a committee; empty where there is none."""
    part: Part


@dataclass(frozen=True)
class Decomposition:
    """The h forecasts from one cutoff, in the unit of the data."""

    window: Array
    """Shape (L,). The samples that they are made from, oldest first."""
    coefficients: Array
    """Shape (h, L). Of the linear function of these samples that each forecast is."""
    parts: tuple[MemberPart, ...]
    contributions: Array
    """Shape (h, P). What each part adds to each forecast; forecasts are their sums."""
    fires: npt.NDArray[np.bool_]
    """Shape (h, P). Whether a neuron is switched on; True for other parts."""

    @property
    def forecasts(self) -> Array:
        """Shape (h,)."""
        return np.asarray(self.contributions.sum(axis=1))

    @property
    def constants(self) -> Array:
        """Shape (h,). What each forecast is beside its linear function of the samples."""
        return np.asarray(self.forecasts - self.coefficients @ self.window)

    def of_member(self, name: str) -> Decomposition:
        """Return the same, as that of a member of a committee."""
        return replace(self, parts=tuple(MemberPart(name, one.part) for one in self.parts))


def past_of(arrays: SeriesArrays, cutoff: int, length: int, h: int) -> Past:
    """Return what is known at one cutoff, the position of the last known sample of a series."""
    return arrays.past_at(np.array([cutoff]), cutoff + 1, length, h)


def unrolled(take_apart: Callable[[Array, int], Decomposition], window: Array,
             h: int) -> Decomposition:
    """Return ``h`` forecasts, of which a model makes some at a time from a window and those before.

    ``take_apart`` is given the window (L,) that ends before the step of a number, from 0 on, and
    returns the forecasts from there on. A later forecast is a linear function of earlier ones, and
    so of the first window.
    """
    length, samples, rows = len(window), window, np.eye(len(window))
    found: list[Decomposition] = []
    while len(samples) < length + h:
        one = take_apart(samples[-length:], len(samples) - length)
        rows = np.concatenate([rows, one.coefficients @ rows[-length:]])
        samples = np.concatenate([samples, one.forecasts])
        found.append(one)
    return Decomposition(
        window, rows[length : length + h], found[0].parts,
        np.concatenate([one.contributions for one in found])[:h],
        np.concatenate([one.fires for one in found])[:h])


def side_by_side(steps: Sequence[Decomposition]) -> Decomposition:
    """Return forecasts of one step each, from the same window and by a model of its own each."""
    h, counts = len(steps), [len(one.parts) for one in steps]
    contributions, fires = np.zeros((h, sum(counts))), np.zeros((h, sum(counts)), dtype=bool)
    for step, (one, stop) in enumerate(zip(steps, np.cumsum(counts), strict=True)):
        own = slice(stop - len(one.parts), stop)
        contributions[step, own], fires[step, own] = one.contributions[0], one.fires[0]
    parts = tuple(replace(part, part=replace(part.part, name=f"{part.part.name} of step {step}"))
                  for step, one in enumerate(steps, 1) for part in one.parts)
    return Decomposition(steps[0].window, np.concatenate([one.coefficients for one in steps]),
                         parts, contributions, fires)


def mixed(members: Sequence[Decomposition], weights: Array) -> Decomposition:
    """Return the weighted mean of what members forecast; weights are (M, h), sums over members 1.

    Windows of members end at the same sample.
    """
    length = max(len(one.window) for one in members)
    window = next(one.window for one in members if len(one.window) == length)
    coefficients = np.zeros((weights.shape[1], length))
    for one, own in zip(members, weights, strict=True):
        coefficients[:, length - len(one.window) :] += own[:, np.newaxis] * one.coefficients
    return Decomposition(
        window, coefficients, tuple(part for one in members for part in one.parts),
        np.concatenate([own[:, np.newaxis] * one.contributions
                        for one, own in zip(members, weights, strict=True)], axis=1),
        np.concatenate([one.fires for one in members], axis=1))
