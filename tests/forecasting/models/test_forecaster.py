"""What every forecaster shares: scikit-learn's mechanics, frames in and out, clear errors."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LinearRegression

from relu_forecast.baselines import Drift, LinearAR, Naive, SeasonalNaive
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Autoregression, ForecastError, ReLUForecaster, backtest
from tests.forecasting.regressors import Broken

SIGNAL = np.sin(np.arange(40) / 3)
TIMES = pd.date_range("2020-01-31", periods=40, freq="ME")


def long_frame():
    """Two monthly series with other column names, and one that is not used."""
    return pd.DataFrame({
        "shop": np.repeat(pd.Categorical(["south", "north"]), 40),
        "month": np.tile(TIMES, 2),
        "sales": np.r_[SIGNAL, 5 - 2 * SIGNAL],
        "weather": "fine",
    })


NAMES = {"id_col": "shop", "time_col": "month", "target_col": "sales"}


def test_predict_gives_identifier_time_and_forecast():
    frame = Naive().fit(pd.Series(SIGNAL, TIMES, name="sine")).predict(h=2)
    assert list(frame) == ["unique_id", "ds", "Naive"]
    assert frame["unique_id"].tolist() == ["sine", "sine"]
    assert frame["ds"].tolist() == list(pd.to_datetime(["2023-05-31", "2023-06-30"]))
    assert frame["Naive"].tolist() == [SIGNAL[-1]] * 2


def test_long_frames_keep_their_names_and_types():
    data = long_frame()
    kept = data.copy()
    forecaster = Naive(alias="last").fit(data, **NAMES)
    out = forecaster.predict(h=3)
    assert list(out) == ["shop", "month", "last"]
    assert out["shop"].tolist() == ["north"] * 3 + ["south"] * 3
    assert out.dtypes[["shop", "month"]].equals(data.dtypes[["shop", "month"]])
    walked = forecaster.cross_validation(data, 3, n_windows=2, **NAMES)
    assert list(walked) == ["shop", "month", "cutoff", "sales", "last"]
    assert walked.dtypes[["shop", "month"]].equals(data.dtypes[["shop", "month"]])
    assert walked["cutoff"].dtype == data["month"].dtype
    pd.testing.assert_frame_equal(data, kept)


def test_cross_validation_frames_line_up_with_the_data():
    data = long_frame()
    walked = Naive().cross_validation(data, 3, n_windows=2, **NAMES)
    joined = walked.merge(data, on=["shop", "month"], suffixes=("", "_data"))
    assert len(joined) == len(walked) == 12
    assert joined["sales"].equals(joined["sales_data"])
    order = walked.sort_values(["shop", "cutoff", "month"], kind="stable")
    assert order.index.is_monotonic_increasing


def test_models_are_kept_by_identifier():
    models = Drift().fit(long_frame(), **NAMES).models_
    assert list(models) == ["north", "south"]
    assert models["south"] == pytest.approx((SIGNAL[-1] - SIGNAL[0]) / 39)
    assert models["north"] == pytest.approx(-2 * models["south"])


def test_changing_the_data_after_fit_changes_nothing():
    values = SIGNAL.copy()
    forecaster = SeasonalNaive(5).fit(values)
    before = forecaster.predict(5)
    values[:] = 0
    pd.testing.assert_frame_equal(forecaster.predict(5), before)


def test_a_failing_fit_keeps_the_former_one():
    forecaster = Naive().fit(SIGNAL)
    with pytest.raises(InvalidArgumentError):
        forecaster.fit([1.0, np.nan])
    assert forecaster.predict(1)["Naive"].tolist() == [SIGNAL[-1]]


def test_cross_validation_leaves_the_forecaster_as_it_is():
    forecaster = LinearAR(3).fit(SIGNAL)
    before, models = forecaster.predict(4), dict(forecaster.models_)
    forecaster.cross_validation(2 * SIGNAL[::-1], 2)
    assert forecaster.models_ == models
    pd.testing.assert_frame_equal(forecaster.predict(4), before)
    fresh = LinearAR(3)
    fresh.cross_validation(SIGNAL, 2)
    assert not hasattr(fresh, "models_")


def test_parameters_follow_scikit_learn():
    forecaster = LinearAR(lags=7, strategy="direct", transform=None, alias="line")
    parameters = {"lags": 7, "strategy": "direct", "transform": None, "alias": "line"}
    assert forecaster.get_params() == parameters
    assert clone(forecaster.fit(SIGNAL, horizon=1)).get_params() == parameters
    assert not hasattr(clone(forecaster), "models_")
    assert forecaster.set_params(lags=2).lags == 2
    assert LinearAR(lags=-1).lags == -1


def test_predict_before_fit_is_refused():
    with pytest.raises(NotFittedError, match="Naive"):
        Naive().predict(1)


@pytest.mark.parametrize("h", [0, -1, 2.5, "3", None, True])
def test_bad_horizons_are_refused(h):
    forecaster = Naive().fit(SIGNAL)
    for call in (forecaster.predict, lambda h: forecaster.cross_validation(SIGNAL, h)):
        message = "h must be (an integer >= 1|given after a fit without a horizon)"
        with pytest.raises(InvalidArgumentError, match=message):
            call(h)
    if h is not None:
        with pytest.raises(InvalidArgumentError, match="horizon must be an integer >= 1"):
            Naive().fit(SIGNAL, horizon=h)


@pytest.mark.parametrize("alias", ["", None, 3])
def test_bad_aliases_are_refused(alias):
    with pytest.raises(InvalidTypeError, match="alias must be a non-empty string"):
        Naive(alias=alias).fit(SIGNAL)


@pytest.mark.parametrize("alias", ["unique_id", "ds", "y", "cutoff"])
def test_an_alias_may_not_hide_a_column(alias):
    for call in (Naive(alias).fit, lambda data: Naive(alias).cross_validation(data, 2)):
        with pytest.raises(InvalidArgumentError, match="alias must be a name that no other"):
            call(SIGNAL)


def test_a_series_that_is_too_short_is_named():
    data = pd.DataFrame({"unique_id": list("aaaabb"), "ds": [0, 1, 2, 3, 0, 1], "y": range(6)})
    with pytest.raises(InvalidArgumentError, match="series b must be at least 4 samples") as caught:
        LinearAR(3).fit(data)
    assert caught.value.got == "2 samples"
    with pytest.raises(InvalidArgumentError, match="at least 6 samples long for LinearAR and h=3"):
        LinearAR(3, strategy="direct").fit([1.0, 2.0, 4.0, 3.0, 0.0], horizon=3)


def test_a_constant_series_is_refused_only_where_it_must_be():
    data = pd.DataFrame({
        "unique_id": np.repeat(["a", "b"], 9), "ds": [*range(9)] * 2, "y": [*range(9), *[4] * 9]})
    with pytest.raises(InvalidArgumentError, match=r"training part \(series b\) must be not const"):
        LinearAR(3, transform="standardize").fit(data)
    assert Naive().fit(data).predict(1)["Naive"].tolist() == [8.0, 4.0]
    assert LinearAR(3).fit(data).predict(1)["LinearAR"].tolist() == (
        pytest.approx([9.0, 4.0]))


def test_a_failing_fit_names_its_series():
    with pytest.raises(ForecastError, match="series y: ZeroDivisionError: out of order"):
        Autoregression(2, Broken()).fit(SIGNAL)


def test_frequency_reaches_the_clock():
    one = pd.Series([3.0], pd.DatetimeIndex(["2020-01-31"]))
    assert Naive().fit(one, freq="ME").predict(1)["ds"][0] == pd.Timestamp("2020-02-29")
    with pytest.raises(InvalidArgumentError, match="freq must be"):
        Naive().cross_validation(pd.Series(SIGNAL, TIMES), 2, freq="MS")


WAVE = np.abs(np.sin(np.arange(90) / 5)) + 0.05 * np.random.default_rng(0).normal(size=90)
HOURS = pd.date_range("2020-01-01", periods=90, freq="h", tz="Europe/Paris")
BEATS = pd.to_datetime(np.round(np.arange(90) * 1e9 / 360).astype(np.int64))


def exogenous_frame():
    """Two hourly series with a column that is seen up to a cutoff and one that is known ahead."""
    noise = np.random.default_rng(1).normal(size=(180, 2))
    return pd.DataFrame({
        "unique_id": np.repeat(["b", "a"], 90), "ds": np.tile(HOURS, 2),
        "y": np.r_[WAVE, 3 - WAVE], "seen": noise[:, 0], "known": noise[:, 1]})


@pytest.mark.parametrize("data", [
    WAVE, pd.Series(WAVE, HOURS, name="hourly"), pd.Series(WAVE, BEATS, name="ECG"),
    pd.Series(WAVE, pd.period_range("2000-01", periods=90, freq="M")),
    pd.DataFrame({"ds": np.arange(5, 95), "y": WAVE})],
    ids=["array", "datetimes", "360 Hz", "periods", "frame"])
@pytest.mark.parametrize("chunks", [[90], [51, 52, 90], [*range(80, 91)]], ids=len)
def test_chunk_by_chunk_is_a_fit_to_all_samples(data, chunks):
    forecaster = LinearAR(3).fit(data[:50], horizon=4, intervals="split")
    for start, stop in pairwise([50, *chunks]):
        assert forecaster.update(data[start:stop]) is forecaster
    expected = LinearAR(3).fit(data, horizon=4, intervals="split")
    pd.testing.assert_frame_equal(
        forecaster.predict(level=50), expected.predict(level=50), check_exact=True)
    assert len(forecaster.panel_.series[0]) == 90


def test_an_array_goes_on_at_the_times_of_the_series():
    hourly = pd.Series(WAVE, HOURS, name="hourly")
    forecaster = LinearAR(3).fit(hourly[:50]).update(WAVE[50:])
    pd.testing.assert_frame_equal(forecaster.predict(2), LinearAR(3).fit(hourly).predict(2))


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_series_without_news_stay_as_they_are(n_jobs):
    frame = exogenous_frame()
    old = frame[frame["ds"] < HOURS[60]]
    news = frame[(frame["ds"] >= HOURS[60]) & (frame["unique_id"] == "b")]
    forecaster = LinearAR(3).fit(old)
    kept = forecaster.models_["a"]
    forecaster.update(news, n_jobs=n_jobs)
    assert forecaster.models_["a"] is kept
    pd.testing.assert_frame_equal(
        forecaster.predict(3), LinearAR(3).fit(pd.concat([old, news])).predict(3))


@pytest.mark.parametrize("strategy", ["recursive", "direct"])
def test_updates_bring_columns_along(strategy):
    exogenous = {"future_exog": ["known"], "past_exog": ["seen"] * (strategy == "direct")}
    frame = exogenous_frame()
    early = frame["ds"] < HOURS[60]
    ahead = frame[["unique_id", "known"]].assign(ds=frame["ds"] + pd.Timedelta("90h"))
    updated, fitted = (Autoregression(2, LinearRegression(), strategy, **exogenous)
                       for _ in range(2))
    updated.fit(frame[early], horizon=3).predict(2, future=frame)
    pd.testing.assert_frame_equal(
        updated.update(frame[~early]).predict(3, future=ahead),
        fitted.fit(frame, horizon=3).predict(future=ahead), check_exact=True)
    with pytest.raises(InvalidArgumentError, match="a DataFrame with the column 'known'"):
        updated.update(frame.drop(columns="known"))


@pytest.mark.parametrize("chunks", [[90], [61, 62, 63, 90]])
def test_gaps_in_new_samples_are_filled_from_both_sides(chunks):
    values = WAVE.copy()
    values[[40, 60, 61, 62, 89]] = np.nan
    forecaster = LinearAR(3).fit(values[:60], missing="interpolate")
    for start, stop in pairwise([60, *chunks]):
        forecaster.update(values[start:stop])
    expected = LinearAR(3).fit(values, missing="interpolate")
    pd.testing.assert_frame_equal(forecaster.predict(4), expected.predict(4), check_exact=True)


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_an_updated_network_is_within_tolerance(strategy):
    forecaster = ReLUForecaster(2, strategy=strategy, beta_ratio=0.4)
    forecaster.fit(WAVE[:60], horizon=2)
    forecaster.update(WAVE[60:])
    after = forecaster.models_["y"].regressors[0]
    assert after.gap_ <= after.tol
    cold = ReLUForecaster(
        2, strategy=strategy, beta_ratio=0.4, skip_penalty=after.skip_penalty,
    ).fit(WAVE, horizon=2).models_["y"].regressors[0]
    assert after.objective_ == pytest.approx(cold.objective_, rel=2 * after.tol)


def test_a_failing_update_leaves_everything_as_it_was():
    forecaster = LinearAR(3).fit(WAVE[:60])
    before = forecaster.predict(3)
    for news in ([np.inf], [], [[1.0]], "text"):
        with pytest.raises(InvalidArgumentError):
            forecaster.update(news)
    pd.testing.assert_frame_equal(forecaster.predict(3), before)
    assert len(forecaster.panel_.series[0]) == 60


def named_frame(**columns):
    """New samples of one series, as a long DataFrame."""
    return pd.DataFrame({"unique_id": "hourly", "ds": HOURS[60:], "y": WAVE[60:]} | columns)


@pytest.mark.parametrize(("news", "message"), [
    (pd.Series(WAVE[61:], HOURS[61:]), "must be at regular times; got a step of 0 days 02:00:00"),
    (pd.Series(WAVE[59:], HOURS[59:]), "must be free of duplicates; got 2020-01-03 11:00:00"),
    (pd.Series(WAVE[30:60], HOURS[30:60]), "the index of data must be"),
    (pd.Series(WAVE[60:]), "dtype datetime64.*Paris.*, as before; got dtype int64"),
    (pd.Series(WAVE[60:], HOURS[60:].tz_localize(None)), "as before; got dtype datetime64"),
    (pd.Series(WAVE[60:], HOURS[60:].tz_convert("UTC")), "as before; got dtype datetime64.*UTC"),
    (named_frame(unique_id="other"), "new_data must be of the series that were fitted, hourly; "),
    (named_frame().rename(columns={"y": "z"}), "a DataFrame with the column 'y'"),
    (named_frame(y="text"), "y of series hourly must be real numbers"),
    ([np.nan], "data must be finite"),
])
def test_samples_that_do_not_go_on_are_refused(news, message):
    forecaster = LinearAR(3).fit(pd.Series(WAVE[:60], HOURS[:60], name="hourly"))
    with pytest.raises(InvalidArgumentError, match=message):
        forecaster.update(news)


def test_whole_times_stay_whole():
    with pytest.raises(InvalidTypeError, match="of dtype int64, as before; got dtype float64"):
        Naive().fit(WAVE[:60]).update(pd.Series(WAVE[60:], np.arange(60.0, 90.0)))


def test_update_before_fit_is_refused():
    with pytest.raises(NotFittedError, match="Naive"):
        Naive().update([1.0])


def test_columns_that_are_known_ahead_recover_their_equation():
    """An ARX without noise: y[t] = 0.5 y[t-1] - 0.3 y[t-2] + 2 x[t] + 1."""
    x = np.random.default_rng(2).normal(size=80)
    y = np.zeros(80)
    for t in range(2, 80):
        y[t] = 0.5 * y[t - 1] - 0.3 * y[t - 2] + 2 * x[t] + 1
    frame = pd.DataFrame({"ds": np.arange(80), "y": y, "x": x, "constant": 3.0})
    model = Autoregression(2, LinearRegression(), transform=None, future_exog=["x", "constant"])
    model.fit(frame[:60])
    np.testing.assert_allclose(model.regressor_.coef_[:2], [-0.3, 0.5], atol=1e-10)
    shuffled = frame[["ds", "x", "constant"]].sample(frac=1, random_state=0).assign(y=np.nan)
    forecasts = model.predict(20, future=shuffled)
    np.testing.assert_allclose(forecasts["Autoregression"], y[60:], atol=1e-8)
    assert forecasts["ds"].tolist() == list(range(60, 80))


def test_columns_that_are_seen_make_a_literal_design():
    frame = exogenous_frame().iloc[:90]
    y, seen, known = (frame[name].to_numpy() for name in ("y", "seen", "known"))
    h, lags, n = 3, 2, 80
    model = Autoregression(lags, LinearRegression(), "direct", "difference", past_exog=["seen"],
                           future_exog=["known"]).fit(frame[:n], horizon=h)
    expected = []
    for step in range(1, h + 1):
        def row(t, k=step):
            return [y[t - 1] - y[t - 2], y[t] - y[t - 1], seen[t - 1], seen[t], known[t + k], 1]

        X = np.array([row(t) for t in range(lags, n - step)])
        change = np.array([y[t + step] - y[t] for t in range(lags, n - step)])
        weights = np.linalg.lstsq(X, change, rcond=None)[0]
        expected.append(y[n - 1] + np.dot(row(n - 1), weights))
    found = model.predict(h, future=frame[["unique_id", "ds", "known"]])["Autoregression"]
    np.testing.assert_allclose(found, expected, atol=1e-9)


@pytest.mark.parametrize(("change", "message"), [
    (lambda rows: None, "future must be a DataFrame with 'known' at the times to forecast"),
    (lambda rows: rows.drop(columns="known"), "future must be a DataFrame with the column 'known'"),
    (lambda rows: rows.drop(columns="ds"), "future must be a DataFrame with the column 'ds'"),
    (lambda rows: rows.iloc[[0, 2, 3, 4, 5]], "no row at .*09:00:00.* for series a"),
    (lambda rows: rows[rows["unique_id"] == "b"], "no row at .* for series a"),
    (lambda rows: pd.concat([rows, rows[:1]]), "a row per time and series; got .* twice"),
    (lambda rows: rows.drop(columns="unique_id"), "twice. Drop repeated rows, or name the series"),
    (lambda rows: rows.assign(known=np.nan), "known of future must be finite"),
    (lambda rows: rows.assign(known="warm"), "known of future must be real numbers"),
    (lambda rows: rows.assign(ds=rows["ds"] + pd.Timedelta("1ns")), "no row at"),
    (lambda rows: rows.assign(ds=rows["ds"].dt.tz_localize(None)), "no row at"),
])
def test_a_future_that_does_not_serve_is_refused(change, message):
    frame = exogenous_frame()
    model = Autoregression(2, LinearRegression(), future_exog=["known"])
    model.fit(frame[frame["ds"] < HOURS[80]])
    rows = frame[(frame["ds"] >= HOURS[80]) & (frame["ds"] < HOURS[83])].iloc[[3, 4, 5, 0, 1, 2]]
    with pytest.raises(InvalidArgumentError, match=message):
        model.predict(3, future=change(rows))
    assert len(model.predict(3, future=rows.drop(columns=["y", "seen"]))) == 6


def test_a_future_that_no_model_wants_is_refused():
    with pytest.raises(InvalidArgumentError, match="future must be None"):
        Naive().fit(WAVE).predict(1, future=pd.DataFrame({"ds": [90], "x": [1.0]}))


@pytest.mark.parametrize(("arguments", "message"), [
    ({"future_exog": "known"}, "future_exog must be a sequence of column names"),
    ({"future_exog": ["known", "known"]}, "future_exog and past_exog must be different names"),
    ({"past_exog": ["seen"]}, "past_exog must be empty with strategy='recursive'"),
    ({"past_exog": ["seen"], "future_exog": ["seen"], "strategy": "direct"}, "different names"),
    ({"future_exog": ["wind"]}, "a DataFrame with the column 'wind'"),
])
def test_columns_that_cannot_be_used_are_refused(arguments, message):
    model = Autoregression(2, LinearRegression(), **arguments)
    for call in (model.fit, lambda data: model.cross_validation(data, 2)):
        with pytest.raises(InvalidArgumentError, match=message):
            call(exogenous_frame())
    with pytest.raises(InvalidArgumentError):
        model.fit(WAVE)


def test_models_of_a_backtest_may_use_different_columns():
    models = {
        "none": LinearAR(2), "ahead": Autoregression(2, LinearRegression(), future_exog=["known"]),
        "both": Autoregression(2, LinearRegression(), "direct", future_exog=["known"],
                               past_exog=["seen"])}
    together = backtest(models, exogenous_frame(), 2, n_windows=3).predictions
    for alias, model in models.items():
        alone = model.cross_validation(exogenous_frame(), 2, n_windows=3)
        np.testing.assert_array_equal(together[alias], alone[model.alias])
    assert together[list(models)].nunique(axis=1).eq(3).all()


@pytest.mark.parametrize("column", ["known", "seen"])
def test_missing_values_of_columns(column):
    frame = exogenous_frame()[:90]
    frame.loc[[30, 31], column] = np.nan
    model = Autoregression(2, LinearRegression(), "direct", **{
        {"known": "future_exog", "seen": "past_exog"}[column]: [column]})
    with pytest.raises(InvalidArgumentError, match=f"{column} of series b must be finite"):
        model.fit(frame, horizon=2)
    if column == "known":
        with pytest.raises(InvalidArgumentError, match="known of series b must be given for every"):
            model.fit(frame, horizon=2, missing="interpolate")
    else:
        found = model.fit(frame, horizon=2, missing="interpolate").predict(2)
        filled = frame.assign(seen=frame["seen"].interpolate())
        pd.testing.assert_frame_equal(found, model.fit(filled, horizon=2).predict(2))
        frame.loc[0, column] = np.nan
        with pytest.raises(InvalidArgumentError, match="given for the first sample"):
            model.fit(frame, horizon=2, missing="interpolate")


def test_gaps_are_interpolated_only_if_asked_for():
    values = np.r_[np.nan, np.nan, WAVE]
    values[[30, 31, 60, 91]] = np.nan
    with pytest.raises(InvalidArgumentError, match="data must be finite; got 6 NaN"):
        LinearAR(3).fit(values)
    found = LinearAR(3).fit(values, missing="interpolate")
    assert found.panel_.series[0].times[0] == 2
    filled = pd.Series(values[2:], np.arange(2, 92)).interpolate().ffill()
    pd.testing.assert_frame_equal(
        found.predict(3), LinearAR(3).fit(filled.rename("y")).predict(3))
    frame = LinearAR(3).cross_validation(values, 2, n_windows=20, missing="interpolate")
    np.testing.assert_array_equal(frame["y"], values[frame["ds"]])
    assert frame["y"].isna().sum() == 2
    assert frame["LinearAR"].notna().all()


def test_missing_targets_do_not_count_in_scores():
    values = WAVE.copy()
    values[[70, 81, 89]] = np.nan
    result = backtest({"n": Naive()}, values, 1, n_windows=30, missing="interpolate")
    errors = (result.predictions["y"] - result.predictions["n"]).abs()
    assert errors.isna().sum() == 3
    assert result.scores(["mae"]).to_numpy().ravel()[-1] == pytest.approx(errors.mean())


@pytest.mark.parametrize(("values", "message"), [
    ([np.nan] * 9, "series y must be observed at least once; got 9 missing values"),
    ([1.0, np.inf, 2.0], "data must be finite"),
    ([1.0, np.nan, -np.inf], "data must be finite")])
def test_nothing_to_interpolate_is_an_error(values, message):
    for call in (Naive().fit, lambda data, **how: Naive().cross_validation(data, 1, **how)):
        with pytest.raises(InvalidArgumentError, match=message):
            call(values, missing="interpolate")


def test_missing_is_checked():
    with pytest.raises(InvalidArgumentError, match="missing must be one of 'error', 'interpolate'"):
        Naive().fit(WAVE, missing="drop")
