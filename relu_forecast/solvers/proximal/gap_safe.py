"""Gap-safe screening: blocks that the duality gap proves to be zero at the optimum.

Ndiaye, Fercoq, Gramfort & Salmon, J. Mach. Learn. Res. 18 (2017) 1-33.
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.problems.program import ConvexProgram


def proved_zero(
    program: ConvexProgram,
    row_gram: Float[Tensor, "d d"],
    error: Float[Tensor, "n C"],
    values: Float[Tensor, " B"],
    objective: float,
) -> Bool[Tensor, " B"]:
    """Tell which priced blocks are zero at the optimum, by the sphere around a dual point.

    With v feasible for the dual and within ``gap`` of its optimum, those with
    ``N*(A_k'v + C_k'alpha) + sqrt(2 gap) max_{N(u) <= 1} ||A_k u|| < beta``.

    Parameters
    ----------
    program : ConvexProgram
        The program.
    row_gram : Tensor, shape (d, d)
        ``R'R``.
    error : Tensor, shape (n, C)
        What the network leaves of the targets.
    values : Tensor, shape (B,)
        Values of all blocks that may be used, from pricing at this error.
    objective : float
        Of the whole program.
    """
    left, target = program.leave(error), program.left_targets
    scale = (program.beta / values.amax()).clamp_max(1.0)
    dual = scale * target.flatten().dot(left.flatten()) - 0.5 * scale**2 * left.square().sum()
    radius = (2 * (objective - dual).clamp_min(0.0)).sqrt()
    return scale * values + radius * largest_output(program.features, row_gram) < program.beta


def largest_output(features: Features, row_gram: Float[Tensor, "d d"]) -> Float[Tensor, ""]:
    """Return a bound on ``||P D R u||`` over ``N(u) <= 1`` and all patterns D."""
    norm = features.norm
    groups, size = norm.n_groups, len(row_gram) // norm.n_groups
    tiles = row_gram.view(groups, size, groups, size).diagonal(dim1=0, dim2=2)
    eigenvalues = torch.linalg.eigvalsh(tiles.permute(2, 0, 1))[:, -1].clamp_min(0.0)
    longest: Tensor = (eigenvalues.sqrt() / norm.weights).amax() * features.n_patches**0.5
    return longest
