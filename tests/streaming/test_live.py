"""Streams whose model is fitted anew in a process of its own."""

import numpy as np
import pytest

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import RidgeAR
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.forecasting.data.history import History

N = 200
RNG = np.random.default_rng(4)
VALUES = np.sin(np.arange(700) / 3) + 0.4 * np.sign(np.sin(np.arange(700) / 7)) + (
    0.1 * RNG.normal(size=700))
VALUES[350:] *= 3


def of_buffer(model, samples, window, steps=3):
    """What a model that was fitted to samples says after a window."""
    compiled = model.compile(model.train(History.of(np.array(samples)), steps, ()), steps)
    return compiled.forecast(np.array(window)[np.newaxis, -compiled.length :])[0]


def push_all(live, samples):
    """Push samples one after the other."""
    for sample in samples:
        live.push(sample)


def test_refits_are_those_of_the_last_samples_and_failures_leave_the_stream_alive():
    model = RidgeAR(5, transform="standardize").fit(VALUES[:N], horizon=3, intervals="split")
    plain = model.stream()
    with model.live(every=50, buffer=100, wait=True) as live:
        for place in range(N, N + 50):  # the fit begins with the last of these
            expected, found = plain.push(VALUES[place]), live.push(VALUES[place])
            np.testing.assert_array_equal(found.forecast, expected.forecast)
        for place in range(N + 50, N + 60):
            seen = VALUES[: place + 1]
            told = of_buffer(RidgeAR(5, transform="standardize"), VALUES[N - 50 : N + 50], seen)
            np.testing.assert_allclose(live.push(VALUES[place]).forecast, told, atol=1e-12)
        assert (live.fitted.count, live.fitted.n_samples, live.failure) == (50, 100, "")
        assert live.fitted.certificate is None
        with pytest.warns(ConvergenceWarning, match="failed, and the model before stays: training"):
            push_all(live, [1.0] * 160)  # constant samples cannot be standardised
        assert "not constant" in live.failure
        assert np.isfinite(live.stream.reading.forecast).all()
        push_all(live, VALUES[:60].tolist())
        assert live.failure == ""
        assert live.fitted.count > 200


def test_a_sample_does_not_wait_for_a_fit_and_its_certificate_is_told():
    model = ReLUForecaster(6, beta_ratio=0.15).fit(VALUES[:N], horizon=3)
    plain = model.stream()
    with model.live(every=20, buffer=150) as live:
        first = live.fitted.certificate
        for sample in VALUES[N : N + 20].tolist():
            np.testing.assert_array_equal(live.push(sample).forecast, plain.push(sample).forecast)
        live._running.result(timeout=120)
        live.push(VALUES[N + 20])
        assert live.fitted.count == 20
        assert live.fitted.certificate is not first
        assert live.fitted.certificate.gap <= 0.1
        told = of_buffer(ReLUForecaster(6, beta_ratio=0.15), VALUES[N - 130 : N + 20],
                         VALUES[: N + 21])
        np.testing.assert_allclose(live.stream.reading.forecast, told, atol=0.05)
        assert np.abs(plain.push(VALUES[N + 20]).forecast - told).max() > 1e-4
    with pytest.warns(ConvergenceWarning, match="failed"):  # its worker has ended
        push_all(live, VALUES[N + 21 : N + 45].tolist())
    assert live.stream.count == 45


def test_models_that_do_not_fit_are_not_swapped_in():
    stream = RidgeAR(5).fit(VALUES[:N], horizon=3).stream()
    for other, horizon in ((RidgeAR(6), 3), (RidgeAR(5), 2)):
        with pytest.raises(InvalidArgumentError, match="model must be of 3 steps from 5 samples"):
            stream.swap(other.fit(VALUES[:N], horizon=horizon).compiled())
    stream.swap(RidgeAR(4).fit(VALUES[:N], horizon=3).compiled())
    own = RidgeAR(4).fit(VALUES[:N], horizon=3).stream()
    np.testing.assert_allclose(
        stream.push(0.5).forecast, own.push(0.5).forecast, rtol=0, atol=1e-12)


def test_a_committee_keeps_its_weights():
    model = ReLUForecaster().fit(VALUES[:N], horizon=3)
    stream = model.stream()
    stream.push(VALUES[N : N + 30])
    weights = stream.weights
    stream.swap(model.compiled())
    np.testing.assert_array_equal(stream.weights, weights)


@pytest.mark.parametrize(("given", "message"), [
    ({"every": 0}, "every"), ({"every": 5, "buffer": 3}, "buffer must be at least"),
    ({"every": 5, "channels": 2}, "channels must be left out"),
    ({"every": 5, "state": {}}, "state must be left out")])
def test_bad_arguments_are_refused(given, message):
    model = RidgeAR(5).fit(VALUES[:N], horizon=3)
    with pytest.raises(InvalidArgumentError, match=message):
        model.live(**given)


def test_gaps_are_as_long_as_the_first_window_after_a_swap():
    first = RidgeAR(14).fit(VALUES[:N], horizon=3)
    slow, fast = first.stream(), first.stream()
    for stream in (slow, fast):
        stream.swap(RidgeAR(2).fit(VALUES[:N], horizon=3).compiled())
    slow.push([np.nan] * 7)
    fast.skip(7)
    for stream in (slow, fast):
        stream.push(0.3)
        stream.swap(first.compiled())
    np.testing.assert_array_equal(fast.push(0.4).forecast, slow.push(0.4).forecast)
