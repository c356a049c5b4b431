"""Tables of the results, and the file that keeps them."""

from __future__ import annotations

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.contestants import Contest
from benchmarks.contests import all_contests
from benchmarks.jobs import Outcome
from benchmarks.race import Result, distance

_BEGIN, _END = "<!-- figures: begin -->", "<!-- figures: end -->"
_PACKAGES = ("torch", "numpy", "cvxpy", "clarabel", "scs")


@dataclass(frozen=True)
class Entry:
    """A contest's results as the file has them."""

    title: str
    machine: dict[str, Any]
    results: list[Result]


Entries = dict[str, Entry]


def load(path: Path) -> Entries:
    """Return what earlier runs left, nothing where there is no file."""
    if not path.exists():
        return {}
    return {name: Entry(one["title"], one["machine"], [
        Result(**{**result, "last": Outcome(**result["last"])}) for result in one["results"]])
        for name, one in json.loads(path.read_text()).items()}


def save(entries: Entries, path: Path) -> None:
    """Write all results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({name: asdict(one) for name, one in entries.items()}, indent=1))


def machine(threads: int) -> dict[str, Any]:
    """Return where and with what the run is made, and how busy the machine is."""
    models = [line.split(":")[1].strip() for line in _lines("/proc/cpuinfo")
              if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(), "threads": threads, "load before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        **{package: version(package) for package in _PACKAGES}}


def machines(entries: Entries) -> str:
    """Return a line per machine that results come from, with the load found there."""
    loads: dict[str, list[float]] = {}
    for entry in entries.values():
        known = {name: value for name, value in entry.machine.items() if name != "load before"}
        line = ", ".join(f"{name} {value}" for name, value in known.items())
        loads.setdefault(line, []).append(entry.machine.get("load before", math.nan))
    return "\n".join(
        f"- {line}; load average before a contest {min(found):.1f} to {max(found):.1f}"
        for line, found in loads.items())


def _lines(path: str) -> list[str]:
    """Return the lines of a file of the system, none where there is no such file."""
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def exponent(sizes: Sequence[float], seconds: Sequence[float]) -> float:
    """Return b of ``seconds = a size^b``, by least squares on logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def markdown(entries: Entries) -> str:
    """Return a table for each contest that has results, in the contests' order."""
    parts = []
    for contest in all_contests():
        entry = entries.get(contest.name)
        if entry is not None:
            parts.append(f"### {contest.title}\n\n{table(contest, entry.results)}")
    return "\n\n".join(parts) + "\n"


def table(contest: Contest, results: list[Result]) -> str:
    """Return the table of one contest, of the kind that suits it."""
    if contest.sizes:
        return _sweep_table(contest, results)
    if contest.targets or contest.shares:
        return _network_table(contest, results)
    if contest.name == "roofline":
        return _notes_table(results)
    return _program_table(results)


def _program_table(results: list[Result]) -> str:
    """Return objectives, grades, times and ratios to the first contestant."""
    first, rows = results[0], []
    for one in results:
        last = one.last
        rows.append([
            _name(one), _number(one.settings.get("tol"), ".0e"),
            _number(last.objective, ".9g"),
            _number(distance(last.objective, first.last.objective), "+.0e"),
            _number(last.gap, ".1e"), _number(last.violation, ".0e"), *_times(one, first)])
    return lay_out(["method", "tol", "objective", "from ours", "gap", "cone violation", "seconds",
                     "CPU seconds", "ratio", "runs", "MiB"], rows)


def _network_table(contest: Contest, results: list[Result]) -> str:
    """Return objectives, the search's worst neuron, and times of first passage."""
    goals, first, rows = targets(contest, results), results[0], []
    for one in results:
        passages = [_number(one.first_at(goal), ".2f", "never") for goal in goals]
        rows.append([one.name, _number(one.last.objective, ".7g"),
                     _number(one.last.gap, ".1e"), _number(one.last.violation, ".5f"),
                     str(one.last.notes.get("neurons", "")), *passages, *_times(one, first)])
    return lay_out(["method", "objective", "gap", "worst neuron / beta", "neurons",
                     *(f"seconds to {goal:.7g}" for goal in goals), "seconds", "CPU seconds",
                     "ratio", "runs", "MiB"], rows)


def targets(contest: Contest, results: list[Result]) -> list[float]:
    """Return the objectives to be reached."""
    reached = [one.last.objective for one in results if one.last.objective is not None]
    best = min(reached, default=math.nan)
    return [*contest.targets, *(best * (1 + share) for share in contest.shares)]


def _sweep_table(contest: Contest, results: list[Result]) -> str:
    """Return times by size, and the fitted exponent."""
    rows = [[one.name, _number(one.last.gap, ".1e"), str(one.last.notes.get("method", "")),
             str(one.last.notes.get("iterations", "")), *_times(one, results[0])]
            for one in results]
    text = lay_out(["size", "gap", "method", "iterations", "seconds", "CPU seconds", "ratio",
                     "runs", "MiB"], rows)
    solved = [(size, one.median, one.median_cpu or math.nan)
              for size, one in zip(contest.sizes, results, strict=True) if one.last.is_ok]
    if len(solved) < 2:
        return text
    sizes, wall, cpu = zip(*solved, strict=True)
    return (f"{text}\n\nFitted exponent: {exponent(sizes, wall):.2f} (of processor time "
            f"{exponent(sizes, cpu):.2f}; between the two largest sizes "
            f"{exponent(sizes[-2:], cpu[-2:]):.2f}).")


def _notes_table(results: list[Result]) -> str:
    """Return what the contestants note, a column each."""
    names = [name for name, value in results[0].last.notes.items() if value is not None]
    rows = [[one.name, *(_number(one.last.notes.get(name), ".3g") for name in names)]
            for one in results]
    return lay_out(["instance", *names], rows)


def _name(one: Result) -> str:
    """Return a contestant's name, and whether it fell short."""
    return one.name if one.is_met or not one.last.is_ok else f"{one.name} (not reached)"


def _times(one: Result, first: Result) -> list[str]:
    """Return medians, the ratio to the first contestant, the number of runs, the memory."""
    if not one.last.is_ok:
        return [one.last.status, "", "", str(len(one.seconds)), ""]
    return [_number(one.median, ".3g"), _number(one.median_cpu, ".3g"),
            _number(one.median / first.median, ".3g"), str(len(one.seconds)),
            _number(one.last.peak_mib, ".0f")]


def _number(value: float | None, style: str, missing: str = "") -> str:
    """Return a number in a style, or what stands for none."""
    return missing if value is None or math.isnan(value) else format(value, style)


def lay_out(head: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table, without columns that are empty throughout."""
    kept = [i for i in range(len(head)) if any(row[i] for row in rows)]
    lines = [[line[i] for i in kept] for line in (head, ["---"] * len(head), *rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def insert_into(document: Path, text: str, begin: str = _BEGIN, end: str = _END) -> None:
    """Put tables between two marks of a document."""
    before, rest = document.read_text().split(begin)
    after = rest.split(end)[1]
    document.write_text(f"{before}{begin}\n\n{text}\n{end}{after}")
