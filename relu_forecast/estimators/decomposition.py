"""What a regressor says of one sample, taken apart: what adds up to it, and how it would change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import Array

Kind = Literal["base", "linear", "neuron", "analogs"]


@dataclass(frozen=True)
class Part:
    """Something that outputs are a sum of."""

    name: str
    kind: Kind
    """What all forecasts start from, a linear function, a neuron, or what analogs say."""


@dataclass(frozen=True)
class OutputParts:
    """Outputs for one sample, as a sum, and the linear function that they are around it."""

    parts: tuple[Part, ...]
    contributions: Array
    """Shape (C, P). What each part adds to each output."""
    fires: npt.NDArray[np.bool_]
    """Shape (P,). Whether a neuron is switched on; True for other parts."""
    weights: Array
    """Shape (d, C). Of the linear function; exact until a neuron is switched on or off."""

    @classmethod
    def of_linear(cls, outputs: Array, weights: Array) -> OutputParts:
        """Return the outputs, (C,), of a linear model."""
        return cls((Part("linear", "linear"),), outputs[:, np.newaxis], np.ones(1, dtype=bool),
                   weights)


def decompose(regressor: Any, sample: Array) -> OutputParts:
    """Take apart what a regressor says of one sample, shape (d,).

    Parameters
    ----------
    regressor : regressor
        A network of this package, or anything else with a method ``decompose``; or a linear model
        of scikit-learn, which has ``coef_``.
    sample : ndarray, shape (d,)
        The features.

    Raises
    ------
    InvalidArgumentError
        It is another regressor, which has no such parts.
    """
    own = getattr(regressor, "decompose", None)
    if own is not None:
        parts: OutputParts = own(sample)
        return parts
    if not hasattr(regressor, "coef_"):
        raise InvalidArgumentError(
            "model", "made of networks and linear models, to be taken apart",
            type(regressor).__name__, "Pass for example ReLUForecaster or RidgeAR.")
    outputs = np.atleast_1d(np.asarray(regressor.predict(sample[np.newaxis]), dtype=float)[0])
    weights = np.asarray(regressor.coef_, dtype=float).reshape(len(outputs), -1).T
    return OutputParts.of_linear(outputs, weights)


def neurons(fires: npt.NDArray[np.bool_], contributions: Array, linear: Array,
            weights: Array) -> OutputParts:
    """Return the outputs of a network: its linear part, (C,), and its m neurons, (C, m)."""
    names = [Part(f"neuron {place}", "neuron") for place in range(1, len(fires) + 1)]
    return OutputParts((Part("linear", "linear"), *names),
                       np.column_stack([linear, contributions]), np.r_[True, fires], weights)
