"""Checks of arguments at the public edges; every failure is an `InvalidArgumentError`."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError

Array = npt.NDArray[np.float64]
"""An array in float64; docstrings say its shape."""

_DTYPES = (torch.float64, torch.float32, torch.uint8, torch.int8, torch.int16, torch.int32,
           torch.int64)


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


def check_levels(level: Any) -> tuple[float, ...]:
    """Return levels in percent, increasing."""
    given = level if isinstance(level, Sequence | np.ndarray) else [level]
    if isinstance(level, str) or len(given) == 0:
        raise InvalidTypeError("level", "percentages such as [80, 95]", repr(level),
                               "Pass a list of numbers between 0 and 100, or None.")
    levels = sorted({check_real(one, "level", "Pass numbers such as [80, 95].") for one in given})
    if not 1 <= levels[0] <= levels[-1] < 100:
        raise InvalidArgumentError("level", "percentages from 1 to below 100, not shares",
                                   repr(level), "Pass for example level=[80, 95].")
    if len({f"{one:g}" for one in levels}) < len(levels):
        raise InvalidArgumentError("level", "different to six digits", repr(level),
                                   "Their columns would have the same names.")
    return tuple(levels)


def check_choice(value: Any, name: str, choices: Collection[Any]) -> Any:
    """Return ``value`` if it is one of ``choices``."""
    if not any(value is choice or (type(value) is type(choice) and value == choice)
               for choice in choices):
        listed = ", ".join(repr(choice) for choice in choices)
        raise InvalidArgumentError(name, f"one of {listed}", repr(value), "Pick one of these.")
    return value


def check_n_jobs(n_jobs: Any) -> None:
    """Refuse what joblib would not understand."""
    if n_jobs is not None and (not isinstance(n_jobs, Integral) or n_jobs == 0):
        raise InvalidArgumentError("n_jobs", "a whole number other than 0, or None", repr(n_jobs),
                                   "Pass 2 for two workers, -1 for all cores.")


def check_values(values: Any, name: str) -> npt.NDArray[np.float64]:
    """Return ``values`` as a float64 vector that is one-dimensional, numeric and finite.

    Raises
    ------
    InvalidArgumentError
        Not one-dimensional, empty, or with NaN or infinite entries (the first is named).
    InvalidTypeError
        Not numeric; see `as_real_array`.
    """
    array = as_real_array(values, name)
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


def as_real_array(values: Any, name: str) -> npt.NDArray[Any]:
    """Return ``values`` as an array of whole or floating numbers; an array is not copied.

    Raises
    ------
    InvalidTypeError
        Strings, objects, complex numbers, booleans, dates; lists of unequal length.
    InvalidArgumentError
        A masked array with masked entries.
    """
    try:
        array = np.asarray(values)
    except (TypeError, ValueError, RuntimeError) as error:  # ragged lists, tensors in a list
        raise InvalidTypeError(name, "real numbers in rows of equal length",
                               f"what is no array ({error})", "Pass an array.") from error
    if array.dtype.kind not in "iuf":
        raise InvalidTypeError(
            name, "real numbers", f"dtype {array.dtype}",
            "Convert it first, for example with pandas.to_numeric.")
    refuse_masked(values, name)
    return array


def refuse_masked(values: Any, name: str) -> None:
    """Refuse a masked array with masked entries, whose mask would be lost."""
    if np.ma.is_masked(values):
        raise InvalidArgumentError(
            name, "without masked entries",
            f"{int(np.ma.getmaskarray(values).sum())} masked entries",
            "Fill or drop them first, for example with X.filled(X.mean()).")


def check_real_tensor(tensor: Tensor, name: str) -> None:
    """Refuse tensors that are not dense, or neither whole numbers nor float32 or float64."""
    if tensor.layout is not torch.strided:
        raise InvalidTypeError(name, "dense", f"layout {tensor.layout}", "Pass X.to_dense().")
    if tensor.dtype not in _DTYPES:
        raise InvalidTypeError(name, "of dtype float32 or float64, or whole numbers",
                               f"dtype {tensor.dtype}", "Convert it, for example with .double().")


def as_rows(X: Any) -> Float[Tensor, "n *d"]:
    """Return finite floating windows or patches, detached; a tensor keeps device and dtype.

    Whole numbers, and whatever is no tensor, become float64.

    Raises
    ------
    InvalidArgumentError
        Neither a matrix (n, d) nor patches (n, K, h), empty, masked, or not finite.
    InvalidTypeError
        Not real numbers, or a tensor in half precision.
    """
    tensor = as_finite(X, "X")
    if tensor.ndim not in (2, 3) or 0 in tensor.shape:
        raise InvalidArgumentError(
            "X", "a matrix (n, d) with n, d >= 1, or patches (n, K, h)",
            f"shape {tuple(tensor.shape)}", "See windows.hankel and windows.patches.")
    return tensor


def as_samples(X: Any, name: str = "X") -> Float[Tensor, "n *d"]:
    """Return rows as `as_rows` does, of a magnitude whose powers do not overflow."""
    tensor = as_rows(X)
    _check_magnitude(tensor, name, tensor.dtype)
    return tensor


def as_targets(y: Any, X: Float[Tensor, "n *d"], name: str = "y") -> Float[Tensor, "n *C"]:
    """Return ``y`` as finite targets on the device and in the dtype of ``X``.

    A vector of one target per row, or a matrix of C targets per row.
    """
    tensor = as_finite(y, name)
    if tensor.ndim not in (1, 2) or len(tensor) != len(X) or 0 in tensor.shape:
        n = X.shape[0]
        raise InvalidArgumentError(
            name, f"a vector of {n} targets, one per row of X, or a matrix ({n}, C) of C >= 1",
            f"shape {tuple(tensor.shape)}", "Pass one target, or one row of targets, per row.")
    _check_magnitude(tensor, name, X.dtype)
    return tensor.to(X)


def as_weights(sample_weight: Any, X: Float[Tensor, "n *d"], *,
               some_zero: bool = False) -> Float[Tensor, " n"]:
    """Return finite weights of the samples, above 0, on the device and in the dtype of ``X``.

    With ``some_zero`` they may be 0, for all but two samples.
    """
    tensor = as_finite(sample_weight, "sample_weight")
    if tensor.shape != X.shape[:1]:
        raise InvalidArgumentError(
            "sample_weight", f"a vector of {len(X)} weights, one per row of X",
            f"shape {tuple(tensor.shape)}", "Pass one weight per row.")
    weights = tensor.to(X)
    if some_zero and bool((weights >= 0).all()):
        if int((weights > 0).sum()) < 2:
            raise InvalidArgumentError(
                "sample_weight", "above 0 for at least two samples",
                f"{int((weights > 0).sum())} weights above 0", "Weigh more of the samples.")
    elif not bool((weights > 0).all()):
        raise InvalidArgumentError("sample_weight", ">= 0" if some_zero else "above 0",
                                   f"weights down to {tensor.min():g}",
                                   "Leave out the samples that are to count nothing.")
    return weights


def as_finite(values: Any, name: str) -> Tensor:
    """Return finite floating values: tensors stay where they are, the rest becomes float64.

    Raises
    ------
    InvalidArgumentError, InvalidTypeError
        See `as_rows`.
    """
    if isinstance(values, Tensor):
        check_real_tensor(values, name)
        tensor = values.detach() if values.is_floating_point() else values.detach().double()
    else:
        # A copy: torch warns of arrays that cannot be written to, as windows are.
        tensor = torch.as_tensor(np.array(as_real_array(values, name), dtype=np.float64))
    if not bool(torch.isfinite(tensor).all()):
        raise InvalidArgumentError(name, "finite", "NaN or infinite values",
                                   "Fill or drop them first.")
    return tensor


def _check_magnitude(tensor: Tensor, name: str, dtype: torch.dtype) -> None:
    """Refuse magnitudes whose fourth powers under- or overflow in ``dtype``."""
    info = torch.finfo(dtype)
    low, high = info.tiny**0.25, info.max**0.25
    largest = float(tensor.abs().amax()) if tensor.numel() else 0.0
    if largest and not low <= largest <= high:
        raise InvalidArgumentError(
            name, f"of magnitude {low:.0e} to {high:.0e} in {dtype}, or zero",
            f"values up to {largest:.1e}", "Bring it to units in which it is nearer to one.")
