"""Pricing of all neurons: exactly where that can be afforded, else by a search.

With V the residual, a network is a global optimum exactly when no neuron u with N(u) = 1 has
``||V'P(Ru)_+|| > beta``; THEORY sections 5 and 8. Where the rows span three dimensions or fewer
all neurons are priced exactly, elsewhere a search from many starts prices what it finds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.networks.features import Features
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.task import TrainingTask
from relu_forecast.training.pricing.exact import price_exactly
from relu_forecast.training.pricing.joint_exact import (
    affordable_rows,
    can_price_jointly,
    price_jointly,
)
from relu_forecast.training.pricing.priced import PricedNeurons, Pricing
from relu_forecast.training.pricing.scored_samples import ScoredSamples
from relu_forecast.training.pricing.search import is_large, search_violating
from relu_forecast.training.pricing.starts import (
    few_starts,
    mixed_starts,
    random_starts,
    spread_starts,
)
from relu_forecast.training.settings import PricingSettings

_ROUNDING = 100
"""Worth of a neuron, in units of the rounding error of its value, that may be nothing."""


@dataclass(frozen=True, eq=False)
class Pricer:
    """Prices neurons on the samples of some features."""

    features: Features
    """R, P and N."""
    settings: PricingSettings
    n_targets: int = 1
    """Outputs of the networks, C."""

    @property
    def n_head_entries(self) -> int:
        """Entries of a neuron's head, sites times targets."""
        return self.features.n_sites * self.n_targets

    @cached_property
    def is_exact(self) -> bool:
        """Whether all neurons can be priced: few dimensions, Euclidean norm, float64."""
        rows, norm = self.features.rows, self.features.norm
        fits = norm.n_groups == 1 and rows.dtype == torch.float64
        return fits and can_price_jointly(rows, self.n_head_entries, self.settings.exact_rows)

    @property
    def is_cheap(self) -> bool:
        """Whether pricing all neurons costs no more than a search."""
        rows, settings = self.features.rows, self.settings
        cheap = affordable_rows(self.n_head_entries, settings.cheap_rows)
        return self.is_exact and (rows.shape[1] <= 2 or len(rows) <= cheap)

    def price_all(self, residual: Float[Tensor, "n C"]) -> Pricing:
        """Price all neurons; the value of the first one is the exact bound."""
        rows, most = self.features.rows, self.settings.exact_rows
        weights = ScoredSamples(self.features, residual).row_weights()
        if weights.shape[1] == 1:
            exact = price_exactly(rows, weights[:, 0], most_rows=most)
        else:
            exact = price_jointly(rows, weights, most_rows=most)
        values = exact.values.clone()
        values[0] = exact.value
        return Pricing(PricedNeurons(exact.directions, exact.heads, values), "network")

    def search(
        self, residual: Float[Tensor, "n C"], starts: Float[Tensor, "S d"], *,
        n_finished: int | None = None, known: PricedNeurons | None = None,
        gap: float | None = None
    ) -> Pricing:
        """Price what a search from some starts finds, as precisely as a ``gap`` to reach needs.

        See `search_violating`; without a gap the settings say how precisely.
        """
        settings = self.settings if gap is None else self.settings.for_gap(gap)
        found = search_violating(self.features, residual, starts, settings,
                                 n_finished=n_finished, known=known)
        return Pricing(found, "network-estimated")

    def search_near(
        self, residual: Float[Tensor, "n C"], neurons: Neurons, n_starts: int,
        generator: np.random.Generator, *, ends: Float[Tensor, "k d"] | None = None,
        n_finished: int | None = None, gap: float | None = None
    ) -> Pricing:
        """Search for neurons that a network lacks, from all kinds of starts and its own neurons.

        There are ``n_starts`` of each kind, see `spread_starts`; ``ends`` of an earlier search are
        further ones, ``gap`` is as in `search`. With many weights or outputs a search with many
        starts goes on from between its own ends, see `_between`.
        """
        starts = self._spread(residual, neurons.blocks, n_starts, generator)
        if ends is not None:
            starts = torch.cat([ends, starts])
        known = PricedNeurons.unvalued(neurons).revalued(self.features, residual)
        rounds = n_starts // self.settings.starts_per_round if self._is_large(residual) else 0
        priced = self.search(
            residual, starts, n_finished=0 if rounds else n_finished, known=known, gap=gap)
        for left in reversed(range(rounds)):
            between = self._between(priced.found, n_starts, generator)
            more = self.search(
                residual, between, n_finished=0 if left else n_finished, gap=gap).found
            priced = replace(priced, found=priced.found.merged(more))
        return priced

    def price_linear(self, residual: Float[Tensor, "n C"], seed: int) -> Pricing:
        """Price the network without neurons, whose residual is that of the linear part."""
        if self.is_exact:
            return self.price_all(residual)
        generator = np.random.default_rng(seed)
        return self.search(residual, self._random(self.settings.linear_starts, generator))

    def reprice_linear(
        self, residual: Float[Tensor, "n C"], ends: Float[Tensor, "k d"], n_starts: int,
        n_finished: int, seed: int
    ) -> Pricing:
        """Do so from where an earlier search ended and a few other starts.

        The others keep the largest penalty right over many fits: ends follow their own hill only.
        """
        if self.is_exact:
            return self.price_all(residual)
        others = self._spread(residual, ends, n_starts, np.random.default_rng(seed))
        return self.search(residual, torch.cat([ends, others]), n_finished=n_finished)

    def distinct(self, found: PricedNeurons, above: float, most: int) -> PricedNeurons:
        """Return some of the neurons found that do different things; see `PricedNeurons`."""
        return found.distinct(self.features, above, most, self.settings)

    def beta_max(self, task: TrainingTask, linear: Pricing) -> float:
        """Return the smallest beta at which the network has no neuron.

        ``max_{N(u) <= 1} ||V'P(Ru)_+||`` with V the residual of the linear part (or the targets):
        exact when the pricing was, else a lower bound that a longer search could raise. For
        gated ReLU, the largest dual norm of ``R'D P'v`` over random patterns D and those that
        pricing ended on. It is 0 where the linear part fits the targets to rounding.

        Parameters
        ----------
        task : TrainingTask
            On the samples of the features.
        linear : Pricing
            Of the network without neurons.
        """
        features, found = self.features, linear.found
        rounding = _ROUNDING * torch.finfo(task.targets.dtype).eps * task.targets.norm()
        outputs = features.outputs(found.directions).norm(dim=0)
        worth = found.values.where(found.values > rounding * outputs, 0.0)
        if not bool((worth > 0).any()):
            return 0.0
        if task.activation == "relu":
            return float(worth.amax())
        drawn = self._random(self.settings.linear_starts, np.random.default_rng(0))
        gates = torch.cat([found.directions, drawn])
        return float(self._gated_worths(task.linear_residual, gates).amax())

    def _gated_worths(
        self, residual: Float[Tensor, "n C"], gates: Float[Tensor, "m d"]
    ) -> Float[Tensor, " m"]:
        """Return the largest worth of gated neurons of cost one with these gates.

        The dual norm of ``R'D P'v``; with heads of several entries the largest over all of them,
        for each group the largest singular value of ``[R'D P_s'V_c]_sc``.
        """
        features = self.features
        switched = (gates @ features.rows.T >= 0).to(features.rows)
        weights = ScoredSamples(features, residual).row_weights()
        if weights.shape[1] == 1:
            return features.norm.dual_norms((switched * weights[:, 0]) @ features.rows)
        worths = [self._gated_worth(features.rows * on[:, None], weights) for on in switched]
        return torch.stack(worths)

    def _gated_worth(
        self, switched: Float[Tensor, "N d"], weights: Float[Tensor, "N SC"]
    ) -> Float[Tensor, ""]:
        """Return the largest worth of gated neurons that see these rows."""
        groups = self.features.norm.grouped(weights.T @ switched).transpose(0, 1)
        largest: Tensor = torch.linalg.matrix_norm(groups, 2) / self.features.norm.weights
        return largest.amax()

    def _is_large(self, residual: Float[Tensor, "n C"]) -> bool:
        """Tell whether a search at this residual is one of `large_search`."""
        return is_large(self.features, residual, self.settings)

    def _between(
        self, found: PricedNeurons, n_starts: int, generator: np.random.Generator
    ) -> Float[Tensor, "S d"]:
        """Return starts between the best ends of a search: they lead to better ones."""
        best = self.distinct(found, -torch.inf, self.settings.mixed_ends)
        return mixed_starts(best.directions, n_starts, generator)

    def _random(self, n_starts: int, generator: np.random.Generator) -> Float[Tensor, "S d"]:
        """Return random starts."""
        return random_starts(self.features, n_starts, generator, self.settings.whitened_rows)

    def _spread(
        self, residual: Float[Tensor, "n C"], blocks: Float[Tensor, "m d"], n_starts: int,
        generator: np.random.Generator
    ) -> Float[Tensor, "S d"]:
        """Return starts of each kind for a search at this residual."""
        starts = few_starts if self._is_large(residual) else spread_starts
        return starts(self.features, blocks, n_starts, generator, self.settings.whitened_rows)
