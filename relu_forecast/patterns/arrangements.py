"""Activation patterns: the cells of the hyperplane arrangement that the rows of X cut out.

A neuron with weights u switches on for the samples in ``{t : x_t'u >= 0}``. Within one cell of
the arrangement that set, the pattern, is fixed and the neuron is linear; THEORY section 2.

`enumerate_patterns` lists all cells, each with a gate inside, by the recursion of `cells`.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.cells import (
    THIN,
    cell_gates,
    distinct_rows,
    most_cells,
    normalise,
    rounding,
    row_space,
    unit_rows,
)
from relu_forecast.patterns.slabs import LISTED, MASKED, rows_per_slab, slices
from relu_forecast.storage import Tensor as TensorKind
from relu_forecast.storage import stored
from relu_forecast.validation import as_rows, check_int, check_positive_int

_MOST_ENTRIES = 2**30
_MOST_STEPS = 2**32


@stored(masks=TensorKind((2, 3), (torch.bool,)))
@dataclass(frozen=True)
class ActivationPatterns:
    """A set of distinct activation patterns and gates that make them.

    Attributes
    ----------
    masks : Tensor of bool, shape (P, n) or (P, n, K)
        ``masks[i] = X @ gates[i] >= 0``, the diagonal of D_i; of every patch for patches.
    gates : Tensor, shape (P, d)
        A weight vector inside each pattern's cell; a filter (d = h taps) for patches.
    complete_for : str or None
        Digest of the X of which these are all patterns, up to cells thinner than rounding, and
        of their number; None where some may be missing. See `are_all_of`.
    """

    masks: Bool[Tensor, "P *n"]
    gates: Float[Tensor, "P d"]
    complete_for: str | None = None

    def __len__(self) -> int:
        """Return the number of patterns."""
        return self.masks.shape[0]

    def check_stored(self) -> None:
        """Refuse patterns without gates."""
        if self.masks.shape[:1] != self.gates.shape[:1]:
            raise ValueError("there must be a gate per mask")

    @classmethod
    def from_gates(
        cls, X: Float[Tensor, "*n d"], gates: Float[Tensor, "G d"]
    ) -> ActivationPatterns:
        """Return the distinct patterns that ``gates`` make on ``X``, in order of first appearance.

        Parameters
        ----------
        X : Tensor, shape (n, d) or (n, K, d)
            Samples, or their patches.
        gates : Tensor, shape (G, d)
            Weight vectors, of the device and dtype of ``X``.

        Returns
        -------
        ActivationPatterns
            At most G patterns. Cost O(G n d), times K for patches.
        """
        rows = X.flatten(0, -2)
        masks = torch.cat([
            gates @ rows[part].T >= 0
            for part in slices(len(rows), rows_per_slab(MASKED, len(gates), fewest=1))], dim=1)
        first = first_occurrences(masks)
        if len(first) < len(masks):
            masks, gates = masks[first], gates[first]
        return cls(masks.view(-1, *X.shape[:-1]), gates)

    def to(self, device: torch.device, dtype: torch.dtype) -> ActivationPatterns:
        """Return the same patterns on another device, the gates in another dtype."""
        return ActivationPatterns(
            self.masks.to(device), self.gates.to(device, dtype), self.complete_for)

    def are_all_of(self, X: Float[Tensor, "*n d"]) -> bool:
        """Tell whether no pattern of X is missing: then what is optimal for them is optimal."""
        return self.complete_for is not None and self.complete_for == _digest(X, len(self))


def _digest(X: Float[Tensor, "*n d"], count: int) -> str:
    """Return a digest of the rows of X, their dtype and the number of patterns.

    It is the same for patches and their stack.
    """
    rows = X.detach().flatten(0, -2).cpu()
    kind = f"{rows.dtype} {tuple(rows.shape)} {count}".encode()
    return hashlib.sha256(kind + rows.double().contiguous().numpy().tobytes()).hexdigest()


def first_occurrences(masks: Bool[Tensor, "G *n"]) -> Tensor:
    """Return the indices of the first of each distinct row, increasing; compares packed bits."""
    packed = np.packbits(masks.flatten(1).cpu().numpy(), axis=1)
    first: dict[bytes, int] = {}
    for i, row in enumerate(packed):
        first.setdefault(row.tobytes(), i)
    return torch.as_tensor(list(first.values()), dtype=torch.long, device=masks.device)


def pattern_bound(n: int, rank: int) -> int:
    """Return Cover's bound on the number of patterns, ``2 sum_{k < rank} C(n - 1, k)``.

    Parameters
    ----------
    n : int
        Rows that are not zero, parallel ones counted once; n K of them for patches.
    rank : int
        Rank of X.

    Returns
    -------
    int
        Exact, and reached by rows in general position (every ``rank`` of them independent).
        One when the rank is 0.

    Raises
    ------
    InvalidArgumentError
        n below 1, or rank below 0.

    Notes
    -----
    THEORY section 2; T. Cover, IEEE Trans. Electronic Computers 14 (1965). The lecture prints
    C(n, k), which is looser.

    Examples
    --------
    >>> pattern_bound(200, 2), pattern_bound(5, 5)
    (400, 32)
    """
    n = check_positive_int(n, "n")
    rank = check_int(rank, "rank", minimum=0, remedy="Pass a whole number >= 0.")
    return 1 if rank == 0 else most_cells(n, rank)


def sample_patterns(X: Any, n_patterns: int, random_state: Any = None) -> ActivationPatterns:
    """Draw patterns from Gaussian gates, ``D = Diag(1[X g >= 0])`` with g ~ N(0, I).

    Parameters
    ----------
    X : Tensor or array_like, shape (n, d) or (n, K, h)
        Samples, or their patches. The result lives on a tensor's device, in its dtype;
        float64 for arrays.
    n_patterns : int
        Gates to draw. Duplicate patterns are removed, so fewer may come back.
    random_state : int, Generator or None
        Seed of the draw; None draws fresh entropy. The draw is the same on every device.

    Returns
    -------
    ActivationPatterns
        At most ``n_patterns`` distinct patterns. Cost O(n_patterns n d).

    Raises
    ------
    InvalidArgumentError
        X empty, of another shape or not finite; n_patterns below 1; a negative seed.
    InvalidTypeError
        X not of real numbers, or in half precision; random_state of another type.

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
    X = as_rows(X)
    generator = _generator(random_state)
    gates = torch.as_tensor(generator.standard_normal((n_patterns, X.shape[-1])))
    return ActivationPatterns.from_gates(X, gates.to(X))


