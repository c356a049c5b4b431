"""Work for several workers; progress bars on a terminal, and silence anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal

from joblib import Parallel, parallel_config

Order = Literal["generator", "generator_unordered"]
_WITHIN = ContextVar("within_progress", default=False)


@contextmanager
def progress(what: str, total: int, *, wanted: bool = True) -> Iterator[Callable[[], None]]:
    """Show a bar if a person can see it, and yield what moves it on by one.

    Inside of it no other bar is shown: what is done there is a step of this one.
    """
    if not wanted or total < 2 or _WITHIN.get() or not sys.stderr.isatty():
        yield lambda: None
        return
    # Imported here: nobody else waits for it.
    from rich.console import Console
    from rich.progress import Progress

    token = _WITHIN.set(True)
    try:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(what, total=total)
            yield lambda: bar.advance(task)
    finally:
        _WITHIN.reset(token)


def in_parallel(calls: Iterable[Any], total: int, what: str,
                n_jobs: int | None = None) -> list[Any]:
    """Return the results of joblib calls, in order, and show how many are done.

    ``n_jobs`` of None takes as many workers as `joblib.parallel_config` says, by default one.
    """
    results = []
    with progress(what, total) as advance:
        for result in as_they_come(calls, total, n_jobs):
            results.append(result)
            advance()
    return results


def as_they_come(calls: Iterable[Any], total: int, n_jobs: int | None,
                 order: Order = "generator") -> Iterator[Any]:
    """Run joblib calls, ``total`` in number; yield results as they come, where the backend can.

    A single call runs here, and the workers that it has no use for are there for what it runs in
    parallel itself, such as the fits of a committee's members.
    """
    if total > 1:
        yield from _results(calls, n_jobs, order)
        return
    shared = nullcontext() if n_jobs is None else parallel_config(n_jobs=n_jobs)
    with shared:
        yield from _results(calls, 1, order)


def _results(calls: Iterable[Any], n_jobs: int | None, order: Order) -> Iterable[Any]:
    """Return the results of joblib calls, one at a time where the backend can."""
    try:
        return Parallel(n_jobs=n_jobs, return_as=order)(calls)  # type: ignore[no-any-return]
    except ValueError:  # raised before any call is taken
        return Parallel(n_jobs=n_jobs)(calls)  # type: ignore[no-any-return]
