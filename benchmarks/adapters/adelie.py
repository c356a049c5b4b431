"""adelie (Yang & Hastie 2024): block coordinate descent with Newton steps.

Of its two methods the one on A'A, which NumPy forms, is the faster here, and a short path of larger
penalties before the one asked for halves its time; both are part of the time.

Settings: tol, path (penalties, from 100 times the one asked for).
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np

from benchmarks.adapters.wide import wide_matrix
from benchmarks.instances import Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Import the package."""
    importlib.import_module("adelie")


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Solve at the instance's beta, without intercept or standardisation, groups weighed alike."""
    ad: Any = importlib.import_module("adelie")
    n, d = instance.X.shape
    wide, p = wide_matrix(instance), len(instance.masks)
    path = instance.beta / n * np.geomspace(100.0, 1.0, settings["path"])
    state = ad.gaussian_cov(
        np.asfortranarray(wide.T @ wide / n), wide.T @ instance.y / n,
        groups=np.arange(0, p * d, d), alpha=1.0, penalty=np.ones(p), lmda_path=path,
        tol=settings["tol"], rdev_tol=0.0, early_exit=False, n_threads=threads,
        progress_bar=False)
    blocks = state.betas.toarray()[-1].reshape(p, d)
    return Answer(blocks=blocks, notes={"version": f"adelie {ad.__version__}"})
