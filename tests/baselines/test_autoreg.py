"""AutoReg: against statsmodels, cutoff by cutoff."""

import numpy as np
import pytest
from statsmodels.tsa.ar_model import AutoReg as StatsmodelsAutoReg

from relu_forecast.baselines import AutoReg
from tests.baselines.samples import SIGNAL


@pytest.mark.parametrize(("lags", "trend", "season"), [
    (lags, trend, season) for lags in (0, 1, 4) for trend in ("n", "c", "t", "ct")
    for season in (None, 4) if (lags, trend, season) != (0, "n", None)])
def test_autoreg_forecasts_what_statsmodels_does(lags, trend, season, forecast):
    arguments = {"trend": trend, "seasonal": season is not None, "period": season}
    model = AutoReg(lags, trend, season)
    fitted = StatsmodelsAutoReg(SIGNAL, lags, **arguments).fit()
    np.testing.assert_allclose(forecast(model, SIGNAL, 9), fitted.forecast(9), atol=1e-10)
    frame = model.cross_validation(SIGNAL, 5, n_windows=4, step_size=3, refit=False)
    known = int(frame["cutoff"].min()) + 1
    first = StatsmodelsAutoReg(SIGNAL[:known], lags, **arguments).fit()
    for cutoff, rows in frame.groupby("cutoff"):
        later = first.append(SIGNAL[known : cutoff + 1]) if cutoff >= known else first
        np.testing.assert_allclose(rows["AutoReg"], later.forecast(5), atol=1e-10)
