"""Memory: what training takes, predicted from shapes before anything of that size is asked for."""

from __future__ import annotations

import os

import torch

from relu_forecast.exceptions import InvalidArgumentError

_ARRAYS_OF_TARGETS = 6
_ARRAYS_OF_ROWS = 2
_ARRAYS_OF_SKIP = 3


def training_bytes(
    n_samples: int, n_inputs: int, n_targets: int, *, n_rows: int, width: int, linear_skip: bool,
    entry_bytes: int = 8
) -> int:
    """Return about the least memory that training takes, whatever the number of neurons.

    With n samples of m inputs, C targets, and N rows of d entries, that is two copies of the rows,
    six arrays like the targets (they, their residuals and what is left of both) and, for the
    linear skip, three arrays of ``(n + m) (m + 1)`` numbers that its basis is made of.
    """
    numbers = _ARRAYS_OF_ROWS * n_rows * width + _ARRAYS_OF_TARGETS * n_samples * n_targets
    if linear_skip:
        numbers += _ARRAYS_OF_SKIP * (n_samples + n_inputs) * (n_inputs + 1)
    return entry_bytes * numbers


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


def check_memory(needed: int, what: str, device: torch.device) -> None:
    """Refuse data whose training needs more memory than the machine has."""
    present = machine_bytes(device)
    if present is not None and needed > present:
        raise InvalidArgumentError(
            "X and y", f"of a size whose training fits in the {_gibibytes(present)} of memory here",
            f"{what}, for which training takes at least {_gibibytes(needed)}",
            "Pass fewer samples, lags or targets, or float32 tensors, or use a larger machine.")


def _gibibytes(count: int) -> str:
    """Return a number of bytes for people."""
    return f"{count / 2**30:,.1f} GiB"
