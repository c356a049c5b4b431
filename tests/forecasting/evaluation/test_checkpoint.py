"""Checkpoints: what a killed run had done stays done, and nothing else is ever served."""

import multiprocessing
import os
import sqlite3
import time
from contextlib import closing

import numpy as np
import pandas as pd
import pytest
from joblib import parallel_config
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from relu_forecast.baselines import LinearAR, Naive
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression, Forecaster, ReLUForecaster, backtest
from relu_forecast.forecasting.evaluation.checkpoint import Checkpoint, digest_of
from tests.forecasting.evaluation.checkpoints import entries

SIGNAL = np.abs(np.sin(np.arange(60) / 4)) + 0.05 * np.random.default_rng(0).normal(size=60)


class Noting(Forecaster):
    """Naive, and a line in a file for every fit."""

    lookback = 1

    def __init__(self, notes, bend=0.0, alias="Noting"):
        self.notes, self.bend, self.alias = notes, bend, alias

    def train(self, history, horizon, warm_start):
        with open(self.notes, "a") as file:
            file.write(f"{len(history)}\n")

    def forecast(self, state, past, h):
        return past.windows.repeat(h, axis=1) + self.bend


@pytest.fixture
def noted(tmp_path):
    """A model that notes its fits, how many it has noted, and a checkpoint."""
    notes = tmp_path / "notes"
    notes.touch()
    return Noting(str(notes)), lambda: len(notes.read_text().split()), tmp_path / "kept.db"


def test_an_entry_comes_back_as_it_was_put(tmp_path):
    arrays = {"a": np.arange(6.0).reshape(2, 3).T, "b": np.array([np.nan, np.inf]),
              "c": np.empty((0, 4))}
    with Checkpoint(tmp_path / "kept.db") as file:
        assert file.get("one") is None
        file.put("one", arrays)
    with Checkpoint(str(tmp_path / "kept.db")) as file:
        found = file.get("one")
        assert file.get("other") is None
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_what_is_done_is_not_done_again(noted, n_jobs):
    model, count, path = noted
    plain = model.cross_validation(SIGNAL, 2, n_windows=5)
    with parallel_config("threading"):
        first = model.cross_validation(SIGNAL, 2, n_windows=5, checkpoint=path, n_jobs=n_jobs)
    assert count() == 10
    second = model.cross_validation(SIGNAL, 2, n_windows=5, checkpoint=path)
    assert count() == 10
    for frame in (first, second):
        pd.testing.assert_frame_equal(frame, plain, check_exact=True)


