"""A short text that says whether two compiled models are the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from hashlib import sha256
from typing import Any

import numpy as np


def signature_of(model: Any) -> str:
    """Return a digest of all numbers of a compiled model."""
    digest = sha256()
    _add(digest, model)
    return digest.hexdigest()[:32]


def _add(digest: Any, part: Any) -> None:
    """Take in a part: a dataclass, an array, a sequence or a plain value."""
    if is_dataclass(part):
        digest.update(type(part).__name__.encode())
        for field in fields(part):
            _add(digest, getattr(part, field.name))
    elif isinstance(part, np.ndarray):
        digest.update(f"{part.shape}".encode())
        digest.update(np.ascontiguousarray(part).tobytes())
    elif isinstance(part, tuple):
        for one in part:
            _add(digest, one)
    else:
        digest.update(repr(part).encode())
