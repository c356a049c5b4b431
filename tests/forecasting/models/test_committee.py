"""Committees: judged, mixed and followed as by hand, without a look ahead."""

from dataclasses import replace

import numpy as np
import pytest
from joblib import parallel_config
from sklearn.linear_model import LinearRegression

from relu_forecast import load_forecaster
from relu_forecast.baselines import Drift, LinearAR, Naive, SeasonalNaive
from relu_forecast.compiled.experts import Mixing
from relu_forecast.forecasting import Autoregression, ReLUForecaster
from relu_forecast.forecasting.data.history import Covariates, History, SeriesArrays
from relu_forecast.forecasting.models.committee import Committee, CommitteeModel
from relu_forecast.forecasting.models.judging import Candidate, JudgedPart

RNG = np.random.default_rng(0)
SEASON = np.resize(RNG.normal(size=7), 260) + 0.3 * RNG.normal(size=260).cumsum()
H = 3
CANDIDATES = (
    Candidate("naive", Naive()), Candidate("season", SeasonalNaive(7)),
    Candidate("drift", Drift()),
    Candidate("line", Autoregression(8, LinearRegression(), "joint", None), guards=True))


def trained(values=SEASON[:100], candidates=CANDIDATES, **parameters):
    """A committee for three steps."""
    return Committee(candidates, H, **parameters).train(History.of(values))


def past_at(values, cutoffs, fit_stop, length=1, h=H):
    """What is known at cutoffs."""
    arrays = Naive().fit(values).panel_.series[0].arrays(Covariates())
    return arrays.past_at(np.asarray(cutoffs), fit_stop, length, h)


def forecasts_by_hand(values, fit_stop, cutoffs):
    """What each candidate forecasts, (C, M, H), with what is known of it spelled out."""
    slope = (values[fit_stop - 1] - values[0]) / (fit_stop - 1)
    rows = range(8, fit_stop - H + 1)
    line = LinearRegression().fit([values[t - 8 : t] for t in rows],
                                  [values[t : t + H] for t in rows])
    steps = np.arange(1, H + 1)
    return np.array([[
        np.full(H, values[t]), values[t + steps - 7], values[t] + slope * steps,
        line.predict(values[np.newaxis, t - 7 : t + 1])[0]] for t in cutoffs])


def squares_by_hand(values, n):
    """Mean squared errors on the last 30 percent of ``n`` samples, of fits to those before."""
    stop = int(0.7 * n)
    forecasts = forecasts_by_hand(values, stop, range(stop - 1, n - 1))
    squares = np.empty((4, H))
    for step in range(H):
        known = [(row, t + step + 1) for row, t in enumerate(range(stop - 1, n - 1))
                 if t + step + 1 < n]
        squares[:, step] = np.mean(
            [(forecasts[row, :, step] - values[at]) ** 2 for row, at in known], axis=0)
    return squares


def test_members_are_judged_by_hand():
    state = trained()
    assert [member.name for member in state.members] == ["naive", "season", "drift", "line"]
    found = np.stack([member.errors for member in state.members]) * state.unit**2
    np.testing.assert_allclose(found, squares_by_hand(SEASON, 100), rtol=1e-9)


