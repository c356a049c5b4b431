"""Samples that the tests of regressors share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Data = tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]


def bent(n: int = 60, seed: int = 0) -> Data:
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n, 3))
    y = np.abs(X[:, 0]) - np.maximum(X[:, 1] + X[:, 2], 0.3) + 0.05 * generator.standard_normal(n)
    return X, y
