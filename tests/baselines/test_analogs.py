"""Analogs: against a loop over all past windows."""

import numpy as np
import pytest

from relu_forecast import load_ecg, load_forecaster
from relu_forecast.baselines import Analogs
from relu_forecast.compiled import analogs as compiled_analogs
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models import analogs
from relu_forecast.windows.neighbours import TIE
from tests.baselines.samples import CUTOFFS, SEASONAL, SIGNAL, TRAINING

ECG = np.rint(load_ecg().to_numpy()[:1500] * 200)
"""Whole units of the converter."""


def by_definition(values, window, k, h, relative=True):
    """Average what followed the nearest windows, one window after the other."""
    lags = len(window)
    starts = range(len(values) - lags - h + 1)
    base = [values[s + lags - 1] if relative else 0.0 for s in starts]
    own = window[-1] if relative else 0.0
    level = 0.0 if relative else np.mean([values[s + lags - 1] for s in starts])
    sizes = [np.sum((values[s : s + lags] - base[s] - level) ** 2) for s in starts]
    step = TIE * np.sqrt(np.mean(sizes)) or 1.0
    order = sorted(starts, key=lambda s: (
        np.rint(np.linalg.norm(values[s : s + lags] - base[s] - window + own) / step), -s))
    return own + np.mean([values[s + lags : s + lags + h] - base[s] for s in order[:k]], axis=0)


@pytest.mark.parametrize("transform", ["last_value", None])
@pytest.mark.parametrize(("k", "h"), [(1, 6), (4, 1), (7, 5), (500, 3)])
def test_analogs_are_the_average_of_what_followed(k, h, transform, forecast):
    for values in (SIGNAL, SEASONAL, np.round(SIGNAL)):
        expected = by_definition(values, values[-8:], k, h, transform is not None)
        np.testing.assert_allclose(
            forecast(Analogs(8, k, transform), values, h), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("transform", ["last_value", None])
def test_all_cutoffs_at_once_are_each_by_itself(transform, past_at, monkeypatch):
    model = Analogs(7, 3, transform)
    state = model.train(History.of(SEASONAL[:TRAINING]), 4, ())
    past = past_at(SEASONAL, TRAINING, CUTOFFS, 7)
    found = model.forecast(state, past, 4)
    expected = [by_definition(SEASONAL[:TRAINING], window, 3, 4, transform is not None)
                for window in past.windows]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    monkeypatch.setattr(compiled_analogs, "AVERAGED", 30)
    np.testing.assert_array_equal(model.forecast(state, past, 4), found)
    np.testing.assert_array_equal(state.forecast(past.windows[2:3], 4), found[2:3])


def test_newer_windows_are_taken_of_equal_ones(forecast):
    values = [0.0, 1.0, 7.0, 0.0, 1.0, 3.0, 0.0, 1.0, 5.0, 0.0, 1.0]
    assert forecast(Analogs(2, 1), values, 1).tolist() == [5.0]
    assert forecast(Analogs(2, 2), values, 1).tolist() == [4.0]
    # Windows without the whole horizon after them in the training part are left out.
    assert forecast(Analogs(2, 1), values, 3).tolist() == [5.0, 0.0, 1.0]
    assert forecast(Analogs(2, 1), values, 4).tolist() == [3.0, 0.0, 1.0, 5.0]


@pytest.mark.parametrize("transform", ["last_value", None])
@pytest.mark.parametrize("level", [0.1, 0.0, -1e9])
def test_a_constant_is_repeated(level, transform, forecast):
    found = forecast(Analogs(6, 4, transform), np.full(40, level), 5)
    np.testing.assert_allclose(found, level, rtol=1e-15)


@pytest.mark.parametrize("transform", ["last_value", None])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1 / 3, 1e6])
@pytest.mark.parametrize("level", [0.0, 1e6, -1e6])
@pytest.mark.parametrize("values", [ECG, SEASONAL, np.round(SIGNAL)], ids=["ecg", "season", "few"])
def test_units_and_levels_do_not_matter(values, level, scale, transform):
    values = values / values.std()
    model, windows = Analogs(20, 5, transform), np.lib.stride_tricks.sliding_window_view(values, 20)
    expected, found = (
        model.train(History.of(move(values)), 6, ()).forecast(move(windows), 6)
        for move in (lambda v: v, lambda v: scale * (v + level)))
    np.testing.assert_allclose(
        found / scale - level, expected, rtol=0, atol=1e-8 if level else 1e-12)


