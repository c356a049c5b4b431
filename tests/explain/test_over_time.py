"""Regions and weights over time, against forecasts and networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast import InvalidArgumentError, ReLUForecaster, explain
from relu_forecast.forecasting.data.history import SeriesArrays

GENERATOR = np.random.default_rng(7)
WAVE = np.abs(np.sin(np.arange(220) / 5)) + 0.05 * GENERATOR.standard_normal(220)


def test_regions_are_the_sets_of_neurons_that_fire():
    model = ReLUForecaster(5, 3, beta_ratio=0.3).fit(WAVE[:200])
    rows = explain.regions(model)
    inputs, network = model.models_["y"].inputs, model.regressor_.network_
    history = model.panel_.series[0].arrays(model.covariates).history(0, 200)
    fires = network.hidden(torch.as_tensor(inputs.training(history, 1, 3)[0])).detach() > 0
    assert rows["ds"].tolist() == list(range(4, 197))
    np.testing.assert_array_equal(rows["y"], WAVE[4:197])
    for firing, own in zip(rows["firing"], fires.numpy(), strict=True):
        assert firing == ", ".join(str(place + 1) for place in np.flatnonzero(own))
    sizes = rows[rows["region"] > 0].groupby("region").size()
    assert (sizes.diff()[1:] <= 0).all()
    assert rows.groupby("region")["firing"].nunique().eq(1).all()
    assert (rows.loc[rows["firing"] == "", "region"] == 0).all()


def test_weights_over_time_make_the_forecasts_of_a_walk_without_a_new_fit():
    model = ReLUForecaster(horizon=3).fit(WAVE[:200])
    rows = explain.weights(model, WAVE[200:])
    wide = rows.pivot(index=["ds", "step"], columns="member", values="weight")
    np.testing.assert_allclose(wide.sum(axis=1), 1)
    at_end = model.members_.set_index("member")
    first = wide.xs(199, level="ds")
    for step in (1, 2, 3):
        np.testing.assert_allclose(
            first.loc[step], at_end.loc[first.columns, f"weight_{step}"], atol=1e-12)
    walked = ReLUForecaster(horizon=3).cross_validation(
        WAVE[:213], 3, n_windows=11, step_size=1, refit=False)
    state = model.models_["y"]
    known = SeriesArrays(WAVE[:210], np.empty((210, 0)), np.empty((210, 0)))
    own = np.stack([member.state.decompose(known, 209, 3).forecasts for member in state.members])
    names = [member.name for member in state.members]
    expected = (own * wide.xs(209, level="ds")[names].to_numpy().T).sum(axis=0)
    found = walked.loc[walked["cutoff"] == 209, "ReLU"].to_numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    assert (wide.xs(219, level="ds") - first).abs().to_numpy().max() > 1e-6


def test_weights_at_the_end_alone():
    model = ReLUForecaster(horizon=2).fit(WAVE)
    rows = explain.weights(model)
    assert set(rows["ds"]) == {219}
    assert len(rows) == 2 * len(model.members_)


def test_a_model_without_a_committee_has_no_weights():
    with pytest.raises(InvalidArgumentError, match="model must be a ReLUForecaster whose members"):
        explain.weights(ReLUForecaster(3, 2, beta_ratio=0.5).fit(WAVE))
