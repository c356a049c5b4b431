"""One model of many series: own scales and linear parts, unseen series, files, walking forward."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression, Ridge

from relu_forecast import ReLUForecaster, backtest, baselines, check_forecaster
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.pooling import PooledNetwork, choose_ratio
from relu_forecast.storage import DamageError, decode, encode
from tests.storage.forecasters import assert_same, saved

H = 3
FAST = {"lags": 3, "horizon": H, "beta_ratio": 0.4, "scope": "global"}


def tent(n, seed, scale=1.0):
    """Return samples of a noisy process with a kink."""
    generator, samples = np.random.default_rng(seed), [0.1]
    for _ in range(n + 10):
        samples.append(0.8 * abs(samples[-1]) - 0.4 + 0.1 * generator.standard_normal())
    return scale * np.array(samples[-n:])


def panel(names, n=40, scales=None):
    """Return series of the process, by name."""
    scales = scales or {}
    return pd.concat([pd.DataFrame({
        "unique_id": name, "ds": np.arange(n),
        "y": tent(n, sum(map(ord, name)), scales.get(name, 1.0))}) for name in names])


NAMES = ["a", "b", "c", "d", "e", "f"]
DATA = panel(NAMES)


@cache
def fitted():
    return ReLUForecaster(**FAST).fit(DATA)


def values(table, name):
    return table.loc[table["unique_id"] == name].iloc[:, -1].to_numpy()


@pytest.mark.parametrize("strategy", ["joint", "recursive", "direct"])
@pytest.mark.parametrize("transform", ["last_value", "standardize", "difference", None])
def test_each_series_has_its_own_scale(strategy, transform):
    options = {**FAST, "strategy": strategy, "transform": transform, "beta_ratio": 0.6}
    plain = ReLUForecaster(**options).fit(DATA).predict()
    scaled = ReLUForecaster(**options).fit(panel(NAMES, scales={"c": 1000.0})).predict()
    for name in NAMES:
        np.testing.assert_allclose(
            values(scaled, name), values(plain, name) * (1000.0 if name == "c" else 1.0),
            rtol=1e-4)


def test_neither_order_nor_workers_change_forecasts():
    rows = DATA.sample(frac=1, random_state=0).sort_values("ds", kind="stable")
    other = ReLUForecaster(**FAST).fit(rows, n_jobs=2)
    pd.testing.assert_frame_equal(other.predict(), fitted().predict(), rtol=1e-9)


def test_one_network_serves_all_series_and_each_has_its_linear_part():
    network = fitted().regressor_
    assert all(state.regressor.shared is network for state in fitted().models_.values())
    assert [state.regressor.group for state in fitted().models_.values()] == list(range(len(NAMES)))
    assert network.deviations_.shape == (len(NAMES), 4, H)
    assert (fitted().members_["neurons"] == network.n_neurons_).all()


def test_what_is_fitted_is_the_grouped_network_on_windows_of_all_series():
    windows, targets, groups = [], [], []
    for place, name in enumerate(NAMES):
        inputs = fitted().models_[name].inputs
        history = History.of(DATA.loc[DATA["unique_id"] == name, "y"].to_numpy())
        features, ahead = PooledNetwork(3).rows(inputs, history, 1, H)
        windows.append(features)
        targets.append(ahead)
        groups += [place] * len(features)
    network, X = fitted().regressor_, np.concatenate(windows)
    again = type(network)(**network.get_params()).fit(
        X, np.concatenate(targets), groups=np.array(groups))
    assert again.objective_ == network.objective_
    np.testing.assert_array_equal(again.deviations_, network.deviations_)


def test_linear_parts_of_series_that_differ_are_their_own():
    n = 60
    generator = np.random.default_rng(0)

    def wave(weight):
        samples = [1.0]
        for _ in range(n - 1):
            samples.append(weight * samples[-1] + generator.standard_normal())
        return samples

    weights = {"a": 0.9, "b": -0.9, "c": 0.9, "d": -0.9}
    data = pd.concat([pd.DataFrame({"unique_id": name, "ds": np.arange(n), "y": wave(weight)})
                      for name, weight in weights.items()])
    model = ReLUForecaster(1, 1, transform=None, beta_ratio=1.0, scope="global").fit(data)
    network = model.regressor_
    found = network.network_.skip_weight.detach().numpy() + network.deviations_[:, 0, 0]
    np.testing.assert_allclose(found, list(weights.values()), atol=0.2)


def test_series_that_were_not_fitted_have_their_scale_and_the_common_part():
    new = panel(["z"], n=12, scales={"z": 50.0})
    table = fitted().predict(data=new)
    assert table["ds"].tolist() == [12, 13, 14]
    history = History.of(new["y"].to_numpy())
    inputs = PooledNetwork(3).inputs_of(history, H)
    shared = fitted().regressor_
    features = inputs.features(
        history.values[-3:][None], np.empty((1, 3, 0)), np.empty((1, 0)))
    expected = inputs.transform.invert(history.values[-3:][None], shared.predict(features))[0]
    np.testing.assert_allclose(table["ReLU"], expected)
    thousandfold = fitted().predict(data=new.assign(y=1000 * new["y"]))
    np.testing.assert_allclose(thousandfold["ReLU"], 1000 * table["ReLU"])


def test_series_that_were_fitted_keep_what_is_theirs_beside_new_ones():
    both = pd.concat([DATA[DATA["unique_id"] == "b"], panel(["z"])])
    table = fitted().predict(2, data=both)
    assert table["unique_id"].tolist() == ["b", "b", "z", "z"]
    np.testing.assert_array_equal(values(table, "b"), values(fitted().predict(2), "b"))
    assert set(fitted().models_) == set(NAMES)


def test_new_series_are_refused_where_they_cannot_be_forecast():
    with pytest.raises(InvalidArgumentError, match=r"data \(series z\).*at least 3 samples"):
        fitted().predict(data=panel(["z"], n=2))
    with pytest.raises(InvalidArgumentError, match="level must be None with data"):
        fitted().predict(data=DATA, level=80)
    local = baselines.RidgeAR(3).fit(DATA)
    with pytest.raises(InvalidArgumentError, match="data .* must be None for RidgeAR"):
        local.predict(2, data=panel(["z"]))


@pytest.mark.parametrize("local", [
    ReLUForecaster(horizon=2), ReLUForecaster(3, 2, beta_ratio=0.3), baselines.RidgeAR(3),
    baselines.Analogs(3)])
def test_models_of_each_series_refuse_other_samples_of_the_same_name(local):
    local.fit(tent(40, 0), horizon=2)
    for name in ("y", "other"):
        with pytest.raises(InvalidArgumentError, match="data .* must be None for"):
            local.predict(2, data=pd.Series(tent(40, 1), name=name))


@pytest.mark.parametrize("strategy", ["joint", "recursive", "direct"])
def test_files_keep_the_network_once_and_forecasts_exactly(strategy, tmp_path):
    model = ReLUForecaster(**{**FAST, "strategy": strategy, "beta_ratio": 0.3})
    model.fit(DATA, intervals="split")
    loaded = saved(model, tmp_path)
    assert_same(model, loaded, level=[60])
    new = panel(["z"])
    pd.testing.assert_frame_equal(
        loaded.predict(data=new), model.predict(data=new), check_exact=True)
    states = list(loaded.models_.values())
    assert states[0].regressors[0].shared is states[1].regressors[0].shared


def test_files_keep_other_regressors_too(tmp_path):
    model = ReLUForecaster(3, H, Ridge(), scope="global").fit(DATA)
    assert_same(model, saved(model, tmp_path))


HOSTILE = {
    "no group that was fitted": lambda own: replace(own, group=17),
    "no part of its own": lambda own: own.inputs,
    "scales of other windows": lambda own: replace(own, inputs=replace(
        own.inputs, context=type(own.inputs.context).of(4))),
    "another transform": lambda own: replace(own, inputs=replace(
        own.inputs, transform=PooledNetwork(3, transform=None).inputs_of(
            History.of(np.arange(9.0)), H).transform)),
}


class Altered(ReLUForecaster):
    """Keeps what no fit can have given."""

    change = None

    def own_part(self, state):
        return HOSTILE[self.change](super().own_part(state))


@pytest.mark.parametrize("what", HOSTILE)
def test_parts_that_do_not_belong_together_are_refused(what):
    model = Altered(**FAST)
    vars(model).update(vars(fitted()), change=what)
    with pytest.raises(DamageError, match="models/0"):
        decode(*encode(model))


def test_regressors_of_another_kind_are_refused():
    with pytest.raises(ValueError, match="GroupedReLURegressors"):
        fitted().joined((LinearRegression(),), fitted().own_part(fitted().models_["a"]))
    with pytest.raises(ValueError, match="regressors of all series"):
        fitted().joined(None, fitted().own_part(fitted().models_["a"]))
    with pytest.raises(ValueError, match="nothing in common"):
        baselines.Naive().joined(fitted().regressor_, {})


def test_backtests_see_nothing_after_their_cutoffs():
    h, late = 2, DATA["ds"] >= 36
    changed = DATA.assign(y=DATA["y"].where(~late, 77.0))
    tables = [
        ReLUForecaster(**{**FAST, "horizon": h}).cross_validation(
            data, h, n_windows=3, step_size=2, refit=refit, level=level)
        for data in (DATA, changed) for refit, level in ((True, None), (False, 60))]
    early = tables[0]["cutoff"] < 36
    assert sorted(set(tables[0]["cutoff"][early])) == [33, 35]
    for first, second in zip(tables[:2], tables[2:], strict=True):
        columns = [name for name in first if name.startswith("ReLU")]
        pd.testing.assert_frame_equal(first.loc[early, columns], second.loc[early, columns])


def test_a_fold_forecasts_as_a_fit_to_the_samples_up_to_its_cutoff():
    table = ReLUForecaster(**FAST).cross_validation(DATA, H, n_windows=2, step_size=5)
    known = DATA[DATA["ds"] <= table["cutoff"].min()]
    expected = ReLUForecaster(**FAST).fit(known).predict()
    first = table[table["cutoff"] == table["cutoff"].min()].reset_index(drop=True)
    pd.testing.assert_frame_equal(first[["unique_id", "ds", "ReLU"]], expected)


def test_checkpoints_and_local_models_beside_it(tmp_path):
    models = {"pool": ReLUForecaster(**FAST), "naive": baselines.Naive()}
    options = {"n_windows": 2, "checkpoint": tmp_path / "run.ckpt"}
    first = backtest(models, DATA, H, **options)
    again = backtest(models, DATA, H, **options, n_jobs=2)
    pd.testing.assert_frame_equal(first.predictions, again.predictions)
    assert first.seconds["pool"] == again.seconds["pool"]
    alone = backtest({"naive": baselines.Naive()}, DATA, H, n_windows=2)
    pd.testing.assert_frame_equal(
        first.predictions.drop(columns="pool"), alone.predictions)


def test_series_of_other_lengths_need_the_number_of_cutoffs():
    uneven = pd.concat([DATA, panel(["z"], n=25)])
    with pytest.raises(InvalidArgumentError, match="n_windows must be given for a model of all"):
        ReLUForecaster(**FAST).cross_validation(uneven, H, refit=False)
    table = ReLUForecaster(**FAST).cross_validation(uneven, H, n_windows=2, refit=False)
    assert (table.groupby("unique_id").size() == 2 * H).all()


@pytest.mark.long
def test_updates_fit_all_series_again_and_keep_the_penalty():
    known = DATA[DATA["ds"] < 37]
    model = ReLUForecaster(**{**FAST, "beta_ratio": None}).fit(known, intervals="split")
    ratio, width = model.regressor_.beta_ratio, len(model.calibrations_["a"])
    model.update(DATA[(DATA["ds"] >= 37) & (DATA["unique_id"] != "f")])
    assert model.regressor_.beta_ratio == ratio
    shared = {id(state.regressor.shared) for state in model.models_.values()}
    assert len(shared) == 1
    assert len(model.calibrations_["a"]) == len(model.calibrations_["f"]) == width
    assert values(model.predict(), "a").shape == (H,)
    assert model.predict().groupby("unique_id")["ds"].min().to_dict() == {
        **dict.fromkeys("abcde", 40), "f": 37}


def test_intervals_rest_on_errors_of_a_fit_that_had_not_seen_them():
    model = ReLUForecaster(**FAST).fit(DATA)
    forecasts = model.predict()
    model.calibrate()
    pd.testing.assert_frame_equal(model.predict(), forecasts)
    size = len(model.calibrations_["c"])
    early = ReLUForecaster(**FAST).fit(DATA[DATA["ds"] < 40 - size])
    first = values(early.predict(), "c") - DATA.loc[
        DATA["unique_id"] == "c", "y"].to_numpy()[40 - size : 40 - size + H]
    np.testing.assert_allclose(model.calibrations_["c"][0], np.abs(first), atol=1e-12)


@pytest.mark.long
def test_pooled_networks_beat_those_of_each_series_on_short_series_of_one_process():
    data = panel([f"s{place:02d}" for place in range(24)], n=40)
    models = {scope: ReLUForecaster(3, 1, beta_ratio=0.03, scope=scope)
              for scope in ("local", "global")}
    scores = backtest(models, data, 1, n_windows=8, refit=False).scores(["rmse"])
    assert scores["global"].item() < 0.95 * scores["local"].item()


def test_the_penalty_is_chosen_by_forecasts_of_the_last_parts():
    kinked = {name: History.of(tent(60, place)) for place, name in enumerate("abcdefgh")}
    generator = np.random.default_rng(0)
    noise = {name: History.of(generator.standard_normal(60)) for name in "abcdefgh"}

    def make(ratio):
        return PooledNetwork(2, "joint", None, ratio, tol=0.1)

    assert choose_ratio(make, kinked, 1).ratio < 1
    assert choose_ratio(make, noise, 1).ratio == 1
    short = {"a": History.of(np.arange(4.0))}
    assert choose_ratio(make, short, 1).ratio == 0.1


def test_series_that_a_linear_part_forecasts_exactly_get_no_neurons():
    lines = pd.concat([pd.DataFrame({"unique_id": name, "ds": np.arange(30),
                                     "y": slope * np.arange(30.0)})
                       for name, slope in {"a": 1.0, "b": -3.0, "c": 0.0}.items()])
    model = ReLUForecaster(2, 2, scope="global").fit(lines)
    assert model.regressor_.n_neurons_ == 0
    np.testing.assert_allclose(
        model.predict()["ReLU"], [30.0, 31, -90, -93, 0, 0], atol=0.05)


def test_constant_series_stay_what_they_are():
    flat = DATA.assign(y=5.0)
    for ratio in (None, 0.1):
        model = ReLUForecaster(2, 2, beta_ratio=ratio, scope="global").fit(flat)
        np.testing.assert_allclose(model.predict()["ReLU"], 5.0)


@pytest.mark.parametrize("transform", ["last_value", "difference"])
@pytest.mark.parametrize("estimator", [None, Ridge()])
def test_a_series_that_never_changed_stays_as_it_is_beside_others(estimator, transform, tmp_path):
    flat = pd.DataFrame({"unique_id": "z", "ds": np.arange(40), "y": 1e-6})
    model = ReLUForecaster(3, H, estimator, transform=transform, scope="global",
                           beta_ratio=None if estimator else 0.3)
    model.fit(pd.concat([DATA, flat]))
    np.testing.assert_array_equal(values(model.predict(), "z"), 1e-6)
    np.testing.assert_array_equal(model.predict(data=flat.assign(unique_id="new"))["ReLU"], 1e-6)
    assert np.ptp(values(model.predict(), "a")) > 0
    assert_same(model, saved(model, tmp_path))


def test_units_of_series_do_not_change_the_penalty():
    model = ReLUForecaster(**{**FAST, "beta_ratio": "cv"})
    scaled = panel(NAMES, scales={"a": 1e4, "d": 1e-3})
    ratios = [model.fit(data).regressor_.beta_ratio for data in (DATA, scaled)]
    assert ratios[0] == ratios[1]


def test_any_regressor_can_be_pooled():
    forest = RandomForestRegressor(20, random_state=0)
    model = ReLUForecaster(3, H, forest, scope="global").fit(DATA)
    assert isinstance(model.regressor_, RandomForestRegressor)
    assert model.predict(data=panel(["z"])).shape == (H, 3)
    apart = ReLUForecaster(3, H, forest).fit(DATA).predict()
    assert not np.allclose(model.predict()["ReLU"], apart["ReLU"])


def test_columns_and_missing_values_are_those_of_each_series():
    data = DATA.assign(load=np.random.default_rng(0).standard_normal(len(DATA)))
    data.loc[(data["unique_id"] == "b") & (data["ds"] == 20), "y"] = np.nan
    model = ReLUForecaster(3, strategy="recursive", beta_ratio=0.3, future_exog=("load",),
                           scope="global")
    model.fit(data, missing="skip")
    future = pd.DataFrame({"ds": np.arange(40, 42), "load": [0.0, 1.0]})
    assert np.isfinite(model.predict(2, future=future)["ReLU"]).all()
    known = data.fillna({"y": 5.0})
    filled = ReLUForecaster(3, strategy="recursive", beta_ratio=0.3, future_exog=("load",),
                            scope="global").fit(known)
    assert len(model.regressor_.warm_start_.neurons.blocks[0]) == 5
    assert not np.allclose(model.predict(2, future=future)["ReLU"],
                           filled.predict(2, future=future)["ReLU"])


@pytest.mark.parametrize(("options", "message"), [
    ({"lags": "auto"}, "lags must be given with scope='global'"),
    ({"scope": "all"}, "scope must be"),
    ({"scope": None}, "scope must be")])
def test_what_cannot_be_pooled_is_refused(options, message):
    with pytest.raises(InvalidArgumentError, match=message):
        ReLUForecaster(**{**FAST, **options}).fit(DATA)


def test_a_series_that_cannot_be_fitted_is_named():
    flat = pd.concat([DATA, pd.DataFrame({"unique_id": "z", "ds": np.arange(40), "y": 1.0})])
    with pytest.raises(InvalidArgumentError, match="series z"):
        ReLUForecaster(**FAST, transform="standardize").fit(flat)
    assert np.isfinite(ReLUForecaster(**FAST).fit(flat).predict()["ReLU"]).all()


@pytest.mark.parametrize("forecaster", [
    pytest.param(ReLUForecaster(**{**FAST, "beta_ratio": 0.3}), id="joint", marks=pytest.mark.long),
    pytest.param(ReLUForecaster(3, strategy="recursive", beta_ratio=0.3, scope="global"),
                 id="recursive"),
    pytest.param(ReLUForecaster(3, 2, Ridge(), scope="global"), id="ridge"),
    pytest.param(ReLUForecaster(2, 2, scope="global"), id="chosen", marks=pytest.mark.long)])
def test_the_contract_is_kept(forecaster):
    check_forecaster(forecaster)
