from __future__ import annotations

import pytest

from relu_forecast.exceptions import ConvergenceWarning
from relu_forecast.solvers import solve
from relu_forecast.solvers.reference import solve_cvxpy
from tests.solvers.programs import ACTIVATIONS, SKIPS, random_program


def test_an_unfinished_reference_solve_is_a_status_and_one_warning_of_ours():
    with pytest.warns(ConvergenceWarning, match="raise max_iter") as caught:
        solution = solve(random_program(), method="cvxpy", max_iter=2)
    assert solution.status == "max_iter"
    assert [warning.category for warning in caught] == [ConvergenceWarning]


@pytest.mark.parametrize("skip", SKIPS[::2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_the_reference_certifies_its_own_point(activation, skip):
    program = random_program(name="patches", activation=activation, **skip)
    solution = solve_cvxpy(program, 1e-7, 200)
    assert (solution.status, solution.method) == ("optimal", "cvxpy")
    assert solution.gap <= 1e-7
    assert program.cone_violation(solution.blocks) <= 1e-7
    assert solution.objective == pytest.approx(float(program.objective(solution.blocks)))
