"""The rounds of a training: what has been reached, and what is proven of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.pricing.dual_point import DualPoints
from relu_forecast.training.pricing.priced import Pricing
from relu_forecast.training.settings import DualSettings

Progress = Callable[[int, Certificate], None]
"""Told of the round and of what is known so far; during long rounds more than once."""


@dataclass(frozen=True)
class Round:
    """A network in the units of the data, and what pricing says of it."""

    neurons: Neurons
    """Of any size; none for the linear part alone."""
    certificate: Certificate
    """Objective, lower bound and scope."""
    priced: Pricing
    """What the search for violating neurons found."""


class Rounds:
    """The best network and the best lower bound of the rounds so far, in the units of the data.

    Both may come from different rounds: their gap holds all the same.
    """

    def __init__(
        self, problem: Problem, linear: Pricing, settings: DualSettings, progress: Progress | None
    ) -> None:
        self.problem, self.progress = problem, progress
        self.points = DualPoints(problem, settings)
        self.points.add(problem.left_targets, linear)
        nothing = Neurons.none(problem.features, problem.n_targets)
        violation = linear.worst / problem.beta
        certificate = problem.certify(
            linear.scope, problem.left_targets, nothing.blocks, violation)
        self.last = self.best = Round(nothing, certificate, linear)
        self.number = 0

    def add(self, found: Round) -> None:
        """Add a network that was priced, and tell of it."""
        left = self.problem.left_of(found.neurons)
        self.points.add(left, found.priced)
        self.last = found
        if found.certificate.objective <= self.best.certificate.objective:
            self.best = found
        self._tell()

    def reach(self, neurons: Neurons) -> None:
        """Take note of a network on the way, in the midst of a round, and tell of it."""
        value = self.problem.objective_of(neurons)
        if value < self.best.certificate.objective:
            certificate = replace(self.best.certificate, objective=value)
            self.best = replace(self.best, neurons=neurons, certificate=certificate)
            self._tell()

    def _tell(self) -> None:
        """Report, if someone asked."""
        if self.progress is not None:
            self.progress(self.number, self.certificate)

    @property
    def certificate(self) -> Certificate:
        """What is known of the best network; an estimate that it refutes is lowered."""
        objective = self.best.certificate.objective
        bound = min(self.points.bound, objective)
        return replace(self.best.certificate, dual_objective=bound,
                       violation=self.last.certificate.violation,
                       scope=self.last.certificate.scope)

    @property
    def reached(self) -> Round:
        """The best network, its certificate, and the last pricing."""
        return Round(self.best.neurons, self.certificate, self.last.priced)
