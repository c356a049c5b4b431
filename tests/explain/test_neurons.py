"""Neurons, explained, against networks whose weights are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast import ConvexCNNRegressor, InvalidArgumentError, ReLUForecaster, explain
from relu_forecast.baselines import LinearAR

GENERATOR = np.random.default_rng(7)
WAVE = np.abs(np.sin(np.arange(200) / 5)) + 0.05 * GENERATOR.standard_normal(200)
JOINT = ReLUForecaster(6, 3, beta_ratio=0.2).fit(WAVE)


def windows(length, horizon, values=WAVE):
    return np.lib.stride_tricks.sliding_window_view(values, length)[: len(values) - length
                                                                     - horizon + 1]


def test_filters_and_thresholds_are_what_switches_neurons():
    atlas, network = explain.neurons(JOINT), JOINT.regressor_.network_
    state = JOINT.models_["y"]
    features = state.inputs.training(JOINT.panel_.series[0].arrays(
        JOINT.covariates).history(0, 200), 1, 3)[0]
    linear = network.hidden_weight.detach().numpy() @ features.T
    own = atlas.weights @ windows(6, 3).T
    # Up to a constant: the level of the features.
    np.testing.assert_allclose(own - own[:, :1], linear - linear[:, :1], atol=1e-12)
    assert atlas.lags.tolist() == [6, 5, 4, 3, 2, 1]
    hidden = network.hidden(torch.as_tensor(features)).detach().numpy()
    np.testing.assert_allclose(atlas.firing, (hidden > 0).mean(axis=0))


def test_what_a_neuron_adds_is_seen_by_leaving_it_out():
    atlas, regressor = explain.neurons(JOINT), JOINT.regressor_
    state = JOINT.models_["y"]
    X, Y = state.inputs.training(JOINT.panel_.series[0].arrays(
        JOINT.covariates).history(0, 200), 1, 3)
    with torch.no_grad():
        network = regressor.network_
        kept = network.output_weight.clone()
        full = ((Y - regressor.predict(X)) ** 2).sum()
        network.output_weight[0] = 0
        without = ((Y - regressor.predict(X)) ** 2).sum()
        network.output_weight[:] = 0
        linear = ((Y - regressor.predict(X)) ** 2).sum()
        network.output_weight[:] = kept
    assert atlas.added[0] == pytest.approx(without / full - 1, rel=1e-9)
    assert atlas.linear == pytest.approx(linear / full - 1, rel=1e-9)
    assert atlas.linear > 0.1


def test_heads_say_what_a_unit_adds_in_the_unit_of_the_data():
    atlas, regressor = explain.neurons(JOINT), JOINT.regressor_
    rows = explain.forecast(JOINT).contributions
    place = int(np.argmax(rows.loc[rows["kind"] == "neuron", "fires"].to_numpy()[
        : regressor.n_neurons_]))  # the first that fires
    own = rows[rows["part"] == f"neuron {place + 1}"]["contribution"].to_numpy()
    inputs = JOINT.models_["y"].inputs
    sample = inputs.features(WAVE[np.newaxis, -6:], np.empty((1, 6, 0)), np.empty((1, 0)))
    height = regressor.network_.hidden(torch.as_tensor(sample))[0, place].item()
    assert height > 0
    np.testing.assert_allclose(own, height * atlas.head_weights[place, 0], rtol=1e-12)


def test_a_filter_answers_sinusoids_as_its_response_says():
    atlas = explain.neurons(JOINT)
    responses = atlas.responses
    for frequency in (0.0, 0.125, 0.5):
        phases = np.exp(2j * np.pi * frequency * np.arange(6))
        near = responses[responses["frequency"] == frequency]
        np.testing.assert_allclose(near["gain"], np.abs(atlas.weights @ phases), rtol=1e-9,
                                   atol=1e-12)


def test_the_summary_begins_with_what_adds_most():
    rows = explain.neurons(JOINT).summary
    assert (rows["adds"].diff()[1:] <= 0).all()
    assert sorted(rows["neuron"]) == list(range(1, JOINT.regressor_.n_neurons_ + 1))
    assert rows["fires"].between(0, 1).all()
    assert rows["largest_step"].between(1, 3).all()


def test_a_convolution_has_its_taps_and_heads_by_site():
    model = ReLUForecaster(8, 3, ConvexCNNRegressor(3, sites=2, beta_ratio=0.1, tol=0.1)).fit(WAVE)
    atlas, network = explain.neurons(model), model.regressor_.network_
    np.testing.assert_array_equal(atlas.weights, network.filters.detach().numpy())
    assert atlas.lags.tolist() == [3, 2, 1]
    scale = model.models_["y"].inputs.transform.scale * network.target_scale.numpy()
    np.testing.assert_allclose(atlas.head_weights, network.output_weight.detach().numpy() * scale)
    assert len(atlas.heads) == network.n_neurons * 2 * 3


def test_members_and_steps_are_picked():
    committee = ReLUForecaster(4, 2).fit(WAVE)
    name = next(name for name in committee.members_["member"] if name.startswith("network"))
    assert explain.neurons(committee).member == explain.neurons(committee, member=name).member
    direct = ReLUForecaster(3, 2, strategy="direct", beta_ratio=0.3).fit(WAVE)
    counts = [len(explain.neurons(direct, step=step).weights) for step in (1, 2)]
    assert counts == [one.n_neurons_ for one in direct.models_["y"].regressors]
    for call, told in ((lambda: explain.neurons(committee, member="x"), "member must be one of"),
                       (lambda: explain.neurons(direct, step=3), "with a network for step 3"),
                       (lambda: explain.neurons(LinearAR(2).fit(WAVE)), "one with a network")):
        with pytest.raises(InvalidArgumentError, match=told):
            call()


def test_a_network_without_neurons_has_empty_tables_and_a_picture():
    atlas = explain.neurons(ReLUForecaster(3, 2, beta_ratio=1.5).fit(WAVE))
    assert atlas.summary.empty
    assert atlas.heads.empty
    assert atlas.linear == 0
    assert "linear" in atlas.plot().texts[0].get_text()


def test_a_picture_has_a_row_for_each_neuron_up_to_a_number():
    figure = explain.neurons(JOINT).plot(most=2)
    assert len(figure.axes) == 6
    assert "fires" in figure.axes[0].get_ylabel()
