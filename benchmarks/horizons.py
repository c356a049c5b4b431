"""Networks on long windows to race on: of one output or of many, beside a linear skip.

NumPy alone is imported, so that peers need nothing of the package. Every instance is windows, of
which neurons see what the kind says, targets divided by what the linear part leaves of them, and a
beta that is a share of the largest worth of a neuron that a search from Gaussian starts finds.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from benchmarks.instances import Floats, record

Kind = Literal["ecg", "sensor", "pooled"]

_ECG_START = 20_000
_SEARCH_STARTS, _SEARCH_STEPS = 60, 10


@dataclass(frozen=True)
class Shape:
    """What an instance is built from; plain values, so that it travels to another process.

    Attributes
    ----------
    n, lags, horizon : int
        Windows, samples of a window (d), targets a window (C).
    ratio : float
        Share of the largest worth found that beta is.
    kind : {"ecg", "sensor", "pooled"}
        One stretch of the ECG; a seasonal sensor, made up; or stretches of the ECG at ten places,
        stacked.
    """

    n: int
    lags: int
    horizon: int
    ratio: float
    kind: Kind = "ecg"


@dataclass(frozen=True)
class Horizon:
    """A network to train: ``min 1/2 ||Y - (F W')_+ V - skip||^2 + beta/2 (||W||^2 + ||V||^2)``.

    Attributes
    ----------
    windows : ndarray, shape (n, d)
        What the linear skip sees, besides a constant.
    inputs : ndarray, shape (n, d')
        What neurons see, F: windows and a constant; with many targets the last value is taken off
        the others.
    targets : ndarray, shape (n, C)
        Y, in units of what the linear part leaves of each.
    scale : ndarray, shape (C,)
        These units.
    basis : ndarray, shape (n, r)
        Orthonormal, of the columns of the skip.
    ratio : float
        As in `Shape`.
    """

    windows: Floats
    inputs: Floats
    targets: Floats
    scale: Floats
    basis: Floats
    ratio: float

    def leave(self, values: Floats) -> Floats:
        """Return what the skip leaves of the columns."""
        return np.asarray(values - self.basis @ (self.basis.T @ values))

    @cached_property
    def beta(self) -> float:
        """Weight of the penalty."""
        goal = self.leave(self.targets)
        found = np.random.default_rng(0).standard_normal((_SEARCH_STARTS, self.inputs.shape[1]))
        largest = 0.0
        for _ in range(_SEARCH_STEPS):
            found = _normalised(found)
            outputs = self.inputs @ found.T
            worth = np.maximum(outputs, 0).T @ goal
            largest = max(largest, float(np.linalg.norm(worth, axis=1).max()))
            found = ((goal @ _normalised(worth).T) * (outputs > 0)).T @ self.inputs
        return self.ratio * largest

    def objective(self, hidden: Floats, output: Floats) -> float:
        """Return the objective of hidden (m, d') and output weights (m, C) beside the best skip."""
        fitted = np.maximum(self.inputs @ hidden.T, 0) @ output
        weights = float((hidden**2).sum() + (output**2).sum())
        return 0.5 * float((self.leave(self.targets - fitted) ** 2).sum()) + (
            self.beta / 2 * weights)


def _normalised(rows: Floats) -> Floats:
    """Return the rows at length one; zeros stay zeros."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(lengths > 0, lengths, 1.0))


def build(shape: Shape) -> Horizon:
    """Return the instance; the same everywhere, as nothing in it is random but by seed."""
    windows, ahead = _cut(shape)
    own = windows - windows[:, -1:] if shape.horizon > 1 else windows
    seen = own[:, :-1] if shape.horizon > 1 else own
    one = np.ones((len(windows), 1))
    basis, sizes, _ = np.linalg.svd(np.hstack([windows, one]), full_matrices=False)
    basis = basis[:, sizes > sizes[0] * 1e-12]
    left = ahead - basis @ (basis.T @ ahead)
    scale = np.sqrt((left**2).mean(0)) if shape.horizon > 1 else np.ones(1)
    return Horizon(windows, np.hstack([seen, one]), ahead / scale, scale, basis, shape.ratio)


def _cut(shape: Shape) -> tuple[Floats, Floats]:
    """Return windows and what follows each, of a z-scored signal."""
    length = shape.n + shape.lags + shape.horizon - 1
    if shape.kind == "sensor":
        return _windows(_sensor(length), shape)
    if shape.kind == "ecg":
        return _windows(_scored(record(_ECG_START + length)[_ECG_START:]), shape)
    each = shape.n // 10
    length = each + shape.lags + shape.horizon - 1
    whole = record(10 * 10_000 + length)
    parts = [_windows(_scored(whole[10_000 * i : 10_000 * i + length]), shape) for i in range(10)]
    return np.vstack([part[0] for part in parts]), np.vstack([part[1] for part in parts])


def _windows(signal: Floats, shape: Shape) -> tuple[Floats, Floats]:
    """Return the windows of a signal and their targets."""
    view = np.lib.stride_tricks.sliding_window_view(signal, shape.lags + shape.horizon)
    return view[:, : shape.lags].copy(), view[:, shape.lags :].copy()


def _scored(signal: Floats) -> Floats:
    """Return the signal in standard deviations from its mean."""
    return (signal - signal.mean()) / signal.std()


def _sensor(length: int) -> Floats:
    """Return 15-minute readings: a daily and a weekly season, bursts by threshold, noise."""
    generator, t = np.random.default_rng(0), np.arange(length)
    day, week = np.sin(2 * np.pi * t / 96), np.sin(2 * np.pi * t / 672)
    level = np.zeros(length)
    shocks = generator.standard_normal(length)
    for i in range(1, length):
        pull = 0.95 if level[i - 1] < 0 else 0.7  # falls back faster than it climbs
        level[i] = pull * level[i - 1] + 0.2 * shocks[i]
    season = np.maximum(day + 0.4 * week, -0.2) * (1 + 0.3 * (week > 0))
    return _scored(2 * season + level + 0.1 * generator.standard_normal(length))