def test_weights_and_forecasts_by_hand():
    """The mixture is made anew from forecasts by hand, over the judged part and after the fit."""
    state, stop = trained(), 70
    mixing = Mixing(replace(
        state.experts, regrets=np.zeros((4, H)), squares=np.zeros((4, H)),
        own=np.full((H, 4, H), np.nan), mixed=np.full((H, H), np.nan), count=0))
    judged = []
    for t, own in enumerate(forecasts_by_hand(SEASON, stop, range(stop - 1, 99)), stop - 1):
        judged.append(mixing.mix(own / state.unit) * state.unit)
        mixing.observe(SEASON[t + 1] / state.unit)
    ahead = np.r_[SEASON[:100], np.full(H, np.nan)]
    samples = np.array([ahead[t + 1 : t + 1 + H] for t in range(stop - 1, 99)])
    np.testing.assert_allclose(state.judged_errors, np.abs(judged - samples), rtol=1e-9)
    np.testing.assert_allclose(state.weights, mixing.experts.weights(), rtol=1e-9)
    expected = []
    for t, own in enumerate(forecasts_by_hand(SEASON, 100, range(99, 130)), 99):
        expected.append(mixing.mix(own / state.unit) * state.unit)
        mixing.observe(SEASON[t + 1] / state.unit)
    found = state.forecast(past_at(SEASON[:140], range(99, 130), 100), H)
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("chooses", [False, True])
def test_one_cutoff_alone_is_as_among_many(chooses):
    state = trained(chooses=chooses)
    cutoffs = [99, 100, 104, 119, 120, 151]
    together = state.forecast(past_at(SEASON, cutoffs, 100), H)
    for row, cutoff in enumerate(cutoffs):
        alone = state.forecast(past_at(SEASON[: cutoff + 1], [cutoff], 100), H)
        np.testing.assert_allclose(alone[0], together[row], rtol=1e-12)
    shuffled = state.forecast(past_at(SEASON, cutoffs[::-1], 100), H)
    np.testing.assert_allclose(shuffled[::-1], together, rtol=1e-12)


@pytest.mark.parametrize("changed", [100, 110, 131])
def test_samples_after_a_cutoff_do_not_matter(changed):
    state, other = trained(), SEASON.copy()
    other[changed:] += RNG.normal(size=len(other) - changed)
    cutoffs = np.arange(99, 150)
    before, after = (state.forecast(past_at(values, cutoffs, 100), H) for values in (SEASON, other))
    np.testing.assert_array_equal(before[cutoffs < changed], after[cutoffs < changed])
    assert (before[cutoffs >= changed] != after[cutoffs >= changed]).any()


def test_forecasts_are_the_same_in_any_number_of_steps():
    state = trained()
    past = past_at(SEASON[:140], [120], 100, h=7)
    np.testing.assert_array_equal(state.forecast(past, 7)[:, :2], state.forecast(past, 2))


def test_weights_go_on_over_new_samples():
    before = trained()
    again = Committee(CANDIDATES, H).train_again(History.of(SEASON[:130]), before)
    mixing = Mixing(before.experts)
    for t, own in enumerate(forecasts_by_hand(SEASON, 100, range(99, 129)), 99):
        mixing.mix(own / before.unit)
        mixing.observe(SEASON[t + 1] / before.unit)
    np.testing.assert_allclose(again.weights, mixing.experts.weights(), rtol=1e-9)
    assert not np.allclose(again.weights, before.weights)
    assert (again.judged_on, again.experts.count) == (100, before.experts.count + 30)
    fitted = Autoregression(8, LinearRegression(), "joint", None).train(
        History.of(SEASON[:130]), H, ())
    np.testing.assert_array_equal(
        again.members[3].state.regressor.coef_, fitted.regressor.coef_)


def test_a_sliding_part_goes_on_too():
    before = trained()
    history = History.of(SEASON[:130])
    whole, slid, short = (Committee(CANDIDATES, H).train_again(history.part(part), before)
                          for part in (slice(0, 130), slice(40, 130), slice(96, 130)))
    np.testing.assert_array_equal(whole.weights, slid.weights)
    np.testing.assert_array_equal(whole.weights, short.weights)  # without all that it looked at
    assert whole.stop == slid.stop == short.stop == 130
    gap = Committee(CANDIDATES, H).train_again(history.part(slice(101, 130)), before)
    assert gap.judged_on == 29


WAVE = np.resize(np.random.default_rng(2).normal(size=7), 260)


@pytest.mark.parametrize("start", [0, 40, 100])
def test_new_samples_are_known_by_their_place_where_a_series_repeats_itself(start):
    before, history = trained(WAVE[:100]), History.of(WAVE[:140]).part(slice(start, None))
    new = before.new_samples(history)
    np.testing.assert_array_equal(new.values, WAVE[100:140])
    assert new.start == 100
    again = Committee(CANDIDATES, H).train_again(history, before)
    assert again.experts.count == before.experts.count + 40
    following = again.new_samples(History.of(WAVE[:150]))
    np.testing.assert_array_equal(following.values, WAVE[140:150])


