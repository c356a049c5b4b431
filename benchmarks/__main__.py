"""The command line: run contests, keep the results, write the tables and the picture."""

from __future__ import annotations

import argparse
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path

from benchmarks.bars import bars_table
from benchmarks.contestants import Contest
from benchmarks.contests import all_contests
from benchmarks.horizon_contests import horizons
from benchmarks.jobs import ROOT
from benchmarks.plots import plot
from benchmarks.race import Result, race
from benchmarks.report import Entries, Entry, insert_into, load, machine, machines, markdown, save

_DOCUMENT = ROOT / "docs" / "benchmarks.md"
_PICTURE = "gap_against_seconds.png"
_HORIZON_MARKS = "<!-- horizons: begin -->", "<!-- horizons: end -->"


def parsed() -> argparse.Namespace:
    """Return what the command line says."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Race this package against its peers. Results of contests that are not run "
        "again stay as they are, so the suite can be run piece by piece.")
    parser.add_argument("--only", nargs="+", metavar="NAME", default=["*"],
                        help="contests to run, with wildcards; 'none' to write the tables only")
    parser.add_argument("--who", nargs="+", metavar="CONTESTANT", default=["*"],
                        help="contestants to run, with wildcards; results of others stay")
    parser.add_argument("--list", action="store_true", help="list the contests and stop")
    parser.add_argument("--repeats", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--threads", type=int, default=2, help="of everybody (default 2)")
    parser.add_argument("--output", type=Path, default=ROOT / "benchmarks" / "results")
    parser.add_argument("--docs", action="store_true",
                        help="put the tables and the picture into docs/ as well")
    return parser.parse_args()


def main() -> None:
    """Run."""
    options = parsed()
    contests = [one for one in all_contests()
                if any(fnmatch(one.name, pattern) for pattern in options.only)]
    if options.list:
        print("\n".join(f"{one.name:24} {one.title}" for one in contests))
        return
    entries = load(options.output / "results.json")
    for contest in contests:
        where = machine(options.threads)
        chosen = replace(contest, contestants=tuple(
            one for one in contest.contestants
            if any(fnmatch(one.name, pattern) for pattern in options.who)))
        results = race(chosen, options.repeats, options.threads)
        before = entries[contest.name].results if contest.name in entries else []
        entries[contest.name] = Entry(contest.title, where, in_order(contest, [
            *results, *before]))
        save(entries, options.output / "results.json")
    write(entries, options.output)
    if options.docs:
        document(entries)


def in_order(contest: Contest, results: list[Result]) -> list[Result]:
    """Return the first result of each contestant, in the order of the contest."""
    first: dict[str, Result] = {}
    for result in results:
        first.setdefault(result.name, result)
    return [first[one.name] for one in contest.contestants if one.name in first]


def write(entries: Entries, folder: Path) -> None:
    """Write the tables and the picture beside the results, and print the tables."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.md").write_text(text(entries))
    plot(entries, folder / _PICTURE)
    print(text(entries))


def document(entries: Entries) -> None:
    """Put the tables and the picture into the documentation.

    Those of networks on long windows have a section of their own, and neither section is touched
    where there are no results for it.
    """
    names = {contest.name for contest in horizons()}
    long = {name: entry for name, entry in entries.items() if name in names}
    others = {name: entry for name, entry in entries.items() if name not in names}
    if long:
        insert_into(_DOCUMENT, f"{machines(long)}\n\n{markdown(long)}", *_HORIZON_MARKS)
    if others:
        insert_into(_DOCUMENT, f"{text(others)}\n![Gap against seconds]({_PICTURE})\n")
        plot(others, _DOCUMENT.with_name(_PICTURE))


def text(entries: Entries) -> str:
    """Return all that documents have: machines, bars, and the tables contest by contest."""
    return (f"{machines(entries)}\n\n### Bars\n\n{bars_table(entries)}\n\n"
            f"{markdown(entries)}")


if __name__ == "__main__":
    main()
