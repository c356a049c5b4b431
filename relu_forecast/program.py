"""The convex program of a two-layer network on given activation patterns, and its certificate.

    min_z  1/2 (y - A z)' M (y - A z) + beta sum_k ||z_k||   s.t.  (2 D_k - I) X z_k >= 0    (2)

with ``A z = sum_k s_k D_k X z_k``, M the skip connection's annihilator (the identity without
one), and no cones for the gated ReLU. THEORY sections 1, 4 and 5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from scipy.optimize import nnls
from torch import Tensor

from relu_forecast.arrangements import ActivationPatterns
from relu_forecast.designs import DenseDesign
from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks import GatedReLUNetwork, ReLUNetwork
from relu_forecast.penalties import GroupNorm
from relu_forecast.skip import LinearSkip
from relu_forecast.validation import check_choice, check_non_negative, check_positive

Activation = Literal["relu", "gated_relu"]
Scope = Literal["program", "network-estimated"]

_SCOPE_MEANING = {
    "program": "optimal over the activation patterns that the program holds (rigorous)",
    "network-estimated": "estimated: a multi-start search over all neurons found none that "
    "violates optimality by more than this",
}


@dataclass(frozen=True)
class Certificate:
    """What is known about how far a point is from the optimum, and over which set.

    Attributes
    ----------
    scope : {"program", "network-estimated"}
        ``"program"``: the bound holds for every network with the program's patterns.
        ``"network-estimated"``: for every network, as far as a multi-start search can see.
    objective : float
        Objective of the point, an upper bound on the optimum.
    dual_objective : float
        Lower bound on the optimum, within the scope.
    violation : float
        Largest ``|v'(Xu)_+| / beta`` seen over the scope's unit neurons u, v being the
        residual: at most 1 at an optimum.
    """

    scope: Scope
    objective: float
    dual_objective: float
    violation: float

    @property
    def gap(self) -> float:
        """Relative duality gap, ``(objective - dual_objective) / objective``.

        Never negative; infinite where a bound is not a number, so that it proves nothing.
        """
        excess = self.objective - self.dual_objective
        if math.isnan(excess):
            return math.inf
        return max(0.0, excess) / max(self.objective, float(np.finfo(np.float64).tiny))

    def __str__(self) -> str:
        """Say the figures and what they mean in one sentence."""
        return (f"objective {self.objective:.6g}, lower bound {self.dual_objective:.6g}, "
                f"relative gap {self.gap:.1e}, worst violation {self.violation:.5f}; "
                f"{_SCOPE_MEANING[self.scope]}")


class ConvexProgram:
    """The convex program (2) of a two-layer network on given activation patterns.

    Parameters
    ----------
    X : array_like or Tensor, shape (n, d)
        Samples. A tensor's device and floating dtype are kept; anything else becomes float64
        on the CPU. Append a column of ones for a constant input.
    y : array_like or Tensor, shape (n,)
        Targets.
    patterns : ActivationPatterns
        Patterns of ``X``; each must be what its gate makes on ``X``.
    beta : float
        Weight of the penalty, > 0.
    activation : {"relu", "gated_relu"}, default "relu"
        ReLU blocks live in the cones of their patterns, gated ReLU blocks are free.
    linear_skip : bool, default False
        Add an unpenalised linear part ``a'x + a0``.
    skip_penalty : float, default 0
        Ridge ``skip_penalty/2 ||a||^2`` on the linear part; needs ``linear_skip``.
    signs : array_like or Tensor of +1 and -1, shape (P,), optional
        Give each pattern a block of this sign only. By default a ReLU pattern has both
        signs (u_i and v_i), a gated one has the sign +1.

    Attributes
    ----------
    design : DenseDesign
        The map from blocks to outputs; block k is u_k for k < P and v_{k-P} after.
    penalty : GroupNorm
        The group norm.

    Raises
    ------
    InvalidArgumentError
        Shapes that do not match, NaN or infinite entries, beta <= 0, patterns that are not
        those of ``X``, or a gate on the boundary of its ReLU cell.

    Notes
    -----
    Pilanci & Ergen (2020), arXiv 2002.10553; THEORY section 1. There is no 1/n.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        patterns: ActivationPatterns,
        beta: float,
        *,
        activation: Activation = "relu",
        linear_skip: bool = False,
        skip_penalty: float = 0.0,
        signs: Any = None,
    ) -> None:
        self.X = as_samples(X)
        self.y = as_targets(y, self.X)
        self.beta = check_positive(beta, "beta")
        self.activation: Activation = check_choice(activation, "activation",
                                                   ("relu", "gated_relu"))
        self.skip_penalty = check_non_negative(skip_penalty, "skip_penalty")
        if self.skip_penalty and not linear_skip:
            raise InvalidArgumentError("skip_penalty", "0 without a linear skip",
                                       repr(skip_penalty), "Pass linear_skip=True.")
        self.linear_skip = linear_skip
        self._signs = signs
        self.patterns = patterns.to(self.X.device, self.X.dtype)
        self._check_patterns()
        self.design = self._build_design(signs)
        self.penalty = GroupNorm(self.beta)

    def _check_patterns(self) -> None:
        """Refuse patterns of another matrix and gates on the boundary of a cone."""
        masks, gates = self.patterns.masks, self.patterns.gates
        if len(masks) == 0 or masks.shape[1] != len(self.X) or gates.shape[1] != self.X.shape[1]:
            raise InvalidArgumentError(
                "patterns", f"of a matrix of shape {tuple(self.X.shape)}, and at least one",
                f"masks {tuple(masks.shape)}, gates {tuple(gates.shape)}",
                "Make them from this X, for example with sample_patterns.")
        outputs = gates @ self.X.T
        wrong = (outputs >= 0) != masks
        if self.has_cones:
            wrong = wrong | (outputs == 0)
        if bool(wrong[:, self.cone_rows].any()):
            raise InvalidArgumentError(
                "patterns", "made by gates strictly inside their cells (mask = X @ gate >= 0)",
                "a gate that does not make its mask, or lies on a boundary",
                "Make them from this X, for example with sample_patterns.")

    def _build_design(self, signs: Any) -> DenseDesign:
        """Lay out one block per pattern and sign."""
        masks = self.patterns.masks
        if signs is None:
            values = torch.ones(len(masks)).to(self.X)
            if self.activation == "gated_relu":
                return DenseDesign(self.X, masks, values)
            return DenseDesign(self.X, masks.repeat(2, 1), torch.cat([values, -values]))
        values = torch.as_tensor(signs).to(self.X)
        if values.shape != (len(masks),) or not bool((values.abs() == 1).all()):
            raise InvalidArgumentError("signs", f"{len(masks)} values of +1 or -1",
                                       f"shape {tuple(values.shape)}",
                                       "Pass one sign per pattern, or None for both.")
        return DenseDesign(self.X, masks, values)

    def to(
        self, device: str | torch.device | None, dtype: torch.dtype | None
    ) -> ConvexProgram:
        """Return the program on a device and in a dtype; itself where nothing changes."""
        X = self.X.to(device=device, dtype=dtype)
        if X is self.X:
            return self
        return ConvexProgram(
            X, self.y.to(X), self.patterns, self.beta, activation=self.activation,
            linear_skip=self.linear_skip, skip_penalty=self.skip_penalty, signs=self._signs)

    @cached_property
    def cone_rows(self) -> Tensor:
        """Rows of X that cut cells, a boolean (n,): a zero row is never a constraint."""
        return (self.X != 0).any(dim=1)

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated linear skip, or None."""
        return LinearSkip.of(self.X, self.skip_penalty) if self.linear_skip else None

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.design.n_blocks

    @property
    def has_cones(self) -> bool:
        """Whether blocks are held in the cones of their patterns."""
        return self.activation == "relu"

    def annihilate(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return ``M r``: what the linear skip leaves of ``values``."""
        return values if self.skip is None else self.skip.annihilate(values)

    def objective(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return the objective (2) at ``blocks``, a scalar tensor; cones are not checked."""
        error = self.error(blocks)
        loss = 0.5 * error.dot(self.annihilate(error)).clamp_min(0.0)
        return loss + self.penalty.value(blocks)

    def cone_violation(self, blocks: Float[Tensor, "K d"]) -> float:
        """Return the most negative margin ``(2 D_k - I) X z_k``, sign changed; 0 inside."""
        if not self.has_cones:
            return 0.0
        return max(0.0, float((-self.design.margins(blocks)).amax()))

    def bounds(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K n"] | None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective, dual bound and violation at a point, as scalar tensors.

        The dual point is ``v = c M(y - A z)``, c the best feasible scale; it bounds the
        optimum from below for any ``multipliers`` >= 0. THEORY section 5.

        Parameters
        ----------
        blocks : Tensor, shape (K, d)
            A point, inside its cones.
        multipliers : Tensor, shape (K, n), or None
            Cone multipliers alpha_k >= 0; None stands for zero.
        """
        error = self.error(blocks)
        residual = self.annihilate(error)
        violation = self.penalty.dual_norm(self.correlations(residual, multipliers))
        loss = 0.5 * error.dot(residual).clamp_min(0.0)
        bound = self.dual_bound(error, residual, violation)
        return loss + self.penalty.value(blocks), bound, violation

    def error(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, " n"]:
        """Return ``y - A z``: what the network leaves of the targets, for the skip to fit."""
        return self.y - self.design.forward(blocks)

    def correlations(
        self, residual: Float[Tensor, " n"], multipliers: Float[Tensor, "K n"] | None
    ) -> Float[Tensor, "K d"]:
        """Return ``s_k X'D_k r + X'(2 D_k - I) alpha_k``; alpha = 0 where there is none.

        With r the residual at an optimum, a block's norm is at most beta, and beta where the
        block is not zero.
        """
        correlations = self.design.adjoint(residual)
        if multipliers is None:
            return correlations
        return correlations + self.design.margins_adjoint(multipliers)

    def dual_bound(
        self,
        error: Float[Tensor, " n"],
        residual: Float[Tensor, " n"],
        violation: Float[Tensor, ""],
    ) -> Float[Tensor, ""]:
        """Return the best lower bound that a multiple of the residual ``r = M e`` gives.

        ``c y'r - c^2/2 e'r`` over ``0 <= c <= 1/violation``: the bound covers whatever set of
        neurons ``violation``, their largest ``|r'(Xu)_+| / beta``, was taken over.
        """
        linear, quadratic = self.y.dot(residual), error.dot(residual).clamp_min(0.0)
        scale = (linear / quadratic.clamp_min(torch.finfo(quadratic.dtype).tiny)).clamp_min(0.0)
        scale = torch.minimum(scale, 1 / violation)
        return scale * linear - 0.5 * scale**2 * quadratic

    def certificate(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K n"] | None
    ) -> Certificate:
        """Return the certificate of scope "program" at a point; see `bounds`."""
        objective, dual, violation = self.bounds(blocks, multipliers)
        return Certificate("program", float(objective), float(dual), float(violation))

    def beta_max(self) -> float:
        """Return the smallest beta at which the zero network (plus skip) is optimal.

        ``max_k min_{alpha >= 0} ||s_k X'D_k r + X'(2 D_k - I) alpha||`` with r the target, or
        what the skip leaves of it; without cones alpha = 0. Cost: one non-negative least
        squares in d rows and n columns per block.

        Returns
        -------
        float
            In units of y times units of X, times n.
        """
        correlations = self.design.adjoint(self.annihilate(self.y))
        if not self.has_cones:
            return float(correlations.norm(dim=1).amax())
        cones = self.X.double().cpu().numpy().T
        signs = np.where(self.design.masks.cpu().numpy(), 1.0, -1.0)
        targets = -correlations.double().cpu().numpy()
        return max(float(nnls(cones * sign, target)[1])
                   for sign, target in zip(signs, targets, strict=True))

    def network(self, blocks: Float[Tensor, "K d"]) -> ReLUNetwork:
        """Recover the network from the non-zero blocks, w1 = z/sqrt||z||, w2 = s sqrt||z||.

        Returns
        -------
        ReLUNetwork or GatedReLUNetwork
            Its outputs equal the program's at ``blocks`` (inside their cones), and its own
            objective (1) equals the program's. The skip's weights are least squares on what
            the neurons leave.
        """
        norms = blocks.norm(dim=1)
        kept = norms.nonzero()[:, 0]
        roots = norms[kept].sqrt()
        hidden, output = blocks[kept] / roots[:, None], self.design.signs[kept] * roots
        weight, bias = None, None
        if self.skip is not None:
            weight, bias = self.skip.fit(self.error(blocks))
        if self.has_cones:
            return ReLUNetwork(hidden, output, skip_weight=weight, skip_bias=bias)
        return GatedReLUNetwork(self.patterns.gates[kept], hidden, output, skip_weight=weight,
                                skip_bias=bias)


def as_samples(X: Any) -> Float[Tensor, "n d"]:
    """Return ``X`` as a finite floating matrix; a floating tensor keeps its device and dtype."""
    tensor = _as_floating(X, "X")
    if tensor.ndim != 2 or 0 in tensor.shape:
        raise InvalidArgumentError("X", "a matrix (n, d) with n, d >= 1",
                                   f"shape {tuple(tensor.shape)}", "See windows.hankel.")
    return tensor


def as_targets(y: Any, X: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
    """Return ``y`` as a finite vector on the device and in the dtype of ``X``."""
    tensor = _as_floating(y, "y")
    if tensor.shape != X.shape[:1]:
        raise InvalidArgumentError("y", f"a vector of {X.shape[0]} targets, one per row of X",
                                   f"shape {tuple(tensor.shape)}", "Pass one target per row.")
    return tensor.to(X)


def _as_floating(values: Any, name: str) -> Tensor:
    """Return finite floating values: tensors stay where they are, the rest becomes float64."""
    if isinstance(values, Tensor):
        tensor = values if values.is_floating_point() else values.double()
    else:
        tensor = torch.as_tensor(np.array(values, dtype=np.float64))
    if not bool(torch.isfinite(tensor).all()):
        raise InvalidArgumentError(name, "finite", "NaN or infinite values",
                                   "Fill or drop them first.")
    return tensor
