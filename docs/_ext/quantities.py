"""Directives `presets-reference`, `quantities-reference` and `extraction-reference`: all that a feature run may name.

The tables are read off the registries and specs of `lamppost.features`, so the page cannot fall behind the code.
"""

import math
import re
from collections.abc import Iterable

from docutils import nodes
from specs import cell, sections
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lamppost.expressions import named
from lamppost.features import PRESETS, Extraction, Quantity, glossary
from lamppost.io import Input

ARXIV = re.compile(r"\d{4}\.\d{4,5}|[a-z-]+/\d{7}")


def source(text: str) -> str:
    """An arXiv number as a link, anything else as it is."""
    return f"[arXiv:{text}](https://arxiv.org/abs/{text})" if ARXIV.fullmatch(text) else text


def number(value: float) -> str:
    """A bound: pi by its name, thirds as a fraction."""
    known = {math.pi: "π", -math.pi: "-π", 1 / 3: "1/3"}
    return known.get(value, f"{value:g}")


def bounds(quantity: Quantity) -> str:
    """The range of a quantity in words."""
    lo, hi = quantity.lo, quantity.hi
    if lo is not None and hi is not None:
        return f"{number(lo)} to {number(hi)}"
    if lo is None and hi is None:
        return "any"
    return f"≥ {number(lo)}" if lo is not None else f"≤ {number(hi or 0.0)}"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *([cell(part) for part in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def presets() -> str:
    """One row per preset."""
    rows = [
        (f"`{name}`", preset.about, str(len(preset.tables["features"]["columns"])), source(preset.source))
        for name, preset in PRESETS.items()
    ]
    columns = [
        f"`{name}`: " + ", ".join(f"`{named(text)[0]}`" for text in preset.tables["features"]["columns"]) + "."
        for name, preset in PRESETS.items()
    ]
    return table(("preset", "what it is", "columns", "source"), rows) + "\n" + "\n\n".join(columns) + "\n"


def quantities() -> str:
    """A section for each kind of thing, one row per quantity."""
    head = ("name", "formula", "range", "unit", "what it says", "source")
    text = []
    for title, registry in glossary().items():
        what, names = title.rsplit(": ", 1)
        rows = [
            (f"`{name}`", f"`{q.formula}`", bounds(q), q.unit or "–", q.about, source(q.source))
            for name, q in registry.items()
        ]
        text.append(
            f"### {what[0].upper()}{what[1:]}\n\nWritten as `{'`, `'.join(names.split(', '))}`.\n\n{table(head, rows)}"
        )
    return "\n\n".join(text)


class PresetsReference(SphinxDirective):
    """The sets of features that come with the package."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(presets(), allow_section_headings=True)


class QuantitiesReference(SphinxDirective):
    """Every quantity that a column may name."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes(quantities(), allow_section_headings=True)


class ExtractionReference(SphinxDirective):
    """The tables of the TOML file of a feature run."""

    def run(self) -> list[nodes.Node]:
        text = "\n\n".join([*sections(Input, "input", 3), *list(sections(Extraction, "", 3))[1:]])
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directives."""
    app.add_directive("presets-reference", PresetsReference)
    app.add_directive("quantities-reference", QuantitiesReference)
    app.add_directive("extraction-reference", ExtractionReference)
    return {"parallel_read_safe": True}
