"""Docstrings here are plain text with single backticks for code; this makes reStructuredText of them.

Bars and stars are characters, not markup, and lines `name, other (n,): meaning` are a list.
"""

import re
from typing import Any

from sphinx.application import Sphinx

CODE = re.compile(r"(`+[^`]*`+)")
NAME = r"[a-z_]\w*(?: \([^)]*\))?"
ITEM = re.compile(rf"({NAME}(?:(?:, | and ){NAME})*): (\S.*)")


def escaped(line: str) -> str:
    """A line whose bars and stars outside backticks mean themselves."""
    pieces = CODE.split(line)
    return "".join(part if i % 2 else re.sub(r"([|*])", r"\\\1", part) for i, part in enumerate(pieces))


def as_list(lines: list[str]) -> list[str]:
    """The lines with `name: meaning` paragraphs turned into list items."""
    made: list[str] = []
    inside = False
    for line in lines:
        item = ITEM.fullmatch(line)
        if item and (inside or not made or not made[-1]):
            made += [*([] if inside else [""]), f"- `{item[1]}`: {item[2]}"]
            inside = True
        elif inside and line:
            made.append(f"  {line.strip()}")
        else:
            made.append(line)
            inside = False
    return made


def process(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Rewrite one docstring in place, before napoleon reads its sections."""
    lines[:] = [escaped(line) for line in as_list(lines)]


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the step."""
    app.connect("autodoc-process-docstring", process, priority=400)
    return {"parallel_read_safe": True}
