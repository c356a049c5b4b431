from __future__ import annotations

import pytest

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.solvers import solve
from relu_forecast.solvers.proximal.budget import Budget
from tests.solvers.programs import ACTIVATIONS, random_program


def test_the_memory_limit_decides_the_sizes_and_they_fit():
    program = random_program(n=40, n_patterns=8)
    sizes = [Budget.of(program, limit, 8) for limit in (10**5, 10**6, 10**8, 10**10)]
    assert [size.slab_entries for size in sizes] == sorted(size.slab_entries for size in sizes)
    assert sizes[0].most_blocks < sizes[1].most_blocks < sizes[2].most_blocks
    for size, limit in zip(sizes, (10**5, 10**6, 10**8, 10**10), strict=True):
        d, blocks, n = 3, program.n_blocks, 40
        held = 10 * n + 8 * blocks * d + 4 * size.slab_entries + 8 * (size.most_blocks * d) ** 2
        assert 8 * (held + n * d + 16 * blocks * d) <= limit


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_a_limit_that_is_too_small_is_refused_with_what_is_needed(activation):
    program = random_program(activation=activation)
    with pytest.raises(InvalidArgumentError, match="memory_limit must be at least") as caught:
        solve(program, method="proximal", memory_limit=1000)
    needed = int(caught.value.required.split()[2].replace(",", ""))
    assert solve(program, method="proximal", memory_limit=needed).gap <= 1e-6
    with pytest.raises(InvalidArgumentError):
        solve(program, method="proximal", memory_limit=needed - 8)
