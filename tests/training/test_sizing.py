"""Sizes of given directions against a Lasso by CVXPY; networks of fewer neurons."""

from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.networks.architectures import Dense
from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.newton import move_neurons
from relu_forecast.training.settings import GroupLassoSettings, NewtonSettings
from relu_forecast.training.sizing import merge, resize, simplify
from tests.fakes import FAKE, faked, faked_features

NEWTON = NewtonSettings()
one_and_two_targets = pytest.mark.parametrize("n_targets", [1, 2])


@one_and_two_targets
def test_resized_neurons_are_the_non_negative_lasso_on_their_directions(
    kind, skip, n_targets, make_problem, draw_neurons
) -> None:
    problem = make_problem(kind, skip, n_targets=n_targets)
    neurons = draw_neurons(problem, 6, 2)
    resized = resize(problem, neurons)
    directions = problem.norm.normalised(neurons.blocks)
    outputs = problem.features.outputs(directions).numpy()
    sizes = cp.Variable(6, nonneg=True)
    error = problem.targets.numpy() - outputs @ cp.diag(sizes) @ neurons.heads.numpy()
    if problem.skip is not None:
        columns = np.c_[problem.skip.inputs.numpy(), np.ones(60)]
        error = error - columns @ cp.Variable((5, n_targets))
    program = cp.Problem(cp.Minimize(
        0.5 * cp.sum_squares(error) + problem.beta * cp.sum(sizes)))
    program.solve(cp.CLARABEL)
    assert problem.objective_of(resized) == pytest.approx(program.value, rel=1e-6)
    assert bool((problem.norm.norms(resized.blocks) > 0).all())


@one_and_two_targets
def test_the_length_of_a_direction_does_not_matter(n_targets, make_problem, draw_neurons) -> None:
    problem = make_problem("dense", n_targets=n_targets)
    neurons = draw_neurons(problem, 6, 2)
    lengths = torch.tensor([1e-3, 1.0, 7.0, 1e3, 1.0, 2.0]).double()
    longer = Neurons(neurons.blocks * lengths[:, None], neurons.heads)
    torch.testing.assert_close(resize(problem, longer).blocks, resize(problem, neurons).blocks)


def test_a_neuron_that_the_skip_explains_is_dropped(make_problem) -> None:
    problem = make_problem("dense", skip=True)
    rows = problem.features.rows.abs()
    positive = Problem(Features(rows, 60, problem.norm), problem.targets, problem.beta,
                       LinearSkip.of(rows))
    always_on = Neurons(torch.ones(1, 4).double(), torch.ones(1, 1).double())
    assert len(resize(positive, always_on)) == 0


def test_without_neurons_there_is_nothing_to_size_or_merge(kind, make_problem) -> None:
    problem = make_problem(kind)
    nothing = Neurons.none(problem.features, 1)
    assert len(resize(problem, nothing)) == 0
    assert len(merge(problem, nothing, 1.0)) == 0
    assert len(simplify(problem, nothing, 0.1, GroupLassoSettings())) == 0


@pytest.fixture(scope="module")
def moved(make_problem, draw_neurons):
    """Problems of each kind, and networks of 20 neurons that have moved, with and without skip."""
    found = {}
    for kind in ("dense", "convolution", "circular"):
        for skip in (False, True):
            problem = make_problem(kind, skip)
            drawn = draw_neurons(problem, 20, 1)
            found[kind, skip] = problem, move_neurons(problem, drawn, 0.3, 1e-3, 60, NEWTON)
    return found


def test_merging_joins_copies_at_no_cost(kind, skip, moved) -> None:
    problem, neurons = moved[kind, skip]
    one = merge(problem, neurons, 0.0)
    split = one.scaled(0.25).joined(one.scaled(0.75))
    assert problem.objective_of(split) == pytest.approx(problem.objective_of(one))
    merged = merge(problem, split, 1e-12)
    assert 0 < len(merged) <= len(one)
    assert problem.objective_of(merged) <= problem.objective_of(one) + 1e-9


