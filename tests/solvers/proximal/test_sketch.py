from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers.proximal.products import BlockProducts
from relu_forecast.solvers.proximal.sketch import Sketch, Subsample, corrected
from relu_forecast.solvers.settings import ProximalSettings

SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
ARCHITECTURES = {
    "dense": (Dense(), 3), "constant": (Dense(True), 3), "patches": (Convolution(2), 4),
    "stride, constant": (Convolution(2, 2, True), 4), "circular, odd": (Circular(), 3),
    "circular, even": (Circular(), 4)}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))


def build(*, name="dense", n=14, n_patterns=5, **options):
    architecture, d = ARCHITECTURES[name]
    generator = np.random.default_rng(0)
    X, y = (torch.tensor(generator.standard_normal(shape)) for shape in ((n, d), n))
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, 0)
    return ConvexProgram(X, y, patterns, 0.3, architecture=architecture, **options)


@pytest.mark.parametrize("skip", SKIPS[:2])
@every_architecture
def test_products_in_chunks_are_those_of_the_design(name, skip):
    program = build(name=name, **skip)
    design, index = program.design, torch.tensor([4, 0, 7])
    generator = torch.Generator().manual_seed(1)
    blocks = torch.randn(3, program.features.width, dtype=torch.float64, generator=generator)
    values = torch.randn(len(program.y), 1, dtype=torch.float64, generator=generator)
    part = Design(program.features, design.masks[index], design.heads[index])
    for entries in (1, 17, 2**18):
        own = BlockProducts(program, index, entries)
        torch.testing.assert_close(own.forward(blocks), part.forward(blocks))
        torch.testing.assert_close(own.adjoint(values), part.adjoint(values))
        torch.testing.assert_close(own.row_gram(), program.features.rows.T @ program.features.rows)


@pytest.mark.parametrize("skip", SKIPS)
@every_architecture
def test_a_sketch_of_all_samples_is_the_gram_matrix(name, skip):
    program = build(name=name, **skip)
    index = torch.tensor([1, 6, 2])
    row_gram = program.features.rows.T @ program.features.rows
    matrix, exact = Sketch(program, row_gram, ProximalSettings()).metric(index)
    assert exact
    torch.testing.assert_close(matrix, program.restricted(index).gram())


@pytest.mark.parametrize("skip", SKIPS)
def test_a_sketch_of_some_samples_is_near_the_gram_matrix(skip):
    program = build(name="constant", n=4000, n_patterns=3, **skip)
    index = torch.tensor([0, 2])
    row_gram = program.features.rows.T @ program.features.rows
    sketch = Sketch(program, row_gram, ProximalSettings())
    matrix, exact = sketch.metric(index)
    assert not exact
    gram = program.restricted(index).gram()
    factor = torch.linalg.cholesky(gram)
    whitened = torch.linalg.solve_triangular(factor, matrix, upper=False)
    whitened = torch.linalg.solve_triangular(factor, whitened.T, upper=False)
    ratios = torch.linalg.eigvalsh(whitened)
    assert 0.1 < float(ratios.min()) < float(ratios.max()) < 3


def test_weights_of_samples_add_up_to_their_number_and_follow_leverage():
    program = build(n=500)
    program.X[7] *= 100
    sample = Subsample.drawn(program, program.X.T @ program.X, 60)
    assert len(sample.index) == 60
    assert bool((sample.index == 7).any())
    assert float(sample.roots.square().sum()) == pytest.approx(500, rel=0.2)
    assert Subsample.drawn(program, program.X.T @ program.X, 500).exact


def test_the_bfgs_correction_is_exact_along_the_step_and_positive():
    generator = torch.Generator().manual_seed(0)
    root, other = torch.randn(2, 6, 6, dtype=torch.float64, generator=generator)
    step = torch.randn(6, dtype=torch.float64, generator=generator)
    matrix = corrected(root @ root.T, step, other @ other.T @ step)
    torch.testing.assert_close(matrix @ step, other @ other.T @ step)
    assert float(torch.linalg.eigvalsh(matrix).min()) > 0
    assert torch.equal(corrected(root, step, -step), root)
    assert torch.equal(corrected(root, 0 * step, 0 * step), root)


def test_products_of_two_targets_are_those_of_the_design():
    base, generator = build(name="patches"), torch.Generator().manual_seed(2)
    heads = torch.randn(base.n_blocks, 2, dtype=torch.float64, generator=generator)
    design = Design(base.features, base.design.masks, heads / heads.norm(dim=1, keepdim=True))
    task = TrainingTask(base.X, base.targets.repeat(1, 2), base.task.architecture)
    program = ConvexProgram.__new__(ConvexProgram)
    program._assemble(task, base.patterns, design, 0.3, has_all_signs=False)
    index = torch.tensor([4, 0, 7])
    blocks = torch.randn(3, base.features.width, dtype=torch.float64, generator=generator)
    part = Design(base.features, design.masks[index], design.heads[index])
    own = BlockProducts(program, index, 17)
    torch.testing.assert_close(own.forward(blocks), part.forward(blocks))
    torch.testing.assert_close(own.adjoint(task.targets), part.adjoint(task.targets))
