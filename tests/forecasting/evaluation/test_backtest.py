"""Backtests: every model over the same cutoffs, scored as a plain loop would."""

import inspect
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mean_absolute_error, root_mean_squared_error

from relu_forecast.baselines import AutoReg, Drift, LinearAR, Naive, SeasonalNaive
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Backtest, backtest, diebold_mariano, rank_models
from relu_forecast.forecasting.evaluation.metrics import (
    coverage,
    crps,
    mae,
    mase,
    naive_mae,
    naive_rmse,
    pinball,
    rmse,
    rmsse,
    smape,
    winkler,
)
from tests.forecasting.evaluation.backtests import made

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
    with pytest.raises(InvalidTypeError, match="models must be a dict of forecasters by name"):
        inspect.unwrap(backtest)(Naive(), FRAME, 4)  # past the type checks of the tests
    with pytest.raises(InvalidArgumentError, match="lags must be an integer >= 1"):
        backtest({"line": LinearAR(0)}, FRAME, 4)


def test_a_season_must_fit_in_the_training_part():
    with pytest.raises(InvalidArgumentError, match=r"season_length \(series a\) must be below"):
        backtest({"last": Naive()}, FRAME, 4, season_length=25)


def expected_scores(made, rows, model):
    """Every row of scores but pinball losses, by the functions on arrays."""
    rows = rows[rows["y"].notna()]
    y, point = rows["y"], rows[model]
    scale = made.scales.loc[rows["unique_id"].iloc[0]]
    ends = {level: (rows[f"{model}-lo-{level:g}"], rows[f"{model}-hi-{level:g}"])
            for level in made.levels}
    (low, high), (lowest, highest) = ends[80], ends[97.5]
    return {
        "mae": mae(y, point), "rmse": rmse(y, point), "mase": mase(y, point, scale["mase"]),
        "rmsse": rmsse(y, point, scale["rmsse"]), "smape": smape(y, point),
        "coverage-80": coverage(y, low, high), "coverage-97.5": coverage(y, lowest, highest),
        "winkler-80": winkler(y, low, high, 80), "winkler-97.5": winkler(y, lowest, highest, 97.5),
        "crps": crps(y, np.stack([point, low, high, lowest, highest], axis=1),
                     [0.5, 0.1, 0.9, 0.0125, 0.9875]),
    }


def test_scores_are_those_of_the_functions_on_arrays():
    result = made()
    by_series, overall, by_step = (result.scores(by=by) for by in ("unique_id", None, "step"))
    steps = result.predictions["ds"] - result.predictions["cutoff"] - result.gap
    for model in result.models:
        each = {name: expected_scores(result, rows, model)
                for name, rows in result.predictions.groupby("unique_id")}
        names = list(each["s0"])
        assert list(overall.index) == names
        for name, expected in each.items():
            np.testing.assert_allclose(
                by_series.xs(name, level="unique_id").loc[names, model], list(expected.values()))
        np.testing.assert_allclose(overall[model], pd.DataFrame(each).mean(axis=1))
        for step, rows in result.predictions.groupby(steps):
            each = {name: expected_scores(result, own, model)
                    for name, own in rows.groupby("unique_id")}
            np.testing.assert_allclose(
                by_step.xs(step, level="step").loc[names, model], pd.DataFrame(each).mean(axis=1))


def test_pinball_is_scored_by_quantile():
    result = made(n_series=1)
    rows = result.predictions.dropna()
    scores = result.scores(["pinball"])["q"]
    assert list(scores.index) == [
        "pinball-0.0125", "pinball-0.1", "pinball-0.9", "pinball-0.9875"]
    assert scores["pinball-0.9"] == pytest.approx(pinball(rows["y"], rows["q-hi-80"], 0.9))
    assert scores["pinball-0.0125"] == pytest.approx(
        pinball(rows["y"], rows["q-lo-97.5"], 0.0125))


def test_families_and_single_rows_of_metrics_can_be_chosen():
    result = made()
    chosen = result.scores(["coverage", "crps", "winkler-80"])
    assert list(chosen.index) == ["coverage-80", "coverage-97.5", "crps", "winkler-80"]
    pd.testing.assert_frame_equal(chosen, result.scores().loc[list(chosen.index)])


def test_targets_that_were_not_observed_are_left_out():
    result = made()
    observed = replace(result, predictions=result.predictions.dropna())
    for by in (None, "unique_id"):
        pd.testing.assert_frame_equal(result.scores(by=by), observed.scores(by=by))


