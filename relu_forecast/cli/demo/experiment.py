"""The demo's experiment: convex against nonconvex training and the usual baselines, on an ECG."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd
from rich.markup import escape
from rich.table import Table
from sklearn.frozen import FrozenEstimator

from relu_forecast import baselines
from relu_forecast.datasets import load_ecg
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
LINEAR = "LinearAR"
"""The least-squares autoregression's name in tables and pictures."""
STAGES = (
    "Training the network convexly",
    "Training it with Adam",
    "Training it with SGD",
    "Training it with L-BFGS",
    "Walking every model through the test part",
)
"""What `run_experiment` does, one after the other."""
_SCOPE_IN_WORDS = {
    "program": "no network with the activation patterns it was given can have a lower training"
    " objective than that bound. This is proven",
    "network-estimated": "no network of any width can have a lower training objective than that"
    " bound, as far as a search from many starting points can tell. This is an estimate, not a"
    " proof: the search can miss a neuron",
}


@dataclass(frozen=True)
class Setup:
    """What the demo trains and tests on.

    Attributes
    ----------
    start : int, default 20,000
        First sample of the training part, in samples of the ECG (360 a second).
    n_train, n_test : int, default 5,015 and 5,000
        Samples to train on, and samples after them to forecast.
    lags : int, default 15
        Samples that a model sees, 42 ms.
    h : int, default 10
        Steps ahead of the multi-step forecasts, 28 ms.
    beta_ratio : float, default 0.03
        Weight of the penalty, as a share of beta_max, for all networks.
    season_length : int, default 200
        Season of the seasonal naive forecast, in samples: the largest autocorrelation of the
        training part between 0.3 and 1.5 s, that is, from beat to beat.
    n_neurons : int, default 100
        Hidden neurons of the networks that are trained by gradients.
    adam_steps, sgd_epochs, lbfgs_steps : int, default 1,000, 60 and 600
        How long these train.
    """

    start: int = 20_000
    n_train: int = 5_015
    n_test: int = 5_000
    lags: int = 15
    h: int = 10
    beta_ratio: float = 0.03
    season_length: int = 200
    n_neurons: int = 100
    adam_steps: int = 1_000
    sgd_epochs: int = 60
    lbfgs_steps: int = 600

    def signal(self) -> pd.Series:
        """Return the samples that are used: `n_test` cutoffs have ``h`` samples after them."""
        stop = self.start + self.n_train + self.n_test + self.h - 1
        return load_ecg().iloc[self.start : stop]


QUICK = Setup(
    n_train=415, n_test=500, beta_ratio=0.05, n_neurons=30, adam_steps=100, sgd_epochs=20,
    lbfgs_steps=50)
"""A tenth of the demo, to see whether everything runs; its figures mean little."""


@dataclass(frozen=True)
class NetworkRun:
    """One training of the network.

    Attributes
    ----------
    model : Autoregression
        Fitted on the training part; its regressor forecasts without being fitted again.
    seconds : float
        Wall time of the fit.
    objective : float
        Objective (1) of the network.
    n_neurons : int
        Its hidden neurons.
    trace : tuple of TracePoint
        Objective against seconds of a training by gradients; empty for the convex one.
    """

    model: Autoregression
    seconds: float
    objective: float
    n_neurons: int
    trace: tuple[TracePoint, ...]


