"""Tests of whether one forecast is better than another, or only looked so on these samples."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats
from scipy.special import stdtr

from relu_forecast.exceptions import InvalidArgumentError, InvalidTypeError
from relu_forecast.forecasting.evaluation.metrics import check_level
from relu_forecast.validation import check_choice, check_positive_int, check_values

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Loss = Literal["squared", "absolute"]
Alternative = Literal["two-sided", "less", "greater"]
Kernel = Literal["rectangular", "bartlett"]

_ROUNDING = 1e-10
"""Share of the losses, or of their variance, below which a number is taken for rounding."""


@dataclass(frozen=True)
class DieboldMariano:
    """A Diebold-Mariano test of equal accuracy: its null hypothesis is a mean difference of 0.

    Attributes
    ----------
    statistic : float
        Negative where the first forecast has the smaller losses; see `diebold_mariano`.
    p_value : float
        Probability of such a statistic, or one further out, if both are equally accurate.
    mean_difference : float
        Mean loss of the first forecast less that of the second, in the unit of the data, squared
        for squared losses.
    n : int
        Errors of each.
    h : int
        Errors up to ``h - 1`` apart were taken to be correlated.
    loss : {"squared", "absolute"}
    alternative : {"two-sided", "less", "greater"}
    kernel : {"rectangular", "bartlett"}
        Weights of the autocovariances; ``"bartlett"`` where equal ones gave no positive variance.
    """

    statistic: float
    p_value: float
    mean_difference: float
    n: int
    h: int
    loss: Loss
    alternative: Alternative
    kernel: Kernel


def diebold_mariano(errors_a: Any, errors_b: Any, h: int = 1, loss: Loss = "squared",
                    alternative: Alternative = "two-sided") -> DieboldMariano:
    """Test whether two forecasts of the same samples are equally accurate.

    With d the differences of the losses, ``d_t = loss(a_t) - loss(b_t)``, and γ_k their
    autocovariances, the statistic of Diebold & Mariano (1995) is the mean of d over its standard
    deviation, ``mean(d) / sqrt((γ_0 + 2 γ_1 + ... + 2 γ_{h-1}) / n)``. Times
    ``sqrt((n + 1 - 2 h + h (h - 1) / n) / n)`` it is compared with Student's t of n - 1 degrees of
    freedom (Harvey, Leybourne & Newbold, 1997). Where the variance comes out as zero or negative,
    as it can for h > 1, the autocovariances are taken with Bartlett's weights ``1 - k / h``
    instead, and ``kernel`` says so.

    Parameters
    ----------
    errors_a, errors_b : array_like, shape (n,)
        Errors of both forecasts, at the same samples and in order of time.
    h : int, default 1
        Errors up to ``h - 1`` places apart are correlated even for the best forecasts: the
        horizon, where there is an error for each sample.
    loss : {"squared", "absolute"}, default "squared"
        Loss of an error.
    alternative : {"two-sided", "less", "greater"}, default "two-sided"
        What to test for: that the mean losses differ, that those of a are less, or greater.

    Returns
    -------
    DieboldMariano
        Forecasts whose losses never differ by more than rounding, 1e-10 of the largest, give the
        statistic 0: a p-value of 1 two-sided, and of 0.5 else. Where they differ by the same
        amount always, the statistic is infinite.

    Raises
    ------
    InvalidArgumentError
        If the errors differ in number, are not finite, or are not more than ``h``.

    Examples
    --------
    >>> test = diebold_mariano([1.0, -2.0, 1.5, -1.0, 2.0], [0.5, 1.0, -1.0, 0.5, 1.5])
    >>> round(test.statistic, 3), round(test.p_value, 3)
    (3.586, 0.023)
    """
    check_choice(loss, "loss", get_args(Loss))
    check_choice(alternative, "alternative", get_args(Alternative))
    errors = [check_values(errors_a, "errors_a"), check_values(errors_b, "errors_b")]
    n, horizon = len(errors[0]), check_positive_int(h, "h")
    if len(errors[1]) != n:
        raise InvalidArgumentError("errors_b", f"as many as errors_a, {n}", str(len(errors[1])),
                                   "Pass the errors of both at the same samples.")
    if n <= horizon:
        raise InvalidArgumentError("h", f"below the {n} errors", str(horizon),
                                   "Pass more errors, or those of a shorter horizon.")
    # In units of the largest, a power of two: fourth powers of errors are taken.
    unit = 2.0 ** np.frexp(max(float(np.abs(one).max()) for one in errors))[1]
    losses = [np.square(one / unit) if loss == "squared" else np.abs(one / unit) for one in errors]
    differences = losses[0] - losses[1]
    mean = float(differences.mean())
    variance, kernel = _variance_of_mean(differences, horizon)
    if np.abs(differences).max() <= _ROUNDING * np.max(losses):
        statistic = 0.0
    elif variance == 0:
        statistic = float(np.copysign(np.inf, mean))
    else:
        statistic = mean / np.sqrt(variance) * np.sqrt((n - horizon) * (n - horizon + 1)) / n
    with np.errstate(over="ignore"):
        difference = float(mean * np.float64(unit) ** (2 if loss == "squared" else 1))
    return DieboldMariano(float(statistic), _p_value(statistic, n, alternative), difference, n,
                          horizon, loss, alternative, kernel)


def _variance_of_mean(differences: npt.NDArray[np.float64], h: int) -> tuple[float, Kernel]:
    """Return the variance of the mean of correlated differences, and how it was estimated."""
    n = len(differences)
    if np.ptp(differences) == 0:
        return 0.0, "rectangular"
    centred = differences - differences.mean()
    lags = np.arange(h)
    covariances = np.array([centred[lag:] @ centred[: n - lag] for lag in lags]) / n**2
    weights = np.where(lags == 0, 1.0, 2.0)
    variance = float(weights @ covariances)
    if variance > _ROUNDING * covariances[0]:
        return variance, "rectangular"
    return float(weights * (1 - lags / h) @ covariances), "bartlett"


def _p_value(statistic: float, n: int, alternative: Alternative) -> float:
    """Return how likely a statistic so far out is, under Student's t."""
    if alternative == "two-sided":
        return 2 * _p_value(-abs(statistic), n, "less")
    # Not scipy.stats.t: many times slower, which tells where there are many series.
    return float(stdtr(n - 1, statistic if alternative == "less" else -statistic))


