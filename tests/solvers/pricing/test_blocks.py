from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch
from scipy.optimize import nnls

from relu_forecast.networks.architectures import Circular
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.solvers.pricing import blocks
from relu_forecast.solvers.settings import BlockPricingSettings
from tests.solvers.programs import windows

EUCLIDEAN = GroupNorm.euclidean(torch.zeros((), dtype=torch.float64))
FINE, FINEST = (BlockPricingSettings(violation_tol=tol) for tol in (1e-9, 1e-12))


def price_blocks(*cells, settings=None, **options):
    return blocks.price_blocks(*cells, settings=settings or BlockPricingSettings(), **options)


def ecg_cells(n, count, seed=0, lags=15):
    """Return windows, their masks and gates, and correlations of the linear fit's residual."""
    X, y = windows(n, lags)
    gates = torch.tensor(np.random.default_rng(seed).standard_normal((count, lags)))
    patterns = ActivationPatterns.from_gates(X, gates)
    residual = y - 0.9 * X @ torch.linalg.lstsq(X, y[:, None]).solution[:, 0]
    return X, patterns.masks, patterns.gates, (patterns.masks * residual) @ X


def random_cells(n, d, count, seed):
    generator = np.random.default_rng(seed)
    rows, gates, targets = (torch.tensor(generator.standard_normal(shape))
                            for shape in ((n, d), (count, d), (count, d)))
    return rows, gates @ rows.T >= 0, gates, targets


def signed(rows, mask):
    return rows * (mask.to(rows) * 2 - 1)[:, None]


def least_norms(rows, masks, targets):
    """Return ``min_{alpha >= 0} ||g + C'alpha||`` by NNLS, one block after another."""
    return torch.tensor([nnls(signed(rows, mask).T.numpy(), -target.numpy(), maxiter=10_000)[1]
                         for mask, target in zip(masks, targets, strict=True)])


def largest_products(rows, masks, targets, norm):
    """Return ``max g'u, N(u) <= 1, C u >= 0`` by CVXPY."""
    weights, size = norm.weights.numpy(), rows.shape[1] // norm.n_groups
    values = []
    for mask, target in zip(masks, targets, strict=True):
        scale = float(target.norm())
        u = cp.Variable(rows.shape[1])
        groups = cp.reshape(u, (norm.n_groups, size), "C")
        problem = cp.Problem(cp.Maximize((target / scale).numpy() @ u), [
            signed(rows, mask).numpy() @ u >= 0, weights @ cp.norm(groups, 2, axis=1) <= 1])
        values.append(problem.solve(solver=cp.CLARABEL) * scale)
    return torch.tensor(values)


def check(pricing, exact, cells, norm, beta, oracle=1e-6):
    """Check all that a pricing claims, against the exact values of its blocks."""
    rows, masks, _, targets = cells
    pull = torch.stack([
        signed(rows[own], mask[own]).T @ alpha for own, mask, alpha in zip(
            pricing.rows, masks, pricing.multipliers, strict=True)])
    assert bool((pricing.multipliers >= 0).all())
    torch.testing.assert_close(norm.dual_norms(targets + pull), pricing.values)
    rounding = oracle * targets.norm(dim=1)
    assert bool((pricing.values >= exact - rounding).all())
    assert bool((pricing.reached <= exact + rounding).all())
    above = exact > beta * (1 + 1e-6)
    assert bool((pricing.violating == above)[(exact - beta).abs() > 2e-6 * beta].all())
    certified = ~pricing.violating
    assert bool((pricing.values[certified] <= beta * (1 + 2e-7)).all())
    own = pricing.directions[pricing.violating]
    torch.testing.assert_close(norm.norms(own), torch.ones(len(own), dtype=own.dtype))
    torch.testing.assert_close((own * targets[pricing.violating]).sum(1),
                               pricing.reached[pricing.violating])
    margins = (own @ rows.T) * (masks[pricing.violating].to(rows) * 2 - 1)
    assert bool((margins >= -1e-13 * rows.norm(dim=1)).all())
    excess = (pricing.values - pricing.reached)[pricing.violating]
    share = (pricing.reached - beta)[pricing.violating]
    assert bool((excess <= 0.01 * share + 1e-9 * beta).all())