def _generator(random_state: Any) -> np.random.Generator:
    """Return a source of random numbers."""
    if random_state is not None and not isinstance(random_state, np.random.Generator):
        random_state = check_int(random_state, "random_state", minimum=0,
                                 remedy="Pass a seed, a numpy Generator or None.")
    return np.random.default_rng(random_state)


def enumerate_patterns(X: Any) -> ActivationPatterns:
    """List all activation patterns of X, each with a gate well inside its cell.

    Parameters
    ----------
    X : Tensor or array_like, shape (n, d) or (n, K, h)
        Samples, or their patches: the patterns are then those of the stacked (n K, h) matrix.
        The result lives on a tensor's device, in its dtype; float64 for arrays.

    Returns
    -------
    ActivationPatterns
        Distinct patterns, all of them (`ActivationPatterns.are_all_of`), in opposite pairs. A
        zero row is on in all of them, and a zero X has one pattern. Every gate, in X's dtype,
        makes its mask in that dtype whatever the order of summation. Cells too thin for that
        (``|x_t'g| <= 2 d eps |x_t| |g|`` for the best gate found) cannot be told from rounding
        and are left out; from rank 3 on, so may be cells of relative width below 1e-12.

    Raises
    ------
    InvalidArgumentError
        X empty, of another shape or not finite, or with too many patterns to list (more than
        2**30 entries of masks by `pattern_bound`, or as much work).

    Notes
    -----
    THEORY section 2. With N rows after zero rows are dropped and parallel ones merged, and the
    numerical rank r of X, cost is O(N log N) at rank 2 and O(N^r) above, in float64 on the CPU,
    plus O(P n d) for the P masks.

    Examples
    --------
    >>> patterns = enumerate_patterns([[2.0, 2.0], [3.0, 3.0], [1.0, 0.0]])
    >>> sorted(patterns.masks.int().tolist())
    [[0, 0, 0], [0, 0, 1], [1, 1, 0], [1, 1, 1]]
    """
    X = as_rows(X)
    rows = unit_rows(X)
    masks, gates = _patterns_in(rows, row_space(rows, X.dtype), X.dtype)
    return _placed(X, masks, gates, complete_for=_digest(X, len(masks)))


def low_rank_patterns(X: Any, rank: int) -> ActivationPatterns:
    """List all patterns of the best rank-r approximation of X, as patterns of X itself.

    Parameters
    ----------
    X : Tensor or array_like, shape (n, d) or (n, K, h)
        As for `enumerate_patterns`.
    rank : int
        Rank r of the approximation ``X_r = X V_r V_r'``, V_r the first r right singular
        vectors. At or above the rank of X, all its patterns are listed.

    Returns
    -------
    ActivationPatterns
        Gates g in the span of V_r, where ``X g = X_r g``, so a pattern of X_r is one of X.
        They are all of X (`ActivationPatterns.are_all_of`) only where r reaches its rank. Rows
        of X orthogonal to the span have no side of their own in X_r; gates are nudged out of the
        span, by less than reaches another row, to give them one.

    Raises
    ------
    InvalidArgumentError
        As `enumerate_patterns`, or rank below 1.

    Notes
    -----
    THEORY section 2, O((n/r)^r) patterns; Pilanci & Ergen (2020), arXiv 2002.10553, remark on
    low-rank data. Cost as `enumerate_patterns` at rank r.

    Examples
    --------
    >>> X = [[1.0, 0.1], [1.0, -0.1], [-1.0, 0.2]]
    >>> len(low_rank_patterns(X, 1)), len(low_rank_patterns(X, 2))
    (2, 6)
    """
    rank = check_positive_int(rank, "rank")
    X = as_rows(X)
    rows = unit_rows(X)
    if rank >= row_space(rows, X.dtype).shape[1]:
        return enumerate_patterns(X)
    stacked = X.flatten(0, -2).cpu().double()
    span = torch.linalg.svd(stacked / stacked.abs().amax(), full_matrices=False).Vh[:rank].T
    masks, gates = _patterns_in(rows, span, X.dtype)
    return _placed(X, masks, gates, complete_for=None)


