"""What was said of samples that have not come yet: forecasts, and half-widths of intervals."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import as_strided

from relu_forecast.validation import Array


class Outstanding:
    """What the latest H samples said of the next ones, booked when these come.

    Each sample issues R rows of H numbers, one for each step ahead. What was said of one sample
    then lies a step further in each row back; every row is written twice, so that all of it is one
    view.

    Parameters
    ----------
    n_steps : int
        Steps ahead, H.
    n_rows : int
        Rows that are issued at a time, R.
    channels : int, optional
        Series side by side, N: all arrays have a last axis of them then.
    """

    def __init__(self, n_steps: int, n_rows: int, channels: int | None = None) -> None:
        axes = () if channels is None else (channels,)
        self._rows = np.full((2 * n_steps, n_rows, n_steps, *axes), np.nan)
        self._n_steps, self._place = n_steps, 0
        flat = self._rows.reshape(2 * n_steps * n_rows * n_steps, *axes)
        each, *rest = flat.strides
        width = n_rows * n_steps
        self._due = [
            as_strided(flat[(place + n_steps - 1) * width :], (n_rows, n_steps, *axes),
                       (n_steps * each, (1 - width) * each, *rest))
            for place in range(n_steps)]

    @property
    def due(self) -> Array:
        """What was said of the next sample, 1 to H steps before it, (R, H); NaN where nothing."""
        return self._due[self._place]

    @property
    def latest(self) -> Array:
        """What was issued last, (R, H)."""
        latest: Array = self._rows[self._place + self._n_steps - 1].copy()
        return latest

    def issue(self, *rows: Array) -> None:
        """Book what a sample says of the next H: arrays of R rows in all, (H,) or (r, H)."""
        now, start = self._rows[self._place], 0
        for row in rows:
            count = 1 if row.ndim < now.ndim else len(row)
            now[start : start + count] = row
            start += count
        self._rows[self._place + self._n_steps] = now
        self._place = self._place + 1 if self._place + 1 < self._n_steps else 0

    def state(self) -> dict[str, Array]:
        """Return all that is known, for `restore`."""
        return {"rows": self._rows[: self._n_steps].copy(), "place": np.array(self._place)}

    def restore(self, state: dict[str, Array]) -> None:
        """Go on from what `state` returned, of the same steps, rows and channels."""
        self._rows[: self._n_steps] = self._rows[self._n_steps :] = state["rows"]
        self._place = int(state["place"]) % self._n_steps
