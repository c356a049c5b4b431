"""The notebook of the tutorial has the code of its page, which test_pages runs."""

from __future__ import annotations

import json

from docs.tools.blocks import blocks_that_run
from docs.tools.notebook import NOTEBOOK, PAGE, notebook_of


def test_the_notebook_is_the_page_of_today() -> None:
    assert json.loads(NOTEBOOK.read_text()) == notebook_of(PAGE.read_text())


def test_its_code_is_what_runs_on_the_page_in_the_same_order() -> None:
    cells = [cell for cell in notebook_of(PAGE.read_text())["cells"] if cell["cell_type"] == "code"]
    code = ["".join(cell["source"]) for cell in cells]
    blocks = [block.code for block in blocks_that_run(PAGE.read_text())]
    assert [one.strip() for one in code] == [one.strip() for one in blocks]
    assert len(code) > 5


def test_text_and_code_alternate_and_nothing_is_lost() -> None:
    page = "# A\n\ntext\n\n```python\nx = 1\nprint(x)\n```\n\n```text\nshown\n```\n\nend\n"
    cells = notebook_of(page)["cells"]
    assert [cell["cell_type"] for cell in cells] == ["markdown", "code", "markdown"]
    assert cells[1]["source"] == ["x = 1\n", "print(x)"]
    assert "".join(cells[2]["source"]) == "```text\nshown\n```\n\nend"
    assert len({cell["id"] for cell in cells}) == 3