def _placed(
    X: Tensor, masks: Tensor, gates: Tensor, complete_for: str | None
) -> ActivationPatterns:
    """Return patterns on the device of X, laid out as its samples or patches are."""
    return ActivationPatterns(
        masks.reshape(-1, *X.shape[:-1]).to(X.device), gates.to(X.device), complete_for)


def _patterns_in(
    rows: Float[Tensor, "N d"], span: Float[Tensor, "d k"], dtype: torch.dtype
) -> tuple[Bool[Tensor, "P N"], Float[Tensor, "P d"]]:
    """Return all patterns of unit rows that gates in a span make, with such gates in ``dtype``."""
    projected = rows @ span
    size = projected.norm(dim=1)
    loose = (size <= rows.shape[1] * THIN) & (rows != 0).any(1)
    cutting = normalise(projected[size > rows.shape[1] * THIN])
    if len(cutting) == 0:
        gates = torch.eye(rows.shape[1], dtype=torch.float64)[:1]
        return torch.ones(1, len(rows), dtype=torch.bool), gates.to(dtype)
    inner = row_space(cutting, dtype)
    cutting = normalise(cutting @ inner)
    cutting = cutting[distinct_rows(cutting, cutting.new_full((len(cutting),), rounding(dtype)))]
    _check_size(len(cutting), inner.shape[1], len(rows))
    gates = cell_gates(cutting) @ (span @ inner).T
    if bool(loose.any()):
        gates = _nudged(gates, rows, loose, span)
    return _verified(normalise(gates).to(dtype), rows)


def _check_size(n_distinct: int, rank: int, n: int) -> None:
    """Refuse an enumeration whose result or work is too large, before any of it is done."""
    bound = pattern_bound(n_distinct, rank)
    if bound * n <= _MOST_ENTRIES and _work(n_distinct, rank) <= _MOST_STEPS:
        return
    shown = str(bound) if bound < 10**9 else f"10^{math.log10(bound):.0f}"
    raise InvalidArgumentError(
        "X", "small enough for all its patterns to be listed",
        f"{n_distinct} distinct rows (of {n}) and rank {rank}, up to {shown} patterns",
        "Draw some with sample_patterns, or list those of a lower rank with low_rank_patterns.")


def _work(n: int, rank: int) -> int:
    """Return about how many numbers the recursion computes."""
    if rank <= 2:
        return n
    return n * (_work(n - 1, rank - 1) + n * pattern_bound(n, rank - 1))


def _nudged(
    gates: Float[Tensor, "P d"], rows: Float[Tensor, "N d"], loose: Bool[Tensor, " N"],
    span: Float[Tensor, "d k"]
) -> Float[Tensor, "P d"]:
    """Move gates off the rows that are orthogonal to their span, by less than changes others."""
    generator = np.random.default_rng(0)
    mix = torch.as_tensor(generator.uniform(1, 2, int(loose.sum())))
    nudge = mix @ rows[loose]
    nudge = nudge - span @ (span.T @ nudge)
    cuts = (rows != 0).any(1) & ~loose
    slopes = (rows[cuts] @ nudge).abs()
    reach = torch.cat([
        ((chunk @ rows[cuts].T).abs() / slopes).amin(1, keepdim=True)
        for chunk in torch.split(gates, rows_per_slab(LISTED, len(rows), fewest=1))])
    return gates + reach.clamp_max(1.0) / 4 * nudge


def _verified(
    gates: Float[Tensor, "G d"], rows: Float[Tensor, "N d"]
) -> tuple[Bool[Tensor, "P N"], Float[Tensor, "P d"]]:
    """Return the masks of gates and their opposites, without gates too near to a boundary."""
    needed = 2 * rows.shape[1] * rounding(gates.dtype)
    zero = (rows == 0).all(1)
    masks = torch.empty(2 * len(gates), len(rows), dtype=torch.bool)
    size = rows_per_slab(LISTED, len(rows), fewest=1)
    buffer = torch.empty(size, len(rows), dtype=torch.float64)
    kept, end = [gates[:0]], 0
    for chunk in torch.split(gates, size):
        outputs = torch.mm(chunk.double(), rows.T, out=buffer[:len(chunk)])
        outputs[:, zero] = torch.inf
        inside = torch.linalg.vector_norm(outputs, ord=-torch.inf, dim=1) > needed
        outputs, start = outputs if bool(inside.all()) else outputs[inside], end
        end += 2 * len(outputs)
        torch.ge(outputs, 0, out=masks[start:end:2])
        torch.le(outputs, 0, out=masks[start + 1:end:2])
        kept.append(torch.stack([chunk[inside], -chunk[inside]], dim=1).flatten(0, 1))
    masks[:, zero] = True
    return masks[:end], torch.cat(kept)
