"""Alarms: errors of forecasts that are too large, or too large or small for too long."""

from relu_forecast.streaming.alarms import faults
from relu_forecast.streaming.alarms.errors import errors_by_sample
from relu_forecast.streaming.alarms.monitor import AlarmMonitor, Verdict
from relu_forecast.streaming.alarms.settings import AlarmSettings

__all__ = ["AlarmMonitor", "AlarmSettings", "Verdict", "errors_by_sample", "faults"]
