"""What a training leaves behind for the next one, on similar samples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.problems.neurons import Neurons
from relu_forecast.storage import stored
from relu_forecast.validation import as_finite


@stored()
@dataclass(frozen=True)
class WarmStart:
    """Where a training can start, instead of from nothing.

    All tensors are float64 and on the CPU, whatever the training ran on.

    Attributes
    ----------
    neurons : Neurons
        The trained network, in the coordinates of its architecture.
    ends : Tensor, shape (k, c)
        Directions where the last search for violating neurons ended.
    linear_ends : Tensor, shape (l, c)
        The same for the search beside the linear part alone, which gives beta_max.
    """

    neurons: Neurons
    ends: Float[Tensor, "k c"]
    linear_ends: Float[Tensor, "l c"]

    @classmethod
    def of(
        cls, neurons: Neurons, ends: Float[Tensor, "k c"], linear_ends: Float[Tensor, "l c"]
    ) -> WarmStart:
        """Keep what a training ended with, as float64 on the CPU."""
        like = torch.empty(0, dtype=torch.float64)
        return cls(neurons.to(like), ends.to(like), linear_ends.to(like))

    def check_stored(self) -> None:
        """Refuse ends in other coordinates than those of the neurons."""
        if len({part.shape[1] for part in (self.neurons.blocks, self.ends, self.linear_ends)}) > 1:
            raise ValueError("blocks and ends must have as many columns")

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to start from: no neuron, or no search was made."""
        return len(self.neurons) == 0 or len(self.linear_ends) == 0

    def on(self, rows: Float[Tensor, "N c"], n_head_entries: int = 1) -> WarmStart:
        """Return the same on the device and in the dtype of the rows that are trained on.

        ``n_head_entries`` are those of a neuron's head: sites times targets.

        Raises
        ------
        InvalidArgumentError
            The rows are of another width (another architecture, or other lags), there are other
            targets or sites, or the warm start is not finite.
        """
        parts = self.neurons.blocks, self.ends, self.linear_ends
        if any(part.shape[1] != rows.shape[1] for part in parts):
            raise InvalidArgumentError(
                "warm_start", f"of {rows.shape[1]} weights per neuron, as the data ask for",
                f"shapes {[tuple(part.shape) for part in parts]}",
                "Pass warm_start_ of a fit of the same architecture to windows as wide.")
        heads = self.neurons.heads
        if heads.shape[1] != n_head_entries:
            raise InvalidArgumentError(
                "warm_start", f"of {n_head_entries} entries per head, sites times targets",
                f"heads of shape {tuple(heads.shape)}",
                "Pass warm_start_ of a fit to as many targets and sites.")
        for part in (*parts, heads):
            as_finite(part, "warm_start")
        return WarmStart(self.neurons.to(rows), self.ends.to(rows), self.linear_ends.to(rows))
