"""Streams: the forecasts of `predict` with the same past, sample by sample."""

import json
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import Analogs, Naive, RidgeAR
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Autoregression
from relu_forecast.forecasting.data.history import SeriesArrays
from relu_forecast.networks import Dense
from relu_forecast.storage import decode, encode
from relu_forecast.windows.contexts import Context

N, H = 200, 4
RNG = np.random.default_rng(3)
VALUES = np.sin(np.arange(N + 80) / 3) + 0.4 * np.sign(np.sin(np.arange(N + 80) / 7)) + (
    0.1 * RNG.normal(size=N + 80))
AFTER = VALUES[N:]
GATED = ConvexReLURegressor(beta_ratio=0.15, architecture=Dense(), activation="gated_relu", tol=0.2)


def expected_of(model, values, count):
    """What a forecaster says after each of ``count`` samples beyond those it was fitted to."""
    arrays = SeriesArrays(values, np.empty((len(values), 0)), np.empty((len(values) + H, 0)),
                          skips=True)
    cutoffs = np.arange(N - 1, N + count)
    past = arrays.past_at(cutoffs, N, model.lookback, H)
    return model.forecast(model.models_["y"], past, H)


def pushed(stream, samples):
    """What a stream says before, and after each of some samples."""
    return np.array([stream.reading.forecast, *(stream.push(one).forecast for one in samples)])


MODELS = {
    "network": ReLUForecaster(6, beta_ratio=0.15), "naive": Naive(), "linear": RidgeAR(5),
    "recursive": ReLUForecaster(6, beta_ratio=0.15, strategy="recursive"),
    "standardised": ReLUForecaster(6, beta_ratio=0.15, strategy="recursive",
                                   transform="standardize"),
    "differences": RidgeAR(6, strategy="direct", transform="difference"),
    "growing means": ReLUForecaster(Context.multiresolution(30, 4), beta_ratio=0.15),
    "some lags": ReLUForecaster([1, 2, 9], beta_ratio=0.15, strategy="recursive"),
    "gated": Autoregression(6, GATED), "analogs": Analogs(7, 3),
    "analogs as they are": Analogs(7, 300, None),
    "informed": Autoregression(6, LinearRegression(), "joint", analogs=5),
    "committee": ReLUForecaster(), "chosen": ReLUForecaster(8, committee=False),
}


@cache
def fitted(name, missing="error"):
    """A model that was fitted once for all tests."""
    return MODELS[name].fit(VALUES[:N], horizon=H, missing=missing)


@pytest.mark.parametrize("name", MODELS)
def test_forecasts_are_those_with_the_same_past(name):
    model = fitted(name)
    stream = model.stream()
    np.testing.assert_allclose(stream.reading.forecast, model.predict()[model.alias], atol=1e-12)
    found = pushed(stream, AFTER[:40].tolist())
    np.testing.assert_allclose(found, expected_of(model, VALUES, 40), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["network", "growing means", "committee"])
def test_missing_samples_are_filled_as_a_forecast_knows_them(name):
    values = VALUES.copy()
    values[[N + 2, N + 3, N + 9]] = np.nan
    values[N + 12 : N + 50] = np.nan  # longer than any window
    model = fitted(name, "skip")
    found = pushed(model.stream(), values[N : N + 60].tolist())
    np.testing.assert_allclose(found, expected_of(model, values, 60), rtol=0, atol=1e-12)


def test_a_gap_at_the_end_of_the_fit_goes_on():
    values = VALUES.copy()
    values[N - 3 : N + 2] = np.nan
    model = ReLUForecaster(6, beta_ratio=0.15).fit(values[:N], horizon=H, missing="skip")
    found = pushed(model.stream(), values[N : N + 8].tolist())
    np.testing.assert_allclose(found, expected_of(model, values, 8), rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["network", "informed", "committee", "recursive"])
def test_channels_are_streams_side_by_side(name):
    model = fitted(name)
    together = model.stream(channels=3, level=[50, 90])
    past = np.stack([VALUES[:N], 2 - VALUES[:N], VALUES[::-1][:N]], axis=1)
    past[7:9, 1] = past[-2, 0] = np.nan
    alone = [model.stream(channels=1, level=[50, 90]) for _ in range(3)]
    last = together.push(past)
    for channel, stream in enumerate(alone):
        own = stream.push(past[:, [channel]])
        for part in ("forecast", "lower", "upper"):
            np.testing.assert_allclose(getattr(last, part)[-1, ..., channel],
                                       getattr(own, part)[-1, ..., 0], rtol=0, atol=1e-12)
    assert last.forecast.shape == (N, H, 3)
    assert last.lower.shape == (N, 2, H, 3)
    assert not np.isnan(last.forecast[-1]).any()


