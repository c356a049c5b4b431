"""The command forecast, against the library."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from relu_forecast import ReLUForecaster, baselines
from relu_forecast.baselines import LinearAR
from tests.cli.series import COLUMNS, HOURS


def test_forecast_prints_csv_that_equals_the_library(hourly: Path, run: Any) -> None:
    result = run("forecast", hourly, *COLUMNS, "--model", "ar", "--lags", "4", "-h", "3")
    rows = pd.read_csv(io.StringIO(result.stdout))
    expected = LinearAR(4).fit(pd.read_csv(hourly)["value"].to_numpy()).predict(3)
    np.testing.assert_allclose(rows.iloc[:, -1], expected.iloc[:, -1], rtol=1e-9)
    assert rows["ds"].iloc[0] == "2026-01-06 00:00:00"


def test_forecast_writes_a_file(hourly: Path, tmp_path: Path, run: Any) -> None:
    target = tmp_path / "next.csv"
    result = run("forecast", hourly, *COLUMNS, "--model", "naive", "-o", target)
    assert len(pd.read_csv(target)) == 10
    assert result.stdout == ""


def test_a_saved_model_forecasts_as_the_library_does(
    many: Path, frame: pd.DataFrame, tmp_path: Path, run: Any
) -> None:
    saved, ahead = tmp_path / "m.safetensors", tmp_path / "ahead.csv"
    target = tmp_path / "next.parquet"
    known = frame.loc[frame["ds"] >= HOURS[120], ["unique_id", "ds", "heat"]]
    known.to_csv(ahead, index=False)
    run("fit", many, "--column", "y", "--future-exog", "heat", "--lags", 3, "--beta-ratio", 0.2,
        "--strategy", "recursive", "--horizon", 4, "--intervals", "split", "-o", saved)
    run("forecast", saved, "--future", ahead, "--level", "80,95", "-o", target)
    model = ReLUForecaster(
        3, strategy="recursive", beta_ratio=0.2, future_exog=["heat"]).fit(
        pd.read_parquet(many), horizon=4, intervals="split")
    expected = model.predict(4, future=known, level=[80, 95])
    pd.testing.assert_frame_equal(pd.read_parquet(target), expected, check_dtype=False, rtol=1e-9)


def test_a_saved_model_is_updated_by_a_file_without_times(
    bare: Path, tmp_path: Path, run: Any, document: Any
) -> None:
    saved = tmp_path / "m.safetensors"
    run("fit", bare, "--model", "ar", "--lags", 4, "-o", saved)
    [row] = document("forecast", saved, "--update", tmp_path / "new.csv", "-h", 1)["forecasts"]
    whole = np.concatenate([pd.read_csv(bare)["v"], pd.read_csv(tmp_path / "new.csv")["v"]])
    expected = baselines.LinearAR(4).fit(whole).predict(1)["LinearAR"].item()
    assert row == {"unique_id": "bare", "ds": 104, "LinearAR": pytest.approx(expected, rel=1e-9)}


def test_columns_known_ahead_go_on_where_a_file_without_times_ends(
    frame: pd.DataFrame, tmp_path: Path, run: Any
) -> None:
    one = frame.loc[frame["unique_id"] == "a", ["y", "heat"]]
    one[:120].to_csv(tmp_path / "one.csv", index=False)
    one[["heat"]][120:].to_csv(tmp_path / "ahead.csv", index=False)
    given = ["--column", "y", "--model", "boosting", "--lags", "3", "--future-exog", "heat"]
    result = run("forecast", tmp_path / "one.csv", *given, "--future", tmp_path / "ahead.csv",
                 "-h", 4)
    model = baselines.GradientBoosting(3, future_exog=["heat"])
    model.fit(one[:120].assign(ds=range(120)))
    expected = model.predict(4, future=one[120:].assign(ds=range(120, 124)))
    rows = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(rows["GradientBoosting"], expected["GradientBoosting"], rtol=1e-9)


def test_past_columns_gaps_and_steps_reach_the_model(
    frame: pd.DataFrame, tmp_path: Path, run: Any
) -> None:
    one = frame.loc[frame["unique_id"] == "a", ["ds", "y", "heat"]][:60]
    one.loc[20, "y"] = np.nan
    one.to_csv(tmp_path / "one.csv", index=False)
    given = ["--column", "y", "--model", "boosting", "--lags", "3", "--past-exog", "heat",
             "--strategy", "direct", "--transform", "none", "--seed", "1", "--freq", "1h"]
    run("forecast", tmp_path / "one.csv", *given, code=2)
    result = run("forecast", tmp_path / "one.csv", *given, "--missing", "interpolate", "-h", 2)
    model = baselines.GradientBoosting(
        3, strategy="direct", transform=None, random_state=1, past_exog=["heat"])
    expected = model.fit(one, missing="interpolate", freq="1h", horizon=2).predict()
    rows = pd.read_csv(io.StringIO(result.stdout))
    np.testing.assert_allclose(rows["GradientBoosting"], expected["GradientBoosting"], rtol=1e-9)


def test_times_of_a_file_are_never_taken_for_row_numbers(tmp_path: Path, run: Any) -> None:
    known, again, model = tmp_path / "t.csv", tmp_path / "again.csv", tmp_path / "m.safetensors"
    signal = pd.DataFrame({"t": range(40), "v": np.sin(np.arange(40.0)), "x": range(40)})
    signal.to_csv(known, index=False)
    signal[:9].to_csv(again, index=False)
    named = ["--time-col", "t", "--column", "v"]
    run("fit", known, "--model", "ridge", "--lags", "3", "-o", model, *named)
    told = run("forecast", model, "-h", "2", "--update", again, *named, code=2)
    assert "duplicates" in told.stderr


def test_weights_reach_fits_and_updates(
    frame: pd.DataFrame, tmp_path: Path, run: Any, document: Any
) -> None:
    one = frame.loc[frame["unique_id"] == "a", ["ds", "y", "heat"]][:100]
    one[:90].to_csv(tmp_path / "one.csv", index=False)
    one[90:].to_csv(tmp_path / "new.csv", index=False)
    saved = tmp_path / "m.safetensors"
    named = ["--column", "y", "--time-col", "ds"]
    run("fit", tmp_path / "one.csv", *named, "--weight-col", "heat", "--model", "ridge", "--lags",
        3, "-o", saved)
    [row] = document("forecast", saved, "--update", tmp_path / "new.csv", *named, "-h",
                     1)["forecasts"]
    expected = baselines.RidgeAR(3).fit(one, weight_col="heat").predict(1)["RidgeAR"].item()
    assert row["RidgeAR"] == pytest.approx(expected, rel=1e-9)
    assert expected != baselines.RidgeAR(3).fit(one).predict(1)["RidgeAR"].item()
    told = run("forecast", saved, "--weight-col", "heat", code=2)
    assert "--weight-col must be left out for a saved model" in told.stderr


def test_models_without_a_horizon_forecast_as_many_samples_as_help_says(
    bare: Path, tmp_path: Path, document: Any, run: Any
) -> None:
    saved = tmp_path / "m.safetensors"
    for horizon, expected in (([], 10), (["--horizon", 3], 3)):
        run("fit", bare, "--model", "ridge", "--lags", 3, "-o", saved, *horizon)
        told = document("forecast", saved)
        assert told["horizon"] == len(told["forecasts"]) == expected


def test_a_saved_model_knows_how_its_file_was_to_be_read(
    tmp_path: Path, run: Any, document: Any
) -> None:
    times = pd.date_range("2026-03-28", periods=60, freq="h", tz="Europe/Berlin")
    wave = np.sin(np.arange(60) / 3).round(3)
    written = pd.DataFrame({"Zeit": times.strftime("%d.%m.%Y %H:%M"), "kW": wave, "no": 1})
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    written[:40].to_csv(first, index=False, sep=";", decimal=",")
    written[40:].drop(index=45).to_csv(second, index=False, sep=";", decimal=",")
    saved, picture = tmp_path / "m.safetensors", tmp_path / "p.png"
    run("fit", first, "--model", "ridge", "--lags", 4, "--horizon", 2, "--intervals", "split",
        "--column", "kW", "--time-col", "Zeit", "--decimal", ",", "--tz", "Europe/Berlin",
        "--date-format", "%d.%m.%Y %H:%M", "--regular", "1h", "--missing", "interpolate",
        "-o", saved)
    told = document("forecast", saved, "--update", second, "--level", 50, "--plot", picture)
    values = pd.Series(wave, times, name="first")
    values.iloc[45] = np.nan
    model = baselines.RidgeAR(4).fit(values[:40], horizon=2, intervals="split",
                                     missing="interpolate")
    expected = model.update(values[40:]).predict(level=50)
    found = pd.DataFrame(told["forecasts"])
    assert pd.to_datetime(found["ds"]).tolist() == expected["ds"].tolist()
    for name in ("RidgeAR", "RidgeAR-lo-50"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-9)
    assert picture.stat().st_size > 10_000
    run("forecast", saved, "--update", second, "--sep", ",", code=2)
    for given in (["--sep", ","], ["--time-col", "Zeit"], ["--encoding", "cp1252"]):
        told = run("forecast", saved, *given, code=2).stderr
        assert f"{given[0]} must be left out where no file of series is read" in " ".join(
            told.split())
