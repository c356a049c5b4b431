from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.program import Certificate, ConvexProgram
from relu_forecast.solvers import solve

ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]


def data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def build(beta=0.5, *, seed=0, n_patterns=5, **options):
    X, y = data(seed=seed)
    return ConvexProgram(X, y, sample_patterns(X, n_patterns, seed), beta, **options)


def in_cones(program, seed):
    """Return blocks inside their cones: gates, scaled."""
    sizes = torch.tensor(np.random.default_rng(seed).random((program.n_blocks, 1)))
    copies = program.n_blocks // len(program.patterns)
    return sizes * program.patterns.gates.repeat(copies, 1)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
@settings(max_examples=5)
@given(seed=st.integers(0, 999))
def test_the_bounds_enclose_the_optimum_at_any_point_for_any_multipliers(activation, skip, seed):
    program = build(activation=activation, seed=seed, **skip)
    best = solve(program, tol=1e-9)
    generator = np.random.default_rng(seed)
    for size in (0.0, 0.1, 10.0):
        blocks = in_cones(program, seed + 1)
        multipliers = None
        if program.has_cones:
            multipliers = torch.tensor(size * generator.random((program.n_blocks, 14)))
        objective, dual, violation = program.bounds(blocks, multipliers)
        assert float(dual) <= best.objective * (1 + 1e-12)
        assert float(objective) >= best.dual_objective * (1 - 1e-12)
        assert float(violation) >= 0.0
        assert program.certificate(blocks, multipliers).gap >= 0.0


@settings(max_examples=10)
@given(seed=st.integers(0, 999), scale=st.floats(-8, 8))
def test_objective_scales_with_the_square_of_the_targets(seed, scale):
    c, program = 10.0**scale, build()
    scaled = ConvexProgram(program.X, c * program.y, program.patterns, c * program.beta)
    blocks = in_cones(program, seed)
    torch.testing.assert_close(
        scaled.objective(c * blocks), c**2 * program.objective(blocks), rtol=1e-10, atol=0.0)


@pytest.mark.parametrize("skip", SKIPS)
def test_the_objective_is_that_of_the_equation(skip):
    program = build(**skip)
    blocks = in_cones(program, 3)
    outputs = sum(
        float(sign) * mask * (program.X @ block) for sign, mask, block in zip(
            program.design.signs, program.design.masks.double(), blocks, strict=True))
    design = torch.cat([program.X, torch.ones(14, 1)], dim=1)
    ridge = skip.get("skip_penalty", 0.0) * torch.eye(4).double()
    ridge[-1, -1] = 0.0
    error = program.y - outputs
    weights = torch.linalg.solve(design.T @ design + ridge, design.T @ error)
    if not skip:
        weights = torch.zeros_like(weights)
    loss = 0.5 * (error - design @ weights).square().sum() + 0.5 * weights @ ridge @ weights
    penalty = 0.5 * sum(float(block.norm()) for block in blocks)
    torch.testing.assert_close(program.objective(blocks), loss + penalty)


@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_beta_max_is_exact(activation, skip):
    options = {"activation": activation, **skip}
    threshold = build(**options).beta_max()
    zero = build(**options).objective(torch.zeros(build(**options).n_blocks, 3).double())
    above = solve(build(1.001 * threshold, **options), tol=1e-12)
    below = solve(build(0.99 * threshold, **options), tol=1e-9)
    assert float(zero) <= above.objective * (1 + 1e-9)
    assert above.dual_objective >= float(zero) * (1 - 1e-9)
    assert below.objective < float(zero) * (1 - 1e-7)


def test_beta_max_with_cones_is_below_the_gated_value():
    assert build().beta_max() < build(activation="gated_relu").beta_max()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-8, 1e8])
def test_beta_max_scales_with_samples_and_targets(activation, scale):
    program = build(activation=activation)
    scaled = ConvexProgram(scale * program.X, program.y, program.patterns, 1.0,
                           activation=activation)
    assert np.isclose(scaled.beta_max(), scale * program.beta_max(), rtol=1e-9, atol=0.0)


