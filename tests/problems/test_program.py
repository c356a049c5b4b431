from __future__ import annotations

import cvxpy as cp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.networks.fourier import fourier_coordinates
from relu_forecast.patterns.arrangements import (
    ActivationPatterns,
    enumerate_patterns,
    sample_patterns,
)
from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.problems.task import TrainingTask
from relu_forecast.solvers import solve
from relu_forecast.windows.sliding import patches

ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
ARCHITECTURES = {
    "dense": (Dense(), 3), "constant": (Dense(True), 2), "patches": (Convolution(2), 4),
    "stride": (Convolution(2, 2, True), 4), "circular, odd": (Circular(), 3),
    "circular, even": (Circular(), 4)}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))


def data(n=14, d=3, seed=0):
    generator = np.random.default_rng(seed)
    return torch.tensor(generator.standard_normal((n, d))), torch.tensor(
        generator.standard_normal(n))


def build(beta=0.5, *, name="dense", seed=0, n_patterns=5, **options):
    architecture, d = ARCHITECTURES[name]
    X, y = data(d=d, seed=seed)
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, seed)
    return ConvexProgram(X, y, patterns, beta, architecture=architecture, **options)


def in_cones(program, seed):
    """Return blocks inside their cones: gates, scaled."""
    sizes = torch.tensor(np.random.default_rng(seed).random((program.n_blocks, 1)))
    return sizes * program.gates


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@every_architecture
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


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@every_architecture
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


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", SKIPS)
@pytest.mark.parametrize("name", ["dense", "circular, odd"])
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


class TwoTargets:
    """A program of two targets and given heads, and what it is, written out in NumPy."""

    def __init__(self, name, activation="relu", **options):
        base = build(name=name, activation=activation, n_patterns=4, **options)
        generator = np.random.default_rng(5)
        targets = torch.tensor(generator.standard_normal((14, 2)))
        heads = torch.tensor(generator.standard_normal((base.n_blocks, 2)))
        task = TrainingTask(base.X, targets, base.task.architecture, activation,
                            base.task.linear_skip, base.task.skip_penalty)
        design = Design(task.features, base.design.masks, heads / heads.norm(dim=1, keepdim=True))
        self.program = ConvexProgram.__new__(ConvexProgram)
        self.program._assemble(task, base.patterns, design, 0.5, has_all_signs=False)
        X = np.c_[base.X.numpy(), np.ones(14)]
        ridge = base.task.skip_penalty * np.diag([1.0] * (X.shape[1] - 1) + [0.0])
        self.M = np.eye(14)
        if base.task.linear_skip:
            self.M -= X @ np.linalg.solve(X.T @ X + ridge, X.T)
        rows, masks = task.features.rows.numpy(), base.design.masks.numpy()
        self.columns = np.stack([  # (K, n, d), one matrix per block
            (mask[:, None] * rows).reshape(14, -1, rows.shape[1]).sum(1) for mask in masks])
        self.heads, self.targets = design.heads.numpy(), targets.numpy()

    def error(self, blocks):
        outputs = np.einsum("kni,ki,kc->nc", self.columns, blocks.numpy(), self.heads)
        return self.targets - outputs

    def optimum(self):
        """Return the least objective over blocks in their cones, by CVXPY."""
        program = self.program
        blocks = cp.Variable(program.gates.shape)
        fitted = sum((self.columns[k] @ blocks[k])[:, None] @ self.heads[k][None]
                     for k in range(program.n_blocks))
        root = np.linalg.cholesky(self.M + 1e-13 * np.eye(14)).T
        norm, size = program.norm, blocks.shape[1] // program.norm.n_groups
        weights = norm.weights.numpy()
        penalty = sum(weights[g] * cp.sum(cp.norm(blocks[:, g * size:(g + 1) * size], 2, axis=1))
                      for g in range(norm.n_groups))
        sides = 2.0 * program.design.masks.numpy() - 1
        cones = [cp.multiply(sides, blocks @ program.features.rows.numpy().T) >= 0]
        problem = cp.Problem(
            cp.Minimize(cp.sum_squares(root @ (self.targets - fitted)) / 2 + 0.5 * penalty),
            cones if program.has_cones else [])
        return problem.solve(solver=cp.CLARABEL), torch.tensor(blocks.value)


