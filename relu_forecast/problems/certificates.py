"""Certificates: how far a point is from the optimum, and over which networks; THEORY section 5."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from relu_forecast.storage import Number, stored

Scope = Literal["program", "network", "network-estimated"]
"""Over which networks a bound holds, see `Certificate`."""

_SCOPE_MEANING = {
    "program": "the bound covers all networks with the program's activation patterns and heads "
    "(rigorous)",
    "network": "the bound covers all networks of this architecture, of any width (rigorous)",
    "network-estimated": "estimated: the bound covers all networks of this architecture, as far "
    "as a multi-start search over neurons could see",
}


@stored(**dict.fromkeys(("objective", "dual_objective", "violation"), Number(finite=False)))
@dataclass(frozen=True)
class Certificate:
    """What is known about how far a point is from the optimum, and over which set.

    Attributes
    ----------
    scope : {"program", "network", "network-estimated"}
        ``"program"``: the bound holds for every network with the program's patterns and heads.
        ``"network"``: for every network of the architecture, whatever its width and patterns.
        ``"network-estimated"``: the same, as far as a multi-start search can see.
    objective : float
        Objective of the point, an upper bound on the optimum.
    dual_objective : float
        Lower bound on the optimum, within the scope.
    violation : float
        Largest ``|v'P(Ru)_+| / beta`` over the scope's neurons u with N(u) = 1, v being the
        residual: at most 1 at an optimum.
    """

    scope: Scope
    objective: float
    dual_objective: float
    violation: float

    @property
    def gap(self) -> float:
        """Relative duality gap, ``(objective - dual_objective) / objective``.

        Never negative; infinite where a bound is not a number, so that it proves nothing.
        """
        excess = self.objective - self.dual_objective
        if math.isnan(excess):
            return math.inf
        return max(0.0, excess) / max(self.objective, float(np.finfo(np.float64).tiny))

    def __str__(self) -> str:
        """Say the figures and what they mean in one sentence."""
        return (f"objective {self.objective:.6g}, lower bound {self.dual_objective:.6g}, "
                f"relative gap {self.gap:.1e}, worst violation {self.violation:.5f}; "
                f"{_SCOPE_MEANING[self.scope]}")
