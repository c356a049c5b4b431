"""Exact zeros: an interior or approximate point becomes the sparse point next to it."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram


def prune(
    program: ConvexProgram,
    blocks: Float[Tensor, "K d"],
    multipliers: Float[Tensor, "K N"] | None,
    before: Certificate,
    tol: float,
) -> tuple[Float[Tensor, "K d"], Certificate]:
    """Zero the blocks that complementarity says the optimum does not use.

    All of them, where the network without neurons is good enough. Else: at an optimum either
    ``z_k = 0`` or the dual norm of its correlations equals beta, so a block goes where its
    share of the largest norm is below its relative dual slack. Then the same for the groups of
    the blocks that are left, unless a block would leave its cone. The dual bound stays that of
    the certificate before; a pruned point is kept only if its gap is within ``tol`` or no worse.

    Returns
    -------
    blocks : Tensor, shape (K, d)
        Pruned, or as they came.
    certificate : Certificate
        Of the returned blocks.
    """
    residual = program.annihilate(program.error(blocks))
    correlations = program.correlations(residual, multipliers)
    slack = 1 - program.norm.dual_norms(correlations) / program.beta
    norms = program.norm.norms(blocks)
    for used in (norms < 0, _share(norms) > slack):
        pruned = blocks.where(used[:, None], 0.0)
        after = replace(before, objective=float(program.objective(pruned)))
        if after.gap <= max(tol, before.gap):
            return _prune_groups(program, pruned, correlations, after, tol)
    return blocks, before


def _prune_groups(
    program: ConvexProgram,
    blocks: Float[Tensor, "K d"],
    correlations: Float[Tensor, "K d"],
    before: Certificate,
    tol: float,
) -> tuple[Float[Tensor, "K d"], Certificate]:
    """Zero the groups that the optimum does not use, where blocks stay in their cones."""
    norm = program.norm
    slack = 1 - norm.group_norms(correlations) / (program.beta * norm.weights)
    used = _share(norm.group_norms(blocks)) > slack
    pruned = (norm.grouped(blocks) * used[:, :, None]).flatten(1)
    after = replace(before, objective=float(program.objective(pruned)))
    worse = after.gap > max(tol, before.gap)
    if worse or program.cone_violation(pruned) > program.cone_violation(blocks):
        return blocks, before
    return pruned, after


def _share(norms: Float[Tensor, "*K"]) -> Float[Tensor, "*K"]:
    """Return norms as shares of the largest."""
    return norms / norms.amax().clamp_min(1e-300)
