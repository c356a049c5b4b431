"""The regularization path: optimal networks from the linear model down to small penalties.

At ``beta_max`` the best network has no neuron: the model is the linear skip alone. As beta falls
neurons come in, and the optimal architectures with m = 1, 2, ... neurons pass by; Mishkin &
Pilanci (2023), arXiv 2306.00119. The optimal objective is a continuous, increasing and concave
function of beta, as the least of functions that are linear in it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from relu_forecast.exceptions import ConvergenceWarning, InvalidArgumentError
from relu_forecast.networks.architectures import named_architecture
from relu_forecast.networks.sites import Sites
from relu_forecast.networks.two_layer import TwoLayerNetwork
from relu_forecast.patterns.arrangements import ActivationPatterns
from relu_forecast.problems.certificates import Certificate
from relu_forecast.problems.task import Activation, TrainingTask
from relu_forecast.solvers import METHODS, Method, beta_max_over_heads
from relu_forecast.training.interruption import ends_one_training
from relu_forecast.training.threads import one_thread
from relu_forecast.training.train import Effort, Trainer, Training
from relu_forecast.validation import (
    as_real_array,
    as_samples,
    as_targets,
    as_weights,
    check_choice,
    check_int,
    check_non_negative,
    check_positive,
    check_positive_int,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SMALLEST_RATIO = 0.01
Ended = Literal["done", "stopped", "interrupted"]
OnNetwork = Callable[[float, TwoLayerNetwork, Certificate], None]


@dataclass(frozen=True)
class RegularizationPath:
    """Optimal networks along decreasing penalties.

    Attributes
    ----------
    beta_max : float
        The smallest beta that leaves no neuron; see `ConvexReLURegressor`.
    betas : ndarray, shape (L,)
        Penalties, decreasing.
    networks : tuple of TwoLayerNetwork
        One per beta; on raw windows.
    certificates : tuple of Certificate
        One per beta.
    ended : {"done", "stopped", "interrupted"}, default "done"
        Whether all penalties were trained at, or the path ended before, by ``stop`` or by Ctrl-C.
    """

    beta_max: float
    betas: npt.NDArray[np.float64]
    networks: tuple[TwoLayerNetwork, ...]
    certificates: tuple[Certificate, ...]
    ended: Ended = "done"

    def __len__(self) -> int:
        """Return the number of penalties, L."""
        return len(self.betas)

    @property
    def ratios(self) -> npt.NDArray[np.float64]:
        """Penalties as shares of `beta_max`."""
        return self.betas / self.beta_max

    @property
    def objectives(self) -> npt.NDArray[np.float64]:
        """Objective (1) of each network."""
        return np.array([certificate.objective for certificate in self.certificates])

    @property
    def gaps(self) -> npt.NDArray[np.float64]:
        """Relative duality gap of each network, within its certificate's scope."""
        return np.array([certificate.gap for certificate in self.certificates])

    @property
    def n_neurons(self) -> npt.NDArray[np.intp]:
        """Hidden neurons of each network."""
        return np.array([network.n_neurons for network in self.networks], dtype=np.intp)

    def plot(self) -> Figure:
        """Draw the objective and the number of neurons against beta / beta_max."""
        from matplotlib.figure import Figure

        from relu_forecast.plots import plot_path_neurons, plot_path_objectives
        from relu_forecast.plots.style import name_lines

        figure = Figure(figsize=(8, 5), layout="constrained")
        above, below = figure.subplots(2, sharex=True)
        bounds = [certificate.dual_objective for certificate in self.certificates]
        plot_path_objectives(self.ratios, self.objectives, lower_bounds=bounds, ax=above)
        plot_path_neurons(self.ratios, self.n_neurons, ax=below)
        above.set(title="Regularization path", xlabel="")
        name_lines(above)
        return figure


