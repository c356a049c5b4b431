"""Exact zeros: blocks that complementarity or the duality gap says the optimum does not use."""

from __future__ import annotations

from dataclasses import replace

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram


def prune(
    program: ConvexProgram, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K N"] | None,
    before: Certificate, tol: float
) -> tuple[Float[Tensor, "K d"], Certificate]:
    """Zero the blocks that complementarity says the optimum does not use.

    These are all blocks, where the network without neurons is good enough. Otherwise, as at an
    optimum either ``z_k = 0`` or the dual norm of its correlations equals beta, a block is zeroed
    where its share of the largest norm is below its relative dual slack; then the same for the
    groups of the blocks that are left, unless a block would leave its cone. The dual bound stays
    that of the certificate before. A pruned point is kept only if its gap is within ``tol`` or no
    worse; else the blocks come back as they were.
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


def hardly_used(
    norms: Float[Tensor, "*m"], values: Float[Tensor, "*m"], beta: float,
    longest: Float[Tensor, ""]
) -> Bool[Tensor, "*m"]:
    """Tell which blocks, or groups, the optimum will hardly use, by norms and dual norms.

    Those whose share of the largest norm is below their relative dual slack: at the optimum one of
    the two is zero.
    """
    return norms < (1 - values / beta) * longest


def _prune_groups(
    program: ConvexProgram, blocks: Float[Tensor, "K d"], correlations: Float[Tensor, "K d"],
    before: Certificate, tol: float
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


def proved_zero(
    program: ConvexProgram, row_gram: Float[Tensor, "d d"], error: Float[Tensor, "n C"],
    values: Float[Tensor, " B"], objective: float
) -> Bool[Tensor, " B"]:
    """Tell which priced blocks are zero at the optimum, by the gap-safe sphere around a dual point.

    With v feasible for the dual and within ``gap`` of its optimum, those with ``N*(A_k'v +
    C_k'alpha) + sqrt(2 gap) max_{N(u) <= 1} ||A_k u|| < beta``. Values come from pricing all blocks
    that may be used, at the error that a network of this objective leaves of the targets;
    ``row_gram`` is ``R'R``. Ndiaye, Fercoq, Gramfort & Salmon, J. Mach. Learn. Res. 18 (2017) 1-33.
    """
    left, target = program.leave(error), program.left_targets
    scale = (program.beta / values.amax()).clamp_max(1.0)
    dual = scale * target.flatten().dot(left.flatten()) - 0.5 * scale**2 * left.square().sum()
    radius = (2 * (objective - dual).clamp_min(0.0)).sqrt()
    return scale * values + radius * largest_output(program.features, row_gram) < program.beta


def largest_output(features: Features, row_gram: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Return a bound on what a block u adds, ``N(u) <= 1``, over all patterns D and heads.

    That is ``||P D R u||`` where heads have length one; the p rows of a sample are summed with
    weights, of which those of one site have at most the length that is the factor here.
    """
    norm = features.norm
    groups, size = norm.n_groups, len(row_gram) // norm.n_groups
    tiles = row_gram.view(groups, size, groups, size).diagonal(dim1=0, dim2=2)
    eigenvalues = torch.linalg.eigvalsh(tiles.permute(2, 0, 1))[:, -1].clamp_min(0.0)
    longest: Tensor = (eigenvalues.sqrt() / norm.weights).amax()
    pooling = features.pooling
    if pooling is None:
        pooling = longest.new_ones(1, features.n_patches)
    widest: Tensor = longest * torch.linalg.vector_norm(pooling, dim=1).amax()
    return widest
