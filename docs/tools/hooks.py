"""MkDocs hooks: outputs below the code of pages, the gallery, and pages from outside docs/.

What code printed and drew is read from the folder ``build/docs``, into which
`docs.tools.run_pages` wrote it.
"""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from posixpath import dirname, relpath
from typing import TYPE_CHECKING, Any

from docs.tools.blocks import blocks_that_run

if TYPE_CHECKING:
    from mkdocs.structure.files import Files  # which is not where the tests run

ROOT = Path(__file__).resolve().parents[2]
BUILT = ROOT / "build" / "docs"

OUTSIDE = {"contributing.md": "CONTRIBUTING.md", "changelog.md": "CHANGELOG.md",
           "data.md": "data/README.md"}
"""Pages of the site that are files elsewhere in the repository."""
GALLERY = "<!-- gallery -->"
"""Where the page ``gallery.md`` has the examples."""


def on_files(files: Files, config: Any) -> Files:
    """Add the pictures that code drew, and the pages from outside docs/."""
    from mkdocs.structure.files import File

    for picture in sorted((BUILT / "pictures").rglob("*.png")):
        name = picture.relative_to(BUILT).as_posix()
        files.append(File.generated(config, name, abs_src_path=str(picture)))
    for page, source in OUTSIDE.items():
        text = (ROOT / source).read_text().replace("](docs/", "](")
        files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put outputs below the blocks of a page, and the examples into the gallery."""
    outputs = json.loads((BUILT / "outputs.json").read_text())
    path = page.file.src_uri
    if GALLERY in markdown:
        return markdown.replace(GALLERY, gallery(outputs, path))
    return with_outputs(markdown, outputs.get(path, []), path)


def with_outputs(markdown: str, outputs: list[dict[str, Any]], path: str) -> str:
    """Return a page with an output below each of its blocks that run."""
    blocks = blocks_that_run(markdown) if outputs else []
    for block, output in reversed(list(zip(blocks, outputs, strict=True))):
        markdown = markdown[:block.end] + shown(output, path) + markdown[block.end:]
    return markdown


def gallery(outputs: dict[str, list[dict[str, Any]]], path: str) -> str:
    """Return a section for each example: its text, its code, what it prints and draws."""
    return "\n".join(_example(file, outputs[f"examples/{file.stem}"][0], path)
                     for file in sorted((ROOT / "examples").glob("*.py")))


def _example(file: Path, output: dict[str, Any], path: str) -> str:
    """Return the section of an example."""
    source = file.read_text()
    module = ast.parse(source)
    title, _, rest = (ast.get_docstring(module) or "").partition("\n\n")
    code = source[source.index("from __future__"):].rstrip()
    usage = re.search(r"^python examples/.*$", rest, re.MULTILINE)
    text = rest.replace(usage[0], f"`{usage[0]}`") if usage else rest
    return (f"## {file.stem.replace('_', ' ')}\n\n{title}\n\n{text}\n{shown(output, path)}\n"
            f'??? example "examples/{file.name}"\n\n'
            + "".join(f"    {line}\n" for line in f"```python\n{code}\n```".splitlines()))


def shown(output: dict[str, Any], path: str) -> str:
    """Return what a block printed and drew, as Markdown for the page at a path."""
    text = output["text"].rstrip()
    parts = [f'\n\n```text title="Output"\n{text}\n```\n'] if text else []
    for picture in output["pictures"]:
        link = relpath(f"pictures/{picture}", dirname(path) or ".")
        parts.append(f"\n![{Path(picture).stem.replace('_', ' ')}]({link})\n")
    return "\n".join(parts)
