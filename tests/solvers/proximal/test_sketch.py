from __future__ import annotations

import pytest
import torch

from relu_forecast.solvers.proximal.sketch import Metric, Sketch
from relu_forecast.solvers.settings import ProximalSettings
from tests.solvers.programs import ARCHITECTURES, MANY, SKIPS, pairs_program, random_program


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", list(ARCHITECTURES))
def test_a_sketch_of_all_samples_is_the_gram_matrix(name, skip):
    program = random_program(name=name, **skip)
    index = torch.tensor([1, 6, 2])
    row_gram = program.features.rows.T @ program.features.rows
    metric = Sketch(program, row_gram, ProximalSettings()).metric(index)
    matrix, exact = metric.matrix, metric.exact
    assert exact
    torch.testing.assert_close(matrix, program.restricted(index).gram())


@pytest.mark.parametrize("name", list(MANY))
def test_a_sketch_of_many_targets_is_the_gram_matrix(name):
    program = pairs_program(name=name, linear_skip=True)
    index, row_gram = torch.tensor([1, 6, 2]), program.features.rows.T @ program.features.rows
    metric = Sketch(program, row_gram, ProximalSettings()).metric(index)
    assert metric.exact
    torch.testing.assert_close(metric.matrix, program.restricted(index).gram())


@pytest.mark.parametrize("make", [random_program, pairs_program])
def test_samples_with_their_weights_are_what_a_sketch_is_made_of(make):
    program = make(name="constant" if make is random_program else "two sites", n=60)
    row_gram = program.features.rows.T @ program.features.rows
    sketch = Sketch(program, row_gram, ProximalSettings(samples_per_column=2))
    index = torch.tensor([1, 3])
    drawn = sketch.drawn(2 * 2 * program.features.width)
    columns = torch.stack([program.design.forward(unit) for unit in torch.eye(
        program.n_blocks * program.features.width).double().view(
            -1, program.n_blocks, program.features.width)])  # (Kd, n, C)
    own = (columns[:, drawn.index] * drawn.roots[:, None]).flatten(1)
    gram = (own @ own.T).view(program.n_blocks, program.features.width, program.n_blocks, -1)
    expected = gram[index][:, :, index].clone()
    for place in range(2):
        expected[place, :, place] += 1e-6 * row_gram
    torch.testing.assert_close(sketch.metric(index).matrix, expected.flatten(2).flatten(0, 1))


@pytest.mark.parametrize("skip", SKIPS)
def test_a_sketch_of_some_samples_is_near_the_gram_matrix(skip):
    program = random_program(name="constant", n=4000, n_patterns=3, **skip)
    index = torch.tensor([0, 2])
    row_gram = program.features.rows.T @ program.features.rows
    sketch = Sketch(program, row_gram, ProximalSettings())
    metric = sketch.metric(index)
    matrix, exact = metric.matrix, metric.exact
    assert not exact
    gram = program.restricted(index).gram()
    factor = torch.linalg.cholesky(gram)
    whitened = torch.linalg.solve_triangular(factor, matrix, upper=False)
    whitened = torch.linalg.solve_triangular(factor, whitened.T, upper=False)
    ratios = torch.linalg.eigvalsh(whitened)
    assert 0.1 < float(ratios.min()) < float(ratios.max()) < 3


def test_weights_of_samples_add_up_to_their_number_and_follow_leverage():
    program = random_program(n=500)
    program.X[7] *= 100
    sketch = Sketch(program, program.X.T @ program.X, ProximalSettings())
    sample = sketch.drawn(60)
    assert len(sample.index) == 60
    assert bool((sample.index == 7).any())
    assert float(sample.roots.square().sum()) == pytest.approx(500, rel=0.2)
    assert sketch.drawn(500).exact


def test_the_bfgs_correction_is_exact_along_the_step_and_positive():
    generator = torch.Generator().manual_seed(0)
    root, other = torch.randn(2, 6, 6, dtype=torch.float64, generator=generator)
    step = torch.randn(6, dtype=torch.float64, generator=generator)
    matrix = Metric(root @ root.T, False).corrected(step, other @ other.T @ step).matrix
    torch.testing.assert_close(matrix @ step, other @ other.T @ step)
    assert float(torch.linalg.eigvalsh(matrix).min()) > 0
    metric = Metric(root, False)
    assert torch.equal(metric.corrected(step, -step).matrix, root)
    assert torch.equal(metric.corrected(0 * step, 0 * step).matrix, root)
    exact = Metric(root, True)
    assert exact.corrected(step, step) is exact