def test_one_channel_that_has_seen_the_same_says_the_same():
    model = fitted("network")
    alone, channel = model.stream(), model.stream(channels=1)
    channel.push(VALUES[:N, np.newaxis])
    for sample in AFTER[:20].tolist():
        expected, found = alone.push(sample), channel.push([sample])
        np.testing.assert_allclose(found.forecast[:, 0], expected.forecast, atol=1e-12)


def test_many_samples_are_one_after_the_other():
    model = fitted("network")
    one, many = model.stream(), model.stream()
    singly = [one.push(sample) for sample in AFTER[:10].tolist()]
    at_once = many.push(AFTER[:10])
    np.testing.assert_array_equal(at_once.forecast, [each.forecast for each in singly])
    np.testing.assert_array_equal(at_once.upper, [each.upper for each in singly])
    assert one.count == many.count == 10


def test_a_stream_is_silent_until_it_has_seen_a_window():
    model = RidgeAR(5).fit(VALUES[:N], horizon=2)
    stream = model.stream(channels=2)
    silent = stream.push(np.stack([VALUES[:4], VALUES[1:5]], axis=1))
    assert np.isnan(silent.forecast).all()
    assert not np.isnan(stream.push([1.0, 2.0]).forecast).any()


@pytest.mark.parametrize("level", [0.0, 1e9])
def test_intervals_cover_what_was_asked_for(level):
    """A noise whose size changes tenfold, at each step ahead and of three levels."""
    rng = np.random.default_rng(1)
    sizes = np.exp(np.sin(np.arange(12_000) / 900) * 1.2)
    values = np.sin(np.arange(12_000) / 4) + 0.2 * sizes * rng.normal(size=12_000) + level
    model = RidgeAR(6).fit(values[:1000], horizon=3, intervals="adaptive")
    levels = (50, 90, 99)
    told = model.stream(level=levels).push(values[1000:])
    for step in range(3):
        ahead = values[1001 + step :]
        lower, upper = (side[: len(ahead), :, step] for side in (told.lower, told.upper))
        shares = ((ahead[:, np.newaxis] >= lower) & (ahead[:, np.newaxis] <= upper)).mean(axis=0)
        np.testing.assert_allclose(100 * shares, levels, atol=1.0)
    assert (np.diff(told.upper, axis=1) >= 0).all()


def test_intervals_start_from_what_is_known_and_without_it_learn():
    model = RidgeAR(6).fit(VALUES[:N], horizon=H, intervals="split")
    expected = model.predict(level=[80, 90])
    stream = model.stream(level=[80, 90])
    np.testing.assert_allclose(stream.reading.upper[1], expected["RidgeAR-hi-90"], rtol=1e-12)
    np.testing.assert_allclose(stream.reading.lower[0], expected["RidgeAR-lo-80"], rtol=1e-12)
    bare = RidgeAR(6).fit(VALUES[:N], horizon=H).stream()
    assert np.isnan(bare.reading.upper).all()
    wide = bare.push(np.concatenate([AFTER, AFTER])).upper[-1]
    assert (wide > bare.reading.forecast).all()
    assert model.stream(level=None).reading.lower.shape == (0, H)


def test_what_moves_with_the_data_moves_with_it():
    streams = []
    for scale, shift in ((1.0, 0.0), (4096.0, 0.0), (1.0, 64.0)):
        model = ReLUForecaster(6, beta_ratio=0.15).fit(scale * VALUES[:N] + shift, horizon=H)
        streams.append((model.stream(level=[60]).push(scale * AFTER + shift), scale, shift))
    for part in ("forecast", "lower", "upper"):
        first = getattr(streams[0][0], part)
        for told, scale, shift in streams[1:]:
            np.testing.assert_allclose((getattr(told, part) - shift) / scale, first, atol=1e-9)


@pytest.mark.parametrize("name", ["network", "committee", "analogs"])
@pytest.mark.parametrize("channels", [None, 2])
def test_a_state_goes_on_exactly(name, channels):
    model = fitted(name)
    samples = np.where(np.arange(60) % 11 == 4, np.nan, AFTER[:60])
    if channels:
        samples = np.stack([samples, -samples[::-1]], axis=1)
        samples = np.concatenate([np.stack([VALUES[:N], VALUES[:N][::-1]], axis=1), samples])
    stream, other = model.stream(channels=channels), model.stream(channels=channels)
    stream.push(samples[:-20])
    kept = decode(*encode(stream.state()))  # as it is in a file
    other.restore(kept)
    assert other.count == stream.count
    np.testing.assert_array_equal(other.reading.upper, stream.reading.upper)
    expected, found = stream.push(samples[-20:]), other.push(samples[-20:])
    for part in ("forecast", "lower", "upper"):
        np.testing.assert_array_equal(getattr(found, part), getattr(expected, part))
    again = model.stream(channels=channels, state=stream.state())
    np.testing.assert_array_equal(again.reading.forecast, stream.reading.forecast)


