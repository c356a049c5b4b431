"""Contests of networks on long windows: many outputs (`joint-*`), many lags (`lags-*`), growth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, replace

from benchmarks.contestants import Contest, Contestant
from benchmarks.horizons import Shape
from benchmarks.jobs import Settings


def horizons() -> list[Contest]:
    """Return all of them."""
    return [*joint(), *lags(), *engine()]


def joint() -> Iterator[Contest]:
    """Yield networks of many outputs."""
    base = Shape(5000, 60, 30, 0.1)
    for ratio, tol in ((0.1, 1e-2), (0.03, 1e-2), (0.01, 1e-2), (0.003, 3e-2)):
        yield _contest(f"joint-{ratio}", f"30 outputs, 60 lags, n = 5,000, ratio {ratio}",
                       replace(base, ratio=ratio), tol, neurons=100)
    yield _contest("joint-sensor", "96 outputs, 336 lags, n = 8,600, a sensor, ratio 0.1",
                   Shape(8600, 336, 96, 0.1, "sensor"), 1e-2, neurons=100)


def lags() -> Iterator[Contest]:
    """Yield networks of one output."""
    for ratio in (0.1, 0.03, 0.01):
        yield _contest(f"lags-15-{ratio}", f"15 lags, n = 5,000, ratio {ratio}",
                       Shape(5000, 15, 1, ratio), 1e-2, neurons=100)
    yield _contest("lags-15-short", "15 lags, n = 1,985, ratio 0.03",
                   Shape(1985, 15, 1, 0.03), 1e-2, neurons=100)
    yield _contest("lags-100", "100 lags, n = 3,000, ratio 0.03",
                   Shape(3000, 100, 1, 0.03), 5e-2, neurons=100)
    yield _contest("lags-pooled", "49 lags, n = 40,000 of ten stretches, ratio 0.1",
                   Shape(40_000, 49, 1, 0.1, "pooled"), 1e-2, neurons=100)


def engine() -> Iterator[Contest]:
    """Yield sweeps of one size at a time of our training, all else as in joint-0.03."""
    base = Shape(4000, 60, 30, 0.03)
    sweeps = {
        "n": {size: replace(base, n=size) for size in (2000, 4000, 8000, 16_000, 32_000)},
        "d": {size: replace(base, lags=size) for size in (30, 60, 120, 240)},
        "C": {size: replace(base, horizon=size) for size in (2, 8, 30, 96)}}
    for letter, shapes in sweeps.items():
        yield Contest(
            f"engine-{letter}", f"Growth of training in {letter}, ratio 0.03",
            tuple(_ours(shape, 1e-2, f"{letter} = {size:,}") for size, shape in shapes.items()),
            sizes=tuple(map(float, shapes)))


def _contest(name: str, title: str, shape: Shape, tol: float, neurons: int) -> Contest:
    """Return ours against L-BFGS from two starts and Adam."""
    descents: dict[str, Settings] = {
        **{f"L-BFGS, {neurons} neurons, seed {seed}": {
            "method": "lbfgs", "steps": 400, "seed": seed} for seed in range(2)},
        f"L-BFGS, {neurons} neurons, 3,000 steps": {"method": "lbfgs", "steps": 3000},
        f"Adam, {neurons} neurons": {"method": "adam", "steps": 600, "rate": 0.02}}
    return Contest(name, title, (
        _ours(shape, tol, "relu_forecast"),
        *(Contestant(label, "horizon_descent", None, (
            {**one, "shape": asdict(shape), "neurons": neurons},), most_runs=1)
          for label, one in descents.items())), shares=(0.03, 0.01, 0.0))


def _ours(shape: Shape, tol: float, name: str) -> Contestant:
    """Return our training."""
    return Contestant(name, "horizons", None, ({"shape": asdict(shape), "tol": tol},),
                      limit_s=1800.0)
