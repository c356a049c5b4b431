"""Tensors without values on a device that need not be there, to be made in a `FakeTensorMode`."""

from __future__ import annotations

import torch

from relu_forecast.networks.features import Features
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.problems.linear_skip import LinearSkip

FAKE = "cuda" if torch.backends.cuda.is_built() else "meta"
"""Device of fake tensors: a build of torch without CUDA cannot even slice fake CUDA tensors."""


def fake(*shape, dtype=torch.float64):
    """Return a tensor without values on the device."""
    return torch.empty(shape, dtype=dtype, device=FAKE)


def faked(tensor, dtype=torch.float64):
    """Return a tensor as `fake`, of the same shape; whole numbers keep their dtype."""
    return fake(*tensor.shape, dtype=dtype if tensor.is_floating_point() else tensor.dtype)


def faked_features(features, dtype=torch.float64):
    """Return features whose every tensor is fake."""
    pooling = features.pooling
    return Features(faked(features.rows, dtype), features.n_samples,
                    GroupNorm(faked(features.norm.weights, dtype)),
                    None if pooling is None else faked(pooling, dtype))


def faked_skip(skip, dtype=torch.float64):
    """Return a linear skip whose every tensor is fake; None stays None."""
    return skip and LinearSkip(**{
        name: faked(part, dtype) if isinstance(part, torch.Tensor) else part
        for name, part in vars(skip).items()})
