"""Ctrl-C: a fit by itself returns what it has, and all that a fit is a part of ends."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import numpy as np
import pytest

from relu_forecast.estimators import ConvexReLURegressor, regularization_path
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.forecasting.models.relu import ReLUForecaster
from relu_forecast.training.train import Trainer
from tests.estimators.samples import Data


class PressingCtrlC(io.StringIO):
    """A stream that hears of the first rounds of a training, and presses Ctrl-C, once."""

    def write(self, text: str) -> int:
        written = super().write(text)
        if text == "\n" and self.getvalue().count("round 1:") == 2:
            super().write("round 1:")
            raise KeyboardInterrupt
        return written


def joint(n: int = 200, d: int = 6) -> Data:
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n, d))
    return X, np.abs(X @ generator.standard_normal((d, 3))) + generator.standard_normal((n, 3))


def test_a_fit_by_itself_returns_what_it_has_and_says_how_to_go_on() -> None:
    X, Y = joint()
    model = ConvexReLURegressor(verbose=1, tol=0.05)
    with redirect_stdout(PressingCtrlC()), pytest.warns(
            ConvergenceWarning, match=r"\(interrupted\) .*: to go on, .*warm_start=warm_start_"):
        model.fit(X, Y)
    assert model.gap_ > model.tol
    assert model.certificate_.dual_objective <= model.objective_
    before = model.objective_
    shown = io.StringIO()
    with redirect_stdout(shown):
        model.fit(X, Y, warm_start=model.warm_start_)
    assert model.objective_ < before
    assert shown.getvalue().startswith("round ")  # of a warm start, too


def test_a_forecaster_ends() -> None:
    series = np.random.default_rng(0).standard_normal(300).cumsum()
    model = ReLUForecaster(
        4, None, ConvexReLURegressor(beta_ratio=0.01, verbose=1, tol=1e-9), "recursive")
    with redirect_stdout(PressingCtrlC()), pytest.raises(KeyboardInterrupt):
        model.fit(series)


def test_a_path_ends_with_the_penalty_in_hand(monkeypatch) -> None:
    X, Y = joint(60, 4)
    begun, train = [], Trainer.train

    def pressing(self, beta, **options):
        def press(number, certificate):
            if len(begun) == 2:
                raise KeyboardInterrupt

        begun.append(beta)
        return train(self, beta, progress=press, **options)

    monkeypatch.setattr(Trainer, "train", pressing)
    with pytest.warns(ConvergenceWarning, match="was interrupted at beta = "):
        path = regularization_path(X, Y, ratios=[0.5, 0.3, 0.1], tol=1e-3)
    np.testing.assert_allclose(path.betas, begun)
    assert len(path) == len(path.gaps) == 2
    assert path.ended == "interrupted"


@pytest.mark.parametrize("patterns", ["adaptive", "exact"])
def test_a_path_keeps_what_it_has_when_ctrl_c_is_pressed_between_trainings(patterns) -> None:
    X = np.linspace(-1, 1, 30)[:, None]
    told: list[float] = []

    def press(ratio, network, certificate):
        told.append(ratio)
        if len(told) == 3:
            raise KeyboardInterrupt

    given = {"ratios": [0.9, 0.5, 0.3, 0.1], "patterns": patterns, "on_network": press}
    with pytest.warns(ConvergenceWarning, match="was interrupted at beta = "):
        path = regularization_path(X, np.abs(X[:, 0]), **given)
    assert path.ended == "interrupted"
    np.testing.assert_allclose(path.ratios, told[:2])
    told[:] = [0.0, 0.0]
    with pytest.raises(KeyboardInterrupt):  # there is nothing to keep
        regularization_path(X, np.abs(X[:, 0]), **given)