@pytest.mark.parametrize("skip", SKIPS)
@every_architecture
def test_two_targets_have_the_algebra_of_the_equation(name, skip):
    own = TwoTargets(name, **skip)
    program, blocks = own.program, in_cones(own.program, 3)
    error = own.error(blocks)
    np.testing.assert_allclose(program.error(blocks), error, atol=1e-12)
    sizes = float(program.norm.norms(blocks).sum())
    value = 0.5 * np.trace(error.T @ own.M @ error) + 0.5 * sizes
    assert float(program.objective(blocks)) == pytest.approx(value, rel=1e-10)
    residual = own.M @ error
    pulls = np.einsum("kni,nc,kc->ki", own.columns, residual, own.heads)
    found = program.correlations(torch.tensor(residual), None)
    np.testing.assert_allclose(found, pulls, atol=1e-10)
    violation = float(program.norm.dual_norms(torch.tensor(pulls)).amax()) / 0.5
    assert float(program.violation(torch.tensor(residual), None)) == pytest.approx(violation)
    stacked = np.einsum("kni,kc->ncki", own.columns, own.heads).reshape(28, -1)
    gram = stacked.T @ np.kron(own.M, np.eye(2)) @ stacked
    np.testing.assert_allclose(program.gram(), gram, atol=1e-9)
    certificate = program.certificate(blocks, None)
    linear, quadratic = (own.targets * residual).sum(), np.trace(error.T @ own.M @ error)
    scale = min(max(linear / quadratic, 0.0), 1 / violation)
    assert certificate.dual_objective == pytest.approx(
        scale * linear - scale**2 / 2 * quadratic, rel=1e-9)
    assert certificate.objective == pytest.approx(value, rel=1e-10)
    assert certificate.scope == "program"


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("name", ["dense", "stride", "circular, even"])
def test_bounds_of_two_targets_enclose_their_optimum(name, skip, activation):
    own = TwoTargets(name, activation, **skip)
    program = own.program
    best, blocks = own.optimum()
    generator = np.random.default_rng(0)
    for point in (in_cones(program, 1), 0 * blocks, blocks):
        for size in (0.0, 0.3):
            multipliers = None if not program.has_cones else torch.tensor(
                size * generator.random(program.design.masks.shape))
            objective, bound, violation = program.bounds(point, multipliers)
            assert float(bound) <= best * (1 + 1e-6)
            assert float(objective) >= best * (1 - 1e-6)
            assert float(violation) >= 0.0
    if not program.has_cones:  # without multipliers the bound is tight at the optimum
        assert program.certificate(blocks, None).gap <= 1e-4


def test_two_targets_of_blocks_with_one_each_are_two_programs():
    X, y = data()
    patterns, second = sample_patterns(X, 4, 0), data(seed=3)[1]
    one, other = (ConvexProgram(X, target, patterns, 0.4, signs=[1, -1, 1, -1], linear_skip=True)
                  for target in (y, second))
    task = TrainingTask(X, torch.stack([y, second], 1), Dense(), "relu", True)
    none = torch.zeros(4, 1).double()
    heads = torch.cat([torch.cat([one.design.heads, none], 1),
                       torch.cat([none, one.design.heads], 1)])
    design = Design(task.features, patterns.masks.repeat(2, 1), heads)
    both = ConvexProgram.__new__(ConvexProgram)
    both._assemble(task, patterns, design, 0.4, has_all_signs=False)
    first, last = in_cones(one, 1), in_cones(other, 2)
    together = both.objective(torch.cat([first, last]))
    torch.testing.assert_close(together, one.objective(first) + other.objective(last))
    largest = torch.stack([one.violation(one.annihilate(one.error(first)), None),
                           other.violation(other.annihilate(other.error(last)), None)]).amax()
    found = both.violation(both.annihilate(both.error(torch.cat([first, last]))), None)
    torch.testing.assert_close(found, largest)
