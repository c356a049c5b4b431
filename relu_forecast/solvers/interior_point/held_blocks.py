"""Whole blocks that the interior point method holds, and its iterate on them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.batches import joined, taken
from relu_forecast.solvers.cones import BlockCones
from relu_forecast.solvers.interior_point.held import Held, check_room
from relu_forecast.solvers.interior_point.method import InteriorPoint
from relu_forecast.solvers.pruning import hardly_used
from relu_forecast.solvers.settings import SolverSettings


@dataclass(frozen=True)
class HeldBlocks(Held[InteriorPoint]):
    """Whole blocks, and an iterate."""

    @classmethod
    def of(
        cls, program: ConvexProgram, index: Int[Tensor, " m"], guess: Float[Tensor, "m d"],
        settings: SolverSettings,
    ) -> HeldBlocks:
        """Hold some blocks first, from a guess inside their closed cones."""
        own, method = _method_on(program, index, settings, None)
        share = method.share(own.objective(guess))
        if own.has_cones:
            guess = guess + _lift(own, share, settings)
        return cls(index, own, method, method.centred(guess, share))

    def certificate(self) -> Certificate:
        """Return the certificate of the iterate over the blocks held."""
        return self.program.certificate(self.state.blocks, self.multipliers)

    def unused(self) -> Bool[Tensor, " m"]:
        """Tell which blocks the optimum will hardly use."""
        program, blocks = self.program, self.state.blocks
        residual = program.annihilate(self.error)
        correlations = program.correlations(residual, self.multipliers)
        values, norms = program.norm.dual_norms(correlations), program.norm.norms(blocks)
        return hardly_used(norms, values, program.beta, norms.amax())

    def restricted(self, kept: Int[Tensor, " k"]) -> HeldBlocks:
        """Hold only some of the blocks, with their part of the iterate."""
        d, own = self.program.features.width, self.program.restricted(kept)
        columns = (kept[:, None] * d + torch.arange(d, device=kept.device)).flatten()
        method = replace(
            self.method, gram=self.method.gram[columns][:, columns],
            linear=self.method.linear[kept],
            cones=cast(BlockCones, self.method.cones).restricted(kept))
        return HeldBlocks(self.index[kept], own, method, taken(self.state, kept))

    def joined(
        self, program: ConvexProgram, new: Int[Tensor, " k"], share: Float[Tensor, ""],
        settings: SolverSettings,
    ) -> HeldBlocks:
        """Hold new blocks of the whole program too.

        They join on their gates, with complementarity products of ``share``: see
        `InteriorPoint.centred`. Products of the Gram matrix that are known are kept.
        """
        index = torch.cat([self.index, new])
        own, method = _method_on(program, index, settings, self.method)
        fresh = method.centred(_lift(own, share, settings), share)
        state = joined(self.state, taken(fresh, slice(len(self.index), None)))
        return HeldBlocks(index, own, method, state)


def _method_on(
    program: ConvexProgram, index: Int[Tensor, " m"], settings: SolverSettings,
    known: InteriorPoint | None,
) -> tuple[ConvexProgram, InteriorPoint]:
    """Return the program of some blocks and the method on it, unless its matrix is too large."""
    check_room(len(index), program.features.width, "blocks", settings.working_set.most_weights)
    own = program.restricted(index)
    return own, InteriorPoint.of(own, settings.interior_point, known)


def _lift(
    program: ConvexProgram, share: Float[Tensor, ""], settings: SolverSettings
) -> Float[Tensor, "m d"]:
    """Return the way along its gate on which each block moves into its cone."""
    length = settings.working_set.lift * share / program.beta
    return length * program.norm.normalised(program.gates)
