"""Calls for several workers: how many run at once, and in which order results come."""

from __future__ import annotations

from threading import Barrier

import pytest
from joblib import Parallel, delayed, effective_n_jobs, parallel_config

from relu_forecast.forecasting.parallel import as_they_come, in_parallel


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_workers_are_those_asked_for_or_those_of_the_context(n_jobs):
    """Two calls that wait for each other end if they run at once, and only then."""
    barrier = Barrier(2, timeout=30)
    with parallel_config("threading", n_jobs=2 if n_jobs is None else 1):
        found = in_parallel((delayed(barrier.wait)() for _ in range(2)), 2, "Waiting", n_jobs)
    assert sorted(found) == [0, 1]


@pytest.mark.parametrize(("given", "outer", "expected"), [(3, None, 3), (None, 2, 2), (3, 2, 3)])
def test_what_a_single_call_runs_has_its_workers(given, outer, expected):
    def workers():
        return Parallel()([delayed(effective_n_jobs)(None)])[0], effective_n_jobs(None)

    with parallel_config("threading", **({} if outer is None else {"n_jobs": outer})):
        [(_, inside)] = as_they_come([delayed(workers)()], 1, given)
    assert inside == expected


def test_results_come_in_order():
    assert in_parallel((delayed(pow)(n, 2) for n in range(5)), 5, "Squaring") == [0, 1, 4, 9, 16]
