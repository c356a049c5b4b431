from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression

from relu_forecast.datasets import load_ecg
from relu_forecast.estimators.path import regularization_path
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.windows.sliding import hankel

LINE = np.linspace(-1, 1, 40)[:, None]
BENDS = sum(size * np.maximum(LINE[:, 0] - place, 0)
            for size, place in ((3.0, 0.3), (-1.0, -0.45), (0.4, 0.75)))
BENDS = BENDS + 0.05 * np.sin(9 * LINE[:, 0])


@pytest.fixture(scope="module")
def bends():
    return regularization_path(LINE, BENDS, n_ratios=15)


def test_the_path_starts_at_the_linear_model(bends):
    assert bends.ratios[0] == 1.0
    assert bends.n_neurons[0] == 0
    outputs = bends.networks[0](torch.tensor(LINE)).detach().numpy()
    expected = LinearRegression().fit(LINE, BENDS).predict(LINE)
    np.testing.assert_allclose(outputs, expected, atol=1e-9)
    assert bends.n_neurons[1] >= 1


def test_objectives_are_monotone_concave_and_those_of_the_networks(bends):
    X, y = torch.tensor(LINE), torch.tensor(BENDS)
    own = [network.objective(X, y, beta)
           for network, beta in zip(bends.networks, bends.betas, strict=True)]
    np.testing.assert_allclose(bends.objectives, own, rtol=1e-9)
    assert (np.diff(bends.objectives) < 0).all()
    assert (bends.gaps <= 1e-4).all()
    slopes = np.diff(bends.objectives) / np.diff(bends.betas)
    assert (np.diff(slopes) > -2e-3 * slopes.max()).all()  # beta falls: the slope rises


def test_the_path_runs_through_architectures_of_one_two_and_more_neurons(bends):
    assert set(range(5)) <= set(bends.n_neurons.tolist())
    assert {certificate.scope for certificate in bends.certificates} == {"network"}


def test_ratios_may_come_in_any_order_and_are_kept():
    path = regularization_path(LINE, BENDS, ratios=[0.1, 0.5])
    assert len(path) == 2
    np.testing.assert_allclose(path.ratios, [0.5, 0.1])
    np.testing.assert_allclose(path.betas, path.ratios * path.beta_max)


@pytest.mark.parametrize("options", [
    {"architecture": "conv", "filter_size": 3}, {"architecture": "circular"},
    {"architecture": "conv", "activation": "gated_relu", "n_patterns": 20},
    {"architecture": "circular", "linear_skip": False}, {"skip_penalty": 5.0}])
def test_every_architecture_has_a_path(options):
    ecg = load_ecg().to_numpy()[20_000:20_080]
    X, y = hankel((ecg - ecg.mean()) / ecg.std(), 6)
    path = regularization_path(X, y, ratios=[1, 0.4, 0.1], tol=1e-3, **options)
    assert (np.diff(path.objectives) < 0).all()
    assert (path.gaps <= 1e-3).all()
    assert path.n_neurons[0] == 0
    assert path.n_neurons[-1] >= 1


def test_a_path_stops_after_the_first_network_that_may_fit_noise():
    generator = np.random.default_rng(0)
    X = generator.standard_normal((30, 4))
    y = np.abs(X[:, 0]) + generator.standard_normal(30)
    told = []
    given = {"ratios": [1, 0.5, 0.2, 0.05, 0.02, 0.01], "tol": 0.01}
    path = regularization_path(
        X, y, stop=True, **given, on_network=lambda *network: told.append(network))
    weights = [sum(one.numel() for one in network.parameters()) for network in path.networks]
    assert path.ended == "stopped"
    assert len(path) < 6
    assert weights[-1] >= 30 > max(weights[:-1])
    assert [ratio for ratio, _, _ in told] == pytest.approx(path.ratios)
    assert [network for _, network, _ in told] == [*path.networks]
    assert [certificate for _, _, certificate in told] == [*path.certificates]
    whole = regularization_path(X, y, **given)
    assert whole.ended == "done"
    np.testing.assert_allclose(whole.objectives[:len(path)], path.objectives)
    last = regularization_path(X, y, stop=True, ratios=path.ratios, tol=0.01)
    assert (last.ended, len(last)) == ("done", len(path))


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


def test_the_plot_shows_objective_and_neurons(bends):
    figure = bends.plot()
    assert isinstance(figure, Figure)
    above, below = figure.axes
    np.testing.assert_allclose(above.lines[0].get_ydata(), bends.objectives)
    np.testing.assert_allclose(below.lines[0].get_ydata(), bends.n_neurons)


