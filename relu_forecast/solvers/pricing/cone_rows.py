"""Separation: the rows of many cones where segments from inside leave them first.

The segment from a point z inside a cone ``(2 D_b - I) R u >= 0`` to a point u leaves it at
``1 / (1 - r)`` of its length with ``r = min_t x_t'u / x_t'z``, if that is negative: one division
and one minimum over (B, N), and no mask. The rows that attain the minimum are faces of the cone;
those that u violates most need not be. Ben-Ameur & Neto, Networks 49 (2007) 3-17, call such cuts
in-out separation.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor

from relu_forecast.patterns.slabs import SUMMED, TILE_BLOCKS, slices
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.settings import BlockPricingSettings


@dataclass(frozen=True)
class Cut:
    """Where segments leave their cones."""

    ratios: Float[Tensor, " b"]
    """The least ``x_t'u / x_t'z``, negative where u is outside."""
    lengths: Float[Tensor, " b"]
    """Share of each segment inside its cone, at most one."""
    rows: Int[Tensor, "b m"]
    """Rows of the least ratios."""
    cutting: Bool[Tensor, "b m"]
    """Which of them u violates."""


@dataclass(frozen=True)
class WorkingRows:
    """Some rows of each of b cones, in q places, not all of which need be taken."""

    rows: Int[Tensor, "b q"]
    """Numbers of the rows in R."""
    present: Bool[Tensor, "b q"]
    """Which places are taken."""
    multipliers: Float[Tensor, "b q"]
    """Multipliers alpha >= 0 of the rows, zero in places that are not taken."""

    @classmethod
    def empty(cls, like: Float[Tensor, "b d"], width: int) -> WorkingRows:
        """Return places, none of them taken, for the cones of as many blocks as ``like`` has."""
        nothing = like.new_zeros(len(like), width)
        return cls(nothing.long(), nothing > 0, nothing)


def padded(places: Shaped[Tensor, "b q"], count: int) -> Shaped[Tensor, "b p"]:
    """Return ``count`` places or more, the new ones zero."""
    return torch.nn.functional.pad(places, (0, max(0, count - places.shape[1])))


@dataclass(frozen=True)
class ConeRows:
    """The rows of many cones, laid out for separation."""

    rows: Float[Tensor, "N d"]
    """R."""
    cutting: Float[Tensor, "M d"]
    """The rows of R that are not zero, the last one repeated until there are whole segments."""
    kept: Int[Tensor, " M"]
    """Their numbers in R."""
    masks: Bool[Tensor, "P N"]
    """Diagonals of D; only a few entries are read."""
    tile_entries: int
    """Entries of the slabs (blocks x rows) in work at a time, of which there are three."""
    settings: BlockPricingSettings
    """How many rows join at a time, and what counts as inside."""

    @classmethod
    def of(
        cls, rows: Float[Tensor, "N d"], masks: Bool[Tensor, "P N"],
        tile_entries: int | None, settings: BlockPricingSettings,
    ) -> ConeRows:
        """Lay out the rows; the size of tiles is the device's where none is given."""
        kept = (rows != 0).any(dim=1).nonzero()[:, 0]
        kept = torch.cat([kept, kept[-1:].expand(-len(kept) % settings.segment)])
        if tile_entries is None:
            tile_entries = SUMMED.on(rows.device)
        return cls(rows, rows[kept], kept, masks, tile_entries, settings)

    @property
    def joining(self) -> int:
        """Rows that a cone may get at a time."""
        return max(self.settings.fewest_joining, self.rows.shape[1])

    @property
    def width(self) -> int:
        """Places for rows of a cone to begin with, q; d of them can matter."""
        return self.rows.shape[1] + self.settings.spare + self.joining

    def cones(self, cells: Int[Tensor, " b"], working: WorkingRows) -> OwnRows:
        """Return the working rows of each cone with their signs."""
        inside = self.masks[cells[:, None], working.rows]
        signs = (inside.to(self.rows) * 2 - 1).where(working.present, 0.0)
        return OwnRows(self.rows[working.rows] * signs[:, :, None], working.present)

    def pull(self, cells: Int[Tensor, " b"], working: WorkingRows) -> Float[Tensor, "b d"]:
        """Return ``C_b'alpha_b``, what the multipliers add to the correlations of each block."""
        return self.cones(cells, working).adjoint(working.multipliers)

    def cut(self, inner: Float[Tensor, "b d"], points: Float[Tensor, "b d"]) -> Cut:
        """Find where the segments from inner points to others leave their cones.

        Cost O(b N d), in tiles, without waiting for the device.
        """
        parts = [self._cut_tiles(z, u) for z, u in zip(
            torch.split(inner, TILE_BLOCKS), torch.split(points, TILE_BLOCKS), strict=True)]
        ratios, rows = (torch.cat([part[side] for part in parts]) for side in (0, 1))
        least = ratios.amin(1)
        lengths = (self.settings.inside / (1 - least.clamp_max(0.0))).where(least < 0, 1.0)
        return Cut(least, lengths, rows, ratios < 0)

    def _cut_tiles(
        self, inner: Float[Tensor, "b d"], points: Float[Tensor, "b d"]
    ) -> tuple[Float[Tensor, "b m"], Int[Tensor, "b m"]]:
        """Return the least ratios of a few blocks over all tiles of rows, and the rows."""
        segment = self.settings.segment
        size = max(1, self.tile_entries // (len(inner) * segment)) * segment
        ratios, rows = [inner.new_ones(len(inner), self.joining)], [
            self.kept.new_zeros(len(inner), self.joining)]
        for part in slices(len(self.kept), size):
            tile = self.cutting[part].T
            least, offset = (points @ tile).div_(inner @ tile).view(
                len(inner), -1, segment).min(dim=2)
            best = least.topk(min(self.joining, least.shape[1]), dim=1, largest=False)
            place = part.start + best.indices * segment + offset.gather(1, best.indices)
            ratios.append(best.values)
            rows.append(self.kept[place])
        best = torch.cat(ratios, 1).topk(self.joining, dim=1, largest=False)
        return best.values, torch.cat(rows, 1).gather(1, best.indices)

    def extended(self, working: WorkingRows, cut: Cut) -> WorkingRows:
        """Return the working rows and those of the cut that are new.

        None is left out: multipliers are shared by nearly equal rows, and do not tell which of
        those are needed.
        """
        known = (cut.rows[:, :, None] == working.rows[:, None, :]) & working.present[:, None, :]
        return WorkingRows(
            torch.cat([working.rows, cut.rows], 1),
            torch.cat([working.present, cut.cutting & ~known.any(2)], 1),
            torch.cat([working.multipliers, torch.zeros_like(cut.rows, dtype=self.rows.dtype)],
                      1))

    def leading(self, working: WorkingRows, count: int) -> WorkingRows:
        """Return ``count`` places for the rows with the largest multipliers of each cone."""
        rows, multipliers = padded(working.rows, count), padded(working.multipliers, count)
        sizes = torch.linalg.vector_norm(self.rows[rows], dim=2)
        best = (multipliers * sizes).topk(count, dim=1)
        share = best.values / best.values[:, :1]
        return WorkingRows(
            rows.gather(1, best.indices), share > torch.finfo(share.dtype).eps,
            multipliers.gather(1, best.indices))
