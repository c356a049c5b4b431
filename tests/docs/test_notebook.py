"""The notebook of the tutorial has the code of its page, and what Jupyter made of it."""

from __future__ import annotations

import json

import pytest

from docs.tools.blocks import blocks_that_run
from docs.tools.notebook import NOTEBOOK, PAGE, notebook_of, run, without_outputs


def test_the_notebook_is_the_page_of_today() -> None:
    kept = json.loads(NOTEBOOK.read_text())
    assert without_outputs(kept) == notebook_of(PAGE.read_text())


def test_all_of_it_was_run_in_order_and_shows_what_it_draws() -> None:
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"]
             if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == [*range(1, len(cells) + 1)]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert {output["output_type"] for output in outputs} <= {"stream", "display_data"}
    assert not any(output.get("name") == "stderr" for output in outputs)
    drawn = "".join("".join(cell["source"]) for cell in cells).count("display(Image(")
    assert sum("image/png" in output.get("data", {}) for output in outputs) == drawn >= 3
    assert NOTEBOOK.stat().st_size < 700_000


@pytest.mark.long
def test_jupyter_runs_it() -> None:
    pytest.importorskip("nbclient")
    pytest.importorskip("ipykernel")
    done = run(notebook_of(PAGE.read_text()))
    assert all(cell["execution_count"] for cell in done["cells"] if cell["cell_type"] == "code")


def test_its_code_is_what_runs_on_the_page_in_the_same_order() -> None:
    cells = [cell for cell in notebook_of(PAGE.read_text())["cells"] if cell["cell_type"] == "code"]
    code = ["".join(cell["source"]).partition("from IPython.display")[0] for cell in cells]
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
