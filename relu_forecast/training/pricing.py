"""Pricing: the search for the neuron that most violates optimality of a network.

With v the (projected) residual, a network is a global optimum of (1) exactly when no neuron of
cost one, ``N(u) = 1``, has ``|v'P(Ru)_+| > beta``; THEORY section 5. The maximum is over a
nonconvex set: a multi-start search finds large values, and what it does not find it cannot
rule out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.cells import normalise
from relu_forecast.features import Features
from relu_forecast.penalties import GroupNorm
from relu_forecast.training.quasi_newton import minimise

_COMPARED = 400
_SAME_OUTPUTS = 0.99
_FEWEST = 64
POLISHED = 16
"""Neurons that climb on faces at the end of a search."""
_POLISHING_STEPS = 30
_SMOOTHING = (1e-1, 1e-2, 1e-3, 1e-4)


@dataclass(frozen=True)
class PricedNeurons:
    """Neurons of cost one by how much they would lower the objective, best first.

    Attributes
    ----------
    directions : Tensor, shape (S, d)
        Weights u with ``N(u) = 1``.
    signs : Tensor, shape (S,)
        Sign of ``v'P(Ru)_+``, that of the output weight.
    values : Tensor, shape (S,)
        ``|v'P(Ru)_+|``, decreasing.
    """

    directions: Float[Tensor, "S d"]
    signs: Float[Tensor, " S"]
    values: Float[Tensor, " S"]

    def merged(self, other: PricedNeurons) -> PricedNeurons:
        """Return both, best first."""
        values = torch.cat([self.values, other.values])
        order = values.argsort(descending=True, stable=True)
        return PricedNeurons(torch.cat([self.directions, other.directions])[order],
                             torch.cat([self.signs, other.signs])[order], values[order])

    def diverse(self, features: Features, above: float, most: int) -> PricedNeurons:
        """Return at most ``most`` neurons worth more than ``above`` that do different things.

        Best first; a neuron is passed over when its outputs are nearly a multiple (cosine above
        0.99) of those of a better one of the same sign, as most ends of a search are.
        """
        worth = min(int((self.values > above).sum()), _COMPARED)
        outputs = features.outputs(self.directions[:worth]).T * self.signs[:worth, None]
        cosines = (normalise(outputs) @ normalise(outputs).T).cpu().numpy()
        kept: list[int] = []
        for candidate in range(worth):
            if len(kept) < most and (cosines[candidate, kept] < _SAME_OUTPUTS).all():
                kept.append(candidate)
        index = torch.as_tensor(kept, dtype=torch.long, device=self.values.device)
        return PricedNeurons(self.directions[index], self.signs[index], self.values[index])


@torch.enable_grad()
def _climb_faces(
    features: Features, weights: Float[Tensor, " N"], found: PricedNeurons
) -> PricedNeurons:
    """Climb by L-BFGS with the concave kinks smoothed, less and less.

    A row with ``s v_t < 0`` bends ``s v'P(Ru)_+`` down where it vanishes, so maxima gather
    there, and steps along the gradient jump across. With ``(t + sqrt(t^2 + e^2))/2`` for
    ``(t)_+`` in these rows the function is smooth where its maxima are; e goes from a tenth of
    the outputs' size to a ten-thousandth. Coordinates are whitened, all neurons climb at once.
    """
    if len(found.values) == 0:
        return found
    whitening, colouring = _whitening(features.rows)
    signed = found.signs[:, None] * weights
    moving = (found.directions @ colouring).requires_grad_()
    size = (found.directions @ features.rows.T).square().mean(1, keepdim=True).sqrt()
    for share in _SMOOTHING:

        def closure(share: float = share) -> Tensor:
            loss = -_smoothed_worth(features, signed, moving @ whitening, share, size).sum()
            moving.grad, = torch.autograd.grad(loss, moving)
            return loss

        minimise(closure, [moving], _POLISHING_STEPS)
    directions = features.norm.normalised(moving.detach() @ whitening)
    values = (signed * (directions @ features.rows.T).relu()).sum(1)
    return PricedNeurons(directions, found.signs, values)


def _smoothed_worth(
    features: Features,
    signed: Float[Tensor, "k N"],
    directions: Float[Tensor, "k d"],
    share: float,
    size: Float[Tensor, "k 1"],
) -> Float[Tensor, " k"]:
    """Return ``s v'P(Ru)_+ / N(u)`` with concave kinks, and those of N between groups, smoothed."""
    outputs = directions @ features.rows.T
    smooth = (outputs + (outputs.square() + (share * size) ** 2).sqrt()) / 2
    worth = (signed * smooth.where(signed < 0, outputs.relu())).sum(1)
    norm = features.norm
    squares = norm.grouped(directions).square().sum(2)
    floor = 0.0 if norm.n_groups == 1 else (share / norm.n_groups) ** 2
    lengths = (squares + floor * squares.sum(1, keepdim=True)).sqrt()
    return worth / (lengths @ norm.weights)


