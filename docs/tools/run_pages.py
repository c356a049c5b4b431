"""Run the code of all pages and examples, and keep what it prints and draws.

``python -m docs.tools.run_pages FOLDER`` writes ``outputs.json`` and pictures into a folder, from
which `docs.tools.hooks` puts them below the code when the site is built.
"""

from __future__ import annotations

import io
import json
import runpy
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import asdict, dataclass
from inspect import signature
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter
from typing import Any

from typer.testing import CliRunner

from docs.tools.blocks import Block, blocks_that_run

ROOT = Path(__file__).resolve().parents[2]

QUICK: dict[str, tuple[Any, ...]] = {
    "backtest_with_refits": (5,),
    "circular_cnn_spectrum": (300,),
    "ecg_forecast": (600,),
    "live_ecg": (10,),
    "many_series": (5,),
    "one_dimension_spline": (),
    "scale_out_with_dask": (3,),
    "seasonal_sensor": (10,),
    "train_to_optimality": (300,),
    "worked_three_samples": (),
}
"""Arguments of each example that keep it short; those that draw get a folder beside them."""


@dataclass(frozen=True)
class Output:
    """What a block of a page, or an example, printed, and the pictures that it drew."""

    text: str
    pictures: tuple[str, ...]
    """Paths of PNG files, relative to the folder of all pictures."""


def pages() -> list[Path]:
    """Return the pages of the documentation, in order of their paths."""
    return sorted((ROOT / "docs").rglob("*.md"))


def examples() -> list[str]:
    """Return the names of the examples."""
    return sorted(file.stem for file in (ROOT / "examples").glob("*.py"))


def run_page(page: Path, pictures: Path) -> list[Output]:
    """Run the blocks of a page in an empty folder, one after another, as one program.

    Parameters
    ----------
    page : Path
        A Markdown file.
    pictures : Path
        Folder to which the PNG files go that blocks leave in theirs; in one by the page's name.

    Returns
    -------
    list of Output
        One for each block that runs.
    """
    names: dict[str, Any] = {"__name__": page.stem}
    blocks = blocks_that_run(page.read_text())
    with _empty_folder():
        return [_kept(lambda block=block: _run(block, page, names), page.stem, pictures)
                for block in blocks]


def run_example(name: str, pictures: Path) -> Output:
    """Run the ``main`` of an example, on little data; pictures go to ``examples/`` and its name."""
    main = runpy.run_path(str(ROOT / f"examples/{name}.py"))["main"]
    folder = [Path(".")] if "folder" in signature(main).parameters else []
    with _empty_folder():
        return _kept(lambda: main(*QUICK[name], *folder), f"examples/{name}", pictures)


def _run(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Run a block among the names that those before it left behind."""
    if block.language == "python":
        exec(compile(block.code, str(page), "exec"), names)
    for command in block.commands if block.language == "console" else ():
        if len(block.commands) > 1:
            print(f"$ {command}")
        _run_command(command)


def _run_command(command: str) -> None:
    """Print what a command of ``relu-forecast`` prints; it must end well."""
    from relu_forecast.cli import app

    program, *arguments = shlex.split(command)
    if program != "relu-forecast":
        raise ValueError(f"only relu-forecast can be run on a page, not {command!r}")
    result = CliRunner().invoke(app, arguments)
    if result.exit_code != 0:
        raise RuntimeError(f"{command!r} ended with {result.exit_code}: {result.output}")
    print(result.output)


@contextmanager
def _empty_folder() -> Iterator[None]:
    """Work in a new folder, which is deleted afterwards."""
    with TemporaryDirectory() as folder, chdir(folder):
        yield


def _kept(work: Callable[[], None], name: str, pictures: Path) -> Output:
    """Do work, and keep what it prints and the new PNG files of the working directory."""
    before = set(Path.cwd().glob("*.png"))
    printed = io.StringIO()
    with redirect_stdout(printed):
        work()
    drawn = sorted(set(Path.cwd().glob("*.png")) - before)
    for file in drawn:
        (pictures / name).mkdir(parents=True, exist_ok=True)
        (pictures / name / file.name).write_bytes(file.read_bytes())
    return Output(printed.getvalue(), tuple(f"{name}/{file.name}" for file in drawn))


def main(folder: Path) -> None:
    """Run all pages and examples; write what they print and draw into a folder."""
    pictures = folder / "pictures"
    outputs: dict[str, list[Output]] = {}
    for page in pages():
        outputs[page.relative_to(ROOT / "docs").as_posix()] = _timed(
            page.name, lambda page=page: run_page(page, pictures))
    for name in examples():
        outputs[f"examples/{name}"] = _timed(
            name, lambda name=name: [run_example(name, pictures)])
    document = {key: [asdict(output) for output in value] for key, value in outputs.items()}
    (folder / "outputs.json").write_text(json.dumps(document, indent=1))


def _timed(name: str, work: Callable[[], list[Output]]) -> list[Output]:
    """Return what work returns, and print how long it took, if there was anything to do."""
    began = perf_counter()
    done = work()
    if done:
        print(f"{perf_counter() - began:6.1f} s  {name}", flush=True)
    return done


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    main(target)
