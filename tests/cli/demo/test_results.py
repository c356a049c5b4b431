"""What the demo keeps and says of its experiment."""

from __future__ import annotations

import json
from pathlib import Path

from relu_forecast.cli.demo.experiment import Experiment
from relu_forecast.cli.demo.results import (
    certificate_in_words,
    experiment_tables,
    save_pictures,
    save_results,
)


def test_results_are_kept_and_told(experiment: Experiment, tmp_path: Path) -> None:
    save_results(experiment, tmp_path)
    save_pictures(experiment, tmp_path)
    kept = json.loads((tmp_path / "results.json").read_text())
    assert kept["scores"] == experiment.scores().to_dict("index")
    assert sum(1 for _ in tmp_path.glob("*.png")) == 4
    forecasts, trainings = experiment_tables(experiment)
    assert (forecasts.row_count, trainings.row_count) == (len(experiment.scores()), 4)
    assert experiment.certificate.scope in certificate_in_words(experiment.certificate)
