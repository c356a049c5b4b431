"""Convex programs of two targets and given heads, against what is written out in NumPy."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Dense
from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from tests.problems.programs import ACTIVATIONS, SKIPS, build, data, every_architecture, in_cones


class TwoTargets:
    """A program of two targets and given heads, and what it is, written out in NumPy."""

    def __init__(self, name, activation="relu", **options):
        base = build(name=name, activation=activation, n_patterns=4, **options)
        generator = np.random.default_rng(5)
        targets = torch.tensor(generator.standard_normal((14, 2)))
        heads = torch.tensor(generator.standard_normal((base.n_blocks, 2)))
        task = TrainingTask(base.X, targets, base.task.architecture, activation,
                            base.task.linear_skip, base.task.skip_penalty)
        design = Design(task.features, base.design.masks, heads / heads.norm(dim=1, keepdim=True))
        self.program = ConvexProgram.__new__(ConvexProgram)
        self.program._assemble(task, base.patterns, design, 0.5, has_all_signs=False)
        X = np.c_[base.X.numpy(), np.ones(14)]
        ridge = base.task.skip_penalty * np.diag([1.0] * (X.shape[1] - 1) + [0.0])
        self.M = np.eye(14)
        if base.task.linear_skip:
            self.M -= X @ np.linalg.solve(X.T @ X + ridge, X.T)
        rows, masks = task.features.rows.numpy(), base.design.masks.numpy()
        self.columns = np.stack([  # (K, n, d), one matrix per block
            (mask[:, None] * rows).reshape(14, -1, rows.shape[1]).sum(1) for mask in masks])
        self.heads, self.targets = design.heads.numpy(), targets.numpy()

    def error(self, blocks):
        outputs = np.einsum("kni,ki,kc->nc", self.columns, blocks.numpy(), self.heads)
        return self.targets - outputs

    def optimum(self):
        """Return the least objective over blocks in their cones, by CVXPY."""
        program = self.program
        blocks = cp.Variable(program.gates.shape)
        fitted = sum((self.columns[k] @ blocks[k])[:, None] @ self.heads[k][None]
                     for k in range(program.n_blocks))
        root = np.linalg.cholesky(self.M + 1e-13 * np.eye(14)).T
        norm, size = program.norm, blocks.shape[1] // program.norm.n_groups
        weights = norm.weights.numpy()
        penalty = sum(weights[g] * cp.sum(cp.norm(blocks[:, g * size:(g + 1) * size], 2, axis=1))
                      for g in range(norm.n_groups))
        sides = 2.0 * program.design.masks.numpy() - 1
        cones = [cp.multiply(sides, blocks @ program.features.rows.numpy().T) >= 0]
        problem = cp.Problem(
            cp.Minimize(cp.sum_squares(root @ (self.targets - fitted)) / 2 + 0.5 * penalty),
            cones if program.has_cones else [])
        return problem.solve(solver=cp.CLARABEL), torch.tensor(blocks.value)


@pytest.mark.parametrize("skip", SKIPS)
@every_architecture
def test_two_targets_have_the_algebra_of_the_equation(name, skip):
    own = TwoTargets(name, **skip)
    program, blocks = own.program, in_cones(own.program, 3)
    error = own.error(blocks)
    np.testing.assert_allclose(program.error(blocks), error, atol=1e-12)
    sizes = float(program.norm.norms(blocks).sum())
    value = 0.5 * np.trace(error.T @ own.M @ error) + 0.5 * sizes
    assert float(program.objective(blocks)) == pytest.approx(value, rel=1e-10)
    residual = own.M @ error
    pulls = np.einsum("kni,nc,kc->ki", own.columns, residual, own.heads)
    found = program.correlations(torch.tensor(residual), None)
    np.testing.assert_allclose(found, pulls, atol=1e-10)
    violation = float(program.norm.dual_norms(torch.tensor(pulls)).amax()) / 0.5
    assert float(program.violation(torch.tensor(residual), None)) == pytest.approx(violation)
    stacked = np.einsum("kni,kc->ncki", own.columns, own.heads).reshape(28, -1)
    gram = stacked.T @ np.kron(own.M, np.eye(2)) @ stacked
    np.testing.assert_allclose(program.gram(), gram, atol=1e-9)
    certificate = program.certificate(blocks, None)
    linear, quadratic = (own.targets * residual).sum(), np.trace(error.T @ own.M @ error)
    scale = min(max(linear / quadratic, 0.0), 1 / violation)
    assert certificate.dual_objective == pytest.approx(
        scale * linear - scale**2 / 2 * quadratic, rel=1e-9)
    assert certificate.objective == pytest.approx(value, rel=1e-10)
    assert certificate.scope == "program"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("name", ["dense", "stride", "circular, even"])
def test_bounds_of_two_targets_enclose_their_optimum(name, skip, activation):
    own = TwoTargets(name, activation, **skip)
    program = own.program
    best, blocks = own.optimum()
    generator = np.random.default_rng(0)
    for point in (in_cones(program, 1), 0 * blocks, blocks):
        for size in (0.0, 0.3):
            multipliers = None if not program.has_cones else torch.tensor(
                size * generator.random(program.design.masks.shape))
            objective, bound, violation = program.bounds(point, multipliers)
            assert float(bound) <= best * (1 + 1e-6)
            assert float(objective) >= best * (1 - 1e-6)
            assert float(violation) >= 0.0
    if not program.has_cones:  # without multipliers the bound is tight at the optimum
        assert program.certificate(blocks, None).gap <= 1e-4


def test_two_targets_of_blocks_with_one_each_are_two_programs():
    X, y = data()
    patterns, second = sample_patterns(X, 4, 0), data(seed=3)[1]
    one, other = (ConvexProgram(X, target, patterns, 0.4, signs=[1, -1, 1, -1], linear_skip=True)
                  for target in (y, second))
    task = TrainingTask(X, torch.stack([y, second], 1), Dense(), "relu", True)
    none = torch.zeros(4, 1).double()
    heads = torch.cat([torch.cat([one.design.heads, none], 1),
                       torch.cat([none, one.design.heads], 1)])
    design = Design(task.features, patterns.masks.repeat(2, 1), heads)
    both = ConvexProgram.__new__(ConvexProgram)
    both._assemble(task, patterns, design, 0.4, has_all_signs=False)
    first, last = in_cones(one, 1), in_cones(other, 2)
    together = both.objective(torch.cat([first, last]))
    torch.testing.assert_close(together, one.objective(first) + other.objective(last))
    largest = torch.stack([one.violation(one.annihilate(one.error(first)), None),
                           other.violation(other.annihilate(other.error(last)), None)]).amax()
    found = both.violation(both.annihilate(both.error(torch.cat([first, last]))), None)
    torch.testing.assert_close(found, largest)
