"""Neurons, explained: what each looks for, what it says of the horizon, and what it is good for."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from relu_forecast.explain.fitted import FittedNetwork, FittedSeries
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.validation import Array

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FREQUENCIES = 257
"""Of the frequency response, from 0 to half a cycle a sample."""


@dataclass(frozen=True)
class NeuronAtlas:
    """The m neurons of a network on windows of L samples, with C outputs.

    Attributes
    ----------
    member : str
        Which member of a committee; empty without one.
    weights : ndarray, shape (m, L)
        What each neuron correlates the window with, in 1 over the unit of the data; of a
        convolution, what it does at each of L places, in units of the features.
    lags : ndarray of int, shape (L,)
        Samples back of each weight, 1 being the last known sample; of a convolution the place
        within its filter, counted the same way.
    head_weights : ndarray, shape (m, S, C)
        What a neuron adds to each output, at each site, for each unit that it is above its
        threshold, in the unit of the data. S is 1 but for convolutions that tell sites apart.
    firing : ndarray, shape (m,)
        Share of the training windows at which it fires.
    added : ndarray, shape (m,)
        By what share the mean squared error on the training windows would grow without it, all
        else being as it is.
    linear : float
        The same without all neurons.
    """

    member: str
    weights: Array
    lags: Any
    head_weights: Array
    firing: Array
    added: Array
    linear: float

    @property
    def summary(self) -> pd.DataFrame:
        """A row per neuron, the one that adds most first.

        Columns: ``neuron``, ``fires`` (share of windows), ``adds`` (growth of the squared error
        without it), ``frequency`` (of the largest response, in cycles per sample) and
        ``largest_step`` (where its head is largest).
        """
        gains = self._gains()
        largest = np.abs(self.head_weights).sum(axis=1).argmax(axis=1) + 1
        rows = pd.DataFrame({
            "neuron": np.arange(1, len(self.weights) + 1), "fires": self.firing,
            "adds": self.added, "frequency": self._frequencies()[gains.argmax(axis=1)],
            "largest_step": largest})
        return rows.sort_values("adds", ascending=False, kind="stable", ignore_index=True)

    @property
    def filters(self) -> pd.DataFrame:
        """A row per neuron and lag: ``neuron``, ``lag``, ``weight``."""
        return self._long(self.weights, "lag", self.lags, "weight")

    @property
    def responses(self) -> pd.DataFrame:
        """A row per neuron and frequency: ``neuron``, ``frequency`` (cycles per sample), ``gain``.

        The absolute value of the filter's Fourier transform: how strongly it answers a sinusoid.
        """
        return self._long(self._gains(), "frequency", self._frequencies(), "gain")

    @property
    def heads(self) -> pd.DataFrame:
        """A row per neuron, site and step: ``neuron``, ``site``, ``step``, ``weight``."""
        m, sites, steps = self.head_weights.shape
        return pd.DataFrame({
            "neuron": np.arange(1, m + 1).repeat(sites * steps),
            "site": np.tile(np.arange(1, sites + 1).repeat(steps), m),
            "step": np.tile(np.arange(1, steps + 1), m * sites),
            "weight": self.head_weights.ravel()})

    def plot(self, most: int = 8) -> Figure:
        """Draw the neurons that add most, see `relu_forecast.plots.plot_neurons`."""
        from relu_forecast.plots import plot_neurons

        return plot_neurons(self, most=most)

    def _gains(self) -> Array:
        """Return the response of each neuron at each frequency, (m, F)."""
        length = max(2 * (_FREQUENCIES - 1), self.weights.shape[1])
        return np.asarray(np.abs(np.fft.rfft(self.weights, n=length, axis=1)))

    def _frequencies(self) -> Array:
        """Return the frequencies, (F,), in cycles per sample."""
        return np.asarray(np.fft.rfftfreq(max(2 * (_FREQUENCIES - 1), self.weights.shape[1])))

    def _long(self, values: Array, name: str, places: Any, value: str) -> pd.DataFrame:
        """Return values, (m, p), as rows of neuron, place and value."""
        m, count = values.shape
        return pd.DataFrame({"neuron": np.arange(1, m + 1).repeat(count),
                             name: np.tile(places, m), value: values.ravel()})


def neurons(model: Any, *, unique_id: Hashable = None, member: str | None = None,
            step: int = 1) -> NeuronAtlas:
    """Return the neurons of a fitted forecaster.

    Parameters
    ----------
    model : Forecaster
        Fitted, with a network: a `ReLUForecaster`, or an autoregression with one of the regressors
        of this package.
    unique_id : hashable, optional
        Which series; not needed where there is one.
    member : str, optional
        Which member of a committee, by its name in ``members_``; None takes the network of most
        weight.
    step : int, default 1
        Which network, of ``strategy="direct"``, which has one for each step ahead.

    Returns
    -------
    NeuronAtlas
        Filters, frequency responses, heads, and what each neuron is good for.

    Raises
    ------
    InvalidArgumentError
        There is no such series or member, or no network.

    Examples
    --------
    >>> from relu_forecast import ReLUForecaster
    >>> wave = np.abs(np.sin(np.arange(100) / 5))
    >>> atlas = neurons(ReLUForecaster(lags=3, horizon=2, beta_ratio=0.2).fit(wave))
    >>> atlas.weights.shape[1], atlas.head_weights.shape[2]
    (3, 2)
    """
    fitted = FittedSeries.of(model, unique_id)
    own = FittedNetwork.of(fitted, member, step)
    arrays = fitted.series.arrays(model.covariates)
    X, Y = own.training(arrays.history(0, len(arrays)))
    parts, fires = own.contributions(X)
    errors = (Y - own.predict(X)).reshape(len(X), -1)
    added = _growth(errors, np.moveaxis(parts, 1, 0))
    [linear] = _growth(errors, parts.sum(axis=1)[np.newaxis])
    weights, lags = own.filters(float(np.abs(arrays.values).max()) or 1.0)
    return NeuronAtlas(own.name, weights, lags, own.inputs.transform.scale * _heads(own.network),
                       fires.mean(axis=0), added, float(linear))


def _growth(errors: Array, parts: Array) -> Array:
    """Return by what share squared errors, (n, C), grow without each of some parts, (p, n, C)."""
    square = float((errors**2).sum())
    if not square:
        return np.zeros(len(parts))
    return np.array([((errors + part) ** 2).sum() for part in parts]) / square - 1


def _heads(network: TwoLayerNetwork) -> Array:
    """Return output weights in the units of the targets, (m, S, C)."""
    heads = network.output_weight.detach()
    if network.target_scale is not None:
        heads = heads * network.target_scale
    shape = heads.shape[0], int(np.prod(heads.shape[1:])) // (network.n_outputs or 1)
    return heads.reshape(*shape, network.n_outputs or 1).cpu().numpy().astype(np.float64)