def price(
    features: Features,
    residual: Float[Tensor, " n"],
    starts: Float[Tensor, "S d"],
    n_polished: int = POLISHED,
) -> PricedNeurons:
    """Search from each start, with either sign, for a u of cost one with large ``|v'P(Ru)_+|``.

    With q the gradient ``R'(s P'v * 1[Ru > 0])`` in the cell of u, the step is
    ``u_g <- ||u_g|| q_g / omega_g`` for each group g, normalised: where q'w is largest on the
    ellipsoid that touches the ball of N at u from inside. With one group that is ``u <- q``.
    Maxima inside a cell are fixed points; those on a face (some ``r_t'u = 0`` with
    ``s v_t < 0``) are approached by steps of 1/2, 1/3, ... of the way, which average the
    gradients of both sides. All starts take a few whole steps in float32; twice the better
    third goes on with the shorter ones, and the best point of each path is kept. At last the
    best of them that do different things climb on faces, see `_climb_faces`: on several hundred
    windows faces hold the maximum, and what is found before can be a third too low.

    Parameters
    ----------
    features : Features
        R, P and N.
    residual : Tensor, shape (n,)
        v.
    starts : Tensor, shape (S, d)
        Where to start; any length.
    n_polished : int, default 16
        Neurons that climb on faces at last.

    Returns
    -------
    PricedNeurons
        The ends of the search, at most 2S neurons and ``n_polished`` more, the same ones on
        faces. Cost O(N d S) times about 20.
    """
    residual = features.spread(residual)
    signs = residual.new_ones(len(starts))
    tiny = torch.finfo(residual.dtype).tiny
    living = starts * (features.rows != 0).any(0)
    scout = _climb(
        features.rows.float(), GroupNorm(features.norm.weights.float()),
        (residual / residual.abs().amax().clamp_min(tiny)).float(),
        living.repeat(2, 1).float(), torch.cat([signs, -signs]).float(), n_steps=5,
        averaging=False)
    found = PricedNeurons(
        scout.directions.to(residual), scout.signs.to(residual), scout.values.to(residual))
    for n_steps in (10, 20):
        kept = max(_FEWEST, len(found.values) // 3)
        found = _climb(features.rows, features.norm, residual, found.directions[:kept],
                       found.signs[:kept], n_steps, averaging=True)
    chosen = found.diverse(features, 0.5 * float(found.values[0]), n_polished)
    return _climb_faces(features, residual, chosen).merged(found)


def _climb(
    rows: Float[Tensor, "N d"],
    norm: GroupNorm,
    weights: Float[Tensor, " N"],
    directions: Float[Tensor, "S d"],
    signs: Float[Tensor, " S"],
    n_steps: int,
    averaging: bool,
) -> PricedNeurons:
    """Take fixed-point steps, whole or ever shorter, and return the best point of each path."""
    directions = norm.normalised(directions)
    best, values = directions, torch.full_like(signs, -torch.inf)
    for step in range(n_steps):
        switched = (directions @ rows.T > 0).to(rows).mul_(weights)
        gradient = signs[:, None] * (switched @ rows)
        reached = (gradient * directions).sum(1)
        best = directions.where((reached > values)[:, None], best)
        values = torch.maximum(values, reached)
        target = norm.normalised(_best_in_ellipsoid(norm, gradient, directions))
        reach = 1 / (step + 2) if averaging else 1.0
        directions = norm.normalised(directions.lerp(target, reach))
    order = values.argsort(descending=True)
    return PricedNeurons(best[order], signs[order], values[order])


def _best_in_ellipsoid(
    norm: GroupNorm, gradient: Float[Tensor, "S d"], directions: Float[Tensor, "S d"]
) -> Float[Tensor, "S d"]:
    """Return ``||u_g|| g_g / omega_g``, the gradient in the metric that N has at u."""
    scales = norm.group_norms(directions) / norm.weights
    return (norm.grouped(gradient) * scales[:, :, None]).flatten(1)


def random_starts(
    features: Features, n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions, half of them in the metric that makes outputs isotropic.

    Windows of a smooth signal are almost collinear: a plain Gaussian direction switches on
    with the signal's level only. Whitened directions see the small components too. Where a norm
    has groups, their sizes are drawn over two decades, as the best neurons have few of them.
    """
    rows, d = features.rows, features.width
    plain = torch.as_tensor(generator.standard_normal((n_starts, d))).to(rows)
    whitening, _ = _whitening(rows)
    half = n_starts // 2
    starts = torch.cat([plain[half:], plain[:half, : len(whitening)] @ whitening])
    return _with_scattered_groups(features.norm, starts, generator)


def _whitening(rows: Float[Tensor, "N d"]) -> tuple[Float[Tensor, "r d"], Float[Tensor, "d r"]]:
    """Return W whose rows have orthonormal outputs (or none), and C with ``u C W = u`` there."""
    _, values, right = torch.linalg.svd(torch.linalg.qr(rows, mode="r").R)
    floor = values[0] * torch.finfo(rows.dtype).eps * max(rows.shape)
    seen, right = values > floor, right[: len(values)]
    sizes = (1 / values.clamp_min(floor)).where(seen, 0.0)
    return sizes[:, None] * right, right.T * values.where(seen, 0.0)


def _with_scattered_groups(
    norm: GroupNorm, starts: Float[Tensor, "S d"], generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return the starts with each group scaled by a factor of 0.01 to 1, where there are groups."""
    if norm.n_groups == 1:
        return starts
    factors = 10.0 ** generator.uniform(-2, 0, (len(starts), norm.n_groups, 1))
    return (norm.grouped(starts) * torch.as_tensor(factors).to(starts)).flatten(1)


def perturbed_starts(
    features: Features,
    blocks: Float[Tensor, "m d"],
    n_starts: int,
    generator: np.random.Generator,
) -> Float[Tensor, "S d"]:
    """Return the blocks at unit length and at least ``n_starts`` 1 to 30 percent away from them."""
    unit = normalise(blocks)
    copies = -(-n_starts // max(1, len(unit)))
    sizes = torch.as_tensor(10.0 ** generator.uniform(-2, -0.5, (copies, len(unit), 1)))
    noise = torch.as_tensor(generator.standard_normal((copies, *unit.shape)))
    near = unit + (sizes * noise).to(unit) / features.width**0.5
    return torch.cat([unit, near.flatten(0, 1)])
