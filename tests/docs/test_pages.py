"""The code of the README and of all pages runs as it stands; blocks of ``text`` are only shown."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from joblib.externals.loky import get_reusable_executor

from docs.tools.blocks import blocks_that_run
from docs.tools.run_pages import QUICK, ROOT, examples, pages, run_page

WITH_CODE = [page for page in (ROOT / "README.md", *pages())
             if blocks_that_run(page.read_text())]
ELSEWHERE = ("custom_forecaster.md", "architectures.md")
"""Pages whose code has a test of its own, which looks at what it leaves behind."""
FIRST = ("README.md", "get_started.md")
"""Pages whose code runs in `make test`; that of others does in `make long`, all in `make docs`."""


def test_pages_have_code() -> None:
    assert {page.name for page in WITH_CODE} >= {"README.md", "get_started.md", "tutorial.md"}


@pytest.fixture(autouse=True)
def workers_of_their_own() -> Iterator[None]:
    """Leave no worker process behind that was started in a folder of a page."""
    yield
    get_reusable_executor().shutdown(wait=True)


@pytest.mark.slow
@pytest.mark.parametrize("page", [
    page if page.name in FIRST else pytest.param(page, marks=pytest.mark.long)
    for page in WITH_CODE if page.name not in ELSEWHERE], ids=lambda page: page.stem)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path) -> None:
    outputs = run_page(page, tmp_path)
    assert len(outputs) == len(blocks_that_run(page.read_text()))
    assert any(output.text for output in outputs)
    assert all((tmp_path / picture).stat().st_size > 5_000
               for output in outputs for picture in output.pictures)


def test_every_example_is_in_the_gallery() -> None:
    assert sorted(QUICK) == examples()


def test_a_block_that_fails_is_not_swallowed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError):
        run_page(page, tmp_path)


@pytest.mark.parametrize(("command", "error"), [
    ("ls", ValueError), ("relu-forecast fit nothing.csv --output x.safetensors", RuntimeError)])
def test_commands_must_be_ours_and_end_well(
        command: str, error: type[Exception], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"```console\n$ {command}\n```\n")
    with pytest.raises(error):
        run_page(page, tmp_path)


def test_what_is_drawn_is_kept_in_a_folder_by_the_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nfrom pathlib import Path\n"
                    "Path('x.png').write_text('picture')\nprint('done')\n```\n")
    [output] = run_page(page, tmp_path / "pictures")
    assert output.text == "done\n"
    assert output.pictures == ("page/x.png",)
    assert (tmp_path / "pictures/page/x.png").read_text() == "picture"
