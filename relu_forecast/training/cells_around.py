"""The cells of activation patterns that neurons are in or touch."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    first_occurrences,
    sample_patterns,
)
from relu_forecast.patterns.cells import adjacent_gates
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.task import TrainingTask

_AROUND_EVERY, _AROUND = (1e-8, 64), (1e-12, 8)
"""Distance below which a gate of unit length is on a boundary; most cells to take around it."""
_DRAWN = 30
"""Patterns that stand in where all neurons are on boundaries."""


def patterns_around(
    task: TrainingTask, neurons: Neurons, *, every: bool
) -> tuple[ActivationPatterns, Float[Tensor, " k"]]:
    """Return the patterns that neurons are in or touch, and the signs of the neurons.

    Optima often lie on boundaries of cells. A solver that needs room cannot start from a gate
    there, so gates inside the cells around take its place. With ``every``, for few dimensions, all
    cells around are taken, so that blocks can move; in many dimensions these would be too many, and
    only gates on boundaries are replaced.
    """
    boundary, most = _AROUND_EVERY if every else _AROUND
    gates, owners = adjacent_gates(
        task.gate_inputs, task.architecture.gates(task.X, neurons.blocks), boundary, most)
    if len(gates) > 0:
        return _distinct(task, gates, neurons.heads[owners, 0])
    drawn = sample_patterns(task.gate_inputs, _DRAWN, 0).gates  # samples far from the origin
    signs = drawn.new_ones(len(drawn))
    return _distinct(task, drawn.repeat(2, 1), torch.cat([signs, -signs]))


def _distinct(
    task: TrainingTask, gates: Float[Tensor, "m h"], signs: Float[Tensor, " m"]
) -> tuple[ActivationPatterns, Float[Tensor, " k"]]:
    """Return one block per distinct pattern and sign, gates on a boundary left out."""
    rows = task.gate_inputs
    outputs = gates @ rows.T
    masks = outputs >= 0
    sizes = gates.norm(dim=1)[:, None] * rows.norm(dim=1)
    clear = outputs.abs() > 2 * torch.finfo(rows.dtype).eps * sizes
    inside = clear[:, task.features.cutting].all(dim=1)
    signed = torch.cat([masks, (signs > 0)[:, None]], dim=1)
    kept = first_occurrences(signed)
    kept = kept[inside[kept]]
    return ActivationPatterns(masks[kept], gates[kept]), signs[kept]
