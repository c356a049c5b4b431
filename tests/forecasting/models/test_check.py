"""Forecasters that break the contract are caught, each for what it does."""

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsRegressor

from relu_forecast import ContractError, check_forecaster
from relu_forecast.baselines import Regressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Forecaster


class Mean(Forecaster):
    """Forecasts between the last sample and the mean of the training part; keeps the contract."""

    def __init__(self, weight=0.5, alias="Mean"):
        self.weight = weight
        self.alias = alias

    @property
    def lookback(self):
        return 2

    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean())}

    def forecast(self, state, past, h):
        last = past.windows[:, -1:]
        return np.repeat(self.weight * state["mean"] + (1 - self.weight) * last, h, axis=1)


def test_a_good_forecaster_passes_and_stays_as_it_was():
    forecaster = Mean(0.3)
    check_forecaster(forecaster)
    assert vars(forecaster) == {"weight": 0.3, "alias": "Mean"}


def test_data_of_ones_own_serves():
    data = pd.DataFrame({
        "unique_id": np.repeat(["x", "y", "z"], 30), "ds": np.tile(np.arange(30), 3),
        "y": np.random.default_rng(1).normal(size=90)})
    kept = data.copy()
    check_forecaster(Mean(), data, h=4)
    pd.testing.assert_frame_equal(data, kept)


class ChangesParameters(Mean):
    def __init__(self, weight=0.5, alias="Mean"):
        self.weight = weight + 0.1
        self.alias = alias


class RefusesItself(Mean):
    def check_parameters(self):
        raise InvalidArgumentError("weight", "something else", "0.5", "Change it.")


class NoLookback(Mean):
    lookback = 0


class Vague(Mean):
    needs_horizon = "perhaps"


class Flat(Mean):
    def forecast(self, state, past, h):
        return super().forecast(state, past, h).ravel()


class NotANumber(Mean):
    def forecast(self, state, past, h):
        return super().forecast(state, past, h) * np.nan


class LooksAtOtherCutoffs(Mean):
    def forecast(self, state, past, h):
        return super().forecast(state, past, h) + past.recent.values.sum()


class KeepsOnItself(Mean):
    def train(self, history, horizon, warm_start):
        self.mean = history.values.mean()
        return {"mean": self.mean}


class CachesWhenForecasting(Mean):
    def forecast(self, state, past, h):
        self.calls = getattr(self, "calls", 0) + 1
        return super().forecast(state, past, h)


class ChangesItsState(Mean):
    def forecast(self, state, past, h):
        state["mean"] += len(past.windows) == 2
        return super().forecast(state, past, h)


class NotPicklable(Mean):
    def train(self, history, horizon, warm_start):
        return {"mean": history.values.mean(), "hook": lambda: None}


class DependsOnTheHorizon(Mean):
    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean()) + horizon}


class Limited(Mean):
    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean()), "horizon": horizon}

    def forecast(self, state, past, h):
        if h > state["horizon"]:
            raise ValueError("too far")
        return super().forecast(state, past, h)


class AsksForNoHorizon(Mean):
    needs_horizon = True

    def fit(self, data, **options):
        return super().fit(data, **{"horizon": 1} | options)


class Remembers(Mean):
    seen = 0.0

    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean()) + Remembers.seen}

    def forecast(self, state, past, h):
        Remembers.seen += 1.0
        return super().forecast(state, past, h)


class SeesTheFuture(Mean):
    """Reads the data from behind the back of the package."""

    def cross_validation(self, data, h, **options):
        SeesTheFuture.last = float(data["y"].iloc[-1])
        return super().cross_validation(data, h, **options)

    def train(self, history, horizon, warm_start):
        return {"mean": getattr(SeesTheFuture, "last", 0.0)}


class TrainsInPredict(Mean):
    def predict(self, h=None, **options):
        self.models_ = {name: self.train(None, h, ()) for name in self.models_}
        return super().predict(h, **options)


class MoreColumns(Mean):
    def predict(self, h=None, **options):
        return super().predict(h, **options).assign(more=1.0)


class NamesTheColumnOtherwise(Mean):
    def predict(self, h=None, **options):
        return super().predict(h, **options).rename(columns={"Mean": "mean"})


class CountsItsFits(Mean):
    fits = 0

    def train(self, history, horizon, warm_start):
        CountsItsFits.fits += len(history) == 54
        return {"mean": float(history.values.mean()) + CountsItsFits.fits}


class IsRandom(Mean):
    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean() + np.random.default_rng().normal())}


class AddsTheNumberOfSteps(Mean):
    def forecast(self, state, past, h):
        return super().forecast(state, past, h) + h


class UpdatesOtherwise(Mean):
    def update(self, new_data, **options):
        super().update(new_data, **options)
        self.models_ = {name: {"mean": 0.0} for name in self.models_}
        return self


class CannotBeSaved(Mean):
    def train(self, history, horizon, warm_start):
        return {"mean": float(history.values.mean()), "part": Part()}


class Part:
    """Of no declared kind."""


class AsksForTooLittle(Mean):
    def train(self, history, horizon, warm_start):
        if len(history) < 4:
            raise ValueError("too short")
        return super().train(history, horizon, warm_start)