def test_what_was_never_observed_has_no_score():
    result = made()
    frame = result.predictions.copy()
    frame.loc[frame["unique_id"] == "s1", "y"] = np.nan
    frame.loc[frame["ds"] - frame["cutoff"] == 3, "y"] = np.nan
    result = replace(result, predictions=frame)
    by_series = result.scores(by="unique_id")
    assert by_series.xs("s1", level="unique_id").isna().all(axis=None)
    assert by_series.drop("s1", level="unique_id").notna().all(axis=None)
    pd.testing.assert_frame_equal(
        result.scores(), by_series.groupby("metric", sort=False).mean())
    by_step = result.scores(by="step")
    assert by_step.xs(2, level="step").isna().all(axis=None)
    assert by_step.drop(2, level="step").notna().all(axis=None)


def test_a_forecast_that_is_missing_spoils_the_score():
    result = made()
    result.predictions.loc[11, "p"] = np.nan
    assert result.scores(["mae"], by="unique_id")["p"].isna().tolist() == [True, False, False]


def test_a_model_without_intervals_has_no_interval_scores():
    result = made()
    result = replace(result, predictions=result.predictions.drop(columns="p-hi-80"))
    scores = result.scores()
    assert scores.index[scores["p"].isna()].tolist() == ["coverage-80", "winkler-80", "crps"]
    assert scores["q"].notna().all()


def test_identifiers_may_be_categories():
    plain = made()
    kind = pd.CategoricalDtype(["other", "s2", "s1", "s0"])
    frame = plain.predictions.astype({"unique_id": kind})
    scales = plain.scales.set_axis(plain.scales.index.astype(kind))
    result = replace(plain, predictions=frame, scales=scales)
    pd.testing.assert_frame_equal(result.scores(), plain.scores())
    np.testing.assert_allclose(
        result.scores(["mase"], by="unique_id").loc["mase"].loc[["s0", "s1", "s2"]],
        plain.scores(["mase"], by="unique_id"))


def test_the_predictions_can_be_evaluated_elsewhere():
    evaluation = pytest.importorskip("utilsforecast.evaluation")
    losses = pytest.importorskip("utilsforecast.losses")
    result = made(levels=(80, 95))
    table = evaluation.evaluate(
        result.predictions.dropna().drop(columns="cutoff"),
        [losses.mae, losses.rmse, losses.coverage, losses.winkler_score],
        models=list(result.models), level=[80, 95], agg_fn="mean").set_index("metric")
    rows = ["mae", "rmse", "coverage-80", "coverage-95", "winkler-80", "winkler-95"]
    np.testing.assert_allclose(table[list(result.models)], result.scores(rows))


def test_backtest_hands_on_what_comparing_needs():
    walked = backtest(MODELS, FRAME, 4, gap=2)
    assert (walked.step_size, walked.gap, walked.levels) == (4, 2, ())
    walked = backtest(MODELS, FRAME, 4, n_windows=3, step_size=3)
    assert (walked.step_size, walked.gap, walked.models) == (3, 0, ("line", "last", "season"))


@pytest.mark.parametrize("metric", ["squared", "absolute"])
def test_comparisons_are_one_test_per_series_and_step(metric):
    result = made()
    table = result.compare("q", "p", metric=metric)
    assert table.index.names == ["unique_id", "step"]
    assert len(table) == 3 * 4
    frame = result.predictions.assign(step=lambda rows: rows["ds"] - rows["cutoff"] - 1)
    for key, rows in frame.groupby(["unique_id", "step"]):
        rows = rows[rows["y"].notna()]
        h = math.ceil((result.gap + key[1]) / result.step_size)
        test = diebold_mariano(rows["y"] - rows["q"], rows["y"] - rows["p"], h, metric)
        assert table.loc[key].to_dict() == {
            name: getattr(test, name)
            for name in ("statistic", "p_value", "mean_difference", "n", "h", "kernel")}


def test_overlap_follows_from_gap_and_step_size():
    result = made(step_size=3, gap=1)
    assert result.compare("p", "q").loc["s0", "h"].tolist() == [1, 1, 2, 2]
    assert replace(result, gap=0).compare("p", "q").loc["s0", "h"].tolist() == [1, 1, 1, 2]
    assert replace(result, step_size=1).compare("p", "q").loc["s0", "h"].tolist() == [2, 3, 4, 5]


def test_one_step_can_be_compared():
    result = made()
    table = result.compare("p", "q", step=3)
    pd.testing.assert_frame_equal(table, result.compare("p", "q").xs(3, level=1, drop_level=False))


def test_too_few_cutoffs_for_a_step_are_told_by_missing_values():
    table = replace(made(n_series=2, n_cutoffs=4), step_size=1).compare("p", "q")
    enough = table["n"] > table["h"]
    assert enough.any()
    assert not enough.all()
    assert table.loc[enough, ["statistic", "p_value", "kernel"]].notna().all(axis=None)
    assert table.loc[~enough, ["statistic", "p_value", "kernel"]].isna().all(axis=None)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"a": "r"}, "a must be one of 'p', 'q'; got 'r'"),
    ({"b": "r"}, "b must be one of 'p', 'q'; got 'r'"),
    ({"b": "p"}, "b must be another model than a; got 'p'"),
    ({"metric": "rmse"}, "metric must be one of 'squared', 'absolute'; got 'rmse'"),
    ({"step": 5}, "step must be at most 4; got 5"),
    ({"step": 0}, "step must be an integer >= 1"),
])
def test_bad_comparisons_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        made().compare(**{"a": "p", "b": "q", **arguments})


