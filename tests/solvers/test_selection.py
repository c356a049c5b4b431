from __future__ import annotations

import pytest

from relu_forecast.patterns.arrangements import sample_patterns
from relu_forecast.problems.program import ConvexProgram
from relu_forecast.solvers import SelectionSettings, solve
from relu_forecast.solvers.selection import choose, newton_bytes
from tests.solvers.programs import random_program, windows

DEFAULTS = SelectionSettings()


def test_auto_takes_the_interior_point_where_it_fits_and_says_why():
    program = random_program()
    solution = solve(program)
    assert solution.method == "interior_point"
    assert "MiB allowed" in solution.reason
    assert solve(program, method="interior_point").reason == "asked for"


def test_auto_takes_the_proximal_method_for_many_samples_without_cones():
    X, y = windows(20_001, 2)
    free = ConvexProgram(X, y, sample_patterns(X, 5, 0), 10.0, activation="gated_relu")
    choice = choose(free, "auto", 1e12, DEFAULTS)
    assert choice.solver == "proximal"
    assert "20,001 samples of free blocks" in choice.reason
    more = SelectionSettings(most_free_samples=20_001)
    assert choose(free, "auto", 1e12, more).solver == "interior_point"


def test_the_memory_limit_decides_and_the_reason_has_both_numbers():
    program = random_program()
    needed = newton_bytes(program, DEFAULTS)
    fits, short = (choose(program, "auto", limit, DEFAULTS) for limit in (needed, needed - 1))
    assert (fits.solver, short.solver) == ("interior_point", "proximal")
    assert "too much" in short.reason
    assert choose(program, "interior_point", 1, DEFAULTS).solver == "interior_point"


def test_more_rows_need_more_memory_and_a_program_without_cones_less():
    def needed(n, activation="relu", **settings):
        program = random_program(n=n, n_patterns=8, activation=activation)
        return newton_bytes(program, SelectionSettings(**settings))

    assert needed(40, "gated_relu") < needed(40) < needed(90)
    assert needed(40, held_weights=9) < needed(40)
    assert needed(40, cone_arrays=13) < needed(40) < needed(40, pricing_entries=10**8)


@pytest.mark.parametrize("method", ["interior_point", "proximal", "cvxpy"])
def test_a_method_asked_for_is_chosen(method):
    assert choose(random_program(), method, 1.0, DEFAULTS).solver == method
