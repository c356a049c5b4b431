"""Memory: what training takes, predicted from shapes before anything of that size is asked for."""

from __future__ import annotations

import math
import os
from typing import Any

import numpy as np
import torch

from relu_forecast.exceptions import InvalidArgumentError

_ROWS, _TARGETS, _SKIP = 2, 6, 3
"""Arrays like the rows, like the targets and like the skip's inputs that training keeps."""
_DOUBLE = 8
"""Bytes of a number in float64."""


def check_copies(X: Any, y: Any) -> None:
    """Refuse samples and targets of which not even a copy fits: views may stand for any size."""
    try:
        shapes = [tuple(np.shape(X)), tuple(np.shape(y))]  # torch has a type of its own
    except (ValueError, RuntimeError):  # ragged lists: the checks of X and y say so
        return
    needed = _DOUBLE * sum(math.prod(shape) for shape in shapes)
    _refuse_beyond(needed, f"shapes {shapes[0]} and {shapes[1]}", torch.device("cpu"))


def check_training(
    samples: torch.Size, targets: torch.Size, rows: torch.Size, linear_skip: bool,
    like: torch.Tensor
) -> None:
    """Refuse data whose training takes more memory than the machine, or the accelerator, has.

    ``rows`` is the shape of the rows of one sample, ``like`` a tensor of the dtype and on the
    device of training.
    """
    needed = like.element_size() * training_numbers(samples, targets, rows, linear_skip)
    _refuse_beyond(needed, f"X of shape {tuple(samples)} and y of shape {tuple(targets)}, with "
                   f"{rows[0]} rows of {rows[1]} a sample", like.device)


def training_numbers(
    samples: torch.Size, targets: torch.Size, rows: torch.Size, linear_skip: bool
) -> int:
    """Return about how many numbers training keeps at least, whatever the number of neurons.

    They are two arrays like the rows, six like the targets (they themselves, residuals, and what
    the skip leaves of both) and, with a skip on m inputs, three of ``(n + m) (m + 1)`` numbers
    that its basis is made of.
    """
    n, inputs = samples[0], math.prod(samples[1:])
    numbers = _ROWS * n * math.prod(rows) + _TARGETS * math.prod(targets)
    return numbers + (_SKIP * (n + inputs) * (inputs + 1) if linear_skip else 0)


def machine_bytes(device: torch.device) -> int | None:
    """Return how much memory the machine, or an accelerator, has; None where it does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    if device.type != "cpu":
        return None
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, OSError, ValueError):  # not every system has these names
        return None


def _refuse_beyond(needed: int, what: str, device: torch.device) -> None:
    """Refuse what needs more memory than there is."""
    present = machine_bytes(device)
    if present is not None and needed > present:
        raise InvalidArgumentError(
            "X and y", f"of a size that fits in the {present / 2**30:,.1f} GiB of memory here",
            f"{what}, which take at least {needed / 2**30:,.1f} GiB",
            "Pass fewer samples, lags or targets, float32 tensors, or use a larger machine.")