def change(state, *path, value):
    """A state with another value somewhere."""
    changed = dict(state)
    changed[path[0]] = value if len(path) == 1 else change(state[path[0]], *path[1:], value=value)
    return changed


@pytest.mark.parametrize(("path", "value"), [
    (("version",), 99), (("model",), "another"), (("levels",), [80.0]), (("channels",), 5),
    (("parts", "window", "samples"), np.zeros(3)), (("parts", "window"), None), (("parts",), {}),
    (("parts", "outstanding", "rows"), "text"), (("ticks",), None), (("count",), "x"),
    (("ticks", "last"), "x"), (("ticks", "last"), None)])
def test_the_state_of_something_else_is_refused(path, value):
    model = RidgeAR(5).fit(VALUES[:N], horizon=2)
    stream = model.stream()
    stream.push(1.0)
    with pytest.raises(InvalidArgumentError, match="state must be of a stream of the same model"):
        model.stream(state=change(stream.state(), *path, value=value))


def test_the_state_of_another_model_is_refused():
    state = RidgeAR(5).fit(VALUES[:N], horizon=2).stream().state()
    with pytest.raises(InvalidArgumentError, match="model"):
        RidgeAR(5).fit(VALUES[1:N], horizon=2).stream(state=state)
    with pytest.raises(InvalidArgumentError, match="state"):
        RidgeAR(5).fit(VALUES[:N], horizon=2).stream(state={"x": 1})


@pytest.mark.parametrize("sample", [
    "1.0", True, [True, False], [1.0, None], ["a"], {}, 1j, np.ma.masked_array([1.0], [True]),
    object()])
def test_what_is_no_number_is_refused(sample):
    stream = RidgeAR(5).fit(VALUES[:N], horizon=2).stream()
    before = stream.reading
    with pytest.raises(InvalidTypeError, match="sample must be a number"):
        stream.push(sample)
    assert stream.reading is before
    assert stream.count == 0


@pytest.mark.parametrize("sample", [np.inf, -np.inf, [1.0, np.inf], np.float64("inf")])
def test_infinite_samples_are_refused(sample):
    stream = RidgeAR(5).fit(VALUES[:N], horizon=2).stream()
    with pytest.raises(InvalidArgumentError, match="finite, or NaN"):
        stream.push(sample)
    assert stream.count == 0


def test_numbers_of_all_kinds_are_samples():
    model = RidgeAR(5).fit(VALUES[:N], horizon=2)
    told = [model.stream().push(one).forecast for one in (
        1, 1.0, np.float32(1), np.int16(1), np.array(1.0), np.array([1]))]
    for one in told:
        np.testing.assert_array_equal(np.ravel(one), told[0])
    for missing in (None, np.nan, float("nan")):
        assert not np.isnan(model.stream().push(missing).forecast).any()


@pytest.mark.parametrize("sample", [1.0, [1.0], [[1.0, 2.0, 3.0]], np.zeros((2, 2, 2))])
def test_samples_of_other_channels_are_refused(sample):
    stream = RidgeAR(5).fit(VALUES[:N], horizon=2).stream(channels=2)
    with pytest.raises(InvalidArgumentError, match="sample must be of shape"):
        stream.push(sample)


def dated(step="2778us", count=N):
    times = pd.date_range("2026-03-29 00:30", periods=count, freq=step, tz="Europe/Berlin")
    return pd.Series(VALUES[:count], times), times


def test_times_say_how_many_samples_are_missing():
    signal, times = dated()
    step = times[1] - times[0]
    model = RidgeAR(5).fit(signal, horizon=2)
    timed, untimed = model.stream(), model.stream()
    timed.push(1.0, at=times[-1] + step)
    timed.push(2.0, at=times[-1] + 4 * step + step / 10)
    untimed.push([1.0, np.nan, np.nan, 2.0])
    assert timed.count == untimed.count == 4
    np.testing.assert_array_equal(timed.reading.forecast, untimed.reading.forecast)
    told = timed.push([3.0, 4.0], at=[times[-1] + 5 * step, times[-1] + 6 * step])
    assert told.forecast.shape == (2, 2)
    for late in (times[-1] + 6 * step, times[-1]):
        with pytest.raises(InvalidArgumentError, match="later than the sample before"):
            timed.push(5.0, at=late)
    for steps in (0.5, 1.5):
        with pytest.raises(InvalidArgumentError, match="whole number of steps"):
            timed.push(5.0, at=times[-1] + (6 + steps) * step)
    for wrong in ("yesterday", 7, object()):
        with pytest.raises((InvalidArgumentError, InvalidTypeError), match="at must be"):
            timed.push(5.0, at=wrong)
    assert timed.count == 6


