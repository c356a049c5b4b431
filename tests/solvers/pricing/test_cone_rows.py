from __future__ import annotations

import numpy as np
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.settings import BlockPricingSettings
from tests.fakes import FAKE, fake


def test_fake_cuda_separation_stays_on_the_device_and_never_asks_the_host():
    with FakeTensorMode():
        index = fake(56, dtype=torch.long)
        cone_rows = ConeRows(fake(50, 6), fake(56, 6), index, fake(9, 50, dtype=torch.bool), 200,
                             BlockPricingSettings())
        cut = cone_rows.cut(fake(7, 6), fake(7, 6))
        working = cone_rows.extended(WorkingRows.empty(fake(7, 6), cone_rows.width), cut)
        cones = cone_rows.cones(fake(7, dtype=torch.long), working).rows
        every = [*vars(cut).values(), *vars(working).values(), cones]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert cones.shape == (7, working.rows.shape[1], 6)
    assert cones.shape[1] > cone_rows.width


def cells(n=40, d=4, count=6, seed=0):
    """Return the rows of cones, points inside them, and points anywhere."""
    generator = np.random.default_rng(seed)
    rows, inner, points = (torch.tensor(generator.standard_normal(shape))
                           for shape in ((n, d), (count, d), (count, d)))
    return ConeRows.of(rows, inner @ rows.T >= 0, None, BlockPricingSettings()), inner, points


def test_a_cut_is_where_segments_leave_their_cones():
    cone_rows, inner, points = cells()
    cut = cone_rows.cut(inner, points)
    signs = cone_rows.masks.double() * 2 - 1
    for share, inside in ((1 - 1e-6, True), (1 + 1e-6, False)):
        ends = inner + share * cut.lengths[:, None] * (points - inner)
        margins = ((ends @ cone_rows.rows.T) * signs).amin(1)
        assert bool(((margins > 0) == inside)[cut.lengths < 1].all())
    assert bool((cut.lengths < 1).any())
    own = (points @ cone_rows.rows.T).gather(1, cut.rows) * signs.gather(1, cut.rows)
    assert bool((own < 0)[cut.cutting].all())


def test_a_segment_that_stays_inside_is_not_cut():
    cone_rows, inner, _ = cells()
    cut = cone_rows.cut(inner, 2 * inner)
    assert not bool(cut.cutting.any())
    assert cut.lengths.tolist() == [1.0] * len(inner)


def test_rows_of_a_cut_join_once_and_without_multipliers():
    cone_rows, inner, points = cells()
    cut = cone_rows.cut(inner, points)
    once = cone_rows.extended(WorkingRows.empty(points, cone_rows.width), cut)
    twice = cone_rows.extended(once, cut)
    assert once.present.sum(1).tolist() == cut.cutting.sum(1).tolist()
    assert torch.equal(twice.present.sum(1), once.present.sum(1))
    assert not bool(twice.multipliers.any())


def test_the_rows_with_the_largest_multipliers_are_the_leading_ones():
    cone_rows = cells(count=1)[0]
    working = WorkingRows(torch.tensor([[3, 7, 9]]), torch.ones(1, 3, dtype=torch.bool),
                          torch.tensor([[0.0, 100.0, 1.0]], dtype=torch.float64))
    two = cone_rows.leading(working, 2)
    assert (two.rows.tolist(), two.multipliers.tolist()) == ([[7, 9]], [[100.0, 1.0]])
    five = cone_rows.leading(working, 5)
    assert five.rows.shape == (1, 5)
    assert five.present.sum() == 2


def test_cones_are_signed_rows_and_zero_where_there_is_none():
    cone_rows, inner, _ = cells(count=2)
    working = WorkingRows(torch.tensor([[3, 7], [3, 0]]),
                          torch.tensor([[True, True], [True, False]]),
                          torch.zeros(2, 2, dtype=torch.float64))
    cones = cone_rows.cones(torch.tensor([0, 1]), working).rows
    outputs = (cones @ inner[:, :, None])[:, :, 0]
    assert bool((outputs[working.present] > 0).all())
    assert not bool(cones[1, 1].any())
    torch.testing.assert_close(cones[0, 0].abs(), cone_rows.rows[3].abs())


def test_zero_rows_are_no_rows_of_a_cone():
    rows = torch.zeros(9, 3, dtype=torch.float64)
    rows[4] = 1.0
    cone_rows = ConeRows.of(rows, (rows @ rows[4] >= 0)[None], None, BlockPricingSettings())
    assert set(cone_rows.kept.tolist()) == {4}
    assert len(cone_rows.kept) % BlockPricingSettings().segment == 0
