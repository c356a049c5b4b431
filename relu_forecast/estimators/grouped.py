"""One certified network for samples of many groups, each with a linear part of its own."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from relu_forecast.estimators.base import Device, Precision
from relu_forecast.estimators.convex import ConvexReLURegressor
from relu_forecast.estimators.decomposition import OutputParts
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.problems.grouped_skip import GroupedSkip
from relu_forecast.problems.task import TrainingTask
from relu_forecast.storage import Array, Number, stored_estimator
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.threads import one_thread
from relu_forecast.validation import check_positive

_PENALTIES = tuple(np.logspace(-1, 6, 15).tolist())
"""Ridges on deviations to choose from: the last leaves all groups the common linear part."""


@stored_estimator(gap_=Number(finite=False), deviations_=Array((3,)),
                  groups_=Array((1,), ("int64",)))
class GroupedReLURegressor(ConvexReLURegressor):
    """One two-layer ReLU network for many groups, each with a linear part of its own.

    The model of a sample x of group g is ``f(x) + (a + d_g)'x + a0 + b_g``: one network f and one
    linear part for all, and a deviation of each group from it under a ridge. Network, linear part
    and deviations minimise one convex objective together,

        1/2 ||errors||^2 + beta/2 sum_j (||w1_j||^2 + ||w2_j||^2) + skip_penalty/2 ||a||^2
        + group_penalty/2 sum_g (||d_g||^2 + b_g^2),

    and `certificate_` bounds how far all of it is from its optimum. Few samples of a group leave
    it close to the common part, many let it have its own: deviations are random effects of a mixed
    model (Henderson, 1950).

    Parameters
    ----------
    beta_ratio : float, default 0.03
        Weight of the penalty as a share of beta_max, above which the network has no neuron.
    skip_penalty : float, default 0
        Ridge on ``a``.
    group_penalty : float, optional
        Ridge on deviations, above 0. None takes the one of the least leave-one-out error of the
        linear parts alone, in closed form.
    tol, max_iter, device, dtype, random_state, settings
        As in `ConvexReLURegressor`. Samples of similar size around 0 are assumed.

    Attributes
    ----------
    group_penalty_ : float
        The ridge on deviations that was used.
    groups_ : ndarray of int, shape (G,)
        The groups, increasing.
    deviations_ : ndarray, shape (G, d + 1, C)
        Of each group, for inputs ``[x 1]``, in the units of the targets; C = 1 for a vector.
    network_, beta_, beta_max_, objective_, gap_, certificate_, n_neurons_, n_iter_, warm_start_
        As in `ConvexReLURegressor`; `network_` has the common linear part.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 60)[:, None]
    >>> groups = np.arange(60) % 2
    >>> y = np.abs(X[:, 0]) + 3 * groups
    >>> model = GroupedReLURegressor(0.01, group_penalty=0.01).fit(X, y, groups=groups)
    >>> bool(np.abs(model.predict(X, groups=groups) - y).max() < 0.05)
    True
    """

    group_penalty_: float
    groups_: npt.NDArray[np.int64]
    deviations_: npt.NDArray[np.float64]

    def __init__(
        self, beta_ratio: float = 0.03, *, skip_penalty: float = 0.0,
        group_penalty: float | None = None, tol: float = 1e-4, max_iter: int = 20,
        device: Device = "auto", dtype: Precision = "float64",
        random_state: int | np.random.RandomState | None = 0,
        settings: TrainingSettings | None = None
    ) -> None:
        super().__init__(
            beta_ratio=beta_ratio, skip_penalty=skip_penalty, tol=tol, max_iter=max_iter,
            device=device, dtype=dtype, random_state=random_state, settings=settings)
        self.group_penalty = group_penalty

    def fit(  # type: ignore[override]
        self, X: Any, y: Any, *, groups: Any = None, warm_start: Any = None
    ) -> GroupedReLURegressor:
        """Train the network.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples, finite.
        y : array_like, shape (n,) or (n, C)
            Targets, finite.
        groups : array_like of int, shape (n,), optional
            Group of each sample. None: all are of one group.
        warm_start : WarmStart, optional
            As in `ConvexReLURegressor.fit`.

        Returns
        -------
        self
            Itself, fitted.

        Raises
        ------
        InvalidArgumentError
            If ``groups`` are not a whole number for each sample, or a parameter is out of range, as
            is a ridge on deviations that is lost in the rounding of samples of large size.
        """
        labels, codes = np.unique(_checked_groups(groups, len(y)), return_inverse=True)
        task = self._grouped(X, y, codes)
        self._fit_task(task, warm_start)
        with one_thread():
            deviations = task.deviations_of(self.network_)
        scale = 1.0 if task.target_scale is None else task.target_scale
        self.groups_, self.group_penalty_ = labels, task.group_penalty
        self.deviations_ = (deviations * scale).cpu().numpy().astype(np.float64)
        return self

    def predict(self, X: Any, *, groups: Any = None) -> npt.NDArray[np.float64]:
        """Return the model's outputs, shape (n,) or (n, C), in the units of the targets.

        Parameters
        ----------
        X : array_like, shape (n, d)
            Samples.
        groups : array_like of int, shape (n,), optional
            Group of each sample; those that `fit` has not seen have the common linear part. None:
            so have all.
        """
        outputs = super().predict(X)
        if groups is None:
            return outputs
        asked = _checked_groups(groups, len(outputs))
        places = np.searchsorted(self.groups_, asked).clip(max=len(self.groups_) - 1)
        known = self.groups_[places] == asked
        inputs = np.column_stack([X, np.ones(len(outputs))])[known]
        own = np.einsum("nq,nqc->nc", inputs, self.deviations_[places[known]])
        outputs[known] += own.reshape(-1, *outputs.shape[1:])
        return outputs

    def decompose(self, sample: npt.NDArray[np.float64],
                  group: int | None = None) -> OutputParts:
        """Take apart what is said of one sample of a group, or of none that was fitted."""
        common = super().decompose(sample)
        if group is None:
            return common
        own, contributions = self.deviation_of(group), common.contributions.copy()
        contributions[:, 0] += np.append(sample, 1.0) @ own
        return replace(common, contributions=contributions, weights=common.weights + own[:-1])

    def deviation_of(self, group: int) -> npt.NDArray[np.float64]:
        """Return the linear part that a group has beside the common one, (d + 1, C)."""
        own: npt.NDArray[np.float64] = self.deviations_[int(np.searchsorted(self.groups_, group))]
        return own

    def check_stored(self) -> None:
        """Refuse deviations that do not fit the network, and see the base."""
        super().check_stored()
        if not hasattr(self, "network_"):
            return
        shape = (len(self.groups_), self.n_features_in_ + 1, self.network_.n_outputs or 1)
        if self.deviations_.shape != shape or not (np.diff(self.groups_) > 0).all():
            raise ValueError(f"it must have deviations of shape {shape}, of increasing groups")
        if self.group_penalty_ <= 0:
            raise ValueError("it must have a ridge on deviations above 0")

    def _grouped(self, X: Any, y: Any, codes: npt.NDArray[np.intp]) -> TrainingTask:
        """Return what is to be trained, with the ridge on deviations that is given or chosen."""
        plain = self._unscaled_task(X, y, self.activation)
        task = replace(plain, groups=torch.as_tensor(codes, device=plain.X.device))
        with one_thread():
            ridge = best_penalty(task) if self.group_penalty is None else check_positive(
                self.group_penalty, "group_penalty")
            return replace(task, group_penalty=ridge).scaled()


def best_penalty(task: TrainingTask) -> float:
    """Return the ridge on deviations whose linear parts have the least leave-one-out error.

    Errors of each target count as shares of its size. Cost O(n d^2) for each of 15 ridges.
    """
    size = task.targets.var(0).clamp_min(torch.finfo(task.targets.dtype).tiny)
    errors = {}
    for ridge in _PENALTIES:
        try:
            skip = replace(task, group_penalty=ridge).skip
        except InvalidArgumentError:  # too small beside the samples
            if ridge == _PENALTIES[-1]:
                raise
            continue
        assert isinstance(skip, GroupedSkip)
        left = skip.annihilate(task.targets) / skip.kept_shares[:, None]
        errors[ridge] = float((left.square().mean(0) / size).mean())
    ridges = list(errors)
    chosen: float = ridges[int(np.nanargmin(list(errors.values())))]
    return chosen


def _checked_groups(groups: Any, n_samples: int) -> npt.NDArray[np.int64]:
    """Return the group of each sample."""
    if groups is None:
        return np.zeros(n_samples, dtype=np.int64)
    given = np.asarray(groups)
    if given.shape != (n_samples,) or given.dtype.kind not in "iu":
        raise InvalidArgumentError(
            "groups", f"a whole number for each of {n_samples} samples",
            f"shape {given.shape} of dtype {given.dtype}",
            "Number the groups, for example with numpy.unique(..., return_inverse=True).")
    return given.astype(np.int64)
