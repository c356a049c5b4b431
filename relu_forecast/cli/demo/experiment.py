"""The demo's experiment: convex against nonconvex training and the usual baselines, on an ECG."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import pandas as pd
from sklearn.frozen import FrozenEstimator

from relu_forecast import baselines
from relu_forecast.datasets import load_ecg
from relu_forecast.estimators import CircularCNNRegressor, ConvexCNNRegressor
from relu_forecast.forecasting import (
    Autoregression,
    Backtest,
    Forecaster,
    ReLUForecaster,
    backtest,
)
from relu_forecast.forecasting.data.history import Past
from relu_forecast.problems.certificates import Certificate
from relu_forecast.training.gradients import Optimizer, TracePoint
from relu_forecast.windows.sliding import hankel

Announce = Callable[[str], None]
CONVEX = "ReLU (convex)"
"""The convexly trained network's name in tables and pictures."""
TRANSFORM = "standardize"
"""What windows go through in every model: all see the same, and networks have one objective."""
Trained = Autoregression | ReLUForecaster
"""Forecasters of which the demo trains one network each."""
COMMITTEE = "ReLU (committee)"
"""The default forecaster's name there."""
LINEAR = "LinearAR"
"""The least-squares autoregression's name in tables and pictures."""
STAGES = ("Training the network convexly", "Training it with Adam", "Training it with SGD",
          "Training it with L-BFGS", "Forecasting the test part with every model")
"""What `run_experiment` does, one after the other."""


@dataclass(frozen=True)
class Setup:
    """What the demo trains and tests on."""

    start: int = 20_000
    """First sample of the training part, in samples of the ECG (360 a second)."""
    n_train: int = 5_015
    n_test: int = 5_000
    """Samples to train on, and samples after them to forecast."""
    lags: int = 15
    """Samples that a model sees, 42 ms."""
    window: int = 60
    """Samples that the convolution sees, 167 ms."""
    h: int = 10
    """Steps ahead of the multi-step forecasts, 28 ms."""
    beta_ratio: float = 0.03
    """Weight of the penalty, as a share of beta_max, for all networks."""
    season_length: int = 200
    """Season of the seasonal naive forecast, in samples: the largest autocorrelation of the
    training part between 0.3 and 1.5 s, that is, from beat to beat."""
    n_neurons: int = 100
    """Hidden neurons of the networks that are trained by gradients."""
    adam_steps: int = 1_000
    sgd_epochs: int = 60
    lbfgs_steps: int = 600
    """How long these train."""

    def signal(self) -> pd.Series:
        """Return the samples that are used: `n_test` cutoffs have ``h`` samples after them."""
        stop = self.start + self.n_train + self.n_test + self.h - 1
        return load_ecg().iloc[self.start : stop]


QUICK = Setup(n_train=415, n_test=500, beta_ratio=0.05, n_neurons=30, adam_steps=100, sgd_epochs=20,
              lbfgs_steps=50)
"""A tenth of the demo, to see whether everything runs; its figures mean little."""


@dataclass(frozen=True)
class NetworkRun:
    """One training of the network."""

    model: Trained
    """Fitted on the training part; its regressor forecasts without being fitted again."""
    seconds: float
    """Wall time of the fit."""
    objective: float
    """Objective (1) of the network."""
    n_neurons: int
    """Its hidden neurons."""
    trace: tuple[TracePoint, ...]
    """Objective against seconds of a training by gradients; empty for the convex one."""


@dataclass(frozen=True)
class Experiment:
    """What the demo found."""

    setup: Setup
    """What was trained and tested on what."""
    training_fit: pd.DataFrame
    """One-step fits of the training part: time, the ECG and some models, in millivolts."""
    backtest: Backtest
    """Forecasts of every model from every test sample, none of which trained it."""
    networks: dict[str, NetworkRun]
    """Trainings of the network, all of the same objective; the convex one is `CONVEX`."""
    certificate: Certificate
    """Of the convex training."""
    scale: float
    """Standard deviation of the training part, in millivolts."""

    def scores(self) -> pd.DataFrame:
        """Return a row per model, the best one-step forecast first.

        The columns are the RMSE one step ahead in mV, and in standard deviations of the training
        part; the RMSE over steps 1 to h, and at step h, in mV; and the seconds to fit and forecast.
        """
        steps = self.backtest.scores(["rmse"], by="step").loc["rmse"]
        seconds = self.backtest.seconds.copy()
        for name, run in self.networks.items():
            seconds[name] += run.seconds
        table = pd.DataFrame({
            "rmse_step_1_mV": steps.loc[1], "rmse_step_1_sd": steps.loc[1] / self.scale,
            f"rmse_steps_1_to_{self.setup.h}_mV": self.backtest.scores(["rmse"]).loc["rmse"],
            f"rmse_step_{self.setup.h}_mV": steps.loc[self.setup.h], "seconds": seconds})
        return table.rename_axis("model").sort_values("rmse_step_1_mV")

    def trainings(self) -> pd.DataFrame:
        """Return a row per training of the network, the lowest objective first.

        The columns are the objective (1); its relative distance from the convex program's lower
        bound, ``(objective - bound) / bound``; the hidden neurons; and the seconds.
        """
        bound = self.certificate.dual_objective
        rows = {name: (run.objective, run.objective / bound - 1, run.n_neurons, run.seconds)
                for name, run in self.networks.items()}
        table = pd.DataFrame.from_dict(
            rows, orient="index", columns=["objective", "above_bound", "n_neurons", "seconds"])
        return table.rename_axis("training").sort_values("objective")

    def one_step(self, models: list[str]) -> pd.DataFrame:
        """Return time, the ECG and the one-step test forecasts of some models, in millivolts."""
        rows = self.backtest.predictions.groupby("cutoff", sort=False).nth(0)
        return rows.set_index("ds").rename(columns={"y": "ECG"})[["ECG", *models]]