def test_merging_stays_within_its_budget(kind, skip, moved) -> None:
    problem, neurons = moved[kind, skip]
    value, before = problem.objective_of(neurons), len(neurons)
    for share in (0.0, 1e-3, 1e-1):
        fewer = merge(problem, neurons, share * value)
        assert problem.objective_of(fewer) <= (1 + share) * value + 1e-12
        assert len(fewer) <= before
        before = len(fewer)
        simple = simplify(problem, neurons, share, GroupLassoSettings())
        torch.testing.assert_close(simple.blocks, fewer.blocks)


def test_merging_never_joins_opposite_signs(make_problem) -> None:
    problem = make_problem("dense")
    block = torch.ones(2, 4, dtype=torch.float64)
    neurons = Neurons(block, torch.tensor([[1.0], [-1.0]], dtype=torch.float64))
    kept = merge(problem, neurons, 0.0)
    assert set(kept.heads.flatten().tolist()) <= {1.0, -1.0}
    assert all(torch.equal(row, block[0]) for row in kept.blocks)
    assert problem.objective_of(kept) <= problem.objective_of(neurons)


def test_a_neuron_merges_with_its_copy_beside_a_parallel_one_of_the_other_sign() -> None:
    X = torch.as_tensor(np.random.default_rng(0).standard_normal((40, 3)))
    features = Dense().features(X)
    block = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    near = block + torch.tensor([[0.0, 0.0, 1e-3]], dtype=torch.float64)
    heads = torch.tensor([[-1.0], [1.0], [1.0]], dtype=torch.float64)
    neurons = Neurons(torch.cat([0.9 * block, 0.3 * block, near]), heads)
    problem = Problem(features, neurons.outputs(features), 0.1)
    budget = 1e-4 * problem.objective_of(neurons)
    merged = merge(problem, neurons, budget)
    assert merged.heads.tolist() == [[-1.0], [1.0]]
    torch.testing.assert_close(merged.blocks, torch.cat([0.9 * block, near + 0.3 * block]))
    assert problem.objective_of(merged) <= problem.objective_of(neurons) + budget


def test_a_neuron_and_its_mirror_image_are_one_beside_a_skip_and_two_without() -> None:
    X = torch.as_tensor(np.random.default_rng(0).standard_normal((40, 3)))
    features = Dense().features(X)
    block = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    pair = Neurons(torch.cat([block, -0.4 * block]), torch.ones(2, 1).double())
    targets = pair.outputs(features) + X @ torch.tensor([[1.0], [0.0], [3.0]]).double()
    beside = Problem(features, targets, 0.1, LinearSkip.of(X))
    merged = merge(beside, pair, 1e-9)
    torch.testing.assert_close(merged.blocks.abs(), 1.4 * block.abs())
    assert beside.objective_of(merged) == pytest.approx(beside.objective_of(pair))
    assert len(merge(Problem(features, targets, 0.1), pair, 1e-9)) == 2


def test_fake_cuda_neurons_are_judged_on_the_device(make_problem, draw_neurons) -> None:
    """Sizes are found on the CPU; what is on the device before and after is tested where one is."""
    problem = make_problem("convolution")
    neurons = draw_neurons(problem, 4, 0)
    with FakeTensorMode():
        features = faked_features(problem.features)
        own = Problem(features, faked(problem.targets), 0.5)
        blocks, heads = faked(neurons.blocks), faked(neurons.heads)
        left = own.leave(features.outputs(features.norm.normalised(blocks)))
        gram = (left.T @ left) * (heads @ heads.T)
        after = own.value(own.error_of(Neurons(blocks, heads)), blocks)
    assert {part.device.type for part in (left, gram, after)} == {FAKE}


@pytest.mark.cuda
def test_sizes_on_the_device_are_those_on_the_cpu(make_problem, draw_neurons) -> None:
    problem = make_problem("dense")
    neurons = draw_neurons(problem, 6, 2)
    features = Features(problem.features.rows.cuda(), 60, GroupNorm(problem.norm.weights.cuda()))
    moved = Problem(features, problem.targets.cuda(), 0.5)
    sized = resize(moved, neurons.to(moved.targets))
    assert sized.blocks.is_cuda
    torch.testing.assert_close(sized.blocks.cpu(), resize(problem, neurons).blocks)
