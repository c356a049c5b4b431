"""Threads of torch during a training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread inside: searches over patterns magnify rounding differences.

    Sums over several threads round differently, and a search that crosses kinks can end
    elsewhere for it. With one thread a fit is the same whatever the machine's thread count.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