def run_experiment(setup: Setup, announce: Announce) -> Experiment:
    """Train every model once, and forecast from every sample of the test part.

    `Setup()` is the demo, and `QUICK` a tenth of it. Before each of `STAGES`, ``announce`` is
    called with its name.
    """
    signal = setup.signal()
    train = signal.iloc[: setup.n_train]
    networks = _train_networks(setup, train, announce)
    announce(STAGES[-1])
    # Regressors that are fitted already forecast as they are.
    models = {
        name: Autoregression(
            setup.lags, FrozenEstimator(run.model.regressor_), transform=TRANSFORM)
        for name, run in networks.items()} | _whole_horizons(setup) | _baselines(setup)
    result = backtest(models, signal, setup.h, n_windows=setup.n_test, step_size=1, refit=False,
                      season_length=setup.season_length)
    linear = baselines.LinearAR(setup.lags, transform=TRANSFORM).fit(train)
    shown = {name: run.model for name, run in networks.items()} | {LINEAR: linear}
    convex: Any = networks[CONVEX].model.regressor_
    return Experiment(setup, _training_fit(train, shown), result, networks, convex.certificate_,
                      float(train.std(ddof=0)))


def _train_networks(setup: Setup, train: pd.Series, announce: Announce) -> dict[str, NetworkRun]:
    """Train the network convexly, then the same objective by each gradient method."""
    announce(STAGES[0])
    convexly = ReLUForecaster(
        setup.lags, strategy="recursive", transform=TRANSFORM, beta_ratio=setup.beta_ratio,
        skip_penalty=0.0)
    networks = {CONVEX: _train(convexly, train)}
    convex: Any = networks[CONVEX].model.regressor_
    efforts: dict[str, tuple[Optimizer, int]] = {
        "Adam": ("adam", setup.adam_steps), "SGD": ("sgd", setup.sgd_epochs),
        "L-BFGS": ("lbfgs", setup.lbfgs_steps)}
    for stage, (name, (optimizer, n_steps)) in zip(STAGES[1:], efforts.items(), strict=False):
        announce(stage)
        networks[name] = _train(baselines.NonconvexNetwork(
            setup.lags, optimizer, setup.n_neurons, beta=convex.beta_, n_steps=n_steps,
            transform=TRANSFORM), train)
    return networks


def _train(model: Trained, train: pd.Series) -> NetworkRun:
    """Fit a network and time it."""
    began = perf_counter()
    model.fit(train)
    seconds = perf_counter() - began
    regressor: Any = model.regressor_
    return NetworkRun(model, seconds, regressor.objective_, regressor.network_.n_neurons,
                      getattr(regressor, "trace_", ()))


def _whole_horizons(setup: Setup) -> dict[str, Forecaster]:
    """Return the default forecaster, and networks that see the window through filters.

    The filters of the convolution have an output weight for each quarter of the window; those of
    the circular network are few frequencies each.
    """
    settings: dict[str, Any] = {"beta_ratio": 0.1, "tol": 0.05}
    segments = ConvexCNNRegressor(min(12, setup.window), stride=3, sites=4, **settings)
    return {
        COMMITTEE: ReLUForecaster(horizon=setup.h),
        "Convolution, 4 segments": ReLUForecaster(setup.window, setup.h, segments),
        "Circular, Fourier domain": ReLUForecaster(
            setup.lags, estimator=CircularCNNRegressor(**settings), strategy="recursive")}


def _baselines(setup: Setup) -> dict[str, Forecaster]:
    """Return the models that are fitted within the backtest, in no time."""
    return {LINEAR: baselines.LinearAR(setup.lags, transform=TRANSFORM),
            "RidgeAR": baselines.RidgeAR(setup.lags, transform=TRANSFORM),
            "LassoAR": baselines.LassoAR(setup.lags, transform=TRANSFORM),
            "AutoReg": baselines.AutoReg(setup.lags), "Naive": baselines.Naive(),
            "SeasonalNaive": baselines.SeasonalNaive(setup.season_length),
            "Drift": baselines.Drift()}


def _training_fit(train: pd.Series, models: dict[str, Trained]) -> pd.DataFrame:
    """Return the one-step forecasts of the samples that the models were fitted to."""
    lags = models[CONVEX].lags
    windows, samples = hankel(train, lags)
    frame = pd.DataFrame({"ECG": samples}, index=train.index[lags:])
    for name, model in models.items():
        [state] = model.models_.values()
        frame[name] = state.forecast(Past.of(windows, 1), 1)[:, 0]
    return frame
