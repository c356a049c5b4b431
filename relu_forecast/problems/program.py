"""The convex program of a two-layer network on given activation patterns, and its certificate.

    min_z  1/2 (y - A z)' M (y - A z) + beta sum_k N(z_k)   s.t.  (2 D_k - I) R z_k >= 0     (2)

with ``A z = sum_k s_k P D_k R z_k``; R, P and N are the features of the architecture, M is the
skip connection's annihilator (the identity without one), and the gated ReLU has no cones. One
program for all architectures; THEORY sections 1, 3, 4 and 5.
"""

from __future__ import annotations

import copy
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float, Int
from scipy.optimize import nnls
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.networks.architectures import Architecture, default_architecture
from relu_forecast.networks.features import Features
from relu_forecast.networks.modules import SkipWeights, TwoLayerNetwork
from relu_forecast.networks.norms import GroupNorm
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.patterns.slabs import MASKED, rows_per_slab, slices
from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.design import Design
from relu_forecast.problems.linear_skip import LinearSkip
from relu_forecast.validation import (
    as_samples,
    as_targets,
    check_choice,
    check_non_negative,
    check_positive,
)

Activation = Literal["relu", "gated_relu"]


class ConvexProgram:
    """The convex program (2) of a two-layer network on given activation patterns.

    Parameters
    ----------
    X : array_like or Tensor, shape (n, d), or patches (n, K, h)
        Samples. A tensor's device and floating dtype are kept; anything else becomes float64
        on the CPU.
    y : array_like or Tensor, shape (n,)
        Targets.
    patterns : ActivationPatterns
        Patterns of ``X``; each must be what its gate makes on ``X``.
    beta : float
        Weight of the penalty, > 0.
    activation : {"relu", "gated_relu"}, default "relu"
        ReLU blocks live in the cones of their patterns, gated ReLU blocks are free.
    circular : bool, default False
        The circular convolutional network on windows (n, d), in the Fourier domain.
    linear_skip : bool, default False
        Add an unpenalised linear part ``a'x + a0``; on all entries of X, if X are patches.
    skip_penalty : float, default 0
        Ridge ``skip_penalty/2 ||a||^2`` on the linear part; needs ``linear_skip``.
    signs : array_like or Tensor of +1 and -1, shape (P,), optional
        Give each pattern a block of this sign only. By default a ReLU pattern has both
        signs (u_i and v_i), a gated one has the sign +1.
    architecture : Architecture, optional
        For what ``circular`` and the shape of X cannot say: ``Dense(constant_input=True)``, or
        ``Convolution(filter_size, stride, constant_input)`` on whole windows (n, d), which the
        skip connection then sees. Patterns are those of ``architecture.gate_inputs(X)``.

    Attributes
    ----------
    features : Features
        The rows R, the sums P over patches, and the norm N of a block.
    design : Design
        The map from blocks to outputs; block k is u_k for k < P and v_{k-P} after. Blocks are
        weights of a neuron; of a circular one the Fourier coordinates of its weights.

    Raises
    ------
    InvalidArgumentError
        Shapes that do not match, NaN or infinite entries, beta <= 0, patterns that are not
        those of ``X``, or a gate on the boundary of its ReLU cell.

    Notes
    -----
    Pilanci & Ergen (2020), arXiv 2002.10553; Ergen & Pilanci (2021), arXiv 2006.14798;
    Mishkin, Sahiner & Pilanci (2022), arXiv 2202.01331. There is no 1/n.
    """

    def __init__(
        self,
        X: Any,
        y: Any,
        patterns: Any,
        beta: float,
        *,
        activation: Activation = "relu",
        circular: bool = False,
        linear_skip: bool = False,
        skip_penalty: float = 0.0,
        signs: Any = None,
        architecture: Any = None,
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
        if architecture is not None and circular:
            raise InvalidArgumentError("circular", "left out when an architecture is given",
                                       repr(circular), "Pass architecture=Circular().")
        self.architecture: Architecture = (
            default_architecture(self.X, circular) if architecture is None else architecture)
        _check_kind(self.architecture, "architecture", Architecture, "Dense() or Circular()")
        self.architecture.check_input(self.X)
        self.features: Features = self.architecture.features(self.X)
        self._set_patterns(patterns, signs)

    def on(self, patterns: Any, beta: float, signs: Any = None) -> ConvexProgram:
        """Return the program on other patterns of the same data, at another beta.

        Features and the skip, which cost O(n d^2), are shared. Arguments and errors are those of
        the constructor.
        """
        other = self._with_own_patterns()
        other.beta = check_positive(beta, "beta")
        other._set_patterns(patterns, signs)
        return other

    def _with_own_patterns(self) -> ConvexProgram:
        """Return a copy without what depends on the patterns and was computed from them."""
        other = copy.copy(self)
        other.__dict__.pop("gates", None)
        other.__dict__.pop("scope", None)
        return other

    def _set_patterns(self, patterns: Any, signs: Any) -> None:
        """Check patterns and lay out their blocks."""
        _check_kind(patterns, "patterns", ActivationPatterns, "sample_patterns(X, 100)")
        self.patterns: ActivationPatterns = patterns.to(self.X.device, self.X.dtype)
        self._signs = signs
        self.design = self._build_design(self._checked_masks(), signs)

    def _checked_masks(self) -> Tensor:
        """Return masks (P, N); refuse those of other data and gates on a cone's boundary."""
        masks, gates = self.patterns.masks.flatten(1), self.patterns.gates
        rows = self.gate_inputs
        if len(masks) == 0 or masks.shape[1] != len(rows) or gates.shape[1] != rows.shape[1]:
            raise InvalidArgumentError(
                "patterns", f"of {len(rows)} rows of {rows.shape[1]} entries, and at least one",
                f"masks {tuple(self.patterns.masks.shape)}, gates {tuple(gates.shape)}",
                "Make them from this X, for example with sample_patterns.")
        if masks.dtype != torch.bool or not bool(gates.isfinite().all()):
            raise InvalidArgumentError(
                "patterns", "boolean masks and finite gates", f"masks of {masks.dtype}",
                "Make them from this X, for example with sample_patterns.")
        sizes = gates.norm(dim=1)[:, None]
        for own in slices(len(rows), rows_per_slab(MASKED, len(gates), fewest=1)):
            outputs = gates @ rows[own].T
            wrong = (outputs >= 0) != masks[:, own]
            if self.has_cones:
                wrong |= outputs.abs() <= self._rounding * sizes * rows[own].norm(dim=1)
            if bool(wrong[:, self.cone_rows[own]].any()):
                raise InvalidArgumentError(
                    "patterns", "made by gates strictly inside their cells (mask = X @ gate >= 0)",
                    "a gate that does not make its mask, or lies on a boundary",
                    "Make them from this X, for example with sample_patterns.")
        return masks

    @property
    def _rounding(self) -> float:
        """Share of ``|x_t| |g|`` below which ``x_t'g`` is zero; drawn float32 gates come close."""
        return torch.finfo(torch.float64).eps if self.X.dtype == torch.float64 else 0.0

    def _build_design(self, masks: Tensor, signs: Any) -> Design:
        """Lay out one block per pattern and sign."""
        if signs is None:
            values = torch.ones(len(masks)).to(self.X)
            if self.activation == "gated_relu":
                return Design(self.features, masks, values)
            return Design(self.features, masks.repeat(2, 1), torch.cat([values, -values]))
        values = torch.as_tensor(signs).to(self.X)
        if values.shape != (len(masks),) or not bool((values.abs() == 1).all()):
            raise InvalidArgumentError(
                "signs", f"{len(masks)} values of +1 or -1", repr(signs),
                "Pass one sign per pattern, or None for both.")
        return Design(self.features, masks, values)

    def to(
        self, device: str | torch.device | None, dtype: torch.dtype | None
    ) -> ConvexProgram:
        """Return the program on a device and in a dtype; itself where nothing changes."""
        X = self.X.to(device=device, dtype=dtype)
        if X is self.X:
            return self
        return ConvexProgram(
            X, self.y.to(X), self.patterns, self.beta, activation=self.activation,
            linear_skip=self.linear_skip, skip_penalty=self.skip_penalty, signs=self._signs,
            architecture=self.architecture)

    @cached_property
    def gate_inputs(self) -> Float[Tensor, "N h"]:
        """The rows whose products with a gate make an activation pattern."""
        return self.architecture.gate_inputs(self.X)

    @property
    def norm(self) -> GroupNorm:
        """The norm N of a block."""
        return self.features.norm

    @cached_property
    def scope(self) -> Scope:
        """What a bound over all blocks covers: all networks where no pattern is left out.

        In single precision thin cells are lost, and gates on boundaries, which gated networks
        may have, make more patterns than there are cells: nothing is claimed then.
        """
        if self._signs is not None or not self.has_cones or self.X.dtype != torch.float64:
            return "program"
        return "network" if self.patterns.are_all_of(self.gate_inputs) else "program"

    @cached_property
    def cone_rows(self) -> Tensor:
        """Rows of R that cut cells, a boolean (N,): a zero row is never a constraint."""
        return self.features.cutting

    @cached_property
    def skip(self) -> LinearSkip | None:
        """The eliminated linear skip, or None."""
        return LinearSkip.of(self.X.flatten(1), self.skip_penalty) if self.linear_skip else None

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.design.n_blocks

    @property
    def has_cones(self) -> bool:
        """Whether blocks are held in the cones of their patterns."""
        return self.activation == "relu"

    def in_double(self) -> ConvexProgram:
        """Return the same program with the same masks, data and gates in float64."""
        if self.X.dtype == torch.float64:
            return self
        finer = self._with_own_patterns()
        for name in ("gate_inputs", "cone_rows", "skip", "_target"):
            finer.__dict__.pop(name, None)
        finer.X, finer.y = self.X.double(), self.y.double()
        finer.features = self.architecture.features(finer.X)
        finer.patterns = self.patterns.to(self.X.device, torch.float64)
        finer.design = Design(finer.features, self.design.masks, self.design.signs.double())
        return finer

    def restricted(self, kept: Int[Tensor, " m"]) -> ConvexProgram:
        """Return the program of some blocks, given by their indices; the data are shared."""
        own = kept % len(self.patterns)
        smaller = self._with_own_patterns()
        smaller.patterns = ActivationPatterns(
            self.patterns.masks[own], self.patterns.gates[own])
        smaller._signs = self.design.signs[kept]
        smaller.design = Design(self.features, smaller.patterns.masks.flatten(1), smaller._signs)
        return smaller

    def gram(self, known: Float[Tensor, "md md"] | None = None) -> Float[Tensor, "Kd Kd"]:
        """Return ``A'MA``; that of the first blocks may be known, see `Design.gram`."""
        if self.skip is None:
            return self.design.gram(known=known)
        return self.design.gram(self.skip.basis, self.skip.shrinkage, known)

    @cached_property
    def gates(self) -> Float[Tensor, "K d"]:
        """The gate of each block's pattern, in the coordinates of blocks."""
        own = self.architecture.coordinates(self.patterns.gates)
        return own.repeat(self.n_blocks // len(own), 1)

    def annihilate(self, values: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return ``M r``: what the linear skip leaves of ``values``."""
        return values if self.skip is None else self.skip.annihilate(values)

    def leave(self, values: Float[Tensor, " n"]) -> Float[Tensor, " nd"]:
        """Return a vector whose inner products are those of M, its head ``M r``.

        See `LinearSkip.leave`; the values themselves without a skip.
        """
        return values if self.skip is None else self.skip.leave(values)

    @cached_property
    def _target(self) -> Float[Tensor, " nd"]:
        """What the skip leaves of the targets."""
        return self.leave(self.y)

    def objective(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return the objective (2) at ``blocks``, a scalar tensor; cones are not checked."""
        return 0.5 * self.leave(self.error(blocks)).square().sum() + self.penalty(blocks)

    def penalty(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return ``beta sum_k N(z_k)``, a scalar tensor."""
        return self.beta * self.norm.norms(blocks).sum()

    def cone_violation(self, blocks: Float[Tensor, "K d"]) -> float:
        """Return the most negative margin ``(2 D_k - I) R z_k``, sign changed; 0 inside."""
        if not self.has_cones:
            return 0.0
        return max(0.0, float((-self.design.margins(blocks)).amax()))

    def bounds(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K N"] | None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective, dual bound and violation at a point, as scalar tensors.

        The dual point is ``v = c M(y - A z)``, c the best feasible scale; it bounds the
        optimum from below for any ``multipliers`` >= 0. THEORY section 5.

        Parameters
        ----------
        blocks : Tensor, shape (K, d)
            A point, inside its cones.
        multipliers : Tensor, shape (K, N), or None
            Cone multipliers alpha_k >= 0; None stands for zero.
        """
        left = self.leave(self.error(blocks))
        violation = self.violation(left[: len(self.y)], multipliers)
        bound = self.dual_bound(left, violation)
        return 0.5 * left.square().sum() + self.penalty(blocks), bound, violation

    def error(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, " n"]:
        """Return ``y - A z``: what the network leaves of the targets, for the skip to fit."""
        return self.y - self.design.forward(blocks)

    def correlations(
        self, residual: Float[Tensor, " n"], multipliers: Float[Tensor, "K N"] | None
    ) -> Float[Tensor, "K d"]:
        """Return ``s_k R'D_k P'r + R'(2 D_k - I) alpha_k``; alpha = 0 where there is none.

        With r the residual at an optimum, a block's dual norm is at most beta, and beta where
        the block is not zero.
        """
        correlations = self.design.adjoint(residual)
        if multipliers is None:
            return correlations
        return correlations + self.design.margins_adjoint(multipliers)

    def violation(
        self, residual: Float[Tensor, " n"], multipliers: Float[Tensor, "K N"] | None
    ) -> Float[Tensor, ""]:
        """Return the largest dual norm of the `correlations`, as a share of beta."""
        correlations = self.correlations(residual, multipliers)
        return self.norm.dual_norms(correlations).amax() / self.beta

    def dual_bound(
        self, left: Float[Tensor, " nd"], violation: Float[Tensor, ""]
    ) -> Float[Tensor, ""]:
        """Return the best lower bound that a multiple of the residual ``M e`` gives.

        ``left`` is what the skip leaves of e, see `leave`. The bound is the largest of
        ``c y'M e - c^2/2 e'M e`` over ``0 <= c <= 1/violation``: the bound covers whatever set of
        neurons ``violation``, their largest ``|r'P(Ru)_+| / beta``, was taken over.
        """
        linear, quadratic = self._target.dot(left), left.square().sum()
        scale = (linear / quadratic.clamp_min(torch.finfo(quadratic.dtype).tiny)).clamp_min(0.0)
        scale = torch.minimum(scale, 1 / violation)
        return scale * linear - 0.5 * scale**2 * quadratic

    def certificate(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K N"] | None
    ) -> Certificate:
        """Return the certificate at a point, of the program's scope; see `bounds`."""
        objective, dual, violation = self.bounds(blocks, multipliers)
        return Certificate(self.scope, float(objective), float(dual), float(violation))

    def beta_max(self) -> float:
        """Return the smallest beta at which the zero network (plus skip) is optimal.

        ``max_k min_{alpha >= 0} N*(s_k R'D_k P'r + R'(2 D_k - I) alpha)`` with r the target, or
        what the skip leaves of it, and N* the dual norm; without cones alpha = 0. Cost: one
        non-negative least squares in d rows and N columns per block, or one second-order cone
        program where a block has many groups.

        Returns
        -------
        float
            In units of y times units of X, times n.
        """
        correlations = self.correlations(self.annihilate(self.y), None)
        if not self.has_cones:
            return float(self.norm.dual_norms(correlations).amax())
        smallest = _least_norm if self.norm.n_groups == 1 else _least_dual_norm
        cones = self.features.rows.double().cpu().numpy().T
        signs = np.where(self.design.masks.cpu().numpy(), 1.0, -1.0)
        weights = self.norm.weights.double().cpu().numpy()
        return max(smallest(cones * sign, target, weights)
                   for sign, target in zip(signs, correlations.double().cpu().numpy(),
                                           strict=True))

    def network(self, blocks: Float[Tensor, "K d"]) -> TwoLayerNetwork:
        """Recover the network from the non-zero blocks; see `Architecture.factors`.

        Returns
        -------
        ReLUNetwork, ConvReLUNetwork or CircularReLUNetwork
            Its outputs equal the program's at ``blocks`` (inside their cones), and its own
            objective (1) equals the program's. The skip's weights are least squares on what
            the neurons leave. With gates, if the activation is gated ReLU.
        """
        kept = (blocks != 0).any(dim=1).nonzero()[:, 0]
        factors = self.architecture.factors(self.X, blocks[kept], self.design.signs[kept])
        gates = None if self.has_cones else self.patterns.gates[kept]
        skip = None if self.skip is None else SkipWeights(*self.skip.fit(self.error(blocks)))
        return self.architecture.network(factors, gates, skip)


def _check_kind(value: Any, name: str, kind: type, example: str) -> None:
    """Refuse a class, a name or anything else in place of an object."""
    if isinstance(value, type) or not isinstance(value, kind):
        raise InvalidTypeError(name, f"of type {kind.__name__}", repr(value)[:80],
                               f"Pass for example {example}.")


def _least_norm(
    cone: npt.NDArray[np.float64], target: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> float:
    """Return ``min_{alpha >= 0} ||target + cone alpha|| / weights[0]``."""
    return float(nnls(cone, -target)[1] / weights[0])


def _least_dual_norm(
    cone: npt.NDArray[np.float64], target: npt.NDArray[np.float64],
    weights: npt.NDArray[np.float64],
) -> float:
    """Return ``min_{alpha >= 0} max_g ||(target + cone alpha)_g|| / weights[g]``."""
    import cvxpy as cp  # slow to import, and needed here only

    unit = float(np.linalg.norm(target)) or 1.0
    target = target / unit  # the solver's tolerances are absolute
    cone = cone / np.maximum(np.linalg.norm(cone, axis=0), np.finfo(np.float64).tiny)
    alpha, bound = cp.Variable(cone.shape[1], nonneg=True), cp.Variable()
    shape = (len(weights), len(target) // len(weights))
    groups = cp.reshape(target + cone @ alpha, shape, "C")
    problem = cp.Problem(cp.Minimize(bound), [cp.norm(groups, 2, axis=1) <= bound * weights])
    problem.solve(solver=cp.CLARABEL)
    return unit * float(bound.value)
