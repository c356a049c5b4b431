"""Sites: the places on a sample that the output weights of a convolution tell apart.

A filter sees p patches of a window. Summed over all of them it has a single output and forgets
where on the window it fired. Cut into S runs of neighbouring patches, it has an output, and an
output weight, for each of these sites; with S = p every patch is a site. THEORY section 8.
"""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_positive_int

Sites = int | Literal["global", "flatten"]


def check_sites(sites: object, n_patches: int | None = None) -> Sites:
    """Return what says how many sites there are; refuse anything else, and more than patches."""
    if isinstance(sites, str) and sites in ("global", "flatten"):
        return sites  # type: ignore[return-value]
    if isinstance(sites, str):
        raise InvalidArgumentError("sites", "'global', 'flatten' or a number of segments",
                                   repr(sites), "Pass for example sites=8.")
    count = check_positive_int(sites, "sites")
    if n_patches is not None and count > n_patches:
        raise InvalidArgumentError(
            "sites", f"at most the number of patches of a window, {n_patches}", str(count),
            "Use fewer sites, a shorter filter or stride, or longer windows.")
    return count


def site_pooling(
    sites: Sites, n_patches: int, like: Tensor
) -> Float[Tensor, "S p"] | None:
    """Return the weight of each patch at each site, on the device of ``like``.

    Sites are runs of neighbouring patches whose lengths differ by at most one. A patch has the
    weight ``1 / sqrt(length of its run)``, so that long and short runs weigh alike. None stands
    for the plain sum of all patches, ``"global"`` or 1, where output weights have no axis of sites.
    More sites than patches are refused.
    """
    if has_plain_sum(sites):
        return None
    chosen = check_sites(sites, n_patches)
    n_sites = chosen if isinstance(chosen, int) else n_patches
    site = torch.arange(n_patches) * n_sites // n_patches
    weights = torch.nn.functional.one_hot(site, n_sites).double()
    return (weights / weights.sum(0).sqrt()).T.contiguous().to(like)


def has_plain_sum(sites: Sites) -> bool:
    """Whether patches are summed over the whole window, and output weights know no sites."""
    return sites in ("global", 1)


def pooled(
    values: Float[Tensor, "N *m"], n_patches: int, pooling: Float[Tensor, "S p"] | None
) -> Float[Tensor, "nS *m"]:
    """Return weighted sums of the patches of each site, those of one sample after one another."""
    if n_patches == 1 or (pooling is not None and pooling.shape[0] == n_patches):
        return values  # every patch is a site of its own
    by_sample = values.reshape(len(values) // n_patches, n_patches, *values.shape[1:])
    if pooling is None:
        return by_sample.sum(1)
    sums = pooling @ by_sample.flatten(2) if values.ndim > 1 else by_sample @ pooling.T
    return sums.reshape(len(by_sample) * len(pooling), *values.shape[1:])


def spread_out(
    values: Float[Tensor, "nS *m"], n_patches: int, pooling: Float[Tensor, "S p"] | None
) -> Float[Tensor, "N *m"]:
    """Return each site's value on its patches, times their weights: the adjoint of `pooled`."""
    if n_patches == 1 or (pooling is not None and pooling.shape[0] == n_patches):
        return values
    if pooling is None:
        return values.repeat_interleave(n_patches, dim=0)
    by_sample = values.reshape(len(values) // len(pooling), len(pooling), *values.shape[1:])
    parts = pooling.T @ by_sample.flatten(2) if values.ndim > 1 else by_sample @ pooling
    return parts.reshape(len(by_sample) * n_patches, *values.shape[1:])
