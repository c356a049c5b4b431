"""Plans of evaluations: which folds wait for which, and columns that collide."""

import numpy as np
import pytest

from relu_forecast.baselines import LinearAR, Naive
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.evaluation.intervals import Calibration
from relu_forecast.forecasting.evaluation.plan import Evaluation, rounds_of_folds
from relu_forecast.forecasting.evaluation.splits import Splits

SIGNAL = np.sin(np.arange(60) / 3)
PANEL = Naive().fit(SIGNAL).panel_


@pytest.mark.parametrize("count", [1, 2, 5, 33, 34, 70])
@pytest.mark.parametrize("warm", [True, False])
def test_every_fold_runs_once_and_after_the_one_that_it_starts_from(count, warm):
    rounds = rounds_of_folds(count, warm)
    done = []
    for jobs in rounds:
        assert all(before is None or before in done for _, before in jobs)
        assert [before is None for _, before in jobs] == [not warm or fold == 0 for fold, _ in jobs]
        done += [fold for fold, _ in jobs]
    assert sorted(done) == list(range(count))
    assert len(rounds) == (1 + min(count - 1, 32) if warm else 1)


def test_the_first_fit_is_long_enough_for_the_most_demanding_model():
    models = {"Naive": Naive(), "line": LinearAR(7)}
    evaluation = Evaluation(models, PANEL, Splits(3, gap=1))
    assert evaluation.shortest_fit == 8
    assert evaluation.folds(PANEL.series[0])[0].fit_stop >= 30
    calibrated = Evaluation(models, PANEL, Splits(3, gap=1), Calibration.of(80, "split"))
    assert calibrated.shortest_fit == 8 + 4 + 3  # four errors at each of four steps
    assert calibrated.columns("line") == ["line", "line-lo-80", "line-hi-80"]


@pytest.mark.parametrize(("names", "message"), [
    (("y",), "alias must be a name that no other column has"),
    (("a", "a-lo-80"), "models must be names that no interval of another model has"),
])
def test_columns_that_collide_are_refused(names, message):
    with pytest.raises(InvalidArgumentError, match=message):
        Evaluation({name: Naive() for name in names}, PANEL, Splits(2), Calibration.of(80, "split"))


def test_a_series_that_is_too_short_is_named():
    with pytest.raises(InvalidArgumentError, match=r"data \(series y\) must be at least"):
        Evaluation({"line": LinearAR(70)}, PANEL, Splits(2)).folds(PANEL.series[0])
