"""Tuning constants of training, gathered: an expert can pass others, nobody has to.

Widths of kinks are shares of the root mean square of a neuron's outputs: within them the kinks of
the ReLU are smoothed, see `softening`. Gaps are relative.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from relu_forecast.exceptions import InvalidArgumentError
from relu_forecast.solvers.settings import CheckedSettings, SolverSettings
from relu_forecast.storage import stored


@stored()
@dataclass(frozen=True)
class NewtonSettings(CheckedSettings):
    """Of the Newton steps that move neurons."""

    norm_width: float = 0.1
    """Width within which norms of blocks are smoothed, as a share of that of the kinks."""
    least_scale: float = 1e-6
    """Width of a neuron that puts out nothing, as a share of that of the largest."""
    full_step_narrowing: float = 0.2
    part_step_narrowing: float = 0.5
    """Factors on the width after a full step, and after a step of at least `long_step`."""
    long_step: float = 0.5
    """Step length above which the width shrinks."""
    most_damping: float = 1.0
    """Largest damping of the Newton matrix, whose diagonal is scaled to one."""
    most_halvings: int = 6
    """Step lengths that a line search tries."""
    sufficient_decrease: float = 1e-4
    """Share of the predicted decrease that a step must reach (Armijo's rule)."""
    settled: float = 1e-7
    """Predicted decrease, as a share of the objective, below which the descent ends."""
    most_failures: int = 3
    """Steps in a row without a decrease after which it ends."""


@stored()
@dataclass(frozen=True)
class DescentSettings(CheckedSettings):
    """Of the descent of whole networks by gradients (L-BFGS)."""

    memory: int = 20
    """Steps that the curvature is taken from."""
    first_step: float = 0.1
    """Decrease that the first step aims at, as a share of the objective."""
    sufficient_decrease: float = 1e-4
    """Share of the predicted decrease that a step must reach (Armijo's rule)."""
    shortening: tuple[float, float] = (0.1, 0.5)
    """Least and largest factor on a step that did not reach it."""
    least_curvature: float = 1e-6
    """Cosine of a step and the turn of the gradient below which they are not remembered."""
    norm_width: float = 0.1
    """Width within which norms of several groups are smoothed, as a share of that of the kinks."""
    checked_every: int = 20
    """Evaluations after which the decrease is looked at: an accelerator is waited for."""
    settled: float = 1e-6
    """Decrease over so many evaluations, as a share of the objective, that ends a phase."""


@stored()
@dataclass(frozen=True)
class GroupLassoSettings(CheckedSettings):
    """Of the group Lasso that gives neurons their heads and sizes."""

    precision: float = 1e-6
    """Gap to reach, as a share of the objective, and violation of a neuron left out."""
    most_growths: int = 20
    """Working sets that are tried."""
    most_joining: int = 300
    """Neurons that join a working set at a time."""
    most_steps: int = 60
    """Newton steps on a working set."""
    most_projections: int = 3
    """Lengths of projected steps that a line search tries."""
    sufficient_decrease: float = 1e-4
    """Share of the predicted decrease that a step must reach (Armijo's rule)."""
    most_releases: int = 6
    """Newton systems of a step: sizes at zero that would fall are left out of the next one."""
    least_damping: float = 1e-10
    """Least Levenberg damping, as a share of the diagonal of the Newton matrix."""
    least_size: float = 1e-9
    """Size of a neuron, as a share of the largest, below which it is dropped."""


@stored()
@dataclass(frozen=True)
class GrowthSettings(CheckedSettings):
    """Of networks that grow by gradients: neurons join, all descend, heads and sizes follow."""

    drawn: int = 60
    """Random neurons of the first network, beside those that pricing found."""
    first_size: float = 0.05
    """Size of the best of these, in standardised units."""
    new_size: float = 1e-6
    """Size that a joining neuron has before all get their best sizes."""
    first_widths: tuple[float, ...] = (0.3, 0.05, 0.005)
    """Widths of the kinks of the first descent, a phase for each."""
    widths: tuple[float, ...] = (0.02, 0.003)
    """The same of later ones, the first of which are left out step by step."""
    last_widths: tuple[float, ...] = (3e-3, 3e-4)
    """The same when a network is finished; none for no such descent."""
    evaluations: int = 40
    """Evaluations of a phase."""
    most_descents: int = 2
    """Descents that are tried until one lowers the objective."""
    most_joining: int = 60
    joining_share: float = 0.5
    """Neurons that join at a time: so many, or this share of those there are."""
    worth_joining: float = 0.1
    """A neuron joins if it violates by this share of the tolerated gap."""
    single_gap: float = 1e-3
    """Gap above which the descent is computed in single precision."""
    fewest_samples: int = 8000
    samples_per_weight: int = 20
    """Samples of a subsample: at least so many, and for each weight of the network."""
    subsample_growth: int = 4
    """Least factor from one subsample to the next."""
    worth_subsampling: float = 2.0
    """Factor by which all samples must be more than a subsample."""
    subsample_gap: float = 2e-2
    """Gap, as a quick search sees it, to reach on a subsample."""
    subsample_steps: int = 3
    """Most steps on a subsample."""


@stored()
@dataclass(frozen=True)
class PricingSettings(CheckedSettings):
    """Of the search for violating neurons."""

    exact_rows: int = 8000
    """Rows up to which all neurons are priced exactly at rank 3, which costs their square."""
    cheap_rows: int = 1500
    """Rows up to which that is no dearer than a search."""
    linear_starts: int = 100
    """Starts of each kind of the search beside the linear part alone, which gives beta_max."""
    scouted_rows: int = 2000
    fewest_scouted_samples: int = 1000
    """Rows, and samples at least, of the subsample on which starts are compared."""
    compared_rows: int = 1000
    """Rows on which the outputs of neurons are compared."""
    most_compared: int = 1000
    """Neurons that are compared with each other."""
    same_outputs: float = 0.99
    almost_same_outputs: float = 0.999
    """Cosines of outputs above which two neurons count as the same, at the end and on the way."""
    coarse_widths: tuple[float, ...] = tuple(0.3 * 0.65**k for k in range(10))
    """Widths of the kinks while all starts climb."""
    first_widths: int = 4
    """So many of these are used before starts that climb to the same end are dropped."""
    most_valued: int = 100
    """Ends that are valued on all rows."""
    finished: int = 24
    """Ends that climb to their maximum on all rows."""
    fine_widths: tuple[float, ...] = tuple(0.006 * 0.35**k for k in range(8))
    group_widths: tuple[float, ...] = tuple(1e-6 * 0.5**k for k in range(8))
    """Widths while these climb; the latter follow for norms with several groups, whose sizes
    converge linearly only."""
    whitened_rows: int = 5000
    """Rows of the subsample whose covariance whitens half of the random starts."""
    formed_weights: int = 40
    """Weights of a neuron up to which the systems of its Newton steps are formed; beyond, and
    where there are several outputs, they are solved by products with them."""
    scouted_rows_large: int = 5000
    climbed_rows: int = 20000
    samples_per_weight: int = 20
    """Rows on which all starts of such a search climb a little way, and those on which the best of
    them climb, but at least so many samples for each weight of a neuron, and
    `fewest_scouted_samples`. On much fewer of them starts climb hills that are not there."""
    scouting_widths: int = 4
    """Widths of the kinks that all starts climb through."""
    fewest_climbing: int = 15
    starts_per_climbing: int = 8
    """Of the starts, and of the neurons known before, one of so many climbs on, but no fewer than
    that."""
    starts_per_round: int = 50
    mixed_ends: int = 60
    """Starts of each kind for which such a search goes on for another round, from between its best
    ends, and the number of these."""
    scouting_products: int = 2
    climbing_products: int = 4
    finishing_products: int = 8
    """Products with the system of a step, for all starts, for these and for those that climb to
    the end."""
    finished_large: int = 12
    """Of such a search, ends that climb to their maximum on all rows."""
    settling_steps: int = 8
    settled: float = 1e-6
    most_settling: int = 8
    """They climb on, so many steps at a time, until the best value rises by no more than this
    share of it, or so many times."""
    settled_of_gap: float = 1e-2
    """The same share in a training, for each unit of the gap that it is to reach."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.first_widths < len(self.coarse_widths) or not self.fine_widths:
            raise InvalidArgumentError(
                "coarse_widths", "more than first_widths, and fine_widths at least one",
                f"{len(self.coarse_widths)}, {self.first_widths} and {len(self.fine_widths)}",
                "Leave them out for the defaults.")


    def finishing_widths(self, n_groups: int) -> tuple[float, ...]:
        """Return the widths while the best ends climb to the end, by the groups of the norm."""
        return self.fine_widths if n_groups == 1 else self.fine_widths + self.group_widths

    def for_gap(self, gap: float) -> PricingSettings:
        """Return these for a training that is to reach a gap: as precise as it needs."""
        return replace(self, settled=self.settled_of_gap * gap)


@stored()
@dataclass(frozen=True)
class SearchSettings(CheckedSettings):
    """Of the local search, in which neurons join and all of them move."""

    first_subsample: int = 1000
    """Samples of the first subsample that neurons are found on."""
    subsample_growth: int = 5
    """Factor from one subsample to the next."""
    subsample_gap: float = 3e-3
    """Gap, as a quick search sees it, to reach on a subsample."""
    subsample_steps: int = 8
    """Most steps on a subsample."""
    quick_starts: int = 15
    """Starts of each kind of a search that only tells what to do next."""
    most_joining: int = 60
    """Neurons that join at a time."""
    worth_joining: float = 0.1
    """A neuron joins if it violates by this share of the tolerated gap."""
    newton_steps: int = 8
    """Newton steps after neurons have joined."""
    widest: float = 0.1
    narrowing: float = 0.6
    narrowest: float = 1e-3
    """Width of the kinks of the first step, the factor from step to step, and its least."""
    last_of_first: float = 0.1
    last_of_gap: float = 1e-2
    last_of_tol: float = 1e-2
    """The last width of a step, as shares of its first one, of the gap and of the tolerated gap."""


@stored()
@dataclass(frozen=True)
class DualSettings(CheckedSettings):
    """Of the dual points that bound the objective from below."""

    most_points: int = 3
    """Points that are kept: the best ones."""
    most_challenging: int = 100
    """Neurons that a search puts to the points kept: its best."""
    most_known: int = 1000
    """Neurons that are remembered, to be put to later points."""


@stored()
@dataclass(frozen=True)
class RoundSettings(CheckedSettings):
    """Of the rounds of a training: local search, pricing, and programs where these gain little."""

    thorough_starts: int = 100
    """Starts of each kind of the search that says that nothing was found."""
    kept_ends: int = 24
    """Ends of the last search that are kept for a warm start."""
    kept_linear_ends: int = 6
    """The same of the search beside the linear part alone."""
    steps_per_round: int = 5
    """Steps of the local search in a round."""
    new_blocks: int = 30
    """Most neurons that pricing hands to a program."""
    program_precision: float = 0.1
    """Gap of a program, as a share of the tolerated one; a round that gains less is followed by a
    program."""
    rough_gap: float = 1e-3
    rough_steps: int = 8
    """Gap to reach, and most steps, of the search for the patterns of gated networks."""
    simplifying: float = 0.1
    joint_simplifying: float = 0.003
    """Share of the tolerance that merging and dropping neurons at the end may cost; the latter
    where heads have several entries."""
    first_weights: int = 60
    """Most weights of the neurons that are of use together beside the linear part, for Newton steps
    to find the first network."""
    few_weights: int = 60
    newton_weights: int = 2000
    newton_gap: float = 1e-2
    """Most weights of a network that moves by Newton steps, and the same near the optimum: below
    this gap."""
    starts_per_neuron: float = 0.7
    """Starts of each kind of a quick search, for each neuron of a network that grows by gradients,
    if these are more."""


@stored()
@dataclass(frozen=True)
class RetrainingSettings(CheckedSettings):
    """Of trainings that start from an earlier one."""

    widest: float = 0.1
    width: float = 1e-3
    narrowest: float = 1e-4
    """Largest and usual first width of the kinks, and the last one."""
    newton_steps: int = 2
    """Newton steps of a round."""
    worth_joining: float = 1.02
    """Neurons join that are worth this multiple of beta: others cost more time than they gain."""
    starts: int = 4
    linear_starts: int = 8
    """New starts of each kind, beside earlier ends, of a search and of that beside the linear
    part."""
    finished: int = 6
    """Ends that climb to their maximum on all rows."""
    most_rounds: int = 4
    """Rounds after which a training from the network reached takes over."""


@stored()
@dataclass(frozen=True)
class TrainingSettings:
    """All of them.

    Examples
    --------
    >>> TrainingSettings(rounds=RoundSettings(thorough_starts=500)).rounds.thorough_starts
    500
    """

    newton: NewtonSettings = field(default_factory=NewtonSettings)
    pricing: PricingSettings = field(default_factory=PricingSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    growth: GrowthSettings = field(default_factory=GrowthSettings)
    descent: DescentSettings = field(default_factory=DescentSettings)
    group_lasso: GroupLassoSettings = field(default_factory=GroupLassoSettings)
    rounds: RoundSettings = field(default_factory=RoundSettings)
    dual: DualSettings = field(default_factory=DualSettings)
    retraining: RetrainingSettings = field(default_factory=RetrainingSettings)
    solver: SolverSettings = field(default_factory=SolverSettings)
    """Of the convex programs."""

    def for_comparison(self) -> TrainingSettings:
        """Return these for networks that are compared with each other, of which one is kept.

        A quick search for violating neurons decides when their training ends, and they do not
        descend once more then; the one that is kept is to be trained, and certified, with the
        settings themselves.
        """
        quick = min(self.search.quick_starts, self.rounds.thorough_starts)
        return replace(self, rounds=replace(self.rounds, thorough_starts=quick),
                       growth=replace(self.growth, last_widths=()))
