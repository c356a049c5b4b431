"""The benchmark of accuracy: no look ahead, results that are kept, ratios and tables."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks import accuracy
from benchmarks import accuracy_tables as tables
from benchmarks.accuracy_peers import BY_NAME, ENTRANTS, Entrant, OnWindows, Perceptron, Setting
from benchmarks.accuracy_results import Book, Result, blank, forecast, measure, steps_of
from benchmarks.accuracy_stretches import STRETCHES, Stretch, ecg, halves, own, read_record
from relu_forecast import (
    Autoregression,
    NonconvexReLURegressor,
    ReLUForecaster,
    baselines,
    diebold_mariano,
)

H, LAGS, N = 3, 6, 140
MARKS = ("bars", "ratios", "windows", "tests", "errors", "signals")
QUICK = Entrant("relu", "ours", lambda setting: ReLUForecaster(
    2, setting.horizon, beta_ratio=0.3), sees_lags=False)
"""In place of our default, which takes its time."""


@pytest.fixture(scope="module")
def wave():
    """A kinked wave with noise: 140 samples to train on, 60 to forecast."""
    t = np.arange(N + 60)
    noise = np.random.default_rng(0).normal(0, 0.02, N + 60)
    return Stretch("wave", np.abs(np.sin(t / 6)) + np.sin(t / 15) + noise, N)


def small(name):
    """Return an entrant at a size for tests."""
    sizes = {
        "relu": QUICK.make,
        "network": lambda setting: ReLUForecaster(setting.lags, setting.horizon, beta_ratio=0.3),
        "mlp": lambda setting: OnWindows(setting.lags, Perceptron(8, 5), "joint"),
        "adam": lambda setting: OnWindows(
            setting.lags, NonconvexReLURegressor("adam", 4, n_steps=5), "joint")}
    sizes |= {f"lbfgs-{ratio}": lambda setting: OnWindows(
        setting.lags, NonconvexReLURegressor("lbfgs", 4, n_steps=5), "joint")
        for ratio in (0.01, 0.003, 0.001)}
    sizes |= {f"{name}-relative": lambda setting, make=make: Autoregression(
        setting.lags, make(setting).estimator, "joint")
        for name, make in sizes.items() if name.startswith(("mlp", "lbfgs"))}
    return replace(BY_NAME[name], make=sizes.get(name, BY_NAME[name].make))


@pytest.mark.parametrize("name", [one.name for one in ENTRANTS if one.is_there])
def test_later_samples_change_no_earlier_forecast(wave, name):
    check_no_look_ahead(small(name), wave)


def test_the_default_committee_learns_from_no_later_sample(wave):
    short = replace(wave, values=wave.values[80:], n_train=60)  # too short for networks: quick
    assert len(measure(BY_NAME["relu"], short, LAGS, H)[0].notes["members"]) > 1
    check_no_look_ahead(BY_NAME["relu"], short)


def check_no_look_ahead(entrant, wave):
    """Change samples of the test part, and see which forecasts change."""
    at = wave.n_train + 25
    changed = wave.values.copy()
    changed[at:] = np.random.default_rng(1).normal(5, 3, len(changed) - at)
    before, _ = forecast(entrant, wave, LAGS, H)
    after, _ = forecast(entrant, replace(wave, values=changed), LAGS, H)
    known = wave.cutoffs(H) < at
    np.testing.assert_allclose(after[known], before[known], rtol=1e-9, atol=1e-12)
    assert not np.allclose(after[~known], before[~known])


class Spy(baselines.Naive):
    """Repeats the last sample, and remembers what it was given."""

    seen: list[np.ndarray] = []  # noqa: RUF012  what clones share

    def train(self, history, horizon, warm_start):
        self.seen.append(history.values)

    def forecast(self, state, past, h):
        self.seen.append(past.recent.values)
        return super().forecast(state, past, h)


def test_fits_see_the_training_part_and_forecasts_nothing_after_the_last_cutoff(wave):
    settings = []

    def make(setting):
        settings.append(setting)
        return Spy()

    Spy.seen.clear()
    forecasts, _ = forecast(Entrant("spy", "spy", make), wave, LAGS, H)
    fitted, later = Spy.seen
    np.testing.assert_array_equal(fitted, wave.values[:N])
    np.testing.assert_array_equal(later, wave.values[N:-H])
    np.testing.assert_array_equal(settings[0].train, wave.values[:N])
    assert forecasts.shape == wave.truth(H).shape == (60 - H + 1, H)
    np.testing.assert_array_equal(forecasts[:, 0], wave.values[N - 1 : -H])
    np.testing.assert_array_equal(wave.truth(H)[0], wave.values[N : N + H])


@pytest.mark.parametrize("name", ["relu", "ridge-direct", "analogs-5"])
def test_forecasts_are_those_of_cross_validation(wave, name):
    entrant = small(name)
    model = entrant.make(Setting(LAGS, H, wave.train))
    frame = model.cross_validation(wave.values, H, n_windows=60 - H + 1, step_size=1, refit=False)
    forecasts, _ = forecast(entrant, wave, LAGS, H)
    np.testing.assert_allclose(frame[model.alias].to_numpy().reshape(-1, H), forecasts)
    np.testing.assert_allclose(frame["y"].to_numpy().reshape(-1, H), wave.truth(H))


def test_errors_are_in_deviations_of_the_training_part(wave):
    result, errors = measure(BY_NAME["naive"], wave, LAGS, H)
    by_hand = [wave.values[k - 1] - wave.values[k : k + H] for k in range(N, N + 60 - H + 1)]
    np.testing.assert_allclose(errors, np.array(by_hand) / wave.values[:N].std())
    assert result.rmse(2) == pytest.approx(np.sqrt(np.mean(errors[:, 1] ** 2)))
    assert result.rmse() == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert (result.cutoffs, result.lags, result.failure) == (58, 0, "")
    assert result.rmse() == pytest.approx(
        measure(BY_NAME["naive"], replace(wave, values=100 * wave.values), LAGS, H)[0].rmse())


@pytest.mark.parametrize("name", ["mlp", "lbfgs-0.01"])
def test_trained_peers_beat_the_naive_one_and_leave_the_linear_one_behind(wave, name):
    naive, linear, trained = (measure(BY_NAME[one], wave, 12, H)[0].rmse()
                              for one in ("naive", "ridge-direct", name))
    assert trained < 0.5 * naive
    assert trained < linear


def test_perceptrons_keep_the_weights_of_the_least_error():
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 5))
    y = np.c_[np.abs(X[:, 0]) + X[:, 4], X[:, 1]]
    first, second = (Perceptron(8, epochs=40, patience=40).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert first.predict(X).shape == (100, 2)
    late = slice(80, 100)

    def error(model):
        return (((model.predict(X) - y) / model.scale_)[late] ** 2).mean()

    assert error(first) <= error(Perceptron(8, epochs=1).fit(X, y))


def test_seasons_are_those_of_the_training_part():
    t = np.arange(300)
    assert Setting(4, 10, np.sin(2 * np.pi * t / 23)).season in (23, 46, 69, 92)
    assert Setting(4, 10, np.arange(5.0)).season == 1


def test_what_is_known_is_not_measured_again(wave, tmp_path, monkeypatch):
    entrants = [BY_NAME["naive"], BY_NAME["ridge"]]
    first = list(accuracy.run(Book(tmp_path), [wave], entrants, [4, 6], H))
    assert [(one.model, one.lags) for one in first] == [("naive", 0), ("ridge", 4), ("ridge", 6)]
    assert list(Book(tmp_path)) == first
    with monkeypatch.context() as patch:
        patch.setattr("benchmarks.accuracy.measure", None)
        assert not list(accuracy.run(Book(tmp_path), [wave], entrants, [4, 6], H))
    more = list(accuracy.run(Book(tmp_path), [wave], [*entrants, BY_NAME["analogs-5"]], [6], H))
    assert [one.model for one in more] == ["analogs-5"]
    other = replace(wave, values=wave.values + 1)
    assert len(list(accuracy.run(Book(tmp_path), [other], entrants, [6], H))) == 2


def test_runs_that_stop_leave_what_they_had(wave, tmp_path):
    running = accuracy.run(Book(tmp_path), [wave], [BY_NAME["naive"], BY_NAME["ridge"]], [6], H)
    first = next(running)
    running.close()
    rows = json.loads((tmp_path / "results.json").read_text())
    assert [row["model"] for row in rows] == ["naive"]
    assert set(Book(tmp_path).errors(first)) == {1, None}


def test_failures_are_results_too(wave, tmp_path):
    entrant = BY_NAME["analogs-5"]
    result, errors = measure(entrant, wave, 500, H)
    assert errors is None
    assert "InvalidArgumentError" in result.failure
    assert result.rmse() == np.inf
    Book(tmp_path).add(result, errors)
    assert result in Book(tmp_path)
    assert "failed: InvalidArgumentError" in tables.errors_table([result], 500)


def made(stretch, model, lags, *mean_squares):
    """Return a result with given mean squared errors."""
    return Result(stretch, stretch, model, lags, len(mean_squares), list(mean_squares), 1.0, 2.0, 9)


RESULTS = [
    made("a", "relu", 0, 1.0, 4.0), made("a", "ridge", 60, 1.0, 16.0),
    made("a", "analogs-5", 60, 4.0, 4.0), made("a", "naive", 0, 0.25, 0.25),
    made("a", "ridge", 120, 0.25, 0.0), made("b", "relu", 0, 9.0, 9.0),
    made("b", "ridge", 60, 4.0, 4.0), made("b", "ridge", 120, 9.0, 16.0)]


def test_ratios_are_to_the_best_peer_of_the_bars():
    a, b = (tables.of_stretch(RESULTS, name) for name in "ab")
    assert tables.ratio(a, tables.on_bars(60), 1) == (1.0, RESULTS[1])
    assert tables.ratio(a, tables.on_bars(60), None) == (pytest.approx((5 / 8) ** 0.5), RESULTS[2])
    assert tables.ratio(a, tables.on_bars(None), 1) == (2.0, RESULTS[4])
    assert tables.ratio(b, tables.on_bars(None), None) == (1.5, RESULTS[6])
    assert tables.ratio(a[1:], tables.on_bars(60), 1) is None
    assert tables.ratio(a[:1], tables.on_bars(60), 1) is None


def test_tables_have_geometric_means_and_the_worst():
    *_, mean, worst = tables.ratios_table(RESULTS, 60).splitlines()
    assert mean == f"| **geometric mean** | **{1.5**0.5:.3f}** | **{(2.25 * 5 / 8) ** 0.25:.3f}** |"
    assert worst == "| **worst** | **1.500** | **1.500** |"
    assert "RidgeAR, recursive; 120 lags" in tables.ratios_table(RESULTS, None)


def test_tables_of_errors_name_the_best_window():
    lines = tables.errors_table(tables.of_stretch(RESULTS, "a"), 60).splitlines()
    assert lines[0] == "| model | step 1 | all steps | fit, s | forecasts, s | best window |"
    assert lines[2].startswith("| **ReLUForecaster, default** | 1.0000 | 1.5811 | 1.0 | 2.0 |")
    assert lines[3].endswith("| 120: 0.3536 |")
    assert len(lines) == 6


def test_bars_say_what_is_met_and_what_is_missing():
    short = [made("a", "relu", 0, 1.0), made("a", "ridge", 60, 1.21), made("a", "ridge", 30, 0.81)]
    table = tables.bars_table(short, 60, ["a", "b"])
    assert "| all steps, geometric mean | <= 0.98 | 0.909 | yes | 1 of 2 |" in table
    assert "best windows, geometric mean | <= 1.00 | 1.111 | no | 1 of 2 |" in table
    assert "not yet" in tables.bars_table(short[1:], 60, ["a", "b"])
    assert tables.missing_peers(short, [60], ["a"]).startswith("Not everything was run: 14 of 15")
    peers = [made("a", name, 60, 1.0) for name, one in BY_NAME.items() if one.on_bars]
    assert tables.missing_peers(peers, [60], ["a"]) == ""


def test_tests_are_of_the_losses_at_a_step(wave, tmp_path):
    book = Book(tmp_path)
    entrants = [QUICK, BY_NAME["ridge"], BY_NAME["analogs-5"]]
    results = list(accuracy.run(book, [wave], entrants, [LAGS], H))
    errors = {one.model: measure(entrant, wave, LAGS, H)[1]
              for one, entrant in zip(results, entrants, strict=True)}
    _, peer = tables.ratio(results, tables.on_bars(LAGS), None)
    mean = [np.sqrt((errors[name] ** 2).mean(axis=1)) for name in ("relu", peer.model)]
    test = diebold_mariano(*mean, H)
    shown = tables.tests_table(book, results, LAGS).splitlines()[-1].split(" | ")
    assert shown[-1] == f"{test.statistic:.1f} (p = {test.p_value:.2g}) |"
    _, peer = tables.ratio(results, tables.on_bars(LAGS), 1)
    test = diebold_mariano(errors["relu"][:, 0], errors[peer.model][:, 0], 1)
    assert shown[1] == f"{test.statistic:.1f} (p = {test.p_value:.2g})"


def test_signals_are_compared_with_ridge_of_the_same_windows():
    results = [made("s", "relu", 0, 4.0), made("s", "network", 15, 1.0),
               made("s", "ridge", 15, 1.0), made("s", "ridge-direct", 15, 0.25)]
    *_, row, worst = tables.signals_table(results).splitlines()
    assert row == "| s | 2.000 (!) / 4.000 | 1.000 / 2.000 |"
    assert worst == "| **worst** | **2.000 (!) / 4.000** | **1.000 / 2.000** |"
    failed = replace(made("t", "relu", 0), failure="ValueError: no")
    part = [*results, failed, made("t", "network", 15, 9.0), made("t", "ridge", 15, 1.0)]
    assert tables.signals_table(part).splitlines()[-2] == "| t |  | 3.000 (!) |"
    assert len(halves()) == 25


def test_records_of_ones_own(tmp_path):
    values = np.random.default_rng(0).normal(size=50)
    np.savez(tmp_path / "one.npz", values)
    np.savez(tmp_path / "two.npz", x=values, y=-values)
    np.savez(tmp_path / "raw.npz", adc=np.arange(50), gain=np.array(2.0), baseline=np.array(10.0))
    (tmp_path / "mine.csv").write_text("a,b\n" + "\n".join(f"{one},{-one}" for one in values))
    np.testing.assert_array_equal(read_record(tmp_path / "one.npz"), values)
    np.testing.assert_array_equal(read_record(tmp_path / "two.npz", "y"), -values)
    np.testing.assert_allclose(read_record(tmp_path / "mine.csv", "b"), -values)
    assert read_record(tmp_path / "raw.npz")[12] == 1.0
    with pytest.raises(ValueError, match="--column"):
        read_record(tmp_path / "two.npz")
    stretch = own(tmp_path / "one.npz", start=10, samples=15)
    assert (stretch.name, stretch.n_train, len(stretch.values)) == ("one, from 10", 15, 30)
    assert own(tmp_path / "one.npz", start=11).n_train == 20


def test_the_stretches_lie_in_the_records():
    for name in STRETCHES:
        stretch = ecg(name)
        assert (stretch.n_train, len(stretch.values)) == (5000, 10_000)
        assert len(stretch.cutoffs(30)) == 4971


def test_the_command_line_runs_and_fills_the_document(tmp_path, monkeypatch, capsys):
    document = tmp_path / "accuracy.md"
    document.write_text("".join(
        f"<!-- {name} -->\nold\n<!-- end of {name} -->\n" for name in MARKS))
    monkeypatch.setattr(accuracy, "_DOCUMENT", document)
    np.savez(tmp_path / "wave.npz", np.sin(np.arange(120) / 5))
    accuracy.main([
        "--record", str(tmp_path / "wave.npz"), "--horizon", "4", "--lags", "6", "8", "--models",
        "ridge", "naive", "--output", str(tmp_path / "out"), "--docs"])
    assert "### wave, from 0" in capsys.readouterr().out
    assert "RidgeAR, recursive" in document.read_text()
    assert document.read_text().count("old") == 1  # of the signals, which were not run
    assert "### wave, from 0" in (tmp_path / "out" / "tables.md").read_text()


def test_the_document_has_a_place_for_every_table():
    text = accuracy._DOCUMENT.read_text()
    for name in MARKS:
        assert text.count(f"<!-- {name} -->") == text.count(f"<!-- end of {name} -->") == 1


def test_steps_end_with_the_horizon():
    assert steps_of(30) == [1, 10, 30, None]
    assert steps_of(12) == [1, 10, None]


def test_forecasters_that_see_no_windows_are_measured_once(wave):
    assert blank(BY_NAME["naive"], wave, 60, H).key == blank(BY_NAME["naive"], wave, 30, H).key
    assert blank(BY_NAME["ridge"], wave, 60, H).key != blank(BY_NAME["ridge"], wave, 30, H).key
