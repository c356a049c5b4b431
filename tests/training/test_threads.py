"""Threads: one within a training, as many as before after it, whatever happens."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from threadpoolctl import threadpool_info, threadpool_limits

from relu_forecast.training.threads import one_thread


@pytest.fixture(autouse=True)
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    with threadpool_limits(2, user_api="blas"):
        yield
    torch.set_num_threads(before)


def threads() -> list[int]:
    """Return the thread counts of torch and of each library of linear algebra."""
    blas = [found["num_threads"] for found in threadpool_info() if found["user_api"] == "blas"]
    return [torch.get_num_threads(), *blas]


def test_one_thread_restores_what_was() -> None:
    before = threads()
    assert before.count(2) >= 2  # some libraries know one thread only
    with one_thread():
        assert set(threads()) == {1}
        with one_thread():
            assert set(threads()) == {1}
        assert set(threads()) == {1}
    assert threads() == before


def test_an_error_inside_restores_what_was() -> None:
    before = threads()
    with pytest.raises(ValueError, match="inside"), one_thread():
        raise ValueError("inside")
    assert threads() == before
