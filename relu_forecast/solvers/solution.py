"""What a solver returns."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.program import ConvexProgram

Status = Literal["optimal", "max_iter", "stalled", "interrupted"]
Callback = Callable[[int, Certificate], None]


def status_of(certificate: Certificate, tol: float, stalled: bool) -> Status:
    """Return how a solve ended."""
    if certificate.gap <= tol:
        return "optimal"
    return "stalled" if stalled else "max_iter"


@dataclass(frozen=True)
class Solution:
    """A point of a convex program with the proof of how good it is.

    Attributes
    ----------
    program : ConvexProgram
        What was solved.
    blocks : Tensor, shape (K, d)
        The blocks, inside their cones; blocks that the optimum does not use are exactly zero.
    certificate : Certificate
        Objective, dual bound, gap and scope.
    status : {"optimal", "max_iter", "stalled"}
        ``"optimal"``: the gap is within ``tol``. ``"max_iter"``: out of iterations; raise
        ``max_iter``. ``"stalled"``: rounding stopped progress; loosen ``tol`` or use float64.
    method : {"interior_point", "proximal", "cvxpy"}
        The solver that ran.
    n_iter : int
        Its iterations.
    seconds : float
        Its wall time.
    reason : str
        Why this solver, for example what it needs and what it may have.
    """

    program: ConvexProgram
    blocks: Float[Tensor, "K d"]
    certificate: Certificate
    status: Status
    method: str
    n_iter: int
    seconds: float = 0.0
    reason: str = ""

    @property
    def objective(self) -> float:
        """Objective (2) of `blocks`."""
        return self.certificate.objective

    @property
    def dual_objective(self) -> float:
        """Proven lower bound on the program's optimum."""
        return self.certificate.dual_objective

    @property
    def gap(self) -> float:
        """Relative duality gap."""
        return self.certificate.gap

    @property
    def n_neurons(self) -> int:
        """Number of non-zero blocks."""
        return int(self.used.sum())

    @property
    def used(self) -> Bool[Tensor, " K"]:
        """Which blocks are not zero."""
        return (self.blocks != 0).any(dim=1)

    def network(self) -> TwoLayerNetwork:
        """Recover the network; see `ConvexProgram.network`."""
        return self.program.network(self.blocks)

    def warn_unless_optimal(self, tol: float) -> Solution:
        """Warn with the gap and a remedy when the solve is unfinished; return self."""
        if self.status != "optimal":
            remedy = ("raise max_iter" if self.status == "max_iter"
                      else "loosen tol or solve in float64")
            warnings.warn(
                f"{self.method} stopped ({self.status}) after {self.n_iter} iterations with "
                f"relative gap {self.gap:.1e} > tol={tol:.1e}: {remedy}.",
                ConvergenceWarning, stacklevel=3)
        return self
