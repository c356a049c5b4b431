"""Theta: against statsmodels."""

import numpy as np
import pytest
from statsmodels.tsa.forecasting.theta import ThetaModel

from relu_forecast.baselines import Theta
from tests.baselines.samples import CUTOFFS, SEASONAL, TRAINING


@pytest.mark.parametrize(("season", "seasonal", "theta"), [
    (None, "auto", 2.0), (None, "auto", 1.0), (4, "auto", 2.0), (4, "add", 2.0), (4, "mul", 3.0)])
def test_theta_forecasts_what_statsmodels_does(season, seasonal, theta, fit, past_at):
    fitted = ThetaModel(
        SEASONAL[:TRAINING], period=season, deseasonalize=season is not None,
        method=seasonal).fit()
    model = fit(Theta(season, seasonal, theta), SEASONAL[:TRAINING])
    forecasts = model.forecast(past_at(SEASONAL, TRAINING, CUTOFFS, 1), 9)
    np.testing.assert_allclose(forecasts[0], fitted.forecast(9, theta), atol=1e-9)
    assert (season == 4) == (np.ptp(model.season) > 0)


def test_theta_tests_for_a_season(forecast):
    values = 20 + np.random.default_rng(0).normal(size=60)
    np.testing.assert_array_equal(forecast(Theta(5), values), forecast(Theta(), values))


@pytest.mark.parametrize(("season", "seasonal"), [(None, "auto"), (4, "add"), (4, "mul")])
def test_theta_moves_its_level_on_and_keeps_the_rest(season, seasonal, fit, past_at):
    fitted = ThetaModel(SEASONAL[:TRAINING], period=season, deseasonalize=season is not None,
                        method=seasonal).fit()
    b0, alpha = fitted.params
    factors = fitted.forecast_components(12)["seasonal"].to_numpy()
    factors = np.tile(factors, 4)
    join, part = (np.multiply, np.divide) if seasonal in ("mul", "auto") else (np.add, np.subtract)
    model = fit(Theta(season, seasonal), SEASONAL[:TRAINING])
    forecasts = model.forecast(past_at(SEASONAL, TRAINING, CUTOFFS, 1), 9)
    for cutoff, row in zip(CUTOFFS, forecasts, strict=True):
        level, ahead = fitted.forecast_components(1)["ses"].iloc[0], cutoff + 1 - TRAINING
        for sample, factor in zip(SEASONAL[TRAINING : cutoff + 1], factors, strict=False):
            level += alpha * (part(sample, factor) - level)
        steps = np.arange(9) + 1 / alpha - (1 - alpha) ** (cutoff + 1) / alpha
        expected = join(level + b0 * steps / 2, factors[ahead : ahead + 9])
        np.testing.assert_allclose(row, expected, atol=1e-9)
