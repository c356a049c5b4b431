"""A fitted ARIMA: against statsmodels, cutoff by cutoff."""

import numpy as np
import pytest
from statsmodels.tsa.statespace.sarimax import SARIMAX

from relu_forecast.baselines import ARIMA, ArimaSettings
from relu_forecast.baselines.arima.model import ArimaModel
from relu_forecast.baselines.arima.orders import Orders
from relu_forecast.baselines.statistical import quiet
from relu_forecast.exceptions import ConvergenceWarning
from tests.baselines.samples import CUTOFFS, SEASONAL, TRAINING


@pytest.mark.parametrize(("orders", "params"), [
    (Orders((1, 0, 1), trend="c"), [3.0, 0.6, 0.4]),
    (Orders((2, 1, 0)), [0.5, -0.3]),
    (Orders((0, 1, 2), trend="c"), [0.2, 0.5, 0.3]),
    (Orders((1, 2, 1)), [0.4, -0.5]),
    (Orders((0, 1, 0), trend="c"), [0.3]),
    (Orders((1, 0, 1), (1, 0, 1), 4, "c"), [1.0, 0.3, 0.2, 0.6, -0.3]),
    (Orders((0, 1, 1), (0, 1, 1), 4), [-0.4, -0.6]),
    (Orders((1, 1, 1), (1, 1, 1), 4), [0.3, 0.2, 0.4, -0.5]),
    (Orders((0, 0, 0), (2, 0, 1), 4), [0.5, 0.3, 0.2]),
], ids=str)
def test_arima_forecasts_what_statsmodels_does_at_each_cutoff(orders, params, past_at):
    params, scale = np.array(params), 2.0
    model = ArimaModel.at_end(orders, params, SEASONAL[:TRAINING], scale)
    forecasts = model.forecast(past_at(SEASONAL, TRAINING, CUTOFFS, 12), 9)
    # statsmodels sees the series itself, with a diffuse start where we condition.
    unscaled = np.append(params, scale**2)
    unscaled[: orders.sizes[-1]] *= scale
    first = SARIMAX(
        SEASONAL[:TRAINING], order=orders.order, trend=orders.trend, use_exact_diffuse=True,
        seasonal_order=(*orders.seasonal_order, orders.season_length)).filter(unscaled)
    np.testing.assert_allclose(forecasts[0], first.forecast(9), atol=1e-8)
    for cutoff, row in zip(CUTOFFS[1:], forecasts[1:], strict=True):
        later = first.append(SEASONAL[TRAINING : cutoff + 1])
        np.testing.assert_allclose(row, later.forecast(9), atol=1e-8)


@pytest.mark.parametrize(("order", "season", "seasonal_order", "trend"), [
    ((1, 0, 1), None, None, "c"), ((0, 1, 2), None, None, "n"), ((1, 0, 0), 4, (1, 0, 0), "c"),
    ((1, 0, 0), 4, (0, 1, 1), "n")])
def test_arima_reaches_the_likelihood_that_statsmodels_does(
    order, season, seasonal_order, trend, fit
):
    model = fit(ARIMA(order, season, seasonal_order, trend), SEASONAL)
    series = model.orders.difference(SEASONAL) / model.scale
    space = model.orders.state_space(series, concentrate_scale=True)
    with quiet():
        theirs = space.fit(disp=False, maxiter=500).llf
    assert space.loglike(model.params) >= theirs - 1e-4


def test_arima_that_has_not_converged_says_so(fit):
    with pytest.warns(ConvergenceWarning, match=r"ARIMA \(2, 0, 2\).*not reached.*lower orders"):
        fit(ARIMA((2, 0, 2), settings=ArimaSettings(fit_steps=1)), SEASONAL)
