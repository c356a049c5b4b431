"""Threads of torch, and of numpy's and scipy's linear algebra, during a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController  # type: ignore[import-untyped]


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside: searches over patterns magnify rounding differences.

    Sums over several threads round differently, and a search that crosses kinks can end
    elsewhere for it. With one thread a fit is the same whatever the machine's thread count.

    torch counts threads for each Python thread, numpy and scipy for the whole process: of
    trainings in several Python threads, the first to come limits those two until it is done.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _libraries().limit(limits=1, user_api="blas"):
            yield
    finally:
        torch.set_num_threads(before)


@cache
def _libraries() -> ThreadpoolController:
    """Return the libraries loaded in this process; looking for them takes a millisecond."""
    return ThreadpoolController()
