"""A regularization path, explained: when each neuron enters, and how it grows."""

from __future__ import annotations

from itertools import count

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from relu_forecast.estimators.path import RegularizationPath
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.validation import Array

_ALIKE = 0.8
"""Cosine of the angle between weights of neighbouring penalties from which they are one neuron."""


def path(path: RegularizationPath) -> pd.DataFrame:
    """Follow the neurons of a path from the largest penalty on.

    A neuron of one penalty is the same as one of the penalty before if their filters point nearly
    the same way, each being matched with one at most, best matches first.

    Parameters
    ----------
    path : RegularizationPath
        Of `regularization_path`.

    Returns
    -------
    pandas.DataFrame
        A row for each penalty and neuron of its network: ``ratio`` (penalty over beta_max),
        ``neuron`` (its number along the path, in the order in which neurons enter), ``place`` (its
        number in that network), ``size`` (||w1|| ||w2||, what it costs over beta) and ``entered``
        (the ratio at which it came first).

    Examples
    --------
    >>> from relu_forecast import regularization_path
    >>> X = np.linspace(-1, 1, 40)[:, None]
    >>> told = path(regularization_path(X, np.abs(X[:, 0]), ratios=[1.0, 0.5, 0.1]))
    >>> told.columns.tolist()
    ['ratio', 'neuron', 'place', 'size', 'entered']
    """
    numbers, rows = count(1), []
    before, known, entered = np.empty((0, 1)), np.empty(0, dtype=int), {}
    for ratio, network in zip(path.ratios, path.networks, strict=True):
        directions, sizes = _directions(network)
        own = np.full(len(directions), 0)
        for old, new in _matches(before, directions):
            own[new] = known[old]
        for place in np.flatnonzero(own == 0):
            own[place] = next(numbers)
            entered[int(own[place])] = float(ratio)
        before, known = directions, own
        rows += [{"ratio": float(ratio), "neuron": int(number), "place": place, "size": float(size),
                  "entered": entered[int(number)]}
                 for place, (number, size) in enumerate(zip(own, sizes, strict=True), 1)]
    return pd.DataFrame(rows, columns=["ratio", "neuron", "place", "size", "entered"])


def _directions(network: TwoLayerNetwork) -> tuple[Array, Array]:
    """Return unit hidden weights with their biases, (m, d), and sizes of neurons, (m,)."""
    m = network.n_neurons
    hidden = np.concatenate([
        weight.detach().cpu().numpy().reshape(m, -1) for weight in network.hidden_weights()]
        if m else [np.empty((0, 1))], axis=1).astype(np.float64)
    heads = network.output_weight.detach().cpu().numpy().reshape(m, -1) if m else np.empty((0, 1))
    lengths = np.linalg.norm(hidden, axis=1)
    return hidden / lengths[:, np.newaxis], lengths * np.linalg.norm(heads, axis=1)


def _matches(before: Array, after: Array) -> list[tuple[int, int]]:
    """Return which unit vectors stand for the same neuron."""
    if not (len(before) and len(after)):
        return []
    cosines = before @ after.T
    pairs = zip(*linear_sum_assignment(-cosines), strict=True)
    return [(int(old), int(new)) for old, new in pairs if cosines[old, new] >= _ALIKE]
