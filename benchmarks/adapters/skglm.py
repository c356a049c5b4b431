"""skglm (Bertrand et al. 2022): group lasso by working sets, Anderson-accelerated descent.

Settings: tol (of its optimality condition).
"""

from __future__ import annotations

import importlib

from benchmarks.adapters.wide import group_lasso
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Import the package; its loops are compiled by the warm-up."""
    importlib.import_module("skglm")


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Solve without intercept, groups weighed alike."""
    return group_lasso("skglm", instance, settings)
