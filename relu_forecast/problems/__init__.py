"""The optimisation problem: its loss and bound, and the convex program on given patterns."""

from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.program import Activation, ConvexProgram

__all__ = ["Activation", "Certificate", "ConvexProgram", "Scope"]
