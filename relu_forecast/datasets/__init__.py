"""Series in: the shipped ECG, tables in files, and physiological records.

The names are imported on first use: with them comes pandas.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from relu_forecast.datasets.ecg import load_ecg as load_ecg
    from relu_forecast.datasets.tables import read_series as read_series
    from relu_forecast.datasets.times import sample_times as sample_times
    from relu_forecast.datasets.wfdb import load_wfdb as load_wfdb

_FILES = {"load_ecg": "ecg", "load_wfdb": "wfdb", "read_series": "tables", "sample_times": "times"}

__all__ = ["load_ecg", "load_wfdb", "read_series", "sample_times"]


def __getattr__(name: str) -> Any:
    """Import a name from the file that defines it."""
    if name not in _FILES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_FILES[name]}"), name)
