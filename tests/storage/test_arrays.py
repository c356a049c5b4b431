"""Arrays and tensors come back bit by bit, in the same order in memory."""

import numpy as np
import pytest
import torch

from relu_forecast.exceptions import InvalidTypeError
from relu_forecast.storage import MATRIX, VECTOR, Array, DamageError, Tensor
from relu_forecast.storage.arrays import ANY_ARRAY, ANY_TENSOR, DTYPES, TORCH_DTYPES
from relu_forecast.storage.encoding import Place

GRID = np.arange(12.0).reshape(3, 4)


def again(kind, value):
    """Write and read."""
    tensors = {}
    node = kind.encode(value, Place("x", tensors))
    return kind.decode(node, Place("x", tensors))


@pytest.mark.parametrize("dtype", DTYPES)
def test_dtypes_of_arrays(dtype):
    array = np.array([0, 1], dtype=dtype)
    assert again(ANY_ARRAY, array).dtype == array.dtype
    np.testing.assert_array_equal(again(ANY_ARRAY, array.astype(array.dtype.newbyteorder())), array)


@pytest.mark.parametrize("array", [
    GRID, GRID.T, np.asfortranarray(GRID), GRID[:, ::2], np.float64(3.0), np.empty((0, 3))])
def test_orders_of_arrays(array):
    found = again(Array(None), array)
    np.testing.assert_array_equal(found, array)
    assert found.flags.f_contiguous == np.asarray(array).flags.f_contiguous or (
        not np.asarray(array).flags.c_contiguous)


@pytest.mark.parametrize("tensor", [
    torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(3, 2).T,
    torch.arange(12.0).reshape(2, 6)[:, :5], torch.tensor(1.0), torch.empty(0, 3),
    torch.arange(9.0)[::2], torch.ones(1).expand(3, 2)])
def test_strides_of_tensors(tensor):
    found = again(ANY_TENSOR, tensor)
    assert torch.equal(found, tensor)
    if tensor.ndim == 2 and 0 not in tensor.stride() and tensor.numel():
        assert found.stride() == tensor.stride()


@pytest.mark.parametrize("dtype", TORCH_DTYPES)
def test_dtypes_of_tensors(dtype):
    tensor = torch.ones(2, dtype=dtype)
    assert again(ANY_TENSOR, tensor).dtype == dtype


@pytest.mark.parametrize(("kind", "node", "tensors", "match"), [
    (VECTOR, "C", {}, "among the tensors"), (VECTOR, "K", {"x": GRID[0]}, "the order"),
    (VECTOR, "C", {"x": GRID}, "dimensions"), (MATRIX, "C", {"x": GRID > 1}, "dtype"),
    (VECTOR, "C", {"x": np.array([np.nan])}, "finite"), (Tensor((1,)), [1], {"x": GRID}, "dim"),
    (Tensor((2,)), [1], {"x": GRID}, "stride per"), (Tensor((2,)), [4, 0], {"x": GRID}, "whole"),
    (Tensor((2,)), [1, 1], {"x": GRID}, "usable"), (Tensor((2,)), [10**9, 1], {"x": GRID}, "usab"),
    (Tensor((1,)), [1], {"x": np.array([np.inf])}, "finite"),
    (Tensor((1,)), [1], {"x": np.ones(2, dtype=np.int8)}, "dtype")])
def test_others_are_refused(kind, node, tensors, match):
    with pytest.raises(DamageError, match=match):
        kind.decode(node, Place("x", dict(tensors)))


@pytest.mark.parametrize(("kind", "value"), [
    (ANY_ARRAY, np.array(["x"])), (ANY_ARRAY, np.array([None])), (VECTOR, np.ones(2, bool)),
    (ANY_TENSOR, torch.ones(2, dtype=torch.complex64)), (ANY_TENSOR, torch.eye(2).to_sparse())])
def test_what_cannot_be_kept_is_refused(kind, value):
    with pytest.raises(InvalidTypeError):
        kind.encode(value, Place("x", {}))
