"""Fenced blocks of code in Markdown pages, and which of them run.

A block of ``python`` runs, and a block of ``console``, whose lines after ``$ `` are commands of
``relu-forecast``. Anything else, such as ``text`` or ``sh``, is only shown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

RUN = ("python", "console")
"""Languages of the blocks that run."""

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code of a page that runs."""

    language: str
    code: str
    end: int
    """Position in the page after its closing fence."""

    @property
    def commands(self) -> list[str]:
        """The commands of a block of ``console``, one for each line after ``$ ``."""
        return [line[2:] for line in self.code.splitlines() if line.startswith("$ ")]


def blocks_that_run(page: str) -> list[Block]:
    """Return the blocks of a page that run, in order."""
    return [Block(found[1], found[2], found.end()) for found in _FENCED.finditer(page)
            if found[1] in RUN]
