"""Batched pricing: which blocks can lower the objective, given the residual.

A block with target ``g_b = s_b R'D_b P'r`` stays zero when some multipliers alpha >= 0 bring the
dual norm of its correlations down to beta, and enters when a direction of its cone goes above:

    min_{alpha >= 0} N*(g_b + R'(2 D_b - I) alpha)
        =  max_u g_b'u  s.t.  N(u) <= 1, (2 D_b - I) R u >= 0.

At most d of the N rows of a cone matter. Row generation finds them: each round solves the
problem on a few rows of each block (`solve_relaxations`), and looks for the rows that cut the
segment from a point inside the cone to that solution soonest: ``min_t x_t'u / x_t'z``, one
division and one minimum over (B, N), and no mask. Those rows are faces of the cone, and the
segment up to the first of them is a lower bound. Ben-Ameur & Neto, Networks 49 (2007) 3-17,
call it in-out separation. THEORY sections 5 and 6.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.penalties import GroupNorm
from relu_forecast.solvers.cone_relaxations import Relaxations, Stop, solve_relaxations

_MOST_ROUNDS = 40
_SEGMENT = 8
"""Neighbouring rows, nearly equal in windows of a smooth signal, of which one is a candidate."""

_INWARDS = 0.5
"""Share of the way to the best point of a cone that the inner point moves every round."""

_INSIDE = 1 - 1e-10
"""Share of the way to a cone's boundary that counts as inside, in spite of rounding."""

_BOUNDARY = 1e-7
"""Relative excess over beta below which a block is at its boundary, and not violating."""


@dataclass(frozen=True)
class ConePricing:
    """What is known of B blocks; all tensors on the device of the rows.

    Attributes
    ----------
    values : Tensor, shape (B,)
        ``N*(g_b + R'(2 D_b - I) alpha_b)``, exact for the `multipliers`: proven upper bounds. A
        block is certified where it is at most beta, and not improved further there.
    reached : Tensor, shape (B,)
        ``g_b'u_b``, attained by the `directions`: lower bounds, zero where none is known.
    violating : Tensor of bool, shape (B,)
        Whether `reached` is above ``beta (1 + 1e-7)``.
    directions : Tensor, shape (B, d)
        u_b inside its cone, ``N(u_b) = 1``, or zero. With one group, the normalised projection
        of g_b on its cone, as exactly as `values` and `reached` agree.
    rows : Tensor of int, shape (B, q)
        Rows with multipliers; the same row stands once.
    multipliers : Tensor, shape (B, q)
        alpha_b >= 0 on these rows, zero where there is none.
    """

    values: Float[Tensor, " B"]
    reached: Float[Tensor, " B"]
    violating: Bool[Tensor, " B"]
    directions: Float[Tensor, "B d"]
    rows: Int[Tensor, "B q"]
    multipliers: Float[Tensor, "B q"]

    @classmethod
    def without_cones(
        cls, targets: Float[Tensor, "B d"], norm: GroupNorm, beta: float
    ) -> ConePricing:
        """Price free blocks, those of gated ReLU: their values are the dual norms."""
        values = norm.dual_norms(targets)
        none = targets.new_zeros(len(targets), 0)
        return cls(values, values, values > beta * (1 + _BOUNDARY), norm.normalised(targets),
                   none.long(), none)


