"""Penalties of the network, chosen by how well it forecasts later blocks of the training part.

Networks are trained on the first part of the training samples, along a path of falling penalties
from the linear model on, each starting from the one before, and forecast the blocks after it. The
path goes on as long as the forecasts get better. The ridge on the linear part is chosen before, by
the leave-one-out error in closed form.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.base import clone
from sklearn.linear_model import RidgeCV

from relu_forecast.estimators import ConvexReLURegressor
from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.forecasting.data.history import History, SeriesArrays
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.forecasting.models.strategies import RecursiveModel
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.validation import Array

RULES = ("best", "one_standard_error")
"""Which of the penalties validation takes, see `PenaltyValidation`."""
RIDGE_PENALTIES = tuple(np.logspace(-6, 6, 25).tolist())
"""Ridges on a linear model of standardised samples to choose from."""


@dataclass(frozen=True)
class ValidationSettings:
    """What validation tries, and how much of the training part it holds out."""

    ratios: tuple[float, ...] = (1.0, 0.5, 0.25, 0.1, 0.05, 0.025)
    """Penalties of the network to choose from, as shares of beta_max, falling; at the first, 1, the
    network has no neuron and is the linear model."""
    first_part: float = 0.6
    """Share of the training samples before the first block that is forecast."""
    blocks: int = 4
    """Blocks of samples that are forecast, one after the other."""
    refit_up_to: int = 2000
    """Samples up to which each block has networks of its own, trained on all samples before it. In
    a longer training part, networks trained on the first part forecast all blocks."""
    max_weights: float = 0.25
    """Weights of a network, as a share of the samples it is trained on, above which no smaller
    penalty is tried."""
    max_rounds: int = 3
    """Rounds of training of each network; one that needs more fits noise."""


_ROUNDING = 1e-9
"""Share of the linear model's error by which a network may be worse through rounding."""


def choose_ridge(X: Array, y: Array) -> float:
    """Return the ridge of the least leave-one-out error of ``1/2 ||y - Xa - a0||^2``."""
    return float(RidgeCV(RIDGE_PENALTIES).fit(X, y).alpha_)


@dataclass(frozen=True)
class PenaltyValidation:
    """A choice of penalties, by forecasts of later blocks of the training part.

    Networks are trained on the samples before a block, along a path of falling penalties, each
    starting warm from the one before; what they forecast of the block gives their errors.
    """

    history: History
    """The training part."""
    inputs: Inputs
    """How windows become features."""
    horizon: int
    """Steps ahead, of a network fed with its own forecasts, whose errors count beside those at one
    step."""
    rule: str
    """Take the penalty of the least error; or the largest penalty that is within a standard error,
    over blocks, of it: the simplest network that may be as good."""
    network: ConvexReLURegressor
    """Cloned, not fitted; its penalties are what is chosen."""
    settings: ValidationSettings = ValidationSettings()
    """Which penalties, and which blocks."""

    def choose(self) -> ConvexReLURegressor:
        """Return the network, not fitted, with the penalties chosen."""
        ridge = choose_ridge(*self.inputs.training(self.history, 1))
        template = clone(self.network).set_params(skip_penalty=ridge)
        settings = self.network.settings or TrainingSettings()
        trial = clone(template).set_params(
            max_iter=self.settings.max_rounds, settings=settings.for_comparison())
        paths = [self._path(trial, fold) for fold in self._folds()]
        errors: list[Array] = []
        for along in zip(*paths, strict=False):  # penalty by penalty, until one path ends
            errors.append(np.concatenate(along))
            if judge(np.stack(errors), "best") < len(errors) - 1:
                break
        place = judge(np.stack(errors), self.rule) if errors else 0
        chosen: ConvexReLURegressor = template.set_params(beta_ratio=self.settings.ratios[place])
        return chosen

    def _folds(self) -> list[tuple[int, list[slice]]]:
        """Return where first parts stop, and the cutoffs of the blocks forecast after each.

        None, where the blocks would be shorter than what is forecast.
        """
        n, first = len(self.history), int(self.settings.first_part * len(self.history))
        ends = np.linspace(first, n - self.horizon, self.settings.blocks + 1).astype(int).tolist()
        if first < self.inputs.length + 1 + self.horizon or ends[1] - ends[0] < self.horizon:
            return []
        blocks = [slice(start - 1, stop - 1) for start, stop in pairwise(ends)]
        if n > self.settings.refit_up_to:
            return [(first, blocks)]
        return [(block.start + 1, [block]) for block in blocks]

    def _path(self, trial: ConvexReLURegressor, fold: tuple[int, list[slice]]) -> Iterator[Array]:
        """Yield squared errors on the blocks, (n_blocks, steps), for one penalty after another."""
        stop, blocks = fold
        known = SeriesArrays(self.history.values, self.history.past, self.history.future)
        X, y = self.inputs.training(known.history(0, stop), 1)
        warm_start = None
        for ratio in self.settings.ratios:
            network = clone(trial).set_params(beta_ratio=ratio)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                network.fit(X, y, warm_start=warm_start)
            warm_start = network.warm_start_
            yield np.stack([self._squares(known, network, block) for block in blocks])
            weights = network.n_neurons_ * (network.n_features_in_ + 2)
            if weights > self.settings.max_weights * len(y):
                return

    def _squares(self, known: SeriesArrays, network: ConvexReLURegressor, block: slice) -> Array:
        """Return mean squared errors from the cutoffs of a block, at the steps that count."""
        cutoffs = np.arange(block.start, block.stop)
        past = known.past_at(cutoffs, block.start + 1, self.inputs.length, self.horizon)
        forecasts = RecursiveModel(self.inputs, network).forecast(past, self.horizon)
        steps = np.unique([1, self.horizon])
        targets = known.values[cutoffs[:, np.newaxis] + steps]
        with np.errstate(over="ignore"):  # an unstable recursion may be as far off as it likes
            squares = np.square(forecasts[:, steps - 1] - targets)
        errors: Array = np.nan_to_num(squares.mean(axis=0), nan=np.inf)
        return errors


def judge(errors: Array, rule: str) -> int:
    """Return which penalty to take, by ``rule``, see `PenaltyValidation`.

    Errors are squared, shape (penalties, blocks, steps), the first penalty being that of the linear
    model. Of the penalties that are no worse than the linear model at any step, one is taken by the
    mean over steps of errors relative to those of the linear model.
    """
    limits = np.finfo(np.float64)
    finite = np.minimum(errors, limits.max ** 0.25)  # an unstable linear model: anything is better
    relative = finite / np.maximum(finite[0].mean(axis=0), limits.tiny ** 0.5)
    means = relative.mean(axis=(1, 2))
    means[(relative.mean(axis=1) > 1 + _ROUNDING).any(axis=1)] = np.inf
    best = int(np.argmin(means))
    if rule == "best":
        return best
    over_blocks = relative[best].mean(axis=1)
    allowed = over_blocks.std(ddof=1) / len(over_blocks) ** 0.5
    return int(np.argmax(means <= means[best] + allowed))
