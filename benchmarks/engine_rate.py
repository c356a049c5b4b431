"""How much of the rate of matrix products the parts of a training reach.

``python -m benchmarks.engine_rate`` times, on one thread, one evaluation of the objective and its
gradient (`FactorObjective`), a climb of neurons that are priced (`climb_by_products`) and the sums
from which all neurons get their sizes and heads (`Moments`), and divides what matrix products they
have to do by what ``torch.matmul`` does on two square matrices of the same precision. What is
element by element (kinks, norms) counts as nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import torch

from benchmarks.adapters.horizons import Seen
from benchmarks.adapters.roofline import matmul_rate, seconds_of
from benchmarks.horizons import Shape, build
from benchmarks.report import lay_out
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.descent import DescentData, FactorObjective
from relu_forecast.training.group_lasso import Moments
from relu_forecast.training.pricing.conjugate import climb_by_products
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.scored_samples import ScoredSamples

SHAPES = (Shape(5000, 60, 30, 0.03), Shape(20_000, 120, 30, 0.03))
_SIDE, _REPEATS, _WIDTHS, _PRODUCTS = 2000, 5, (0.3, 0.2, 0.1), 4


def main() -> None:
    """Print the table."""
    torch.set_num_threads(1)
    rows = []
    for shape in SHAPES:
        problem = _problem(shape)
        for m in (20, 100, 400):
            for part, dtype, flops, run in parts(problem, m):
                run()
                rate = flops / seconds_of(run, _REPEATS) / 1e9
                whole = matmul_rate(_SIDE, _REPEATS, dtype) / 1e9
                rows.append([f"n = {shape.n:,}, d = {shape.lags}, C = {shape.horizon}", f"{m}",
                             part, str(dtype).removeprefix("torch."), f"{rate:.1f}",
                             f"{whole:.1f}", f"{rate / whole:.2f}"])
                print(*rows[-1], flush=True)
    print(lay_out(["instance", "neurons", "part", "precision", "Gflop/s", "matmul Gflop/s",
                   "share"], rows))


def parts(
    problem: Problem, m: int
) -> Iterator[tuple[str, torch.dtype, float, Callable[[], object]]]:
    """Yield parts of a training, their precision, the flops of their products, and how to run."""
    features, generator = problem.features, np.random.default_rng(0)
    (N, d), (n, C) = features.rows.shape, problem.targets.shape
    rank = 0 if problem.skip is None else problem.skip.basis.shape[1]
    blocks, heads = (torch.as_tensor(generator.standard_normal((m, k))) for k in (d, C))
    neurons = Neurons(features.norm.normalised(blocks), heads / heads.norm(dim=1, keepdim=True))
    for dtype in (torch.float32, torch.float64):
        objective = FactorObjective(DescentData.of(problem, dtype), m, C)
        point = torch.cat([neurons.blocks.flatten(), neurons.heads.flatten()]).to(dtype)
        objective.soften(0.05, 0.1, point)
        flops = 4.0 * N * m * d + 6.0 * n * m * C + 4.0 * n * rank * C
        yield "gradient", dtype, flops, partial(objective, point)
    samples = ScoredSamples(features, problem.left_targets[:n])
    for own in (samples.in_single(), samples):
        dtype = own.features.rows.dtype
        found = PricedNeurons(
            neurons.blocks.to(dtype), neurons.heads.to(dtype), neurons.heads[:, 0].to(dtype))
        each = (6.0 + 4.0 * _PRODUCTS) * N * m * d + 4.0 * n * m * C
        yield "pricing", dtype, (len(_WIDTHS) + 1) * each, partial(
            climb_by_products, own, found, _WIDTHS, _PRODUCTS)
    flops = 2.0 * N * m * d + 4.0 * n * rank * m + 2.0 * n * m * m + 2.0 * n * m * C
    yield "sizing", torch.float64, flops, partial(Moments.of, problem, neurons.blocks)


def _problem(shape: Shape) -> Problem:
    """Return the problem of a contest, in standardised units."""
    horizon = build(shape)
    task = TrainingTask(
        torch.from_numpy(horizon.windows), torch.from_numpy(horizon.targets), Seen(False), "relu",
        True, is_vector=False)
    return task.problem(horizon.beta).standardised()


if __name__ == "__main__":
    main()
