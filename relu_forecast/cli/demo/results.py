"""What the demo shows and keeps of its experiment: tables, words, files and pictures."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from relu_forecast import plots
from relu_forecast.cli.demo.experiment import COMMITTEE, CONVEX, LINEAR, Experiment
from relu_forecast.cli.documents import table
from relu_forecast.problems.certificates import Certificate

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
        "training_fit.png": plots.plot_one_step(fit, "Training fit, one step ahead"),
        "one_step_forecasts.png": plots.plot_one_step(
            experiment.one_step(shown), "One-step forecasts of unseen samples"),
        "multi_step_forecasts.png": plots.plot_backtest(
            experiment.backtest, [COMMITTEE, *shown], unit="mV"),
        "training_objective.png": plots.plot_trainings(
            experiment.networks, experiment.certificate),
    }
    for name, figure in figures.items():
        figure.savefig(folder / name, dpi=130)
