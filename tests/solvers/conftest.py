"""What the tests of several solvers share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.design import Design
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask

Move = Callable[[Tensor], Tensor]


@pytest.fixture
def moved() -> Callable[[ConvexProgram, Move], ConvexProgram]:
    """Return a function that sends all tensors of a program through another function."""
    return moved_program


def moved_program(program: ConvexProgram, move: Move) -> ConvexProgram:
    """Return the program of moved tensors, without the checks, which ask the host."""
    task, skip, norm = program.task, program.skip, GroupNorm(move(program.norm.weights))
    features = Features(move(program.features.rows), program.features.n_samples, norm)
    own = TrainingTask(move(task.X), move(task.targets), task.architecture, task.activation,
                       task.linear_skip, task.skip_penalty)
    vars(own).update(features=features, skip=None if skip is None else LinearSkip(
        move(skip.inputs), skip.penalty, move(skip.basis), move(skip.coefficients),
        move(skip.shrinkage)))
    patterns = ActivationPatterns(move(program.patterns.masks), move(program.patterns.gates))
    design = Design(features, move(program.design.masks), move(program.design.heads))
    copy = ConvexProgram.__new__(ConvexProgram)
    copy._assemble(own, patterns, design, program.beta, has_all_signs=program._has_all_signs)
    vars(copy).update(gates=move(program.gates), cone_rows=move(program.cone_rows))
    return copy