@pytest.mark.parametrize(("options", "message"), [
    ({"ratios": [0.5, 1.5]}, "ratios must be"), ({"ratios": [0.0]}, "ratios must be"),
    ({"ratios": []}, "ratios must be"), ({"n_ratios": 0}, "n_ratios must be"),
    ({"architecture": "deep"}, "architecture must be"), ({"patterns": "some"}, "patterns must be"),
    ({"tol": 0.0}, "tol must be"), ({"filter_size": 2}, "filter_size, stride and sites must be"),
    ({"random_state": -1}, "random_state must be"), ({"ratios": "a"}, "ratios must be"),
    ({"solver": "scs"}, "solver must be"), ({"n_patterns": 0}, "n_patterns must be"),
    ({"skip_penalty": -1.0, "linear_skip": False}, "skip_penalty must be")])
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        regularization_path(LINE, BENDS, **options)


@pytest.mark.parametrize("patterns", ["adaptive", "exact"])
@pytest.mark.parametrize("y", [np.zeros(40), np.full(40, 2.0), 3 * LINE[:, 0] - 1])
def test_targets_without_a_path_are_refused(y, patterns):
    with pytest.raises(InvalidArgumentError, match="y must be more than a linear function"):
        regularization_path(LINE, y, patterns=patterns)


def test_patches_are_not_windows():
    with pytest.raises(InvalidArgumentError, match=r"^X must be windows \(n, d\)"):
        regularization_path(np.zeros((40, 2, 1)), BENDS)


GENERATOR = np.random.default_rng(4)
FEW = GENERATOR.standard_normal((12, 2))
TARGETS = np.abs(FEW[:, 0]) + 0.3 * GENERATOR.standard_normal(12)
COUNTS = np.array([0, 1, 3, 2, 1, 0, 2, 1, 1, 4, 1, 2])


@pytest.mark.parametrize("options", [
    {}, {"patterns": "exact"}, {"skip_penalty": 2.0, "scale_targets": False},
    {"architecture": "conv", "filter_size": 1}, {"activation": "gated_relu", "n_patterns": 20},
    {"patterns": sample_patterns(torch.tensor(np.c_[FEW, np.ones(12)]), 10, 0)}],
    ids=lambda options: ", ".join(options) or "default")
def test_whole_weights_are_repeated_rows(options):
    given = {"ratios": [1, 0.3, 0.05], "tol": 1e-6}
    weighted = regularization_path(FEW, TARGETS, sample_weight=COUNTS, **given, **options)
    X, y = FEW.repeat(COUNTS, axis=0), TARGETS.repeat(COUNTS)
    own = options.get("patterns")
    if not (own is None or isinstance(own, str)):
        rows = torch.tensor(np.c_[X, np.ones(len(X))])
        options = {"patterns": ActivationPatterns.from_gates(rows, own.gates)}
    repeated = regularization_path(X, y, **given, **options)
    assert weighted.beta_max == pytest.approx(repeated.beta_max, rel=1e-6)
    np.testing.assert_allclose(weighted.objectives, repeated.objectives, rtol=1e-4)
    for network, beta, objective in zip(
            repeated.networks, repeated.betas, repeated.objectives, strict=True):
        ridge = options.get("skip_penalty", 0.0)
        inputs = torch.tensor(FEW), torch.tensor(TARGETS), beta, ridge, torch.tensor(1.0 * COUNTS)
        assert network.objective(*inputs) == pytest.approx(objective, rel=1e-9)
    plain = regularization_path(FEW, TARGETS, **given, **({} if own is not None else options))
    assert plain.beta_max != pytest.approx(weighted.beta_max, rel=1e-2)


def test_a_weighted_path_starts_at_weighted_least_squares():
    weights = GENERATOR.uniform(0.1, 5, 12)
    path = regularization_path(FEW, TARGETS, ratios=[1.0], sample_weight=weights)
    expected = LinearRegression().fit(FEW, TARGETS, weights).predict(FEW)
    outputs = path.networks[0](torch.tensor(FEW)).detach().numpy()
    np.testing.assert_allclose(outputs, expected, atol=1e-9)


@pytest.mark.parametrize(("weights", "message"), [
    (np.r_[-1.0, np.ones(11)], "sample_weight must be >= 0; got weights down to -1"),
    (np.r_[1.0, np.zeros(11)], "above 0 for at least two samples; got 1 weights"),
    (np.ones(11), "sample_weight must be a vector of 12 weights"),
    (np.r_[np.nan, np.ones(11)], "sample_weight must be .*finite")])
def test_weights_that_cannot_be_used_are_refused(weights, message):
    with pytest.raises(InvalidArgumentError, match=message):
        regularization_path(FEW, TARGETS, sample_weight=weights)