@pytest.mark.parametrize("input_size", [None, 40])
def test_fits_of_an_evaluation_and_updates_go_on_where_a_series_repeats_itself(input_size):
    counts = []

    class Counted(ReLUForecaster):
        def train(self, history, horizon, warm_start):
            state = super().train(history, horizon, warm_start)
            counts.append((history.start + len(history), state.experts.count))
            return state

    Counted(horizon=H).cross_validation(
        WAVE[:80], H, n_windows=3, step_size=9, input_size=input_size, refit=True)
    stops, found = zip(*counts, strict=True)
    assert stops == (59, 68, 77)
    assert np.diff(found).tolist() == [9, 9]
    model = ReLUForecaster(horizon=H).fit(WAVE[:80])
    first = model.models_["y"].experts.count
    assert model.update(WAVE[80:111]).models_["y"].experts.count == first + 31


def same(first, second):
    """Whether two committees forecast the same."""
    past = past_at(SEASON, [230], 231)
    return np.array_equal(first.forecast(past, H), second.forecast(past, H)) and np.array_equal(
        first.weights, second.weights)


@pytest.mark.parametrize(("values", "anew"), [
    (SEASON[:199], False), (SEASON[:200], True), (2 - SEASON[:130], True),
    (SEASON[1:131], True), (SEASON[:60], True)])
def test_members_are_judged_again_where_samples_do_not_go_on_or_are_twice_as_many(values, anew):
    before, fresh = trained(), trained(values)
    again = Committee(CANDIDATES, H).train_again(History.of(values), before)
    assert again.judged_on == (len(values) if anew else 100)
    experts, errors = (fresh.experts, fresh.judged_errors) if anew else before.followed(
        History.of(values[100:]))
    np.testing.assert_array_equal(again.weights, experts.weights())
    np.testing.assert_array_equal(again.judged_errors, errors)
    assert np.array_equal(again.weights, fresh.weights) == anew


def test_the_best_is_kept_and_its_guard_where_that_is_better():
    squares = squares_by_hand(SEASON, 100)
    state = trained(chooses=True)
    relative = (squares / squares[3]).mean(axis=1)
    best = int(np.argmin(relative))
    names = [candidate.name for candidate in CANDIDATES]
    kept = [best] if best == 3 else [best, 3]
    assert [member.name for member in state.members] == [names[place] for place in kept]
    expected = np.zeros((len(kept), H))
    for step in range(H):
        expected[int(np.argmin(squares[kept, step])), step] = 1.0
    np.testing.assert_array_equal(state.weights, expected)


class Poor(Naive):
    """Forecasts well one step ahead, and badly further on."""

    def forecast(self, state, past, h):
        return super().forecast(state, past, h) + np.r_[0.0, np.full(h - 1, 3.0)]


class Worst(Naive):
    """Forecasts badly at every step."""

    def forecast(self, state, past, h):
        return super().forecast(state, past, h) + 3.0


class Late(Naive):
    """Forecasts badly one step ahead."""

    def forecast(self, state, past, h):
        return super().forecast(state, past, h) + np.r_[0.02, np.zeros(h - 1)]


def test_a_guard_stands_in_at_single_steps():
    walk = RNG.normal(size=200).cumsum() / 50
    candidates = (Candidate("poor", Poor(), guards=True), Candidate("late", Late()))
    state = trained(walk, candidates, chooses=True)
    assert [member.name for member in state.members] == ["late", "poor"]
    np.testing.assert_array_equal(state.weights, [[0, 1, 1], [1, 0, 0]])
    found = state.forecast(past_at(walk, [199], 200), H)
    np.testing.assert_allclose(found, np.full((1, H), walk[-1]))


