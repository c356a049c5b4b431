"""Problems to race on: windows of the shipped ECG, Gaussian patterns, beta as a share of its most.

NumPy alone is imported, so that peers build the same problem in their own environments.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]
Activation = Literal["relu", "gated_relu"]

LAGS = 15
_DATA = Path(__file__).resolve().parents[1] / "data" / "ecg_mitbih_208.npz"
_CHUNK = 2**16
"""Rows at a time; a multiple of eight."""


@dataclass(frozen=True)
class Instance:
    """A convex program, or the network whose patterns it samples.

    Attributes
    ----------
    X : ndarray, shape (n, d)
        Windows, oldest sample first.
    y : ndarray, shape (n,)
        The sample after each window.
    gates : ndarray, shape (P, d)
        Gaussian vectors.
    masks : ndarray of bool, shape (P, n)
        ``gates @ X.T >= 0``, all distinct.
    beta : float
        Weight of the penalty.
    activation : {"relu", "gated_relu"}
        With cones and blocks of both signs, or free blocks.
    circular : bool
        Whether a block costs ``||F z||_1 / sqrt(d)``, F the unitary DFT, instead of ``||z||``.
    """

    X: Floats
    y: Floats
    gates: Floats
    masks: Booleans
    beta: float
    activation: Activation
    circular: bool

    @property
    def has_cones(self) -> bool:
        """Whether blocks live in the cones of their patterns."""
        return self.activation == "relu"


@dataclass(frozen=True)
class Spec:
    """What an instance is built from; plain values, so that it travels to another process.

    Attributes
    ----------
    n, n_patterns : int
        Windows, and Gaussian gates drawn (duplicate patterns are dropped).
    ratio : float
        Share of ``max_i N*(X'D_i y)`` that beta is.
    lags : int
        Samples of a window, d.
    start : int
        First sample of the record.
    activation, circular
        As in `Instance`.
    """

    n: int
    n_patterns: int
    ratio: float = 0.01
    lags: int = LAGS
    start: int = 0
    activation: Activation = "relu"
    circular: bool = False

    def build(self) -> Instance:
        """Return the instance; the same everywhere, as nothing in it is random but by seed."""
        signal = record(self.start + self.n + self.lags)[self.start :]
        signal = (signal - signal.mean()) / signal.std()
        windows = np.lib.stride_tricks.sliding_window_view(signal, self.lags)[:-1]
        X, y = np.ascontiguousarray(windows), signal[self.lags :].copy()
        gates = np.random.default_rng(0).standard_normal((self.lags, self.n_patterns)).T
        masks, gates = distinct_masks(X, gates)
        beta = self.ratio * max(
            dual_norm(X.T @ (mask * y), self.circular) for mask in masks)
        return Instance(X, y, gates, masks, beta, self.activation, self.circular)


def record(length: int) -> Floats:
    """Return the first ``length`` samples of the ECG in millivolts, lengthened where it ends.

    It has 108,000 samples. A longer one goes on backwards, then forwards again, and so on, with
    noise of one step of the converter (5 microvolts) on all that is repeated, so that no two
    windows are equal.
    """
    with np.load(_DATA) as file:
        signal = (file["adc"].astype(np.float64) - file["baseline"]) / file["gain"]
        step = 1.0 / float(file["gain"])
    repeats = -(-length // len(signal))
    legs = [signal if i % 2 == 0 else signal[::-1] for i in range(repeats)]
    whole = np.concatenate(legs)[:length]
    noise = np.random.default_rng(0).standard_normal(max(0, length - len(signal)))
    whole[len(signal) :] += step * noise
    return whole


def distinct_masks(X: Floats, gates: Floats) -> tuple[Booleans, Floats]:
    """Return the distinct patterns (P, n) of gates (G, d), sorted, and a gate for each.

    Compared as bits, and computed by chunks of rows: memory is P n bytes and little more.
    """
    packed = np.empty((len(gates), -(-len(X) // 8)), dtype=np.uint8)
    for begin in range(0, len(X), _CHUNK):
        masks = (X[begin : begin + _CHUNK] @ gates.T >= 0).T
        packed[:, begin // 8 : (begin + _CHUNK) // 8] = np.packbits(masks, axis=1)
    distinct, first = np.unique(packed, axis=0, return_index=True)
    masks = np.unpackbits(distinct, axis=1, count=len(X)).view(np.bool_)
    return masks, np.ascontiguousarray(gates[first])


def dual_norm(correlations: Floats, circular: bool) -> float:
    """Return the largest inner product with a block that costs one."""
    if not circular:
        return float(np.linalg.norm(correlations))
    d = len(correlations)
    return float(d**0.5 * np.abs(np.fft.rfft(correlations, norm="ortho")).max())


def block_norms(blocks: Floats, circular: bool) -> Floats:
    """Return what each block (K, d) costs before beta."""
    if not circular:
        return np.asarray(np.linalg.norm(blocks, axis=1))
    spectra = np.fft.fft(blocks, norm="ortho")
    return np.asarray(np.abs(spectra).sum(axis=1) / blocks.shape[1] ** 0.5)
