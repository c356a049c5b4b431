"""Watches that are killed, ended and left: run alone, it imports once, and forks for each of them.

``python killing.py FOLDER MODEL KILLS`` writes samples to FOLDER/samples.csv while children watch
the file, kills each of them after a random time, and lets a last one come to the end. Then it ends
one by a signal, and closes the pipe that another writes to. It prints what was seen, as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from relu_forecast.cli import app
from relu_forecast.storage import load

LINES = 40
"""Lines that are written during a life, in pieces that end anywhere."""
LONGEST_S = 0.2


def start(*command: object, pipe: tuple[int, int] | None = None) -> int:
    """Run a command in a child; return its process. Its output may go to a pipe's second end."""
    child = os.fork()
    if child:
        return child
    if pipe is not None:
        os.dup2(pipe[1], 1)
        for end in pipe:
            os.close(end)
    try:
        app([str(part) for part in command])
    except SystemExit as exited:
        sys.stdout.flush()
        os._exit(exited.code or 0)
    finally:
        os._exit(99)


def ended(child: int) -> int:
    """Wait for a child; return its exit code, or less the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def lines_of(output: Path) -> int:
    """How many lines an output has."""
    return output.read_bytes().count(b"\n") if output.exists() else 0


def until_lines(output: Path, count: int) -> None:
    """Wait until an output has so many lines."""
    end = time.monotonic() + 60
    while lines_of(output) < count:
        if time.monotonic() > end:
            raise TimeoutError(f"no {count} lines in {output}")
        time.sleep(0.002)


def texts(n: int, generator: np.random.Generator) -> bytes:
    """Lines of samples, some of them missing."""
    values = np.sin(np.arange(n) / 5) + 0.1 * generator.normal(size=n)
    return "".join("nan\n" if place % 17 == 3 else f"{value:.6f}\n"
                   for place, value in enumerate(values)).encode()


def kill(folder: Path, model: str, kills: int) -> list[list[int]]:
    """Kill and restart; return lines and bytes that the state knew, and bytes of the output."""
    generator = np.random.default_rng()
    samples, output, state = (folder / name for name in ("samples.csv", "out.jsonl", "state"))
    text, sent, seen = texts(LINES * kills, generator), 0, []
    samples.touch()
    command = ["watch", model, samples, "--output", output, "--state", state, "--save-every", 3]
    for life in range(kills):
        child = start(*command, "--follow")
        now, upto = time.monotonic(), len(text) * (life + 1) // kills
        # Every other one gets so far that its state knows more than that of the one before.
        end = now + generator.uniform(0.0, LONGEST_S)
        least = 0 if life % 2 else lines_of(output) + 4
        while now < end or (lines_of(output) < least and now < end + 60):
            stop = min(upto, sent + int(generator.integers(1, 60)))
            with open(samples, "ab") as file:
                file.write(text[sent:stop])
            sent = stop
            time.sleep(0.004)
            now = time.monotonic()
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        if state.exists():
            progress = load(state)
            seen.append([progress["lines"], progress["written"], output.stat().st_size])
    with open(samples, "ab") as file:
        file.write(text[sent:])
    assert ended(start(*command)) == 0
    return seen


def interrupt(folder: Path, model: str, number: int) -> list[int]:
    """End a watch that waits for more; return its exit code, and the lines that its state knows."""
    samples, output, state = (folder / f"{name}{number}" for name in ("in", "out", "kept"))
    samples.write_text("1\n2\n3\n")
    child = start("watch", model, samples, "--follow", "--output", output, "--state", state)
    until_lines(output, 3)
    os.kill(child, number)
    return [ended(child), load(state)["lines"]]


def close_pipe(folder: Path, model: str) -> list[int]:
    """Read one line of a watch, then no more; return as `interrupt` does."""
    samples, state = folder / "piped", folder / "state_of_piped"
    samples.write_text("1\n")
    reading, writing = os.pipe()
    child = start("watch", model, samples, "--follow", "--state", state, pipe=(reading, writing))
    os.close(writing)
    with open(reading) as pipe:
        pipe.readline()
    with samples.open("a") as file:
        file.write("2\n3\n4\n")
    return [ended(child), load(state)["lines"]]


def main(folder: Path, model: str, kills: int) -> None:
    """Do all of it."""
    empty = folder / "empty"
    empty.touch()
    with suppress(SystemExit):
        app(["watch", model, str(empty)])  # children find imported what it needs
    found: dict[str, Any] = {"kills": kill(folder, model, kills)}
    found["SIGTERM"] = interrupt(folder, model, signal.SIGTERM)
    found["SIGINT"] = interrupt(folder, model, signal.SIGINT)
    found["pipe"] = close_pipe(folder, model)
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
