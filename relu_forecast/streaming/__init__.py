"""Streams: a sample in, a reading out, in constant time and memory."""

from relu_forecast.streaming.half_widths import HalfWidths
from relu_forecast.streaming.reading import Reading
from relu_forecast.streaming.stream import Stream

__all__ = ["HalfWidths", "Reading", "Stream"]
