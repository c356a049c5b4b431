"""Work for several workers; progress bars on a terminal, and silence anywhere else."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, Literal

from joblib import Parallel, parallel_config

Order = Literal["generator", "generator_unordered"]
_DISPLAY: ContextVar[Any] = ContextVar("display", default=None)
_WITHIN = ContextVar("within_progress", default=False)


@contextmanager
def display() -> Iterator[Any]:
    """Show on standard error what is going on: a line for each task, and the time it has taken.

    It yields a `rich.progress.Progress`; bars that are shown inside are further lines of it.
    """
    # Imported here: nobody else waits for it.
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), BarColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as shown:
        token = _DISPLAY.set(shown)
        try:
            yield shown
        finally:
            _DISPLAY.reset(token)


@contextmanager
def progress(what: str, total: int, *, wanted: bool = True) -> Iterator[Callable[[], None]]:
    """Show a bar if a person can see it, and yield what moves it on by one.

    Inside of it no other bar is shown: what is done there is a step of this one.
    """
    if not wanted or total < 2 or _WITHIN.get() or not sys.stderr.isatty():
        yield lambda: None
        return
    outer, token = _DISPLAY.get(), _WITHIN.set(True)
    try:
        with display() if outer is None else nullcontext(outer) as shown:
            task = shown.add_task(what, total=total)
            try:
                yield lambda: shown.advance(task)
            finally:
                shown.remove_task(task)
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