def test_a_clock_that_runs_a_little_fast_stays_in_step():
    stream = RidgeAR(5).fit(pd.Series(VALUES[:N], np.arange(N) * 0.5), horizon=2).stream()
    for count in range(1, 400):
        stream.push(0.0, at=(N - 1) * 0.5 + count * 0.5 * 1.01)
    assert stream.count == 399
    with pytest.raises(InvalidTypeError, match="at must be a number"):
        stream.push(0.0, at=pd.Timestamp("2026-01-01"))


def test_durations_are_times():
    times = pd.to_timedelta(np.arange(N) / 4, unit="s")
    stream = RidgeAR(5).fit(pd.Series(VALUES[:N], times), horizon=2).stream()
    stream.push(1.0, at=times[-1] + pd.Timedelta(0.5, unit="s"))
    assert stream.count == 2
    with pytest.raises(InvalidTypeError, match="at must be"):
        stream.push(1.0, at="soon")


def test_times_on_no_even_grid_are_refused():
    times = pd.date_range("2000-01-01", periods=N, freq="MS")
    stream = RidgeAR(5).fit(pd.Series(VALUES[:N], times), horizon=2).stream()
    with pytest.raises(InvalidArgumentError, match="no even grid"):
        stream.push(1.0, at=times[-1])


@pytest.mark.parametrize("channels", [None, 2])
def test_a_long_gap_takes_no_longer_than_a_window(channels):
    model = RidgeAR(5).fit(VALUES[:N], horizon=2)
    slow, fast = model.stream(channels=channels), model.stream(channels=channels)
    start = AFTER[:8] if channels is None else np.stack([AFTER[:8], AFTER[8:16]], axis=1)
    for stream in (slow, fast):
        stream.push(start)
    for _ in range(100):
        slow.push(np.nan if channels is None else [np.nan, np.nan])
    fast.skip(100)
    assert slow.count == fast.count == 108
    for one in (0.3, 0.5, 0.1):
        sample = one if channels is None else [one, -one]
        np.testing.assert_allclose(
            fast.push(sample).forecast, slow.push(sample).forecast, atol=1e-12)
    fast.skip(10**15)
    with pytest.raises(InvalidArgumentError, match="count"):
        fast.skip(0)


def test_weights_of_a_committee_follow_the_errors():
    model = fitted("committee")
    stream = model.stream()
    before = stream.weights
    assert before.shape == (len(model.members_), H)
    stream.push(AFTER[:40])
    np.testing.assert_allclose(stream.weights.sum(axis=0), 1.0)
    assert np.abs(stream.weights - before).max() > 1e-3
    assert RidgeAR(5).fit(VALUES[:N], horizon=2).stream().weights is None


def test_a_stream_needs_a_fit_and_a_series():
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        RidgeAR(5).stream()
    two = pd.DataFrame({"unique_id": ["a"] * 50 + ["b"] * 50, "ds": [*range(50)] * 2,
                        "y": [*VALUES[:50], *VALUES[100:150]]})
    model = RidgeAR(5).fit(two, horizon=2)
    with pytest.raises(InvalidArgumentError, match="unique_id='a'"):
        model.stream()
    told = model.predict().groupby("unique_id")["RidgeAR"].get_group("b")
    np.testing.assert_allclose(model.stream("b").reading.forecast, told, atol=1e-12)


@pytest.mark.parametrize(("argument", "value"), [
    ("n_steps", 0), ("level", 0.9), ("level", [100]), ("level", "x"), ("gamma", -1),
    ("channels", 0), ("channels", 1.5)])
def test_bad_arguments_are_refused(argument, value):
    model = RidgeAR(5).fit(VALUES[:N], horizon=2)
    with pytest.raises((InvalidArgumentError, InvalidTypeError), match=argument):
        model.stream(**{argument: value})


def test_the_horizon_of_a_fit_is_the_end():
    with pytest.raises(InvalidArgumentError, match="at most 4"):
        fitted("differences").stream(n_steps=H + 1)
    assert RidgeAR(5).fit(VALUES[:N]).stream(n_steps=7).reading.forecast.shape == (7,)


def test_a_state_is_small_and_plain():
    state = RidgeAR(5).fit(VALUES[:N], horizon=2).stream().state()

    def plain(part):
        if isinstance(part, dict):
            return {name: plain(each) for name, each in part.items()}
        return part.tolist() if isinstance(part, np.ndarray) else part

    assert len(json.dumps(plain(state))) < 2000
