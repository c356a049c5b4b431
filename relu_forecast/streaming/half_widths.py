"""How wide intervals must be: quantiles of errors that follow a signal, a number for each step.

Quantile tracking (Angelopoulos, Candès & Tibshirani, 2023, "Conformal PID control for time series
prediction", NeurIPS; after Gibbs & Candès, 2021): a half-width grows after a miss and shrinks after
a hit, so that in the long run as many samples are covered as were asked for, whatever the signal
does. Here its logarithm moves, so that the unit of the data does not matter.
"""

from __future__ import annotations

import numpy as np

from relu_forecast.validation import Array

USUAL_GAMMA = 0.02
"""Step of the logarithm of half-widths."""
_AT_FIRST = 2.0
"""The step is so many times one over the errors that have been seen, while that is larger."""
_HEAD_START = 10
_LEAST = 12.0
"""By how much the logarithm may fall below where it started."""


class HalfWidths:
    """Half-widths of intervals for each of H steps ahead and L levels.

    Parameters
    ----------
    shares : ndarray, shape (L,)
        Of samples to cover, increasing, between 0 and 1.
    errors : ndarray, shape (m, H)
        Absolute errors to start from, NaN where one is not known; m may be 0.
    gamma : float
        Step of the logarithm.
    channels : int, optional
        Series side by side, N; all arrays have a last axis of them then.
    """

    def __init__(self, shares: Array, errors: Array, gamma: float = USUAL_GAMMA,
                 channels: int | None = None) -> None:
        axes = () if channels is None else (channels,)
        n_steps = errors.shape[1]
        start = np.log(_to_start_from(errors, shares))
        self._log = np.broadcast_to(
            start.reshape(start.shape + (1,) * len(axes)), (*start.shape, *axes)).copy()
        self._floor = self._log - _LEAST
        self._misses = (1 - shares).reshape(-1, *(1,) * (1 + len(axes)))
        self._gamma = gamma
        known = (~np.isnan(errors)).sum(axis=0, dtype=float).reshape(n_steps, *(1,) * len(axes))
        self._count = np.broadcast_to(known, (n_steps, *axes)).copy()
        self._steady = False

    @property
    def now(self) -> Array:
        """Half-widths, (L, H); NaN where no error has been seen yet."""
        widths: Array = np.exp(self._log)
        return widths

    def update(self, errors: Array, issued: Array) -> None:
        """Learn from the errors of one sample at each step, (H,), NaN where none is known.

        ``issued``, (L, H), are the half-widths that had been given for it.
        """
        if self._steady:
            total = float(errors.sum())
            if total == total:
                moves = np.greater(errors, issued) - self._misses
                moves *= self._gamma
                self._log += moves
                np.maximum(self._log, self._floor, out=self._log)
                return
        self._update_some(errors, issued)

    def _update_some(self, errors: Array, issued: Array) -> None:
        """Learn from what is known, in larger steps at first."""
        known = ~np.isnan(errors)
        new = known & np.isnan(self._log)
        if new.any():
            first = np.broadcast_to(np.log(np.maximum(errors, np.finfo(float).tiny)), new.shape)
            self._log[new] = first[new]
            self._floor[new] = first[new] - 2 * _LEAST
        gamma = np.maximum(self._gamma, _AT_FIRST / (self._count + _HEAD_START))
        moves = np.greater(errors, issued) - self._misses
        judged = known & ~np.isnan(issued)
        self._log += np.where(judged, gamma * moves, 0.0)
        np.maximum(self._log, self._floor, out=self._log)
        self._count += known
        self._steady = bool((self._count > _AT_FIRST / self._gamma).all())

    def state(self) -> dict[str, Array]:
        """Return all that is known, for `restore`."""
        return {"log": self._log.copy(), "floor": self._floor.copy(), "count": self._count.copy()}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from what `state` returned, of the same steps, levels and channels."""
        self._log[:], self._floor[:] = state["log"], state["floor"]
        self._count[:] = state["count"]
        self._steady = False


def conformal_quantiles(errors: Array, shares: Array) -> Array:
    """Return conformal quantiles of each column of (m, H) that holds NaN, shape (H, L).

    ``shares`` are (L,), or (H, L) for other ones at each step. Above the largest error that is
    known nothing is: it stands for infinity.
    """
    ordered = np.sort(errors, axis=0)  # NaN last
    counts = (~np.isnan(errors)).sum(axis=0)[:, np.newaxis]
    ranks = np.ceil((counts + 1) * shares - 1e-9).astype(np.intp)
    ranks = np.clip(ranks, 1, np.maximum(counts, 1)) - 1
    quantiles: Array = ordered[ranks, np.arange(errors.shape[1])[:, np.newaxis]]
    return quantiles


def _to_start_from(errors: Array, shares: Array) -> Array:
    """Return quantiles of absolute errors, (L, H); above 0, or NaN where none is known."""
    if not len(errors):
        return np.full((len(shares), errors.shape[1]), np.nan)
    found = conformal_quantiles(errors, shares).T
    least = float(np.nanmin(np.where(found > 0, found, np.nan), initial=np.inf))
    return np.where(found <= 0, least if np.isfinite(least) else np.finfo(float).tiny, found)
