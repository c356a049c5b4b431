"""Contests and who races in them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.instances import Spec
from benchmarks.jobs import Settings

Goal = Literal["", "gap", "objective"]


@dataclass(frozen=True)
class Contestant:
    """An adapter with its settings.

    Attributes
    ----------
    name : str
        As the tables have it.
    adapter : str
        Module of `benchmarks.adapters`.
    spec : Spec or None
        The instance; None for adapters that build their own.
    rungs : tuple of settings
        From the loosest to the tightest: in the first round each is tried until the goal is met,
        and that one runs in the other rounds too.
    goal : {"", "gap", "objective"}
        What "met" means: a relative gap of at most 1e-6, or an objective within 1e-6 of that of
        the first contestant. "" takes the first rung.
    environment : str
        Folder of a virtual environment of its own.
    limit_s : float
        Seconds after which a run is stopped.
    most_runs : int
        Runs of slow contestants, if fewer than the others'.
    """

    name: str
    adapter: str
    spec: Spec | None = None
    rungs: tuple[Settings, ...] = ({},)
    goal: Goal = ""
    environment: str = ""
    limit_s: float = 600.0
    most_runs: int = 100


@dataclass(frozen=True)
class Contest:
    """Contestants that take turns.

    Attributes
    ----------
    name, title : str
        For the command line and for the tables.
    contestants : tuple of Contestant
        In the order in which they run.
    targets : tuple of float
        Objectives whose first passage is looked for in the traces.
    shares : tuple of float
        The same as relative excesses over the best objective of the contest.
    sizes : tuple of float
        What each contestant's instance is the size of, in a sweep; its exponent is fitted.
    """

    name: str
    title: str
    contestants: tuple[Contestant, ...]
    targets: tuple[float, ...] = ()
    shares: tuple[float, ...] = ()
    sizes: tuple[float, ...] = ()
