"""Settings of the solvers: every number that tunes them, with its meaning and unit.

The defaults were found by measurement, and serve all programs that we know. An expert passes others
by ``solve(program, settings=SolverSettings(...))``. Sizes of slabs are in `patterns.slabs`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from typing import ClassVar

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.patterns.slabs import PerDevice
from relu_forecast.storage import stored
from relu_forecast.validation import check_int, check_positive


class CheckedSettings:
    """Checks the fields of a settings class when one is made.

    Whole numbers must be at least one, or as ``smallest`` says; fractions must be positive, and
    those named in ``shares`` below one.
    """

    shares: ClassVar[Collection[str]] = ()
    smallest: ClassVar[Mapping[str, int]] = {}

    def __post_init__(self) -> None:
        for own in fields(self):  # type: ignore[arg-type]
            value = getattr(self, own.name)
            if isinstance(own.default, int):
                check_int(value, own.name, minimum=self.smallest.get(own.name, 1),
                          remedy="Leave it out for the default.")
            elif isinstance(own.default, float):
                check_positive(value, own.name)
            if own.name in self.shares and value >= 1:
                raise InvalidArgumentError(own.name, "a share, above 0 and below 1", repr(value),
                                           "Leave it out for the default.")


@stored()
@dataclass(frozen=True)
class SelectionSettings(CheckedSettings):
    """How ``method="auto"`` chooses."""

    held_weights: int = 960
    """Weights in a large working set, for which the interior point method's memory is estimated."""
    cone_arrays: int = 14
    """Arrays of blocks x rows that a Newton step of the interior point method keeps."""
    pricing_entries: int = 3 * 2**22
    """Numbers that pricing of all blocks keeps."""
    most_free_samples: int = 20_000
    """Samples above which blocks without cones go to the proximal method."""


@stored()
@dataclass(frozen=True)
class InteriorPointSettings(CheckedSettings):
    """Newton steps of the interior point method."""

    shares: ClassVar[Collection[str]] = ("step_back",)

    step_back: float = 0.99
    """Share of the way to the boundary of the cones that a step goes at most."""
    jitter: float = 8.0
    """Added to the diagonal of ones of the scaled Newton matrix, in units of the rounding error."""
    jitter_growth: float = 100.0
    """Factor by which the jitter grows where the matrix was not positive definite."""


@stored()
@dataclass(frozen=True)
class WorkingSetSettings(CheckedSettings):
    """Which blocks the interior point method holds, and when it prices all others.

    Gaps are relative duality gaps of the program of the blocks that are held.
    """

    first_weights: int = 240
    first_blocks: int = 6
    """So many weights, and at least so many blocks, are held first."""
    joining_weights: int = 180
    joining_blocks: int = 3
    """So many weights, or blocks, may join at a time; half as many as are held may always."""
    most_weights: int = 20_000
    """Rows of the largest Newton matrix."""
    guess_blocks: int = 200
    """Most blocks of the first guess, on rays through the gates."""
    guess_steps: int = 200
    """Accelerated gradient steps of that guess."""
    negligible: float = 1e-3
    """Share of the largest norm below which a block of the guess counts as zero."""
    lift: float = 2.0
    """Length along its gate of a block that joins, in units of the size of an unused block."""
    screening_gap: float = 1e-1
    """Gap at which other blocks are first screened by directions known in their cones."""
    pricing_gap: float = 1e-2
    """Gap at which they are first priced."""
    final_gap: float = 0.5
    """Gap at which they are priced last, as a share of the tolerance."""
    screening_ratio: float = 1.02
    """A block joins by screening where its value is above so many times beta."""
    violation: float = 0.25
    """A priced block joins where it exceeds beta by more than this share of the tolerance."""
    restart_gap: float = 0.7
    """Gap of the iterate from which an enlarged set goes on: the last one with a larger gap."""
    check_every: PerDevice = PerDevice(1, 4)
    """Steps between two evaluations of the gap, each of which waits for the device."""
    patience: int = 8
    far_patience: int = 40
    """Evaluations without a smaller gap that end the steps: near the optimum, and far from it."""
    far_gap: float = 1e-2
    """Gap above which the optimum is far."""


