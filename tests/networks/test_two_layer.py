from __future__ import annotations

import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.modules import ReLUNetwork
from relu_forecast.networks.two_layer import SkipWeights


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed)).double()


def test_a_network_without_an_axis_of_outputs_returns_a_vector():
    X = drawn(5, 3)
    assert ReLUNetwork(drawn(2, 3), drawn(2)).n_outputs is None
    assert ReLUNetwork(drawn(2, 3), drawn(2))(X).shape == (5,)
    assert ReLUNetwork(drawn(2, 3), drawn(2, 1))(X).shape == (5, 1)
    assert ReLUNetwork(drawn(2, 3), drawn(2, 4)).n_outputs == 4


def test_scales_multiply_the_outputs_and_divide_the_errors():
    X, Y, scale = drawn(6, 3), drawn(6, 2, seed=1), torch.tensor([2.0, 0.5]).double()
    hidden, output = drawn(4, 3, seed=2), drawn(4, 2, seed=3)
    skip = SkipWeights(drawn(3, 2, seed=4), drawn(2, seed=5))
    plain = ReLUNetwork(hidden, output, skip=skip)
    scaled = ReLUNetwork(hidden, output, skip=skip, target_scale=scale)
    torch.testing.assert_close(scaled(X), plain(X) * scale)
    for penalty in (0.0, 3.0):
        assert scaled.objective(X, Y * scale, 0.7, penalty) == pytest.approx(
            plain.objective(X, Y, 0.7, penalty))


@pytest.mark.parametrize(("outputs", "targets"), [((), (5, 1)), ((1,), (5,)), ((5,), (5,))])
def test_the_objective_refuses_targets_of_another_shape(outputs, targets):
    network = ReLUNetwork(drawn(2, 3), drawn(2, *outputs))
    with pytest.raises(InvalidArgumentError, match="^y must be of the shape of the outputs"):
        network.objective(drawn(5, 3), drawn(*targets), 1.0)


@pytest.mark.parametrize("parts", [
    {"target_scale": drawn(3)}, {"output_weight": drawn(2, 2).float()}])
def test_parts_that_do_not_fit_are_refused_on_reading(parts):
    whole = {"hidden_weight": drawn(2, 3), "output_weight": drawn(2, 2),
             "target_scale": drawn(2), **parts}
    with pytest.raises(ValueError, match="it has"):
        ReLUNetwork(**whole).check_stored()


@pytest.mark.parametrize("bias", [None, 3.0])
def test_a_gate_is_open_on_its_boundary(bias):
    """``g'x + c >= 0``, as in the patterns; the inputs are exact, so the products are too."""
    opening = torch.tensor([-1.0, 0.0, 1.0], dtype=torch.float64)
    X = torch.stack([opening - (bias or 0.0), torch.full_like(opening, 7.0)], dim=1)
    gate, one = torch.tensor([[1.0, 0.0]], dtype=torch.float64), torch.ones(1).double()
    network = ReLUNetwork(torch.tensor([[0.0, 1.0]], dtype=torch.float64), 2 * one, gate=gate,
                          gate_bias=None if bias is None else bias * one,
                          hidden_bias=None if bias is None else 0 * one)
    assert network(X).tolist() == [0.0, 14.0, 14.0]
