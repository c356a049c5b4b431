"""What the demo shows and keeps of its experiment: tables, words, files and pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from rich.table import Table

from relu_forecast import plots
from relu_forecast.cli.demo.experiment import COMMITTEE, CONVEX, LINEAR, Experiment
from relu_forecast.cli.documents import table
from relu_forecast.plots.style import name_lines
from relu_forecast.problems.certificates import Certificate

_SECONDS = 2.0
"""How much of a signal pictures of one-step forecasts show."""
_SCOPE_IN_WORDS = {
    "program": "no network with the activation patterns it was given can have a lower training"
    " objective than that bound. This is proven",
    "network-estimated": "no network of any width can have a lower training objective than that"
    " bound, as far as a search from many starting points can tell. This is an estimate, not a"
    " proof: the search can miss a neuron"}


def certificate_in_words(certificate: Certificate) -> str:
    """Say in two or three sentences what a certificate means, and how far it goes."""
    return (f"The training objective is {certificate.objective:.6g}, and the dual bound is"
            f" {certificate.dual_objective:.6g}, {certificate.gap:.1e} below it (relative):"
            f" {_SCOPE_IN_WORDS[certificate.scope]} (scope: {certificate.scope}).")


def experiment_tables(experiment: Experiment) -> tuple[Table, Table]:
    """Return the tables of forecasts and of trainings, for a terminal."""
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
    """Write ``table.csv``, the forecast errors, and ``results.json``, everything else too."""
    scores = experiment.scores()
    scores.to_csv(folder / "table.csv")
    results = {"setup": asdict(experiment.setup), "standard_deviation_mV": experiment.scale,
               "scores": scores.to_dict("index"),
               "trainings": experiment.trainings().to_dict("index"),
               "certificate": {**asdict(experiment.certificate), "gap": experiment.certificate.gap}}
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")


def save_pictures(experiment: Experiment, folder: Path) -> None:
    """Draw the demo's four pictures into a folder that exists."""
    shown = [CONVEX, LINEAR, "Adam", "SGD"]
    fit = experiment.training_fit[["ECG", *shown]]
    figures = {
        "training_fit.png": _one_step_figure(fit, "Training fit, one step ahead"),
        "one_step_forecasts.png": _one_step_figure(
            experiment.one_step(shown), "One-step forecasts of unseen samples"),
        "multi_step_forecasts.png": experiment.backtest.plot([COMMITTEE, *shown], unit="mV"),
        "training_objective.png": _trainings_figure(experiment),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)


def _one_step_figure(frame: pd.DataFrame, title: str) -> Figure:
    """Draw two seconds of the signal with the convex network's forecasts, and all errors below.

    The first column is the signal, the second that network, the others are those to compare with.
    """
    shown = frame[frame.index < frame.index[0] + pd.Timedelta(seconds=_SECONDS)]
    signal, names = shown["ECG"], list(shown.columns[1:])
    errors = shown[names].sub(signal, axis=0)
    figure = Figure(figsize=(9, 3.4 + 1.1 * len(names)), layout="constrained")
    above, *below = figure.subplots(
        1 + len(names), 1, sharex=True, height_ratios=[2.5, *[1] * len(names)])
    plots.plot_one_step(signal, shown[names[:1]], name="ECG", unit="mV", ax=above)
    above.set(title=title, xlabel="")
    name_lines(above)
    highest = 1.1 * errors.abs().to_numpy().max()
    for name, axes in zip(names, below, strict=True):
        plots.plot_residuals(errors[name], name="error", unit="mV", ax=axes)
        rmse = (errors[name] ** 2).mean() ** 0.5
        axes.set_title(f"{name}, RMSE {rmse:.4f} mV in this stretch", fontsize=9, loc="left")
        axes.set(ylim=(-highest, highest), xlabel="")
    below[-1].set_xlabel("time [s]")
    return figure


def _trainings_figure(experiment: Experiment) -> Figure:
    """Draw all trainings of the network, by their objective and by its distance from the bound."""
    certificate, bound = experiment.certificate, experiment.certificate.dual_objective
    trainings = {
        name: ([point.seconds for point in run.trace] or [run.seconds],
               [point.objective for point in run.trace] or [run.objective])
        for name, run in experiment.networks.items()}
    figure = Figure(figsize=(10, 4.6), layout="constrained")
    for relative, axes in zip((False, True), figure.subplots(1, 2), strict=True):
        plots.plot_trainings(trainings, lower_bound=bound, objective=certificate.objective,
                             scope=certificate.scope, relative=relative, ax=axes)
    figure.suptitle("One objective, several trainings")
    return figure