def adjust_holm(p_values: Any) -> npt.NDArray[np.float64]:
    """Return p-values that may be held against one level although there are many of them.

    The i-th smallest of n counts n - i + 1 times, and no less than one before it (Holm, 1979). The
    chance that any true null hypothesis is rejected is at most the level, even where tests depend
    on each other.

    Parameters
    ----------
    p_values : array_like, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        In the order that they came in, at most 1.

    Examples
    --------
    >>> adjust_holm([0.01, 0.04, 0.03]).round(2).tolist()
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=float)
    order = np.argsort(values, kind="stable")
    adjusted = np.empty(len(values))
    counted = values[order] * np.arange(len(values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(counted), 1.0)
    return adjusted


@dataclass(frozen=True)
class Ranking:
    """Models ranked over many series, and which of them the series cannot tell apart.

    Attributes
    ----------
    mean_ranks : pandas.Series
        Mean over the series of each model's rank, by model and best first; 1 is best, and equal
        scores share the mean of their ranks.
    test : {"friedman", "wilcoxon"}
        Test of the null hypothesis that all models rank alike: Friedman's for three models or
        more, Wilcoxon's signed-rank test for two.
    statistic, p_value : float
        Of that test.
    critical_difference : float or None
        Nemenyi's: mean ranks that are so far apart or further differ significantly. None for two
        models, where the test itself tells.
    groups : tuple of tuple
        Largest sets of models, best first, of which none differs significantly from another;
        all models at once where ``p_value`` is not significant. A model in none differs from all.
    n_series : int
    level : float
        Confidence in percent; 95 lets a twentieth of the null hypotheses be rejected by chance.
    """

    mean_ranks: pd.Series
    test: Literal["friedman", "wilcoxon"]
    statistic: float
    p_value: float
    critical_difference: float | None
    groups: tuple[tuple[Hashable, ...], ...]
    n_series: int
    level: float

    def frame(self) -> pd.DataFrame:
        """Return the ranking as a table, a row per model and the best one first.

        The columns are ``mean_rank``; ``lower`` and ``upper``, half a critical difference to
        either side of it, NaN without one; and ``with_best``, whether the model does not differ
        significantly from the first.
        """
        best = self.mean_ranks.index[0]
        with_best = {best, *(name for group in self.groups if best in group for name in group)}
        half = np.nan if self.critical_difference is None else self.critical_difference / 2
        return pd.DataFrame({"mean_rank": self.mean_ranks, "lower": self.mean_ranks - half,
                             "upper": self.mean_ranks + half,
                             "with_best": [name in with_best for name in self.mean_ranks.index]})

    def plot(self) -> Figure:
        """Draw the mean ranks with intervals that overlap unless models differ significantly."""
        from relu_forecast.plots import plot_ranking

        title = f"{self.test.capitalize()} p = {self.p_value:.2g}, level {self.level:g} %"
        axes = plot_ranking(self.frame(), title=title, n_series=self.n_series)
        return cast("Figure", axes.figure)


def rank_models(scores: Any, level: float = 95) -> Ranking:
    """Rank models on every series, and test whether their mean ranks differ.

    Friedman's test comes first, and Nemenyi's tells pairs apart only where it is significant,
    by the critical difference ``q sqrt(k (k + 1) / (6 N))`` of k models on N series, with q the
    quantile of the studentized range over √2 (Demšar, 2006). Two models are compared by
    Wilcoxon's signed-rank test, equal scores counting half for each.

    Parameters
    ----------
    scores : pandas.DataFrame
        Rows series, columns models; lower is better. The series should not depend on each other.
    level : float, default 95
        Confidence in percent.

    Returns
    -------
    Ranking
        Models that are equal on every series have the p-value 1.

    Raises
    ------
    InvalidArgumentError
        If there are fewer than two models, two of one name, or scores that are not finite; or
        so few series that the test would not be significant even if all ranked the models
        alike: at level 95 these are fewer than 6 for two models, and fewer than 3 for three.

    Examples
    --------
    >>> scores = pd.DataFrame({"A": [1, 2, 1, 3], "B": [4, 5, 3, 4], "C": [8, 9, 6, 5]})
    >>> ranking = rank_models(scores)
    >>> ranking.mean_ranks.to_dict(), round(ranking.p_value, 3), ranking.groups
    ({'A': 1.0, 'B': 2.0, 'C': 3.0}, 0.018, (('A', 'B'), ('B', 'C')))
    """
    significance = 1 - check_level(level) / 100
    values = _check_scores(scores, significance)
    ranks = stats.rankdata(values, axis=1)
    mean_ranks = pd.Series(ranks.mean(axis=0), index=scores.columns, name="mean_rank")
    mean_ranks = mean_ranks.sort_values(kind="stable")
    n_series, n_models = values.shape
    test: Literal["friedman", "wilcoxon"] = "wilcoxon" if n_models == 2 else "friedman"
    if test == "wilcoxon":
        critical = None
        statistic, p_value = stats.wilcoxon(values[:, 0], values[:, 1], zero_method="zsplit")
    else:
        # Nemenyi's, of mean ranks.
        quantile = stats.studentized_range.ppf(level / 100, n_models, np.inf) / np.sqrt(2)
        critical = float(quantile * np.sqrt(n_models * (n_models + 1) / (6 * n_series)))
        statistic, p_value = _friedman(ranks)
    far = np.inf if p_value >= significance else critical or 0.0
    return Ranking(mean_ranks, test, float(statistic), float(p_value), critical,
                   _groups(mean_ranks, far), n_series, float(level))


def _check_scores(scores: Any, significance: float) -> npt.NDArray[np.float64]:
    """Return the scores as a matrix that can be ranked and tested."""
    if not isinstance(scores, pd.DataFrame):
        raise InvalidTypeError("scores", "a DataFrame", type(scores).__name__,
                               "Pass a row per series and a column per model.")
    n_series, n_models = scores.shape
    if n_models < 2 or not scores.columns.is_unique:
        raise InvalidArgumentError(
            "scores", "of two or more models with different names",
            f"the columns {list(scores.columns)}", "Pass a row per series, a column per model.")
    fewest = next(n for n in count(2) if _smallest_p_value(n, n_models) <= significance)
    if n_series < fewest:
        raise InvalidArgumentError(
            "scores", f"of at least {fewest} series for {n_models} models at this level",
            str(n_series), "Score more series; fewer cannot be significant however they rank.")
    columns = [check_values(scores[name].to_numpy(), f"scores[{name!r}]") for name in scores]
    return np.stack(columns, axis=1)


def _smallest_p_value(n_series: int, n_models: int) -> float:
    """Return the p-value where every series ranks the models alike."""
    if n_models == 2:
        return 2.0 ** (1 - n_series)
    return float(stats.chi2.sf(n_series * (n_models - 1), n_models - 1))


def _friedman(ranks: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return Friedman's statistic, corrected for ties, and its p-value."""
    if (np.ptp(ranks, axis=1) == 0).all():  # 0 / 0 in SciPy
        return 0.0, 1.0
    statistic, p_value = stats.friedmanchisquare(*ranks.T)
    return float(statistic), float(p_value)


def _groups(mean_ranks: pd.Series, far: float) -> tuple[tuple[Hashable, ...], ...]:
    """Return the largest runs of two or more sorted models less than ``far`` apart."""
    ranks = mean_ranks.to_numpy()
    stops = np.searchsorted(ranks, ranks + far, side="left")
    runs = [(start, stop) for start, stop in enumerate(stops.tolist()) if stop - start > 1
            and (start == 0 or stop > stops[start - 1])]
    return tuple(tuple(mean_ranks.index[start:stop].tolist()) for start, stop in runs)
