"""Row generation: what the rounds of pricing have in common, whether norms have one group or many.

Each round solves a relaxation on a few rows of each block (`bursts`), and then finds the rows that
cut the segment from a point inside the cone to that solution first (`ConeRows.cut`). The end of
the segment inside the cone gives a lower bound, the multipliers give an upper one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows, padded
from relu_forecast.solvers.settings import BlockPricingSettings


@dataclass(frozen=True)
class Pricing:
    """What is known of B blocks; all tensors on the device of the rows."""

    values: Float[Tensor, " B"]
    """``N*(g_b + R'(2 D_b - I) alpha_b)``, exact for the `multipliers`: proven upper bounds. A
    block is certified where it is at most beta, and not improved further there."""
    reached: Float[Tensor, " B"]
    """``g_b'u_b``, attained by the `directions`: lower bounds, zero where none is known."""
    directions: Float[Tensor, "B d"]
    """u_b inside its cone, ``N(u_b) = 1``, or zero. With one group, the normalised projection of
    g_b on its cone, as exactly as `values` and `reached` agree."""
    rows: Int[Tensor, "B q"]
    """Numbers of the rows with multipliers, each of them once; q is the number of the block with
    the most."""
    multipliers: Float[Tensor, "B q"]
    """alpha_b >= 0 on these rows, zero where there is none."""

    @property
    def working(self) -> WorkingRows:
        """The rows and their multipliers, as places to work on."""
        return WorkingRows(self.rows, self.multipliers > 0, self.multipliers)


Known = TypeVar("Known", bound=Pricing)


@dataclass(frozen=True)
class OpenBlocks:
    """The blocks that are not decided yet."""

    blocks: Int[Tensor, " b"]
    cells: Int[Tensor, " b"]
    """Their places in the answer, and their rows of the masks."""
    targets: Float[Tensor, "b d"]
    inner: Float[Tensor, "b d"]
    points: Float[Tensor, "b d"]
    """g_b; a point inside the cone; the solution of the relaxation. Both points of norm N one."""
    working: WorkingRows
    """Rows of the relaxation."""


Left = TypeVar("Left", bound=OpenBlocks)


@dataclass(frozen=True)
class RowGeneration:
    """The rounds of one pricing."""

    cone_rows: ConeRows
    norm: GroupNorm
    beta: float

    @property
    def settings(self) -> BlockPricingSettings:
        """How exact the values are."""
        return self.cone_rows.settings

    def correlations(self, left: OpenBlocks) -> Float[Tensor, "b d"]:
        """Return the correlations of blocks, their multipliers' part included."""
        return left.targets + self.cone_rows.pull(left.cells, left.working)

    def separated(
        self, result: Pricing, left: Left
    ) -> tuple[Left, Float[Tensor, " b"], Bool[Tensor, " b"]]:
        """Record the points reached, and return blocks with more rows and points further inside.

        And how much their points reach, and which of the blocks rows have cut.
        """
        cut = self.cone_rows.cut(left.inner, left.points)
        inside = cut.lengths[:, None] * (left.points - left.inner)
        best = self.norm.normalised(left.inner + inside)
        reached = (left.targets * best).sum(1)
        better = reached > result.reached[left.blocks]
        result.reached[left.blocks[better]] = reached[better]
        result.directions[left.blocks[better]] = best[better]
        inner = self.norm.normalised(left.inner + self.settings.inwards * inside)
        working = self.cone_rows.extended(left.working, cut)
        return replace(left, inner=inner, working=working), reached, cut.cutting.any(1)


def with_multipliers(result: Known, left: OpenBlocks) -> Known:
    """Return the answer with the rows and multipliers of some blocks, in as many places."""
    width = max(left.working.rows.shape[1], result.rows.shape[1])
    rows, multipliers = padded(result.rows, width), padded(result.multipliers, width)
    rows[left.blocks] = padded(left.working.rows, width)
    multipliers[left.blocks] = padded(left.working.multipliers, width)
    return replace(result, rows=rows, multipliers=multipliers)
