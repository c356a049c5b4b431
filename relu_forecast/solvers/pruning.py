"""Exact zeros: an interior or approximate point becomes the sparse point next to it."""

from __future__ import annotations

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor

from relu_forecast.program import Certificate, ConvexProgram


def prune(
    program: ConvexProgram,
    blocks: Float[Tensor, "K d"],
    multipliers: Float[Tensor, "K n"] | None,
    tol: float,
) -> tuple[Float[Tensor, "K d"], Certificate]:
    """Zero the blocks that complementarity says the optimum does not use.

    All of them, where the network without neurons is good enough. Else: at an optimum either
    ``z_k = 0`` or the dual norm of block k equals beta, so a block goes where its share of the
    largest norm is below its relative dual slack. The dual bound stays that of the point
    before, and a pruned point is kept only if its gap to it is within ``tol`` or no worse.

    Returns
    -------
    blocks : Tensor, shape (K, d)
        Pruned, or as they came.
    certificate : Certificate
        Of the returned blocks.
    """
    before = program.certificate(blocks, multipliers)
    norms = blocks.norm(dim=1)
    share = norms / norms.amax().clamp_min(1e-300)
    residual = program.annihilate(program.error(blocks))
    correlations = program.correlations(residual, multipliers)
    slack = 1 - correlations.norm(dim=1) / program.beta
    for used in (norms < 0, share > slack):
        pruned = blocks.where(used[:, None], 0.0)
        after = replace(before, objective=float(program.objective(pruned)))
        if after.gap <= max(tol, before.gap):
            return pruned, after
    return blocks, before
