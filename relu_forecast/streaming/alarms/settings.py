"""What a user may ask of the alarms: how many false ones, and how long things last."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_int, check_positive, check_positive_int

TESTS = ("point", "rise", "fall")
"""The tests that can raise an alarm, in the order in which they are asked."""
REFERENCE_SIZE = 250
"""Past scores that a new one is ranked among."""
_FEWEST = 2 * REFERENCE_SIZE
"""Samples that scales and thresholds can be started from."""


@dataclass(frozen=True)
class AlarmSettings:
    """How often a false alarm may come, and how long the monitor remembers.

    Lengths are counted in samples, so that the same settings mean the same at every rate.

    Attributes
    ----------
    samples_per_hour : float
        How often the signal is sampled; 360 Hz are 1,296,000 an hour.
    per_hour : float, default 1.0
        Alarms an hour that may come in a signal without a fault. The tests share it equally.
    hold : int, default 60
        An alarm ends when no test has been above its threshold for so many samples.
    memory : int, default 20_000
        Samples over which usual sizes of errors are followed; 20,000 are 56 s at 360 Hz.
    patience : int, default 20_000
        During an alarm nothing is learned. One that has lasted so many samples is taken for a
        new normal: the monitor learns again, quickly, until it ends.
    warm_up : int, default 1_000
        Samples, those held out included, that are seen before there can be an alarm.
    gain : float, default 0.1
        By how much an alarm raises the logarithm of the threshold of its test. Smaller ones make
        thresholds steadier and slower.

    Raises
    ------
    InvalidArgumentError
        If one of them is out of range, or more alarms are asked for than can end in time.

    Examples
    --------
    >>> AlarmSettings(samples_per_hour=360 * 3600, per_hour=6).per_sample
    4.62...e-06
    """

    samples_per_hour: float
    per_hour: float = 1.0
    hold: int = 60
    memory: int = 20_000
    patience: int = 10_000
    warm_up: int = 1_000
    gain: float = 0.1

    def __post_init__(self) -> None:
        for name in ("samples_per_hour", "per_hour", "gain"):
            check_positive(getattr(self, name), name)
        check_positive_int(self.hold, "hold")
        check_positive_int(self.patience, "patience")
        for name in ("memory", "warm_up"):
            check_int(getattr(self, name), name, minimum=_FEWEST,
                      remedy=f"Pass at least {_FEWEST} samples.")
        if self.gain > 1:
            raise InvalidArgumentError("gain", "at most 1", repr(self.gain),
                                       "Pass 0.05 to 0.2.")
        if self.per_sample * self.hold > 0.5:
            raise InvalidArgumentError(
                "per_hour", f"at most {0.5 * self.samples_per_hour / self.hold:g}, half of what"
                f" alarms of hold={self.hold} samples leave room for", repr(self.per_hour),
                "Ask for fewer alarms, or lower hold.")

    @property
    def per_sample(self) -> float:
        """Alarms that may come, a sample."""
        return self.per_hour / self.samples_per_hour

    def as_dict(self) -> dict[str, Any]:
        """Return the settings as plain numbers, by name."""
        return asdict(self)
