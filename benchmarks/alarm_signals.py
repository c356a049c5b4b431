"""Signals that alarms are tried on: two recorded, two simulated, and forecasts of them in bulk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.signal import lfilter

from relu_forecast import ReLUForecaster, baselines, load_ecg
from relu_forecast.forecasting.data.history import Past
from relu_forecast.streaming.alarms import errors_by_sample

Array = npt.NDArray[np.float64]
RATE = 360
"""Samples a second, of all signals."""
LAGS, HORIZON, TRAINING = 60, 30, 5_000
_CHUNK = 20_000


@dataclass(frozen=True)
class Case:
    """A signal without faults, and what forecasts it."""

    name: str
    values: Array
    forecaster: Any
    """With LAGS lags; not fitted yet."""

    @cached_property
    def fitted(self) -> Any:
        """The forecaster, fitted to the first samples, with held-out errors."""
        return self.forecaster.fit(self.values[:TRAINING], horizon=HORIZON, intervals="split")

    @property
    def held_out(self) -> Array:
        """Absolute errors of the calibration part, by origin."""
        errors: Array = next(iter(self.fitted.calibrations_.values()))
        return errors

    @property
    def clean(self) -> Array:
        """The samples after those of the training."""
        return self.values[TRAINING:]

    @cached_property
    def unit(self) -> float:
        """Standard deviation of the training samples, which sizes of faults are multiples of."""
        return float(self.values[:TRAINING].std())

    def errors(self, values: Array) -> Array:
        """Return absolute errors by sample, (T, HORIZON), of forecasts from all windows."""
        state = next(iter(self.fitted.models_.values()))
        windows = np.lib.stride_tricks.sliding_window_view(values, LAGS)
        forecasts = np.full((len(values), HORIZON), np.nan)
        for first in range(0, len(windows), _CHUNK):
            some = windows[first : first + _CHUNK].copy()
            forecasts[LAGS - 1 + first :][: len(some)] = self.fitted.forecast(
                state, Past.of(some, HORIZON), HORIZON)
        return errors_by_sample(forecasts, values)


def cases(minutes: int = 30) -> Iterator[Case]:
    """Yield the signals; simulated ones last so many minutes, recorded ones five."""
    for record in ("100", "208"):
        yield Case(f"ECG {record}", load_ecg(record).to_numpy(), _network())
    length = minutes * 60 * RATE
    yield Case("simulated ECG", simulated_ecg(length, 1), _network())
    yield Case("simulated sensor", simulated_sensor(length, 2),
               baselines.RidgeAR(LAGS, strategy="direct"))


def _network() -> ReLUForecaster:
    """Return the forecaster of the electrocardiograms."""
    return ReLUForecaster(lags=LAGS, horizon=HORIZON, beta_ratio=0.03)


def simulated_ecg(length: int, seed: int) -> Array:
    """Return beats of five waves, whose distance varies with the breath, on a wandering line."""
    rng = np.random.default_rng(seed)
    values = np.zeros(length + 2 * RATE)
    phase, at = rng.uniform(0, 6), 0.5
    while at * RATE < length + RATE:
        distance = (0.8 + 0.06 * np.sin(2 * np.pi * at / 4 + phase)
                    + 0.05 * np.sin(2 * np.pi * at / 40) + 0.02 * rng.standard_normal())
        first = max(int((at - 0.3) * RATE), 0)
        places = np.arange(first, min(int((at + 0.45) * RATE), len(values)))
        values[places] += (1 + 0.05 * rng.standard_normal()) * _beat(places / RATE - at, distance)
        at += distance
    seconds = np.arange(length) / RATE
    wander = (0.08 * np.sin(2 * np.pi * 0.25 * seconds + phase)
              + 0.05 * np.sin(2 * np.pi * 0.033 * seconds))
    return values[:length] + wander + 0.012 * rng.standard_normal(length)


def _beat(seconds: Array, distance: float) -> Array:
    """Return a beat around its R wave; the T wave comes later where beats are far apart."""
    waves = ((0.12, -0.18, 0.025), (-0.12, -0.03, 0.01), (1.1, 0.0, 0.012), (-0.2, 0.035, 0.012),
             (0.25, 0.25 * np.sqrt(distance / 0.8), 0.05))
    beat: Array = sum(size * np.exp(-(((seconds - centre) / width) ** 2))
                      for size, centre, width in waves)
    return beat


def simulated_sensor(length: int, seed: int) -> Array:
    """Return a machine's cycle of varying length and a resonance, whose noise doubles and halves.

    The size of the noise goes up and down by a factor of two in ten minutes; the level drifts.
    """
    rng, places = np.random.default_rng(seed), np.arange(length)
    size = np.exp(0.35 * np.sin(2 * np.pi * places / (600 * RATE) + 1))
    resonance = lfilter([1], [1, -1.6, 0.8], 0.05 * rng.standard_normal(length)) * size
    speed = lfilter([0.1], [1, -0.99], rng.standard_normal(length))
    phase = np.cumsum(2 * np.pi / 40 * (1 + 0.02 * speed))
    level = 20 + 3 * np.sin(2 * np.pi * places / 500_000)
    values: Array = level + resonance + np.sin(phase) + 0.4 * np.sin(3 * phase + 1)
    return values
