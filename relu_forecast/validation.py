"""Checks of arguments at the public edges; every failure is an `InvalidArgumentError`."""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError


def check_positive_int(value: Any, name: str, remedy: str = "Pass a whole number >= 1.") -> int:
    """Return ``value`` as an int >= 1."""
    return check_int(value, name, minimum=1, remedy=remedy)


def check_int(value: Any, name: str, *, minimum: int, remedy: str) -> int:
    """Return ``value`` as an int >= ``minimum``; booleans and fractions are refused."""
    required = f"an integer >= {minimum}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise InvalidTypeError(name, required, repr(value), remedy)
    if int(value) < minimum:
        raise InvalidArgumentError(name, required, repr(value), remedy)
    return int(value)


def check_positive(value: Any, name: str, remedy: str = "Pass a finite number > 0.") -> float:
    """Return ``value`` as a finite float > 0."""
    number = check_real(value, name, remedy)
    if number <= 0:
        raise InvalidArgumentError(name, "a finite number > 0", repr(value), remedy)
    return number


def check_non_negative(value: Any, name: str, remedy: str = "Pass a finite number >= 0.") -> float:
    """Return ``value`` as a finite float >= 0."""
    number = check_real(value, name, remedy)
    if number < 0:
        raise InvalidArgumentError(name, "a finite number >= 0", repr(value), remedy)
    return number


def check_real(value: Any, name: str, remedy: str) -> float:
    """Return ``value`` as a finite float."""
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InvalidTypeError(name, "a number", repr(value), remedy)
    number = float(value)
    if not math.isfinite(number):
        raise InvalidArgumentError(name, "finite", repr(value), remedy)
    return number


def check_choice(value: Any, name: str, choices: Collection[Any]) -> Any:
    """Return ``value`` if it is one of ``choices``."""
    if not any(value is choice or (type(value) is type(choice) and value == choice)
               for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidArgumentError(name, f"one of {listed}", repr(value), "Pick one of these.")
    return value


def check_values(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Return ``values`` as a float64 vector that is one-dimensional, numeric and finite.

    Raises
    ------
    InvalidArgumentError
        Not one-dimensional, empty, or with NaN or infinite entries (the first is named).
    InvalidTypeError
        Not numeric: strings, objects, complex numbers, booleans, dates.
    """
    array = np.asarray(values)
    if array.dtype.kind not in "iuf":
        raise InvalidTypeError(
            name, "real numbers", f"dtype {array.dtype}",
            "Convert it first, for example with pandas.to_numeric.")
    if array.ndim != 1:
        raise InvalidArgumentError(
            name, "one-dimensional", f"shape {array.shape}",
            "Pass one series at a time, or a long DataFrame with unique_id for many.")
    if array.size == 0:
        raise InvalidArgumentError(name, "non-empty", "length 0", "Supply samples.")
    array = array.astype(np.float64, copy=False)
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InvalidArgumentError(
            name, "finite", f"{bad.size} NaN or infinite values, the first at position {bad[0]}",
            "Fill or drop them first, for example with Series.interpolate().")
    return array


def as_samples(X: Any) -> Float[Tensor, "n *d"]:
    """Return finite floating windows or patches; a floating tensor keeps device and dtype."""
    tensor = _as_floating(X, "X")
    if tensor.ndim not in (2, 3) or 0 in tensor.shape:
        raise InvalidArgumentError(
            "X", "a matrix (n, d) with n, d >= 1, or patches (n, K, h)",
            f"shape {tuple(tensor.shape)}", "See windows.hankel and windows.patches.")
    return tensor


def as_targets(y: Any, X: Float[Tensor, "n *d"]) -> Float[Tensor, " n"]:
    """Return ``y`` as a finite vector on the device and in the dtype of ``X``."""
    tensor = _as_floating(y, "y")
    if tensor.shape != X.shape[:1]:
        raise InvalidArgumentError("y", f"a vector of {X.shape[0]} targets, one per row of X",
                                   f"shape {tuple(tensor.shape)}", "Pass one target per row.")
    return tensor.to(X)


def _as_floating(values: Any, name: str) -> Tensor:
    """Return finite floating values: tensors stay where they are, the rest becomes float64."""
    if isinstance(values, Tensor):
        tensor = values if values.is_floating_point() else values.double()
    else:
        tensor = torch.as_tensor(np.array(values, dtype=np.float64))
    if not bool(torch.isfinite(tensor).all()):
        raise InvalidArgumentError(name, "finite", "NaN or infinite values",
                                   "Fill or drop them first.")
    largest, limits = float(tensor.abs().amax()) if tensor.numel() else 0.0, _limits(tensor.dtype)
    if largest and not limits[0] <= largest <= limits[1]:
        raise InvalidArgumentError(
            name, f"of magnitude {limits[0]:.0e} to {limits[1]:.0e} in {tensor.dtype}, or zero",
            f"values up to {largest:.1e}", "Bring it to units in which it is nearer to one.")
    return tensor


def _limits(dtype: torch.dtype) -> tuple[float, float]:
    """Return magnitudes whose fourth powers neither under- nor overflow."""
    info = torch.finfo(dtype)
    return info.tiny**0.25, info.max**0.25
