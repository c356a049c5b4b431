"""The search for the neuron that most violates optimality of a network.

With v the residual, a network is a global optimum of (1) exactly when no neuron of cost one,
``N(u) = 1``, has ``|v'P(Ru)_+| > beta``; THEORY section 5. The maximum is over a nonconvex set: a
search from many starts finds large values, and what it does not find it cannot rule out.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import SEARCHED, rows_per_slab, slices
from relu_forecast.problems.design import TriangularProducts
from relu_forecast.training.pricing.conjugate import norm_metric
from relu_forecast.training.pricing.large_search import search_large, settled
from relu_forecast.training.pricing.priced import PricedNeurons
from relu_forecast.training.pricing.starts import evenly_spaced
from relu_forecast.training.settings import PricingSettings
from relu_forecast.training.softening import SoftModulus


def search_violating(
    features: Features, residual: Float[Tensor, "n C"], starts: Float[Tensor, "S d"],
    settings: PricingSettings, *, n_finished: int | None = None, known: PricedNeurons | None = None
) -> PricedNeurons:
    """Search from each start, with either sign, for a u of cost one with large ``|v'P(Ru)_+|``.

    With several sites or targets, or many weights, this is `search_large`. Else, after one
    fixed-point step, see `_scout`, all climb with kinks that are wide at first, see `_climb`: in
    float32, and on a subsample where there are many rows. The best ``n_finished`` that do
    different things, and the neurons ``known`` before, such as those of a network, climb on all
    rows to the end.

    Starts may have any length. Returned are the best ends on the subsample and the finished ones,
    with their values on all rows. Cost O(N_s d^2 S) times about 20, N_s being the rows of the
    subsample.
    """
    if is_large(features, residual, settings):
        return search_large(
            features, residual, starts, settings, n_finished=n_finished, known=known)
    kept = evenly_spaced(features, settings.scouted_rows, settings.fewest_scouted_samples)
    few = features if len(kept) == features.n_samples else features.restricted(kept)
    few, weights = _in_single(few, residual[kept, 0])
    climbing = _scout(few, weights, (starts * (features.rows != 0).any(0)).float())
    first = settings.first_widths
    for widths, most in ((settings.coarse_widths[:first], settings.most_compared),
                         (settings.coarse_widths[first:], settings.most_valued)):
        climbing = _climb(few, weights, climbing, widths).distinct(
            few, -torch.inf, most, settings, settings.almost_same_outputs)
    climbed = climbing.revalued(features, residual)
    count = settings.finished if n_finished is None else n_finished
    best = climbed.at(torch.arange(min(count, len(climbed.values))))
    if known is not None:
        best = best.merged(known)
    fine, weights = settings.finishing_widths(features.norm.n_groups), features.spread(residual)
    finished = _climb(features, weights[:, 0], best, fine)
    if features.norm.n_groups > 1:
        last = fine[-1:] * settings.settling_steps
        finished = settled(finished, settings,
                           lambda found: _climb(features, weights[:, 0], found, last))
    return finished.merged(climbed)


def is_large(
    features: Features, residual: Float[Tensor, "n C"], settings: PricingSettings
) -> bool:
    """Tell whether neurons have several outputs, or too many weights for systems to be formed."""
    several = features.n_sites * residual.shape[1] > 1
    return several or features.width > settings.formed_weights


def _in_single(
    features: Features, residual: Float[Tensor, " n"]
) -> tuple[Features, Float[Tensor, " N"]]:
    """Return rows and weights of size one in float32, and the norm to match."""
    tiny = torch.finfo(residual.dtype).tiny
    rows, weights = (part / part.abs().amax().clamp_min(tiny) for part in (
        features.rows, features.spread(residual)))
    norm = GroupNorm(features.norm.weights.float())
    return Features(rows.float(), features.n_samples, norm), weights.float()


def _scout(
    features: Features, weights: Float[Tensor, " N"], starts: Float[Tensor, "S d"]
) -> PricedNeurons:
    """Take a fixed-point step from each start with either sign; keep the better point.

    With q the gradient ``R'(s P'v * 1[Ru > 0])`` in the cell of u, the step is
    ``u_g <- ||u_g|| q_g / omega_g`` for each group g, normalised: where q'w is largest on the
    ellipsoid that touches the ball of N at u from inside. With one group that is ``u <- q``.
    """
    rows, norm = features.rows, features.norm
    signs = torch.ones_like(starts[:, 0]).repeat(2)
    signs[len(starts):] = -1.0
    directions = norm.normalised(starts.repeat(2, 1))
    best, values = directions, torch.full_like(signs, -torch.inf)
    for _ in range(2):
        switched = (directions @ rows.T > 0).to(rows).mul_(weights)
        gradient = signs[:, None] * (switched @ rows)
        reached = (gradient * directions).sum(1)
        best = directions.where((reached > values)[:, None], best)
        values = torch.maximum(values, reached)
        scales = norm.group_norms(directions) / norm.weights
        directions = norm.normalised((norm.grouped(gradient) * scales[:, :, None]).flatten(1))
    return PricedNeurons(best, signs[:, None], values)


def _climb(
    features: Features, weights: Float[Tensor, " N"], found: PricedNeurons, widths: Sequence[float]
) -> PricedNeurons:
    """Climb by Newton steps through kinks that get narrower; return each path's best point.

    A row with ``s v_t < 0`` bends ``s v'P(Ru)_+`` down where it vanishes, so maxima gather
    there, and steps along the gradient jump across. Here ``(t)_+`` is softened, and the
    curvature of these rows is in the Newton matrix; that of the other rows, whose kinks repel,
    is left out: what is climbed stays concave. See `softening`.
    """
    if len(found.values) == 0:
        return found
    slabs = _slabs(features.rows, weights, found.heads[:, 0])
    gram = features.rows.T @ features.rows / len(features.rows)
    directions = features.norm.normalised(found.directions)
    best, values = directions, torch.full_like(found.values, -torch.inf)
    for width in (*widths, widths[-1]):
        squares = ((directions @ gram) * directions).sum(1)
        sizes = squares.clamp_min(torch.finfo(gram.dtype).tiny).sqrt()
        parts = zip(*(slab.evaluate(directions, width * sizes) for slab in slabs), strict=True)
        reached, gradient, curvature = (torch.stack(part).sum(0) for part in parts)
        best = directions.where((reached > values)[:, None], best)
        values = torch.maximum(values, reached)
        move = _newton_move(features.norm, directions, gradient, curvature, width)
        for slab in slabs:
            slab.update_duals(move)
        directions = features.norm.normalised(directions + move)
    return PricedNeurons(best, found.heads, values).best_first()


def _newton_move(
    norm: GroupNorm, directions: Float[Tensor, "k d"], gradient: Float[Tensor, "k d"],
    curvature: Float[Tensor, "k d d"], width: float
) -> Float[Tensor, "k d"]:
    """Return the Newton step from u for the least ``L/2 N(u)^2 - s v'P(Ru)_+``; see `norm_metric`.

    With one group and no curvature it ends at ``q / L``, q the gradient.
    """
    metric = norm_metric(norm, directions, gradient, width)
    pull = (gradient - metric * directions)[:, :, None]
    matrix = curvature + torch.diag_embed(metric)
    move: Tensor = torch.linalg.solve_ex(matrix, pull)[0][:, :, 0]
    return move.nan_to_num(0.0, 0.0, 0.0)  # a singular matrix moves nothing


class _Slab:
    """Some rows, and the kinks of all climbing neurons on them; ``weights`` are v at these rows."""

    def __init__(
        self, rows: Float[Tensor, "N d"], weights: Float[Tensor, " N"], signs: Float[Tensor, " k"]
    ) -> None:
        self.rows, self.slopes = rows, weights[:, None] * signs
        self.products = TriangularProducts.of(rows)
        self.duals: Tensor | None = None

    def evaluate(
        self, directions: Float[Tensor, "k d"], widths: Float[Tensor, " k"]
    ) -> tuple[Float[Tensor, " k"], Float[Tensor, "k d"], Float[Tensor, "k d d"]]:
        """Return the share of these rows in worth, softened gradient and concave curvature."""
        outputs = self.rows @ directions.T
        self.soft = SoftModulus.of(outputs, widths)
        if self.duals is None:
            self.duals = self.soft.slopes
        self.curvatures = self.soft.curvatures(self.duals)
        gradient = torch.addcmul(self.slopes, self.slopes, self.soft.slopes).T @ self.rows / 2
        bent = self.slopes.clamp_max(0.0).mul_(self.curvatures).mul_(-0.5)
        worth = outputs.relu_().mul_(self.slopes).sum(0)
        return worth, gradient, self.products.weighted_grams(bent.T)

    def update_duals(self, move: Float[Tensor, "k d"]) -> None:
        """Let the slopes of the kinks follow a move of the directions."""
        self.duals = self.soft.next_duals(self.curvatures, self.rows @ move.T)


def _slabs(
    rows: Float[Tensor, "N d"], weights: Float[Tensor, " N"], signs: Float[Tensor, " k"]
) -> list[_Slab]:
    """Cut the rows into slabs that a processor's cache holds."""
    size = rows_per_slab(SEARCHED.on(rows.device), len(signs))
    return [_Slab(rows[own], weights[own], signs) for own in slices(len(rows), size)]
