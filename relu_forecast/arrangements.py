"""Activation patterns: the cells of the hyperplane arrangement that the rows of X cut out.

A neuron with weights u switches on for the samples in ``{t : x_t'u >= 0}``. Within one cell of
the arrangement that set, the pattern, is fixed and the neuron is linear; THEORY section 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.validation import check_positive_int


@dataclass(frozen=True)
class ActivationPatterns:
    """A set of distinct activation patterns and gates that make them.

    Attributes
    ----------
    masks : Tensor of bool, shape (P, n)
        ``masks[i] = X @ gates[i] >= 0``, the diagonal of D_i.
    gates : Tensor, shape (P, d)
        A weight vector inside each pattern's cell.
    """

    masks: Bool[Tensor, "P n"]
    gates: Float[Tensor, "P d"]

    def __len__(self) -> int:
        """Return the number of patterns."""
        return self.masks.shape[0]

    @classmethod
    def from_gates(
        cls, X: Float[Tensor, "n d"], gates: Float[Tensor, "G d"]
    ) -> ActivationPatterns:
        """Return the distinct patterns that ``gates`` make on ``X``, in order of first appearance.

        Parameters
        ----------
        X : Tensor, shape (n, d)
            Samples.
        gates : Tensor, shape (G, d)
            Weight vectors, of the device and dtype of ``X``.

        Returns
        -------
        ActivationPatterns
            At most G patterns. Cost O(G n d).
        """
        masks = gates @ X.T >= 0
        first = first_occurrences(masks)
        return cls(masks[first], gates[first])

    def to(self, device: torch.device, dtype: torch.dtype) -> ActivationPatterns:
        """Return the same patterns on another device, the gates in another dtype."""
        return ActivationPatterns(self.masks.to(device), self.gates.to(device, dtype))


def first_occurrences(masks: Bool[Tensor, "G n"]) -> Tensor:
    """Return the indices of the first of each distinct row, increasing; compares packed bits."""
    packed = np.packbits(masks.cpu().numpy(), axis=1)
    _, first = np.unique(packed, axis=0, return_index=True)
    return torch.as_tensor(np.sort(first), device=masks.device)


def sample_patterns(
    X: Float[Tensor, "n d"],
    n_patterns: int,
    random_state: int | np.random.Generator | None = None,
) -> ActivationPatterns:
    """Draw patterns from Gaussian gates, ``D = Diag(1[X g >= 0])`` with g ~ N(0, I).

    Parameters
    ----------
    X : Tensor, shape (n, d)
        Samples; the result lives on its device, in its dtype.
    n_patterns : int
        Gates to draw. Duplicate patterns are removed, so fewer may come back.
    random_state : int, Generator or None
        Seed of the draw; None draws fresh entropy. The draw is the same on every device.

    Returns
    -------
    ActivationPatterns
        At most ``n_patterns`` distinct patterns. Cost O(n_patterns n d).

    Notes
    -----
    THEORY section 2; Pilanci & Ergen (2020), arXiv 2002.10553.

    Examples
    --------
    >>> X = torch.tensor([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]], dtype=torch.float64)
    >>> sorted(sample_patterns(X, 50, random_state=0).masks.int().tolist())
    [[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]
    """
    n_patterns = check_positive_int(n_patterns, "n_patterns")
    if X.ndim != 2 or 0 in X.shape:
        raise InvalidArgumentError(
            "X", "a matrix with at least one row and column", f"shape {tuple(X.shape)}",
            "Cut the series into windows first, see hankel.")
    generator = np.random.default_rng(random_state)
    gates = torch.as_tensor(generator.standard_normal((n_patterns, X.shape[1])))
    return ActivationPatterns.from_gates(X, gates.to(X))
