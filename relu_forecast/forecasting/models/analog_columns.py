"""What followed the past windows most like a window, as columns for a regressor to see."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.forecasting.data.history import History
from relu_forecast.forecasting.models.analogs import AnalogModel
from relu_forecast.storage import stored
from relu_forecast.validation import Array
from relu_forecast.windows.neighbours import crowded_out

_AVERAGED = 5
"""Windows whose continuations are averaged."""


@stored()
@dataclass(frozen=True)
class AnalogColumns:
    """Forecasts of analogs, relative to the last sample of a window: a column for each step.

    For windows of the training part itself, nothing is looked up that shares a sample with them or
    with the horizon after them. So the columns are as good, or as bad, as they will be later, and a
    regressor learns how far to trust them.
    """

    library: AnalogModel
    """The training part, and how it is searched."""

    @classmethod
    def of(cls, history: History, lags: int, horizon: int) -> AnalogColumns:
        """Take a training part, to be searched by ``lags`` samples for the next ``horizon``."""
        library = AnalogModel.of(history, lags, _AVERAGED, horizon, relative=True)
        if library.n_windows < fewest_windows(lags, horizon):
            raise InvalidArgumentError(
                "training part", f"of {fewest_windows(lags, horizon)} windows for analogs="
                f"{lags} and {horizon} steps ahead", f"{library.n_windows}",
                "Pass more samples or fewer analogs, or leave them out.")
        return cls(library)

    @property
    def lags(self) -> int:
        """Samples that windows are compared by."""
        return self.library.lags

    @property
    def count(self) -> int:
        """Columns: steps ahead."""
        return self.library.horizon

    def of_windows(self, windows: Array) -> Array:
        """Return the columns, shape (n, count), of windows of ``lags`` samples or more."""
        return self.library.followed(windows[:, -self.lags :])

    def of_training(self, windows: Array) -> Array:
        """Return the same for all windows of the training part itself, in their order."""
        own = np.arange(len(windows)) + windows.shape[1] - self.lags
        return self.library.followed(windows[:, -self.lags :], own)


def fewest_windows(lags: int, horizon: int) -> int:
    """Return how many windows, each with a horizon after it, a training part must have."""
    return _AVERAGED + crowded_out(lags + horizon)
