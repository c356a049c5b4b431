"""How good forecasts are on high-rate signals, ours and those of peers, without a look ahead.

``python -m benchmarks.accuracy`` takes six stretches of two electrocardiograms, of 5,000 samples
to train on and 5,000 to forecast, 30 steps ahead from each; ``--record FILE`` takes a record of
one's own, ``--signals`` 25 signals of all kinds against ridge regression. Results are
written as soon as they are known, and what is there is not measured again. See docs/accuracy.md.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

from threadpoolctl import threadpool_limits

from benchmarks import accuracy_tables as tables
from benchmarks.accuracy_peers import (
    BY_NAME,
    ENTRANTS,
    ONE_WINDOW,
    OURS,
    RIDGE,
    RIDGE_DIRECT,
    Entrant,
)
from benchmarks.accuracy_results import Book, Result, blank, measure, steps_of
from benchmarks.accuracy_stretches import SAMPLES, STRETCHES, Stretch, ecg, halves, own
from benchmarks.jobs import ROOT
from benchmarks.report import insert_into

_DOCUMENT = ROOT / "docs" / "accuracy.md"
_OUTPUT = ROOT / "benchmarks" / "results" / "accuracy"
_SIGNAL_LAGS = 15
_SIGNAL_MODELS = (OURS, ONE_WINDOW, RIDGE, RIDGE_DIRECT)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run what is asked for and has not been run, then print the tables."""
    options = _parser().parse_args(arguments)
    stretches, entrants, lags = _asked(options)
    book = Book(options.output)
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore")  # unfinished trainings show in their forecasts
        for result in run(book, stretches, entrants, lags, options.horizon):
            print(_line(result), flush=True)
    parts = report(book, stretches, entrants, lags, options.horizon, signals=options.signals)
    if not parts:
        print("Nothing was run.")
        return
    text = "\n\n".join(f"{title}\n\n{table}" for title, table in parts.values())
    print(f"\n{text}")
    (options.output / "tables.md").write_text(f"{text}\n")
    if options.docs:
        for name, (_, table) in parts.items():
            insert_into(_DOCUMENT, table, f"<!-- {name} -->", f"<!-- end of {name} -->")


def _parser() -> argparse.ArgumentParser:
    """Return the options."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    add = parser.add_argument
    add("--stretches", nargs="*", default=None, help="as 208/20000: record/first sample")
    add("--record", nargs="+", type=Path, default=[], help="files of your own: csv, parquet, npz")
    add("--column", help="of them: the column, or array, of values")
    add("--start", type=int, default=0, help="of them: the first sample")
    add("--samples", type=int, default=SAMPLES, help="to train on; as many are forecast")
    add("--signals", action="store_true", help="the 25 signals of benchmarks.signals")
    add("--horizon", type=int, default=30)
    add("--lags", nargs="+", type=int, default=None,
        help="windows of the peers; the first is that of the tables (60; 15 with --signals)")
    add("--models", nargs="+", choices=BY_NAME, default=None)
    add("--output", type=Path, default=_OUTPUT)
    add("--docs", action="store_true", help="put the tables into docs/accuracy.md")
    return parser


def _asked(options: argparse.Namespace) -> tuple[list[Stretch], list[Entrant], list[int]]:
    """Return stretches, forecasters and windows that are asked for."""
    models = [BY_NAME[name] for name in options.models] if options.models else None
    if options.signals:
        return list(halves()), models or list(_SIGNAL_MODELS), options.lags or [_SIGNAL_LAGS]
    usual = () if options.record else STRETCHES
    names = usual if options.stretches is None else options.stretches
    stretches = [ecg(name, options.samples) for name in names]
    stretches += [own(path, options.column, options.start, options.samples)
                  for path in options.record]
    return stretches, models or list(ENTRANTS), options.lags or [60]


def run(book: Book, stretches: Sequence[Stretch], entrants: Sequence[Entrant],
        lags: Sequence[int], horizon: int) -> Iterator[Result]:
    """Measure what the book does not have, and yield it; the first windows on all stretches first.

    Forecasters whose package is not installed are left out.
    """
    for size in lags:
        for stretch in stretches:
            for entrant in entrants:
                if not entrant.is_there or blank(entrant, stretch, size, horizon) in book:
                    continue
                result, errors = measure(entrant, stretch, size, horizon)
                book.add(result, errors)
                yield result


def _line(one: Result) -> str:
    """Return a result on a line."""
    where = f"{one.stretch}: {one.model}, {one.lags} lags"
    if one.failure:
        return f"{where}: failed, {one.failure}"
    errors = ", ".join(f"{one.rmse(step):.4f}" for step in steps_of(one.horizon))
    return f"{where}: {errors}; {one.fit_s:.1f} s and {one.forecast_s:.1f} s"


def report(book: Book, stretches: Sequence[Stretch], entrants: Sequence[Entrant],
           lags: Sequence[int], horizon: int, *, signals: bool) -> dict[str, tuple[str, str]]:
    """Return titles and tables, by the marks that they have in the document."""
    keys = {blank(entrant, stretch, size, horizon).key
            for entrant in entrants for stretch in stretches for size in lags}
    results = [one for one in book if one.key in keys]
    if not results:
        return {}
    if signals:
        title = f"## RMSE over that of RidgeAR({lags[0]})"
        return {"signals": (title, tables.signals_table(results))}
    wanted = [stretch.name for stretch in stretches]
    return {"bars": ("## Bars", tables.bars(results, lags, wanted)),
            **_ratios(results, lags),
            "tests": ("## Diebold-Mariano against the best peer",
                      tables.tests_table(book, results, lags[0])),
            "errors": ("## RMSE, in standard deviations of the training part",
                       tables.errors(results, lags[0]))}


def _ratios(results: Sequence[Result], lags: Sequence[int]) -> dict[str, tuple[str, str]]:
    """Return ratios to the best peer with the usual window, and, of several, with the best."""
    found = {"ratios": (f"## RMSE over that of the best peer, {lags[0]} lags",
                        tables.ratios_table(results, lags[0]))}
    if len(lags) > 1:
        found["windows"] = ("## The same, peers with the windows that suit them best",
                            tables.ratios_table(results, None))
    return found


if __name__ == "__main__":
    main()
