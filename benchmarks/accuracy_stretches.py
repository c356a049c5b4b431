"""Stretches of signals: a part to train on, and the part after it to forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from benchmarks.instances import Floats
from benchmarks.signals import measured, simulated
from relu_forecast import load_ecg, read_series

SAMPLES = 5000
"""Of the training part of a stretch; as many are forecast."""
STRETCHES = ("208/20000", "208/50000", "208/80000", "100/0", "100/30000", "100/60000")
"""Records of the ECG, and where stretches start."""


@dataclass(frozen=True)
class Stretch:
    """A signal, cut in two.

    Attributes
    ----------
    name : str
        Of the signal and its place.
    values : ndarray, shape (n,)
        All samples.
    n_train : int
        Samples of the training part, the first ones.
    """

    name: str
    values: Floats
    n_train: int

    @property
    def train(self) -> Floats:
        """A copy of the training part."""
        return self.values[: self.n_train].copy()

    @property
    def unit(self) -> float:
        """Standard deviation of the training part; 1 if it is constant."""
        return float(self.train.std()) or 1.0

    @property
    def digest(self) -> str:
        """Some letters that say which samples these are."""
        whole = np.ascontiguousarray(self.values, dtype=np.float64).tobytes()
        return sha256(whole + str(self.n_train).encode()).hexdigest()[:12]

    def cutoffs(self, horizon: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
        """Return positions of the last known sample: all whose horizon lies in the test part."""
        return np.arange(self.n_train - 1, len(self.values) - horizon)

    def truth(self, horizon: int) -> Floats:
        """Return what follows each cutoff, shape (C, horizon)."""
        view = np.lib.stride_tricks.sliding_window_view(self.values[self.n_train :], horizon)
        return np.asarray(view)


def ecg(name: str, samples: int = SAMPLES) -> Stretch:
    """Return a stretch of the ECG, named by record and first sample: ``"208/20000"``."""
    record, _, start = name.partition("/")
    values = load_ecg(record).to_numpy()
    return _cut(f"ECG {record}, from {int(start or 0):,}", values, int(start or 0), samples)


def own(path: Path, column: str | None = None, start: int = 0, samples: int = SAMPLES) -> Stretch:
    """Return a stretch of a record in a file; see `read_record`."""
    return _cut(f"{path.stem}, from {start:,}", read_record(path, column), start, samples)


def read_record(path: Path, column: str | None = None) -> Floats:
    """Return the samples of a file.

    CSV and Parquet are read by `relu_forecast.read_series`. NPZ has the arrays of the shipped ECG,
    or one that ``column`` names, or one alone.
    """
    if path.suffix != ".npz":
        return read_series(path, column=column)["y"].to_numpy(dtype=np.float64)
    with np.load(path) as arrays:
        if column is None and {"adc", "gain", "baseline"} <= set(arrays.files):
            return np.asarray((arrays["adc"].astype(float) - arrays["baseline"]) / arrays["gain"])
        if column is None and len(arrays.files) > 1:
            raise ValueError(f"{path} has {', '.join(arrays.files)}: name one with --column")
        return np.asarray(arrays[column or arrays.files[0]], dtype=np.float64).ravel()


def halves() -> Sequence[Stretch]:
    """Return the signals of `benchmarks.signals`, each trained on its first half."""
    return [Stretch(name, values, (len(values) + 1) // 2)
            for name, values in [*measured(), *simulated()]]


def _cut(name: str, values: Floats, start: int, samples: int) -> Stretch:
    """Return a stretch, halved earlier if the signal ends before it is full."""
    part = values[start : start + 2 * samples]
    return Stretch(name, part, min(samples, (len(part) + 1) // 2))
