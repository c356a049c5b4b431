"""The convex program of a two-layer network on given activation patterns and heads.

    min_z  1/2 (y - A z)' M (y - A z) + beta sum_k N(z_k)   s.t.  (2 D_k - I) R z_k >= 0     (2)

summed over targets, with ``A z = sum_ks P_s D_k R z_k h_ks'``; R, P and N are the features of the
architecture, a head h_k is the direction of the output weights, their sign where there is one, M
is what the linear skip leaves, and the gated ReLU has no cones. One program for all architectures:
the `Problem`, restricted to given pairs of a pattern and a head. THEORY sections 1, 3-5 and 8.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.networks.architectures import Circular
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.arguments import checked_heads, checked_patterns
from relu_forecast.problems.certificates import Certificate, Scope
from relu_forecast.problems.design import Design
from relu_forecast.problems.dual_norms import smallest_dual_norm
from relu_forecast.problems.problem import Problem
from relu_forecast.problems.task import Activation, TrainingTask
from relu_forecast.validation import check_positive


class ConvexProgram(Problem):
    """The convex program (2) of a two-layer network on given activation patterns.

    Parameters
    ----------
    X : array_like or Tensor, shape (n, d), or patches (n, K, h)
        Samples. A tensor's device and floating dtype are kept; anything else becomes float64
        on the CPU.
    y : array_like or Tensor, shape (n,) or (n, C)
        Targets, one column per output.
    patterns : ActivationPatterns
        Patterns of ``X``; each must be what its gate makes on ``X``. The same pattern may come
        several times, each time with another head.
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
    heads : array_like or Tensor, shape (P, C), (P, S, C) or (P, S*C), optional
        Give each pattern one block with this head: what it adds at each of S sites to each of C
        targets. None is zero; their lengths do not matter. Needed where S or C is above one:
        there are as many heads as directions, and `solve_with_heads` finds the best ones. With
        one site and one target a head is a sign.
    architecture : Architecture, optional
        For what ``circular`` and the shape of X cannot say: ``Dense(constant_input=True)``, or
        ``Convolution(filter_size, stride, constant_input)`` on whole windows (n, d), which the
        skip connection then sees. Patterns are those of ``architecture.gate_inputs(X)``.
    sample_weight : array_like or Tensor, shape (n,), optional
        Weights of the samples, above 0, which their squared errors are multiplied by; a weight of
        2 is the same as the sample twice. None: ones.

    Attributes
    ----------
    task : TrainingTask
        Samples, targets, architecture, activation and skip.
    patterns : ActivationPatterns
        As given, on the device of ``X``.
    design : Design
        The map from blocks to outputs; block k has pattern and head k. Where neither signs nor
        heads were given it is u_k for k < P and v_{k-P} after. Blocks are weights of a neuron;
        of a circular one the Fourier coordinates of its weights.
    features, targets, beta, skip
        See `Problem`: the program is the problem restricted to its patterns and heads. Rows and
        targets are those of the samples times the roots of their weights.

    Raises
    ------
    InvalidArgumentError
        Shapes that do not match, NaN or infinite entries, beta <= 0, patterns that are not
        those of ``X``, a gate on the boundary of its ReLU cell, heads of another shape, or zero.

    Notes
    -----
    Pilanci & Ergen (2020), arXiv 2002.10553; Ergen & Pilanci (2021), arXiv 2006.14798;
    Mishkin, Sahiner & Pilanci (2022), arXiv 2202.01331. There is no 1/n.
    """

    def __init__(
        self, X: Any, y: Any, patterns: Any, beta: float, *, activation: Activation = "relu",
        circular: bool = False, linear_skip: bool = False, skip_penalty: float = 0.0,
        signs: Any = None, heads: Any = None, architecture: Any = None, sample_weight: Any = None
    ) -> None:
        if architecture is not None and circular:
            raise InvalidArgumentError("circular", "left out when an architecture is given",
                                       repr(circular), "Pass architecture=Circular().")
        task = TrainingTask.checked(X, y, Circular() if circular else architecture, activation,
                                    linear_skip, skip_penalty, sample_weight)
        self._lay_out(task, patterns, check_positive(beta, "beta"), signs, heads)

    @classmethod
    def of(
        cls, task: TrainingTask, patterns: Any, beta: float, signs: Any = None, heads: Any = None
    ) -> ConvexProgram:
        """Return the program of a task; features and the skip, O(n d^2), are shared with it."""
        program = cls.__new__(cls)
        program._lay_out(task, patterns, check_positive(beta, "beta"), signs, heads)
        return program

    def on(
        self, patterns: Any, beta: float, signs: Any = None, heads: Any = None
    ) -> ConvexProgram:
        """Return the program on other patterns of the same data, at another beta.

        Features and the skip, which cost O(n d^2), are shared. Arguments and errors are those of
        the constructor.
        """
        return ConvexProgram.of(self.task, patterns, beta, signs, heads)

    def _lay_out(
        self, task: TrainingTask, patterns: Any, beta: float, signs: Any, heads: Any
    ) -> None:
        """Check patterns and heads against the task, and lay out one block per pair of them."""
        own = checked_patterns(patterns, task)
        given, masks = checked_heads(signs, heads, len(own), task), own.masks.flatten(1)
        values = task.X.new_ones(len(own), 1) if given is None else given
        if given is None and task.activation == "relu":  # both signs of every pattern
            masks, values = masks.repeat(2, 1), torch.cat([values, -values])
        design = Design(task.features, masks, values)
        self._assemble(task, own, design, beta, has_all_signs=given is None)

    def _assemble(
        self, task: TrainingTask, patterns: ActivationPatterns, design: Design, beta: float,
        *, has_all_signs: bool,
    ) -> None:
        """Take over parts that agree with each other."""
        super().__init__(task.features, task.targets, beta, task.skip)
        self.task, self.patterns, self.design = task, patterns, design
        self._has_all_signs = has_all_signs

    def _part(
        self, task: TrainingTask, patterns: ActivationPatterns, design: Design,
        *, has_all_signs: bool,
    ) -> ConvexProgram:
        """Return a program of parts that agree with each other, at the same beta."""
        program = ConvexProgram.__new__(ConvexProgram)
        program._assemble(task, patterns, design, self.beta, has_all_signs=has_all_signs)
        return program

    def to(self, device: str | torch.device | None, dtype: torch.dtype | None) -> ConvexProgram:
        """Return the program on a device and in a dtype; itself where nothing changes."""
        X = self.X.to(device=device, dtype=dtype)
        if X is self.X:
            return self
        heads = None if self._has_all_signs else self.design.heads
        return ConvexProgram.of(self.task.to(X), self.patterns, self.beta, heads=heads)

    def in_double(self) -> ConvexProgram:
        """Return the same program with the same masks, data and gates in float64."""
        if self.X.dtype == torch.float64:
            return self
        task = self.task.to(self.X.double())
        design = Design(task.features, self.design.masks, self.design.heads.double())
        patterns = self.patterns.to(self.X.device, torch.float64)
        return self._part(task, patterns, design, has_all_signs=self._has_all_signs)

    def restricted(self, kept: Int[Tensor, " m"]) -> ConvexProgram:
        """Return the program of some blocks, given by their indices; the data are shared."""
        own = kept % len(self.patterns)
        patterns = ActivationPatterns(self.patterns.masks[own], self.patterns.gates[own])
        design = Design(self.features, patterns.masks.flatten(1), self.design.heads[kept])
        return self._part(self.task, patterns, design, has_all_signs=False)

    @property
    def X(self) -> Float[Tensor, "n *d"]:  # noqa: N802
        """Samples."""
        return self.task.X

    @property
    def y(self) -> Float[Tensor, "n *C"]:
        """Targets, as they came: a vector or a matrix, in their own units."""
        return self.task.raw_targets

    @property
    def n_blocks(self) -> int:
        """Number of blocks, K."""
        return self.design.n_blocks

    @property
    def has_cones(self) -> bool:
        """Whether blocks are held in the cones of their patterns."""
        return self.task.activation == "relu"

    @cached_property
    def scope(self) -> Scope:
        """What a bound over all blocks covers: all networks where no pattern is left out.

        In single precision thin cells are lost, and gates on boundaries, which gated networks
        may have, make more patterns than there are cells: nothing is claimed then.
        """
        if not self._has_all_signs or not self.has_cones or self.X.dtype != torch.float64:
            return "program"
        return "network" if self.patterns.are_all_of(self.task.gate_inputs) else "program"

    @cached_property
    def cone_rows(self) -> Bool[Tensor, " N"]:
        """Rows of R that cut cells: a zero row is never a constraint."""
        return self.features.cutting

    @cached_property
    def gates(self) -> Float[Tensor, "K d"]:
        """The gate of each block's pattern, in the coordinates of blocks."""
        own = self.task.architecture.coordinates(self.patterns.gates)
        return own.repeat(self.n_blocks // len(own), 1)

    def gram(self, known: Float[Tensor, "md md"] | None = None) -> Float[Tensor, "Kd Kd"]:
        """Return ``A'MA``; that of the first blocks may be known, see `Design.gram`."""
        if self.skip is None:
            return self.design.gram(known=known)
        return self.design.gram(*self.skip.matrices, known)

    def error(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, "n C"]:
        """Return ``y - A z``: what the blocks leave of the targets, for the skip to fit."""
        return self.targets - self.design.forward(blocks)

    def objective(self, blocks: Float[Tensor, "K d"]) -> Float[Tensor, ""]:
        """Return the objective (2) at ``blocks``, a scalar tensor; cones are not checked."""
        return self.value(self.error(blocks), blocks)

    def cone_violation(self, blocks: Float[Tensor, "K d"]) -> float:
        """Return the most negative margin ``(2 D_k - I) R z_k``, sign changed; 0 inside."""
        if not self.has_cones:
            return 0.0
        return max(0.0, float((-self.design.margins(blocks)).amax()))

    def correlations(
        self, residual: Float[Tensor, "n C"], multipliers: Float[Tensor, "K N"] | None
    ) -> Float[Tensor, "K d"]:
        """Return ``R'D_k P'(V h_k) + R'(2 D_k - I) alpha_k``; alpha = 0 where there is none.

        With V the residual at an optimum, a block's dual norm is at most beta, and beta where
        the block is not zero.
        """
        correlations = self.design.adjoint(residual)
        if multipliers is None:
            return correlations
        return correlations + self.design.margins_adjoint(multipliers)

    def violation(
        self, residual: Float[Tensor, "n C"], multipliers: Float[Tensor, "K N"] | None
    ) -> Float[Tensor, ""]:
        """Return the largest dual norm of the `correlations`, as a share of beta."""
        correlations = self.correlations(residual, multipliers)
        return self.norm.dual_norms(correlations).amax() / self.beta

    def bounds(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K N"] | None
    ) -> tuple[Float[Tensor, ""], Float[Tensor, ""], Float[Tensor, ""]]:
        """Return objective, dual bound and violation at a point, as scalar tensors.

        The dual point is ``V = c M(y - A z)``, c the best feasible scale; it bounds the optimum
        from below for any cone multipliers alpha_k >= 0, None standing for zero. THEORY section 5.
        """
        left = self.leave(self.error(blocks))
        violation = self.violation(left[: len(self.targets)], multipliers)
        bound = self.dual_bound(left, violation)
        return 0.5 * left.square().sum() + self.penalty(blocks), bound, violation

    def certificate(
        self, blocks: Float[Tensor, "K d"], multipliers: Float[Tensor, "K N"] | None
    ) -> Certificate:
        """Return the certificate at a point, of the program's scope; see `bounds`."""
        return Certificate(self.scope, *map(float, self.bounds(blocks, multipliers)))

    def beta_max(self) -> float:
        """Return the smallest beta at which the zero network (plus skip) is optimal.

        ``max_k min_{alpha >= 0} N*(R'D_k P'(V h_k) + R'(2 D_k - I) alpha)`` with V the targets, or
        what the skip leaves of them, and N* the dual norm; without cones alpha = 0. Cost: one
        non-negative least squares in d rows and N columns per block, or one second-order cone
        program where a block has many groups.

        Returns
        -------
        float
            In units of y times units of X, times n.
        """
        correlations = self.correlations(self.annihilate(self.targets), None)
        if not self.has_cones:
            return float(self.norm.dual_norms(correlations).amax())
        cones = self.features.rows.double().cpu().numpy().T
        signs = np.where(self.design.masks.cpu().numpy(), 1.0, -1.0)
        weights = self.norm.weights.double().cpu().numpy()
        return max(smallest_dual_norm(cones * sign, target, weights)
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
        heads = self.design.heads[kept]
        factors = self.task.architecture.factors(self.X, blocks[kept], heads)
        gates = None if self.has_cones else self.patterns.gates[kept]
        return self.task.network_of(factors, gates)
