"""What code printed and drew is put below it; the gallery has every example whole."""

from __future__ import annotations

from docs.tools.hooks import gallery, shown, with_outputs
from docs.tools.run_pages import ROOT, examples

PAGE = """# Page

```python
print(1)
```

Between.

```text
print(2)
```

```python
print(3)
```

After.
"""


def test_outputs_go_below_the_blocks_that_printed_them() -> None:
    outputs = [{"text": "one\n", "pictures": []}, {"text": "three\n", "pictures": ["page/x.png"]}]
    page = with_outputs(PAGE, outputs, "howto/page.md")
    order = ["print(1)", "one", "Between", "print(2)", "print(3)", "three",
             "](../pictures/page/x.png)", "After"]
    assert sorted(order, key=page.index) == order
    assert page.count('title="Output"') == 2


def test_what_printed_nothing_gets_nothing() -> None:
    assert shown({"text": " \n", "pictures": []}, "page.md") == ""


def test_a_page_without_outputs_stays_as_it_is() -> None:
    assert with_outputs(PAGE, [], "page.md") == PAGE


def test_the_gallery_has_text_code_output_and_picture_of_every_example() -> None:
    outputs = {f"examples/{name}": [{"text": f"of {name}", "pictures": [f"examples/{name}/x.png"]}]
               for name in examples()}
    page = gallery(outputs, "gallery.md")
    for name in examples():
        source = (ROOT / f"examples/{name}.py").read_text()
        assert f"## {name.replace('_', ' ')}\n\n{source[3:].partition('.')[0]}" in page
        assert f"`python examples/{name}.py" in page
        assert f"of {name}\n" in page
        assert f"](pictures/examples/{name}/x.png)" in page
        assert source.rstrip().splitlines()[-1] in page
