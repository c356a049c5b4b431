"""Tables of the benchmark of accuracy: errors and seconds, ratios, tests of differences, bars."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy_peers import BY_NAME, ENTRANTS, ONE_WINDOW, OURS, RIDGE, RIDGE_DIRECT
from benchmarks.accuracy_results import STEPS, Book, Result, of_stretch, steps_of
from benchmarks.instances import Floats
from benchmarks.report import lay_out
from relu_forecast import diebold_mariano

Choice = Callable[[Result], bool]
"""Which results count as peers."""
_TINY = float(np.finfo(float).tiny)
_SIGNAL_MOST = 1.02
"""Ratio to ridge regression, on any signal, that the project allows itself at most."""


@dataclass(frozen=True)
class Bar:
    """Something promised of the ratios of our errors to those of the best peer.

    Attributes
    ----------
    text : str
        What.
    best_window : bool
        Whether the peers have whichever window suits them best on the test part.
    step : int or None
        The step, or None for all of them.
    worst : bool
        Whether the largest ratio is meant, not the geometric mean.
    most : float
        Where it must not be above.
    """

    text: str
    best_window: bool
    step: int | None
    worst: bool
    most: float


BARS = (
    Bar("all steps, geometric mean", False, None, False, 0.98),
    Bar("all steps, worst stretch", False, None, True, 1.03),
    Bar("step 1, geometric mean", False, 1, False, 1.0),
    Bar("step 10, geometric mean", False, 10, False, 1.0),
    Bar("all steps, peers with their best windows, geometric mean", True, None, False, 1.0),
)


def stretches_of(results: Iterable[Result]) -> list[str]:
    """Return the names of the stretches, in order of appearance."""
    return list(dict.fromkeys(one.stretch for one in results))


def best(peers: Sequence[Result], step: int | None) -> Result | None:
    """Return the peer of the least error, None if nobody forecast anything."""
    fine = [one for one in peers if not one.failure]
    return min(fine, key=lambda one: one.rmse(step), default=None)


def ours_of(results: Sequence[Result]) -> Result | None:
    """Return our forecaster's result, if there is one."""
    return next((one for one in results if one.model == OURS.name and not one.failure), None)


def on_bars(lags: int | None) -> Choice:
    """Return the choice of the peers of the bars, with windows of some lags or of any."""
    return lambda one: BY_NAME[one.model].on_bars and lags in (None, one.lags)


def ratio(results: Sequence[Result], choice: Choice,
          step: int | None) -> tuple[float, Result] | None:
    """Return our error over that of the best peer on one stretch, and who that is."""
    ours, peer = ours_of(results), best([one for one in results if choice(one)], step)
    if ours is None or peer is None:
        return None
    return ours.rmse(step) / max(peer.rmse(step), _TINY), peer


def errors_table(results: Sequence[Result], lags: int) -> str:
    """Return errors and seconds of all on one stretch; and, of several windows, the best."""
    horizon = results[0].horizon
    steps = steps_of(horizon)
    several = len({one.lags for one in results} - {0}) > 1
    rows = [_row(one, [other for other in results if other.model == one.model], steps, several)
            for entrant in ENTRANTS for one in results
            if one.model == entrant.name and one.lags in (0, lags)]
    return lay_out(["model", *map(_step_name, steps), "fit, s", "forecasts, s", "best window"],
                   rows)


def _row(one: Result, windows: Sequence[Result], steps: Sequence[int | None],
         several: bool) -> list[str]:
    """Return the row of a forecaster."""
    title = BY_NAME[one.model].title
    if one.failure:
        return [title, *([""] * (len(steps) - 1)), f"failed: {one.failure}", "", "", ""]
    least = best(windows, None)
    found = f"{least.lags}: {least.rmse():.4f}" if several and one.lags and least else ""
    return [title, *(f"{one.rmse(step):.4f}" for step in steps), f"{one.fit_s:.1f}",
            f"{one.forecast_s:.1f}", found]


def ratios_table(results: Sequence[Result], lags: int | None) -> str:
    """Return our errors over those of the best peer: of one window, or of any (None)."""
    steps = steps_of(results[0].horizon)
    rows, columns = [], list[list[float]]()
    for name in stretches_of(results):
        found = [ratio(of_stretch(results, name), on_bars(lags), step) for step in steps]
        columns.append([math.nan if one is None else one[0] for one in found])
        rows.append([name, *("" if one is None else f"{one[0]:.3f} ({_named(one[1], lags)})"
                             for one in found)])
    known = np.array(columns)[~np.isnan(columns).any(axis=1)]
    if len(known):
        mean, worst = np.exp(np.log(known).mean(axis=0)), known.max(axis=0)
        rows += [["**geometric mean**", *(f"**{one:.3f}**" for one in mean)],
                 ["**worst**", *(f"**{one:.3f}**" for one in worst)]]
    return lay_out(["stretch", *map(_step_name, steps)], rows)


def _named(one: Result, lags: int | None) -> str:
    """Return a peer's title, with its window where that was chosen."""
    title = BY_NAME[one.model].title
    return title if lags is not None else f"{title}; {one.lags} lags"


def tests_table(book: Book, results: Sequence[Result], lags: int) -> str:
    """Return Diebold-Mariano tests of ours against the best peer of the bars at each step."""
    steps, rows = steps_of(results[0].horizon), []
    for name in stretches_of(results):
        part = of_stretch(results, name)
        found = [ratio(part, on_bars(lags), step) for step in steps]
        rows.append([name, *(
            "" if one is None else _test(book, part, one[1], step)
            for one, step in zip(found, steps, strict=True))])
    return lay_out(["stretch", *map(_step_name, steps)], rows)


