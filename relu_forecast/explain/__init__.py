"""What a fitted model is, in tables: forecasts as sums and autoregressions, neurons, regions.

A ReLU network is linear piece by piece, so nothing here is an approximation: contributions add up
to the forecast, and the autoregression of a forecast is the model as long as the same neurons fire.

>>> import numpy as np
>>> from relu_forecast import ReLUForecaster, explain
>>> wave = np.abs(np.sin(np.arange(100) / 5))
>>> model = ReLUForecaster(lags=3, horizon=2, beta_ratio=0.2).fit(wave)
>>> told = explain.forecast(model)
>>> sums = told.contributions.groupby("step")["contribution"].sum()
>>> bool(np.allclose(sums, model.predict()["ReLU"]))
True
"""

from relu_forecast.explain.forecasts import ForecastExplanation, forecast
from relu_forecast.explain.neurons import NeuronAtlas, neurons
from relu_forecast.explain.over_time import regions, weights
from relu_forecast.explain.paths import path

__all__ = ["ForecastExplanation", "NeuronAtlas", "forecast", "neurons", "path", "regions",
           "weights"]
