"""The last samples of one series, or of many side by side, always in one piece."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from relu_forecast.validation import Array

_Flags = npt.NDArray[np.bool_]


class RollingWindow:
    """The last L samples, oldest first; missing ones are filled as a forecast knows them.

    A missing sample is the last observed one, until the next is observed: then all between them are
    on the straight line that joins them. Every sample is written twice, so that no sample moves
    when a new one comes.

    Parameters
    ----------
    length : int
        L.
    channels : int, optional
        Series side by side, N: samples are (N,), and all arrays have a last axis of channels.
    """

    def __init__(self, length: int, channels: int | None = None) -> None:
        axes = () if channels is None else (channels,)
        self.length = length
        self._samples = np.full((2 * length, *axes), np.nan)
        self._place = 0
        self._last = np.full(axes, np.nan)
        """The last observed sample."""
        self._gap = np.zeros(axes, dtype=np.int64)
        """Missing samples since."""
        self._any_gap = True

    @property
    def samples(self) -> Array:
        """Shape (L,). NaN where nothing has been observed yet."""
        return self._samples[self._place : self._place + self.length]

    def push(self, sample: float | Array) -> None:
        """Take in the next sample, or one of each channel; NaN where it is missing."""
        if np.ndim(sample):
            sample = self._filled(np.asarray(sample, dtype=float))
        elif sample != sample:
            self._gap += 1
            self._any_gap = True
            sample = float(self._last)
        else:
            if self._any_gap:
                self._join(float(sample))
            self._last = sample  # type: ignore[assignment]
        place, values = self._place, self._samples
        values[place] = values[place + self.length] = sample
        self._place = place + 1 if place + 1 < self.length else 0

    def lengthen_gap(self, count: int) -> None:
        """Take in ``count`` more missing samples, where all of the window is missing already."""
        self._gap += count

    def _join(self, sample: float) -> None:
        """Fill the gap before a sample."""
        line = _line(float(self._last), sample, int(self._gap), self.length)
        self.samples[self.length - len(line) :] = line
        self._mirror()
        self._gap[...] = 0
        self._any_gap = False

    def _filled(self, sample: Array) -> Array:
        """Take in the samples of all channels; return them without gaps."""
        observed = ~np.isnan(sample)
        for channel in np.flatnonzero(observed & (self._gap > 0)):
            line = _line(self._last[channel], sample[channel], int(self._gap[channel]),
                         self.length)
            self.samples[self.length - len(line) :, channel] = line
            self._any_gap = True
        if self._any_gap:
            self._mirror()
        self._gap = np.where(observed, 0, self._gap + 1)
        self._any_gap = False
        self._last = np.where(observed, sample, self._last)
        return self._last

    def _mirror(self) -> None:
        """Write the window to both of its places."""
        now = self.samples.copy()
        first = self.length - self._place
        self._samples[self._place : self.length] = now[:first]
        self._samples[: self._place] = now[first:]
        self._samples[self.length :] = self._samples[: self.length]

    def state(self) -> dict[str, Array]:
        """Return all that is known, for `restore`."""
        return {"samples": self.samples.copy(), "last": np.array(self._last, dtype=float),
                "gap": np.array(self._gap)}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from what `state` returned, of the same length and channels."""
        self._place = 0
        self._samples[:] = np.concatenate([state["samples"]] * 2)
        self._last, self._gap = np.array(state["last"]), np.array(state["gap"])
        self._any_gap = True


def _line(before: float, after: float, gap: int, most: int) -> Array:
    """Return the last samples of a gap, ``most`` at most, on the line between its ends.

    Before the first observed sample there is no line: NaN.
    """
    places = np.arange(max(1, gap + 1 - most), gap + 1, dtype=float)
    return np.asarray(np.interp(places, [0.0, gap + 1.0], [before, after]))
