"""Transforms of windows and targets: what a regressor sees instead of raw samples.

Each one is fitted on a training part, and maps a window of ``lags + extra`` samples to ``lags``
features, and the sample to predict to a target; `invert` takes targets back to samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol, TypeVar, runtime_checkable

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage import VECTOR, stored
from relu_forecast.validation import Array

_T = TypeVar("_T", bound="Identity")


@runtime_checkable
class WindowTransform(Protocol):
    """A map of windows and targets that can be undone for the targets."""

    extra: ClassVar[int]
    """Samples that a window needs beyond the features that it becomes."""

    def features(self, windows: Array) -> Array:
        """Return the features, shape (n, lags), of windows of shape (n, lags + extra)."""

    def targets(self, windows: Array, samples: Array) -> Array:
        """Return the targets, shape (n,), that stand for the samples after the windows."""

    def invert(self, windows: Array, targets: Array) -> Array:
        """Return the samples, shape (n,), that the targets stand for."""


@stored()
@dataclass(frozen=True)
class Identity:
    """Samples as they are."""

    extra: ClassVar[int] = 0

    @classmethod
    def fit(cls: type[_T], values: Array) -> _T:
        """Return the transform; nothing is learned from ``values``."""
        return cls()

    def features(self, windows: Array) -> Array:
        return windows

    def targets(self, windows: Array, samples: Array) -> Array:
        return samples

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets


@stored()
@dataclass(frozen=True)
class Standardize:
    """Samples minus a mean, over a standard deviation: both of the training part alone."""

    mean: float
    scale: float
    """In the unit of the data; ``scale`` is the population standard deviation."""
    extra: ClassVar[int] = 0

    def check_stored(self) -> None:
        """Refuse a scale that nothing can be divided by."""
        if self.scale <= 0:
            raise ValueError("it must have scales above 0")

    @classmethod
    def fit(cls, values: Array) -> Standardize:
        """Take mean and standard deviation of a training part, which must not be constant."""
        # Compared exactly: the standard deviation of equal numbers may round to above zero.
        if values.min() == values.max():
            raise InvalidArgumentError(
                "training part", "not constant to be standardised",
                f"{len(values)} samples equal to {values[0]}",
                "Use transform='last_value' or a Naive baseline, or drop the series.")
        return cls(float(values.mean()), float(values.std()))

    def features(self, windows: Array) -> Array:
        return (windows - self.mean) / self.scale

    def targets(self, windows: Array, samples: Array) -> Array:
        return (samples - self.mean) / self.scale

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets * self.scale + self.mean


@stored()
@dataclass(frozen=True)
class LastValue(Identity):
    """Samples relative to the last one of their window, for a level that wanders."""

    def features(self, windows: Array) -> Array:
        """Return windows minus their last sample; the last feature is always 0."""
        return windows - windows[:, -1:]

    def targets(self, windows: Array, samples: Array) -> Array:
        """Return how far the samples are above the last known one."""
        return samples - windows[:, -1]

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets + windows[:, -1]


@stored()
@dataclass(frozen=True)
class Difference(LastValue):
    """Steps between samples; the target is the change since the last known sample."""

    extra: ClassVar[int] = 1

    def features(self, windows: Array) -> Array:
        """Return the differences of neighbouring samples, one fewer than there are samples."""
        return np.diff(windows, axis=1)


TRANSFORMS: Mapping[str | None, type[Identity | Standardize]] = MappingProxyType(
    {"standardize": Standardize, "last_value": LastValue, "difference": Difference, None: Identity})
"""Transforms by the name that a forecaster's ``transform`` parameter takes."""


@stored(means=VECTOR, scales=VECTOR)
@dataclass(frozen=True)
class Standardization:
    """Columns minus their means, over their standard deviations; constant ones become zero."""

    means: Array
    scales: Array
    """Shape (q,). Of the training part; the scale of a constant column is 1."""

    def check_stored(self) -> None:
        """Refuse scales that nothing can be divided by."""
        if not (self.scales > 0).all():
            raise ValueError("it must have scales above 0")

    @classmethod
    def of(cls, columns: Array) -> Standardization:
        """Take means and standard deviations of columns, shape (n, q)."""
        constant = columns.min(axis=0) == columns.max(axis=0)
        return cls(columns.mean(axis=0), np.where(constant, 1.0, columns.std(axis=0)))

    def apply(self, columns: Array) -> Array:
        """Return standardised columns, the last axis of an array of any shape."""
        return (columns - self.means) / self.scales
