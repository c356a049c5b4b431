"""Arrays and tensors: kept bit by bit, with the order of their entries in memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from relu_forecast.storage.encoding import Json, Many, Place, Whole

DTYPES = ("bool", *(f"{sign}int{size}" for size in (8, 16, 32, 64) for sign in ("", "u")),
          "float32", "float64")
"""Of all arrays of numbers that can be kept."""
TORCH_DTYPES = tuple(getattr(torch, name) for name in DTYPES if hasattr(torch, name))
"""Of all tensors that can be kept."""


@dataclass(frozen=True)
class Array:
    """A NumPy array with its memory order, on which the last bits of products rest."""

    dims: tuple[int, ...] | None = (1,)
    """Numbers of dimensions that it may have; None for any."""
    dtypes: tuple[str, ...] = ("float64",)
    finite: bool = True
    """Refuse NaN and infinite values on reading."""

    def encode(self, value: Any, place: Place) -> Json:
        """Return the order, ``"C"`` or ``"F"``; the tensor is called as the place."""
        array = np.asarray(value)
        if array.dtype.name not in self.dtypes:
            raise place.refusal(value)
        own = array.astype(array.dtype.newbyteorder("="), order="K")
        place.tensors[place.path] = np.asarray(own, order="C")
        return "C" if own.flags.c_contiguous else "F"

    def decode(self, node: Json, place: Place) -> npt.NDArray[Any]:
        """Return the array, a copy."""
        place.require(node in ("C", "F"), "the order of a tensor", node)
        return np.array(_taken(self, self.dtypes, place), order="F" if node == "F" else "C")


@dataclass(frozen=True)
class Tensor:
    """A torch tensor, kept on the CPU, with its strides, on which the last bits rest too.

    The fields are those of `Array`.
    """

    dims: tuple[int, ...] | None
    dtypes: tuple[torch.dtype, ...] = (torch.float64, torch.float32)
    finite: bool = True

    def encode(self, value: torch.Tensor, place: Place) -> Json:
        """Return the strides; the tensor is called as the place."""
        tensor = value.detach().cpu()
        if tensor.layout is not torch.strided or tensor.dtype not in self.dtypes:
            raise place.refusal(value, f"a torch tensor of {tensor.dtype}, {tensor.layout},")
        place.tensors[place.path] = np.asarray(tensor.numpy(), order="C")
        strides, room = tensor.stride(), _room(tensor.shape, tensor.stride())
        # A column of a matrix: its stride would take the room of the matrix and changes no bit.
        loose = tensor.ndim < 2 or room > 2 * tensor.numel() or 0 in strides
        return list(tensor.contiguous().stride() if loose else strides)

    def decode(self, node: Json, place: Place) -> torch.Tensor:
        """Return the tensor, a copy."""
        strides = Many(Whole(1)).decode(node, place)
        dtypes = tuple(str(dtype).removeprefix("torch.") for dtype in self.dtypes)
        tensor = torch.tensor(_taken(self, dtypes, place))
        place.require(tensor.ndim == len(strides), "of a stride per dimension", strides)
        if tuple(strides) == tensor.stride() or tensor.numel() == 0:
            return tensor
        fits = _room(tensor.shape, strides) <= 2 * tensor.numel()
        place.require(fits and _are_apart(tensor.shape, strides), "of usable strides", strides)
        return torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype).copy_(tensor)


def _taken(kind: Array | Tensor, dtypes: tuple[str, ...], place: Place) -> npt.NDArray[Any]:
    """Take the tensor that is called as a place out of the others, and check it."""
    place.require(place.path in place.tensors, "among the tensors", "missing")
    array = place.tensors.pop(place.path)
    fits = kind.dims is None or array.ndim in kind.dims
    place.require(fits, f"of {kind.dims} dimensions", array.shape)
    place.require(array.dtype.name in dtypes, f"of dtype {dtypes}", array.dtype.name)
    finite = not kind.finite or bool(np.isfinite(array).all())
    place.require(finite, "finite", "NaN or infinite values")
    return array


def _room(shape: Iterable[int], strides: Iterable[int]) -> int:
    """Return how many entries lie between the first and the last one."""
    return 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))


def _are_apart(shape: Iterable[int], strides: Iterable[int]) -> bool:
    """Tell whether no two entries lie at the same address."""
    end = 1
    for stride, n in sorted(zip(strides, shape, strict=True)):
        if n > 1 and stride < end:
            return False
        end += (n - 1) * stride
    return True


VECTOR = Array()
"""A finite array of one axis."""
MATRIX = Array((2,))
"""A finite array of two axes."""
ANY_ARRAY, ANY_TENSOR = Array(None, DTYPES, finite=False), Tensor(None, TORCH_DTYPES, finite=False)
