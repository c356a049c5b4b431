"""The process of one run: read a job, import, warm up, time, grade, write the outcome.

Run as ``python -m benchmarks.worker OUTCOME.json``, the job on the standard input.
"""

from __future__ import annotations

import importlib
import json
import resource
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Protocol, cast

from benchmarks.instances import Instance, Spec
from benchmarks.jobs import Answer, Outcome, Settings
from benchmarks.judge import Grades, grade_blocks, grade_network

_WARM_UP_N, _WARM_UP_PATTERNS = 80, 4


class Adapter(Protocol):
    """A module that lets one contestant work: `prepare` is not timed, `answer` is."""

    def prepare(self, threads: int) -> None:
        """Import what is slow to import, and set the number of threads."""

    def answer(self, instance: Any, settings: Settings, threads: int) -> Answer:
        """Solve an `Instance`, from arrays to arrays; it is None where the job names no spec."""


def work(job: dict[str, Any]) -> Outcome:
    """Do a job in this process."""
    adapter = cast(Adapter, importlib.import_module(f"benchmarks.adapters.{job['adapter']}"))
    settings, threads = job["settings"], job["threads"]
    adapter.prepare(threads)
    spec = None if job["spec"] is None else Spec(**job["spec"])
    if spec is not None and settings.get("warm_up", True):
        small = replace(spec, n=_WARM_UP_N, n_patterns=_WARM_UP_PATTERNS)
        adapter.answer(small.build(), settings, threads)
    instance = None if spec is None else spec.build()
    began, began_cpu = time.perf_counter(), time.process_time()
    answer = adapter.answer(instance, settings, threads)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    peak = peak_mib()
    grades = _grade(instance, answer)
    gaps = [gap for gap in (answer.gap, grades.gap) if gap is not None]
    return Outcome(
        "ok", seconds, cpu_seconds, peak, grades.objective, grades.violation,
        min(gaps, default=None), answer.trace, {**answer.notes, "judged gap": grades.gap})


def peak_mib() -> float:
    """Return the peak resident memory of this process.

    On Linux what `getrusage` says is no less than the peak of the process that started this one,
    so the system's own account is read.
    """
    status = Path("/proc/self/status")
    if status.exists():
        fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
        return float(fields["VmHWM"].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _grade(instance: Instance | None, answer: Answer) -> Grades:
    """Return the judge's grades, or what the contestant says where there is nothing to grade."""
    if instance is not None and answer.blocks is not None:
        return grade_blocks(instance, answer.blocks)
    if instance is not None and answer.network is not None:
        return grade_network(instance, *answer.network)
    return Grades(answer.objective, None, None)


def main() -> None:
    """Read a job from the standard input, write its outcome to the file named."""
    outcome = work(json.loads(sys.stdin.read()))
    Path(sys.argv[1]).write_text(json.dumps(asdict(outcome), default=float))


if __name__ == "__main__":
    main()