def regularization_path(
    X: Any, y: Any, *, ratios: Any = None, n_ratios: int = 50,
    architecture: Literal["dense", "conv", "circular"] = "dense", filter_size: int | None = None,
    stride: int = 1, sites: Sites = "global", activation: Activation = "relu",
    patterns: Any = "adaptive", n_patterns: int = 100, linear_skip: bool = True,
    skip_penalty: float = 0.0, scale_targets: bool = True, fit_intercept: bool | None = None,
    solver: Method = "auto", tol: float = 1e-4, max_iter: int = 20, random_state: int = 0,
    sample_weight: Any = None, stop: bool = False, on_network: OnNetwork | None = None
) -> RegularizationPath:
    """Train along decreasing penalties, each network starting from the one before.

    Parameters
    ----------
    X : array_like or Tensor, shape (n, d)
        Windows. A tensor's device and floating dtype are kept.
    y : array_like or Tensor, shape (n,) or (n, C)
        Targets; of C columns for networks of C outputs.
    ratios : array_like, optional
        Penalties as shares of beta_max, in (0, 1], any order.
    n_ratios : int, default 50
        Without ``ratios``: that many, from 1 down to 0.01 in equal steps of their logarithm.
    architecture : {"dense", "conv", "circular"}, default "dense"
        Network of `ConvexReLURegressor`, `ConvexCNNRegressor` or `CircularCNNRegressor`.
    patterns : {"adaptive", "exact"} or ActivationPatterns, default "adaptive"
        ``"adaptive"`` discovers patterns and prices neurons at every penalty. With
        ``"exact"``, your own, or gated ReLU, one set of patterns serves all penalties.
    filter_size, stride, sites, activation, n_patterns, linear_skip, skip_penalty, scale_targets
        As in the regressors.
    fit_intercept : bool, optional
        Give every neuron a bias. None: yes, but for a circular network, which has none.
    solver, tol, max_iter
        As in the regressors, for each penalty.
    random_state : int, default 0
        Seed of discovery and pricing.
    sample_weight : array_like or Tensor, shape (n,), optional
        Weights of the samples, >= 0, which their squared errors are multiplied by: a weight of 2 is
        the same as the sample twice, a weight of 0 leaves it out. None: ones.
    stop : bool, default False
        End the path after the first network that has as many weights, its linear part included, as
        there are targets: networks of smaller penalties can fit noise, and take longest to train.
    on_network : callable, optional
        Called as ``on_network(ratio, network, certificate)`` after each training.

    Returns
    -------
    RegularizationPath
        Objectives decrease with beta. A gap above ``tol`` shows in ``gaps``. Ctrl-C ends the path
        with the penalty in hand, and warns; ``ended`` tells.

    Raises
    ------
    InvalidArgumentError
        Bad arguments; targets that the linear part fits exactly, where no neuron ever helps.

    Examples
    --------
    >>> X = np.linspace(-1, 1, 30)[:, None]
    >>> path = regularization_path(X, np.abs(X[:, 0]), ratios=[1, 0.5, 0.1])
    >>> path.n_neurons.tolist(), bool((np.diff(path.objectives) < 0).all())
    ([0, 1, 1], True)
    """
    windows, weights = as_samples(X), None
    layout = named_architecture(
        architecture, windows.shape[1], filter_size, stride, fit_intercept, sites)
    check_choice(solver, "solver", METHODS)
    if not isinstance(patterns, ActivationPatterns):
        check_choice(patterns, "patterns", ("adaptive", "exact"))
    ridge = check_non_negative(skip_penalty, "skip_penalty")
    if sample_weight is not None:
        weights = as_weights(sample_weight, windows, some_zero=True)
        kept = weights > 0
        windows, y, weights = windows[kept], as_targets(y, windows)[kept], weights[kept]
        if isinstance(patterns, ActivationPatterns) and not bool(kept.all()):
            patterns = ActivationPatterns.from_gates(layout.gate_inputs(windows), patterns.gates)
    task = TrainingTask.checked(
        windows, y, layout, activation, linear_skip, ridge if linear_skip else 0.0, weights)
    effort = Effort(
        check_positive(tol, "tol"), check_positive_int(max_iter, "max_iter"), solver,
        check_int(random_state, "random_state", minimum=0, remedy="Pass a seed."))
    shares, count = _check_ratios(ratios, n_ratios), check_positive_int(n_patterns, "n_patterns")
    with one_thread():
        task = task.scaled() if scale_targets else task
        return _along(Trainer(task, effort), shares, patterns, count, stop, on_network)


