"""Candidates for a working set: the blocks of a program that are screened, priced and chosen.

Screening is one product: what directions already known in the cones of the blocks, their gates
above all, have in common with the residual. It proves violations, and cannot exclude any. Pricing
decides each block, at the cost of some five such products.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.pricing.blocks import ConePricing, price_blocks
from relu_forecast.solvers.settings import BlockPricingSettings


def screened_values(
    program: ConvexProgram, targets: Float[Tensor, "m d"], before: ConePricing | None,
    index: Int[Tensor, " m"] | None = None
) -> Float[Tensor, " m"]:
    """Return lower bounds on the values that pricing would give some blocks.

    They are what the gates of the blocks, and the directions of an earlier pricing, have in common
    with the targets, the correlations of the blocks with the residual. Cells of many samples are
    thin, and their gates reach most of what any direction in them does. Without cones the bounds
    are the values.
    """
    if not program.has_cones:
        return program.norm.dual_norms(targets)
    gates = program.gates if index is None else program.gates[index]
    values = (targets * program.norm.normalised(gates)).sum(1)
    if before is not None:
        values = torch.maximum(values, (targets * before.directions).sum(1))
    return values


def priced(
    program: ConvexProgram, index: Int[Tensor, " m"], targets: Float[Tensor, "m d"],
    warm: ConePricing | None, settings: BlockPricingSettings, tile_entries: int | None = None,
) -> ConePricing:
    """Return the pricing of some blocks, whose correlations with the residual are ``targets``."""
    if not program.has_cones:
        return ConePricing.without_cones(targets, program.norm, program.beta, settings)
    return price_blocks(
        program.features.rows, program.design.masks, program.gates[index], targets, program.norm,
        program.beta, cells=index, warm=warm, tile_entries=tile_entries, settings=settings)


def outside(held: Int[Tensor, " m"], n_blocks: int) -> Bool[Tensor, " K"]:
    """Tell which of all blocks are not held."""
    return torch.ones(n_blocks, dtype=torch.bool, device=held.device).index_fill_(0, held, False)


def largest(
    values: Float[Tensor, " K"], wanted: Bool[Tensor, " K"], most: int
) -> Int[Tensor, " k"]:
    """Return the wanted blocks in decreasing order of their values, at most so many."""
    count = min(int(wanted.sum()), most)
    return values.where(wanted, -1.0).argsort(descending=True, stable=True)[:count]
