"""Small conic quadratic programs whose matrix is given: the subproblems of a proximal method.

    min_z 1/2 z'Gz - b'z + beta sum_k N(z_k)   s.t.  C_k z_k >= 0,  k = 1..m,

with few rows C_k in each cone, or none, solved by the interior point method.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from relu_forecast.solvers.interior_point.method import InteriorPoint, InteriorState
from relu_forecast.solvers.settings import ModelSettings


@dataclass(frozen=True)
class ConicQuadratic:
    """One program, its objective and its duality gap."""

    method: InteriorPoint
    """G, b, N, beta and the cones."""
    loss: Float[Tensor, ""]
    """Value of the least squares loss near the minimum, of which the quadratic is a part. A dual
    point that must shrink to be feasible loses a share of it."""

    def gap(self, state: InteriorState) -> Float[Tensor, ""]:
        """Return about the duality gap: the complementarity products, and what a defect costs.

        The defect is what multipliers and duals leave of the stationarity condition. The dual point
        has to shrink by its largest dual norm, as a share of beta.
        """
        method = self.method
        norm, beta = method.norm, method.beta
        defect = method.descent(state.blocks) + state.duals + method.cones.adjoint(
            state.multipliers)
        excess = norm.dual_norms(defect).amax() / beta
        lost = excess / (1 + excess)
        penalty = beta * norm.norms(state.blocks).sum()
        return method.complementarity(state) + lost * penalty + lost**2 * self.loss


def solve_conic_quadratic(
    program: ConicQuadratic, inner: Float[Tensor, "m d"], gap: Float[Tensor, ""], goal: float,
    settings: ModelSettings
) -> InteriorState:
    """Step from blocks strictly inside their cones until `ConicQuadratic.gap` is below ``goal``.

    Or until rounding stops progress; the state of the least gap is returned. The first products sum
    to ``gap``. Each step costs O((m d)^3 / 3 + m q d^2), and waits for the device once.
    """
    method = program.method
    state = best = method.centred(inner, method.share(gap))
    least, since, loss = math.inf, 0, float(program.loss)
    for _ in range(settings.most_steps):
        state = method.step(state, settings.floor * goal)
        now = float(program.gap(state))
        since = 0 if now < settings.progress * least else since + 1
        if now < least:
            best, least = state, now
        near = least < settings.far_gap * loss
        if least <= goal or since >= (settings.patience if near else settings.far_patience):
            break
    return best