def _check_ratios(ratios: Any, n_ratios: int) -> npt.NDArray[np.float64]:
    """Return shares of beta_max, decreasing."""
    if ratios is None:
        return np.geomspace(1.0, SMALLEST_RATIO, check_positive_int(n_ratios, "n_ratios"))
    values = as_real_array(ratios, "ratios").astype(np.float64)
    if values.ndim != 1 or len(values) == 0 or not ((values > 0) & (values <= 1)).all():
        raise InvalidArgumentError("ratios", "a list of shares of beta_max in (0, 1]",
                                   repr(ratios), "Pass for example np.geomspace(1, 0.01, 50).")
    return np.sort(values)[::-1]


def _along(
    trainer: Trainer, shares: npt.NDArray[np.float64], patterns: Any, n_patterns: int, stop: bool,
    on_network: OnNetwork | None
) -> RegularizationPath:
    """Train at every share of beta_max."""
    task, smallest = trainer.task, 0.0
    if isinstance(patterns, str) and patterns == "adaptive":
        beta_max = _positive(task, trainer.pricer.beta_max(task, trainer.linear))
        smallest = float(shares[-1]) * beta_max
    fixed = trainer.fixed_patterns(patterns, n_patterns, smallest)
    if fixed is None:
        trainings = _discovering(trainer, shares * beta_max)
    else:
        beta_max = _positive(task, beta_max_over_heads(task, fixed))
        trainings = (trainer.train_on_patterns(fixed, beta) for beta in shares * beta_max)
    steps = _announced(_never_rising(task, shares * beta_max, trainings), shares, on_network)
    kept, ended = _until_end(steps, len(shares), task.targets.numel() if stop else None)
    if ended == "interrupted":
        beta, gap = shares[len(kept) - 1] * beta_max, kept[-1].certificate.gap
        warnings.warn(
            f"regularization_path was interrupted at beta = {beta:.4g}, with a relative gap of "
            f"{gap:.1e}: it ends there.", ConvergenceWarning, stacklevel=3)
    return RegularizationPath(
        beta_max, shares[: len(kept)] * beta_max, tuple(training.network for training in kept),
        tuple(training.certificate for training in kept), ended)


def _until_end(
    steps: Iterator[Training], count: int, n_targets: int | None
) -> tuple[list[Training], Ended]:
    """Return the trainings of a path, and how it ended.

    It is stopped by a network of ``n_targets`` weights, and Ctrl-C keeps what there is.
    """
    kept: list[Training] = []
    try:
        for training in steps:
            kept.append(training)
            if training.status == "interrupted":
                return kept, "interrupted"
            weights = sum(weight.numel() for weight in training.network.parameters())
            if n_targets is not None and weights >= n_targets and len(kept) < count:
                return kept, "stopped"
    except KeyboardInterrupt:
        if not kept or not ends_one_training():
            raise
        return kept, "interrupted"
    return kept, "done"


def _announced(steps: Iterator[Training], shares: npt.NDArray[np.float64],
               on_network: OnNetwork | None) -> Iterator[Training]:
    """Yield the trainings, and tell the caller of each."""
    for share, training in zip(shares.tolist(), steps, strict=False):
        if on_network is not None:
            on_network(share, training.network, training.certificate)
        yield training


def _positive(task: TrainingTask, beta_max: float) -> float:
    """Return beta_max; refuse targets for which no neuron is worth anything."""
    rounding = 1e-12 * float(task.targets.norm() * task.features.rows.norm())
    if beta_max <= rounding:
        raise InvalidArgumentError(
            "y", "more than a linear function of X", "targets that the linear part fits",
            "There is no path: the linear model is optimal for every penalty.")
    return beta_max


def _discovering(trainer: Trainer, betas: npt.NDArray[np.float64]) -> Iterator[Training]:
    """Train at each beta from the neurons of the one before."""
    before = None
    for beta in betas.tolist():
        start = before if before is not None and len(before) else None
        training = trainer.train(beta, start=start)
        before = training.neurons
        yield training


def _never_rising(
    task: TrainingTask, betas: npt.NDArray[np.float64], trainings: Iterator[Training]
) -> Iterator[Training]:
    """Yield the network before wherever it is better: objectives fall with beta."""
    before: Training | None = None
    for beta, training in zip(betas.tolist(), trainings, strict=False):
        if before is not None:
            value = task.objective(before.network, beta)
            if value < training.certificate.objective:
                better = replace(training.certificate, objective=value)
                training = replace(before, certificate=better, status=training.status)
        before = training
        yield training
