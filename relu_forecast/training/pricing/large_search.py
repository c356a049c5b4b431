"""The search for violating neurons of many weights, or of many outputs.

All starts climb a little way on few rows in float32; the ends that are best on all rows, and do
different things, climb on all of them in float32; and the best of these to the end. Each step is
one of `conjugate`. Whether a search misses a neuron is decided by the kinks, wide at first, and by
the rows: on a subsample alone it ends on hills that only the subsample has.
"""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.training.pricing.conjugate import climb_by_products
from relu_forecast.training.pricing.priced import PricedNeurons
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

    With one site and target each start climbs with either sign. Neurons ``known`` before, with
    their values, are never lost; they are starts too, and climb to the end where they are among
    the best. Returned are the ends on all rows, with their values there. Cost
    O((N_s S + N S / 6) (d + C)) times about 60, N_s being the rows of the subsample.
    """
    samples = ScoredSamples(features, residual)
    if known is not None:
        starts = torch.cat([starts, known.directions])
    single = samples.in_single()
    begun = _with_heads(single, features.norm.normalised(starts).float())
    scouted = climb_by_products(
        subsampled_evenly(samples, _scouted(features, settings)).in_single(), begun,
        settings.coarse_widths[: settings.first_widths], settings.scouting_products)
    kept = max(settings.fewest_climbing, len(starts) // settings.starts_per_climbing)
    climbing = _revalued(single, scouted).distinct(
        single.features, -torch.inf, kept, settings, settings.almost_same_outputs)
    climbed = climb_by_products(
        _capped(samples, single, settings), climbing, settings.coarse_widths,
        settings.climbing_products).revalued(features, residual)
    if known is not None:
        climbed = climbed.merged(known)
    count = settings.finished if n_finished is None else n_finished
    best = climbed.distinct(features, -torch.inf, count, settings, settings.almost_same_outputs)
    fine = settings.fine_widths
    if features.norm.n_groups > 1:
        fine = fine + settings.group_widths
    finished = climb_by_products(samples, best, fine, settings.finishing_products)
    return finished.merged(climbed)


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


def _scouted(features: Features, settings: PricingSettings) -> int:
    """Return the number of samples on which all starts climb first."""
    return max(settings.scouted_samples, settings.scouted_per_weight * features.width)


def _capped(
    samples: ScoredSamples, single: ScoredSamples, settings: PricingSettings
) -> ScoredSamples:
    """Return the samples that many neurons climb on, in float32: all, unless they are too many."""
    if len(samples.features.rows) <= settings.climbed_rows:
        return single
    most = max(_scouted(samples.features, settings),
               settings.climbed_rows // samples.features.n_patches)
    return subsampled_evenly(samples, most).in_single()


def _with_heads(samples: ScoredSamples, starts: Float[Tensor, "S d"]) -> PricedNeurons:
    """Return neurons in these directions with the best heads; with both signs for one entry."""
    n_entries = samples.features.n_sites * samples.residual.shape[1]
    heads = starts.new_zeros(len(starts), n_entries)
    heads[:, 0] = 1.0
    if n_entries == 1:
        starts, heads = starts.repeat(2, 1), torch.cat([heads, -heads])
    return PricedNeurons(starts, heads, heads[:, 0])


def _revalued(samples: ScoredSamples, found: PricedNeurons) -> PricedNeurons:
    """Return ends with their values on other samples."""
    return found.revalued(samples.features, samples.residual)
