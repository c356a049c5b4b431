"""Solvers of convex programs; they know nothing of architectures."""

from relu_forecast.solvers.heads import beta_max_over_heads, solve_with_heads
from relu_forecast.solvers.selection import METHODS, Method
from relu_forecast.solvers.settings import (
    BlockPricingSettings,
    GroupedSettings,
    HeadSettings,
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
    "GroupedSettings",
    "HeadSettings",
    "InteriorPointSettings",
    "Method",
    "ModelSettings",
    "ProximalSettings",
    "SelectionSettings",
    "Solution",
    "SolverSettings",
    "WorkingSetSettings",
    "beta_max_over_heads",
    "solve",
    "solve_with_heads",
]
