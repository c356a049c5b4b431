"""What every forecaster shares: scikit-learn's mechanics, frames in and out, clear errors."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from relu_forecast.baselines import Drift, LinearAR, Naive, SeasonalNaive
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting import Autoregression, ForecastError

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
    assert clone(forecaster.fit(SIGNAL)).get_params() == parameters
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
        with pytest.raises(InvalidArgumentError, match="h must be an integer >= 1"):
            call(h)


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
    direct = LinearAR(3, strategy="direct").fit([1.0, 2.0, 4.0, 3.0, 0.0])
    with pytest.raises(InvalidArgumentError, match="at least 6 samples long for LinearAR and h=3"):
        direct.predict(3)


def test_a_constant_series_is_refused_only_where_it_must_be():
    data = pd.DataFrame({
        "unique_id": np.repeat(["a", "b"], 9), "ds": [*range(9)] * 2, "y": [*range(9), *[4] * 9]})
    with pytest.raises(InvalidArgumentError, match=r"training part \(series b\) must be not const"):
        LinearAR(3).fit(data)
    assert Naive().fit(data).predict(1)["Naive"].tolist() == [8.0, 4.0]
    assert LinearAR(3, transform="last_value").fit(data).predict(1)["LinearAR"].tolist() == (
        pytest.approx([9.0, 4.0]))


class Broken:
    """A regressor that cannot be fitted."""

    def get_params(self, deep=True):
        return {}

    def fit(self, X, y):
        raise ZeroDivisionError("out of order")

    def predict(self, X):
        return X[:, 0]


def test_a_failing_fit_names_its_series():
    with pytest.raises(ForecastError, match="series y: ZeroDivisionError: out of order"):
        Autoregression(2, Broken()).fit(SIGNAL)


def test_frequency_reaches_the_clock():
    one = pd.Series([3.0], pd.DatetimeIndex(["2020-01-31"]))
    assert Naive().fit(one, freq="ME").predict(1)["ds"][0] == pd.Timestamp("2020-02-29")
    with pytest.raises(InvalidArgumentError, match="freq must be"):
        Naive().cross_validation(pd.Series(SIGNAL, TIMES), 2, freq="MS")
