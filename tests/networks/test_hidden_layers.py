from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm, signals_of
from relu_forecast.networks.hidden_layers import CircularLayer, DirectLayer, Layer

LAYERS = {"direct": DirectLayer(4), "circular, odd": CircularLayer(5),
          "circular, even": CircularLayer(6), "circular, one": CircularLayer(1)}


def circulant(first_column: torch.Tensor) -> torch.Tensor:
    """U[a, i] = u[(a - i) mod d], written out."""
    d = len(first_column)
    return torch.stack([torch.stack([first_column[(a - i) % d] for i in range(d)])
                        for a in range(d)])


@pytest.mark.parametrize("name", list(LAYERS))
def test_the_written_pull_back_is_that_of_autograd(name: str) -> None:
    layer: Layer = LAYERS[name]
    parameters = [part.requires_grad_() for part in layer.initial(3, 0)]
    with torch.no_grad():
        parameters[0] *= 1.7  # raw filters need not have unit length
    hidden = layer.hidden(parameters)
    gradient = torch.as_tensor(np.random.default_rng(1).standard_normal(hidden.shape))
    expected = torch.autograd.grad(hidden, parameters[:-1], gradient)
    found = layer.pull_back([part.detach() for part in parameters], gradient)
    assert len(found) == len(parameters) - 1
    for left, right in zip(found, expected, strict=True):
        torch.testing.assert_close(left, right)


@settings(max_examples=15)
@given(d=st.integers(1, 7), m=st.integers(1, 3), seed=st.integers(0, 999))
def test_circular_hidden_weights_are_those_of_the_circulant_matrix(
    d: int, m: int, seed: int
) -> None:
    layer = CircularLayer(d)
    filters, pooling, output = layer.initial(m, seed)
    filters = 3 * filters
    expected = torch.stack([
        circulant(filters[j] / filters[j].norm()) @ pooling[j] for j in range(m)])
    hidden = layer.hidden([filters, pooling, output])
    torch.testing.assert_close(hidden, fourier_coordinates(expected))
    torch.testing.assert_close(signals_of(hidden, d), expected)


@settings(max_examples=15)
@given(d=st.integers(1, 7), seed=st.integers(0, 999))
def test_pooling_weights_cost_no_less_than_the_norm_of_what_they_make(d: int, seed: int) -> None:
    parameters = CircularLayer(d).initial(4, seed)
    norms = fourier_norm(parameters[1]).norms(CircularLayer(d).hidden(parameters))
    assert bool((parameters[1].norm(dim=1) >= norms * (1 - 1e-12)).all())


@pytest.mark.parametrize("name", list(LAYERS))
def test_finishing_changes_no_hidden_weight(name: str) -> None:
    layer = LAYERS[name]
    first, *others = layer.initial(3, 0)
    finished = layer.finished([2 * first, *others])
    torch.testing.assert_close(layer.hidden(finished), layer.hidden([2 * first, *others]))
    if layer.n_free:
        torch.testing.assert_close(finished[0].norm(dim=1), torch.ones(3, dtype=torch.float64))


@pytest.mark.parametrize("name", list(LAYERS))
def test_initial_parameters_repeat_and_follow_their_arguments(name: str) -> None:
    layer = LAYERS[name]
    for left, right in zip(layer.initial(3, 0), layer.initial(3, 0), strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(layer.initial(3, 0)[-1], layer.initial(3, 1)[-1])
    assert {len(part) for part in layer.initial(7, 0)} == {7}


@pytest.mark.parametrize("name", list(LAYERS))
def test_more_output_weights_change_no_hidden_weight(name: str) -> None:
    *one, single = LAYERS[name].initial(3, 0)
    *many, several = LAYERS[name].initial(3, 0, 4)
    assert single.shape == (3, 1)
    assert several.shape == (3, 4)
    assert all(torch.equal(left, right) for left, right in zip(one, many, strict=True))
