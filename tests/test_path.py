from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

from relu_forecast.arrangements import sample_patterns
from relu_forecast.datasets import load_ecg
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.path import regularization_path
from relu_forecast.windows import hankel

LINE = np.linspace(-1, 1, 40)[:, None]
ZIGZAG = np.interp(LINE[:, 0], [-1, -0.6, -0.1, 0.3, 1], [0, 1, -0.5, 1, 0])


@pytest.fixture(scope="module")
def zigzag():
    return regularization_path(LINE, ZIGZAG, n_ratios=25)


def test_the_path_starts_at_the_linear_model(zigzag):
    assert zigzag.ratios[0] == 1.0
    assert zigzag.n_neurons[0] == 0
    outputs = zigzag.networks[0](torch.tensor(LINE)).detach().numpy()
    expected = LinearRegression().fit(LINE, ZIGZAG).predict(LINE)
    np.testing.assert_allclose(outputs, expected, atol=1e-9)
    assert zigzag.n_neurons[1] >= 1


def test_objectives_are_monotone_concave_and_those_of_the_networks(zigzag):
    X, y = torch.tensor(LINE), torch.tensor(ZIGZAG)
    own = [network.objective(X, y, beta)
           for network, beta in zip(zigzag.networks, zigzag.betas, strict=True)]
    np.testing.assert_allclose(zigzag.objectives, own, rtol=1e-9)
    assert (np.diff(zigzag.objectives) < 0).all()
    assert (zigzag.gaps <= 1e-4).all()
    slopes = np.diff(zigzag.objectives) / np.diff(zigzag.betas)
    assert (np.diff(slopes) > -2e-3 * slopes.max()).all()  # beta falls: the slope rises


def test_the_path_runs_through_architectures_of_one_two_and_more_neurons(zigzag):
    assert set(range(4)) <= set(zigzag.n_neurons.tolist())
    assert {certificate.scope for certificate in zigzag.certificates} == {"network"}


def test_ratios_may_come_in_any_order_and_are_kept():
    path = regularization_path(LINE, ZIGZAG, ratios=[0.1, 0.5])
    assert len(path) == 2
    np.testing.assert_allclose(path.ratios, [0.5, 0.1])
    np.testing.assert_allclose(path.betas, path.ratios * path.beta_max)


@pytest.mark.parametrize("options", [
    {"architecture": "conv", "filter_size": 3}, {"architecture": "circular"},
    {"architecture": "conv", "activation": "gated_relu", "n_patterns": 20},
    {"architecture": "circular", "linear_skip": False}, {"skip_penalty": 5.0}])
def test_every_architecture_has_a_path(options):
    ecg = load_ecg().to_numpy()[20_000:20_160]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 6)
    path = regularization_path(X, y, ratios=np.geomspace(1, 0.05, 5), tol=1e-3, **options)
    assert (np.diff(path.objectives) < 0).all()
    assert (path.gaps <= 1e-3).all()
    assert path.n_neurons[0] == 0
    assert path.n_neurons[-1] >= 1


def test_exact_and_own_patterns_agree_with_discovery():
    generator = np.random.default_rng(0)
    X, y = generator.standard_normal((8, 2)), generator.standard_normal(8)
    ratios = [0.8, 0.3, 0.05]
    adaptive = regularization_path(X, y, ratios=ratios)
    exact = regularization_path(X, y, ratios=ratios, patterns="exact")
    assert exact.beta_max == pytest.approx(adaptive.beta_max, rel=1e-6)
    np.testing.assert_allclose(exact.objectives, adaptive.objectives, rtol=3e-4)
    assert exact.certificates[0].scope == "network"
    drawn = sample_patterns(torch.tensor(np.c_[X, np.ones(8)]), 5, 0)
    own = regularization_path(X, y, ratios=ratios, patterns=drawn)
    assert own.certificates[0].scope == "program"
    assert own.objectives[-1] > exact.objectives[-1]


def test_the_plot_shows_objective_and_neurons(zigzag):
    figure = zigzag.plot()
    assert isinstance(figure, Figure)
    above, below = figure.axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), zigzag.objectives)
    np.testing.assert_allclose(below.lines[0].get_ydata(), zigzag.n_neurons)


@pytest.mark.parametrize(("options", "message"), [
    ({"ratios": [0.5, 1.5]}, "ratios must be"), ({"ratios": [0.0]}, "ratios must be"),
    ({"ratios": []}, "ratios must be"), ({"n_ratios": 0}, "n_ratios must be"),
    ({"architecture": "deep"}, "architecture must be"), ({"patterns": "some"}, "patterns must be"),
    ({"tol": 0.0}, "tol must be"), ({"filter_size": 2}, "filter_size and stride must be"),
    ({"random_state": -1}, "random_state must be")])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        regularization_path(LINE, ZIGZAG, **options)


@pytest.mark.parametrize("patterns", ["adaptive", "exact"])
@pytest.mark.parametrize("y", [np.zeros(40), np.full(40, 2.0), 3 * LINE[:, 0] - 1])
def test_targets_without_a_path_are_refused(y, patterns):
    with pytest.raises(InvalidArgumentError, match="y must be more than a linear function"):
        regularization_path(LINE, y, patterns=patterns)
