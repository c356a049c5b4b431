from __future__ import annotations

import pytest
import torch

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.solvers import solve
from tests.solvers.programs import ACTIVATIONS, random_program


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_unfinished_solve_warns_with_its_gap(activation):
    with pytest.warns(ConvergenceWarning) as caught:
        solution = solve(random_program(activation=activation), max_iter=2)
    assert solution.status == "max_iter"
    assert solution.n_iter == 2
    assert solution.gap > 1e-6
    assert f"relative gap {solution.gap:.1e} > tol=1.0e-06" in str(caught[0].message)
    assert "raise max_iter" in str(caught[0].message)


def test_an_impossible_tolerance_stalls_and_says_so():
    with pytest.warns(ConvergenceWarning, match="stalled.*loosen tol"):
        solution = solve(random_program(), tol=1e-18)
    assert solution.status == "stalled"
    assert solution.gap < 1e-8


def test_a_solution_reads_as_its_certificate_and_its_blocks():
    solution = solve(random_program())
    certificate = solution.certificate
    assert (solution.objective, solution.dual_objective, solution.gap) == (
        certificate.objective, certificate.dual_objective, certificate.gap)
    assert torch.equal(solution.used, solution.blocks.norm(dim=1) > 0)
    assert solution.n_neurons == int(solution.used.sum()) == solution.network().n_neurons
