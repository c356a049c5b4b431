"""What all regressors share: checks of the data, the choice of beta, prediction."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
from torch import Tensor

from relu_forecast.estimators.decomposition import OutputParts, neurons
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Architecture
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.problems.task import Activation, TrainingTask
from relu_forecast.training.threads import one_thread
from relu_forecast.validation import (
    as_samples,
    check_choice,
    check_non_negative,
    check_positive,
    refuse_masked,
)

Device = Literal["auto", "cpu", "cuda"]
Precision = Literal["float64", "float32"]


class NetworkRegressor(RegressorMixin, BaseEstimator, ABC):
    """Base of the regressors; a subclass says its architecture and how it trains."""

    beta: float | None
    beta_ratio: float
    linear_skip: bool
    skip_penalty: float
    scale_targets: bool
    device: Device
    dtype: Precision
    random_state: Any
    n_features_in_: int
    network_: TwoLayerNetwork
    beta_: float
    beta_max_: float
    objective_: float
    n_iter_: int

    @abstractmethod
    def _architecture(self, width: int) -> Architecture:
        """Return the architecture for windows of ``width`` samples."""

    def _set_parameters(self, given: dict[str, Any]) -> None:
        """Store the arguments of ``__init__``, given as its local variables."""
        for name, value in given.items():
            if name not in ("self", "__class__"):
                setattr(self, name, value)

    def _task(
        self, X: Any, y: Any, activation: Activation, sample_weight: Any = None
    ) -> TrainingTask:
        """Check the data, move it to the device, and say what is to be trained on it."""
        task = self._unscaled_task(X, y, activation, sample_weight)
        with one_thread():  # scales are sums over samples, too
            return task.scaled() if self.scale_targets else task

    def _unscaled_task(
        self, X: Any, y: Any, activation: Activation, sample_weight: Any = None
    ) -> TrainingTask:
        """Return what `_task` does, targets as they came; samples that weigh nothing go."""
        X, y = validate_data(self, X, y, dtype=np.float64, multi_output=True, y_numeric=True,
                             ensure_min_samples=2)
        if sample_weight is not None:
            X, y, sample_weight = _weighty(X, y, sample_weight)
        check_non_negative(self.skip_penalty, "skip_penalty")
        windows = as_samples(self._tensor(X))
        ridge = float(self.skip_penalty) if self.linear_skip else 0.0
        return TrainingTask.checked(windows, y, self._architecture(windows.shape[1]), activation,
                                    bool(self.linear_skip), ridge, sample_weight)

    def __sklearn_tags__(self) -> Tags:
        """Return scikit-learn's tags: targets may have several columns."""
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def _tensor(self, X: npt.NDArray[np.float64]) -> Float[Tensor, "n d"]:
        """Return the samples on the chosen device, in the chosen precision."""
        check_choice(self.device, "device", ("auto", "cpu", "cuda"))
        check_choice(self.dtype, "dtype", ("float64", "float32"))
        automatic = "cuda" if torch.cuda.is_available() else "cpu"
        device = automatic if self.device == "auto" else self.device
        if device == "cuda" and automatic == "cpu":
            raise InvalidArgumentError("device", "'auto' or 'cpu' where torch finds no CUDA device",
                                       repr(self.device), "Leave it out, or install a CUDA build.")
        rows = np.ascontiguousarray(X)  # torch takes no negative strides
        return torch.tensor(rows, dtype=getattr(torch, self.dtype), device=device)

    def _seed(self) -> int:
        """Draw the seed of this fit."""
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _choose_beta(self, beta_max: float) -> float:
        """Set `beta_max_` and return the weight of the penalty."""
        self.beta_max_ = beta_max
        if self.beta is not None:
            return check_positive(self.beta, "beta")
        return check_positive(self.beta_ratio, "beta_ratio") * beta_max

    def check_stored(self) -> None:
        """Refuse a network from a file that does not fit the parameters; move it to its device."""
        if self.device not in ("auto", "cpu", "cuda"):
            raise ValueError(f"no device: {self.device!r}")
        if not hasattr(self, "network_"):
            return
        if self.dtype != str(self.network_.output_weight.dtype).removeprefix("torch."):
            raise ValueError(f"dtype is {self.dtype!r}, and not that of the network")
        skip = self.network_.skip_weight
        if skip is not None and len(skip) != self.n_features_in_:
            raise ValueError(f"the network does not take windows of {self.n_features_in_} samples")
        if self.device != "cpu" and torch.cuda.is_available():
            self.network_.to("cuda")
        elif self.device == "cuda":
            self.device = "cpu"
        self.predict(np.zeros((1, self.n_features_in_)))

    def predict(self, X: Any) -> npt.NDArray[np.float64]:
        """Return the network's outputs.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples.

        Returns
        -------
        ndarray, shape (n,) or (n, C)
            Predictions, in the units and of the form of the ``y`` that was fitted.
        """
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=np.float64)
        with torch.no_grad():
            outputs = self.network_(self._tensor(X))
        return np.asarray(outputs.cpu().numpy(), dtype=np.float64)

    def decompose(self, sample: npt.NDArray[np.float64]) -> OutputParts:
        """Take apart what the network says of one sample, shape (d,), see `OutputParts`."""
        check_is_fitted(self)
        network, X = self.network_, self._tensor(sample[np.newaxis])
        with torch.no_grad():
            outputs, fires = network(X).reshape(-1), (network.hidden(X) != 0).flatten(0, -2).any(0)
            parts = network.contributions(X).reshape(network.n_neurons, len(outputs)).T
        weights = network.local_weights(X).reshape(X.shape[1], len(outputs))
        numbers = (each.cpu().numpy().astype(np.float64)
                   for each in (parts, outputs - parts.sum(1), weights))
        return neurons(fires.cpu().numpy(), *numbers)


def _weighty(X: Any, y: Any, sample_weight: Any) -> tuple[Any, Any, Any]:
    """Return the samples of weights above 0, and these, checked as scikit-learn does."""
    refuse_masked(sample_weight, "sample_weight")
    weights = _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)
    kept = weights > 0
    if kept.sum() < 2:
        raise InvalidArgumentError("sample_weight", "above 0 for at least two samples",
                                   f"{kept.sum()} weights above 0", "Weigh more of the samples.")
    return X[kept], y[kept], weights[kept]
