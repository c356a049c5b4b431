"""The convex program: its objective, bounds, largest penalty and scope."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Circular, Convolution
from relu_forecast.networks.fourier import fourier_coordinates
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import solve
from relu_forecast.windows.sliding import patches
from tests.pairs import in_pairs
from tests.problems.programs import (
    ACTIVATIONS,
    ARCHITECTURES,
    SKIPS,
    build,
    data,
    every_architecture,
    in_cones,
)


@pytest.mark.parametrize(
    ("name", "activation", "skip"), in_pairs(ARCHITECTURES, ACTIVATIONS, SKIPS[::2]))
@settings(max_examples=1)
@given(seed=st.integers(0, 999))
def test_the_bounds_enclose_the_optimum_at_any_point_for_any_multipliers(
    name, activation, skip, seed
):
    program = build(name=name, activation=activation, seed=seed, **skip)
    best = solve(program, tol=1e-9)
    generator = np.random.default_rng(seed)
    for size in (0.0, 0.1, 10.0):
        blocks = in_cones(program, seed + 1)
        multipliers = None
        if program.has_cones:
            multipliers = torch.tensor(size * generator.random(program.design.masks.shape))
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


def spectrum_norm(architecture, block, gate):
    """Return the norm of a block from its gate: Euclidean, or ``||F z||_1 / sqrt(d)``."""
    if not isinstance(architecture, Circular):
        return float(block.norm())
    scale = float(block.norm() / gate.norm())
    return scale * np.abs(np.fft.fft(gate.numpy(), norm="ortho")).sum() / len(gate) ** 0.5


@pytest.mark.parametrize("skip", SKIPS)
@every_architecture
def test_the_objective_is_that_of_the_equation(name, skip):
    program = build(name=name, **skip)
    blocks = in_cones(program, 3)
    rows = program.task.architecture.gate_inputs(program.X)
    gates, outputs, penalty = program.patterns.gates.repeat(2, 1), torch.zeros(14).double(), 0.0
    for k, block in enumerate(blocks):
        neuron = float(block.norm() / gates[k].norm()) * gates[k]
        active = program.design.masks[k].double() * (rows @ neuron)
        outputs += program.design.heads[k, 0] * active.reshape(14, -1).sum(1)
        penalty += 0.5 * spectrum_norm(program.task.architecture, block, gates[k])
    X = torch.cat([program.X, torch.ones(14, 1)], dim=1)
    ridge = skip.get("skip_penalty", 0.0) * torch.eye(X.shape[1]).double()
    ridge[-1, -1] = 0.0
    error = program.y - outputs
    weights = torch.linalg.solve(X.T @ X + ridge, X.T @ error)
    if not skip:
        weights = torch.zeros_like(weights)
    loss = 0.5 * (error - X @ weights).square().sum() + 0.5 * weights @ ridge @ weights
    torch.testing.assert_close(program.objective(blocks), loss + penalty)


@pytest.mark.parametrize(
    ("name", "activation", "skip"), in_pairs(ARCHITECTURES, ACTIVATIONS, SKIPS[::2]))
def test_beta_max_is_exact(name, activation, skip):
    options = {"name": name, "activation": activation, "n_patterns": 4, **skip}
    program = build(**options)
    threshold = program.beta_max()
    zero = float(program.objective(torch.zeros_like(program.gates)))
    above = solve(build(1.001 * threshold, **options), tol=1e-8)
    below = solve(build(0.99 * threshold, **options), tol=1e-8)
    assert zero == pytest.approx(above.objective, rel=1e-12)
    assert above.dual_objective >= zero * (1 - 1e-8)
    assert below.objective < zero * (1 - 1e-7)


@every_architecture
def test_beta_max_with_cones_is_below_the_gated_value(name):
    assert build(name=name).beta_max() < build(name=name, activation="gated_relu").beta_max()


def test_beta_max_of_all_patterns_is_the_largest_pairing_with_a_neuron():
    X, y = data(n=7, d=2)
    threshold = ConvexProgram(X, y, enumerate_patterns(X), 1.0).beta_max()
    angles = np.linspace(0, 2 * np.pi, 20001)
    u = torch.tensor(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    pairings = ((X @ u.T).clamp_min(0.0).T @ y).abs()
    assert float(pairings.amax()) == pytest.approx(threshold, rel=1e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("scale", [1e-8, 1e8])
@pytest.mark.parametrize("name", ["dense", "stride", "circular, even"])
def test_beta_max_scales_with_samples_and_targets(name, activation, scale):
    program = build(name=name, activation=activation)
    if name == "stride":  # a constant input has units of its own
        cut = patches(program.X, 2, 2)
        program = ConvexProgram(cut, program.y, sample_patterns(cut, 5, 0), 1.0,
                                activation=activation)
    options = {"activation": activation, "architecture": program.task.architecture}
    samples = ConvexProgram(scale * program.X, program.y, program.patterns, 1.0, **options)
    targets = ConvexProgram(program.X, scale * program.y, program.patterns, 1.0, **options)
    expected = scale * program.beta_max()
    assert samples.beta_max() == pytest.approx(expected, rel=1e-7)
    assert targets.beta_max() == pytest.approx(expected, rel=1e-7)


def test_signs_give_each_pattern_one_block_of_its_sign():
    X, y = data()
    patterns = sample_patterns(X, 3, 0)
    program = ConvexProgram(X, y, patterns, 0.5, signs=[1, -1, 1])
    assert program.n_blocks == 3
    assert program.design.heads[:, 0].tolist() == [1.0, -1.0, 1.0]
    assert torch.equal(program.design.masks, patterns.masks)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_without_signs_relu_patterns_have_both_and_gated_ones_are_free(activation):
    program = build(activation=activation)
    n_patterns = len(program.patterns)
    signs = [1.0] * n_patterns + ([-1.0] * n_patterns if activation == "relu" else [])
    assert program.design.heads[:, 0].tolist() == signs


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


@every_architecture
def test_to_changes_the_dtype_or_nothing(name):
    program = build(name=name, linear_skip=True, skip_penalty=1.0, signs=None)
    assert program.to(None, None) is program
    assert program.to("cpu", torch.float64) is program
    moved = program.to(None, torch.float32)
    assert {moved.X.dtype, moved.y.dtype, moved.patterns.gates.dtype} == {torch.float32}
    assert moved.task.skip_penalty == 1.0
    assert moved.task.architecture is program.task.architecture
    blocks = in_cones(program, 0)
    assert moved.features.rows.dtype == moved.norm.weights.dtype == torch.float32
    assert np.isclose(float(moved.objective(blocks.float())), float(program.objective(blocks)),
                      rtol=1e-5)


def test_to_keeps_the_signs():
    X, y = data()
    program = ConvexProgram(X, y, sample_patterns(X, 3, 0), 0.5, signs=[1, -1, 1])
    assert program.to(None, torch.float32).design.heads[:, 0].tolist() == [1.0, -1.0, 1.0]


def test_lists_become_float64_and_tensors_keep_their_dtype():
    X, y = data()
    patterns = sample_patterns(X, 3, 0)
    assert ConvexProgram(X.tolist(), y.tolist(), patterns, 1.0).X.dtype == torch.float64
    assert ConvexProgram(X.float(), y, patterns, 1.0).y.dtype == torch.float32


@pytest.mark.parametrize(
    ("name", "activation", "skip"), in_pairs(["dense", "circular, odd"], ACTIVATIONS, SKIPS))
def test_a_zero_row_changes_nothing_but_the_loss(name, activation, skip):
    X, y = data()
    X[3] = 0.0
    options = {"activation": activation, "architecture": ARCHITECTURES[name][0], **skip}
    program = ConvexProgram(X, y, sample_patterns(X, 5, 0), 0.3, **options)
    solution = solve(program)
    assert solution.status == "optimal"
    if skip:
        return
    rest = torch.arange(14) != 3
    fewer = ActivationPatterns(program.patterns.masks[:, rest], program.patterns.gates)
    smaller = ConvexProgram(X[rest], y[rest], fewer, 0.3, **options)
    expected = solve(smaller).objective + 0.5 * float(y[3]) ** 2
    assert solution.objective == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", SKIPS)
def test_a_zero_column_has_no_weights(activation, skip):
    X, y = data()
    X[:, 1] = 0.0
    program = ConvexProgram(X, y, sample_patterns(X, 5, 0), 0.3, activation=activation, **skip)
    solution = solve(program)
    assert solution.status == "optimal"
    assert solution.blocks[:, 1].abs().max() <= 1e-3 * solution.blocks.abs().max()
    kept = ActivationPatterns(program.patterns.masks, program.patterns.gates[:, [0, 2]])
    smaller = ConvexProgram(X[:, [0, 2]], y, kept, 0.3, activation=activation, **skip)
    assert solution.objective == pytest.approx(solve(smaller).objective, rel=2e-6)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["stride", "circular, even"])
def test_a_zero_column_of_windows_is_solved_by_every_architecture(name, activation):
    architecture, d = ARCHITECTURES[name]
    X, y = data(d=d)
    X[:, 1] = 0.0
    patterns = sample_patterns(architecture.gate_inputs(X), 5, 0)
    for skip in SKIPS:
        program = ConvexProgram(X, y, patterns, 0.3, activation=activation,
                                architecture=architecture, **skip)
        assert solve(program).status == "optimal"


@every_architecture
def test_complete_patterns_give_the_bound_the_scope_of_the_network(name):
    architecture, d = ARCHITECTURES[name]
    X, y = data(n=4, d=d)
    every = enumerate_patterns(architecture.gate_inputs(X))
    some = ActivationPatterns(every.masks[:3], every.gates[:3])

    def scope(patterns, **options):
        return ConvexProgram(X, y, patterns, 0.3, architecture=architecture, **options).scope

    assert scope(every) == "network"
    assert scope(every, activation="gated_relu") == "program"  # a gate of zero is always open
    assert scope(every, signs=[1] * len(every)) == scope(some) == "program"
    other = ConvexProgram(X * 1.001, y, every, 0.3, architecture=architecture)
    assert other.scope == "program"  # its gates fit, but nobody counted the cells of these rows
    solution = solve(ConvexProgram(X, y, every, 0.3, architecture=architecture))
    assert solution.certificate.scope == "network"
    # Cells too thin for float32 are left out there, so the proof is one of float64.
    assert solution.program.to(None, torch.float32).scope == "program"


def test_gates_of_circular_blocks_are_their_fourier_coordinates():
    program = build(name="circular, odd")
    expected = fourier_coordinates(program.patterns.gates).repeat(2, 1)
    torch.testing.assert_close(program.gates, expected)
    torch.testing.assert_close(program.design.margins(program.gates) >= 0,
                               torch.ones(program.design.masks.shape, dtype=torch.bool))


def test_circular_is_the_circular_architecture_and_patches_are_a_convolution():
    X, y = data(d=4)
    patterns = sample_patterns(X, 4, 0)
    short = ConvexProgram(X, y, patterns, 0.3, circular=True)
    assert short.task.architecture == Circular()
    cut = patches(X, 2)
    given_patches = ConvexProgram(cut, y, sample_patterns(cut, 4, 0), 0.3)
    windows = ConvexProgram(X, y, sample_patterns(cut.flatten(0, 1), 4, 0), 0.3,
                            architecture=Convolution(2))
    assert solve(given_patches).objective == pytest.approx(solve(windows).objective, rel=2e-6)


@pytest.mark.parametrize("activation", ["relu", "gated_relu"])
def test_a_program_on_other_patterns_is_the_program_built_anew(activation):
    generator = np.random.default_rng(3)
    X, y = generator.standard_normal((20, 3)), generator.standard_normal(20)
    first, second = sample_patterns(X, 5, 0), sample_patterns(X, 7, 1)
    base = ConvexProgram(X, y, first, 0.5, activation=activation, linear_skip=True)
    before, kept = base.gates.clone(), base.skip
    signs = torch.ones(len(second)).double()
    shared = base.on(second, 0.2, signs)
    anew = ConvexProgram(X, y, second, 0.2, activation=activation, linear_skip=True, signs=signs)
    blocks = torch.as_tensor(generator.standard_normal((len(second), 3)))
    assert shared.skip is kept
    assert torch.equal(shared.objective(blocks), anew.objective(blocks))
    assert torch.equal(shared.gates, anew.gates)
    assert torch.equal(base.gates, before)
    with pytest.raises(InvalidArgumentError, match="^patterns must be made by gates"):
        base.on(ActivationPatterns(~second.masks, second.gates), 0.2)
