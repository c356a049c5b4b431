"""The shipped electrocardiograms."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd

from relu_forecast.datasets.times import sample_times
from relu_forecast.validation import check_choice

_RECORDS = ("208", "100")


def load_ecg(record: str = "208") -> pd.Series:
    """Load five minutes of a real electrocardiogram, in millivolts, sampled at 360 Hz.

    Lead MLII of a record of the MIT-BIH Arrhythmia Database. Record 208 holds normal and
    premature ventricular beats, record 100, another patient's, regular ones.

    A sample lasts 1/360 s, which is no whole number of nanoseconds. Time ``k`` is ``k / 360`` s
    rounded to the nearest nanosecond, so each is within 0.5 ns of the truth and nothing drifts,
    but two neighbours are 2,777,777 or 2,777,778 ns apart and pandas infers no ``freq``. The
    step to go on with is the exact rate in ``attrs``, or the mean step of the index.

    The data are licensed under the Open Data Commons Attribution License v1.0. Please cite [1]_
    and [2]_.

    Parameters
    ----------
    record : {"208", "100"}, default "208"
        Which of the two.

    Returns
    -------
    Series of float64, shape (108000,)
        Millivolts, named ``"ecg"``. The index, named ``"ds"``, is the time since the first
        sample, a TimedeltaIndex in nanoseconds; ``attrs["sampling_rate_hz"]`` is 360.0. Each
        call returns a new series.

    Raises
    ------
    InvalidArgumentError
        If there is no such record.

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
    check_choice(record, "record", _RECORDS)
    with np.load(_data_folder() / f"ecg_mitbih_{record}.npz") as arrays:
        rate = int(arrays["fs"])
        millivolts = (arrays["adc"].astype(np.float64) - arrays["baseline"]) / arrays["gain"]
    ecg = pd.Series(millivolts, index=sample_times(len(millivolts), Fraction(rate)), name="ecg")
    ecg.attrs["sampling_rate_hz"] = float(rate)
    return ecg


def _data_folder() -> Path:
    """Return the data folder: inside an installed package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "data"
    return inside if inside.is_dir() else package.parent / "data"
