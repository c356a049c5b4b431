"""Pricing: the search for the neuron that most violates optimality of a network.

With v the (projected) residual, a network is a global optimum of (1) exactly when no unit u has
``|v'(Xu)_+| > beta``; THEORY section 5. The maximum is over a nonconvex set: a multi-start
search finds large values, and what it does not find it cannot rule out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

_COMPARED = 400
_SAME_OUTPUTS = 0.99
_FEWEST = 64


@dataclass(frozen=True)
class PricedNeurons:
    """Unit neurons by how much they would lower the objective, best first.

    Attributes
    ----------
    directions : Tensor, shape (S, d)
        Unit weights u.
    signs : Tensor, shape (S,)
        Sign of ``v'(Xu)_+``, that of the output weight.
    values : Tensor, shape (S,)
        ``|v'(Xu)_+|``, decreasing.
    """

    directions: Float[Tensor, "S d"]
    signs: Float[Tensor, " S"]
    values: Float[Tensor, " S"]

    def diverse(self, X: Float[Tensor, "n d"], above: float, most: int) -> PricedNeurons:
        """Return at most ``most`` neurons worth more than ``above`` that do different things.

        Best first; a neuron is passed over when its outputs on ``X`` are nearly a multiple
        (cosine above 0.99) of those of a better one of the same sign, as most ends of a search
        are.
        """
        worth = min(int((self.values > above).sum()), _COMPARED)
        outputs = (self.directions[:worth] @ X.T).relu() * self.signs[:worth, None]
        cosines = (_normalise(outputs) @ _normalise(outputs).T).cpu().numpy()
        kept: list[int] = []
        for candidate in range(worth):
            if len(kept) < most and (cosines[candidate, kept] < _SAME_OUTPUTS).all():
                kept.append(candidate)
        index = torch.as_tensor(kept, dtype=torch.long, device=X.device)
        return PricedNeurons(self.directions[index], self.signs[index], self.values[index])


def price(
    X: Float[Tensor, "n d"], residual: Float[Tensor, " n"], starts: Float[Tensor, "S d"]
) -> PricedNeurons:
    """Search from each start, with either sign, for a unit u with large ``|v'(Xu)_+|``.

    The step is ``u <- X'(s v * 1[Xu > 0])``, normalised. Maxima inside a cell are its fixed
    points; those on a face (some ``x_t'u = 0`` with ``s v_t < 0``) are only approached, by the
    half steps at the end, so the value found can be a little low. All starts take a few steps
    in float32; twice the better third goes on, and the best point of each trajectory is kept.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Samples.
    residual : Tensor, shape (n,)
        v.
    starts : Tensor, shape (S, d)
        Where to start; any length.

    Returns
    -------
    PricedNeurons
        The ends of the search, at most 2S neurons. Cost O(n d S) times about 20.
    """
    signs = torch.ones(len(starts), dtype=X.dtype, device=X.device)
    tiny = torch.finfo(X.dtype).tiny
    scout = _climb(
        X.float(), (residual / residual.abs().amax().clamp_min(tiny)).float(),
        _normalise(starts).repeat(2, 1).float(), torch.cat([signs, -signs]).float(),
        n_steps=5, half_steps=False)
    found = PricedNeurons(scout.directions.to(X), scout.signs.to(X), scout.values.to(X))
    for n_steps, half_steps in ((10, False), (20, True)):
        kept = max(_FEWEST, len(found.values) // 3)
        found = _climb(X, residual, found.directions[:kept], found.signs[:kept], n_steps,
                       half_steps)
    return found


def _climb(
    X: Float[Tensor, "n d"],
    residual: Float[Tensor, " n"],
    directions: Float[Tensor, "S d"],
    signs: Float[Tensor, " S"],
    n_steps: int,
    half_steps: bool,
) -> PricedNeurons:
    """Take ``n_steps`` fixed-point steps and return the best point of each trajectory."""
    best, values = directions, torch.full_like(signs, -torch.inf)
    for _ in range(n_steps):
        switched = (directions @ X.T > 0).to(X).mul_(residual)
        gradient = signs[:, None] * (switched @ X)
        reached = (gradient * directions).sum(1)
        best = directions.where((reached > values)[:, None], best)
        values = torch.maximum(values, reached)
        target = _normalise(gradient)
        directions = _normalise(directions + target) if half_steps else target
    order = values.argsort(descending=True)
    return PricedNeurons(best[order], signs[order], values[order])


def random_starts(
    X: Float[Tensor, "n d"], n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions, half of them in the metric that makes outputs isotropic.

    Windows of a smooth signal are almost collinear: a plain Gaussian direction switches on
    with the signal's level only. Whitened directions see the small components too.
    """
    d = X.shape[1]
    plain = torch.as_tensor(generator.standard_normal((n_starts, d))).to(X)
    _, values, right = torch.linalg.svd(torch.linalg.qr(X, mode="r").R)
    floor = values[0] * torch.finfo(X.dtype).eps * max(X.shape)
    sizes = (1 / values.clamp_min(floor)).where(values > floor, 0.0)
    whitening = sizes[:, None] * right[: len(values)]
    half = n_starts // 2
    return torch.cat([plain[half:], plain[:half, : len(values)] @ whitening])


def perturbed_starts(
    neurons: Float[Tensor, "m d"], n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return the neurons and at least ``n_starts`` near them, 1 to 30 percent away."""
    unit = _normalise(neurons)
    copies = -(-n_starts // max(1, len(unit)))
    sizes = torch.as_tensor(10.0 ** generator.uniform(-2, -0.5, (copies, len(unit), 1)))
    noise = torch.as_tensor(generator.standard_normal((copies, *unit.shape)))
    near = unit + (sizes * noise).to(unit) / unit.shape[1] ** 0.5
    return torch.cat([unit, near.flatten(0, 1)])


def _normalise(directions: Float[Tensor, "S d"]) -> Float[Tensor, "S d"]:
    """Return the rows at unit length; zero rows stay zero."""
    size: Tensor = directions.norm(dim=1, keepdim=True)
    return directions / size.clamp_min(torch.finfo(size.dtype).tiny)
