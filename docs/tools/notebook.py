"""The tutorial as a notebook: ``python -m docs.tools.notebook`` writes docs/tutorial.ipynb.

Its cells are the text and the code of docs/tutorial.md, which the tests run. Jupyter runs them, and
the notebook keeps what they print and draw: ``make notebook``, which installs what that takes.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from tempfile import TemporaryDirectory
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
                          "outputs": [], "source": _lines(code + _showing(code))})
        if text.strip():
            cells.append({"cell_type": "markdown", "metadata": {}, "source": _lines(text.strip())})
    for number, cell in enumerate(cells, 1):
        cell["id"] = f"cell-{number}"
    return {"cells": cells, "metadata": {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}


def _showing(code: str) -> str:
    """Return what shows the pictures that code writes, or nothing."""
    files = re.findall(r'"(\w+\.png)"(?:, dpi=\d+)?\)$', code, re.MULTILINE)
    shown = "".join(f'\ndisplay(Image("{file}"))' for file in files)
    return f"\n\nfrom IPython.display import Image, display\n{shown}" if files else ""


def run(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook as Jupyter has run it, in an empty folder.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        A cell fails.
    """
    import nbformat
    from nbclient import NotebookClient

    node = nbformat.reads(json.dumps(notebook), as_version=4)
    with TemporaryDirectory() as folder:
        NotebookClient(node, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for cell in node.cells:
        cell.metadata.pop("execution", None)  # when it was run
    done: dict[str, Any] = json.loads(nbformat.writes(node))
    return {**done, "metadata": notebook["metadata"]}


def without_outputs(notebook: dict[str, Any]) -> dict[str, Any]:
    """Return a notebook as it is before it has been run."""
    empty = {"outputs": [], "execution_count": None}
    return {**notebook, "cells": [
        {**cell, **(empty if cell["cell_type"] == "code" else {})} for cell in notebook["cells"]]}


def _lines(text: str) -> list[str]:
    """Return lines as notebooks keep them: with their ends, but for the last."""
    return text.splitlines(keepends=True)


def write(page: Path = PAGE, notebook: Path = NOTEBOOK) -> None:
    """Run the notebook of a page, and write it."""
    text = json.dumps(run(notebook_of(page.read_text())), indent=1, ensure_ascii=False)
    notebook.write_text(text + "\n")


if __name__ == "__main__":
    write()
