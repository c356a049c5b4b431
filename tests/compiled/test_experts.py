"""Weights that learn: against ML-Poly written as a loop over steps, cutoffs and models."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.compiled.experts import Experts, Mixing
from relu_forecast.storage import decode, encode


def example(n_cutoffs=40, n_models=4, n_steps=3, seed=0):
    """Forecasts (T, M, H), and the samples after each cutoff, (T,): models of different bias."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=n_cutoffs).cumsum()
    ahead = np.stack([np.roll(samples, -step) for step in range(n_steps)], axis=1)
    biases = rng.normal(size=(n_models, n_steps))
    noise = rng.normal(size=(n_cutoffs, n_models, n_steps))
    return ahead[:, np.newaxis] + biases + noise, samples


def mixed(experts, forecasts, samples):
    """The mixtures (T, H), the weights (T, M, H) that they were made with, what is known after."""
    mixing, mixtures, weights = Mixing(experts), [], []
    for own, sample in zip(forecasts, samples, strict=True):
        weights.append(mixing.experts.weights())
        mixtures.append(mixing.mix(own))
        mixing.observe(sample)
    return np.array(mixtures), np.array(weights), mixing.experts


def weights_of(regrets, squares, able):
    """Regret, where positive, over one plus the squares; equal shares where there is none."""
    worth = [max(regret, 0.0) / (1 + square) if one else 0.0
             for regret, square, one in zip(regrets, squares, able, strict=True)]
    if sum(worth) == 0:
        worth = [float(one) for one in able]
    return [each / sum(worth) for each in worth]


def literal(experts, forecasts, samples):
    """ML-Poly, one step ahead after the other: from cutoff t, step k is of sample t + k - 1."""
    n_cutoffs, n_models, n_steps = forecasts.shape
    mixtures = np.full((n_cutoffs, n_steps), np.nan)
    weights = np.empty(forecasts.shape)
    for k in range(1, n_steps + 1):
        regrets, squares = [0.0] * n_models, [0.0] * n_models
        for t in range(n_cutoffs):
            judged = t - k  # the cutoff whose sample has just become known
            if judged >= 0 and np.isfinite(mixtures[judged, k - 1]):
                mixture, sample = mixtures[judged, k - 1], samples[t - 1]
                for model in range(n_models):
                    own = forecasts[judged, model, k - 1]
                    gained = 2 * (mixture - sample) * (mixture - own) / experts.scales[k - 1]
                    if np.isfinite(gained):
                        regrets[model] += gained
                        squares[model] += gained**2
            weights[t, :, k - 1] = weights_of(regrets, squares, experts.eligible[:, k - 1])
            finite = [m for m in range(n_models) if np.isfinite(forecasts[t, m, k - 1])]
            shares = {m: weights[t, m, k - 1] for m in finite}
            if finite and sum(shares.values()) == 0:
                shares = dict.fromkeys(finite, 1.0)
            if finite:
                mixtures[t, k - 1] = sum(
                    share * forecasts[t, m, k - 1] for m, share in shares.items()
                ) / sum(shares.values())
    return mixtures, weights


@settings(max_examples=25)
@given(n_models=st.integers(1, 5), n_steps=st.integers(1, 4), seed=st.integers(0, 99))
def test_mixtures_are_a_loop(n_models, n_steps, seed):
    forecasts, samples = example(25, n_models, n_steps, seed)
    rng = np.random.default_rng(seed)
    eligible = (rng.random((n_models, n_steps)) < 0.7).astype(float)
    eligible[0] = 1.0
    experts = Experts.starting(eligible, rng.uniform(0.1, 3, size=n_steps))
    mixtures, weights, _ = mixed(experts, forecasts, samples)
    expected, expected_weights = literal(experts, forecasts, samples)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-12)
    np.testing.assert_allclose(mixtures, expected, atol=1e-12)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


@settings(max_examples=25)
@given(seed=st.integers(0, 99), share=st.floats(0.05, 0.95))
def test_what_is_no_forecast_is_left_out(seed, share):
    forecasts, samples = example(25, seed=seed)
    rng = np.random.default_rng(seed)
    forecasts[rng.random(forecasts.shape) < share] = np.nan
    forecasts[rng.random(forecasts.shape) < 0.05] = np.inf
    experts = Experts.beginners(4, 3)
    mixtures, weights, _ = mixed(experts, forecasts, samples)
    expected, expected_weights = literal(experts, forecasts, samples)
    np.testing.assert_allclose(weights, expected_weights, atol=1e-12)
    np.testing.assert_allclose(mixtures, expected, atol=1e-12)
    np.testing.assert_array_equal(
        np.isnan(mixtures), ~np.isfinite(forecasts).any(axis=1))


@pytest.mark.parametrize("changed", [5, 17, 30])
def test_no_weight_rests_on_a_sample_that_is_not_known(changed):
    forecasts, samples = example()
    other = samples.copy()
    other[changed] += 3.0
    experts = Experts.beginners(4, 3)
    mixtures, weights, _ = mixed(experts, forecasts, samples)
    after, weights_after, _ = mixed(experts, forecasts, other)
    np.testing.assert_array_equal(mixtures[: changed + 1], after[: changed + 1])
    np.testing.assert_array_equal(weights[: changed + 1], weights_after[: changed + 1])
    assert not np.array_equal(weights[changed + 1], weights_after[changed + 1])


