"""What forecasts in the benchmark of accuracy: the package's forecaster, and its peers.

Every one is a forecaster of the package's contract. Those that see windows are given as many lags
as the run says; what a window holds is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import RidgeCV

from benchmarks.instances import Floats
from relu_forecast import Autoregression, NonconvexReLURegressor, ReLUForecaster, baselines

_LONGEST_SEASON = 1000
_LBFGS_RATIOS = (0.01, 0.003, 0.001)
_LBFGS_STEPS = 400
_PENALTIES = np.logspace(-6, 4, 11)


@dataclass(frozen=True)
class Setting:
    """What a forecaster is made for.

    Attributes
    ----------
    lags : int
        Samples of a window.
    horizon : int
        Steps ahead.
    train : ndarray
        The training part, and nothing more.
    """

    lags: int
    horizon: int
    train: Floats

    @property
    def season(self) -> int:
        """Samples after which the training part is most like itself, a horizon at least."""
        longest = max(1, min(_LONGEST_SEASON, len(self.train) // 3))
        lengths = range(min(self.horizon, longest), longest + 1)
        return min(lengths, key=lambda length: float(
            ((self.train[length:] - self.train[:-length]) ** 2).mean()))


@dataclass(frozen=True)
class Entrant:
    """Someone who forecasts.

    Attributes
    ----------
    name : str
        As the command line and the results have it.
    title : str
        As the tables have it.
    make : callable
        A setting to a forecaster, not fitted.
    on_bars : bool
        Whether it is one of the peers that the bars are about.
    sees_lags : bool
        Whether ``lags`` matter to it.
    package : str
        What has to be installed.
    """

    name: str
    title: str
    make: Callable[[Setting], Any]
    on_bars: bool = False
    sees_lags: bool = True
    package: str = "numpy"

    @property
    def is_there(self) -> bool:
        """Whether its package is installed."""
        return find_spec(self.package) is not None


class OnWindows(Autoregression):
    """A regressor on windows less their last value, and on the level of each: nothing is hidden."""

    @property
    def sees_level(self) -> bool:
        """Whether the level is a feature: it is."""
        return True


class Perceptron(RegressorMixin, BaseEstimator):
    """Two hidden layers that learn, for all steps at once, what ridge regression leaves.

    The ridge sees all features, the layers all but the last: the level, or a last value of zero.
    Adam goes on until the error on the last fifth of the windows has not fallen for ``patience``
    epochs, and the weights of the least error are kept.

    Parameters
    ----------
    width : int, default 64
        Neurons of each layer.
    epochs, patience : int, default 300, 30
        Most epochs, and those without a better one.
    batch_size : int, default 128
        Windows of a step.
    learning_rate : float, default 1e-3
        Of Adam.
    seed : int, default 0
        Of the first weights and the batches.
    """

    def __init__(self, width: int = 64, epochs: int = 300, patience: int = 30,
                 batch_size: int = 128, learning_rate: float = 1e-3, seed: int = 0) -> None:
        self.width = width
        self.epochs = epochs
        self.patience = patience
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.seed = seed

    def fit(self, X: Floats, y: Floats) -> Perceptron:
        """Fit the ridge, then the layers to what it leaves."""
        y = y.reshape(len(y), -1)
        self.ridge_ = RidgeCV(_PENALTIES).fit(X, y)
        left = y - self.ridge_.predict(X).reshape(y.shape)
        self.scale_ = np.maximum(left.std(axis=0), np.finfo(float).tiny)
        self.size_ = float(X[:, :-1].std()) or 1.0
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            self.layers_ = self._layers(X.shape[1] - 1, y.shape[1])
            self._train(self._seen(X), torch.tensor(left / self.scale_, dtype=torch.float32))
        return self

    def predict(self, X: Floats) -> Floats:
        """Return what both say together, one column for each step."""
        with torch.no_grad():
            more = self.layers_(self._seen(X)).double().numpy()
        return np.asarray(self.ridge_.predict(X).reshape(more.shape) + self.scale_ * more)

    def _layers(self, inputs: int, outputs: int) -> torch.nn.Sequential:
        """Return the layers before training."""
        return torch.nn.Sequential(
            torch.nn.Linear(inputs, self.width), torch.nn.ReLU(),
            torch.nn.Linear(self.width, self.width), torch.nn.ReLU(),
            torch.nn.Linear(self.width, outputs))

    def _seen(self, X: Floats) -> torch.Tensor:
        """Return what the layers see."""
        return torch.tensor(X[:, :-1] / self.size_, dtype=torch.float32)

    def _train(self, seen: torch.Tensor, goal: torch.Tensor) -> None:
        """Go down on the first four fifths until the last fifth is forecast no better."""
        first = int(0.8 * len(seen))
        optimizer = torch.optim.Adam(self.layers_.parameters(), lr=self.learning_rate)
        least, kept, waited = np.inf, self._weights(), 0
        for _ in range(self.epochs):
            for rows in torch.split(torch.randperm(first), self.batch_size):
                optimizer.zero_grad()
                self._error(seen[rows], goal[rows]).backward()
                optimizer.step()
            with torch.no_grad():
                error = float(self._error(seen[first:], goal[first:]))
            waited += 1
            if error < least:
                least, kept, waited = error, self._weights(), 0
            if waited == self.patience:
                break
        self.layers_.load_state_dict(kept)

    def _error(self, seen: torch.Tensor, goal: torch.Tensor) -> torch.Tensor:
        """Return the mean squared error."""
        return torch.nn.functional.mse_loss(self.layers_(seen), goal)

    def _weights(self) -> dict[str, torch.Tensor]:
        """Return a copy of the weights."""
        return {name: value.clone() for name, value in self.layers_.state_dict().items()}


def _trees() -> Any:
    """Return gradient boosted trees of LightGBM at their defaults, on one thread."""
    from lightgbm import LGBMRegressor

    return LGBMRegressor(n_jobs=1, random_state=0, verbose=-1)


def _descent(optimizer: Any, ratio: float, n_steps: int | None) -> Callable[[], Any]:
    """Return who makes the joint network that is trained by gradients."""
    return lambda: NonconvexReLURegressor(
        optimizer, beta_ratio=ratio, n_steps=n_steps, device="cpu")


def _on_windows(name: str, title: str, regressor: Callable[[], Any], strategy: str = "joint",
                package: str = "numpy") -> tuple[Entrant, Entrant]:
    """Return a peer whose windows keep their level, and one whose windows do not.

    The level helps where it comes back, and leads astray where it moves on: the better one counts.
    """
    return (
        Entrant(name, title, lambda setting: OnWindows(setting.lags, regressor(), strategy),
                on_bars=True, package=package),
        Entrant(f"{name}-relative", f"{title}; level hidden", lambda setting: Autoregression(
            setting.lags, regressor(), strategy), on_bars=True, package=package))


OURS = Entrant("relu", "**ReLUForecaster, default**",
               lambda setting: ReLUForecaster(horizon=setting.horizon), sees_lags=False)
ONE_WINDOW = Entrant("network", "ReLUForecaster, the same window",
                     lambda setting: ReLUForecaster(setting.lags, setting.horizon))
RIDGE, RIDGE_DIRECT = (
    Entrant("ridge", "RidgeAR, recursive", lambda setting: baselines.RidgeAR(setting.lags),
            on_bars=True),
    Entrant("ridge-direct", "RidgeAR, direct",
            lambda setting: baselines.RidgeAR(setting.lags, strategy="direct"), on_bars=True))
ENTRANTS = (
    OURS, ONE_WINDOW, RIDGE, RIDGE_DIRECT,
    Entrant("linear-direct", "LinearAR, direct, sees the level", lambda setting: baselines.LinearAR(
        setting.lags, "direct", "standardize"), on_bars=True),
    *(Entrant(f"analogs-{k}", f"analogs, k = {k}",
              lambda setting, k=k: baselines.Analogs(setting.lags, k), on_bars=True)
      for k in (5, 20)),
    *_on_windows("mlp", "MLP 64-64 on what ridge leaves", Perceptron),
    *_on_windows("lightgbm", "LightGBM, direct", _trees, "direct", "lightgbm"),
    *(one for ratio in _LBFGS_RATIOS for one in _on_windows(
        f"lbfgs-{ratio:g}", f"joint network, L-BFGS, ratio {ratio:g}",
        _descent("lbfgs", ratio, _LBFGS_STEPS))),
    Entrant("adam", "joint network, Adam, ratio 0.01", lambda setting: OnWindows(
        setting.lags, _descent("adam", 0.01, None)(), "joint")),
    Entrant("boosting", "gradient boosting on residuals, recursive",
            lambda setting: baselines.GradientBoosting(setting.lags, on_residuals=True)),
    Entrant("naive", "naive", lambda setting: baselines.Naive(), sees_lags=False),
    Entrant("seasonal-naive", "seasonal naive",
            lambda setting: baselines.SeasonalNaive(setting.season), sees_lags=False),
)
"""All, ours first."""
BY_NAME = {one.name: one for one in ENTRANTS}
