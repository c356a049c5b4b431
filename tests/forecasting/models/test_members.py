"""Who may become a member: by the length of the samples, their season, and the columns."""

from itertools import pairwise

import numpy as np
import pytest

from relu_forecast.forecasting import ReLUForecaster
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.members import ladder, one_window
from relu_forecast.windows.contexts import Context

RNG = np.random.default_rng(0)
WALK = RNG.normal(size=5000).cumsum()


def candidates(values, horizon=3, **parameters):
    """The candidates of a forecaster."""
    model = ReLUForecaster(horizon=horizon, **parameters)
    return ladder(model._workshop, History.of(values), horizon)


def names(values, horizon=3, **parameters):
    """What they are called."""
    return [one.name for one in candidates(values, horizon, **parameters)]


def test_few_samples_have_linear_models_of_short_windows():
    noise = RNG.normal(size=60)
    assert [name for name in names(noise) if "season" not in name] == ["linear 4", "linear 12"]
    assert names(noise[:20]) == ["linear 4"]
    assert names(WALK[:7]) == ["linear 1"]


def test_hundreds_have_networks_and_analogs():
    assert names(WALK[:700]) == [
        "linear 4", "linear 12",
        "linear 30", "network 30, 0.1", "linear 60", "linear 120", "linear 240 by growing means",
        "analogs 12", "analogs 30", "analogs 60", "analogs 120", "analogs 240"]


def test_thousands_have_long_windows():
    found = names(WALK)
    lengths = [Context.multiresolution(length).length for length in (240, 480, 960)]
    assert [name for name in found if "growing" in name] == [
        f"{kind} {length} by growing means{ratio}" for length in lengths
        for kind, ratio in (("linear", ""), ("network", ", 0.03"), ("network", ", 0.01"))
        if length == 240 or ratio != ", 0.01"]
    assert lengths == [240, 480, 944]
    assert found[:5] == ["linear 4", "linear 12", "linear 30", "network 30, 0.03",
                         "network 30, 0.01"]
    assert "network 30 recursive, 0.03" in found


def test_thousands_have_networks_beside_what_analogs_say():
    informed = {one.name: one.model for one in candidates(WALK) if "and analogs" in one.name}
    assert list(informed) == [
        "linear 30 and analogs", "network 30 and analogs, 0.06",
        "linear 120 and analogs", "network 120 and analogs, 0.06"]
    assert {model.analogs for model in informed.values()} == {60}
    assert not any("and analogs" in name for name in names(WALK, strategy="recursive"))
    assert not any("and analogs" in name for name in names(WALK[:1400]))


def test_every_candidate_can_be_fitted_to_the_part_that_judges():
    counts = {}
    for n in (7, 20, 60, 150, 700):
        for horizon in (1, 3, 12):
            if n < ReLUForecaster(horizon=horizon).min_length(horizon):
                continue
            first, found = int(0.7 * n), candidates(WALK[:n], horizon)
            assert len({one.name for one in found}) == len(found)
            assert all(one.model.min_length(horizon) <= first for one in found)
            counts[n, horizon] = len(found)
    assert counts == {
        (7, 1): 1, (7, 3): 1, (20, 1): 1, (20, 3): 1, (20, 12): 1, (60, 1): 2, (60, 3): 2,
        (60, 12): 1, **{(150, horizon): 5 for horizon in (1, 3, 12)},
        **{(700, horizon): 12 for horizon in (1, 3, 12)}}


def test_networks_start_from_that_of_the_larger_penalty_on_the_same_windows():
    found = candidates(WALK[:2000])
    networks = [one for one in found if one.name.startswith("network 120,")]
    assert [one.after for one in networks] == [
        "linear 120", "network 120, 0.03", "network 120, 0.01"]
    assert [one.model.beta_ratio for one in networks] == [0.03, 0.01, 0.003]
    assert all(one.guards == one.name.startswith("linear") for one in found)
    chain = one_window(ReLUForecaster([1, 24], 3)._workshop, [1, 24])
    assert [one.name for one in chain] == ["linear 2 lags up to 24"] + [
        f"network 2 lags up to 24, {ratio}" for ratio in (0.1, 0.03, 0.01, 0.003)]
    assert [one.after for one in chain[1:]] == [one.name for one in chain[:-1]]
    assert all(a.model.beta_ratio > b.model.beta_ratio for a, b in pairwise(chain[1:]))


def test_a_ratio_that_is_given_is_that_of_all_networks():
    found = [one for one in candidates(WALK[:1700], beta_ratio=0.2, skip_penalty=3.0)
             if one.name.startswith("network")]
    assert {one.model.beta_ratio for one in found} == {0.2}
    assert {one.model.skip_penalty for one in found} == {3.0}
    assert [one.name for one in found] == [
        f"network {windows}, 0.2" for windows in (
            "30", "60", "120", "30 and analogs", "120 and analogs", "30 recursive")]


def week(n_weeks):
    """Hours with a day, a weekend, and noise."""
    day = 5 * np.sin(np.arange(168) / 24 * 2 * np.pi) * np.repeat([1, 1, 1, 1, 1, 0.2, 0.1], 24)
    return np.tile(day, n_weeks) + 0.3 * np.random.default_rng(0).normal(size=168 * n_weeks)


def test_a_season_is_seen_whole_and_at_the_places_that_are_forecast():
    found = {one.name: one.model for one in candidates(week(8), 24)}
    seasonal = [name for name in found if "season" in name]
    assert seasonal == [
        "linear season 168, joint", "linear season 168, recursive",
        "linear places of season 168", "network places of season 168, 0.1"]
    assert found["linear season 168, recursive"].strategy == "recursive"
    places = found["linear places of season 168"].lags.lags
    assert set(places) == {*range(1, 17), *range(145, 169)}
    assert not any("season" in name for name in names(WALK[:1300], 24))


def test_columns_known_ahead_make_all_models_recursive_and_analogs_use_none():
    found = candidates(WALK[:700], future_exog=("known",))
    strategies = {one.name: one.model.strategy for one in found if "analogs" not in one.name}
    assert set(strategies.values()) == {"recursive"}
    assert not any("recursive" in name for name in strategies)
    assert all(one.model.covariates.future == ("known",) for one in found
               if "analogs" not in one.name)


def test_columns_known_up_to_a_cutoff_leave_out_recursive_models():
    for values in (WALK[:700], week(8)):
        found = candidates(values, past_exog=("seen",))
        assert {one.model.strategy for one in found if "analogs" not in one.name} == {"joint"}
        for one in found:
            one.model.check_parameters()


@pytest.mark.parametrize("strategy", ["recursive", "direct", "joint"])
def test_members_have_the_strategy(strategy):
    found = candidates(WALK[:1700], strategy=strategy)
    others = [one.model.strategy for one in found if "analogs" not in one.name]
    assert set(others) == {strategy, "recursive"}
