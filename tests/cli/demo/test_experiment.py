"""The demo's experiment, on an instance that takes a second."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from relu_forecast.cli.demo.experiment import CONVEX, STAGES, Experiment, run_experiment
from relu_forecast.cli.demo.results import (
    certificate_in_words,
    experiment_tables,
    save_pictures,
    save_results,
)
from relu_forecast.cli.demo.setup import QUICK

SMALL = replace(QUICK, n_train=120, n_test=20, lags=4, h=3, season_length=40, n_neurons=5,
                adam_steps=10, sgd_epochs=3, lbfgs_steps=5, beta_ratio=0.2)


@pytest.fixture(scope="module")
def told() -> list[str]:
    return []


@pytest.fixture(scope="module")
def experiment(told: list[str]) -> Experiment:
    return run_experiment(SMALL, told.append)


def test_setups_use_as_many_samples_as_they_say() -> None:
    assert len(SMALL.signal()) == 120 + 20 + 3 - 1


def test_the_convex_training_is_the_lowest(experiment: Experiment, told: list[str]) -> None:
    assert told == [*STAGES]
    trainings = experiment.trainings()
    assert trainings.index[0] == CONVEX
    bound = experiment.certificate.dual_objective
    np.testing.assert_allclose(trainings["above_bound"], trainings["objective"] / bound - 1)


def test_scores_are_of_the_forecasts(experiment: Experiment) -> None:
    one = experiment.one_step(["Naive", CONVEX])
    scores = experiment.scores()
    for name in ("Naive", CONVEX):
        rmse = np.sqrt(np.square(one[name] - one["ECG"]).mean())
        assert scores.loc[name, "rmse_step_1_mV"] == pytest.approx(rmse)
    assert len(one) == SMALL.n_test


def test_results_are_kept_and_told(experiment: Experiment, tmp_path: Path) -> None:
    save_results(experiment, tmp_path)
    save_pictures(experiment, tmp_path)
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["scores"] == experiment.scores().to_dict("index")
    assert sum(1 for _ in tmp_path.glob("*.png")) == 4
    forecasts, trainings = experiment_tables(experiment)
    assert (forecasts.row_count, trainings.row_count) == (len(experiment.scores()), 4)
    assert experiment.certificate.scope in certificate_in_words(experiment.certificate)
