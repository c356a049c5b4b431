"""One fold: results as they come back from checkpoints, and digests of all that matters."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from relu_forecast.baselines import LinearAR
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting import Autoregression, ForecastError, ReLUForecaster
from relu_forecast.forecasting.data.history import Covariates
from relu_forecast.forecasting.evaluation.fold_fit import (
    FoldFailure,
    FoldResult,
    FoldWarmStarts,
    SeriesFoldFit,
    run_fold,
)
from relu_forecast.forecasting.evaluation.intervals import Calibration
from relu_forecast.forecasting.evaluation.splits import Fold
from relu_forecast.storage import decode, encode
from tests.forecasting.regressors import Broken

SIGNAL = np.abs(np.sin(np.arange(40) / 3)) + 0.1 * np.cos(np.arange(40.0) ** 2)


def fold_fit(model, calibration=None, warm_starts=FoldWarmStarts()):  # noqa: B008
    """A fit to 30 samples, forecast from two cutoffs."""
    arrays = LinearAR(3).fit(SIGNAL).panel_.series[0].arrays(Covariates())
    fold = Fold(0, 30, np.array([29, 32]))
    return SeriesFoldFit(
        model=model, arrays=arrays.until(33, 2), fold=fold, horizon=2, calibration=calibration,
        warm_starts=warm_starts, where="series y")


def test_results_come_back_from_what_a_checkpoint_keeps():
    model = ReLUForecaster(2, strategy="recursive", beta_ratio=0.5)
    result = fold_fit(model, Calibration.of(50, "adaptive")).run()
    assert result.forecasts.shape == (2, 2)
    assert result.half_widths.shape == (2, 2, 1)
    back = decode(*encode(result))
    assert isinstance(back, FoldResult)
    np.testing.assert_array_equal(back.forecasts, result.forecasts)
    np.testing.assert_array_equal(back.half_widths, result.half_widths)
    assert (back.seconds, back.unconverged) == (result.seconds, result.unconverged)
    [before], [after] = result.warm_starts.main, back.warm_starts.main
    assert torch.equal(before.neurons.blocks, after.neurons.blocks)
    assert torch.equal(before.ends, after.ends)
    assert len(back.warm_starts.calibrating) == 1


def test_a_warm_start_keeps_the_members_and_changes_the_digest():
    model = ReLUForecaster(horizon=2)
    cold = fold_fit(model)
    left = cold.run().warm_starts
    warm = replace(cold, warm_starts=left)
    assert warm.digest != cold.digest
    assert warm.digest == replace(cold, warm_starts=decode(*encode(left))).digest
    [before], [after] = left.main, warm.run().warm_starts.main
    assert [one.name for one in after.members] == [one.name for one in before.members]
    np.testing.assert_array_equal(after.weights, before.weights)  # there are no new samples


def test_failures_are_returned_with_their_cause():
    number, outcome = run_fold(3, fold_fit(LinearAR(3, transform="standardize")))
    assert number == 3
    assert isinstance(outcome, FoldResult)
    _, failure = run_fold(0, fold_fit(Autoregression(2, Broken())))
    assert isinstance(failure, FoldFailure)
    assert isinstance(failure.error, ForecastError)
    assert isinstance(failure.cause, ZeroDivisionError)
    standardized = fold_fit(LinearAR(3, transform="standardize"))
    flat = replace(standardized, arrays=replace(standardized.arrays, values=np.ones(33)))
    with pytest.raises(InvalidArgumentError, match=r"series y"):
        raise run_fold(0, flat)[1].error
