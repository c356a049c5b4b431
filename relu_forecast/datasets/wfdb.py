"""Channels of physiological records in the WFDB format, as PhysioNet's databases have them."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from relu_forecast.datasets.times import sample_times
from relu_forecast.exceptions import InvalidArgumentError, MissingPackageError

_FINEST_RATE = 10**6
"""Sampling rates are taken to be whole multiples of 1e-6 Hz at the finest."""


def load_wfdb(record: str | os.PathLike[str], channel: str | int | None = None) -> pd.Series:
    """Read one channel of a WFDB record, in its physical unit.

    Needs the package wfdb: ``pip install 'relu_forecast[wfdb]'``. All its formats are read, and
    records of several segments. Nothing is ever downloaded.

    Where channels have different rates (several samples per frame), each keeps its own: no
    sample is averaged or repeated. Invalid samples stay missing; forecasters refuse them unless
    ``missing="interpolate"``.

    Parameters
    ----------
    record : str or path
        The record on this machine, without a suffix: ``"mitdb/208"`` for ``mitdb/208.hea`` and
        the signal files that this header names.
    channel : str or int, optional
        Name of the channel, or its number from 0. By default the only channel that there is.

    Returns
    -------
    Series of float64, shape (n,)
        In the unit ``attrs["units"]``; NaN where the record marks a sample as invalid. Named as
        the channel, or as the record where the channel has no name. The index, named ``"ds"``,
        is the time since the first sample, a TimedeltaIndex in nanoseconds;
        ``attrs["sampling_rate_hz"]`` is the exact rate, see `load_ecg`.

    Raises
    ------
    MissingPackageError
        If wfdb is not installed; it is an ImportError.
    InvalidArgumentError
        If the record is not there or cannot be read, or the channel is unknown or unclear.
    """
    wfdb = _import_wfdb()
    path = _record_path(record)
    header = _read_or_explain(wfdb.rdheader, path, rd_segments=True)
    number = _channel_number(_names(header), channel)
    signal = _read_or_explain(wfdb.rdrecord, path, channels=[number], smooth_frames=False)
    rate = Fraction(str(signal.fs)).limit_denominator(_FINEST_RATE) * signal.samps_per_frame[0]
    values = np.asarray(signal.e_p_signal[0], dtype=np.float64)
    series = pd.Series(
        values, index=sample_times(len(values), rate), name=signal.sig_name[0] or path.name)
    series.attrs |= {"sampling_rate_hz": float(rate), "units": signal.units[0]}
    return series


def _import_wfdb() -> Any:
    """Import wfdb, which is optional, and name the extra that installs it."""
    try:
        import wfdb
    except ImportError as error:
        raise MissingPackageError("load_wfdb", "wfdb", "wfdb") from error
    return wfdb


def _record_path(record: str | os.PathLike[str]) -> Path:
    """Return the absolute path of a record; wfdb would download what looks like an address."""
    path = Path(record).absolute()
    if not path.with_name(f"{path.name}.hea").is_file():
        raise InvalidArgumentError(
            "record", "a record on this machine, without suffix, beside its header (.hea)",
            repr(str(record)), "Check the spelling and the folder, and download records first.")
    return path


def _read_or_explain(read: Any, path: Path, **options: Any) -> Any:
    """Read with wfdb, and say what is wrong with a record that cannot be read."""
    try:
        return read(str(path), **options)
    except Exception as error:  # damaged records end in errors of any kind, even AttributeError
        said = " ".join(str(error).split())
        raise InvalidArgumentError(
            "record", "a readable WFDB record", f"{path.name!r}: {type(error).__name__}: {said}",
            "Compare its files with where they came from.") from error


def _names(header: Any) -> list[str | None]:
    """Return the names of the channels, None where one has none."""
    names = header.sig_name if hasattr(header, "sig_name") else header.get_sig_name()
    return list(names or [])


def _channel_number(names: list[str | None], channel: str | int | None) -> int:
    """Return the number of the channel that the caller means."""
    meant = [number for number, name in enumerate(names)
             if channel is None or channel in (number, name)]
    if len(meant) != 1 or isinstance(channel, bool):
        shown = ", ".join(f"{number} {name!r}" for number, name in enumerate(names)) or "none"
        raise InvalidArgumentError(
            "channel", f"the name or number of one channel of the record ({shown})",
            repr(channel), "Pass one of the numbers.")
    return meant[0]
