from __future__ import annotations

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from relu_forecast.datasets import load_ecg
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Circular, Convolution, Dense
from relu_forecast.patterns.arrangements import ActivationPatterns, sample_patterns
from relu_forecast.problems.design import Design
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers.pricing.cone_rows import ConeRows, WorkingRows
from relu_forecast.solvers.proximal.budget import Budget
from relu_forecast.solvers.proximal.gap_safe import largest_output, proved_zero
from relu_forecast.solvers.proximal.iterates import ActiveBlocks, Iterate
from relu_forecast.solvers.proximal.newton import ProximalNewton
from relu_forecast.solvers.proximal.sketch import corrected
from relu_forecast.solvers.proximal.working_set import solve_proximal
from relu_forecast.solvers.reference import solve_cvxpy
from relu_forecast.solvers.settings import BlockPricingSettings, SolverSettings
from relu_forecast.windows.sliding import hankel

FAKE = "cuda" if torch.backends.cuda.is_built() else "meta"
ACTIVATIONS = ["relu", "gated_relu"]
SKIPS = [{}, {"linear_skip": True}, {"linear_skip": True, "skip_penalty": 2.0}]
ARCHITECTURES = {
    "dense": (Dense(), 3), "constant": (Dense(True), 3), "patches": (Convolution(2), 4),
    "stride, constant": (Convolution(2, 2, True), 4), "circular, odd": (Circular(), 3),
    "circular, even": (Circular(), 4)}
every_architecture = pytest.mark.parametrize("name", list(ARCHITECTURES))
GIBIBYTE = 2**30
DEFAULTS = SolverSettings()


def build(beta=0.3, *, name="dense", n=14, seed=0, n_patterns=5, **options):
    architecture, d = ARCHITECTURES[name]
    generator = np.random.default_rng(seed)
    X, y = (torch.tensor(generator.standard_normal(shape)) for shape in ((n, d), n))
    patterns = sample_patterns(architecture.gate_inputs(X), n_patterns, seed)
    return ConvexProgram(X, y, patterns, beta, architecture=architecture, **options)


def ecg_program(n, n_patterns, activation, lags=6, **options):
    values = load_ecg().to_numpy()[: n + lags]
    X, y = (torch.tensor(part.copy()) for part in hankel((values - values.mean()) / values.std(),
                                                         lags=lags))
    gates = torch.tensor(np.random.default_rng(0).standard_normal((lags, n_patterns)).T.copy())
    patterns = ActivationPatterns.from_gates(X, gates)
    gated = ConvexProgram(X, y, patterns, 1.0, activation="gated_relu", **options)
    return ConvexProgram(
        X, y, patterns, 0.01 * gated.beta_max(), activation=activation, **options)


def solved(program, tol=1e-7, max_iter=200, callback=None, memory_limit=2**31, start=None):
    return solve_proximal(program, tol, max_iter, callback, memory_limit, DEFAULTS, start)


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["constant", "stride, constant", "circular, even"])
def test_the_proximal_method_and_clarabel_agree_on_one_optimum(name, activation, skip):
    program = build(name=name, n=11, n_patterns=2, seed=3, activation=activation, **skip)
    ours, reference = solved(program), solve_cvxpy(program, 1e-8, 200)
    assert (ours.status, ours.method) == ("optimal", "proximal")
    assert ours.gap <= 1e-7
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    assert ours.objective == pytest.approx(float(program.objective(ours.blocks)), rel=1e-9)
    assert ours.dual_objective <= reference.objective * (1 + 1e-7)
    assert program.cone_violation(ours.blocks) <= 1e-12
    assert ours.certificate.scope == program.scope


