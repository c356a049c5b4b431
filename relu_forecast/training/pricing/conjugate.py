"""Neurons of many weights, or of many outputs, climb: Newton steps by conjugate gradients.

A Newton step of `search` forms and solves a system of d x d for each neuron, from products of all
pairs of columns of R: O(N d^2). Here a few products with the matrix of the system, of O(N d) each,
take a neuron nearly as far, and all neurons go through the rows at once, in matrix products.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.slabs import CLIMBED, rows_per_slab
from relu_forecast.training.pricing.priced import PricedNeurons, aligned_heads
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from relu_forecast.training.softening import SoftModulus

Product = Callable[[Float[Tensor, "k d"]], Float[Tensor, "k d"]]
"""Multiplies a vector of each neuron by its own matrix."""


@dataclass(frozen=True)
class _Axes:
    """The axes of the rows, in which the curvature of the kinks is nearly diagonal."""

    basis: Float[Tensor, "d d"]
    """Eigenvectors of ``R'R``; the coordinates as they are where a norm has groups."""
    squares: Float[Tensor, " d"]
    """Mean square of the rows along each axis."""

    @classmethod
    def of(cls, gram: Float[Tensor, "d d"], norm: GroupNorm) -> _Axes:
        """Find the axes of rows whose mean square is ``gram``. Cost O(d^3)."""
        if norm.n_groups > 1:
            return cls(torch.eye(len(gram)).to(gram), gram.diagonal())
        squares, basis = torch.linalg.eigh(gram)
        return cls(basis, squares.clamp_min(0.0))

    def preconditioned(
        self, vectors: Float[Tensor, "k d"], metric: Float[Tensor, "k d"],
        bend: Float[Tensor, " k"]
    ) -> Float[Tensor, "k d"]:
        """Solve with the metric and a curvature that is the same, ``bend``, on all rows."""
        diagonal = metric + bend[:, None] * self.squares
        return ((vectors @ self.basis) / diagonal) @ self.basis.T


def climb_by_products(
    samples: ScoredSamples, found: PricedNeurons, widths: Sequence[float], n_products: int
) -> PricedNeurons:
    """Climb through kinks that get narrower; return each path's best point, best first.

    As in `search`, with two differences: a step solves its system by ``n_products`` steps of
    conjugate gradients, and heads of several entries are the best ones of each point (their
    change along a step is left out: what is climbed lies below the true worth and touches it).
    Cost O(N (d + C) k) for each product, some neurons k at a time.
    """
    rows, norm = samples.features.rows, samples.features.norm
    if len(found.values) == 0:
        return found
    gram = rows.T @ rows / len(rows)
    axes = _Axes.of(gram, norm)
    size = rows_per_slab(CLIMBED.on(rows.device), len(rows), fewest=8)
    climbed = [_climb_together(samples, part, widths, n_products, gram, axes)
               for part in found.parts(size)]
    return PricedNeurons.joined(climbed).best_first()


def _climb_together(
    samples: ScoredSamples, found: PricedNeurons, widths: Sequence[float], n_products: int,
    gram: Float[Tensor, "d d"], axes: _Axes
) -> PricedNeurons:
    """Climb with some neurons at the same time."""
    rows, norm = samples.features.rows, samples.features.norm
    tiny = torch.finfo(rows.dtype).tiny
    directions, heads = norm.normalised(found.directions), found.heads
    best = PricedNeurons(directions, heads, torch.full_like(found.values, -torch.inf))
    duals: Tensor | None = None
    for width in (*widths, widths[-1]):
        outputs = rows @ directions.T
        correlations = samples.correlations(outputs)
        heads = aligned_heads(heads, correlations)
        best = best.where_better(
            PricedNeurons(directions, heads, (correlations * heads).sum(1)))
        slopes = samples.slopes(heads)
        squares = ((directions @ gram) * directions).sum(1)
        soft = SoftModulus.of(outputs, width * squares.clamp_min(tiny).sqrt())
        curvatures = soft.curvatures(soft.slopes if duals is None else duals)
        gradient = torch.addcmul(slopes, slopes, soft.slopes).T @ rows / 2
        bent = slopes.clamp_max_(0.0).mul_(curvatures).mul_(-0.5)
        metric = norm_metric(norm, directions, gradient, width)
        move = _conjugate_gradients(
            _kinked(rows, metric, bent), axes, metric, bent.sum(0),
            gradient - metric * directions, n_products)
        duals = soft.next_duals(curvatures, rows @ move.T)
        directions = norm.normalised(directions + move)
    return best


def norm_metric(
    norm: GroupNorm, directions: Float[Tensor, "k d"], gradient: Float[Tensor, "k d"], width: float
) -> Float[Tensor, "k d"]:
    """Return the diagonal metric of a Newton step for the least ``L/2 N(u)^2 - worth``.

    L is the worth of u. ``N(u)^2`` is replaced by ``sum_g omega_g ||u_g||^2 / ||w_g||``, w being u
    of norm one: no smaller, and equal at w.
    """
    tiny = torch.finfo(gradient.dtype).tiny
    level = (gradient * directions).sum(1)
    level = torch.maximum(level, 1e-3 * gradient.norm(dim=1)).clamp_min(tiny)
    lengths = norm.group_norms(directions)
    if norm.n_groups > 1:
        lengths = (lengths.square() + (width / norm.n_groups) ** 2).sqrt()
    metric = level[:, None] * norm.weights / lengths.clamp_min(tiny)
    return metric.repeat_interleave(directions.shape[1] // norm.n_groups, dim=1)


def _kinked(
    rows: Float[Tensor, "N d"], metric: Float[Tensor, "k d"], bent: Float[Tensor, "N k"]
) -> Product:
    """Return the product with the metric and the curvature of the kinks, ``R' Diag(bent_k) R``."""

    def product(vectors: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
        return torch.addcmul((rows @ vectors.T).mul_(bent).T @ rows, metric, vectors)

    return product


def _conjugate_gradients(
    product: Product, axes: _Axes, metric: Float[Tensor, "k d"], bend: Float[Tensor, " k"],
    pull: Float[Tensor, "k d"], n_products: int
) -> Float[Tensor, "k d"]:
    """Solve each neuron's system for ``pull`` nearly, by so many products; no host is asked."""
    tiny = torch.finfo(pull.dtype).tiny
    move, left = torch.zeros_like(pull), pull
    solved = axes.preconditioned(left, metric, bend)
    ahead, slope = solved, (left * solved).sum(1, keepdim=True)
    for step in range(n_products):
        image = product(ahead)
        length = slope / (ahead * image).sum(1, keepdim=True).clamp_min(tiny)
        move = torch.addcmul(move, length, ahead)
        if step + 1 < n_products:
            left = torch.addcmul(left, length, image, value=-1)
            solved = axes.preconditioned(left, metric, bend)
            last, slope = slope, (left * solved).sum(1, keepdim=True)
            ahead = torch.addcmul(solved, slope / last.clamp_min(tiny), ahead)
    return move.nan_to_num(0.0, 0.0, 0.0)  # a neuron of zero moves nothing
