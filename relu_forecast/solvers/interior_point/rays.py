"""A first guess: the program on one ray per cone, that through its gate.

Cells of many samples are thin, and whatever a block can do its gate nearly does. On the rays
``z_k = c_k g_k``, ``N(g_k) = 1``, the program is a non-negative Lasso of one column per block,

    min_{c >= 0} 1/2 ||sum_k c_k a_k - y||^2 + beta sum_k c_k,    a_k = sum_s P_s D_k R g_k h_ks'.

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
    for the device. Cost O(n m^2), times C with several sites.
    """
    part = program.restricted(chosen)
    rays = program.norm.normalised(part.gates)
    gram, linear = _products(part, rays)
    sizes: Tensor = gram.diagonal().sqrt().clamp_min(torch.finfo(gram.dtype).tiny)
    lengths = _non_negative_minimum(
        gram / sizes[:, None] / sizes, (linear - program.beta) / sizes, n_steps) / sizes
    return lengths[:, None] * rays


def _products(
    program: ConvexProgram, rays: Float[Tensor, "m d"]
) -> tuple[Float[Tensor, "m m"], Float[Tensor, " m"]]:
    """Return the products of the columns a_k with each other, and with the targets.

    With one site the columns of all targets are those of one, times heads.
    """
    outputs, heads = program.features.outputs(rays), program.design.heads
    targets = program.left_targets
    if program.features.n_sites == 1:
        left = program.leave(outputs)
        return (left.T @ left) * (heads @ heads.T), (left.T @ targets * heads).sum(1)
    gram, linear = rays.new_zeros(len(rays), len(rays)), rays.new_zeros(len(rays))
    outputs = outputs.view(-1, program.features.n_sites, len(rays))
    by_target = heads.view(len(rays), program.features.n_sites, -1).unbind(2)
    for own, target in zip(by_target, targets.T, strict=True):
        left = program.leave((outputs * own.T).sum(1))
        gram.addmm_(left.T, left)
        linear.addmv_(left.T, target)
    return gram, linear


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
