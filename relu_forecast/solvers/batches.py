"""Dataclasses of tensors whose first dimension counts blocks: some of the blocks, or more of them.

Fields may be such dataclasses themselves. Scalar tensors belong to all blocks and stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any, TypeVar

import torch
from jaxtyping import Int
from torch import Tensor

Batch = TypeVar("Batch")


def taken(batch: Batch, index: slice | Int[Tensor, " m"]) -> Batch:
    """Return some of the blocks."""
    return by_field(lambda part: part[index], batch)


def joined(*batches: Batch) -> Batch:
    """Return the blocks of all, those of the first in front."""
    return by_field(lambda *parts: torch.cat(parts), *batches)


def by_field(function: Callable[..., Tensor], *batches: Batch) -> Batch:
    """Return a dataclass each of whose tensors is a function of those of the same name."""
    def combined(*parts: Any) -> Any:
        if not isinstance(parts[0], Tensor):
            return by_field(function, *parts)
        return function(*parts) if parts[0].ndim else parts[0]

    kind: Any = type(batches[0])
    result: Batch = kind(*(combined(*(getattr(batch, field.name) for batch in batches))
                           for field in fields(kind)))
    return result
