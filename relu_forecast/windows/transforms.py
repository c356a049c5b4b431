"""Transforms of windows and targets: what a regressor sees instead of raw samples.

Each one is fitted on a training part, and maps a window of ``lags + extra`` samples to ``lags``
features, and the samples to predict to targets; `invert` takes targets back to samples. Each
divides by a size of the training part, so that no model depends on the unit of the data. Samples of
the training part that are missing, NaN, are left out of that size.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol, runtime_checkable

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.storage import VECTOR, stored
from relu_forecast.validation import Array

RIDGE_PENALTIES = tuple(np.logspace(-6, 6, 25).tolist())
"""Ridges on a linear model of transformed samples, which are of size 1, to choose from."""
_LEVEL_SIZE = 0.2
"""Standard deviation of the level as a feature; others are of size 1."""


@runtime_checkable
class WindowTransform(Protocol):
    """A map of windows and targets that can be undone for the targets."""

    extra: ClassVar[int]
    """Samples that a window needs beyond the features that it becomes."""

    @property
    def scale(self) -> float:
        """What samples are divided by, in the unit of the data."""

    def features(self, windows: Array) -> Array:
        """Return the features, shape (n, lags), of windows of shape (n, lags + extra)."""

    def targets(self, windows: Array, samples: Array) -> Array:
        """Return what stands for the samples, (n,) or (n, C), after the windows."""

    def invert(self, windows: Array, targets: Array) -> Array:
        """Return the samples, (n,) or (n, C), that the targets stand for."""


@dataclass(frozen=True)
class _Scaled:
    """What transforms share: a scale, in the unit of the data, that is above 0."""

    scale: float
    extra: ClassVar[int] = 0

    def check_stored(self) -> None:
        """Refuse a scale that nothing can be divided by."""
        if self.scale <= 0:
            raise ValueError("it must have scales above 0")


@stored()
@dataclass(frozen=True)
class Scale(_Scaled):
    """Samples over the root mean square of the training part: only their unit is taken off."""

    @classmethod
    def fit(cls, values: Array, lags: int = 1) -> Scale:
        """Take the root mean square of a training part."""
        return cls(_size(values))

    def features(self, windows: Array) -> Array:
        return windows / self.scale

    def targets(self, windows: Array, samples: Array) -> Array:
        return samples / self.scale

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets * self.scale


@stored()
@dataclass(frozen=True)
class Standardize(_Scaled):
    """Samples minus a mean, over a standard deviation: both of the training part alone."""

    mean: float
    """In the unit of the data; ``scale`` is the population standard deviation."""

    @classmethod
    def fit(cls, values: Array, lags: int = 1) -> Standardize:
        """Take mean and standard deviation of a training part, which must not be constant."""
        values = _seen(values)
        # Compared exactly: the standard deviation of equal numbers may round to above zero.
        if values.min() == values.max():
            raise InvalidArgumentError(
                "training part", "not constant to be standardised",
                f"{len(values)} samples equal to {values[0]}",
                "Use transform='last_value' or a Naive baseline, or drop the series.")
        return cls(float(values.std()), float(values.mean()))

    def features(self, windows: Array) -> Array:
        return (windows - self.mean) / self.scale

    def targets(self, windows: Array, samples: Array) -> Array:
        return (samples - self.mean) / self.scale

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets * self.scale + self.mean


@dataclass(frozen=True)
class _Relative(_Scaled):
    """Targets are how far samples are above the last known one, scaled."""

    def targets(self, windows: Array, samples: Array) -> Array:
        """Return how far the samples are above the last known one."""
        return (samples - _last(windows, samples)) / self.scale

    def invert(self, windows: Array, targets: Array) -> Array:
        return targets * self.scale + _last(windows, targets)


@stored()
@dataclass(frozen=True)
class LastValue(_Relative):
    """Samples relative to the last one of their window, for a level that wanders.

    ``scale`` is the root mean square of this over the windows of the training part.
    """

    @classmethod
    def fit(cls, values: Array, lags: int = 1) -> LastValue:
        """Take the size of changes over up to ``lags`` samples of a training part."""
        reach = min(lags, len(values) - 1)
        sizes = [_size(values[lag:] - values[:-lag]) for lag in range(1, max(reach, 2))]
        return cls(_size(np.array(sizes)) if reach >= 1 else 1.0)

    def features(self, windows: Array) -> Array:
        """Return windows minus their last sample; the last feature is always 0."""
        return (windows - windows[:, -1:]) / self.scale


@stored()
@dataclass(frozen=True)
class Difference(_Relative):
    """Steps between samples; the target is the change since the last known sample.

    ``scale`` is the root mean square of the steps of the training part.
    """

    extra: ClassVar[int] = 1

    @classmethod
    def fit(cls, values: Array, lags: int = 1) -> Difference:
        """Take the size of the steps of a training part."""
        return cls(_size(np.diff(values)))

    def features(self, windows: Array) -> Array:
        """Return the differences of neighbouring samples, one fewer than there are samples."""
        return np.diff(windows, axis=1) / self.scale


@stored()
@dataclass(frozen=True)
class Level:
    """The last sample of a window, which `LastValue` takes off, as a feature of its own.

    It is scaled to a fifth of the size of others: the linear part can use it freely, as it pays
    next to nothing for large weights, a neuron hardly. Networks that see the level as they see
    the shape of a window forecast worse where it wanders (by up to a sixth on an
    electrocardiogram, 30 steps ahead), linear parts that do not see it where it comes back.
    """

    mean: float
    scale: float
    """Mean and standard deviation of the training part, the latter above 0."""

    def check_stored(self) -> None:
        """Refuse a scale that nothing can be divided by."""
        if self.scale <= 0:
            raise ValueError("it must have scales above 0")

    @classmethod
    def fit(cls, values: Array) -> Level:
        """Take mean and standard deviation of a training part; the scale of a constant is 1."""
        values = _seen(values)
        mean = float(values.mean())
        return cls(mean, _size(values - mean) if values.min() < values.max() else 1.0)

    def of(self, windows: Array) -> Array:
        """Return the feature, (n,), of windows (n, L)."""
        return _LEVEL_SIZE * (windows[:, -1] - self.mean) / self.scale

    @property
    def slope(self) -> float:
        """How much the feature grows with the level."""
        return _LEVEL_SIZE / self.scale


def _last(windows: Array, like: Array) -> Array:
    """Return the last sample of each window, in a shape that goes with (n,) or (n, C)."""
    return windows[:, -1] if like.ndim == 1 else windows[:, -1:]


def _seen(values: Array) -> Array:
    """Return the values that are not missing."""
    return values[~np.isnan(values)]


def _size(values: Array) -> float:
    """Return the root mean square of values, or 1 if all are 0 or there are none."""
    values = _seen(values)
    largest = float(np.abs(values).max(initial=0.0))
    # Divided first: the squares of very small numbers are 0.
    return largest * float(np.sqrt(np.mean((values / largest) ** 2))) if largest else 1.0


TRANSFORMS: Mapping[str | None, type[Scale | Standardize | LastValue | Difference]] = (
    MappingProxyType({"last_value": LastValue, "standardize": Standardize,
                      "difference": Difference, None: Scale}))
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
