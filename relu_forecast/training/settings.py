"""Tuning constants of training, gathered: an expert can pass others, nobody has to.

Widths of kinks are shares of the root mean square of a neuron's outputs: within them the kinks of
the ReLU are smoothed, see `softening`. Gaps are relative.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from relu_forecast.solvers.settings import SolverSettings
from relu_forecast.storage import stored


@stored()
@dataclass(frozen=True)
class NewtonSettings:
    """Of the Newton steps that move neurons.

    Attributes
    ----------
    norm_width : float
        Width within which norms of blocks are smoothed, as a share of that of the kinks.
    least_scale : float
        Width of a neuron that puts out nothing, as a share of that of the largest.
    full_step_narrowing, part_step_narrowing : float
        Factors on the width after a full step, and after a step of at least `long_step`.
    long_step : float
        Step length above which the width shrinks.
    most_damping : float
        Largest damping of the Newton matrix, whose diagonal is scaled to one.
    most_halvings : int
        Step lengths that a line search tries.
    sufficient_decrease : float
        Share of the predicted decrease that a step must reach (Armijo's rule).
    settled : float
        Predicted decrease, as a share of the objective, below which the descent ends.
    most_failures : int
        Steps in a row without a decrease after which it ends.
    """

    norm_width: float = 0.1
    least_scale: float = 1e-6
    full_step_narrowing: float = 0.2
    part_step_narrowing: float = 0.5
    long_step: float = 0.5
    most_damping: float = 1.0
    most_halvings: int = 6
    sufficient_decrease: float = 1e-4
    settled: float = 1e-7
    most_failures: int = 3


@stored()
@dataclass(frozen=True)
class PricingSettings:
    """Of the search for violating neurons.

    Attributes
    ----------
    exact_rows : int
        Rows up to which all neurons are priced exactly at rank 3, which costs their square.
    cheap_rows : int
        Rows up to which that is no dearer than a search.
    linear_starts : int
        Starts of each kind of the search beside the linear part alone, which gives beta_max.
    scouted_rows, fewest_scouted_samples : int
        Rows, and samples at least, of the subsample on which starts are compared.
    compared_rows : int
        Rows on which the outputs of neurons are compared.
    most_compared : int
        Neurons that are compared with each other.
    same_outputs, almost_same_outputs : float
        Cosines of outputs above which two neurons count as the same, at the end and on the way.
    coarse_widths : tuple of float
        Widths of the kinks while all starts climb.
    first_widths : int
        So many of these are used before starts that climb to the same end are dropped.
    most_valued : int
        Ends that are valued on all rows.
    finished : int
        Ends that climb to their maximum on all rows.
    fine_widths, group_widths : tuple of float
        Widths while these climb; the latter follow for norms with several groups, whose sizes
        converge linearly only.
    whitened_rows : int
        Rows of the subsample whose covariance whitens half of the random starts.
    """

    exact_rows: int = 8000
    cheap_rows: int = 1500
    linear_starts: int = 100
    scouted_rows: int = 2000
    fewest_scouted_samples: int = 1000
    compared_rows: int = 1000
    most_compared: int = 1000
    same_outputs: float = 0.99
    almost_same_outputs: float = 0.999
    coarse_widths: tuple[float, ...] = tuple(0.3 * 0.65**k for k in range(10))
    first_widths: int = 4
    most_valued: int = 100
    finished: int = 24
    fine_widths: tuple[float, ...] = tuple(0.006 * 0.35**k for k in range(8))
    group_widths: tuple[float, ...] = tuple(1e-6 * 0.5**k for k in range(8))
    whitened_rows: int = 5000


@stored()
@dataclass(frozen=True)
class SearchSettings:
    """Of the local search, in which neurons join and all of them move.

    Attributes
    ----------
    first_subsample : int
        Samples of the first subsample that neurons are found on.
    subsample_growth : int
        Factor from one subsample to the next.
    subsample_gap : float
        Gap, as a quick search sees it, to reach on a subsample.
    subsample_steps : int
        Most steps on a subsample.
    quick_starts : int
        Starts of each kind of a search that only tells what to do next.
    most_joining : int
        Neurons that join at a time.
    worth_joining : float
        A neuron joins if it violates by this share of the tolerated gap.
    newton_steps : int
        Newton steps after neurons have joined.
    widest, narrowing, narrowest : float
        Width of the kinks of the first step, the factor from step to step, and its least.
    last_of_first, last_of_gap, last_of_tol : float
        The last width of a step, as shares of its first one, of the gap and of the tolerated gap.
    """

    first_subsample: int = 1000
    subsample_growth: int = 5
    subsample_gap: float = 3e-3
    subsample_steps: int = 8
    quick_starts: int = 15
    most_joining: int = 60
    worth_joining: float = 0.1
    newton_steps: int = 8
    widest: float = 0.1
    narrowing: float = 0.6
    narrowest: float = 1e-3
    last_of_first: float = 0.1
    last_of_gap: float = 1e-2
    last_of_tol: float = 1e-2


@stored()
@dataclass(frozen=True)
class RoundSettings:
    """Of the rounds of a training: local search, pricing, and programs where these gain little.

    Attributes
    ----------
    thorough_starts : int
        Starts of each kind of the search that says that nothing was found.
    kept_ends : int
        Ends of the last search that are kept for a warm start.
    kept_linear_ends : int
        The same of the search beside the linear part alone.
    steps_per_round : int
        Steps of the local search in a round.
    new_blocks : int
        Most neurons that pricing hands to a program.
    program_precision : float
        Gap of a program, as a share of the tolerated one; a round that gains less is followed
        by a program.
    rough_gap, rough_steps : float and int
        Gap to reach, and most steps, of the search for the patterns of gated networks.
    simplifying : float
        Share of the tolerance that merging and dropping neurons at the end may cost.
    """

    thorough_starts: int = 100
    kept_ends: int = 24
    kept_linear_ends: int = 6
    steps_per_round: int = 5
    new_blocks: int = 30
    program_precision: float = 0.1
    rough_gap: float = 1e-3
    rough_steps: int = 8
    simplifying: float = 0.1


@stored()
@dataclass(frozen=True)
class RetrainingSettings:
    """Of trainings that start from an earlier one.

    Attributes
    ----------
    widest, width, narrowest : float
        Largest and usual first width of the kinks, and the last one.
    newton_steps : int
        Newton steps of a round.
    worth_joining : float
        Neurons join that are worth this multiple of beta: others cost more time than they gain.
    starts, linear_starts : int
        New starts of each kind, beside earlier ends, of a search and of that beside the linear
        part.
    finished : int
        Ends that climb to their maximum on all rows.
    most_rounds : int
        Rounds after which a training from the network reached takes over.
    """

    widest: float = 0.1
    width: float = 1e-3
    narrowest: float = 1e-4
    newton_steps: int = 2
    worth_joining: float = 1.02
    starts: int = 4
    linear_starts: int = 8
    finished: int = 6
    most_rounds: int = 4


@stored()
@dataclass(frozen=True)
class TrainingSettings:
    """All of them.

    Attributes
    ----------
    newton : NewtonSettings
    pricing : PricingSettings
    search : SearchSettings
    rounds : RoundSettings
    retraining : RetrainingSettings
    solver : SolverSettings
        Of the convex programs.

    Examples
    --------
    >>> TrainingSettings(rounds=RoundSettings(thorough_starts=500)).rounds.thorough_starts
    500
    """

    newton: NewtonSettings = field(default_factory=NewtonSettings)
    pricing: PricingSettings = field(default_factory=PricingSettings)
    search: SearchSettings = field(default_factory=SearchSettings)
    rounds: RoundSettings = field(default_factory=RoundSettings)
    retraining: RetrainingSettings = field(default_factory=RetrainingSettings)
    solver: SolverSettings = field(default_factory=SolverSettings)
