"""Signals of known kinds, on which forecasts are compared: measured ones and simulated ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from relu_forecast import load_ecg

Signal = npt.NDArray[np.float64]

LENGTH = 2000
"""Samples of a simulated signal."""
_BURN_IN = 200


def measured() -> Iterator[tuple[str, Signal]]:
    """Yield three disjoint stretches of the ECG, and two series that statsmodels ships."""
    from statsmodels.datasets import co2, sunspots

    ecg = load_ecg().to_numpy()
    for start in (20_000, 50_000, 80_000):
        yield f"ECG, from sample {start:,}", ecg[start : start + 10_000]
    yield "co2, weekly, gaps interpolated", co2.load_pandas().data["co2"].interpolate().to_numpy()
    yield "sunspots, yearly", sunspots.load_pandas().data["SUNACTIVITY"].to_numpy()


def simulated() -> Iterator[tuple[str, Signal]]:
    """Yield twenty signals: periodic, trending, linear, threshold, chaotic, bursty, drifting."""
    rng, t = np.random.default_rng(0), np.arange(LENGTH)

    def noise(size: float) -> Signal:
        return size * rng.standard_normal(LENGTH)

    def recursion(
        rule: Callable[[list[float]], float], size: float = 0.0, start: tuple[float, float] = (0, 0)
    ) -> Signal:
        path = list(start)
        for _ in range(LENGTH + _BURN_IN):
            path.append(rule(path) + size * float(rng.standard_normal()))
        return np.array(path[-LENGTH:])

    yield "sine", np.sin(t / 7) + noise(0.1)
    yield "two sines", np.sin(t / 7) + 0.5 * np.sin(t / 3.1) + noise(0.1)
    yield "modulated sine", (1 + 0.5 * np.sin(t / 60)) * np.sin(t / 5) + noise(0.05)
    yield "chirp", np.sin(t / 12 + (t / 400) ** 2) + noise(0.05)
    yield "sawtooth", (t % 37) / 37 + noise(0.05)
    yield "square wave", (t // 25) % 2 + noise(0.05)
    yield "trend and season", t / 300 + np.sin(t / 6) + noise(0.2)
    yield "random walk", np.cumsum(noise(1.0))
    yield "white noise", noise(1.0)
    yield "AR(2)", recursion(lambda x: 1.6 * x[-1] - 0.8 * x[-2], 1.0)
    yield "AR(1), nearly a walk", recursion(lambda x: 0.98 * x[-1], 1.0)
    yield "threshold AR(1)", recursion(
        lambda x: 0.9 * x[-1] + 0.5 if x[-1] < 0 else -0.6 * x[-1] + 0.3, 0.3)
    yield "threshold AR(2)", recursion(
        lambda x: 0.6 * x[-1] + 1 if x[-2] < 1 else -0.5 * x[-1] + 0.5 * x[-2], 0.4)
    yield "logistic map", recursion(lambda x: 3.9 * x[-1] * (1 - x[-1]), 0.0, (0.3, 0.4)) + noise(
        0.01)
    yield "Hénon map", recursion(
        lambda x: 1 - 1.4 * x[-1] ** 2 + 0.3 * x[-2], 0.0, (0.1, 0.1)) + noise(0.01)
    yield "Mackey-Glass", _mackey_glass() + noise(0.01)
    yield "Lorenz", _lorenz() + noise(0.1)
    yield "GARCH(1, 1)", _garch(rng)
    yield "pulses", _pulses(rng) + noise(0.02)
    yield "level shifts", np.cumsum((rng.random(LENGTH) < 0.01) * noise(3.0)) + noise(0.3)


def _mackey_glass() -> Signal:
    """Return the delay equation ``x' = 0.2 x(t - 17) / (1 + x(t - 17)^10) - 0.1 x``, every 6 s."""
    path = [1.2] * 18
    for _ in range(6 * (LENGTH + _BURN_IN)):
        path.append(path[-1] + 0.2 * path[-18] / (1 + path[-18] ** 10) - 0.1 * path[-1])
    return np.array(path[::6][-LENGTH:])


def hundred_hourly() -> list[Signal]:
    """Return a hundred series of 700 hours: a level that wanders, a day, a week, and noise.

    Shapes of the day, how weekends differ, trends, sizes and the memory of the noise are drawn.
    """
    rng, hours = np.random.default_rng(0), np.arange(700)
    return [_of_hours(rng, hours) for _ in range(100)]


def _of_hours(rng: np.random.Generator, hours: npt.NDArray[np.intp]) -> Signal:
    """Return one such series."""
    day = sum(rng.normal() / k * np.sin(2 * np.pi * (k * hours / 24 + rng.uniform()))
              for k in (1, 2, 3))
    weekend = np.where(hours // 24 % 7 >= 5, rng.uniform(0.2, 1.0), 1.0)
    shocks, noise = rng.normal(size=len(hours)), np.zeros(len(hours))
    memory = rng.uniform(0, 0.9)
    for now in range(1, len(hours)):
        noise[now] = memory * noise[now - 1] + shocks[now]
    level = rng.normal() * hours / len(hours) + 0.02 * np.cumsum(rng.normal(size=len(hours)))
    own = rng.uniform(0.1, 0.5) * noise + level + day * weekend + rng.normal() * (weekend < 1)
    return np.asarray(10 ** rng.uniform(-2, 3) * (own + rng.uniform(0, 20)))


def _lorenz() -> Signal:
    """Return the first coordinate of the Lorenz system, every 0.05 s."""
    state, path = np.ones(3), []
    for _ in range(5 * (LENGTH + _BURN_IN)):
        x, y, z = state
        state = state + 0.01 * np.array([10 * (y - x), x * (28 - z) - y, x * y - 8 / 3 * z])
        path.append(float(state[0]))
    return np.array(path[::5][-LENGTH:])


def _garch(rng: np.random.Generator) -> Signal:
    """Return noise whose variance remembers."""
    path, variance = np.zeros(LENGTH), 1.0
    for now in range(1, LENGTH):
        variance = 0.1 + 0.2 * path[now - 1] ** 2 + 0.7 * variance
        path[now] = variance**0.5 * rng.standard_normal()
    return path


def _pulses(rng: np.random.Generator) -> Signal:
    """Return a beat about every 40 samples, at irregular times and of irregular heights."""
    t, path = np.arange(LENGTH), np.zeros(LENGTH)
    for beat in range(0, LENGTH, 40):
        distance = t - beat - int(rng.integers(-2, 3))
        path += np.exp(-((distance / 2.0) ** 2) / 2) * (1 + 0.1 * rng.standard_normal())
    return path
