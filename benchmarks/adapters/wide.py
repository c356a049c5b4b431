"""A gated program as the group lasso it is: the wide matrix (n, P d) of all gated columns."""

from __future__ import annotations

import numpy as np

from benchmarks.instances import Floats, Instance


def require_group_lasso(instance: Instance) -> None:
    """Refuse programs that are more than a group lasso."""
    if instance.has_cones or instance.circular:
        raise ValueError("a group lasso has no cones, and one norm per block")


def wide_matrix(instance: Instance) -> Floats:
    """Return ``[D_1 X, ..., D_P X]`` in the column order that coordinate descent wants."""
    require_group_lasso(instance)
    n, d = instance.X.shape
    columns = np.empty((len(instance.masks), d, n))
    np.multiply(instance.masks[:, None, :], instance.X.T[None], out=columns)
    return columns.reshape(-1, n).T
