"""Warm starts: what is kept, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.estimators import ConvexCNNRegressor, ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.problems.neurons import Neurons
from relu_forecast.training.warm_start import WarmStart

X = np.random.default_rng(0).standard_normal((40, 3))
Y = np.abs(X[:, 0])
ROWS = torch.zeros(5, 4)


def drawn(width: int = 4) -> WarmStart:
    """A warm start of two neurons."""
    blocks = torch.arange(2.0 * width, dtype=torch.float32).view(2, width)
    return WarmStart.of(Neurons(blocks, torch.tensor([[1.0], [-1.0]])), blocks, blocks)


def test_what_is_kept_is_double_and_what_is_trained_on_is_as_the_rows():
    kept = drawn()
    own = kept.on(ROWS)
    for start, dtype in ((kept, torch.float64), (own, torch.float32)):
        parts = (start.neurons.blocks, start.neurons.heads, start.ends, start.linear_ends)
        assert {part.dtype for part in parts} == {dtype}
    torch.testing.assert_close(own.neurons.blocks.double(), kept.neurons.blocks)


def test_it_is_empty_without_a_neuron_or_a_search():
    kept = drawn()
    assert not kept.is_empty
    assert replace(kept, linear_ends=kept.linear_ends[:0]).is_empty
    assert replace(kept, neurons=Neurons(kept.ends[:0], kept.neurons.heads[:0])).is_empty


@pytest.mark.parametrize(("start", "message"), [
    (drawn(5), "of 4 weights per neuron"),
    (replace(drawn(), neurons=Neurons(torch.zeros(1, 3), torch.ones(1, 1))), "of 4 weights"),
    (replace(drawn(), neurons=Neurons(torch.ones(1, 4), torch.ones(1, 3))), "of 1 entries per"),
    (replace(drawn(), neurons=Neurons(torch.ones(1, 4), torch.full((1, 1), torch.nan))), "finite"),
    (replace(drawn(), ends=torch.full((1, 4), torch.inf)), "warm_start must be finite"),
    (replace(drawn(), neurons=Neurons(torch.full((1, 4), torch.nan), torch.ones(1, 1))), "finite")])
def test_what_no_fit_left_behind_is_refused(start, message):
    with pytest.raises(InvalidArgumentError, match=message):
        start.on(ROWS)


def test_heads_of_several_targets_are_taken_where_they_are_asked_for():
    kept = WarmStart.of(Neurons(torch.ones(2, 4), torch.ones(2, 3)), *2 * (torch.ones(1, 4),))
    assert kept.on(ROWS, 3).neurons.heads.shape == (2, 3)
    with pytest.raises(InvalidArgumentError, match="of 6 entries per head, sites times targets"):
        kept.on(ROWS, 6)


def test_regressors_refuse_it_before_they_train():
    left = ConvexReLURegressor(beta_ratio=0.2).fit(X, Y).warm_start_
    for model, start, error in (
            (ConvexCNNRegressor(2), left, InvalidArgumentError),
            (ConvexReLURegressor(), {"blocks": X}, InvalidTypeError)):
        with pytest.raises(error, match="warm_start must be"):
            model.fit(X, Y, warm_start=start)
        assert not hasattr(model, "network_")
