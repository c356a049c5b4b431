"""How a series is split into training parts and cutoffs that are forecast."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_int, check_positive_int


@dataclass(frozen=True)
class Fold:
    """One fit, and the cutoffs that are forecast with it."""

    fit_start: int
    fit_stop: int
    """The training part is ``values[fit_start:fit_stop]``."""
    cutoffs: npt.NDArray[np.intp]
    """Shape (C,). Positions of the last known samples; the first is ``fit_stop - 1``."""


@dataclass(frozen=True)
class Splits:
    """Where the cutoffs are, and which fit forecasts them.

    See `Forecaster.cross_validation` for the parameters; one that is out of range is refused. A
    cutoff is the position of the last known sample. From each one, samples ``cutoff + gap + 1`` to
    ``cutoff + gap + h`` are forecast. The last forecast ends with the series, and cutoffs are
    ``step_size`` samples apart.
    """

    h: int
    n_windows: int | None = None
    step_size: int | None = None
    input_size: int | None = None
    gap: int = 0
    refit: bool | int = True

    def __post_init__(self) -> None:
        check_positive_int(self.h, "h", "Pass how many samples to forecast, >= 1.")
        for name in ("n_windows", "step_size", "input_size"):
            if getattr(self, name) is not None:
                check_positive_int(getattr(self, name), name, "Pass a whole number >= 1 or None.")
        check_int(self.gap, "gap", minimum=0, remedy="Pass 0 to forecast from the next sample.")
        if not isinstance(self.refit, bool | np.bool_):
            check_positive_int(self.refit, "refit", "Pass True, False, or k >= 1 cutoffs per fit.")

    @property
    def reach(self) -> int:
        """Samples from a cutoff to the end of its forecast, ``gap + h``."""
        return self.gap + self.h

    def cutoffs(self, length: int, shortest_fit: int) -> npt.NDArray[np.intp]:
        """Place the cutoffs on a series of ``length`` samples; return increasing positions, (C,).

        C is ``n_windows``, or as many as leave the first half of the series, ``input_size``
        samples, and the ``shortest_fit`` samples that a model needs, to the first fit.
        """
        if self.input_size is not None and self.input_size < shortest_fit:
            raise InvalidArgumentError(
                "input_size", f"at least {shortest_fit}, what the model needs to be fitted",
                str(self.input_size), "Use longer training windows, or fewer lags.")
        half = (length + 1) // 2 if self.n_windows is None else 1
        first_fit = max(half, shortest_fit, self.input_size or 1)
        step = self.step_size or self.h
        last = length - self.reach - 1
        possible = (last + 1 - first_fit) // step + 1
        wanted = possible if self.n_windows is None else self.n_windows
        if not 1 <= wanted <= possible:
            needed = first_fit + max(wanted - 1, 0) * step + self.reach
            raise InvalidArgumentError(
                "data", f"at least {needed} samples long, {first_fit} of them for the first fit",
                f"{length} samples", "Supply more history, or lower h, gap, n_windows, step_size"
                " or input_size; without n_windows, half of the series is kept for the first fit.")
        return last - step * np.arange(wanted - 1, -1, -1, dtype=np.intp)

    def folds(self, length: int, shortest_fit: int) -> tuple[Fold, ...]:
        """Group the cutoffs of a series by the fit that they share, in order of time.

        A training part ends at the first cutoff of its fold.
        """
        cutoffs = self.cutoffs(length, shortest_fit)
        per_fit = int(self.refit) if self.refit else len(cutoffs)
        groups = [cutoffs[i : i + per_fit] for i in range(0, len(cutoffs), per_fit)]
        stops = [int(group[0]) + 1 for group in groups]
        return tuple(
            Fold(0 if self.input_size is None else stop - self.input_size, stop, group)
            for stop, group in zip(stops, groups, strict=True))
