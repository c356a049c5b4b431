"""Solvers of convex programs; they know nothing of architectures."""

from relu_forecast.solvers.selection import METHODS, Method
from relu_forecast.solvers.settings import (
    BlockPricingSettings,
    InteriorPointSettings,
    ModelSettings,
    ProximalSettings,
    SelectionSettings,
    SolverSettings,
    WorkingSetSettings,
)
from relu_forecast.solvers.solution import Solution
from relu_forecast.solvers.solve import solve

__all__ = [
    "METHODS",
    "BlockPricingSettings",
    "InteriorPointSettings",
    "Method",
    "ModelSettings",
    "ProximalSettings",
    "SelectionSettings",
    "Solution",
    "SolverSettings",
    "WorkingSetSettings",
    "solve",
]
