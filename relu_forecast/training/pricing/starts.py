"""Where a search over neurons starts, and on which samples it looks around."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.cells import normalise

_ROWS_WHITENED = 5000


def even_samples(
    features: Features, most_rows: int, fewest: int = 1
) -> Int[Tensor, " k"] | None:
    """Return evenly spaced samples with about ``most_rows`` rows in all; None for all samples.

    Neighbouring windows are almost the same, so that evenly spaced ones see more than random
    ones. There are at least ``fewest``.
    """
    kept = max(fewest, most_rows // features.n_patches)
    if features.n_samples <= kept:
        return None
    device = features.rows.device
    return torch.linspace(0, features.n_samples - 1, kept, device=device).round().long()


def random_starts(
    features: Features, n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions, half of them in the metric that makes outputs isotropic.

    Windows of a smooth signal are almost collinear: a plain Gaussian direction switches on
    with the signal's level only. Whitened directions see the small components too. Where a norm
    has groups, their sizes are drawn over two decades, as the best neurons have few of them.
    """
    plain = torch.as_tensor(
        generator.standard_normal((n_starts, features.width))).to(features.rows)
    whitening = _whitening(features)
    half = n_starts // 2
    starts = torch.cat([plain[half:], plain[:half, : len(whitening)] @ whitening])
    return _with_scattered_groups(features.norm, starts, generator)


def _whitening(features: Features) -> Float[Tensor, "r d"]:
    """Return a matrix whose rows have orthonormal outputs, or none."""
    some = even_samples(features, _ROWS_WHITENED)
    rows = features.rows if some is None else features.restricted(some).rows
    _, values, right = torch.linalg.svd(torch.linalg.qr(rows, mode="r").R)
    floor = values[0] * torch.finfo(rows.dtype).eps * max(rows.shape)
    seen, right = values > floor, right[: len(values)]
    sizes = (1 / values.clamp_min(floor)).where(seen, 0.0)
    whitening: Tensor = sizes[:, None] * right
    return whitening


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


def mixed_starts(
    blocks: Float[Tensor, "m d"], n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return ``n_starts`` combinations ``u_i + c u_j``, c in [-1, 1], of blocks at unit length."""
    unit = normalise(blocks)
    first, second = torch.as_tensor(generator.integers(len(unit), size=(2, n_starts)))
    shares = torch.as_tensor(generator.uniform(-1, 1, (n_starts, 1))).to(unit)
    return unit[first.to(unit.device)] + shares * unit[second.to(unit.device)]


def spread_starts(
    features: Features,
    blocks: Float[Tensor, "m d"],
    n_starts: int,
    generator: np.random.Generator,
) -> Float[Tensor, "S d"]:
    """Return ``n_starts`` of each kind: random, whitened, near the blocks and between them."""
    drawn = random_starts(features, 2 * n_starts, generator)
    if len(blocks) == 0:
        return drawn
    return torch.cat([drawn, perturbed_starts(features, blocks, n_starts, generator),
                      mixed_starts(blocks, n_starts, generator)])
