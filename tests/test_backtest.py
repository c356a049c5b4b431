"""Backtests: every model over the same cutoffs, scored as a plain loop would."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from relu_forecast.baselines import AutoReg, Drift, LinearAR, Naive, SeasonalNaive
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Backtest, backtest
from relu_forecast.forecasting.metrics import naive_mae, naive_rmse, smape

RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({
    "unique_id": np.repeat(["b", "a"], [60, 45]),
    "ds": [*range(60), *range(45)],
    "y": np.r_[np.sin(np.arange(60) / 3), 10 * RNG.normal(size=45)],
})
MODELS = {"line": LinearAR(5), "last": Naive(), "season": SeasonalNaive(7)}


@pytest.fixture(scope="module")
def result() -> Backtest:
    return backtest(MODELS, FRAME, 4, n_windows=5, step_size=3, refit=2, season_length=2)


def test_columns_are_the_models_in_their_order(result):
    assert list(result.predictions) == ["unique_id", "ds", "cutoff", "y", "line", "last", "season"]
    assert list(result.seconds.index) == ["line", "last", "season"]
    assert (result.seconds > 0).all()


def test_predictions_are_those_of_cross_validation(result):
    for name, model in MODELS.items():
        alone = model.cross_validation(FRAME, 4, n_windows=5, step_size=3, refit=2)
        expected = alone.rename(columns={model.alias: name})
        pd.testing.assert_frame_equal(result.predictions[list(expected)], expected)


@pytest.mark.parametrize("arguments", [
    {"gap": 2}, {"input_size": 20}, {"n_windows": 3}, {"step_size": 2}, {"refit": False}])
def test_every_argument_of_the_walk_is_passed_on(arguments):
    walked = backtest({"line": LinearAR(5)}, FRAME, 4, **arguments).predictions
    expected = LinearAR(5, alias="line").cross_validation(FRAME, 4, **arguments)
    pd.testing.assert_frame_equal(walked, expected)
    assert not walked.equals(LinearAR(5, alias="line").cross_validation(FRAME, 4))


def test_column_names_are_passed_on():
    data = FRAME.rename(columns={"unique_id": "who", "ds": "when", "y": "what"})
    names = {"id_col": "who", "time_col": "when", "target_col": "what"}
    result = backtest({"line": LinearAR(5)}, data, 4, freq=1, **names)
    expected = backtest({"line": LinearAR(5)}, FRAME, 4).predictions
    assert list(result.predictions) == ["who", "when", "cutoff", "what", "line"]
    np.testing.assert_array_equal(result.predictions["line"], expected["line"])
    assert result.scores(["mae"], by="unique_id").index.names == ["metric", "who"]


@pytest.mark.parametrize(
    ("argument", "value"), [("n_jobs", 0), ("verbose", 2), ("freq", 2), ("h", 0)])
def test_what_is_wrong_with_the_walk_is_named(argument, value):
    with pytest.raises(InvalidArgumentError) as caught:
        backtest({"last": Naive()}, FRAME, **{"h": 4, argument: value})
    assert caught.value.argument == argument


def test_the_neediest_model_places_the_first_cutoff():
    models = {"last": Naive(), "season": SeasonalNaive(40)}
    frame = backtest(models, np.arange(60.0), 4).predictions
    assert frame["cutoff"].min() == 39
    assert backtest({"last": Naive()}, np.arange(60.0), 4).predictions["cutoff"].min() == 31


def test_models_are_left_as_they_are():
    fitted = LinearAR(5).fit(FRAME)
    before = fitted.predict(3)
    backtest({"line": fitted}, -FRAME["y"], 4)
    assert fitted.alias == "LinearAR"
    pd.testing.assert_frame_equal(fitted.predict(3), before)


def first_cutoff(name):
    """Samples of a series before its first forecast: 4 + 4 * 3 + ... from its end."""
    values = FRAME.loc[FRAME["unique_id"] == name, "y"].to_numpy()
    return values[: len(values) - 4 - 3 * 4]


def test_scales_are_naive_errors_before_the_first_forecast(result):
    for name in ("a", "b"):
        known = first_cutoff(name)
        assert result.scales.loc[name, "mase"] == pytest.approx(naive_mae(known, 2))
        assert result.scales.loc[name, "rmsse"] == pytest.approx(naive_rmse(known, 2))


def literal_scores(rows, model, name):
    """All metrics of one model on rows of one series."""
    y, forecast = rows["y"], rows[model]
    absolute, squared = mean_absolute_error(y, forecast), root_mean_squared_error(y, forecast)
    known = first_cutoff(name)
    return [
        absolute, squared, absolute / naive_mae(known, 2), squared / naive_rmse(known, 2),
        smape(y, forecast)]


def test_scores_by_series(result):
    scores = result.scores(by="unique_id")
    assert scores.index.names == ["metric", "unique_id"]
    for name, rows in result.predictions.groupby("unique_id"):
        for model in MODELS:
            np.testing.assert_allclose(
                scores.xs(name, level="unique_id")[model], literal_scores(rows, model, name))


def test_scores_average_over_series(result):
    scores = result.scores()
    assert scores.index.tolist() == ["mae", "rmse", "mase", "rmsse", "smape"]
    assert list(scores) == list(MODELS)
    for model in MODELS:
        each = [
            literal_scores(rows, model, name)
            for name, rows in result.predictions.groupby("unique_id")]
        np.testing.assert_allclose(scores[model], np.mean(each, axis=0))


def test_scores_by_step(result):
    scores = result.scores(by="step")
    assert scores.index.names == ["metric", "step"]
    assert scores.loc["mase"].index.tolist() == [1, 2, 3, 4]
    frame = result.predictions.assign(step=lambda rows: rows["ds"] - rows["cutoff"])
    for step, rows in frame.groupby("step"):
        each = [literal_scores(own, "line", name) for name, own in rows.groupby("unique_id")]
        np.testing.assert_allclose(scores.xs(step, level="step")["line"], np.mean(each, axis=0))


def test_metrics_can_be_chosen(result):
    chosen = result.scores(["rmse", "mae"])
    pd.testing.assert_frame_equal(chosen, result.scores().loc[["rmse", "mae"]])


def test_first_step_after_a_gap_is_step_one():
    scores = backtest({"last": Naive()}, np.arange(40.0), 3, gap=2).scores(["mae"], by="step")
    assert scores["last"].tolist() == [3.0, 4.0, 5.0]
    assert scores.loc["mae"].index.tolist() == [1, 2, 3]


def test_a_series_without_a_scale_has_no_scaled_error():
    data = pd.concat([
        pd.DataFrame({"unique_id": "flat", "ds": range(30), "y": 2.0}),
        pd.DataFrame({"unique_id": "line", "ds": range(30), "y": np.arange(30.0)})])
    result = backtest({"last": Naive()}, data, 1, n_windows=3)
    by_series = result.scores(["mae", "mase"], by="unique_id")["last"]
    assert by_series["mae"].tolist() == [0.0, 1.0]
    assert np.isnan(by_series["mase", "flat"])
    assert result.scores(["mase"])["last"].tolist() == [by_series["mase", "line"]] == [1.0]


def test_drift_is_exact_on_a_line():
    result = backtest({"Drift": Drift(), "AutoReg": AutoReg(1)}, 3.0 * np.arange(40), h=5)
    np.testing.assert_allclose(result.scores(["mae", "rmse", "smape"]), 0, atol=1e-6)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"metrics": ["mape"]}, "metrics must be one of 'mae'.*; got 'mape'"),
    ({"by": "model"}, "by must be one of None, 'step', 'unique_id'; got 'model'"),
])
def test_unknown_scores_are_refused(result, arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        result.scores(**arguments)


@pytest.mark.parametrize("name", ["unique_id", "ds", "y", "cutoff"])
def test_a_model_may_not_hide_a_column(name):
    with pytest.raises(InvalidArgumentError, match="models must be a name that no other column"):
        backtest({name: Naive()}, FRAME, 4)


def test_bad_models_are_refused():
    with pytest.raises(InvalidArgumentError, match="models must be at least one forecaster"):
        backtest({}, FRAME, 4)
    with pytest.raises(InvalidArgumentError, match="lags must be an integer >= 1"):
        backtest({"line": LinearAR(0)}, FRAME, 4)


def test_a_season_must_fit_in_the_training_part():
    with pytest.raises(InvalidArgumentError, match=r"season_length \(series a\) must be below"):
        backtest({"last": Naive()}, FRAME, 4, season_length=25)
