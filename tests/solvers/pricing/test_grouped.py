from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from relu_forecast.solvers import BlockPricingSettings
from relu_forecast.solvers.pricing.candidates import priced
from relu_forecast.solvers.pricing.grouped import GroupedPricer, GroupedPricing
from tests.solvers.programs import random_program, window_program

SETTINGS = BlockPricingSettings()


def pricing_of(program, count=2, settings=SETTINGS, before=None, looseness=0.0, scale=1.0):
    """Price all blocks of a program by the residual of the targets, from a few groups."""
    targets = scale * program.design.adjoint(program.annihilate(program.targets))
    ratios = program.norm.group_norms(targets) / program.norm.weights
    groups = torch.zeros_like(ratios, dtype=torch.bool).scatter_(
        1, ratios.topk(count, dim=1).indices, True)
    unknown = GroupedPricing.unknown(program.norm.normalised(program.gates), groups)
    index = torch.arange(program.n_blocks)
    pricing = GroupedPricer(program, settings).price(
        index, targets, before or unknown, looseness=looseness)
    return pricing, targets


PROGRAMS = {
    "few": lambda: random_program(name="circular, even", n=10, beta=0.5),
    "odd": lambda: random_program(name="circular, odd", n=12, beta=0.5, linear_skip=True),
    "windows": lambda: window_program("circular", n=60, lags=16, n_patterns=6, ratio=0.3)}


@pytest.mark.parametrize("name", PROGRAMS)
def test_bounds_are_those_of_pricing_with_all_groups(name):
    program = PROGRAMS[name]()
    pricing, targets = pricing_of(program)
    whole = priced(program, torch.arange(program.n_blocks), targets, None, SETTINGS)
    above = whole.values > program.beta * (1 + 1e-6)
    torch.testing.assert_close(pricing.values > program.beta * (1 + 1e-6), above)
    assert bool((pricing.reached <= pricing.values * (1 + 1e-9)).all())
    assert bool((pricing.reached <= whole.values * (1 + 1e-9)).all())
    excess = (pricing.values - pricing.reached)[above]
    assert bool((excess <= 0.1 * (pricing.reached[above] - program.beta)).all())


@pytest.mark.parametrize("name", PROGRAMS)
def test_multipliers_prove_the_values_and_directions_attain_the_lower_bounds(name):
    program = PROGRAMS[name]()
    pricing, targets = pricing_of(program)
    alpha = torch.zeros_like(program.design.margins(targets))
    alpha.scatter_add_(1, pricing.rows, pricing.multipliers)
    assert bool((alpha >= 0).all())
    correlations = targets + program.design.margins_adjoint(alpha)
    torch.testing.assert_close(program.norm.dual_norms(correlations), pricing.values)
    torch.testing.assert_close((targets * pricing.directions).sum(1), pricing.reached)
    assert float((-program.design.margins(pricing.directions)).amax()) <= 1e-9
    assert bool((program.design.margins(pricing.inner) > 0).all())


def test_what_is_known_certifies_at_once():
    program = PROGRAMS["windows"]()
    before, _ = pricing_of(program, scale=0.3)
    assert bool((before.values <= program.beta * (1 + 1e-6)).any())
    again, _ = pricing_of(program, before=before, scale=0.3)
    certified = before.values <= program.beta
    torch.testing.assert_close(again.values[certified], before.values[certified])


def test_blocks_without_cones_have_their_dual_norms():
    program = random_program(name="circular, even", activation="gated_relu")
    pricing, targets = pricing_of(program)
    values = program.norm.dual_norms(targets)
    assert torch.equal(pricing.values, values)
    assert torch.equal(pricing.reached, values)
    ratios = program.norm.group_norms(targets) / program.norm.weights
    assert torch.equal(pricing.used, ratios >= 0.8 * values[:, None])


@pytest.mark.long
@pytest.mark.parametrize("rules", [
    {"joining_rows": 3}, {"joining_groups": 1}, {"used_groups": 0.1}, {"first_width": 1e-6}])
def test_a_setting_changes_the_way(rules):
    program = PROGRAMS["windows"]()
    usual, _ = pricing_of(program)
    other, _ = pricing_of(program, settings=replace(SETTINGS, **rules))
    assert not torch.equal(usual.values, other.values) or not torch.equal(usual.used, other.used)


def test_a_loose_pricing_says_as_well_which_blocks_violate():
    program = PROGRAMS["windows"]()
    exact, _ = pricing_of(program)
    loose, _ = pricing_of(program, looseness=1.0)
    torch.testing.assert_close(loose.reached > program.beta, exact.reached > program.beta)
    assert not torch.equal(loose.values, exact.values)
