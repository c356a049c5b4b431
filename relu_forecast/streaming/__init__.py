"""Streams: a sample in, a reading out, in constant time and memory."""
