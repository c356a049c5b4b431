"""celer (Massias et al. 2018): group lasso by working sets and dual extrapolation.

Settings: tol (gap over ``||y||^2``).
"""

from __future__ import annotations

import importlib

from benchmarks.adapters.wide import group_lasso
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Import the package, which is compiled."""
    importlib.import_module("celer")


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Solve without intercept, groups weighed alike."""
    return group_lasso("celer", instance, settings)
