"""One quasi-Newton method for the smooth pieces of training."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def minimise(closure: Callable[[], Tensor], moving: list[Tensor], n_steps: int) -> None:
    """Run L-BFGS in place, at most ``n_steps`` iterations with a strong Wolfe line search.

    Parameters
    ----------
    closure : callable
        Sets the gradients of ``moving`` and returns the value, a scalar tensor.
    moving : list of Tensor
        What moves, in place.
    n_steps : int
        Most iterations; evaluations stop at a quarter more.
    """
    optimizer = torch.optim.LBFGS(
        moving, max_iter=n_steps, tolerance_grad=0.0, tolerance_change=1e-12, history_size=20,
        line_search_fn="strong_wolfe")
    optimizer.step(closure)  # type: ignore[no-untyped-call]
