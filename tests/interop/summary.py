"""A pytest plugin: what a run of these tests closes on, versions and what passed by tool."""

from __future__ import annotations

from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

TOOLS = ("sktime", "skforecast", "mlforecast", "darts", "utilsforecast", "distributed", "ray",
         "wfdb", "scikit-learn", "pandas", "numpy")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List versions, and outcomes by file; sktime's checks are counted one by one."""
    counts: dict[str, Counter[str]] = {}
    for outcome in ("passed", "failed", "error", "skipped", "xfailed"):
        for report in terminalreporter.getreports(outcome):
            path = Path(report.nodeid.split("::")[0])
            if path.parent.name == "interop":
                own = counts.setdefault(path.name, Counter())
                own[outcome] += 1
                own["checks"] += dict(getattr(report, "user_properties", ())).get("checks", 0)
    if counts:
        terminalreporter.section("interoperation")
        terminalreporter.line(", ".join(f"{name} {_version(name)}" for name in TOOLS))
    for name, own in sorted(counts.items()):
        shown = ", ".join(f"{own[outcome]} {outcome}" for outcome in own if own[outcome])
        terminalreporter.line(f"{name}: {shown}")


def _version(name: str) -> str:
    """Return the version of a distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "missing"