def price_blocks(
    rows: Float[Tensor, "N d"],
    masks: Bool[Tensor, "B N"],
    gates: Float[Tensor, "B d"],
    targets: Float[Tensor, "B d"],
    norm: GroupNorm,
    beta: float,
    *,
    warm: ConePricing | None = None,
    tol: float = 1e-9,
    violation_tol: float = 1e-2,
    chunk_entries: int = 2**22,
) -> ConePricing:
    """Decide for each block whether it can stay zero, with evidence either way.

    Parameters
    ----------
    rows : Tensor, shape (N, d)
        R; zero rows are no constraints.
    masks : Tensor of bool, shape (B, N)
        Diagonals of D_b; only a few entries are read.
    gates : Tensor, shape (B, d)
        Points strictly inside the cones: ``masks = gates @ rows.T >= 0``.
    targets : Tensor, shape (B, d)
        g_b, the correlations of the residual.
    norm : GroupNorm
        N, the norm of a block.
    beta : float
        Weight of the penalty.
    warm : ConePricing, optional
        An earlier answer for the same blocks in the same order, from another residual.
    tol : float, default 1e-9
        Share of beta to which the value of a block at the boundary is exact.
    violation_tol : float, default 1e-2
        Share of its excess over beta to which the value of a violating block is exact.
    chunk_entries : int, default 2**22
        Entries of the slabs (blocks x rows) in work at a time, of which there are three.

    Returns
    -------
    ConePricing

    Notes
    -----
    Cost: a round is one product O(B N d) over the blocks left, of which there are some 5, and
    O(B q d^2 + B d^3) for each of 5-25 interior point steps, with q of about 2 d.
    """
    tol = max(tol, 100 * torch.finfo(rows.dtype).eps)
    session = _Session(rows, _cutting(rows), masks, norm, beta, tol, violation_tol, chunk_entries)
    size = max(1, chunk_entries // (session.width * rows.shape[1]))
    parts = [slice(start, start + size) for start in range(0, len(targets), size)]
    return _joined([
        replace(session, masks=masks[part]).run(
            gates[part], targets[part], None if warm is None else _part(warm, part))
        for part in parts])


def _cutting(rows: Float[Tensor, "N d"]) -> Int[Tensor, " M"]:
    """Return the indices of the rows that are not zero, some twice, in whole segments."""
    kept = (rows != 0).any(dim=1).nonzero()[:, 0]
    return torch.cat([kept, kept[-1:].expand(-len(kept) % _SEGMENT)])


def _part(pricing: ConePricing, part: slice) -> ConePricing:
    """Return the answer for some blocks."""
    return ConePricing(*(getattr(pricing, field.name)[part] for field in fields(pricing)))


def _joined(parts: list[ConePricing]) -> ConePricing:
    """Undo `_part`."""
    if len(parts) == 1:
        return parts[0]
    return ConePricing(*(torch.cat([getattr(part, field.name) for part in parts])
                         for field in fields(ConePricing)))


@dataclass(frozen=True)
class Front:
    """The blocks still in work, one row each.

    Attributes
    ----------
    blocks : Tensor, shape (b,)
        Which they are.
    targets, inner, points : Tensor, shape (b, d)
        g_b; a point inside the cone; what the working rows give. The latter two of norm N one.
    rows : Tensor, shape (b, q)
        Working rows.
    present : Tensor of bool, shape (b, q)
        Which of them there are.
    multipliers : Tensor, shape (b, q)
        Their multipliers, zero where there is no row.
    """

    blocks: Int[Tensor, " b"]
    targets: Float[Tensor, "b d"]
    inner: Float[Tensor, "b d"]
    points: Float[Tensor, "b d"]
    rows: Int[Tensor, "b q"]
    present: Bool[Tensor, "b q"]
    multipliers: Float[Tensor, "b q"]

    def taken(self, index: Int[Tensor, " m"]) -> Front:
        """Return some of them."""
        return Front(*(getattr(self, field.name)[index] for field in fields(self)))


@dataclass(frozen=True)
class Cut:
    """Where the segments from inner points to points leave their cones.

    Attributes
    ----------
    lengths : Tensor, shape (b,)
        Share of the segment inside the cone, at most one.
    rows : Tensor, shape (b, added)
        Rows that cut it, the first one among them.
    cutting : Tensor of bool, shape (b, added)
        Which of them do.
    """

    lengths: Float[Tensor, " b"]
    rows: Int[Tensor, "b m"]
    cutting: Bool[Tensor, "b m"]


@dataclass(frozen=True)
class _Session:
    """One pricing: its data, and its rounds."""

    rows: Float[Tensor, "N d"]
    kept: Int[Tensor, " M"]
    masks: Bool[Tensor, "B N"]
    norm: GroupNorm
    beta: float
    tol: float
    violation_tol: float
    chunk_entries: int

    @property
    def held(self) -> int:
        """Rows that a block carries over from one round to the next; d of them can matter."""
        return self.rows.shape[1] + 9

    @property
    def added(self) -> int:
        """Rows that a block may add in a round."""
        return max(16, self.rows.shape[1])

    @property
    def width(self) -> int:
        """Working rows of a block, q."""
        return self.held + self.added

    def run(
        self, gates: Float[Tensor, "B d"], targets: Float[Tensor, "B d"],
        warm: ConePricing | None,
    ) -> ConePricing:
        """Go round until every block is decided; see `price_blocks`."""
        result = self._blank(targets) if warm is None else self._recalled(targets, warm)
        everything = torch.arange(len(targets), device=targets.device)
        front = Front(everything, targets, self.norm.normalised(gates),
                      self.norm.normalised(targets), result.rows, result.multipliers > 0,
                      result.multipliers)
        solved = warm is None
        for _ in range(_MOST_ROUNDS):
            front = front.taken((self._values(front) > self.beta).nonzero()[:, 0])
            if solved and len(front.blocks):
                front = self._separated(result, front)
            if len(front.blocks) == 0:
                break
            front, solved = self._solved(front), True
            result.rows[front.blocks] = front.rows
            result.multipliers[front.blocks] = front.multipliers
        return self._concluded(result, targets)

    def _blank(self, targets: Float[Tensor, "B d"]) -> ConePricing:
        """Return an answer to fill in."""
        nothing = targets.new_zeros(len(targets))
        rows = torch.zeros(len(targets), self.width, dtype=torch.long, device=targets.device)
        return ConePricing(nothing, nothing.clone(), nothing > 0, torch.zeros_like(targets),
                           rows, targets.new_zeros(rows.shape))

    def _recalled(self, targets: Float[Tensor, "B d"], warm: ConePricing) -> ConePricing:
        """Return an answer to fill in, with the rows of an earlier one."""
        return replace(self._blank(targets), rows=warm.rows.clone(),
                       multipliers=warm.multipliers.clone())

    def _cones(self, front: Front) -> Float[Tensor, "b q d"]:
        """Return the signed working rows of each block, zero where there is none."""
        inside = self.masks[front.blocks[:, None], front.rows]
        signs = (inside.to(self.rows) * 2 - 1).where(front.present, 0.0)
        return self.rows[front.rows] * signs[:, :, None]

    def _values(self, front: Front) -> Float[Tensor, " b"]:
        """Return the dual norms that the multipliers reach."""
        pull = (front.multipliers[:, None, :] @ self._cones(front))[:, 0]
        return self.norm.dual_norms(front.targets + pull)

    def _solved(self, front: Front) -> Front:
        """Return the front with its relaxations solved."""
        problems = Relaxations(self._cones(front), front.present, front.targets, front.inner)
        stop = Stop(self.norm, self.beta, 0.01 * self.tol, 0.5 * self.violation_tol)
        points, multipliers = solve_relaxations(problems, stop)
        return replace(front, points=self.norm.normalised(points),
                       multipliers=multipliers.where(front.present, 0.0))

    def _separated(self, result: ConePricing, front: Front) -> Front:
        """Note the points reached, leave decided blocks out, and add rows to the others."""
        cut = self.cut(front)
        way = front.points - front.inner
        best = self.norm.normalised(front.inner + cut.lengths[:, None] * way)
        reached = (front.targets * best).sum(1)
        better = reached > result.reached[front.blocks]
        result.reached[front.blocks[better]] = reached[better]
        result.directions[front.blocks[better]] = best[better]

        values = self._values(front)
        excess = values - torch.maximum(reached, result.reached[front.blocks])
        above = reached > self.beta * (1 + _BOUNDARY)
        decided = (excess <= self.tol * self.beta) | (
            above & (excess <= self.violation_tol * (reached - self.beta)))
        stuck = ~cut.cutting.any(1) & front.present.any(1)
        inner = self.norm.normalised(front.inner + _INWARDS * cut.lengths[:, None] * way)
        left = (~(decided | stuck)).nonzero()[:, 0]
        return self._extended(replace(front, inner=inner), cut).taken(left)

    def cut(self, front: Front) -> Cut:
        """Find the rows that cut the segments first; free of host synchronisation."""
        count = max(1, self.chunk_entries // max(1, len(self.kept)))
        cutting = self.rows[self.kept]
        ratios, rows = map(torch.cat, zip(*(
            self._soonest(cutting, inner, points) for inner, points in zip(
                torch.split(front.inner, count), torch.split(front.points, count),
                strict=True)),
            strict=True))
        first = ratios.amin(1)
        lengths = (_INSIDE / (1 - first.clamp_max(0.0))).where(first < 0, 1.0)
        return Cut(lengths, rows, ratios < 0)

    def _soonest(
        self, cutting: Float[Tensor, "M d"], inner: Float[Tensor, "b d"],
        points: Float[Tensor, "b d"],
    ) -> tuple[Float[Tensor, "b m"], Int[Tensor, "b m"]]:
        """Return the least ``x_t'u / x_t'z`` over segments of rows, and the rows.

        A negative ratio r cuts the segment from z to u at ``1 / (1 - r)`` of its length.
        """
        ratios = (points @ cutting.T).div_(inner @ cutting.T)
        least, offset = ratios.view(len(inner), -1, _SEGMENT).min(dim=2)
        best = least.topk(min(self.added, least.shape[1]), dim=1, largest=False)
        rows = self.kept[best.indices * _SEGMENT + offset.gather(1, best.indices)]
        spare = self.added - rows.shape[1]
        return (torch.nn.functional.pad(best.values, (0, spare), value=1.0),
                torch.nn.functional.pad(rows, (0, spare)))

    def _extended(self, front: Front, cut: Cut) -> Front:
        """Return the front with the rows that matter and the new ones."""
        sizes = torch.linalg.vector_norm(self.rows, dim=1)[front.rows]
        kept = (front.multipliers * sizes).topk(self.held, dim=1)
        share = kept.values / kept.values.amax(1, keepdim=True)
        held, present = front.rows.gather(1, kept.indices), share > torch.finfo(share.dtype).eps
        known = ((cut.rows[:, :, None] == held[:, None, :]) & present[:, None, :]).any(2)
        return replace(
            front, rows=torch.cat([held, cut.rows], 1),
            present=torch.cat([present, cut.cutting & ~known], 1),
            multipliers=torch.cat([front.multipliers.gather(1, kept.indices),
                                   torch.zeros_like(cut.rows, dtype=self.rows.dtype)], 1))

    def _concluded(self, result: ConePricing, targets: Float[Tensor, "B d"]) -> ConePricing:
        """Return the answer with the values of all its multipliers."""
        everything = torch.arange(len(targets), device=targets.device)
        front = Front(everything, targets, targets, targets, result.rows,
                      result.multipliers > 0, result.multipliers)
        return replace(result, values=self._values(front),
                       violating=result.reached > self.beta * (1 + _BOUNDARY))

