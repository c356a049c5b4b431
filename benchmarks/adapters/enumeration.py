"""All activation patterns of rows in the plane. Settings: n."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.jobs import Answer, Settings
from relu_forecast.patterns.arrangements import enumerate_patterns


def prepare(threads: int) -> None:
    """Set torch's threads."""
    torch.set_num_threads(threads)


def answer(instance: None, settings: Settings, threads: int) -> Answer:
    """Enumerate; the "objective" is the number of patterns."""
    rows = np.random.default_rng(0).standard_normal((settings["n"], 2))
    return Answer(objective=float(len(enumerate_patterns(rows))))