def test_the_first_weights_of_a_step_come_as_many_samples_later():
    forecasts, samples = example()
    _, weights, _ = mixed(Experts.beginners(4, 3), forecasts, samples)
    for step in range(3):
        assert (weights[: step + 1, :, step] == 0.25).all()
        assert (weights[step + 1, :, step] != 0.25).any()


def test_later_forecasts_take_the_weights_of_the_last_step():
    forecasts, samples = example()
    _, _, experts = mixed(Experts.beginners(4, 3), forecasts, samples)
    longer = np.random.default_rng(1).normal(size=(4, 6))
    weights = experts.weights()
    expected = [weights[:, min(step, 2)] @ longer[:, step] for step in range(6)]
    np.testing.assert_allclose(Mixing(experts).mix(longer), expected)
    np.testing.assert_allclose(Mixing(experts).mix(longer[:, :1]), expected[:1])


def test_what_is_known_goes_on_from_anywhere():
    forecasts, samples = example()
    start = Experts.beginners(4, 3)
    at_once, _, known = mixed(start, forecasts, samples)
    first, _, between = mixed(start, forecasts[:17], samples[:17])
    between = decode(*encode(between))
    second, _, after = mixed(between, forecasts[17:], samples[17:])
    np.testing.assert_array_equal(at_once, np.concatenate([first, second]))
    for name in ("regrets", "squares", "own", "mixed"):
        np.testing.assert_array_equal(getattr(known, name), getattr(after, name))
    assert known.count == after.count == 40


def test_opposite_errors_cancel_out():
    """No model is good, their average is: it is about as good as the best average."""
    samples = np.random.default_rng(0).normal(size=2000)
    forecasts = (samples[:, np.newaxis] + [3.0, -1.0])[:, :, np.newaxis]
    mixtures, weights, _ = mixed(Experts.beginners(2, 1), forecasts, samples)
    late = mixtures[-500:, 0] - samples[-500:]
    assert np.sqrt(np.mean(late**2)) < 0.3
    assert weights[-500:, 1, 0].mean() == pytest.approx(0.75, abs=0.05)


def test_models_that_are_hopeless_have_no_weight_whatever_comes():
    squares = np.array([[1.0, 4.0], [100.0, 401.0], [np.inf, 5.0], [101.0, np.nan]])
    experts = Experts.judged(squares)
    np.testing.assert_array_equal(experts.eligible, [[1, 1], [1, 0], [0, 1], [0, 0]])
    np.testing.assert_array_equal(experts.scales, [1.0, 4.0])
    samples = np.random.default_rng(0).normal(size=30)
    perfect = np.stack([samples + 1, samples + 2, samples, samples], axis=1)[:, :, np.newaxis]
    _, weights, _ = mixed(experts, np.repeat(perfect, 2, axis=2), samples)
    assert (weights[:, experts.eligible == 0] == 0).all()


def test_where_nothing_is_known_or_all_is_exact():
    unknown = Experts.judged(np.full((3, 2), np.inf))
    np.testing.assert_array_equal(unknown.weights(), np.full((3, 2), 1 / 3))
    exact = Experts.judged(np.array([[0.0], [0.0], [1.0]]))
    np.testing.assert_array_equal(exact.weights()[:, 0], [0.5, 0.5, 0.0])
    np.testing.assert_array_equal(exact.scales, [1.0])


def test_who_is_chosen_stays():
    experts = Experts.fixed(np.array([2, 0, 2]), 4)
    forecasts, samples = example()
    mixtures, _, after = mixed(experts, forecasts, samples)
    expected = np.stack([forecasts[:, 2, 0], forecasts[:, 0, 1], forecasts[:, 2, 2]], axis=1)
    np.testing.assert_array_equal(mixtures, expected)
    np.testing.assert_array_equal(after.weights(), experts.weights())


def test_given_arrays_are_not_written_to():
    forecasts, samples = example()
    experts = Experts.beginners(4, 3)
    before = decode(*encode(experts))
    mixed(experts, forecasts, samples)
    for name in ("regrets", "squares", "own", "mixed"):
        np.testing.assert_array_equal(getattr(before, name), getattr(experts, name))


KNOWN = Experts.beginners(2, 3)


@pytest.mark.parametrize("changes", [
    {"regrets": np.zeros((2, 2))}, {"squares": np.zeros((3, 3))}, {"eligible": np.ones((3, 3))},
    {"scales": np.ones(2)}, {"own": np.zeros((3, 2, 2))}, {"own": np.zeros((2, 2, 3))},
    {"mixed": np.zeros((2, 3))}, {"scales": np.zeros(3)}, {"squares": np.full((2, 3), -1.0)},
    {"eligible": np.full((2, 3), 0.5)}, {"eligible": np.array([[1.0, 1, 0], [1, 0, 0]])}],
    ids=lambda changes: next(iter(changes)))
def test_stored_arrays_are_checked(changes):
    KNOWN.check_stored()
    with pytest.raises(ValueError, match="it must have"):
        replace(KNOWN, **changes).check_stored()
