"""Read docstrings as the plain text that they are: a star is a star, a drawing is a drawing."""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(`+.+?`+)")
MARKUP = re.compile(r"([*|]|(?<=\w)_(?=\W|$))")


def escape(line: str) -> str:
    """Take the markup out of a line, but for what stands in backticks."""
    parts = CODE.split(line)  # text, code, text, ...
    return "".join(
        part if index % 2 else MARKUP.sub(r"\\\1", part) for index, part in enumerate(parts)
    )


def as_plain_text(lines: list[str]) -> list[str]:
    """Escape the paragraphs of a docstring and mark its drawings as literal blocks.

    A drawing is an indented paragraph after a blank line; what follows a section's heading
    ("Args:") has no blank line before it.
    """
    plain: list[str] = []
    drawing = False
    for line in lines:
        indented = line.startswith("    ")
        if indented and (drawing or (plain and not plain[-1])):
            plain += [] if drawing else ["::", ""]
            drawing = True
            plain.append(line)
        else:
            drawing = drawing and not line
            plain.append(escape(line))
    return plain


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Change the lines of a docstring in place, as autodoc wants it."""
    lines[:] = as_plain_text(lines)
    if what == "property":  # napoleon would take what stands before a colon for the type
        lines[0] = lines[0].replace(": ", " \u2013 ", 1)


def setup(app: Sphinx) -> dict[str, bool]:
    """Come before napoleon, which turns sections into fields."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