def test_hopeless_candidates_are_no_members():
    far = (*CANDIDATES, Candidate("far", Poor()))
    state = trained(SEASON[:100] / 50, far)
    names = [member.name for member in state.members]
    assert names == [candidate.name for candidate in far]
    assert state.weights.shape == (5, H)
    # Kept for the step at which it is no worse than the naive one.
    np.testing.assert_array_equal(state.experts.eligible[-1], [1, 0, 0])
    np.testing.assert_array_equal(state.experts.eligible[:-1], 1)
    assert (state.weights[-1, 1:] == 0).all()
    worst = trained(SEASON[:100] / 50, (*CANDIDATES, Candidate("worst", Worst())))
    assert "worst" not in [member.name for member in worst.members]


class Crowded(Autoregression):
    """A linear model that says that it has so many neurons."""

    def __init__(self, n_neurons, lags):
        super().__init__(lags, LinearRegression(), "joint", None)
        self.n_neurons = n_neurons

    def train(self, history, horizon, warm_start):
        state = super().train(history, horizon, warm_start)
        state.regressor.n_neurons_ = self.n_neurons
        return state


@pytest.mark.parametrize("n_neurons", [14, 15])
def test_a_chain_ends_after_a_network_with_a_neuron_for_every_five_samples(n_neurons):
    part = JudgedPart.of(History.of(SEASON[:100]), H, 1.0)
    chain = [Candidate("line", Autoregression(1, LinearRegression(), "joint", None), guards=True),
             Candidate("first", Crowded(n_neurons, 7), "line"),
             Candidate("second", Crowded(0, 8), "first")]
    names = [one.candidate.name for one in part.judge(chain)]
    assert names == (["line", "first", "second"] if n_neurons == 14 else ["line", "first"])


def test_too_few_samples_to_be_judged_leave_linear_models_of_equal_weight():
    candidates = (*CANDIDATES, Candidate("other", LinearAR(2, transform=None), guards=True))
    values = SEASON[:13]
    state = Committee(candidates, 5).train(History.of(values))
    assert [member.name for member in state.members] == ["line", "other"]
    np.testing.assert_array_equal(state.weights, np.full((2, 5), 0.5))
    assert all(np.isnan(member.errors).all() for member in state.members)
    assert state.judged_errors.shape == (0, 5)
    own = [member.model.forecast(member.state, past_at(
        values, [12], 13, member.model.lookback, 5), 5) for member in state.members]
    np.testing.assert_allclose(
        state.forecast(past_at(values, [12], 13, h=5), 5), np.mean(own, axis=0))


@pytest.mark.parametrize("unit", [2.0**-200, 2.0**200])
def test_the_unit_does_not_matter(unit):
    plain, scaled = trained(), trained(SEASON[:100] * unit)
    np.testing.assert_array_equal(plain.weights[:3], scaled.weights[:3])
    np.testing.assert_allclose(plain.weights, scaled.weights, rtol=1e-6)


def test_workers_change_nothing():
    serial = trained()
    with parallel_config("threading", n_jobs=2):
        parallel = trained()
    assert same(serial, parallel)
    np.testing.assert_array_equal(serial.judged_errors, parallel.judged_errors)


SHORT = np.abs(np.sin(np.arange(70) / 3)) + 0.1 * np.random.default_rng(0).normal(size=70)


@pytest.mark.parametrize("model", [
    ReLUForecaster(horizon=H), ReLUForecaster(horizon=H, committee=False),
    pytest.param(ReLUForecaster(1, H), marks=pytest.mark.slow)],
    ids=["committee", "best of all", "one window"])
def test_committees_come_back_from_files(model, tmp_path):
    model.fit(SHORT[:50], intervals="split")
    model.save(tmp_path / "f")
    loaded = load_forecaster(tmp_path / "f")
    np.testing.assert_array_equal(loaded.predict(5)["ReLU"], model.predict(5)["ReLU"])
    assert loaded.members_.equals(model.members_)
    first, second = model.update(SHORT[50:]), loaded.update(SHORT[50:])
    np.testing.assert_array_equal(first.predict(5)["ReLU"], second.predict(5)["ReLU"])


