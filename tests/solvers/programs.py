"""Small programs that the tests of all solvers share."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from relu_forecast.datasets import load_ecg
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers.cones import OwnRows
from relu_forecast.solvers.pricing.relaxations import Relaxations
from relu_forecast.windows.sliding import hankel
from tests.fakes import faked, faked_features, faked_skip

ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
ARCHITECTURES = {
    "dense": (Dense(), 3), "constant": (Dense(True), 3), "patches": (Convolution(2), 4),
    "stride, constant": (Convolution(2, 2, True), 4), "circular, odd": (Circular(), 3),
    "circular, even": (Circular(), 4), "circular, two samples": (Circular(), 2)}
"""By name, with the entries of a sample."""
MANY = {
    "dense": (Dense(True), 3), "one site": (Convolution(2), 4),
    "two sites": (Convolution(2, 1, True, 2), 5),
    "every site": (Convolution(2, sites="flatten"), 4), "circular": (Circular(), 4)}
"""For many targets, with the entries of a sample."""
WINDOWED = {"dense": Dense(), "constant": Dense(True), "conv": Convolution(3),
            "circular": Circular()}


def gaussian(*shape, seed=0):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape))


def gaussian_data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def random_program(beta=0.3, *, name="dense", n=14, seed=0, n_patterns=5, **options):
    """Return a program of Gaussian samples and targets."""
    architecture, d = ARCHITECTURES[name]
    X, y = gaussian_data(n, d, seed)
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, seed)
    return ConvexProgram(X, y, patterns, beta, architecture=architecture, **options)


def many_targets(*, name="dense", n=14, seed=0, n_patterns=4, n_targets=3, **options):
    """Return a task of Gaussian samples and targets, and patterns of it."""
    architecture, d = MANY[name]
    X, Y = gaussian(n, d, seed=seed), gaussian(n, n_targets, seed=seed + 1000)
    task = TrainingTask(X, Y, architecture, **options, is_vector=False)
    return task, sample_patterns(task.gate_inputs, n_patterns, seed)


def pairs_program(beta=0.3, *, name="dense", seed=0, **options):
    """Return a program of Gaussian samples, targets and heads, two heads for each pattern."""
    task, patterns = many_targets(name=name, seed=seed, **options)
    twice = ActivationPatterns(patterns.masks.repeat(2, 1), patterns.gates.repeat(2, 1))
    heads = gaussian(len(twice), task.features.n_sites * task.n_targets, seed=seed + 2000)
    return ConvexProgram.of(task, twice, beta, heads=heads)


def random_relaxations(count, n_rows, d):
    """Return relaxations of Gaussian rows and targets; the points inside are Gaussian as well."""
    generator = np.random.default_rng(0)
    rows, inner, targets = (torch.tensor(generator.standard_normal(shape)) for shape in (
        (count, n_rows, d), (count, d), (count, d)))
    signs = (rows @ inner[:, :, None]).sign()
    present = torch.ones(count, n_rows, dtype=torch.bool)
    return Relaxations(OwnRows(signs * rows, present), targets, inner)


def windows(n, lags, start=0):
    """Return standardised windows of the ECG, and the samples after them."""
    values = load_ecg().to_numpy()[start : start + n + lags]
    X, y = hankel((values - values.mean()) / values.std(), lags)
    return torch.tensor(X), torch.tensor(y)


def window_program(name="dense", *, n, lags, n_patterns, ratio, activation="relu", **skip):
    """Return a program of windows of the ECG, with beta a share of that of a gated network."""
    architecture = WINDOWED[name]
    X, y = windows(n, lags)
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, 0)
    gated = ConvexProgram(X, y, patterns, 1.0, activation="gated_relu",
                          architecture=architecture, **skip)
    return ConvexProgram(X, y, patterns, ratio * gated.beta_max(), architecture=architecture,
                         activation=activation, **skip)


def checked(program):
    """Return a program that has computed all that it computes on the host."""
    assert bool(program.cone_rows.all())
    assert bool(program.gates.any())
    assert (program.skip is None) != program.task.linear_skip
    return program


def faked_program(program, dtype=torch.float64):
    """Return a checked program whose every tensor is fake, to be called in a fake mode."""
    def move(tensor):
        return faked(tensor, dtype)

    task, design = program.task, program.design
    parts = {
        "task": replace(task, X=move(task.X), targets=move(task.targets)),
        "targets": move(program.targets), "gates": move(program.gates),
        "cone_rows": move(program.cone_rows),
        "features": faked_features(program.features, dtype),
        "patterns": ActivationPatterns(
            move(program.patterns.masks), move(program.patterns.gates)),
        "skip": faked_skip(program.skip, dtype)}
    parts["task"].__dict__.update({name: parts[name] for name in ("features", "skip")})
    parts["design"] = Design(parts["features"], move(design.masks), move(design.heads))
    copy = object.__new__(ConvexProgram)
    for name in ("beta", "unit", "_has_all_signs"):
        parts[name] = getattr(program, name)
    copy.__dict__.update(parts)
    return copy


def tensors_of(value):
    """Return all tensors in a dataclass of tensors and dataclasses."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for part in vars(value).values() if not isinstance(part, (int, float, bool))
            for tensor in tensors_of(part)]
