"""Patterns around neurons: those they are in, those they touch, and a program that takes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.cells_around import patterns_around

ARCHITECTURES = {"dense": Dense(), "constant": Dense(True), "convolution": Convolution(2),
                 "circular": Circular()}


def make_task(architecture=Dense(), n=12, d=3):  # noqa: B008 (frozen)
    generator = np.random.default_rng(0)
    X, Y = (torch.tensor(generator.standard_normal(shape)) for shape in ((n, d), (n, 1)))
    return TrainingTask(X, Y, architecture)


@pytest.mark.parametrize("every", [False, True])
@pytest.mark.parametrize("architecture", ARCHITECTURES.values(), ids=list(ARCHITECTURES))
def test_neurons_inside_cells_have_their_own_patterns_and_signs(architecture, every):
    task = make_task(architecture)
    gates = torch.tensor(np.random.default_rng(1).standard_normal(
        (4, task.gate_inputs.shape[1])))
    signs = torch.tensor([[1.0], [-1.0], [1.0], [1.0]]).double()
    neurons = Neurons(architecture.coordinates(gates), signs)
    patterns, found = patterns_around(task, neurons, every=every)
    expected = {(*mask, sign > 0) for mask, sign in zip(
        (gates @ task.gate_inputs.T >= 0).tolist(), signs[:, 0].tolist(), strict=True)}
    kept = {(*mask, sign > 0) for mask, sign in zip(
        patterns.masks.flatten(1).tolist(), found.tolist(), strict=True)}
    assert kept == expected
    program = ConvexProgram.of(task, patterns, 0.3, found)  # gates that a solver can start from
    assert torch.equal(program.design.heads[:, 0], found)


@pytest.mark.parametrize("every", [False, True])
def test_a_neuron_on_a_boundary_has_the_cells_on_both_sides(every):
    task = make_task()
    on = torch.linalg.cross(task.X[0], task.X[5])[None]  # the edge of four cells
    patterns, signs = patterns_around(
        task, Neurons(on, -torch.ones(1, 1).double()), every=every)
    sides = {(bool(mask[0]), bool(mask[5])) for mask in patterns.masks}
    assert sides == {(False, False), (False, True), (True, False), (True, True)}
    assert len(patterns) == 4
    assert set(signs.tolist()) == {-1.0}
    others = [t for t in range(12) if t not in (0, 5)]
    expected = (on @ task.X[others].T >= 0).expand(4, -1)
    assert torch.equal(patterns.masks[:, others], expected)


def test_the_same_cell_is_taken_once_for_each_sign():
    task = make_task()
    gate = torch.tensor([[0.3, -1.0, 0.7]]).double()
    neurons = Neurons(gate * torch.tensor([[1.0], [2.0], [3.0]]).double(),
                      torch.tensor([[1.0], [-1.0], [1.0]]).double())
    patterns, signs = patterns_around(task, neurons, every=True)
    assert len(patterns) == 2
    assert sorted(signs.tolist()) == [-1.0, 1.0]


def test_where_all_neurons_are_on_boundaries_drawn_patterns_stand_in():
    task = make_task()
    flat = TrainingTask(task.X.float(), task.targets.float(), Dense())
    nothing = Neurons.none(flat.features, 1)
    patterns, signs = patterns_around(flat, nothing, every=False)
    assert len(patterns) >= 2
    assert set(signs.tolist()) == {-1.0, 1.0}
    ConvexProgram.of(flat, patterns, 0.3, signs)
