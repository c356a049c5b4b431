"""What streams and exports ask of a model: forecasts of all steps from the last samples."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from relu_forecast.validation import Array


@runtime_checkable
class WindowModel(Protocol):
    """A map from the last samples of a series to the next ones."""

    @property
    def length(self) -> int:
        """Samples that it looks back on, L."""

    @property
    def n_steps(self) -> int:
        """Steps ahead that it forecasts, H."""

    def forecast(self, windows: Array) -> Array:
        """Return the samples that follow, (C, H), of windows (C, L or more), oldest first."""