@pytest.mark.parametrize(("forecaster", "message"), [
    (object(), "the class: it must derive from Forecaster"),
    (ChangesParameters(), "__init__: it must store each argument, unchanged"),
    (RefusesItself(), "check_parameters: it must accept"),
    (NoLookback(), "lookback: it must be a whole number >= 1; got 0"),
    (Vague(), "needs_horizon: it must be True or False; got 'perhaps'"),
    (Flat(), r"forecast: it must return an array of shape \(C, h\) = \(1, 3\); got .*\(3,\)"),
    (NotANumber(), "forecast: it must return finite numbers"),
    (LooksAtOtherCutoffs(), "forecast: a row must depend on its own cutoff alone"),
    (KeepsOnItself(), "train: it must return what it learns, and keep nothing on the forecaster"),
    (CachesWhenForecasting(), "forecast: it must keep nothing on the forecaster"),
    (ChangesItsState(), "forecast: it must not change the state"),
    (NotPicklable(), "train: it must return a state that can be pickled"),
    (DependsOnTheHorizon(), "train: forecasts must not depend on the horizon of train"),
    (Limited(), "forecast: forecasts must not depend on the horizon .* ValueError: too far"),
    (AsksForNoHorizon(), "needs_horizon: fit must ask for the horizon"),
    (Remembers(), "forecasts that differ by"),
    (SeesTheFuture(), "train and forecast: samples after a cutoff must not change the forecasts"),
    (TrainsInPredict(), "predict: nothing may be trained in predict"),
    (MoreColumns(), "predict: its columns must be .*'unique_id', 'ds', 'Mean'.*; got .*'more'"),
    (NamesTheColumnOtherwise(), "predict: its columns must be .*'Mean'.*; got .*'mean'"),
    (IsRandom(), "train: two fits to the same data must agree"),
    (AddsTheNumberOfSteps(), "forecast: its first step must not depend on h"),
    (CountsItsFits(), "train: forecasts must not depend on the number of workers"),
    (UpdatesOtherwise(), "train: an update must forecast as a fit to all samples does"),
    (CannotBeSaved(), "train: it must return a state that can be saved: plain data"),
    (AsksForTooLittle(), "too short"),
], ids=lambda value: type(value).__name__ if not isinstance(value, str) else "")
def test_breaches_are_named(forecaster, message):
    with pytest.raises(ContractError, match=message):
        check_forecaster(forecaster)


class Weighs(Mean):
    """Takes the weighted mean, as the contract asks for."""

    accepts_weights = True

    def train(self, history, horizon, warm_start):
        return {"mean": float(np.average(history.values, weights=history.weights))}


class WeighsByWord(Mean):
    accepts_weights = True


class MindsWeights(Weighs):
    def train(self, history, horizon, warm_start):
        more = 0.0 if history.weights is None else 1.0
        return {"mean": super().train(history, horizon, warm_start)["mean"] + more}


class SaysMaybe(Mean):
    accepts_weights = "perhaps"


class CannotWeigh(Weighs):
    def train(self, history, horizon, warm_start):
        if history.weights is not None:
            raise ValueError("no weights")
        return super().train(history, horizon, warm_start)


class LooksAtLaterWeights(Weighs):
    def forecast(self, state, past, h):
        later = past.recent.weights
        return super().forecast(state, past, h) + (0.0 if later is None else (later == 0).sum())


def test_a_forecaster_that_weighs_passes():
    check_forecaster(Weighs())


@pytest.mark.parametrize(("forecaster", "message"), [
    (WeighsByWord(), "train: uneven weights must matter"),
    (MindsWeights(), "train: equal weights must change nothing"),
    (SaysMaybe(), "accepts_weights: it must be True or False; got 'perhaps'"),
    (CannotWeigh(), "cross_validation: it must walk forward.*no weights"),
    (LooksAtLaterWeights(), "weights after a cutoff must not change the forecasts"),
], ids=lambda value: type(value).__name__ if not isinstance(value, str) else "")
def test_breaches_of_weighing_are_named(forecaster, message):
    with pytest.raises(ContractError, match=f"(?s){message}"):
        check_forecaster(forecaster)


@pytest.mark.parametrize("times", [
    pd.date_range("2020", periods=60, freq="D"), pd.date_range("2020", periods=60, freq="MS"),
    np.arange(60) / 2])
def test_time_stamps_may_be_any(times):
    y = np.random.default_rng(1).normal(size=120)
    check_forecaster(Mean(), pd.DataFrame({
        "unique_id": np.repeat(["a", "b"], 60), "ds": np.tile(times, 2), "y": y}))


def test_a_state_that_counts_its_calls_passes():
    check_forecaster(Regressor(KNeighborsRegressor(1, algorithm="kd_tree"), 4))


@pytest.mark.parametrize("h", [0, 2.5, "a"])
def test_a_bad_h_is_refused(h):
    with pytest.raises(InvalidArgumentError, match="h must be"):
        check_forecaster(Mean(), h=h)


def test_series_that_are_too_short_for_the_check_are_refused():
    data = pd.DataFrame({"unique_id": np.repeat(["a", "b"], 8), "ds": np.tile(np.arange(8), 2),
                         "y": np.arange(16.0)})
    with pytest.raises(InvalidArgumentError, match="data .series a. must be of at least"):
        check_forecaster(Mean(), data)
