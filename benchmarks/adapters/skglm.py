"""skglm (Bertrand et al. 2022): group lasso by working sets, Anderson-accelerated descent.

Settings: tol (of its optimality condition).
"""

from __future__ import annotations

import importlib
import warnings
from typing import Any

from benchmarks.adapters.wide import wide_matrix
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Import the package; its loops are compiled by the warm-up."""
    importlib.import_module("skglm")


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Solve without intercept, groups weighed alike."""
    skglm: Any = importlib.import_module("skglm")
    n, d = instance.X.shape
    model = skglm.GroupLasso(
        d, alpha=instance.beta / n, tol=settings["tol"], fit_intercept=False, max_iter=1000,
        max_epochs=1_000_000)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an unfinished answer is graded as it is
        model.fit(wide_matrix(instance), instance.y)
    return Answer(blocks=model.coef_.reshape(-1, d),
                  notes={"iterations": model.n_iter_, "version": f"skglm {skglm.__version__}"})