@dataclass(frozen=True)
class Experiment:
    """What the demo found.

    Attributes
    ----------
    setup : Setup
        What was trained and tested on what.
    training_fit : pandas.DataFrame
        One-step fits of the training part: time, the ECG and some models, in millivolts.
    backtest : Backtest
        Forecasts of every model from every test sample, none of which trained it.
    networks : dict of str to NetworkRun
        Trainings of the network, all of the same objective; the convex one is `CONVEX`.
    certificate : Certificate
        Of the convex training.
    scale : float
        Standard deviation of the training part, in millivolts.
    """

    setup: Setup
    training_fit: pd.DataFrame
    backtest: Backtest
    networks: dict[str, NetworkRun]
    certificate: Certificate
    scale: float

    def scores(self) -> pd.DataFrame:
        """Score every model on the test part, the best one-step forecast first.

        Returns
        -------
        pandas.DataFrame
            Rows models. Columns: RMSE one step ahead in mV, and in standard deviations of the
            training part; RMSE over steps 1 to h, and at step h, in mV; seconds to fit and
            forecast.
        """
        steps = self.backtest.scores(["rmse"], by="step").loc["rmse"]
        seconds = self.backtest.seconds.copy()
        for name, run in self.networks.items():
            seconds[name] += run.seconds
        table = pd.DataFrame({
            "rmse_step_1_mV": steps.loc[1],
            "rmse_step_1_sd": steps.loc[1] / self.scale,
            f"rmse_steps_1_to_{self.setup.h}_mV": self.backtest.scores(["rmse"]).loc["rmse"],
            f"rmse_step_{self.setup.h}_mV": steps.loc[self.setup.h],
            "seconds": seconds,
        })
        return table.rename_axis("model").sort_values("rmse_step_1_mV")

    def trainings(self) -> pd.DataFrame:
        """Compare the trainings of the network, the lowest objective first.

        Returns
        -------
        pandas.DataFrame
            Rows trainings. Columns: objective (1); its relative distance from the convex
            program's lower bound, ``(objective - bound) / bound``; hidden neurons; seconds.
        """
        bound = self.certificate.dual_objective
        rows = {
            name: (run.objective, run.objective / bound - 1, run.n_neurons, run.seconds)
            for name, run in self.networks.items()
        }
        table = pd.DataFrame.from_dict(
            rows, orient="index", columns=["objective", "above_bound", "n_neurons", "seconds"])
        return table.rename_axis("training").sort_values("objective")

    def one_step(self, models: list[str]) -> pd.DataFrame:
        """Return the one-step test forecasts of some models.

        Parameters
        ----------
        models : list of str
            Names, as in `scores`.

        Returns
        -------
        pandas.DataFrame
            Time, the ECG (``"ECG"``) and the models, in millivolts.
        """
        rows = self.backtest.predictions.groupby("cutoff", sort=False).nth(0)
        return rows.set_index("ds").rename(columns={"y": "ECG"})[["ECG", *models]]


def run_experiment(setup: Setup, announce: Announce) -> Experiment:
    """Train every model once, and forecast from every sample of the test part.

    Parameters
    ----------
    setup : Setup
        What to train and test on; `Setup()` is the demo, `QUICK` a tenth of it.
    announce : callable
        Called with a few words before each of `STAGES`.

    Returns
    -------
    Experiment
    """
    signal = setup.signal()
    train = signal.iloc[: setup.n_train]
    networks = _train_networks(setup, train, announce)
    announce(STAGES[-1])
    models = {name: _frozen(run.model) for name, run in networks.items()} | _baselines(setup)
    result = backtest(
        models, signal, setup.h, n_windows=setup.n_test, step_size=1, refit=False,
        season_length=setup.season_length)
    linear = baselines.LinearAR(setup.lags).fit(train)
    shown = {name: run.model for name, run in networks.items()} | {LINEAR: linear}
    convex: Any = networks[CONVEX].model.regressor_
    return Experiment(
        setup, _training_fit(train, shown), result, networks, convex.certificate_,
        float(train.std(ddof=0)))


def _train_networks(setup: Setup, train: pd.Series, announce: Announce) -> dict[str, NetworkRun]:
    """Train the network convexly, then the same objective by each gradient method."""
    announce(STAGES[0])
    networks = {CONVEX: _train(ReLUForecaster(setup.lags, beta_ratio=setup.beta_ratio), train)}
    convex: Any = networks[CONVEX].model.regressor_
    efforts: dict[str, tuple[Optimizer, int]] = {
        "Adam": ("adam", setup.adam_steps),
        "SGD": ("sgd", setup.sgd_epochs),
        "L-BFGS": ("lbfgs", setup.lbfgs_steps),
    }
    for stage, (name, (optimizer, n_steps)) in zip(STAGES[1:], efforts.items(), strict=False):
        announce(stage)
        networks[name] = _train(
            baselines.NonconvexNetwork(
                setup.lags, optimizer, setup.n_neurons, beta=convex.beta_, n_steps=n_steps),
            train)
    return networks


def _train(model: Autoregression, train: pd.Series) -> NetworkRun:
    """Fit a network and time it."""
    began = perf_counter()
    model.fit(train)
    seconds = perf_counter() - began
    regressor: Any = model.regressor_
    return NetworkRun(
        model, seconds, regressor.objective_, regressor.network_.n_neurons,
        getattr(regressor, "trace_", ()))


