"""ETS: against statsmodels, cutoff by cutoff."""

from itertools import product

import numpy as np
import pytest
from sklearn.base import clone
from statsmodels.tsa.exponential_smoothing.ets import ETSModel

from relu_forecast.baselines import ETS, Theta, smoothing
from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from tests.baselines.samples import CUTOFFS, SEASONAL, TRAINING


@pytest.mark.parametrize(("error", "trend", "damped", "seasonal"), [
    (error, trend, damped, seasonal) for error, trend, damped, seasonal in product(
        ("add", "mul"), (None, "add"), (False, True), (None, "add", "mul"))
    if trend or not damped])
def test_ets_forecasts_what_statsmodels_does_at_each_cutoff(
    error, trend, damped, seasonal, fit, past_at
):
    season = 4 if seasonal else None
    parts = {"error": error, "trend": trend, "damped_trend": damped, "seasonal": seasonal,
             "seasonal_periods": season}
    model = fit(ETS(error, trend, damped, season, seasonal), SEASONAL[:TRAINING])
    params = ETSModel(SEASONAL[:TRAINING] / model.scale, **parts).fit(disp=False).params
    forecasts = model.forecast(past_at(SEASONAL, TRAINING, CUTOFFS, 1), 9)
    for cutoff, row in zip(CUTOFFS, forecasts, strict=True):
        later = ETSModel(SEASONAL[: cutoff + 1] / model.scale, **parts).smooth(params)
        np.testing.assert_allclose(row, model.scale * later.forecast(9), atol=1e-8)


@pytest.mark.parametrize("season", [None, 4])
def test_ets_chooses_by_aicc(season, forecast):
    candidates = [
        {"error": error, "trend": trend, "damped_trend": damped, "seasonal": seasonal,
         "seasonal_periods": season}
        for error, trend, damped, seasonal in product(
            ("add", "mul"), (None, "add"), (False, True),
            (None, "add", "mul") if season else (None,))
        if trend or not damped]
    values = SEASONAL / SEASONAL.std()
    fits = [ETSModel(values, **parts).fit(disp=False) for parts in candidates]
    best = min(fits, key=lambda each: each.aicc)
    np.testing.assert_allclose(
        forecast(ETS("auto", season_length=season), SEASONAL),
        SEASONAL.std() * best.forecast(6), atol=1e-8)


def test_multiplicative_components_are_for_positive_samples_alone(forecast):
    values = SEASONAL - SEASONAL.mean()
    np.testing.assert_array_equal(
        forecast(ETS("auto", season_length=4), values), forecast(ETS(season_length=4), values))
    for model in (ETS("mul"), ETS(season_length=4, seasonal="mul"), Theta(4, "mul")):
        with pytest.raises(InvalidArgumentError, match="> 0 for multiplicative"):
            clone(model).fit(values)


def test_ets_that_has_not_converged_says_so(monkeypatch, fit):
    monkeypatch.setattr(smoothing, "FIT_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"ETS\(error='add'.*not reached.*fewer compon"):
        fit(ETS(), SEASONAL)