@stored()
@dataclass(frozen=True)
class GroupedSettings(CheckedSettings):
    """Pairs (block, group) that the interior point method holds where blocks have many groups.

    Gaps are relative duality gaps of the program of the blocks that are held.
    """

    shares: ClassVar[Collection[str]] = ("first_groups", "final_gap", "restart_gap")

    first_blocks: int = 16
    """Blocks that are held first, at least."""
    first_groups: float = 0.5
    """Share of the groups of a block that are held first, or that it is priced with."""
    fewest_groups: int = 4
    """But so many at least."""
    negligible: float = 1e-3
    """Share of the largest norm below which a block of the guess counts as zero."""
    lift: float = 10.0
    """Length inwards of a block that is held, in units of the size of an unused pair."""
    joining_groups: int = 2
    """Groups of a block that may join at a time."""
    pause: int = 2
    """Steps from one time that groups join to the next, at least."""
    among_held: float = 0.6
    """A group joins where it violates, and by this share of the worst of those held."""
    nearly: float = 0.85
    nearly_gap: float = 0.5
    """Once the pairs held are so near their own optimum, those of such a share of beta join too."""
    pricing_gaps: tuple[float, ...] = (3e-1, 1e-2)
    """Gaps at which blocks that are not held are priced, before the last."""
    final_gap: float = 0.5
    """Gap at which they are priced last, as a share of the tolerance."""
    looseness: float = 1.0
    """Share of its excess over beta to which a block is priced, but for the last time."""
    joining_blocks: int = 6
    """Blocks that may join at a time; half as many as are held may always."""
    violation: float = 0.25
    """A priced block joins where it exceeds beta by more than this share of the tolerance."""
    reducing_gap: float = 0.2
    """Gap at which pairs that will hardly be used are left out, once."""
    unused: float = 0.6
    """Share of beta below which the correlations of a group must be to be left out."""
    furthest: float = 1e-2
    """Share of its norm that a block may move for that."""
    restart_gap: float = 0.3
    """Gap of the iterate from which a set with more blocks goes on: the last one with more."""
    patience: int = 40
    """Evaluations without a smaller gap, or new pairs, that end the steps."""


@stored()
@dataclass(frozen=True)
class BlockPricingSettings(CheckedSettings):
    """Pricing of blocks by row generation."""

    shares: ClassVar[Collection[str]] = ("inwards", "inside", "step_back")

    tol: float = 1e-9
    """Share of beta to which the value of a block at the boundary is exact."""
    violation_tol: float = 1e-2
    """Share of its excess over beta to which the value of a violating block is exact."""
    relaxation_tol: float = 0.01
    relaxation_violation_tol: float = 0.5
    """Shares of these two to which every relaxation is solved."""
    boundary: float = 1e-7
    """Relative excess over beta below which a block is at the boundary, and not violating."""
    most_rounds: int = 40
    """Most rounds of solving relaxations and adding rows."""
    inwards: float = 0.5
    """Share of the way to the best point of a cone that the inner point moves every round."""
    inside: float = 1 - 1e-10
    """Share of the way to a cone's boundary that counts as inside, in spite of rounding."""
    segment: int = 8
    """Neighbouring rows, nearly equal in windows of a smooth signal, one of which may join."""
    fewest_joining: int = 16
    """Rows that may join a cone at a time, or d where that is more."""
    joining_rows: int = 24
    joining_groups: int = 3
    """Rows, and groups, that may join at a time where blocks have many groups."""
    used_groups: float = 0.8
    """Share of the value of a block above which one of its groups counts as used."""
    first_width: float = 0.1
    """Share of beta to which the first relaxations of such blocks are solved; later ones to a tenth
    of the one before."""
    spare: int = 9
    """Places for rows, beyond d and those that join, that a cone has to begin with."""
    burst: int = 3
    """Steps on all relaxations between two checks of which are solved."""
    most_bursts: int = 14
    """Most bursts of steps."""
    step_back: float = 0.99
    """Share of the way to the boundary of the cones that a step goes at most."""


