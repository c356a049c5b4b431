"""Where a search over neurons starts, and on which subsample."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.cells import normalise


def evenly_spaced(features: Features, most_rows: int, fewest: int = 1) -> Int[Tensor, " k"]:
    """Return the indices of evenly spaced samples, with about ``most_rows`` rows in all.

    Neighbouring windows are almost the same, so that evenly spaced ones see more than random
    ones. There are at least ``fewest`` samples, or all of them where there are no more.
    """
    kept = min(max(fewest, most_rows // features.n_patches), features.n_samples)
    device = features.rows.device
    return torch.linspace(0, features.n_samples - 1, kept, device=device).round().long()


def subsampled(features: Features, most_rows: int) -> Features:
    """Return the features of evenly spaced samples; all of them where there are no more."""
    kept = evenly_spaced(features, most_rows)
    return features if len(kept) == features.n_samples else features.restricted(kept)


def random_starts(
    features: Features, n_starts: int, generator: np.random.Generator, whitened_rows: int
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions, half of them in the metric that makes outputs isotropic.

    Windows of a smooth signal are almost collinear: a plain Gaussian direction switches on with the
    signal's level only. Whitened directions, by the covariance of a subsample of ``whitened_rows``,
    see the small components too. Where a norm has groups, their sizes are drawn over two decades,
    as the best neurons have few of them.
    """
    plain = _gaussian(features, n_starts, generator)
    whitening = _whitening(subsampled(features, whitened_rows).rows)
    half = n_starts // 2
    starts = torch.cat([plain[half:], plain[:half, : len(whitening)] @ whitening])
    return _with_scattered_groups(features.norm, starts, generator)


def plain_starts(
    features: Features, n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions, the sizes of groups drawn as in `random_starts`."""
    plain = _gaussian(features, n_starts, generator)
    return _with_scattered_groups(features.norm, plain, generator)


def _gaussian(
    features: Features, n_starts: int, generator: np.random.Generator
) -> Float[Tensor, "S d"]:
    """Return Gaussian directions."""
    drawn = generator.standard_normal((n_starts, features.width))
    return torch.as_tensor(drawn).to(features.rows)


def _whitening(rows: Float[Tensor, "N d"]) -> Float[Tensor, "r d"]:
    """Return a matrix whose rows have orthonormal outputs, or none."""
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
    features: Features, blocks: Float[Tensor, "m d"], n_starts: int, generator: np.random.Generator
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
    features: Features, blocks: Float[Tensor, "m d"], n_starts: int, generator: np.random.Generator,
    whitened_rows: int
) -> Float[Tensor, "S d"]:
    """Return ``n_starts`` of each kind: random, whitened, near the blocks and between them."""
    drawn = random_starts(features, 2 * n_starts, generator, whitened_rows)
    if len(blocks) == 0:
        return drawn
    return torch.cat([drawn, perturbed_starts(features, blocks, n_starts, generator),
                      mixed_starts(blocks, n_starts, generator)])


def few_starts(
    features: Features, blocks: Float[Tensor, "m d"], n_starts: int, generator: np.random.Generator,
    whitened_rows: int
) -> Float[Tensor, "S d"]:
    """Return starts for a search that starts from all blocks anyway, and whose steps are wide.

    There are ``n_starts`` that are whitened and near some of the blocks, twice as many between
    blocks, which lead to most new neurons, and four times as many that are random: these find the
    hills that are far from all blocks.
    """
    drawn = torch.cat([random_starts(features, 2 * n_starts, generator, whitened_rows),
                       plain_starts(features, 3 * n_starts, generator)])
    if len(blocks) == 0:
        return drawn
    some = torch.as_tensor(generator.permutation(len(blocks))[:n_starts]).to(blocks.device)
    near = perturbed_starts(features, blocks[some], n_starts, generator)
    return torch.cat([drawn, near[len(some):], mixed_starts(blocks, 2 * n_starts, generator)])
