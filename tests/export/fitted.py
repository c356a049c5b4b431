"""Models of all kinds, each fitted once for the tests of exports."""

from typing import Any

import numpy as np
from sklearn.linear_model import LinearRegression

from relu_forecast import ReLUForecaster
from relu_forecast.baselines import Analogs, RidgeAR, SeasonalNaive
from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.forecasting import Autoregression
from relu_forecast.networks import Circular, Convolution
from relu_forecast.windows.contexts import Context

N, H = 200, 4
RNG = np.random.default_rng(3)
VALUES = np.sin(np.arange(N + 150) / 3) + 0.4 * np.sign(np.sin(np.arange(N + 150) / 7)) + (
    0.1 * RNG.normal(size=N + 150))
AFTER = VALUES[N:].copy()
AFTER[[40, 41, 60]] = np.nan
AFTER[80:110] = np.nan


def regressor(**options):
    return ConvexReLURegressor(beta_ratio=0.05, tol=0.2, skip_penalty=0.1, **options)


MODELS = {
    "network": ReLUForecaster(6, beta_ratio=0.1), "linear": RidgeAR(5),
    "growing means": ReLUForecaster(Context.multiresolution(30, 4), beta_ratio=0.1),
    "standardised": ReLUForecaster([1, 2, 5], beta_ratio=0.1, strategy="recursive",
                                   transform="standardize"),
    "differences": RidgeAR(6, strategy="direct", transform="difference"),
    "as they are": RidgeAR(6, transform=None), "season": SeasonalNaive(7),
    "gated": Autoregression(6, regressor(activation="gated_relu")),
    "sites": Autoregression(8, regressor(architecture=Convolution(4, sites=2)), "joint"),
    "circular": Autoregression(6, regressor(architecture=Circular())),
    "analogs": Analogs(7, 3), "levels of analogs": Analogs(7, 300, None),
    "informed": Autoregression(6, LinearRegression(), "joint", analogs=5),
    "committee": ReLUForecaster(), "chosen": ReLUForecaster(8, committee=False),
}
FITTED: dict[str, Any] = {}


def fitted(name):
    if name not in FITTED:
        FITTED[name] = MODELS[name].fit(VALUES[:N], horizon=H, intervals="split")
    return FITTED[name]