@stored()
@dataclass(frozen=True)
class ModelSettings(CheckedSettings):
    """How the proximal method minimises the quadratic model of a step."""

    shares: ClassVar[Collection[str]] = ("inwards", "floor")

    most_rounds: int = 12
    """Most rounds of minimising the model and adding rows of cones."""
    most_steps: int = 40
    """Most interior point steps of one round."""
    lift: float = 0.3
    """Share of its norm that a block moves inwards before the model is minimised."""
    inwards: float = 0.5
    """Share of the way to the minimum of the model that inner points move every round."""
    floor: float = 0.2
    """Share of the wanted gap that the complementarity products keep."""
    progress: float = 0.5
    """A step makes progress where its gap is below this share of the least so far."""
    patience: int = 4
    far_patience: int = 20
    """Steps without progress that end a round: near the minimum, and far from it."""
    far_gap: float = 1e-3
    """Share of the loss above which a gap is far."""
    exact_goal: float = 0.05
    """Share of the gap wanted of the blocks to which an exact model is solved."""
    sketched_goal: float = 1e-3
    squared_goal: float = 0.05
    """A sketched model is solved to this share of the present gap, or this share of the squared
    relative gap, in units of the objective: whichever is less."""


@stored()
@dataclass(frozen=True)
class ProximalSettings(CheckedSettings):
    """Working sets, sketches and line searches of the proximal method.

    Gaps are relative duality gaps of the program of the blocks that are held.
    """

    smallest: ClassVar[Mapping[str, int]] = {"lengths": 2}

    first_blocks: int = 24
    """Blocks that are held first, at most."""
    joining_blocks: int = 12
    """Blocks that may join at a time; half as many as are held may always. Fewer that are
    screened wait for the next pricing."""
    fewest_blocks: int = 8
    """Blocks that the memory must have room for."""
    screening_ratio: float = 1.02
    """A block joins by screening where its value is above so many times beta."""
    violation: float = 0.25
    """A priced block joins where it exceeds beta by more than this share of the tolerance."""
    pricing_gaps: tuple[float, ...] = (1e-1, 1e-2, 1e-4)
    """Gaps at which all blocks are priced, before the last."""
    final_gap: float = 0.4
    """Gap at which they are priced last, as a share of the tolerance."""
    progress: float = 0.9
    """A step makes progress where its gap is below this share of the least so far."""
    patience: int = 6
    """Steps without progress after which the method is said to have stalled."""
    exchange: float = 0.25
    """Share of the blocks held that, once out of use, is enough to change the set."""
    samples_per_column: int = 5
    """Samples drawn for each column of the metric."""
    damping: float = 1e-6
    """Share of all rows' Gram matrix added to sketched ones, which may miss a mask altogether."""
    lengths: int = 33
    """Lengths that a line search compares at a time."""
    zooms: int = 4
    """Times that it does, each time between the best two of before."""
    model: ModelSettings = ModelSettings()
    """How the model of a step is minimised."""


@stored()
@dataclass(frozen=True)
class SolverSettings(CheckedSettings):
    """All settings of `solve`; each attribute is the settings class of the same name.

    Examples
    --------
    >>> SolverSettings(working_set=WorkingSetSettings(first_weights=60)).working_set.first_weights
    60
    """

    selection: SelectionSettings = SelectionSettings()
    interior_point: InteriorPointSettings = InteriorPointSettings()
    working_set: WorkingSetSettings = WorkingSetSettings()
    grouped: GroupedSettings = GroupedSettings()
    pricing: BlockPricingSettings = BlockPricingSettings()
    proximal: ProximalSettings = ProximalSettings()


@stored()
@dataclass(frozen=True)
class HeadSettings(CheckedSettings):
    """Programs over all heads: pairs of patterns and heads, and the search for those they lack."""

    shares: ClassVar[Collection[str]] = ("joining", "promising")

    joining: float = 0.9
    """Share of beta that a pair must be worth to join. Those in use are worth beta at the optimum,
    and their heads turn towards it with others that are nearly worth as much."""
    joining_pairs: int = 100
    """Pairs that may join at a time; as many as are in use may always."""
    promising: float = 0.5
    """Share of beta that a pair must be worth without cones for a search in its cone."""
    climbing_steps: int = 3
    """Steps of that search: the best direction for a head, and the best head for that."""
    precision: float = 0.1
    """Gap to which a program on pairs is solved, as a share of the squared gap over all heads; the
    share of that share after a round without progress."""
    finest: float = 1e-9
    """The least such gap."""
    patience: int = 10
    """Rounds without a smaller gap over all heads after which there is no more progress."""
