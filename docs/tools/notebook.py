"""The tutorial as a notebook: ``python -m docs.tools.notebook`` writes docs/tutorial.ipynb.

Its cells are the text and the code of docs/tutorial.md, which the tests run. Outputs are left to
whoever runs it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from docs.tools.run_pages import ROOT

_FENCE = "```"
PAGE, NOTEBOOK = ROOT / "docs" / "tutorial.md", ROOT / "docs" / "tutorial.ipynb"


def notebook_of(page: str) -> dict[str, Any]:
    """Return a page as a notebook of format 4.5: blocks of python become code, the rest text."""
    cells: list[dict[str, Any]] = []
    for place, part in enumerate(page.split(f"{_FENCE}python\n")):
        code, _, text = part.partition(f"\n{_FENCE}\n") if place else ("", "", part)
        if code:
            cells.append({"cell_type": "code", "execution_count": None, "metadata": {},
                          "outputs": [], "source": _lines(code)})
        if text.strip():
            cells.append({"cell_type": "markdown", "metadata": {}, "source": _lines(text.strip())})
    for number, cell in enumerate(cells, 1):
        cell["id"] = f"cell-{number}"
    return {"cells": cells, "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def _lines(text: str) -> list[str]:
    """Return lines as notebooks keep them: with their ends, but for the last."""
    return text.splitlines(keepends=True)


def write(page: Path = PAGE, notebook: Path = NOTEBOOK) -> None:
    """Write the notebook of a page."""
    text = json.dumps(notebook_of(page.read_text()), indent=1, ensure_ascii=False)
    notebook.write_text(text + "\n")


if __name__ == "__main__":
    write()
