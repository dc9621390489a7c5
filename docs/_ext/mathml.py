"""Turn formulas into MathML while building: the pages need no script, no font, no network."""

import re
from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx

TAG = re.compile(r"\\tag\{(?P<number>.+?)\}")


def to_mathml(latex: str, *, display: str) -> str:
    """Convert a formula.

    Raises:
        ValueError: if a command is not understood, for it would stand in the page as it is.
    """
    mathml: str = convert(latex, display=display)
    if "\\" in mathml:
        raise ValueError(f"cannot set the formula {latex!r} as MathML")
    return mathml


def visit_math(writer: Any, node: nodes.math) -> None:
    """Write an inline formula."""
    writer.body.append(to_mathml(node.astext(), display="inline"))
    raise nodes.SkipNode


def visit_displaymath(writer: Any, node: nodes.math_block) -> None:
    r"""Write a displayed formula; `\tag{7}` puts the paper's number at the right."""
    latex = node.astext()
    tag = TAG.search(latex)
    number = f'<span class="equation-number">({tag["number"]})</span>' if tag else ""
    mathml = to_mathml(TAG.sub("", latex), display="block")
    writer.body.append(f'<div class="equation">{mathml}{number}</div>\n')
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the renderer."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
