"""What holds for ARIMA, ETS and Theta alike."""

import pickle
import warnings

import numpy as np
import pytest
from scipy.signal import lfilter
from sklearn.base import clone

from relu_forecast.baselines import ARIMA, ETS, ArimaSettings, Theta
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError

RNG = np.random.default_rng(0)
TRAINING = 96
SEASONAL = 9 + np.tile([0.0, 4.0, 1.0, -2.0], 30) + np.cumsum(0.4 * RNG.normal(size=120))
"""Positive samples with a season of four and a level that wanders."""
WANDERING = 20 + np.cumsum(lfilter([1.0, 0.5], [1.0, -0.4], RNG.normal(size=120)))
"""Without a season; once integrated."""
CUTOFFS = np.arange(TRAINING - 1, 115, 2)
MODELS = [
    ARIMA(max_order=1), ARIMA((1, 0, 1)), ARIMA((1, 1, 0), 4, (0, 1, 1)),
    ARIMA(season_length=4, max_order=1),
    ETS(), ETS("mul", "add", True, 4, "mul"), ETS(season_length=4),
    Theta(), Theta(4), Theta(4, "add", 3.0)]


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_what_comes_after_a_cutoff_changes_nothing_before(model):
    options = {"h": 3, "n_windows": 12, "step_size": 2, "refit": False}
    frame = clone(model).cross_validation(SEASONAL, **options)
    middle = sorted(frame["cutoff"].unique())[5]
    changed = SEASONAL.copy()
    changed[middle + 1 :] = 5 + 3 * RNG.random(len(changed) - middle - 1)
    other = clone(model).cross_validation(changed, **options)
    known = frame["cutoff"] <= middle
    np.testing.assert_allclose(
        frame[model.alias][known], other[model.alias][known], rtol=1e-12)
    assert not np.allclose(frame[model.alias][~known], other[model.alias][~known])


@pytest.mark.parametrize("model", MODELS, ids=repr)
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


@pytest.mark.parametrize("model", MODELS, ids=repr)
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


@pytest.mark.parametrize("model", MODELS, ids=repr)
def test_the_shortest_series_is_long_enough_and_no_shorter_one_is(model, forecast):
    shortest = model.min_length(3)
    with warnings.catch_warnings():
        # So few samples need not have a likelihood with a maximum.
        warnings.simplefilter("ignore", ConvergenceWarning)
        assert np.isfinite(forecast(model, SEASONAL[:shortest], 3)).all()
    with pytest.raises(InvalidArgumentError, match="at least"):
        clone(model).fit(SEASONAL[: shortest - 1])


@pytest.mark.parametrize("model", [ARIMA((0, 1, 1)), ETS(), Theta()], ids=repr)
def test_aliases_name_the_column(model):
    renamed = clone(model).set_params(alias="mine").fit(SEASONAL)
    assert list(renamed.predict(1)) == ["unique_id", "ds", "mine"]


@pytest.mark.parametrize(("model", "message"), [
    (ARIMA((1, 0)), "order must be three integers >= 0"),
    (ARIMA("101"), "order must be three integers >= 0"),
    (ARIMA((1, 0, -1)), "order must be an integer >= 0"),
    (ARIMA((1, 0, 0.5)), "order must be an integer >= 0"),
    (ARIMA(seasonal_order=(1, 0), season_length=4), "seasonal_order must be three integers >= 0"),
    (ARIMA(seasonal_order=(1, 0, 0)), "season_length must be an integer >= 2 with a seasonal_o"),
    (ARIMA(season_length=1), "season_length must be an integer >= 2"),
    (ARIMA((4, 0, 0), 4, (1, 0, 0)), "order must be below season_length=4"),
    (ARIMA((0, 0, 5), 4, (0, 0, 1)), "order must be below season_length=4"),
    (ARIMA(trend="t"), "trend must be one of None, 'n', 'c'"),
    (ARIMA(max_order=-1), "max_order must be an integer >= 0"),
    (ETS("additive"), "error must be one of 'add', 'mul', 'auto'"),
    (ETS(trend="mul"), "trend must be one of None, 'add', 'auto'"),
    (ETS(damped_trend="yes"), "damped_trend must be one of False, True, 'auto'"),
    (ETS(trend=None, damped_trend=True), "damped_trend must be False or 'auto' with trend=None"),
    (ETS(season_length=1), "season_length must be an integer >= 2"),
    (ETS(seasonal="add"), "season_length must be an integer >= 2 with seasonal='add'"),
    (ETS(season_length=4, seasonal="multiply"), "seasonal must be one of None, 'add', 'mul'"),
    (Theta(season_length=1), "season_length must be an integer >= 2"),
    (Theta(4, "multiply"), "seasonal must be one of 'auto', 'add', 'mul'"),
    (Theta(theta=0.5), "theta must be a finite number >= 1"),
    (Theta(theta=np.nan), "theta must be finite"),
], ids=repr)
def test_parameters_are_checked_at_fit(model, message):
    with pytest.raises(InvalidArgumentError, match=message):
        model.fit(SEASONAL)
    with pytest.raises(InvalidArgumentError, match=message):
        model.cross_validation(SEASONAL, 2)