CHANGES = {
    "data": ({}, {"data": SIGNAL + np.eye(60)[0]}),
    "parameters": ({"bend": 1.0}, {}),
    "h": ({}, {"h": 3}),
    "gap": ({}, {"gap": 1}),
    "input_size": ({}, {"input_size": 20}),
    "refit": ({}, {"refit": False}),
    "level": ({}, {"level": 50}),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_a_change_makes_different_is_never_served(noted, change):
    model, count, path = noted
    parameters, arguments = CHANGES[change]
    usual = {"data": SIGNAL, "h": 2, "n_windows": 3, "step_size": 2}
    model.cross_validation(**usual, checkpoint=path)
    other = Noting(model.notes, **parameters)
    expected = other.cross_validation(**usual | arguments)
    before = count()
    found = other.cross_validation(**usual | arguments, checkpoint=path)
    assert count() > before
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_levels_and_methods_have_entries_of_their_own(tmp_path):
    calls = [{"level": level, "intervals": method}
             for level in (50, [50, 60]) for method in ("split", "adaptive")]
    for arguments in calls:
        found = LinearAR(2).cross_validation(
            SIGNAL, 2, n_windows=2, checkpoint=tmp_path / "kept.db", **arguments)
        expected = LinearAR(2).cross_validation(SIGNAL, 2, n_windows=2, **arguments)
        pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_one_file_serves_many_runs_and_more_folds_find_the_earlier_ones(noted):
    model, count, path = noted
    model.cross_validation(SIGNAL, 2, n_windows=3, checkpoint=path)
    backtest({"a": model, "b": Naive()}, SIGNAL, 2, n_windows=5, checkpoint=path)
    assert count() == 5


def test_warm_starts_are_found_again(tmp_path):
    path, model = tmp_path / "kept.db", ReLUForecaster(2, strategy="recursive", beta_ratio=0.3)
    first = model.cross_validation(SIGNAL, 2, n_windows=3, checkpoint=path, level=50)
    assert entries(path) == 3
    second = model.cross_validation(SIGNAL, 2, n_windows=3, checkpoint=path, level=50)
    assert entries(path) == 3
    pd.testing.assert_frame_equal(first, second, check_exact=True)


def test_a_failing_fold_leaves_the_others_done(noted):
    _, count, path = noted
    bad = LinearAR(2, transform="standardize")
    models = {"good": Noting(str(path.parent / "notes")), "bad": bad}
    constant = np.r_[np.ones(50), SIGNAL[:10]]
    for _ in range(2):
        with pytest.raises(InvalidArgumentError, match="not constant"):
            backtest(models, constant, 2, n_windows=8, checkpoint=path)
    assert count() == 8


class Slow(Noting):
    """Takes its time over long training parts, until a file says that there is no need."""

    def train(self, history, horizon, warm_start):
        super().train(history, horizon, warm_start)
        while len(history) > 54 and not os.path.exists(f"{self.notes}.hurry"):
            time.sleep(0.01)


def walk_slowly(notes, path, n_jobs):
    """What is killed: eight folds, of which the last five do not come to an end."""
    with parallel_config("threading"):
        return Slow(str(notes)).cross_validation(
            SIGNAL, 1, n_windows=8, checkpoint=path, n_jobs=n_jobs)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of threads, before a fork
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_killed_run_goes_on_where_it_was(tmp_path, n_jobs):
    notes, path = tmp_path / "notes", tmp_path / "kept.db"
    run = multiprocessing.get_context("fork").Process(
        target=walk_slowly, args=(notes, path, n_jobs))
    run.start()
    while entries(path) < 3 or len(notes.read_text().split()) < 3 + n_jobs:
        assert run.is_alive()
        time.sleep(0.02)
    run.kill()
    run.join()
    assert entries(path) == 3
    before = len(notes.read_text().split())
    (tmp_path / "notes.hurry").touch()
    found = walk_slowly(notes, path, n_jobs)
    again = notes.read_text().split()[before:]
    assert sorted(again) == ["55", "56", "57", "58", "59"]
    expected = Naive(alias="Noting").cross_validation(SIGNAL, 1, n_windows=8)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_two_runs_may_share_a_file_at_once(tmp_path):
    path = tmp_path / "kept.db"
    with Checkpoint(path) as one, Checkpoint(path) as other:
        for number in range(5):
            one.put(f"one {number}", {"a": np.array([float(number)])})
            other.put(f"other {number}", {"a": np.array([-float(number)])})
        assert other.get("one 4")["a"] == 4
        assert one.get("other 3")["a"] == -3


def refused(path, message):
    """Whether a walk forward with such a checkpoint is refused, by name."""
    with pytest.raises(InvalidArgumentError, match=message) as caught:
        Naive().cross_validation(SIGNAL, 2, n_windows=2, checkpoint=path)
    assert caught.value.argument == "checkpoint"
    assert str(path) in caught.value.got


def test_what_is_no_checkpoint_is_refused(tmp_path):
    refused(tmp_path / "nowhere" / "kept.db", "checkpoint must be a file in an existing folder")
    refused(tmp_path, "checkpoint must be a new file, or one that an earlier run left")
    (tmp_path / "text").write_text("no database " * 100)
    refused(tmp_path / "text", "not a database")
    assert (tmp_path / "text").read_text() == "no database " * 100
    with closing(sqlite3.connect(tmp_path / "foreign.db")) as file:
        file.execute("CREATE TABLE entries (name TEXT)")
    refused(tmp_path / "foreign.db", "no such column")


@pytest.mark.parametrize("damage", [
    lambda entry: entry[:-1], lambda entry: b"", lambda entry: "text", lambda entry: 3,
    lambda entry: None, lambda entry: entry[:-3] + bytes([entry[-3] ^ 1]) + entry[-2:]],
    ids=["cut", "empty", "text", "number", "null", "flipped bit"])
def test_damaged_entries_are_refused(tmp_path, damage):
    path = tmp_path / "kept.db"
    Naive().cross_validation(SIGNAL, 2, n_windows=2, checkpoint=path)
    with closing(sqlite3.connect(path)) as file, file:
        for digest, entry in file.execute("SELECT * FROM entries").fetchall():
            file.execute("UPDATE entries SET arrays = ? WHERE digest = ?", (damage(entry), digest))
    refused(path, "an entry is damaged")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "kept.db"
    Naive().cross_validation(SIGNAL, 2, n_windows=2, checkpoint=path)
    with closing(sqlite3.connect(path)) as file, file:
        file.execute("CREATE TRIGGER full BEFORE INSERT ON entries"
                     " BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    with pytest.raises(InvalidArgumentError, match="disk is full"):
        Naive().cross_validation(SIGNAL, 3, n_windows=2, checkpoint=path)


def test_digests_tell_values_apart_and_nothing_else():
    values = np.arange(4.0)
    assert digest_of(values, LinearAR(2)) == digest_of(values.copy(), LinearAR(2))
    others = [digest_of(values + 1, LinearAR(2)), digest_of(values, LinearAR(3)),
              digest_of(values.reshape(2, 2), LinearAR(2)), digest_of(values, Naive())]
    assert len({digest_of(values, LinearAR(2)), *others}) == 5


def test_a_model_that_cannot_be_pickled_is_refused_with_a_remedy(tmp_path):
    model = Autoregression(2, make_pipeline(FunctionTransformer(lambda X: X), LinearRegression()))
    with pytest.raises(InvalidArgumentError, match="checkpoint must be left out for a model"):
        model.cross_validation(SIGNAL, 2, n_windows=2, checkpoint=tmp_path / "kept.db")
