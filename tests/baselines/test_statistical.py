"""What holds for ARIMA, ETS and Theta alike."""

import pickle

import numpy as np
import pytest
from sklearn.base import clone

from relu_forecast.baselines import ARIMA, ETS, ArimaSettings, Theta
from tests.baselines.samples import CUTOFFS, SEASONAL, STATISTICAL, TRAINING, WANDERING


@pytest.mark.parametrize("model", STATISTICAL, ids=repr)
def test_what_comes_after_a_cutoff_changes_nothing_before(model):
    options = {"h": 3, "n_windows": 12, "step_size": 2, "refit": False}
    frame = clone(model).cross_validation(SEASONAL, **options)
    middle = sorted(frame["cutoff"].unique())[5]
    changed = SEASONAL.copy()
    changed[middle + 1 :] = 5 + 3 * np.random.default_rng(1).random(len(changed) - middle - 1)
    other = clone(model).cross_validation(changed, **options)
    known = frame["cutoff"] <= middle
    np.testing.assert_allclose(
        frame[model.alias][known], other[model.alias][known], rtol=1e-12)
    assert not np.allclose(frame[model.alias][~known], other[model.alias][~known])


@pytest.mark.parametrize("model", STATISTICAL, ids=repr)
def test_states_are_small_and_survive_a_pickle(model, fit, past_at):
    state = fit(model, SEASONAL[:TRAINING])
    packed = pickle.dumps(state)
    assert len(packed) < 5_000
    past = past_at(SEASONAL, TRAINING, CUTOFFS, model.lookback)
    np.testing.assert_array_equal(
        model.forecast(pickle.loads(packed), past, 4),
        model.forecast(state, past, 4))


@pytest.mark.parametrize("model", [ARIMA(), ETS("auto"), Theta()], ids=repr)
def test_units_do_not_matter(model, forecast):
    np.testing.assert_allclose(
        forecast(model, 1e6 * WANDERING), 1e6 * forecast(model, WANDERING), rtol=1e-3)


@pytest.mark.parametrize("model", STATISTICAL, ids=repr)
def test_a_constant_series_is_continued(model, forecast):
    np.testing.assert_allclose(forecast(model, np.full(40, 0.1)), 0.1)


@pytest.mark.parametrize("model", [
    ARIMA(season_length=4), ARIMA((1, 0, 0), 4, (0, 1, 0)),
    ETS(trend=None, season_length=4, seasonal="add"), Theta(4), Theta(4, "add")], ids=repr)
def test_an_exact_season_is_continued(model, forecast):
    values = np.tile([1.0, 2.0, 4.0, 3.0], 12)
    np.testing.assert_allclose(forecast(model, values, 4), values[:4], rtol=1e-3)


@pytest.mark.parametrize("model", [ARIMA(), ARIMA((0, 1, 1)), ETS(), ETS("mul", "add")], ids=repr)
def test_an_exact_line_is_continued(model, forecast):
    np.testing.assert_allclose(
        forecast(model, 0.1 * np.arange(1, 41), 3), [4.1, 4.2, 4.3], rtol=1e-3)


@pytest.mark.parametrize(("model", "changes"), [
    (ARIMA((1, 0, 1), max_order=4), {"order": (2, 0, 1)}),
    (ARIMA((1, 0, 1), max_order=1), {"order": None}),
    (ARIMA((1, 0, 1)), {"trend": "n"}),
    (ARIMA((1, 0, 1)), {"season_length": 4}),
    (ARIMA((1, 0, 1), 4), {"seasonal_order": (0, 0, 1)}),
    (ARIMA(max_order=1), {"max_order": 0}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(max_differences=0)}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(kpss_critical=1e3)}),
    (ARIMA(max_order=2), {"settings": ArimaSettings(search_fits=1)}),
    (ETS(), {"error": "mul"}),
    (ETS(), {"trend": "add"}),
    (ETS(trend="add", damped_trend=False), {"damped_trend": True}),
    (ETS(), {"season_length": 4}),
    (ETS(season_length=4), {"seasonal": "mul"}),
    (ETS(season_length=4), {"seasonal": None}),
    (Theta(), {"season_length": 4}),
    (Theta(4), {"seasonal": "add"}),
    (Theta(), {"theta": 3.0}),
], ids=repr)
def test_each_parameter_changes_the_forecasts(model, changes, forecast):
    changed = clone(model).set_params(**changes)
    assert not np.allclose(forecast(model, SEASONAL), forecast(changed, SEASONAL), rtol=1e-6)
