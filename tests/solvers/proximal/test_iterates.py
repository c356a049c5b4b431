from __future__ import annotations

import torch

from relu_forecast.solvers.pricing.cone_rows import WorkingRows
from relu_forecast.solvers.proximal.iterates import ActiveBlocks


def test_active_blocks_that_are_parted_and_joined_are_the_same():
    blocks = torch.arange(12.0).view(4, 3)
    working = WorkingRows(torch.arange(8).view(4, 2), blocks[:, :2] > 0, blocks[:, :2])
    active = ActiveBlocks(torch.tensor([5, 1, 0, 9]), blocks, 2 * blocks, working)
    order = torch.tensor([2, 0, 3, 1])
    joined = active.taken(order[:1]).joined(active.taken(order[1:]))
    for name in ("index", "blocks", "inner"):
        assert torch.equal(getattr(joined, name), getattr(active, name)[order])
    for name in ("rows", "present", "multipliers"):
        assert torch.equal(getattr(joined.working, name), getattr(working, name)[order])
