"""A gated program as the group lasso it is: the wide matrix (n, P d) of all gated columns."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np

from benchmarks.instances import Floats, Instance
from benchmarks.jobs import Answer, Settings


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


def group_lasso(package: str, instance: Instance, settings: Settings) -> Answer:
    """Solve by a package that has scikit-learn's way: no intercept, groups weighed alike."""
    module: Any = importlib.import_module(package)
    n, d = instance.X.shape
    model = module.GroupLasso(
        d, alpha=instance.beta / n, tol=settings["tol"], fit_intercept=False, max_iter=1000,
        max_epochs=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unfinished answer is graded as it is
        model.fit(wide_matrix(instance), instance.y)
    return Answer(blocks=model.coef_.reshape(-1, d),
                  notes={"iterations": model.n_iter_, "version": f"{package} {module.__version__}"})