def test_signs_give_each_pattern_one_block_of_its_sign():
    X, y = data()
    patterns = sample_patterns(X, 3, 0)
    program = ConvexProgram(X, y, patterns, 0.5, signs=[1, -1, 1])
    assert program.n_blocks == 3
    assert program.design.signs.tolist() == [1.0, -1.0, 1.0]
    assert torch.equal(program.design.masks, patterns.masks)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_signs_relu_patterns_have_both_and_gated_ones_are_free(activation):
    program = build(activation=activation)
    n_patterns = len(program.patterns)
    signs = [1.0] * n_patterns + ([-1.0] * n_patterns if activation == "relu" else [])
    assert program.design.signs.tolist() == signs


def test_fewer_signs_never_lower_the_optimum():
    X, y = data()
    patterns = sample_patterns(X, 3, 0)
    both = solve(ConvexProgram(X, y, patterns, 0.5)).objective
    one = solve(ConvexProgram(X, y, patterns, 0.5, signs=[1, -1, 1]), tol=1e-8).dual_objective
    assert both <= one * (1 + 1e-6)


def test_cone_violation_is_the_worst_margin_and_zero_for_gated():
    program = build()
    blocks = in_cones(program, 0)
    assert program.cone_violation(blocks) == 0.0
    outside = -blocks
    assert program.cone_violation(outside) == float(program.design.margins(blocks).max())
    assert build(activation="gated_relu").cone_violation(-program.patterns.gates) == 0.0


def test_to_changes_the_dtype_or_nothing():
    program = build(linear_skip=True, skip_penalty=1.0, signs=None)
    assert program.to(None, None) is program
    assert program.to("cpu", torch.float64) is program
    moved = program.to(None, torch.float32)
    assert {moved.X.dtype, moved.y.dtype, moved.patterns.gates.dtype} == {torch.float32}
    assert moved.skip_penalty == 1.0
    blocks = in_cones(program, 0)
    assert np.isclose(float(moved.objective(blocks.float())), float(program.objective(blocks)),
                      rtol=1e-5)


def test_to_keeps_the_signs():
    X, y = data()
    program = ConvexProgram(X, y, sample_patterns(X, 3, 0), 0.5, signs=[1, -1, 1])
    assert program.to(None, torch.float32).design.signs.tolist() == [1.0, -1.0, 1.0]


def test_lists_become_float64_and_tensors_keep_their_dtype():
    X, y = data()
    patterns = sample_patterns(X, 3, 0)
    assert ConvexProgram(X.tolist(), y.tolist(), patterns, 1.0).X.dtype == torch.float64
    assert ConvexProgram(X.float(), y, patterns, 1.0).y.dtype == torch.float32


def test_a_certificate_says_its_figures_and_its_scope():
    certificate = Certificate("program", 2.0, 1.5, 1.25)
    assert certificate.gap == 0.25
    assert "relative gap 2.5e-01" in str(certificate)
    assert "rigorous" in str(certificate)
    assert "estimated" in str(Certificate("network-estimated", 2.0, 1.5, 1.25))


def test_the_gap_of_rounding_is_zero_and_of_nan_is_not():
    assert Certificate("program", 1.0, 1.0 + 1e-15, 1.0).gap == 0.0
    assert not Certificate("program", 1.0, float("nan"), 1.0).gap <= 1.0


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
    "matrix y": ("y", {"y": [[1.0], [2.0], [3.0]]}),
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


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", SKIPS)
def test_zero_rows_and_zero_columns_change_nothing_but_the_loss(activation, skip):
    X, y = data()
    X[3], X[:, 1] = 0.0, 0.0
    program = ConvexProgram(X, y, sample_patterns(X, 5, 0), 0.3, activation=activation, **skip)
    solution = solve(program)
    assert solution.status == "optimal"
    assert solution.blocks[:, 1].abs().max() <= 1e-3 * solution.blocks.abs().max()
    rest = torch.arange(14) != 3
    smaller = ConvexProgram(
        X[rest], y[rest], ActivationPatterns(program.patterns.masks[:, rest],
                                             program.patterns.gates), 0.3,
        activation=activation, **skip)
    if not skip:
        expected = solve(smaller).objective + 0.5 * float(y[3]) ** 2
        assert np.isclose(solution.objective, expected, rtol=2e-6)
