"""A network trained in stages: the linear part of each stage sees the neurons of those before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from torch import Tensor

from relu_forecast.estimators.base import Device, Precision
from relu_forecast.estimators.convex import ConvexReLURegressor
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Dense
from relu_forecast.networks.modules import ReLUNetwork
from relu_forecast.networks.two_layer import SkipWeights
from relu_forecast.problems.certificates import Certificate
from relu_forecast.storage import VALUE, Number, stored_estimator
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.validation import Array, check_non_negative, check_positive
from relu_forecast.windows.transforms import RIDGE_PENALTIES


@stored_estimator(gap_=Number(finite=False), certificates_=VALUE)
class StagedReLURegressor(ConvexReLURegressor):
    """A dense ReLU network that is trained in stages, each a convex program with its certificate.

    The first stage is a `ConvexReLURegressor`. The linear part of each later one sees the neurons
    of those before as further inputs, so that what they say is fitted anew, under a ridge in place
    of the penalty of a network; and new neurons are added for what is left. All of it is one
    network of two layers, `network_`. A second stage at a tenth of its beta_max is about as good as
    one stage at a much smaller penalty.

    Parameters
    ----------
    beta_ratio : float, default 0.03
        Penalty of the first stage, as a share of its beta_max.
    later_ratios : tuple of float, default (0.1,)
        Those of the later stages, each as a share of its own beta_max.
    skip_penalty : float, optional
        Ridge on the linear part, that on earlier neurons too, of all stages. None: of the least
        leave-one-out error of the linear part alone, for each stage.
    tol : float, default 1e-2
        Relative gap to reach, of each stage.
    max_iter, device, dtype, random_state, settings
        As in `ConvexReLURegressor`.

    Attributes
    ----------
    network_ : ReLUNetwork
        All neurons, those of the first stage first.
    certificates_ : tuple of Certificate
        Of each stage: how far its own objective is from the least that there is for the neurons
        of the stages before. There is none of all stages at once.
    stage_neurons_ : tuple of int
        Neurons that each stage has added.
    certificate_, gap_, objective_, beta_, beta_max_, n_iter_
        Of the last stage, as in `ConvexReLURegressor`.
    n_neurons_ : int
        Neurons of all stages.
    warm_start_ : WarmStart
        Of the first stage.

    Examples
    --------
    >>> X = np.random.default_rng(0).standard_normal((60, 2))
    >>> model = StagedReLURegressor(0.3, (0.3,)).fit(X, np.abs(X[:, 0]) + np.maximum(X[:, 1], 0))
    >>> len(model.certificates_), model.n_neurons_ == sum(model.stage_neurons_)
    (2, True)
    """

    certificates_: tuple[Certificate, ...]
    stage_neurons_: tuple[int, ...]

    def __init__(
        self, beta_ratio: float = 0.03, later_ratios: Any = (0.1,), *,
        skip_penalty: float | None = None, tol: float = 1e-2, max_iter: int = 20,
        device: Device = "auto", dtype: Precision = "float64",
        random_state: int | np.random.RandomState | None = 0,
        settings: TrainingSettings | None = None
    ) -> None:
        super().__init__(
            beta_ratio=beta_ratio, skip_penalty=0.0, tol=tol, max_iter=max_iter, device=device,
            dtype=dtype, random_state=random_state, settings=settings)
        self.later_ratios = later_ratios
        self.skip_penalty = skip_penalty  # type: ignore[assignment]

    def fit(
        self, X: Any, y: Any, sample_weight: Any = None, *, warm_start: Any = None
    ) -> StagedReLURegressor:
        """Train the stages one after the other.

        Parameters
        ----------
        X, y, sample_weight
            As in `ConvexReLURegressor.fit`.
        warm_start : WarmStart, optional
            For the first stage.

        Returns
        -------
        self
            Itself, fitted.

        Raises
        ------
        InvalidArgumentError
            ``later_ratios`` is not a tuple of numbers above 0, or as `ConvexReLURegressor` says.
        """
        ratios = self._checked_ratios()
        stages = [self._stage(X, y, sample_weight, self.beta_ratio, None, warm_start)]
        for ratio in ratios:
            stages.append(self._stage(X, y, sample_weight, ratio, _Together.of(stages), None))
        last = stages[-1]
        self.n_features_in_ = stages[0].n_features_in_
        if hasattr(stages[0], "feature_names_in_"):
            self.feature_names_in_ = stages[0].feature_names_in_
        self.network_ = _Together.of(stages).network
        self.n_neurons_ = self.network_.n_neurons
        self.stage_neurons_ = tuple(stage.n_neurons_ for stage in stages)
        self.certificates_ = tuple(stage.certificate_ for stage in stages)
        self.certificate_, self.gap_, self.objective_ = (
            last.certificate_, last.gap_, last.objective_)
        self.beta_, self.beta_max_, self.n_iter_ = last.beta_, last.beta_max_, last.n_iter_
        self.warm_start_ = stages[0].warm_start_
        return self

    def _checked_ratios(self) -> tuple[float, ...]:
        """Return the penalties of later stages."""
        given = self.later_ratios
        if not isinstance(given, tuple | list):
            raise InvalidArgumentError("later_ratios", "a tuple of numbers > 0", repr(given),
                                       "Pass (0.1,) for one more stage.")
        return tuple(check_positive(ratio, "later_ratios") for ratio in given)

    def _stage(self, X: Any, y: Any, sample_weight: Any, ratio: float, before: _Together | None,
               warm_start: Any) -> ConvexReLURegressor:
        """Return one stage, whose linear part sees the neurons before."""
        own = ConvexReLURegressor(
            beta_ratio=ratio, tol=self.tol, max_iter=self.max_iter, device=self.device,
            dtype=self.dtype, random_state=self.random_state, settings=self.settings)
        if before is None:
            features, width = X, None
        else:
            X = np.asarray(X, dtype=np.float64)
            features, width = np.column_stack([X, before.activations(X)]), X.shape[1]
            own.architecture = Dense(constant_input=True, inputs=width)
        own.skip_penalty = self._ridge(features, y, sample_weight)
        return own.fit(features, y, sample_weight, warm_start=warm_start)

    def _ridge(self, features: Any, y: Any, sample_weight: Any) -> float:
        """Return the ridge on the linear part of a stage."""
        if self.skip_penalty is not None:
            return check_non_negative(self.skip_penalty, "skip_penalty")
        if len(features) < 3:
            return RIDGE_PENALTIES[0]
        return float(RidgeCV(RIDGE_PENALTIES).fit(features, y, sample_weight).alpha_)


@dataclass(frozen=True)
class _Together:
    """Stages as one network."""

    network: ReLUNetwork

    @classmethod
    def of(cls, stages: list[ConvexReLURegressor]) -> _Together:
        """Take the neurons of all stages, with what the last one makes of those before."""
        networks: list[Any] = [stage.network_ for stage in stages]
        last = networks[-1]
        hidden, bias = (torch.cat([getattr(one, name).detach() for one in networks])
                        for name in ("hidden_weight", "hidden_bias"))
        d = hidden.shape[1]
        skip: Tensor = last.skip_weight.detach()
        network = ReLUNetwork(
            hidden, torch.cat([skip[d:], last.output_weight.detach()]), hidden_bias=bias,
            skip=SkipWeights(skip[:d], last.skip_bias.detach()), target_scale=last.target_scale)
        return cls(network.requires_grad_(False))

    def activations(self, X: Array) -> Array:
        """Return what neurons put out for samples, (n, m)."""
        weight = self.network.hidden_weight
        samples = torch.tensor(X, dtype=weight.dtype, device=weight.device)
        return np.asarray(self.network.hidden(samples).cpu().numpy(), dtype=np.float64)