def test_comparing_needs_more_than_one_cutoff():
    with pytest.raises(InvalidArgumentError, match="n_windows must be above h.*at most 1 cutoffs"):
        made(n_cutoffs=1).compare("p", "q")


def test_models_are_ranked_over_series():
    result = made(n_series=8, models=("p", "q", "r"))
    for metric in ("rmsse", "winkler-80"):
        scores = result.scores([metric], by="unique_id").loc[metric]
        ranking = result.rank(metric, level=90)
        expected = rank_models(scores, level=90)
        pd.testing.assert_series_equal(ranking.mean_ranks, expected.mean_ranks)
        assert (ranking.p_value, ranking.level) == (expected.p_value, 90)
    assert result.rank().p_value == result.rank("rmse").p_value != result.rank("mae").p_value


def test_series_without_a_score_are_not_ranked():
    result = made(n_series=8)
    result.scales.loc["s5", "rmsse"] = 0.0
    assert result.rank("rmsse").n_series == 7
    assert result.rank("rmse").n_series == 8


@pytest.mark.parametrize(("arguments", "message"), [
    ({"metric": "coverage-80"}, "metric must be one of 'mae'.*got 'coverage-80'"),
    ({"metric": "winkler"}, "metric must be one of 'mae'.*got 'winkler'"),
    ({"level": 0}, "level must be a percentage"),
])
def test_bad_rankings_are_refused(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        made(n_series=8).rank(**arguments)


def test_interval_metrics_need_intervals(result):
    for metric in ("coverage", "winkler", "crps", "pinball"):
        with pytest.raises(InvalidArgumentError, match="metrics must be of point forecasts"):
            result.scores([metric])
    with pytest.raises(InvalidArgumentError, match="'coverage-80'.*got 'coverage-90'"):
        made().scores(["coverage-90"])


def test_a_backtest_writes_its_page(tmp_path):
    result = made(n_series=1, models=("p",), levels=())
    assert result.to_html(str(tmp_path / "page.html"), command="do it & again") is None
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert result.to_html(command="do it & again") == written
    assert "do it &amp; again" in written


def test_notebooks_show_the_scores(result):
    shown = result._repr_html_()
    assert shown.startswith("<div>")
    assert "Scores, lowest RMSE first" in shown
    assert f"{result.scores().loc['mae'].iloc[0]:.4g}" in shown


def test_a_backtest_draws_itself():
    result = made()
    above, below = result.plot(["q"], n_cutoffs=2, unit="mV", series="s1").axes
    assert len(above.lines) == 1 + 2
    assert below.get_ylabel() == "RMSE [mV]"
    steps = result.scores(["rmse"], by="step").loc["rmse"]["q"]
    np.testing.assert_allclose(below.lines[0].get_ydata(), steps)
    assert result.plot().axes[1].get_ylabel() == "RMSE"


def test_pictures_follow_the_names_of_the_data():
    data = pd.DataFrame({"hour": range(40), "$load": np.sin(np.arange(40.0))})
    figure = backtest({r"$\nonsense$": Naive()}, data, h=2, n_windows=5, time_col="hour",
                      target_col="$load").plot(unit="$")
    figure.draw_without_rendering()
    assert figure.axes[0].get_ylabel() == r"\$load [\$]"


def test_of_many_models_the_best_are_drawn():
    result = made(models=[f"m{place}" for place in range(9)], levels=())
    assert result.best_first() == tuple(result.scores(["rmse"]).T["rmse"].sort_values().index)
    above, below = result.plot().axes
    names = [text.get_text() for text in above.get_legend().get_texts()]
    assert names == ["observed", *result.best_first()[:6]]
    assert below.get_legend().get_texts()[-1].get_text() == "3 other models"


@pytest.mark.parametrize(("arguments", "message"), [
    ({"models": ["p", "x"]}, "models must be one of 'p', 'q'; got 'x'"),
    ({"n_cutoffs": 0}, "n_cutoffs must be an integer >= 1"),
    ({"series": "three"}, "series must be an identifier in the backtest; got 'three'"),
])
def test_what_is_not_there_is_not_drawn(arguments, message):
    with pytest.raises(InvalidArgumentError, match=message):
        made().plot(**arguments)


def test_a_model_called_as_the_interval_of_another_is_refused():
    with pytest.raises(InvalidArgumentError, match="names that no interval of another model has"):
        backtest({"a": Naive(), "a-lo-50": Drift()}, np.arange(40.0) % 7, 1, level=50)
