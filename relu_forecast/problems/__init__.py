"""The optimisation problem: its loss and bound, and the convex program on given patterns."""

from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.problem import Problem
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import Activation, TrainingTask

__all__ = ["Activation", "Certificate", "ConvexProgram", "Problem", "Scope", "TrainingTask"]
