"""A first guess: the program on one ray per cone, that through its gate.

Cells of many samples are thin, and whatever a block can do its gate nearly does. On the rays
``z_k = c_k g_k``, ``N(g_k) = 1``, the program is a non-negative Lasso of one column per block,

    min_{c >= 0} 1/2 ||sum_k c_k a_k - y||^2 + beta sum_k c_k,      a_k = s_k P D_k R g_k.

Its support are most of the blocks that the optimum uses.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.problems.program import ConvexProgram


def solve_on_rays(
    program: ConvexProgram, chosen: Int[Tensor, " m"], n_steps: int
) -> Float[Tensor, "m d"]:
    """Return nearly optimal blocks along the gates of chosen blocks, strictly inside their cones.

    Accelerated projected gradient on the m x m Gram matrix, a fixed number of steps without waiting
    for the device. Cost O(n m^2).
    """
    part = program.restricted(chosen)
    rays = program.norm.normalised(part.gates)
    columns = program.features.outputs(rays) * part.design.heads[:, 0]
    left = columns if program.skip is None else program.skip.leave(columns)
    sizes: Tensor = left.norm(dim=0).clamp_min(torch.finfo(left.dtype).tiny)
    left = left / sizes
    gram, linear = left.T @ left, left.T @ program.left_targets[:, 0] - program.beta / sizes
    lengths = _non_negative_minimum(gram, linear, n_steps) / sizes
    return lengths[:, None] * rays


def _non_negative_minimum(
    gram: Float[Tensor, "m m"], linear: Float[Tensor, " m"], n_steps: int
) -> Float[Tensor, " m"]:
    """Return about ``argmin_{c >= 0} 1/2 c'Gc - b'c`` by FISTA, restarted where it climbs."""
    step = 1 / torch.linalg.matrix_norm(gram, 2)
    point = ahead = torch.zeros_like(linear)
    momentum = linear.new_ones(())
    for _ in range(n_steps):
        slope = gram @ ahead - linear
        new = (ahead - step * slope).clamp_min(0.0)
        climbs = slope.dot(new - point) > 0
        following = (1 + (1 + 4 * momentum**2).sqrt()) / 2
        following = following.where(~climbs, 1.0)
        ahead = new + ((momentum - 1) / following).where(~climbs, 0.0) * (new - point)
        point, momentum = new, following
    least: Tensor = point
    return least