@pytest.mark.parametrize("options", SKIPS[:2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_sketched_curvature_reaches_the_optimum_of_collinear_windows(activation, options):
    """More windows than samples in a sketch, and thin cells."""
    program = ecg_program(500, 5, activation, lags=4, **options)
    seen = []
    solution = solved(program, 1e-6, 100, lambda step, now: seen.append((step, now)))
    assert solution.status == "optimal"
    assert program.cone_violation(solution.blocks) <= 1e-12
    own = program.certificate(solution.blocks, None)
    assert solution.objective == pytest.approx(own.objective, rel=1e-9)
    best = min(certificate.objective for _, certificate in seen)
    assert all(certificate.dual_objective <= best for _, certificate in seen)
    assert [step for step, _ in seen] == sorted({step for step, _ in seen})


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_blocks_that_screening_removes_are_not_those_of_the_optimum(activation):
    """At any gap: the sphere around the dual point of a rough solution, with the exact optimum."""
    program = ecg_program(60, 4, activation, lags=4)
    used = solved(program, 1e-9).used
    removed = []
    for tol in (3e-1, 1e-7):
        rough = solved(program, tol)
        method = ProximalNewton(program, 2**18, DEFAULTS)
        error = program.error(rough.blocks)
        every = torch.arange(program.n_blocks)
        values = program.norm.dual_norms(method.correlations(every, error))
        gone = proved_zero(program, method.row_gram, error, values,
                           float(program.objective(rough.blocks)))
        assert not bool((gone & used).any())
        removed.append(int(gone.sum()))
    assert removed == sorted(removed)
    if activation == "gated_relu":
        assert removed[-1] > 0


@pytest.mark.parametrize(("name", "d"), [("dense", 3), ("patches", 2), ("circular, even", 6)])
def test_no_block_of_norm_one_has_longer_outputs_than_the_bound_of_screening(name, d):
    program = build(name=name, n=30)
    bound = largest_output(program.features, program.features.rows.T @ program.features.rows)
    blocks = program.norm.normalised(torch.randn(
        2000, d, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    masks = program.design.masks[:1].expand(len(blocks), -1)
    outputs = torch.stack([
        Design(program.features, masks[:1], torch.ones(1, 1).double()).forward(block[None])
        for block in blocks[:200]])
    assert float(outputs.norm(dim=1).amax()) <= float(bound)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_where_not_all_blocks_fit_sets_of_them_take_turns(activation, monkeypatch):
    program = ecg_program(50, 5, activation, lags=3)
    whole = solved(program, 1e-4)
    assert whole.n_neurons > 3
    monkeypatch.setattr(Budget, "of", classmethod(lambda cls, *_: Budget(2**18, 3)))
    turns = solved(program, 1e-1, 300)
    assert turns.gap <= 1e-1
    assert turns.n_neurons > 3
    assert turns.objective == pytest.approx(whole.objective, rel=1e-1)


def test_the_memory_limit_decides_the_sizes_and_they_fit():
    program = build(n=40, n_patterns=8)
    sizes = [Budget.of(program, limit, 8) for limit in (10**5, 10**6, 10**8, 10**10)]
    assert [size.slab_entries for size in sizes] == sorted(size.slab_entries for size in sizes)
    assert sizes[0].most_blocks < sizes[1].most_blocks < sizes[2].most_blocks
    for size, limit in zip(sizes, (10**5, 10**6, 10**8, 10**10), strict=True):
        d, blocks, n = 3, program.n_blocks, 40
        held = 10 * n + 8 * blocks * d + 4 * size.slab_entries + 8 * (size.most_blocks * d) ** 2
        assert 8 * (held + n * d + 16 * blocks * d) <= limit


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_limit_that_is_too_small_is_refused_with_what_is_needed(activation):
    program = build(activation=activation)
    with pytest.raises(InvalidArgumentError, match="memory_limit must be at least") as caught:
        solved(program, 1e-6, memory_limit=1000)
    needed = int(caught.value.required.split()[2].replace(",", ""))
    assert solved(program, 1e-6, memory_limit=needed).gap <= 1e-6
    with pytest.raises(InvalidArgumentError):
        solved(program, 1e-6, memory_limit=needed - 8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_result_does_not_depend_on_the_chunks(activation):
    program = ecg_program(60, 3, activation, lags=3)
    whole = solved(program, 1e-9, memory_limit=GIBIBYTE)
    parts = solved(program, 1e-9, memory_limit=200_000)
    sizes = [Budget.of(program, limit, 8) for limit in (200_000, GIBIBYTE)]
    assert sizes[0].slab_entries < sizes[1].slab_entries
    assert parts.objective == pytest.approx(whole.objective, rel=2e-9)
    torch.testing.assert_close(parts.blocks, whole.blocks, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["dense", "patches", "circular, odd"])
def test_from_beta_max_on_nothing_is_used_and_below_something_is(name, activation):
    threshold = build(name=name, activation=activation).beta_max()
    above = solved(build(1.0001 * threshold, name=name, activation=activation))
    assert (above.status, above.n_neurons, above.n_iter) == ("optimal", 0, 0)
    below = solved(build(0.5 * threshold, name=name, activation=activation))
    assert 0 < below.n_neurons < below.program.n_blocks


def test_a_start_from_another_beta_brings_its_blocks_into_work():
    program = ecg_program(60, 8, "relu", lags=4)
    cold = solved(program, 1e-6)
    similar = ConvexProgram(program.X, program.y, program.patterns, 1.02 * program.beta)
    seen, gaps = [], []
    for start in (None, cold.blocks):
        solution = solved(similar, 1e-6, 100, lambda _, now: gaps.append(now.gap), start=start)
        seen.append((solution.objective, gaps[0]))
        gaps.clear()
    (objective, gap), (same, smaller) = seen
    assert same == pytest.approx(objective, rel=2e-6)
    assert smaller < 1.1 * gap


def test_too_few_steps_are_a_status():
    solution = solved(ecg_program(150, 12, "relu"), 1e-6, 1)
    assert (solution.status, solution.n_iter) == ("max_iter", 1)
    assert solution.gap > 1e-6


def test_an_impossible_tolerance_stalls():
    solution = solved(build(n_patterns=1), 1e-17, 30)
    assert solution.status in ("stalled", "max_iter")
    assert 1e-17 < solution.gap < 1e-8


def test_float32_is_good_to_three_digits():
    program = ecg_program(60, 2, "relu", lags=4)
    single = program.to("cpu", torch.float32)
    solution = solved(single, 1e-4, 60)
    assert solution.blocks.dtype == torch.float32
    assert solution.objective == pytest.approx(solved(program).objective, rel=1e-3)


def fake(tensor):
    dtype = torch.float64 if tensor.is_floating_point() else tensor.dtype
    return torch.empty(tensor.shape, dtype=dtype, device=FAKE)


def tensors_of(value):
    """Return all tensors in a dataclass of tensors and dataclasses."""
    if isinstance(value, torch.Tensor):
        return [value]
    return [tensor for part in vars(value).values() if not isinstance(part, (int, float, bool))
            for tensor in tensors_of(part)]


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ["dense", "patches", "circular, even"])
def test_fake_cuda_steps_stay_on_the_device_and_never_ask_the_host(name, activation, skip, moved):
    real = build(name=name, activation=activation, **skip)
    real.gates, real.cone_rows  # noqa: B018 (computed once, and cached)
    with FakeTensorMode():
        program = moved(real, fake)
        d, index = program.features.width, torch.empty(4, dtype=torch.long, device=FAKE)
        blocks = torch.empty(4, d, dtype=torch.float64, device=FAKE)
        rows = ConeRows(program.features.rows, blocks, index, program.design.masks, 2**10,
                        BlockPricingSettings())
        method = ProximalNewton.__new__(ProximalNewton)
        method.program, method.slab_entries, method.settings = program, 2**10, DEFAULTS
        method.norm, method.beta, method.cone_rows = program.norm, program.beta, rows
        working = WorkingRows.empty(blocks, method.places)
        active, targets = ActiveBlocks(index, blocks, blocks, working), program.targets
        point = Iterate(active, targets, targets, blocks)
        for _ in range(2):
            point, curved = method.advance(point, blocks, program.y.sum())
        matrix = torch.empty(4 * d, 4 * d, dtype=torch.float64, device=FAKE)
        model = method.model(point, matrix, working)
        state = model.start(blocks, program.y.sum())
        state = model.method.step(model.method.step(state))
        every = [*tensors_of(point), curved, *tensors_of(state), *method.bounds(point),
                 model.gap(state), corrected(model.method.gram, blocks.flatten(), curved.flatten())]
    assert {tensor.device.type for tensor in every} == {FAKE}
    assert {tensor.dtype for tensor in every} <= {torch.float64, torch.long, torch.bool}
