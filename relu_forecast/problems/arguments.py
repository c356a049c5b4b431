"""The patterns and heads of a program as its caller gives them: checked, and made ready."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.patterns.slabs import MASKED, rows_per_slab, slices
from relu_forecast.problems.task import TrainingTask
from relu_forecast.validation import as_finite


def checked_patterns(patterns: Any, task: TrainingTask) -> ActivationPatterns:
    """Return patterns on the device and in the dtype of the samples.

    Those of other data are refused, and gates on the boundary of a ReLU cell.
    """
    if isinstance(patterns, type) or not isinstance(patterns, ActivationPatterns):
        raise InvalidTypeError("patterns", "of type ActivationPatterns", repr(patterns)[:80],
                               "Pass for example sample_patterns(X, 100).")
    own = patterns.to(task.X.device, task.X.dtype)
    masks, gates = own.masks.flatten(1), own.gates
    rows = task.gate_inputs
    remedy = "Make them from this X, for example with sample_patterns."
    if len(masks) == 0 or masks.shape[1] != len(rows) or gates.shape[1] != rows.shape[1]:
        raise InvalidArgumentError(
            "patterns", f"of {len(rows)} rows of {rows.shape[1]} entries, and at least one",
            f"masks {tuple(patterns.masks.shape)}, gates {tuple(gates.shape)}", remedy)
    if masks.dtype != torch.bool or not bool(gates.isfinite().all()):
        raise InvalidArgumentError(
            "patterns", "boolean masks and finite gates", f"masks of {masks.dtype}", remedy)
    # Share of |x_t| |g| below which x_t'g is zero; gates drawn in float32 come close to it.
    rounding = torch.finfo(torch.float64).eps if rows.dtype == torch.float64 else 0.0
    sizes, cutting = gates.norm(dim=1)[:, None], task.features.cutting
    for part in slices(len(rows), rows_per_slab(MASKED, len(gates))):
        outputs = gates @ rows[part].T
        wrong = (outputs >= 0) != masks[:, part]
        if task.activation == "relu":
            wrong |= outputs.abs() <= rounding * sizes * rows[part].norm(dim=1)
        if bool(wrong[:, cutting[part]].any()):
            raise InvalidArgumentError(
                "patterns", "made by gates strictly inside their cells (mask = X @ gate >= 0)",
                "a gate that does not make its mask, or lies on a boundary", remedy)
    return own


def checked_heads(
    signs: Any, heads: Any, n_patterns: int, task: TrainingTask
) -> Float[Tensor, "P SC"] | None:
    """Return a head of length one per pattern, or None where both signs are meant.

    With one target and one site a head is a sign, and may be left out. With more of them there
    are infinitely many heads, and the caller must say which.
    """
    if signs is not None and heads is not None:
        raise InvalidArgumentError("signs", "left out when heads are given", repr(signs)[:80],
                                   "A head of +1 or -1 is a sign: pass heads only.")
    if heads is not None:
        return _unit_heads(heads, n_patterns, task)
    if task.has_signs:
        return None if signs is None else _checked_signs(signs, n_patterns, task)
    sites, targets = task.features.n_sites, task.n_targets
    required = f"given, one per pattern, for {targets} targets and {sites} sites"
    if signs is not None:
        raise InvalidArgumentError("signs", "left out with many targets or sites",
                                   repr(signs)[:80], "Pass heads, which take their place.")
    raise InvalidArgumentError(
        "heads", required, "None",
        f"Pass an array {(n_patterns, targets) if sites == 1 else (n_patterns, sites, targets)}; "
        "solvers.solve_with_heads finds the best heads of patterns.")


def _unit_heads(heads: Any, n_patterns: int, task: TrainingTask) -> Float[Tensor, "P SC"]:
    """Return heads of length one, of shape (P, C), (P, S, C) or (P, S*C)."""
    sites, targets = task.features.n_sites, task.n_targets
    values = as_finite(heads, "heads").to(task.X)
    flat, by_site = (n_patterns, sites * targets), (n_patterns, sites, targets)
    if tuple(values.shape) not in (flat, by_site):
        raise InvalidArgumentError(
            "heads", f"of shape {flat} or {by_site}, one head per pattern",
            f"shape {tuple(values.shape)}", "Repeat a pattern for each of its heads.")
    values = values.flatten(1)
    largest = values.abs().amax(dim=1, keepdim=True)
    if not bool((largest > 0).all()):
        raise InvalidArgumentError("heads", "not zero", "a head of zeros",
                                   "Leave out pairs that add to no target.")
    values = values / largest  # squares of what is tiny or huge would be lost
    unit: Tensor = values / torch.linalg.vector_norm(values, dim=1, keepdim=True)
    return unit


def _checked_signs(signs: Any, n_patterns: int, task: TrainingTask) -> Float[Tensor, "P 1"]:
    """Return one sign per pattern."""
    values = torch.as_tensor(signs).to(task.X)
    if values.shape != (n_patterns,) or not bool((values.abs() == 1).all()):
        raise InvalidArgumentError(
            "signs", f"{n_patterns} values of +1 or -1", repr(signs),
            "Pass one sign per pattern, or None for both.")
    return values[:, None]
