"""Forecasts of several models become one, by weights for each step ahead that learn from errors.

ML-Poly (Gaillard, Stoltz & van Erven, 2014, COLT): the weight of a model is proportional to how
much better than the mixture it has been so far, its regret, where that is positive, over one plus
the sum of the squares of what the regret is made of. Losses are squared errors, linearised at the
mixture, so that it does about as well as the best *average* of the models (Cesa-Bianchi & Lugosi,
2006, section 2.5); there is no learning rate. What is forecast k steps ahead is judged k samples
later: feedback is late, and no weight rests on a sample that is not known yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from relu_forecast.storage import COUNT, MATRIX, VECTOR, stored
from relu_forecast.storage import Array as Numbers
from relu_forecast.validation import Array

_HOPELESS = 100.0
"""A model whose mean squared error at a step is so many times the least has no weight there."""


@stored("relu_forecast.forecasting.Experts", regrets=MATRIX, squares=MATRIX, eligible=MATRIX,
        scales=VECTOR, own=Numbers((3,), finite=False), mixed=Numbers((2,), finite=False),
        count=COUNT)
@dataclass(frozen=True)
class Experts:
    """What is known of how M models forecast, at each of H steps ahead.

    Attributes
    ----------
    regrets, squares : ndarray, shape (M, H)
        By how much the loss of each model has been below that of the mixture, summed up; and the
        sum of the squares of what this is a sum of.
    eligible : ndarray, shape (M, H)
        1, or 0 for a model that has no weight at a step, whatever comes.
    scales : ndarray, shape (H,)
        Size of squared errors at each step, which losses are divided by.
    own : ndarray, shape (H, M, H)
        The forecasts of the models from the latest H cutoffs, which are still to be judged; that
        from the cutoff number c has place c modulo H.
    mixed : ndarray, shape (H, H)
        Those of the mixture.
    count : int
        Cutoffs that there have been.
    learns : bool
        Whether weights follow the errors; else they stay those of ``eligible``.
    """

    regrets: Array
    squares: Array
    eligible: Array
    scales: Array
    own: Array
    mixed: Array
    count: int = 0
    learns: bool = True

    def check_stored(self) -> None:
        """Refuse arrays that do not belong together."""
        shapes = {self.regrets.shape, self.squares.shape, self.eligible.shape}
        n_steps = len(self.scales)
        shapes |= {self.own.shape[1:], (len(self.eligible), n_steps)}
        if len(shapes) > 1 or self.mixed.shape != (n_steps, n_steps) or len(self.own) != n_steps:
            raise ValueError("it must have arrays of the same models and steps")
        if (self.scales <= 0).any() or (self.squares < 0).any() or (
                not np.isin(self.eligible, (0.0, 1.0)).all()
                or not self.eligible.any(axis=0).all()):
            raise ValueError("it must have scales above 0, and a model for each step")

    @classmethod
    def starting(cls, eligible: Array, scales: Array, learns: bool = True) -> Experts:
        """Return models that have not forecast yet."""
        zeros, n_steps = np.zeros_like(eligible), len(scales)
        return cls(zeros, zeros, eligible, scales, np.full((n_steps, *eligible.shape), np.nan),
                   np.full((n_steps, n_steps), np.nan), 0, learns)

    @classmethod
    def beginners(cls, n_models: int, n_steps: int) -> Experts:
        """Return models of which nothing is known: all have the same weight."""
        return cls.starting(np.ones((n_models, n_steps)), np.ones(n_steps))

    @classmethod
    def judged(cls, mean_squares: Array, sample_weights: Array | float = 1.0) -> Experts:
        """Return models with these mean squared errors, (M, H), before their weights learn.

        Those that are hopeless at a step, or not finite, have no weight there. ``sample_weights``
        are the mean weights of the samples, (H,): the unit of weights does not matter.
        """
        known = np.where(np.isfinite(mean_squares), mean_squares, np.inf)
        least = known.min(axis=0)
        eligible = (known <= _HOPELESS * least).astype(np.float64)
        eligible[:, ~np.isfinite(least)] = 1.0
        sizes = np.where(np.isfinite(least) & (least > 0), least, 1.0)
        return cls.starting(eligible, sizes * sample_weights)

    @classmethod
    def fixed(cls, chosen: npt.NDArray[np.intp], n_models: int) -> Experts:
        """Return models of which one is chosen for each step, and stays so; ``chosen`` is (H,)."""
        eligible = np.zeros((n_models, len(chosen)))
        eligible[chosen, np.arange(len(chosen))] = 1.0
        return cls.starting(eligible, np.ones(len(chosen)), learns=False)

    def anew(self) -> Experts:
        """Return the same for another start: forecasts that are still to be judged are dropped."""
        return replace(self, own=np.full_like(self.own, np.nan),
                       mixed=np.full_like(self.mixed, np.nan), count=0)

    def weights(self) -> Array:
        """Return the weight of each model at each step, (M, H); they add up to 1."""
        return weights_of(self.regrets, self.squares, self.eligible)


class Mixing:
    """The mixture of models over time: forecasts from one cutoff after the other, in order.

    Parameters
    ----------
    experts : Experts
        What is known at the first cutoff.
    channels : int, optional
        Series, N, that are forecast side by side, each with weights of its own that start from
        these. All arrays have a last axis of channels then, which shapes below leave out.
    """

    def __init__(self, experts: Experts, channels: int | None = None) -> None:
        self._start = experts
        axes = () if channels is None else (channels,)
        self._regrets, self._squares, self._own, self._mixed = (
            _spread(each, axes).copy()
            for each in (experts.regrets, experts.squares, experts.own, experts.mixed))
        self._eligible, self._scales = (
            _spread(each, axes) for each in (experts.eligible, experts.scales))
        self._count = experts.count
        self._now: Array | None = None

    @property
    def experts(self) -> Experts:
        """What is known now; of channels there is no such thing."""
        return replace(self._start, regrets=self._regrets.copy(), squares=self._squares.copy(),
                       own=self._own.copy(), mixed=self._mixed.copy(), count=self._count)

    def weights(self) -> Array:
        """Return the weights now, (M, H)."""
        return self._weights().copy()

    def state(self) -> dict[str, Array]:
        """Return what is known now as arrays, for `restore`."""
        return {"regrets": self._regrets.copy(), "squares": self._squares.copy(),
                "own": self._own.copy(), "mixed": self._mixed.copy(),
                "count": np.array(self._count)}

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from what `state` returned, of the same models and channels."""
        self._regrets[:], self._squares[:] = state["regrets"], state["squares"]
        self._own[:], self._mixed[:] = state["own"], state["mixed"]
        self._count, self._now = int(state["count"]), None

    def mix(self, forecasts: Array) -> Array:
        """Return the mixture, (h,), of forecasts from the next cutoff, (M, h).

        Steps beyond the H that weights are known for take those of the last.
        """
        n_steps, h = len(self._mixed), forecasts.shape[1]
        finite = np.isfinite(forecasts)
        if h == n_steps and finite.all():
            mixture = (self._weights() * forecasts).sum(axis=0)
        else:
            mixture = (self.shares(finite) * np.where(finite, forecasts, 0.0)).sum(axis=0)
        place, kept = self._count % n_steps, min(n_steps, h)
        if kept < n_steps:
            self._own[place], self._mixed[place] = np.nan, np.nan
        self._own[place, :, :kept] = forecasts[:, :kept]
        self._mixed[place, :kept] = mixture[:kept]
        self._count += 1
        return np.asarray(mixture)

    def shares(self, usable: npt.NDArray[np.bool_]) -> Array:
        """Return the weights in the next mixture, (M, h), of forecasts of which some are usable.

        They add up to 1; where none is usable they are NaN.
        """
        steps = np.minimum(np.arange(usable.shape[1]), len(self._mixed) - 1)
        weights = self._weights()[:, steps] * usable
        weights = np.where(weights.sum(axis=0) > 0, weights, usable)
        with np.errstate(invalid="ignore"):
            return np.asarray(weights / weights.sum(axis=0))

    def observe(self, sample: float | Array, weight: float = 1.0) -> None:
        """Learn from the sample after the latest cutoff, which forecasts from H cutoffs were of.

        Its loss counts ``weight`` times; nothing is learned from a sample that weighs nothing.
        """
        if not self._start.learns:
            return
        steps = np.arange(len(self._mixed))
        places = (self._count - 1 - steps) % len(steps)
        own = np.swapaxes(self._own[places, :, steps], 0, 1)
        mixed = self._mixed[places, steps]
        with np.errstate(all="ignore"):  # a forecast that is none, or far off, is left out below
            slopes = 2 * (mixed - sample) / self._scales * weight
            gained = slopes * (mixed - own)
            squares = gained * gained
        known = np.isfinite(squares)
        if not known.all():
            gained, squares = np.where(known, gained, 0.0), np.where(known, squares, 0.0)
        self._regrets += gained
        self._squares += squares
        self._now = None

    def follow(self, forecasts: Array, samples: Array, weights: Array | None = None) -> Array:
        """Return the mixtures, (T, h), from T cutoffs in order, of forecasts (M, T, h).

        After each, the sample that comes next is observed, of ``samples``, (T,); NaN where it is
        not known. ``weights``, (T,), are those of the samples.
        """
        mixtures = np.empty(forecasts.shape[1:])
        weights = np.ones(len(samples)) if weights is None else weights
        for place, (sample, weight) in enumerate(zip(samples, weights, strict=True)):
            mixtures[place] = self.mix(forecasts[:, place])
            self.observe(sample, weight)
        return mixtures

    def _weights(self) -> Array:
        """Return the weights at each step, (M, H)."""
        if self._now is None:
            self._now = weights_of(self._regrets, self._squares, self._eligible)
        return self._now


def weights_of(regrets: Array, squares: Array, eligible: Array) -> Array:
    """Return the weight of each model at each step, (M, H); they add up to 1. See `Experts`."""
    worth = eligible * np.maximum(regrets, 0.0) / (1.0 + squares)
    total = worth.sum(axis=0)
    if not (total > 0).all():
        worth = np.where(total > 0, worth, eligible)
        total = worth.sum(axis=0)
    return np.asarray(worth / total)


def _spread(values: Array, axes: tuple[int, ...]) -> Array:
    """Return values with further axes at the end, along which they are the same."""
    return np.broadcast_to(values.reshape(values.shape + (1,) * len(axes)), values.shape + axes)
