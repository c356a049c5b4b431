"""Working sets of whole blocks, for programs whose blocks have one group.

Before others are priced (`pricing.blocks`) they are screened, which costs a fifth of that.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.interior_point.held_blocks import HeldBlocks
from relu_forecast.solvers.interior_point.working_set import Progress, WorkingSet
from relu_forecast.solvers.pricing.blocks import ConePricing
from relu_forecast.solvers.pricing.candidates import largest, outside, priced, screened_values
from relu_forecast.solvers.settings import SolverSettings, WorkingSetSettings
from relu_forecast.solvers.solution import Callback


class BlockWorkingSet(WorkingSet[HeldBlocks]):
    """One solve on whole blocks."""

    rules: WorkingSetSettings
    values: Float[Tensor, " K"]
    """What the last pricing says of the blocks that are not held, zero for the others."""

    def __init__(
        self, program: ConvexProgram, tol: float, max_iter: int, callback: Callback | None,
        settings: SolverSettings,
    ) -> None:
        super().__init__(program, tol, max_iter, callback, settings)
        self.rules = rules = settings.working_set
        width = program.features.width
        self.first_count = max(rules.first_blocks, rules.first_weights // width)
        self.early_gaps = (rules.screening_gap, rules.pricing_gap)
        # How many blocks may join, however few are held.
        self.few = max(rules.joining_blocks, rules.joining_weights // width)
        self.every = torch.arange(program.n_blocks, device=program.X.device)
        self.left_once = torch.zeros_like(self.every, dtype=torch.bool)
        self.pricing: ConePricing | None = None

    def _held_first(
        self, index: Int[Tensor, " m"], guess: Float[Tensor, "K d"],
        targets: Float[Tensor, "K d"], *, given: bool,
    ) -> HeldBlocks:
        """Hold some blocks from a guess."""
        return HeldBlocks.of(self.fine, index, guess[index], self.settings)

    def _newton_steps(self, held: HeldBlocks, goal: float) -> Progress[HeldBlocks]:
        """Step towards the optimum of the blocks held, and restart nowhere before these steps."""
        self.restart = held
        return super()._newton_steps(held, goal)

    def _patience(self, gap: float) -> int:
        """Return how many evaluations without a smaller gap end the steps."""
        far = gap > self.rules.far_gap
        return self.rules.far_patience if far else self.rules.patience

    def _checked(self, held: HeldBlocks, goal: float) -> tuple[Certificate, float, HeldBlocks]:
        """Return the certificate over the blocks held, its gap, and the same blocks."""
        now = held.certificate()
        return now, now.gap, held

    @property
    def _screening_gap(self) -> float:
        """The gap from which on other blocks are not screened only."""
        return self.rules.screening_gap

    def _screened(self, held: HeldBlocks, targets: Float[Tensor, "K d"]) -> Int[Tensor, " k"]:
        """Return blocks that screening shows to be violating, or none where they are few."""
        values = screened_values(self.program, targets, self.pricing)
        joining = self._largest(held, values, self.rules.screening_ratio)
        return joining if len(joining) >= self.few else joining[:0]

    def _priced(
        self, held: HeldBlocks, targets: Float[Tensor, "K d"], *, final: bool
    ) -> Float[Tensor, ""]:
        """Price all blocks, and return the worst value of those that are not held."""
        self.pricing = priced(
            self.program, self.every, targets, self.pricing, self.settings.pricing)
        self.values = self.pricing.values.where(outside(held.index, len(self.every)), 0.0)
        return self.values.amax()

    def _violating(self, held: HeldBlocks, ratio: float, *, final: bool) -> Int[Tensor, " k"]:
        """Return priced blocks above ``ratio`` times beta, the worst of them first."""
        return self._largest(held, self.values, ratio)

    def _largest(
        self, held: HeldBlocks, values: Float[Tensor, " K"], ratio: float
    ) -> Int[Tensor, " k"]:
        """Return the blocks not held of the largest values, half as many as are held at most."""
        wanted = outside(held.index, len(values)) & (values > self.program.beta * ratio)
        return largest(values, wanted, max(self.few, len(held.index) // 2))

    def _enlarged(self, held: HeldBlocks, joining: Int[Tensor, " k"]) -> HeldBlocks:
        """Leave out blocks that are not in use, once each, and let the violating ones join."""
        leaving = held.unused() & ~self.left_once[held.index]
        self.left_once[held.index[leaving]] = True
        kept = (~leaving).nonzero()[:, 0]
        restart = self.restart
        share = restart.method.share(restart.method.complementarity(restart.state))
        return restart.restricted(kept).joined(self.fine, joining, share, self.settings)
