"""Features that the tests of several parts of pricing share."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from relu_forecast.networks.architectures import Convolution
from relu_forecast.networks.features import Features
from relu_forecast.networks.fourier import fourier_coordinates, fourier_norm
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.windows.sliding import patches

KINDS = ["dense", "convolution", "circular"]
KINDS_OF_SITES = [*KINDS, "segments", "flatten"]


@pytest.fixture(params=KINDS, scope="session")
def kind(request: pytest.FixtureRequest) -> str:
    """Every kind of hidden layer in turn."""
    return request.param


@pytest.fixture(params=KINDS_OF_SITES, scope="session")
def kind_of_sites(request: pytest.FixtureRequest) -> str:
    """Every kind of hidden layer in turn, with one site and with several."""
    return request.param


@pytest.fixture(scope="session")
def gaussian() -> Callable[..., Tensor]:
    """Return a function that draws a Gaussian tensor."""
    return drawn


@pytest.fixture(scope="session")
def make() -> Callable[..., Features]:
    """Return a function that makes features whose blocks have d coordinates, the rows Gaussian."""
    return gaussian_features


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.as_tensor(np.random.default_rng(seed).standard_normal(shape))


def gaussian_features(kind: str, n: int, d: int, seed: int = 0) -> Features:
    if kind == "convolution":
        X = drawn(n, d + 2, seed=seed)
        return Features(patches(X, d).flatten(0, 1), n, GroupNorm.euclidean(X))
    if kind in ("segments", "flatten"):
        X = drawn(n, d + 2, seed=seed)
        return Convolution(d, sites=2 if kind == "segments" else "flatten").features(X)
    X = drawn(n, d, seed=seed)
    if kind == "dense":
        return Features(X, n, GroupNorm.euclidean(X))
    return Features(fourier_coordinates(X), n, fourier_norm(X))
