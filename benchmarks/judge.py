"""The grades of an answer, computed alike for everybody, by NumPy, from the blocks alone.

Nothing of the package is used: an objective, a violation or a gap in the tables is not what a
solver says of itself, but for the gap of a program with cones, which needs multipliers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.instances import Floats, Instance, block_norms, dual_norm

_CHUNK = 64
_SEARCH_STARTS = 200
_SEARCH_STEPS = 60


@dataclass(frozen=True)
class Grades:
    """How good an answer is.

    Attributes
    ----------
    objective : float or None
        Objective (2) of a program's blocks, objective (1) of a network.
    violation : float or None
        Of a program with cones, how far a margin ``(2 D_k - I) X z_k`` is below zero; of a
        network, the largest ``|v'(Xu)_+| / beta`` that a search over unit u found.
    gap : float or None
        Relative duality gap; None where blocks alone do not tell.
    """

    objective: float | None
    violation: float | None
    gap: float | None


def grade_blocks(instance: Instance, blocks: Floats) -> Grades:
    """Return the grades of blocks (K, d): signals, also for a circular program."""
    outputs, violation = _outputs(instance, blocks)
    residual = instance.y - outputs
    penalty = instance.beta * block_norms(blocks, instance.circular).sum()
    objective = float(0.5 * residual @ residual + penalty)
    gap = None if instance.has_cones else _relative_gap(instance, residual, objective)
    return Grades(objective, violation, gap)


def _outputs(instance: Instance, blocks: Floats) -> tuple[Floats, float]:
    """Return ``sum_k s_k D_k X z_k`` and the worst margin with its sign changed, 0 inside."""
    outputs, worst = np.zeros(len(instance.X)), 0.0
    used = np.flatnonzero((blocks != 0).any(axis=1))
    for k in used:
        mask = instance.masks[k % len(instance.masks)]
        linear = instance.X @ blocks[k]
        outputs += (1.0 if k < len(instance.masks) else -1.0) * np.where(mask, linear, 0.0)
        worst = max(worst, float(-np.where(mask, linear, -linear).min()))
    return outputs, worst if instance.has_cones else 0.0


def _relative_gap(instance: Instance, residual: Floats, objective: float) -> float:
    """Return the gap of a program without cones: the best multiple of the residual bounds it."""
    violation = max(
        dual_norm(row, instance.circular)
        for begin in range(0, len(instance.masks), _CHUNK)
        for row in (instance.masks[begin : begin + _CHUNK] * residual) @ instance.X
    ) / instance.beta
    linear, quadratic = float(instance.y @ residual), float(residual @ residual)
    scale = min(max(linear / quadratic, 0.0), 1.0 / violation)
    bound = scale * linear - 0.5 * scale**2 * quadratic
    return float(max(0.0, objective - bound) / objective)


def grade_network(instance: Instance, hidden: Floats, output: Floats) -> Grades:
    """Return the grades of the network ``(X hidden')_+ output``, hidden (m, d) and output (m,)."""
    residual = instance.y - np.maximum(instance.X @ hidden.T, 0.0) @ output
    weights = np.square(hidden).sum() + np.square(output).sum()
    objective = float(0.5 * residual @ residual + instance.beta / 2 * weights)
    return Grades(objective, worst_neuron(instance.X, residual, hidden) / instance.beta, None)


def worst_neuron(X: Floats, residual: Floats, hidden: Floats) -> float:
    """Return the largest ``|v'(Xu)_+|`` over unit u that a search with many starts finds.

    Ascent by ``u <- X'(v * 1[Xu > 0])``, normalised, for v and -v, from the network's own neurons,
    as they are and perturbed, and from random directions.
    """
    generator = np.random.default_rng(0)
    drawn = generator.standard_normal((_SEARCH_STARTS, X.shape[1]))
    moved = np.repeat(hidden, 3, axis=0)
    size = np.linalg.norm(moved, axis=1, keepdims=True) / X.shape[1] ** 0.5
    moved = moved + 0.2 * size * generator.standard_normal(moved.shape)
    starts = np.concatenate([hidden, moved, drawn])
    starts = starts[np.linalg.norm(starts, axis=1) > 0]
    return max(_ascend(X, sign * residual, starts[begin : begin + _CHUNK])
               for sign in (1.0, -1.0) for begin in range(0, len(starts), _CHUNK))


def _ascend(X: Floats, values: Floats, directions: Floats) -> float:
    """Return the largest ``v'(Xu)_+`` that the ascents from some directions (S, d) meet."""
    best = 0.0
    for _ in range(_SEARCH_STEPS):
        directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        outputs = X @ directions.T
        best = max(best, float((values @ np.maximum(outputs, 0.0)).max()))
        directions = ((outputs > 0) * values[:, None]).T @ X
        directions = directions[np.linalg.norm(directions, axis=1) > 0]
        if len(directions) == 0:
            break
    return best
