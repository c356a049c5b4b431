"""What Ctrl-C ends: one training, which returns what it has reached, or all it is a part of."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ENDS_ALL = ContextVar("interrupts_end_all", default=False)


@contextmanager
def interrupts_end_all() -> Iterator[None]:
    """Let Ctrl-C end all that is done inside, and not only the training in hand.

    For work of many trainings, such as a backtest: a network that is short of its tolerance would
    be taken for one of the others there, and the next training would begin.
    """
    token = _ENDS_ALL.set(True)
    try:
        yield
    finally:
        _ENDS_ALL.reset(token)


def ends_one_training() -> bool:
    """Tell whether Ctrl-C ends the training in hand only."""
    return not _ENDS_ALL.get()
