"""One run of one contestant: a process of its own, which times itself and grades its answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.instances import Floats, Spec

ROOT = Path(__file__).resolve().parents[1]
_GRACE_S = 60.0
"""Seconds on top of a job's limit for starting Python, building the instance and grading."""

Settings = Mapping[str, Any]
Trace = list[tuple[float, float]]
"""Pairs of seconds since the start and a relative gap (programs) or an objective (networks)."""


@dataclass(frozen=True)
class Answer:
    """What an adapter hands back, untimed and ungraded.

    Attributes
    ----------
    blocks : ndarray, shape (K, d), or None
        Of a program: u_1..u_P, v_1..v_P with cones, z_1..z_P without.
    network : (ndarray, ndarray) or None
        Of a network: hidden weights (m, d) and output weights (m,).
    gap, objective : float or None
        What the solver says of itself, where the judge cannot tell.
    trace : list of (float, float)
        Progress.
    notes : dict
        What else is worth a line: iterations, status, other figures.
    """

    blocks: Floats | None = None
    network: tuple[Floats, Floats] | None = None
    gap: float | None = None
    objective: float | None = None
    trace: Trace = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What a worker is asked to do.

    Attributes
    ----------
    adapter : str
        Module of `benchmarks.adapters`.
    spec : Spec or None
        The instance; None for adapters that build their own.
    settings : mapping
        For the adapter.
    threads : int
        Threads of every library.
    limit_s : float
        Seconds after which the worker is stopped.
    environment : str
        Folder of the virtual environment, or "" for the one that runs the race.
    """

    adapter: str
    spec: Spec | None
    settings: Settings
    threads: int
    limit_s: float
    environment: str = ""

    @property
    def python(self) -> Path:
        """The interpreter that runs the worker."""
        if not self.environment:
            return Path(sys.executable)
        return ROOT / self.environment / "bin" / "python"

    @property
    def is_installed(self) -> bool:
        """Whether the environment of the contestant is there."""
        return self.python.exists()


@dataclass(frozen=True)
class Outcome:
    """What came of a run.

    Attributes
    ----------
    status : str
        "ok", "no answer in N s", or the last line of what the worker complained.
    seconds, cpu_seconds : float
        Wall time, and processor time of all threads, of the adapter's work: from arrays to an
        answer, without imports, warm-up and grading.
    peak_mib : float
        Peak resident memory of the worker before grading.
    objective, violation, gap
        As in `judge.Grades`; what the solver says where the judge is silent. The gap is the
        smaller of the judge's, whose dual point is the residual, and the solver's, which may
        know a better one.
    trace, notes
        As in `Answer`.
    """

    status: str
    seconds: float
    cpu_seconds: float | None = None
    peak_mib: float | None = None
    objective: float | None = None
    violation: float | None = None
    gap: float | None = None
    trace: Trace = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def is_ok(self) -> bool:
        """Whether there is an answer."""
        return self.status == "ok"


def run(job: Job) -> Outcome:
    """Run a job in a process of its own; an overrun or a crash is an outcome, not an error."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "outcome.json"
        command = [str(job.python), "-m", "benchmarks.worker", str(result)]
        try:
            done = subprocess.run(
                command, input=json.dumps(as_json(job)), text=True, cwd=ROOT,
                capture_output=True, env=_environment(job.threads),
                timeout=job.limit_s + _GRACE_S, check=False)
        except subprocess.TimeoutExpired:
            return Outcome(f"no answer in {job.limit_s:.0f} s", job.limit_s)
        if not result.exists():
            complaint = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
            return Outcome(complaint[-1][:200], float("nan"))
        return Outcome(**json.loads(result.read_text()))


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: the same number of threads for every library."""
    counts = dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS",
         "RAYON_NUM_THREADS"), str(threads))
    return {**os.environ, **counts}


def as_json(job: Job) -> dict[str, Any]:
    """Return a job as plain values."""
    return {"adapter": job.adapter, "spec": None if job.spec is None else asdict(job.spec),
            "settings": dict(job.settings), "threads": job.threads, "limit_s": job.limit_s}