@pytest.mark.parametrize("transform", ["last_value", None])
@pytest.mark.parametrize("scale", [1e-300, 1e-170, 1e160, 1e300])
def test_units_whose_squares_are_no_numbers_do_not_matter(scale, transform, forecast):
    plain = forecast(Analogs(12, transform=transform), ECG[:300], 3)
    scaled = forecast(Analogs(12, transform=transform), scale * ECG[:300], 3)
    np.testing.assert_allclose(scaled / scale, plain)


def test_further_than_the_horizon_the_state_goes_on_from_its_forecasts():
    model = Analogs(6, 3).fit(SIGNAL, horizon=5)
    np.testing.assert_array_equal(model.predict(3)["Analogs"], model.predict()["Analogs"][:3])
    with pytest.raises(InvalidArgumentError, match="h must be at most 5, the horizon of the fit"):
        model.predict(6)
    state, windows = model.models_["y"], SIGNAL[np.newaxis, -6:]
    first = state.forecast(windows, 5)
    second = state.forecast(np.c_[windows, first][:, -6:], 5)
    np.testing.assert_array_equal(state.forecast(windows, 8), np.c_[first, second][:, :8])
    short = Analogs(6, 3).train(History.of(SIGNAL), 2, ())  # fewer than the lags
    assert short.forecast(windows, 9).shape == (1, 9)


def test_every_parameter_matters(forecast):
    found = [forecast(model, SIGNAL, 4).tolist() for model in (
        Analogs(6), Analogs(7), Analogs(6, 4), Analogs(6, transform=None))]
    assert len(set(map(tuple, found))) == 4


def test_what_comes_after_a_cutoff_changes_nothing():
    later = np.r_[SIGNAL[:70], -5 * SIGNAL[70:]]
    first, second = (
        Analogs(6).cross_validation(values, 4, n_windows=17, step_size=1, refit=False)
        .query("cutoff == 69")["Analogs"] for values in (SIGNAL, later))
    assert len(first) == 4
    np.testing.assert_array_equal(first, second)


def test_a_saved_forecaster_is_the_same_and_a_wrong_state_is_refused(tmp_path):
    model = Analogs(6, 3).fit(SIGNAL, horizon=5)
    model.save(tmp_path / "f")
    np.testing.assert_array_equal(
        load_forecaster(tmp_path / "f").predict()["Analogs"], model.predict()["Analogs"])
    state = model.models_["y"]
    for other in (None, Analogs(6, 3).train(History.of(SIGNAL[1:]), 5, ())):
        with pytest.raises(ValueError, match="it must be the 90 samples of the series"):
            model.check_state(other, 90)
    for changed in (Analogs(5, 3), Analogs(6, 2), Analogs(6, 3, None)):
        changed.horizon_ = 5
        with pytest.raises(ValueError, match="it must have the lags, k, horizon and transform"):
            changed.check_state(state, 90)
    with pytest.raises(ValueError, match="it must have samples for one window"):
        analogs.AnalogModel(SIGNAL[:10], 6, 3, 5, True).check_stored()


def test_analogs_of_heart_beats_are_as_good_as_was_measured_elsewhere():
    values = load_ecg().to_numpy()[20_000:30_000]
    windows = np.lib.stride_tricks.sliding_window_view(values, 90)[5000 - 60 :]
    state = Analogs().train(History.of(values[:5000]), 30, ())
    errors = (state.forecast(windows[:, :60], 30) - windows[:, 60:]) / values[:5000].std()
    assert np.sqrt(np.square(errors).mean()) == pytest.approx(0.509, abs=5e-4)
