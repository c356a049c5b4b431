"""The shipped electrocardiogram."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from relu_forecast.datasets.times import sample_times

_ECG_FILE = "ecg_mitbih_208.npz"


def load_ecg() -> pd.Series:
    """Load five minutes of a real electrocardiogram, in millivolts, sampled at 360 Hz.

    Lead MLII of record 208 of the MIT-BIH Arrhythmia Database, which holds normal and
    premature ventricular beats.

    A sample lasts 1/360 s, which is no whole number of nanoseconds. Time ``k`` is ``k / 360`` s
    rounded to the nearest nanosecond, so each is within 0.5 ns of the truth and nothing drifts,
    but two neighbours are 2,777,777 or 2,777,778 ns apart and pandas infers no ``freq``. The
    step to go on with is the exact rate in ``attrs``, or the mean step of the index.

    The data are licensed under the Open Data Commons Attribution License v1.0. Please cite [1]_
    and [2]_.

    Returns
    -------
    Series of float64, shape (108000,)
        Millivolts, named ``"ecg"``. The index, named ``"ds"``, is the time since the first
        sample, a TimedeltaIndex in nanoseconds; ``attrs["sampling_rate_hz"]`` is 360.0. Each
        call returns a new series.

    References
    ----------
    .. [1] Moody GB, Mark RG. The impact of the MIT-BIH Arrhythmia Database. IEEE Eng in Med and
       Biol 20(3):45-50 (2001).
    .. [2] Goldberger AL et al. PhysioBank, PhysioToolkit, and PhysioNet. Circulation
       101(23):e215-e220 (2000).

    Examples
    --------
    >>> ecg = load_ecg()
    >>> len(ecg), ecg.attrs["sampling_rate_hz"]
    (108000, 360.0)
    >>> ecg.iloc[:3].tolist()
    [-0.245, -0.215, -0.185]
    """
    with np.load(_data_folder() / _ECG_FILE) as record:
        rate = int(record["fs"])
        millivolts = (record["adc"].astype(np.float64) - record["baseline"]) / record["gain"]
    ecg = pd.Series(millivolts, index=sample_times(len(millivolts), Fraction(rate)), name="ecg")
    ecg.attrs["sampling_rate_hz"] = float(rate)
    return ecg


def _data_folder() -> Path:
    """Return the data folder: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "data"
    return inside if inside.is_dir() else package.parent / "data"