def _test(book: Book, results: Sequence[Result], peer: Result, step: int | None) -> str:
    """Return statistic and p-value; negative where ours has the smaller errors.

    Forecasts k steps ahead from neighbouring cutoffs share what they did not know, so that k
    neighbouring losses are taken to be correlated; a whole horizon of them, for its mean.
    """
    ours = ours_of(results)
    pair = [None if one is None else book.errors(one) for one in (ours, peer)]
    overlap = peer.horizon if step is None else step
    if pair[0] is None or pair[1] is None or peer.cutoffs <= overlap:
        return ""
    test = diebold_mariano(pair[0][step], pair[1][step], overlap)
    return f"{test.statistic:.1f} (p = {test.p_value:.2g})"


def errors(results: Sequence[Result], lags: int) -> str:
    """Return where results are from, and a table of errors and seconds for each stretch."""
    return "\n\n".join([machines(results), *(
        f"### {name}\n\n{errors_table(of_stretch(results, name), lags)}"
        for name in stretches_of(results))])


def bars(results: Sequence[Result], lags: Sequence[int], wanted: Sequence[str]) -> str:
    """Return the bars on the stretches that are wanted, and what they are still without."""
    missing = missing_peers(results, lags, wanted)
    return bars_table(results, lags[0], wanted) + (f"\n\n{missing}" if missing else "")


def bars_table(results: Sequence[Result], lags: int, wanted: Sequence[str]) -> str:
    """Return the bars, what was measured on the stretches that they are about, and whether met."""
    rows, steps = [], steps_of(results[0].horizon)
    for bar in (one for one in BARS if one.step in steps):
        ratios = [one[0] for name in wanted if (one := ratio(
            of_stretch(results, name), on_bars(None if bar.best_window else lags), bar.step))]
        if not ratios or (bar.best_window and len({one.lags for one in results} - {0}) < 2):
            rows.append([bar.text, f"<= {bar.most:.2f}", "not yet", "", ""])
            continue
        value = max(ratios) if bar.worst else float(np.exp(np.mean(np.log(ratios))))
        verdict = "yes" if value <= bar.most else "no"
        rows.append([bar.text, f"<= {bar.most:.2f}", f"{value:.3f}", verdict,
                     f"{len(ratios)} of {len(wanted)}"])
    return lay_out(["ratio to the best peer", "bar", "measured", "met", "stretches"], rows)


def missing_peers(results: Sequence[Result], lags: Sequence[int], wanted: Sequence[str]) -> str:
    """Return a sentence on what the bars are still without, empty if nothing is missing."""
    there = {(one.stretch, one.model, one.lags) for one in results}
    names = [name for name, one in BY_NAME.items() if one.on_bars]
    gone = [(stretch, name, size) for stretch in wanted for name in names for size in lags
            if (stretch, name, size) not in there]
    if not gone:
        return ""
    peers = "; ".join(dict.fromkeys(BY_NAME[name].title for _, name, _ in gone))
    return (f"Not everything was run: {len(gone)} of {len(wanted) * len(names) * len(lags)} results"
            f" of peers are missing ({peers}).")


def machines(results: Sequence[Result]) -> str:
    """Return which processors the results are from."""
    names = dict.fromkeys(one.notes["processor"] for one in results if "processor" in one.notes)
    return f"Processors: {', '.join(names) or 'not known'}; one thread."


def signals_table(results: Sequence[Result]) -> str:
    """Return ratios of ours to ridge regression with the same windows on many signals.

    The default committee, and the one network on the windows of ridge, each against the recursive
    ridge, the usual one, and against the better of it and the direct one.
    """
    steps = [step for step in STEPS if step <= results[0].horizon]
    heads = [f"{who}, step {step}" for who in ("default", "one window") for step in steps]
    names = stretches_of(results)
    usual, strict = (np.array([_against_ridge(of_stretch(results, name), steps, ridges)
                               for name in names])
                     for ridges in ([RIDGE.name], [RIDGE.name, RIDGE_DIRECT.name]))
    rows = [[name, *map(_pair, *pair)] for name, *pair in zip(names, usual, strict, strict=True)]
    worst = [_pair(_largest(usual[:, place]), _largest(strict[:, place]))
             for place in range(len(heads))]
    rows.append(["**worst**", *(f"**{one}**" if one else "" for one in worst)])
    return lay_out(["signal", *heads], rows)


def _against_ridge(results: Sequence[Result], steps: Sequence[int],
                   ridges: Sequence[str]) -> list[float]:
    """Return our ratios to the better of some ridges, NaN where one of them was not run."""
    by_model = {one.model: one for one in results if not one.failure}
    return [by_model[who].rmse(step) / max(_TINY, min(by_model[one].rmse(step) for one in ridges))
            if {who, *ridges} <= set(by_model) else math.nan
            for who in (OURS.name, ONE_WINDOW.name) for step in steps]


def _largest(ratios: Floats) -> float:
    """Return the largest ratio that is known."""
    known = ratios[~np.isnan(ratios)]
    return float(known.max()) if len(known) else math.nan


def _pair(usual: float, strict: float) -> str:
    """Return two ratios, the second one only if it is another; nothing where none is known."""
    if math.isnan(usual):
        return ""
    mark = " (!)" if usual > _SIGNAL_MOST else ""
    shown = f"{usual:.3f}{mark}"
    return shown if math.isnan(strict) or math.isclose(usual, strict) else f"{shown} / {strict:.3f}"


def _step_name(step: int | None) -> str:
    """Return the head of a column."""
    return "all steps" if step is None else f"step {step}"