@pytest.mark.parametrize("change", [
    {"members": ()}, {"unit": 0.0}, {"judged_errors": np.zeros((3, 2))}])
def test_stored_parts_are_checked(change):
    state = trained()
    state.check(H, 100)
    with pytest.raises(ValueError, match="it must have"):
        replace(state, **change).check(H, 100)
    for horizon in (2, 4):
        with pytest.raises(ValueError, match="it must have"):
            state.check(horizon, 100)
    with pytest.raises(ValueError, match="it must end with the 101 samples"):
        state.check(H, 101)


def test_a_stored_tail_must_reach_as_far_as_members_look_back():
    state = trained()
    short = replace(state, tail=replace(state.tail, values=state.tail.values[1:]))
    with pytest.raises(ValueError, match="it must keep the samples"):
        short.check(H, 100)


def test_an_update_keeps_the_members():
    model = ReLUForecaster(horizon=H).fit(SHORT[:50])
    before = model.models_["y"]
    after = model.update(SHORT[50:]).models_["y"]
    assert isinstance(after, CommitteeModel)
    assert [one.name for one in after.members] == [one.name for one in before.members]
    assert after.judged_on == 50
    experts, errors = before.followed(History.of(SHORT[50:]))
    np.testing.assert_array_equal(after.weights, experts.weights())
    np.testing.assert_array_equal(after.judged_errors, errors)
    n_old, n_new = len(before.judged_errors), len(SHORT) - 50
    np.testing.assert_array_equal(errors[:n_old], before.judged_errors)
    past = SeriesArrays(SHORT, np.empty((len(SHORT), 0)), np.empty((len(SHORT), 0))).past_at(
        np.arange(49, len(SHORT) - 1), 50, 1, H)
    forecasts = before.forecast(past, H)
    expected = [[abs(SHORT[50 + i + k] - forecasts[i, k]) if 50 + i + k < len(SHORT) else np.nan
                 for k in range(H)] for i in range(n_new)]
    np.testing.assert_allclose(errors[n_old:], expected, rtol=1e-9)


def test_members_are_told_in_a_table():
    model = ReLUForecaster(horizon=H).fit(SHORT)
    table, state = model.members_, model.models_["y"]
    assert table.columns.tolist() == [
        "unique_id", "member", "window", "ratio", "neurons", "gap", "scope", "error", "seconds",
        "weight", "weight_1", "weight_2", "weight_3"]
    assert table["weight"].is_monotonic_decreasing
    steps = table[["weight_1", "weight_2", "weight_3"]]
    np.testing.assert_allclose(steps.sum(), 1.0)
    np.testing.assert_allclose(steps.mean(axis=1), table["weight"])
    errors = {one.name: np.sqrt(one.errors.mean()) * state.unit for one in state.members}
    assert dict(zip(table["member"], table["error"], strict=True)) == pytest.approx(errors)
    assert model.regressor_ is state.regressors[0]


def test_the_table_of_one_network_has_a_row():
    model = ReLUForecaster([1, 3], H, beta_ratio=0.9).fit(SHORT)
    [row] = model.members_.to_dict("records")
    network = model.regressor_
    assert (row["member"], row["window"], row["weight"]) == ("network", "2 lags up to 3", 1.0)
    assert (row["ratio"], row["neurons"], row["gap"]) == (0.9, network.n_neurons_, network.gap_)


def test_covariates_that_end_before_the_horizon_leave_members_without_a_forecast():
    """Forecasts near the end of what is known ahead are NaN, and no one's weight changes."""
    rng = np.random.default_rng(0)
    known = rng.normal(size=(100, 1))
    history = History(known[:, 0] + 0.1 * rng.normal(size=100), np.empty((100, 0)), known)
    candidate = Candidate("line", Autoregression(2, LinearRegression(), "recursive", None,
                                                 future_exog=("known",)), guards=True)
    state = Committee((candidate,), H).train(history)
    assert np.isfinite(state.members[0].errors).all()
    np.testing.assert_allclose(state.weights, 1.0)
    assert state.members[0].errors.max() * state.unit**2 < 0.05
