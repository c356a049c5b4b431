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

from relu_forecast.arrangements import first_occurrences


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

    def distinct(self, X: Float[Tensor, "n d"], above: float, most: int) -> PricedNeurons:
        """Return at most ``most`` neurons worth more than ``above``, one per pattern and sign."""
        worth = int((self.values > above).sum())
        masks = self.directions[:worth] @ X.T >= 0
        signed = torch.cat([masks, (self.signs[:worth] > 0)[:, None]], dim=1)
        kept = first_occurrences(signed)[:most]
        return PricedNeurons(self.directions[kept], self.signs[kept], self.values[kept])


def price(
    X: Float[Tensor, "n d"], residual: Float[Tensor, " n"], starts: Float[Tensor, "S d"],
    n_steps: int = 30,
) -> PricedNeurons:
    """Search from each start, with either sign, for a unit u with large ``|v'(Xu)_+|``.

    The step ``u <- X'(s v * 1[Xu > 0])``, normalised, is the fixed point that every local
    maximum satisfies; half steps stop it from jumping between cells, and the best point of
    each trajectory is kept.

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Samples.
    residual : Tensor, shape (n,)
        v.
    starts : Tensor, shape (S, d)
        Where to start; any length.
    n_steps : int, default 30
        Steps from each start.

    Returns
    -------
    PricedNeurons
        2S neurons. Cost O(n_steps n S d).
    """
    signs = torch.ones(len(starts), dtype=X.dtype, device=X.device)
    signs = torch.cat([signs, -signs])
    directions = _normalise(starts).repeat(2, 1)
    best, values = directions, torch.full_like(signs, -torch.inf)
    for step in range(n_steps):
        outputs = directions @ X.T
        gradient = signs[:, None] * (residual.where(outputs > 0, 0.0) @ X)
        reached = (gradient * directions).sum(1)
        best = directions.where((reached > values)[:, None], best)
        values = torch.maximum(values, reached)
        target = _normalise(gradient)
        directions = target if step < n_steps // 2 else _normalise(directions + target)
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
    whitening = (1 / values.clamp_min(floor))[:, None] * right[: len(values)]
    half = n_starts // 2
    return torch.cat([plain[half:], plain[:half, : len(values)] @ whitening])


def perturbed_starts(
    neurons: Float[Tensor, "m d"], copies: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return the neurons themselves and ``copies`` of each, 1 to 30 percent away."""
    unit = _normalise(neurons)
    sizes = torch.as_tensor(10.0 ** generator.uniform(-2, -0.5, (copies, len(unit), 1)))
    noise = torch.as_tensor(generator.standard_normal((copies, *unit.shape)))
    near = unit + (sizes * noise).to(unit) / unit.shape[1] ** 0.5
    return torch.cat([unit, near.flatten(0, 1)])


def _normalise(directions: Float[Tensor, "S d"]) -> Float[Tensor, "S d"]:
    """Return the rows at unit length; zero rows stay zero."""
    size = directions.norm(dim=1, keepdim=True)
    return directions / size.clamp_min(torch.finfo(size.dtype).tiny)