@pytest.mark.parametrize(("n", "count"), [(300, 60), (1000, 30)])
@pytest.mark.parametrize("quantile", [0.2, 0.7])
def test_prices_of_thin_cells_of_ecg_windows_are_those_of_nnls(n, count, quantile):
    cells = ecg_cells(n, count)
    exact = least_norms(cells[0], cells[1], cells[3])
    beta = float(exact[exact > 0].quantile(quantile))
    pricing = price_blocks(*cells, EUCLIDEAN, beta)
    assert 0 < int(pricing.violating.sum()) < count
    check(pricing, exact, cells, EUCLIDEAN, beta)


@pytest.mark.parametrize(("n", "d"), [(1, 3), (5, 1), (4, 6), (60, 2), (60, 5),
                                      (200, 12), (90, 40)])
def test_prices_of_random_cells_are_those_of_nnls(n, d):
    cells = random_cells(n, d, 25, seed=n)
    exact = least_norms(cells[0], cells[1], cells[3])
    beta = max(float(exact.median()), 0.1)
    check(price_blocks(*cells, EUCLIDEAN, beta), exact, cells, EUCLIDEAN, beta)


@pytest.mark.parametrize("ratio", [1 - 1e-6, 1.0, 1 + 1e-6])
def test_values_at_the_boundary_are_exact(ratio):
    """An optimum's blocks have the value beta: to 1e-9, and so has their direction."""
    rows, masks, gates, targets = random_cells(50, 6, 40, seed=4)
    fine = price_blocks(rows, masks, gates, targets, EUCLIDEAN, 1e-9, settings=FINEST)
    some = fine.reached > 0.1
    assert int(some.sum()) > 10
    torch.testing.assert_close(fine.values[some], fine.reached[some], rtol=1e-10, atol=0.0)
    cells = rows, masks[some], gates[some], targets[some] / fine.values[some, None]
    pricing = price_blocks(*cells, EUCLIDEAN, 1 / ratio)
    assert bool((pricing.violating == (ratio > 1 + 1e-7)).all())
    if ratio >= 1:
        torch.testing.assert_close(pricing.values, torch.ones_like(pricing.values),
                                   rtol=0.0, atol=1.2e-8 if ratio > 1 else 1e-9)
    else:
        assert bool((pricing.values <= 1 / ratio).all())


def test_directions_of_violating_blocks_are_the_normalised_projections():
    rows, masks, gates, targets = random_cells(40, 5, 30, seed=1)
    pricing = price_blocks(rows, masks, gates, targets, EUCLIDEAN, 0.05, settings=FINE)
    assert int(pricing.violating.sum()) > 10
    for block in pricing.violating.nonzero()[:, 0].tolist():
        cone = signed(rows, masks[block]).numpy()
        alpha, size = nnls(cone.T, -targets[block].numpy())
        projection = targets[block].numpy() + cone.T @ alpha
        np.testing.assert_allclose(pricing.directions[block], projection / size, atol=1e-4)


def test_prices_of_circular_blocks_are_those_of_second_order_cone_programs():
    X, masks, gates, _ = ecg_cells(200, 12)
    features = Circular().features(X)
    y = windows(200, 15)[1]
    cells = features.rows, masks, Circular().coordinates(gates), (masks * y) @ features.rows
    exact = largest_products(cells[0], masks, cells[3], features.norm)
    beta = float(exact[exact > 1e-6].median()) * 0.9
    pricing = price_blocks(*cells, features.norm, beta)
    assert 0 < int(pricing.violating.sum()) < 12
    check(pricing, exact, cells, features.norm, beta)


@pytest.mark.parametrize("seed", range(4))
def test_prices_with_groups_in_random_cells_are_those_of_second_order_cone_programs(seed):
    cells = random_cells(12 + 10 * seed, 6, 10, seed)
    norm = GroupNorm(torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))
    exact = largest_products(cells[0], cells[1], cells[3], norm)
    beta = max(float(exact.median()), 0.05)
    check(price_blocks(*cells, norm, beta), exact, cells, norm, beta)


