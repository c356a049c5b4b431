"""What of a fitted forecaster is explained: one series, its state, and a network of it."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.utils.validation import check_is_fitted

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.data.panel import TimeSeries
from relu_forecast.forecasting.models.committee import CommitteeModel
from relu_forecast.forecasting.models.inputs import Inputs
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.validation import Array


@dataclass(frozen=True)
class FittedSeries:
    """A series and what was fitted to it."""

    model: Any
    """The forecaster."""
    series: TimeSeries
    state: Any

    @classmethod
    def of(cls, model: Any, unique_id: Hashable) -> FittedSeries:
        """Return the series of an identifier, or the only one."""
        check_is_fitted(model)
        found = [one for one in model.panel_.series if unique_id in (None, one.unique_id)]
        if len(found) != 1:
            listed = ", ".join(str(one.unique_id) for one in model.panel_.series[:20])
            raise InvalidArgumentError(
                "unique_id", f"that of a series that was fitted, such as {listed}", repr(unique_id),
                "Pick one: what is explained is of one series.")
        return cls(model, found[0], model.models_[found[0].unique_id])

    def members(self) -> dict[str, Any]:
        """Return the states of all members by name, most weight first; one where it has none."""
        if not isinstance(self.state, CommitteeModel):
            return {"": self.state}
        order = (-self.state.weights.mean(axis=1)).argsort(kind="stable")
        return {self.state.members[place].name: self.state.members[place].state
                for place in order}


@dataclass(frozen=True)
class FittedNetwork:
    """A network of a series, and how it sees it."""

    name: str
    """Of the member; empty where it is the only one."""
    inputs: Inputs
    regressor: Any
    """It has ``network_``."""
    predict: Callable[[Array], Array]
    """What is forecast of features, (n, d), with the linear part of the series."""
    first: int
    """Step ahead of its first output."""
    n_steps: int | None
    """Outputs; None for one that is no column."""

    @classmethod
    def of(cls, fitted: FittedSeries, member: str | None, step: int) -> FittedNetwork:
        """Return the network of a member, by default that of most weight.

        ``step`` is the one of a network for each step ahead.
        """
        members = fitted.members()
        if member is not None and member not in members:
            raise InvalidArgumentError(
                "member", f"one of {', '.join(map(repr, members))}", repr(member),
                "See members_ of the forecaster.")
        chosen = members if member is None else {member: members[member]}
        for name, state in chosen.items():
            regressors = tuple(getattr(state, "regressors", ()))
            place = step - 1 if len(regressors) > 1 else 0
            if not 0 <= place < len(regressors):
                continue
            regressor = getattr(regressors[place], "shared", regressors[place])
            if hasattr(regressor, "network_"):
                return cls(name, state.inputs, regressor, regressors[place].predict, place + 1,
                           getattr(state, "horizon", None))
        raise InvalidArgumentError(
            "member" if member else "model", "one with a network" + (
                "" if step == 1 else f" for step {step}"),
            member or type(fitted.model).__name__,
            "Linear models and analogs have no neurons; see members_ of the forecaster.")

    @property
    def network(self) -> TwoLayerNetwork:
        """The network."""
        network: TwoLayerNetwork = self.regressor.network_
        return network

    def training(self, history: History) -> tuple[Array, Array]:
        """Return the features, (n, d), and targets, (n,) or (n, C), of a training part."""
        return self.inputs.training(history, self.first, self.n_steps)

    def window_ends(self, history: History) -> npt.NDArray[np.intp]:
        """Return the position of the last sample of each window of `training`."""
        steps = np.arange(self.first, self.first + (self.n_steps or 1))
        ends = np.arange(self.inputs.length - 1, len(history) - steps[-1])
        whole = history.whole_windows(self.inputs.length, steps)
        return ends if whole is None else ends[whole]

    def contributions(self, X: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
        """Return what each neuron adds to each output, (n, m, C), and whether it fires, (n, m)."""
        samples = torch.as_tensor(X, dtype=self.network.output_weight.dtype,
                                  device=self.network.output_weight.device)
        with torch.no_grad():
            hidden = self.network.hidden(samples)
            fires = hidden != 0
            fires = fires.any(1) if fires.ndim == 3 else fires
            parts = self.network.contributions(samples)
        parts = parts.reshape(*fires.shape, self.network.n_outputs or 1)
        return parts.cpu().numpy(), fires.cpu().numpy()

    def filters(self, size: float) -> tuple[Array, npt.NDArray[np.intp]]:
        """Return what each neuron correlates samples with, (m, L), and how far back those are.

        Of a convolution, what it correlates features with. ``size`` is that of the samples.
        """
        filters = self.network.effective_filters.detach().cpu().numpy().astype(np.float64)
        rows = self.inputs.rows(size)
        if filters.shape[1] >= rows.shape[1]:
            filters = filters[:, : rows.shape[1]] @ rows.T
        return filters, np.arange(filters.shape[1], 0, -1)
