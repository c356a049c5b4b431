"""What the convex program refuses, and what it says of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import solve


def data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def patterns_of(masks, gates):
    return ActivationPatterns(torch.tensor(masks), torch.tensor(gates, dtype=torch.float64))


SAMPLES = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
GOOD = patterns_of([[True, True, False]], [[1.0, 2.0]])
BAD_ARGUMENTS = {
    "NaN in X": ("X", {"X": [[1.0, np.nan], [0.0, 1.0], [1.0, 1.0]]}),
    "infinity in y": ("y", {"y": [1.0, np.inf, 0.0]}),
    "vector X": ("X", {"X": [1.0, 2.0, 3.0]}),
    "no rows": ("X", {"X": np.zeros((0, 2))}),
    "no columns": ("X", {"X": np.zeros((3, 0))}),
    "short y": ("y", {"y": [1.0, 2.0]}),
    "y without columns": ("y", {"y": np.ones((3, 0))}),
    "three axes of y": ("y", {"y": np.ones((3, 1, 1))}),
    "zero beta": ("beta", {"beta": 0.0}),
    "negative beta": ("beta", {"beta": -1.0}),
    "infinite beta": ("beta", {"beta": np.inf}),
    "unknown activation": ("activation", {"activation": "tanh"}),
    "ridge without skip": ("skip_penalty", {"skip_penalty": 1.0}),
    "negative ridge": ("skip_penalty", {"skip_penalty": -1.0, "linear_skip": True}),
    "no patterns": ("patterns", {"patterns": patterns_of(
        np.zeros((0, 3), dtype=bool), np.zeros((0, 2)))}),
    "masks of other rows": ("patterns", {"patterns": patterns_of([[True, True]], [[1.0, 2.0]])}),
    "gates of other width": ("patterns", {"patterns": patterns_of(
        [[True, True, False]], [[1.0, 2.0, 3.0]])}),
    "gate of another mask": ("patterns", {"patterns": patterns_of(
        [[True, False, False]], [[1.0, 2.0]])}),
    "gated gate of another mask": ("patterns", {"activation": "gated_relu", "patterns": patterns_of(
        [[True, False, False]], [[1.0, 2.0]])}),
    "gate on a boundary": ("patterns", {"patterns": patterns_of(
        [[True, True, False]], [[1.0, 0.0]])}),
    "zero gate with cones": ("patterns", {"patterns": patterns_of(
        [[True, True, True]], [[0.0, 0.0]])}),
    "patterns of patches": ("patterns", {"patterns": patterns_of(
        [[[True], [True], [False]]], [[1.0]])}),
    "patterns of windows": ("patterns", {"X": np.ones((3, 2, 2))}),
    "circular patches": ("X", {"X": np.ones((3, 2, 2)), "circular": True}),
    "circular and an architecture": ("circular", {"circular": True, "architecture": Circular()}),
    "patterns without the constant": ("patterns", {"architecture": Dense(True)}),
    "patterns of whole windows": ("patterns", {"architecture": Convolution(1)}),
    "filter longer than the window": ("filter_size", {"architecture": Convolution(3)}),
    "stride of zero": ("stride", {"architecture": Convolution(1, 0)}),
    "negative stride": ("stride", {"architecture": Convolution(1, -1)}),
    "dense network of patches": ("X", {"X": np.ones((3, 2, 2)), "architecture": Dense()}),
    "circular network of patches": ("X", {"X": np.ones((3, 2, 2)), "architecture": Circular()}),
    "patches that are windows": ("X", {"architecture": Convolution(None)}),
    "filter on patches": ("X", {"X": np.ones((3, 2, 2)), "architecture": Convolution(2)}),
    "four-dimensional X": ("X", {"X": np.ones((3, 1, 1, 2))}),
    "signs of other length": ("signs", {"signs": [1, -1]}),
    "sign of zero": ("signs", {"signs": [0]}),
}


@pytest.mark.parametrize("name", list(BAD_ARGUMENTS))
def test_bad_arguments_are_named(name):
    argument, change = BAD_ARGUMENTS[name]
    good = {"X": SAMPLES, "y": [1.0, 2.0, 3.0], "patterns": GOOD, "beta": 1.0}
    with pytest.raises(InvalidArgumentError) as caught:
        ConvexProgram(**{**good, **change})
    assert caught.value.argument == argument


def test_beta_of_another_type_is_a_type_error():
    with pytest.raises(InvalidTypeError, match="^beta must be a number"):
        ConvexProgram(SAMPLES, [1.0, 2.0, 3.0], GOOD, "1")


def test_a_gated_gate_may_lie_on_a_boundary():
    gates = patterns_of([[True, True, False]], [[1.0, 0.0]])
    program = ConvexProgram(SAMPLES, [1.0, 2.0, 3.0], gates, 0.1, activation="gated_relu")
    assert solve(program).status == "optimal"


@pytest.mark.parametrize("value", ["conv", Circular, 3])
def test_what_is_no_architecture_is_refused(value):
    X, y = data()
    with pytest.raises(InvalidTypeError, match="^architecture must be of type Architecture"):
        ConvexProgram(X, y, sample_patterns(X, 5, 0), 0.1, architecture=value)


def test_what_are_no_patterns_is_refused():
    X, y = data()
    drawn = sample_patterns(X, 5, 0)
    for value in (None, "exact", drawn.masks):
        with pytest.raises(InvalidTypeError, match="^patterns must be of type"):
            ConvexProgram(X, y, value, 0.1)
    broken = ActivationPatterns(drawn.masks, drawn.gates * float("nan"))
    with pytest.raises(InvalidArgumentError, match="^patterns must be boolean masks and finite"):
        ConvexProgram(X, y, broken, 0.1)


def test_a_gate_on_a_boundary_up_to_rounding_is_refused():
    X, y = data()
    gate = torch.linalg.svd(X[:1]).Vh[1:2]
    patterns = ActivationPatterns.from_gates(X, gate)
    with pytest.raises(InvalidArgumentError, match="strictly inside"):
        ConvexProgram(X, y, patterns, 0.1)
