"""scnn (``pip install pyscnn``; Mishkin et al. 2022): its augmented Lagrangian, or R-FISTA.

Its objective is ours over n. The data are divided by sqrt(n), which changes nothing but the
units of the weights and brings the columns to length one, as the package's own ``unitize_data``
does; that option itself would weigh the columns differently and change the problem.

Settings: tol (also of the constraints), max_iterations (primal, in all), stop_s: seconds after
which it is interrupted, and graded as it stands.
"""

from __future__ import annotations

import importlib
import math
import signal
import traceback
from types import FrameType
from typing import Any

import numpy as np

from benchmarks.instances import Floats, Instance
from benchmarks.jobs import Answer, Settings


def prepare(threads: int) -> None:
    """Import the package, which brings in torch."""
    importlib.import_module("scnn.optimize")


def answer(instance: Instance, settings: Settings, threads: int) -> Answer:
    """Train on the instance's gates, in float64, by NumPy."""
    tol, most = settings.get("tol", 1e-6), settings.get("max_iterations", 10_000)
    models, solvers = _module("models"), _module("solvers")
    if instance.has_cones:
        model = models.ConvexReLU(instance.gates.T)
        solver = solvers.AL(model, max_primal_iters=most, tol=tol, constraint_tol=tol)
    else:
        model = models.ConvexGatedReLU(instance.gates.T)
        solver = solvers.RFISTA(model, max_iters=most, tol=tol)
    trained, stopped = _trained(model, solver, instance, settings.get("stop_s", math.inf))
    return Answer(blocks=_in_order(instance, trained),
                  notes={"interrupted": stopped, "version": "pyscnn 0.0.10"})


class _TimeUpError(Exception):
    """The time is up."""


def _trained(
    model: Any, solver: Any, instance: Instance, stop_s: float
) -> tuple[Any, bool]:
    """Return the trained model, and whether it was interrupted: scnn knows no time limit."""
    scale = len(instance.y) ** -0.5
    penalty = _module("regularizers").NeuronGL1(scale * instance.beta / len(instance.y))
    signal.signal(signal.SIGALRM, _raise_time_up)
    signal.setitimer(signal.ITIMER_REAL, stop_s if math.isfinite(stop_s) else 0.0)
    try:
        trained, _ = _module("optimize").optimize_model(
            model, solver, _module("metrics").Metrics(), scale * instance.X, instance.y,
            regularizer=penalty, return_convex=True, unitize_data=False, dtype="float64")
    except _TimeUpError as stop:
        return _module("private.interface").update_public_model(model, _inside(stop)), True
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
    return trained, False


def _raise_time_up(number: int, frame: FrameType | None) -> None:
    """Interrupt, from an alarm."""
    raise _TimeUpError


def _inside(stop: _TimeUpError) -> Any:
    """Return the model under way, a local variable of the function that was interrupted."""
    frames = [frame for frame, _ in traceback.walk_tb(stop.__traceback__)]
    return next(frame.f_locals["internal_model"] for frame in frames
                if "internal_model" in frame.f_locals)


def _module(name: str) -> Any:
    """Return a module of the package, which is not in the package's own environment."""
    return importlib.import_module(f"scnn.{name}")


def _in_order(instance: Instance, trained: Any) -> Floats:
    """Return the blocks in the instance's order of patterns; scnn drops and sorts columns."""
    p, (n, d) = len(instance.masks), instance.X.shape
    masks = instance.X @ trained.G >= 0
    index = {mask.tobytes(): i for i, mask in enumerate(instance.masks)}
    parts = []
    for weights in trained.parameters:
        blocks = np.zeros((p, d))
        for mask, block in zip(masks.T, weights.reshape(-1, d), strict=True):
            blocks[index[mask.tobytes()]] = n**-0.5 * block
        parts.append(blocks)
    return np.concatenate(parts)
