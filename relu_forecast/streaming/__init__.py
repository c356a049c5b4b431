"""Forecasts and alarms for signals that are still coming in, a sample at a time."""
