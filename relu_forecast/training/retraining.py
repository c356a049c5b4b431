"""Training again after samples have joined or left: from what was found before.

A walk-forward evaluation trains hundreds of times on nearly the same samples. The neurons of one
training, and the ends of its search, are nearly those of the next: the neurons settle, the search
starts where it ended, and what it finds joins.
"""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.problems.neurons import Neurons
from relu_forecast.problems.problem import Problem
from relu_forecast.training.newton import move_neurons
from relu_forecast.training.pricing.priced import PricedNeurons, Pricing
from relu_forecast.training.rounds import Progress, Round
from relu_forecast.training.settings import TrainingSettings
from relu_forecast.training.sizing import resize
from relu_forecast.training.train import Trainer, Training
from relu_forecast.training.warm_start import WarmStart


def reprice_linear(trainer: Trainer, warm_start: WarmStart) -> Pricing:
    """Price the network without neurons, from where an earlier search ended and a few others."""
    settings = trainer.effort.settings.retraining
    return trainer.pricer.reprice_linear(
        trainer.task.linear_residual, warm_start.linear_ends, settings.linear_starts,
        settings.finished, trainer.effort.seed)


def retrain(
    trainer: Trainer, beta: float, linear: Pricing, warm_start: WarmStart,
    progress: Progress | None = None
) -> Training:
    """Train from what an earlier training on similar samples left behind.

    Where a few rounds do not reach the tolerance, `Trainer.train` takes over from the network
    reached; with several targets or sites it does from the start. The warm start must be on the
    device and in the dtype of the task. ``progress`` is told of each round, as by `Trainer.train`.
    """
    if linear.worst <= beta:
        return trainer.train_linear(linear, beta)
    effort, settings = trainer.effort, trainer.effort.settings
    generator, own = np.random.default_rng(effort.seed), trainer.task.problem(beta)
    if not trainer.task.has_signs:
        return trainer.train(beta, linear, start=warm_start.neurons, progress=progress)
    problem, widths = own.standardised(), settings.retraining
    neurons = _joined(problem, warm_start.neurons.scaled(1 / problem.unit), warm_start.ends,
                      widths.width, settings)
    for n_rounds in range(1, widths.most_rounds + 1):
        scaled = neurons.scaled(problem.unit)
        left = own.left_of(scaled)
        priced = _price_again(
            trainer, left[: len(own.targets)], scaled, warm_start.ends, generator)
        certificate = own.certify(priced.scope, left, scaled.blocks, priced.worst / beta)
        if progress is not None:
            progress(n_rounds, certificate)
        if certificate.gap <= effort.tol:
            return trainer.conclude(own, Round(scaled, certificate, priced), n_rounds)
        width = max(widths.width, min(certificate.gap, widths.widest))
        neurons = _joined(problem, neurons, priced.found.directions, width, settings)
    return trainer.train(
        beta, linear, start=neurons.scaled(problem.unit), progress=progress)


def _price_again(
    trainer: Trainer, residual: Float[Tensor, "n C"], neurons: Neurons,
    ends: Float[Tensor, "k c"], generator: np.random.Generator
) -> Pricing:
    """Price all neurons where that is cheap, else those near earlier ends and a few others."""
    settings = trainer.effort.settings.retraining
    if trainer.pricer.is_cheap:
        return trainer.pricer.price_all(residual)
    return trainer.pricer.search_near(residual, neurons, settings.starts, generator,
                                      ends=ends, n_finished=settings.finished,
                                      gap=trainer.effort.tol)


def _joined(
    problem: Problem, neurons: Neurons, directions: Float[Tensor, "k c"], width: float,
    settings: TrainingSettings
) -> Neurons:
    """Return the network after those of some neurons that help have joined, and all have moved."""
    features, residual = problem.features, problem.residual_of(neurons)
    plus, own = torch.ones_like(directions[:, :1]), settings.retraining
    worth = PricedNeurons(directions, plus, plus[:, 0]).revalued(features, residual)
    signed = PricedNeurons(worth.directions, worth.values.sign()[:, None], worth.values.abs())
    new = signed.best_first().distinct(features, own.worth_joining * problem.beta,
                                       settings.search.most_joining, settings.pricing)
    moved = move_neurons(problem, resize(problem, neurons.joined(new.neurons)), width,
                         own.narrowest, own.newton_steps, settings.newton)
    return resize(problem, moved)