def _frozen(model: Autoregression) -> Forecaster:
    """Return a forecaster that uses the fitted regressor as it is."""
    return Autoregression(model.lags, FrozenEstimator(model.regressor_))


def _baselines(setup: Setup) -> dict[str, Forecaster]:
    """Return the models that are fitted within the backtest, in no time."""
    return {
        LINEAR: baselines.LinearAR(setup.lags),
        "RidgeAR": baselines.RidgeAR(setup.lags),
        "LassoAR": baselines.LassoAR(setup.lags),
        "AutoReg": baselines.AutoReg(setup.lags),
        "Naive": baselines.Naive(),
        "SeasonalNaive": baselines.SeasonalNaive(setup.season_length),
        "Drift": baselines.Drift(),
    }


def _training_fit(train: pd.Series, models: dict[str, Autoregression]) -> pd.DataFrame:
    """Return the one-step forecasts of the samples that the models were fitted to."""
    lags = models[CONVEX].lags
    windows, samples = hankel(train, lags)
    frame = pd.DataFrame({"ECG": samples}, index=train.index[lags:])
    for name, model in models.items():
        [state] = model.models_.values()
        frame[name] = state.forecast(Past.of(windows, 1), 1)[:, 0]
    return frame


def certificate_in_words(certificate: Certificate) -> str:
    """Say what a certificate means, and how far it goes.

    Parameters
    ----------
    certificate : Certificate
        Of a convexly trained network.

    Returns
    -------
    str
        Two or three sentences.
    """
    return (
        f"The training objective is {certificate.objective:.6g}, and the dual bound is"
        f" {certificate.dual_objective:.6g}, {certificate.gap:.1e} below it (relative):"
        f" {_SCOPE_IN_WORDS[certificate.scope]} (scope: {certificate.scope}).")


def table(
    frame: pd.DataFrame, title: str, headings: Sequence[str], formats: Sequence[str]
) -> Table:
    """Lay a frame out for a terminal.

    Parameters
    ----------
    frame : pandas.DataFrame
        Its index becomes the first column.
    title : str
        Above the table.
    headings : sequence of str
        Of the first and the other columns.
    formats : sequence of str
        Format specifications of the other columns, such as ``".4f"``.

    Returns
    -------
    rich.table.Table
    """
    laid_out = Table(title=title, title_justify="left", header_style="bold")
    for position, heading in enumerate(headings):
        laid_out.add_column(escape(heading), justify="right" if position else "left")
    for row in frame.itertuples(name=None):
        cells = [format(value, form) for value, form in zip(row[1:], formats, strict=True)]
        laid_out.add_row(str(row[0]), *cells)
    return laid_out


def experiment_tables(experiment: Experiment) -> tuple[Table, Table]:
    """Return the tables of forecasts and of trainings, for a terminal.

    Parameters
    ----------
    experiment : Experiment

    Returns
    -------
    tuple of rich.table.Table
    """
    setup = experiment.setup
    forecasts = table(
        experiment.scores(),
        f"Forecast errors (RMSE) on {setup.n_test:,} test samples, best first",
        ["model", "1 step\n(mV)", "1 step\n(std. dev.)", f"steps 1-{setup.h}\n(mV)",
         f"step {setup.h}\n(mV)", "fit and\nforecast (s)"],
        [".4f", ".4f", ".4f", ".4f", ".2f"])
    trainings = table(
        experiment.trainings(),
        f"Training the same network objective on {setup.n_train:,} samples, lowest first",
        ["training", "objective", "above the\nlower bound", "neurons", "fit (s)"],
        [".5g", ".1e", "d", ".2f"])
    return forecasts, trainings


def save_results(experiment: Experiment, folder: Path) -> None:
    """Write ``table.csv``, the forecast errors, and ``results.json``, everything else too.

    Parameters
    ----------
    experiment : Experiment
    folder : Path
        Exists already.
    """
    scores = experiment.scores()
    scores.to_csv(folder / "table.csv")
    results = {
        "setup": asdict(experiment.setup),
        "standard_deviation_mV": experiment.scale,
        "scores": scores.to_dict("index"),
        "trainings": experiment.trainings().to_dict("index"),
        "certificate": {**asdict(experiment.certificate), "gap": experiment.certificate.gap},
    }
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
