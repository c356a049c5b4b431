from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from relu_forecast.solvers.batches import by_field, joined, taken
from relu_forecast.solvers.pricing.cone_rows import WorkingRows
from relu_forecast.solvers.proximal.newton import ActiveBlocks


def active_blocks():
    blocks = torch.arange(12.0).view(4, 3)
    working = WorkingRows(torch.arange(8).view(4, 2), blocks[:, :2] > 0, blocks[:, :2])
    return ActiveBlocks(torch.tensor([5, 1, 0, 9]), blocks, 2 * blocks, working)


def test_active_blocks_that_are_parted_and_joined_are_the_same():
    active, order = active_blocks(), torch.tensor([2, 0, 3, 1])
    both = joined(taken(active, order[:1]), taken(active, order[1:]))
    for name in ("index", "blocks", "inner"):
        assert torch.equal(getattr(both, name), getattr(active, name)[order])
    for name in ("rows", "present", "multipliers"):
        assert torch.equal(getattr(both.working, name), getattr(active.working, name)[order])


@dataclass(frozen=True)
class Scaled:
    values: Tensor
    scale: Tensor


def test_scalars_belong_to_all_blocks():
    one = Scaled(torch.arange(4.0), torch.tensor(3.0))
    assert taken(one, slice(1, 3)).values.tolist() == [1.0, 2.0]
    assert joined(one, Scaled(torch.ones(1), torch.tensor(5.0))).scale is one.scale
    twice = by_field(lambda x, y: x + y, one, one)
    assert torch.equal(twice.values, 2 * one.values)
    assert twice.scale is one.scale
