"""Series in: the shipped ECG, tables in files, and physiological records."""

from relu_forecast.datasets.ecg import load_ecg, sample_times
from relu_forecast.datasets.tables import read_series
from relu_forecast.datasets.wfdb import load_wfdb

__all__ = ["load_ecg", "load_wfdb", "read_series", "sample_times"]
