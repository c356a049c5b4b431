"""Parts of a detector: what each remembers, as data that can be kept, split and put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.streaming.alarms.arithmetic import Arithmetic, ManyChannels, OneChannel

_P = TypeVar("_P", bound="Part")
NUMBER, COUNT, STEPS, PAST = "a number", "a count", "a size of each step", "past scores"
"""What a part may remember of a channel."""


class Part:
    """What is remembered of one channel or of many: attributes that `KEPT` names.

    Of many channels, the first axis of each attribute is that of the channels.
    """

    KEPT: ClassVar[dict[str, str]]
    __slots__ = ("numbers",)

    def __init__(self, numbers: Arithmetic, **kept: Any) -> None:
        self.numbers = numbers
        for name in self.KEPT:
            setattr(self, name, numbers.copied(kept[name]))

    def state(self) -> dict[str, Any]:
        """Return copies of what is remembered."""
        return {name: self.numbers.copied(getattr(self, name)) for name in self.KEPT}

    @classmethod
    def from_state(cls: type[_P], numbers: Arithmetic, state: Mapping[str, Any],
                   shapes: Mapping[str, tuple[int, ...]]) -> _P:
        """Return a part as `state` described it; refuse what cannot be one."""
        return cls(numbers, **{name: checked(state, name, shapes[what], whole=what == COUNT)
                               for name, what in cls.KEPT.items()})

    @classmethod
    def joined(cls: type[_P], parts: Sequence[_P]) -> _P:
        """Return the part of the channels of several parts, one after another."""
        return cls(ManyChannels(), **{
            name: np.concatenate([one._as_rows(name) for one in parts]) for name in cls.KEPT})

    def rows(self: _P, which: npt.NDArray[np.intp]) -> _P:
        """Return the part of some of many channels, a copy."""
        return type(self)(self.numbers,
                          **{name: getattr(self, name)[which] for name in self.KEPT})

    def put(self, which: npt.NDArray[np.intp], part: Part) -> None:
        """Replace what is remembered of some of many channels."""
        for name in self.KEPT:
            getattr(self, name)[which] = getattr(part, name)

    def _as_rows(self, name: str) -> npt.NDArray[Any]:
        """Return what is remembered with an axis of channels, also of one."""
        values = np.asarray(getattr(self, name))
        return values[np.newaxis] if isinstance(self.numbers, OneChannel) else values


def checked(state: Mapping[str, Any], name: str, shape: tuple[int, ...], *,
            whole: bool) -> npt.NDArray[Any]:
    """Return an entry of a state: finite numbers of a shape, counts being whole and >= 0."""
    values = np.asarray(state.get(name))
    if values.dtype.kind not in ("iu" if whole else "iuf") or values.shape != shape:
        raise foreign_state(f"{name} of shape {shape}",
                            f"{name} of shape {values.shape} and dtype {values.dtype}")
    if not np.isfinite(values).all() or (values < 0).any():
        raise foreign_state(f"{name} of finite numbers >= 0", f"{name} with others")
    return values.astype(np.int64 if whole else np.float64)


def foreign_state(required: str, got: str) -> InvalidArgumentError:
    """Return the error for what is not the state of such a monitor."""
    return InvalidArgumentError("state", f"what AlarmMonitor.state returned, with {required}", got,
                                "Start a new monitor from held-out errors.")
