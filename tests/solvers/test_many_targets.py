"""Programs of many targets and sites: all solvers, the reference, the network and the bound."""

from __future__ import annotations

import pytest
import torch

from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import solve
from tests.solvers.programs import ACTIVATIONS, MANY, SKIPS, gaussian_data, pairs_program

SHORT, LONG = 8, 100
"""Random instances of each architecture, in the ordinary tests and in the long ones."""
every_architecture = pytest.mark.parametrize("name", list(MANY))


def instance(name, seed):
    """Return one of the random programs: all activations, skips and a range of penalties."""
    beta = 0.1 * 2 ** (seed % 5)
    return pairs_program(beta, name=name, seed=seed, n=10 + seed % 6,
                         activation=ACTIVATIONS[seed % 2], **SKIPS[seed // 2 % 3])


def check_instance(name, seed, methods=("interior_point", "proximal")):
    """Compare solvers with CVXPY, and the network with the program."""
    program = instance(name, seed)
    reference = solve(program, method="cvxpy", tol=1e-7)
    for method in methods:
        solution = solve(program, method=method, tol=1e-7)
        assert solution.objective == pytest.approx(reference.objective, rel=1e-6)
        assert 0.0 <= solution.gap <= 1e-7
        assert solution.dual_objective <= reference.objective * (1 + 1e-8)
        assert program.cone_violation(solution.blocks) <= 1e-9
        network, task = solution.network(), program.task
        assert task.objective(network, program.beta) == pytest.approx(
            solution.objective, rel=1e-9)
        outputs = program.design.forward(solution.blocks)
        if program.skip is not None:
            weight, bias = program.skip.fit(program.targets - outputs)
            outputs = outputs + task.X.flatten(1) @ weight + bias
        with torch.no_grad():
            torch.testing.assert_close(network(task.X), outputs)
    for point in (0 * solution.blocks, 0.5 * solution.blocks, solution.blocks):
        certificate = program.certificate(point, None)
        assert certificate.gap >= 0.0
        assert certificate.dual_objective <= reference.objective * (1 + 1e-8)


@pytest.mark.parametrize("first", range(0, SHORT, 4))
@every_architecture
def test_programs_networks_and_bounds_agree_on_random_instances(name, first):
    for seed in range(first, first + 4):
        check_instance(name, seed, ["interior_point"])


@pytest.mark.parametrize(("name", "seed"), [
    ("dense", 1), ("one site", 3), ("two sites", 1), ("two sites", 4), ("every site", 5),
    ("circular", 1)])
def test_the_proximal_method_agrees_on_random_instances(name, seed):
    check_instance(name, seed, ["proximal"])


@pytest.mark.long
@pytest.mark.parametrize("first", range(SHORT, LONG, 23))
@every_architecture
def test_solvers_networks_and_bounds_agree_on_a_hundred_instances(name, first):
    for seed in range(first, first + 23):
        check_instance(name, seed)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@every_architecture
def test_beta_max_of_pairs_is_where_the_first_neuron_comes(name, activation):
    program = pairs_program(name=name, activation=activation, linear_skip=True)
    largest, heads = program.beta_max(), program.design.heads
    above, below = (solve(program.on(program.patterns, share * largest, heads=heads), tol=1e-8)
                    for share in (1.001, 0.98))
    assert above.n_neurons == 0
    assert below.n_neurons > 0


@pytest.mark.parametrize("activation", ACTIVATIONS)
@every_architecture
def test_single_precision_is_good_to_four_digits(name, activation):
    program = pairs_program(name=name, activation=activation, linear_skip=True)
    exact = solve(program, tol=1e-7).objective
    for method in ["interior_point"] if program.has_cones else ["interior_point", "proximal"]:
        solution = solve(program, method=method, tol=1e-4, dtype=torch.float32)
        assert solution.blocks.dtype == torch.float32
        assert solution.objective == pytest.approx(exact, rel=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_heads_of_one_target_are_signs(activation):
    X, y = gaussian_data()
    patterns, signs = sample_patterns(X, 4, 0), torch.tensor([1.0, -1.0, -1.0, 1.0]).double()
    options = {"activation": activation, "linear_skip": True}
    one = solve(ConvexProgram(X, y, patterns, 0.3, signs=signs, **options))
    heads = 3 * signs[:, None]
    for targets in (y, y[:, None]):
        same = solve(ConvexProgram(X, targets, patterns, 0.3, heads=heads, **options))
        torch.testing.assert_close(same.blocks, one.blocks)
        assert same.certificate == one.certificate
    assert same.network()(X).shape == (14, 1)
    assert one.network()(X).shape == (14,)


@pytest.mark.parametrize("name", ["dense", "two sites"])
def test_heads_come_by_sites_or_in_a_row_and_of_any_length(name):
    program = pairs_program(name=name)
    sites, heads = program.features.n_sites, program.design.heads
    lengths = torch.logspace(-200, 200, len(heads), dtype=torch.float64)[:, None]
    by_site = (lengths * heads).view(len(heads), sites, -1)
    for given in (lengths * heads, by_site, by_site.numpy(), by_site.tolist()):
        own = program.on(program.patterns, 0.3, heads=given)
        torch.testing.assert_close(own.design.heads, heads)


def test_more_pairs_than_are_held_have_the_same_optimum():
    program = pairs_program(0.05, name="two sites", n=24, n_patterns=40, linear_skip=True)
    ours, reference = solve(program, tol=1e-7), solve(program, method="cvxpy")
    assert ours.objective == pytest.approx(reference.objective, rel=1e-6)
    again = solve(program, tol=1e-7, start=ours.blocks)
    assert again.objective == pytest.approx(reference.objective, rel=1e-6)