def test_duplicated_and_zero_rows_change_nothing():
    rows, masks, gates, targets = random_cells(30, 4, 20, seed=2)
    plain = price_blocks(rows, masks, gates, targets, EUCLIDEAN, 0.3, settings=FINE)
    many = torch.cat([torch.zeros(3, 4, dtype=rows.dtype), rows, rows, 1e-5 * rows])
    off = torch.zeros(20, 3, dtype=torch.bool)
    cells = many, torch.cat([off, masks, masks, masks], 1), gates, targets
    pricing = price_blocks(*cells, EUCLIDEAN, 0.3, settings=FINE)
    assert torch.equal(pricing.violating, plain.violating)
    torch.testing.assert_close(pricing.values[pricing.violating], plain.values[plain.violating])
    check(pricing, least_norms(many, cells[1], targets), cells, EUCLIDEAN, 0.3)


def test_without_constraints_the_value_is_the_dual_norm():
    rows = torch.zeros(4, 3, dtype=torch.float64)
    masks = torch.ones(2, 4, dtype=torch.bool)
    gates = torch.ones(2, 3, dtype=torch.float64)
    targets = torch.tensor([[3.0, 0.0, 4.0], [0.1, 0.2, 0.0]], dtype=torch.float64)
    pricing = price_blocks(rows, masks, gates, targets, EUCLIDEAN, 1.0)
    torch.testing.assert_close(pricing.values, targets.norm(dim=1))
    assert pricing.violating.tolist() == [True, False]
    torch.testing.assert_close(pricing.directions[0], targets[0] / 5)


def test_a_target_of_zero_is_certified():
    rows, masks, gates, targets = random_cells(10, 3, 2, seed=0)
    pricing = price_blocks(rows, masks, gates, 0 * targets, EUCLIDEAN, 1.0)
    assert pricing.values.tolist() == [0.0, 0.0]
    assert not bool(pricing.violating.any())


@pytest.mark.parametrize("change", [0.0, 1e-3, 1.0])
def test_a_warm_start_gives_a_right_answer_too(change):
    rows, masks, gates, targets = ecg_cells(300, 40)
    beta = 0.3 * float(targets.norm(dim=1).median())
    before = price_blocks(rows, masks, gates, targets, EUCLIDEAN, beta)
    noise = np.random.default_rng(0).standard_normal(targets.shape)
    cells = rows, masks, gates, targets * (1 + change * torch.tensor(noise))
    pricing = price_blocks(*cells, EUCLIDEAN, beta, warm=before)
    check(pricing, least_norms(rows, masks, cells[3]), cells, EUCLIDEAN, beta)


@pytest.mark.parametrize("entries", [1, 1000, 30_000])
def test_tiles_change_nothing(entries):
    cells = ecg_cells(100, 20)
    whole = price_blocks(*cells, EUCLIDEAN, 0.5)
    parts = price_blocks(*cells, EUCLIDEAN, 0.5, tile_entries=entries)
    assert torch.equal(parts.violating, whole.violating)
    torch.testing.assert_close(parts.values, whole.values, rtol=1e-8, atol=1e-9)


def test_blocks_may_share_masks_and_come_in_any_number():
    rows, masks, gates, targets = random_cells(30, 3, 20, seed=6)
    order = torch.arange(1100) % 20
    alone = price_blocks(rows, masks, gates, targets, EUCLIDEAN, 0.5)
    many = price_blocks(rows, masks, gates[order], targets[order], EUCLIDEAN, 0.5, cells=order)
    assert torch.equal(many.violating, alone.violating[order])
    torch.testing.assert_close(many.values, alone.values[order], rtol=1e-8, atol=1e-9)


def test_float32_is_decided_away_from_the_boundary():
    cells = ecg_cells(200, 30)
    exact = least_norms(cells[0], cells[1], cells[3])
    beta = float(exact[exact > 0].median()) * 1.01
    rows, masks, gates, targets = (part if part.dtype == torch.bool else part.float()
                                   for part in cells)
    pricing = price_blocks(rows, masks, gates, targets, GroupNorm.euclidean(rows), beta)
    assert pricing.values.dtype == torch.float32
    clear = (exact - beta).abs() > 1e-2 * beta
    assert bool((pricing.violating == (exact > beta))[clear].all())
