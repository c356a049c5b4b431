"""Races between this package and its peers: ``python -m benchmarks --help``.

`instances` builds the problems, `contests` lists who races on which, `race` lets them take turns,
each in a process of its own (`jobs`, `worker`) through its adapter (`adapters`), `judge` grades
all answers alike, and `report`, `bars` and `plots` lay the figures out. Instances, judge and
worker need NumPy only, so that peers can run in environments of their own.
"""
