"""The demo's experiment, on an instance that takes a second."""

from __future__ import annotations

import numpy as np
import pytest

from relu_forecast.cli.demo.experiment import CONVEX, STAGES, Experiment, Setup


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
    assert len(one) == experiment.setup.n_test


def test_setups_use_as_many_samples_as_they_say(small: Setup) -> None:
    assert len(small.signal()) == 120 + 20 + 3 - 1
