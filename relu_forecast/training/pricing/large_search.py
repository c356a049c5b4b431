"""The search for violating neurons of many weights, or of many outputs.

All starts climb a little way in float32; the best ends that do different things climb again,
through more and narrower kinks; and the best of these in full precision to the end. Each step is
one of `conjugate`. Whether a search misses a neuron is decided by the kinks, wide at first, by the
rows (on few of them there are hills that are not there on all), and by random starts: the hill
that is missed is far from all neurons of the network.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.training.pricing.conjugate import climb_by_products
from relu_forecast.training.pricing.priced import PricedNeurons, aligned_heads
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from relu_forecast.training.pricing.starts import evenly_spaced
from relu_forecast.training.settings import PricingSettings

_RIDGE = 1e-8
"""Of the linear part of a subsample, as a share of the mean square of the rows."""


def search_large(
    features: Features, residual: Float[Tensor, "n C"], starts: Float[Tensor, "S d"],
    settings: PricingSettings, *, n_finished: int | None = None, known: PricedNeurons | None = None
) -> PricedNeurons:
    """Search from each start for a u of cost one with large ``||[P_s(Ru)_+'V_c]_sc||``.

    With one site and target a start climbs with the sign of its worth. Neurons ``known`` before,
    with their values, are never lost; they are starts of their own kind too, and climb to the end
    where they are among the best. Returned are the ends on all rows, with their values there. Cost
    O(N S (d + C)) times about 30, N being the rows or the number of them that settings allow.
    """
    samples = ScoredSamples(features, residual)
    groups = [starts] if known is None else [starts, known.directions]
    scouted = [_scout(samples, group, settings) for group in groups]
    climbed = climb_by_products(
        _limited(samples, settings.climbed_rows, settings), PricedNeurons.joined(scouted),
        settings.coarse_widths, settings.climbing_products).revalued(features, residual)
    if known is not None:
        climbed = climbed.merged(known)
    count = settings.finished_large if n_finished is None else n_finished
    best = climbed.distinct(features, -torch.inf, count, settings, settings.almost_same_outputs)
    fine = settings.finishing_widths(features.norm.n_groups)
    finished = climb_by_products(samples, best, fine, settings.finishing_products)
    last = fine[-1:] * settings.settling_steps
    finished = settled(finished, settings, lambda found: climb_by_products(
        samples, found, last, settings.finishing_products))
    return finished.merged(climbed)


def settled(
    finished: PricedNeurons, settings: PricingSettings,
    climb: Callable[[PricedNeurons], PricedNeurons]
) -> PricedNeurons:
    """Climb on until the best value rises no more: heads and groups converge only linearly."""
    for _ in range(settings.most_settling if len(finished.values) else 0):
        before = finished.values[0]
        finished = climb(finished)
        if finished.values[0] - before <= settings.settled * before.abs():
            break
    return finished


def subsampled_evenly(samples: ScoredSamples, most: int) -> ScoredSamples:
    """Return at most so many evenly spaced samples that see the linear part of all of them.

    ``(t)_+ = t/2 + |t|/2``: the worth of a neuron has a part that is linear in its weights. Beside
    a linear skip it vanishes, on a subsample it does not, and there it hides the rest. It is known
    exactly, ``P_sR'V_c / 2``, so the residual of the subsample is shifted by a linear function
    of the rows that gives it the share of the subsample in it.
    """
    features, residual = samples.features, samples.residual
    kept = evenly_spaced(features, 1, most)
    if len(kept) == features.n_samples:
        return samples
    pooled = features.pool(features.rows).reshape(features.n_samples, -1)
    few, values = pooled[kept], residual[kept]
    lacking = (pooled.T @ residual) * (len(kept) / features.n_samples) - few.T @ values
    gram = few.T @ few
    ridge = _RIDGE * gram.diagonal().mean() + torch.finfo(gram.dtype).tiny
    factor, _ = torch.linalg.cholesky_ex(gram + torch.diag_embed(ridge.expand(len(gram))))
    shift = few @ torch.cholesky_solve(lacking, factor)
    return ScoredSamples(features.restricted(kept), values + shift.nan_to_num(0.0, 0.0, 0.0))


def _scout(
    samples: ScoredSamples, starts: Float[Tensor, "S d"], settings: PricingSettings
) -> PricedNeurons:
    """Climb a little way from all starts of a kind; return the best ends that differ."""
    few = _limited(samples, settings.scouted_rows_large, settings)
    begun = _with_heads(few, samples.features.norm.normalised(starts).float())
    ends = climb_by_products(
        few, begun, settings.coarse_widths[: settings.scouting_widths],
        settings.scouting_products)
    kept = max(settings.fewest_climbing, len(starts) // settings.starts_per_climbing)
    return ends.distinct(
        few.features, -torch.inf, kept, settings, settings.almost_same_outputs)


def _limited(
    samples: ScoredSamples, most_rows: int, settings: PricingSettings
) -> ScoredSamples:
    """Return samples in float32: all, or some where there are more rows than that."""
    features = samples.features
    most = max(most_rows // features.n_patches, settings.fewest_scouted_samples,
               settings.samples_per_weight * features.width)
    return subsampled_evenly(samples, most).in_single()


def _with_heads(samples: ScoredSamples, starts: Float[Tensor, "S d"]) -> PricedNeurons:
    """Return neurons in these directions with their best heads."""
    correlations = samples.correlations(samples.features.rows @ starts.T)
    first = torch.zeros_like(correlations)
    first[:, 0] = torch.where(correlations[:, 0] < 0, -1.0, 1.0)
    heads = aligned_heads(first, correlations)
    return PricedNeurons(starts, heads, (heads * correlations).sum(1))
