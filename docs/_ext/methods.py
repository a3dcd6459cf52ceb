"""Directive `methods-reference`: every method and template in one line each, read off their docstrings."""

import inspect
import re

from docutils import nodes
from quantities import source, table
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from lamppost.core import Method, Template
from lamppost.spec import Role, kinds

NUMBER = re.compile(r"(?:arXiv:)?(\d{4}\.\d{4,5})")
PAPERS = re.compile(r" ?\((?:arXiv:)?\d{4}\.\d{4,5}(?:, (?:arXiv:)?\d{4}\.\d{4,5})*\)")
ROLES: dict[str, type[Role]] = {"method": Method, "template": Template}


def sentence(text: str, start: str) -> str:
    """The first sentence that begins with this word, without it; empty if there is none."""
    found = re.search(rf"(?:^|(?<=\. )){start} (.*?\.)(?= [A-Z]|$)", text)
    return found[1] if found else ""


def row(name: str, kind: type[Role]) -> tuple[str, ...]:
    """Name, what it is, papers, what it assumes, where it fails."""
    text = " ".join((inspect.getdoc(kind) or "").split())
    first = (inspect.getdoc(kind) or "").split("\n\n")[0]
    papers = dict.fromkeys(NUMBER.findall(first))
    what = PAPERS.sub("", " ".join(first.split()))
    what = what.split(" Assumes ")[0].split(" Fails ")[0]
    return f"`{name}`", what, ", ".join(map(source, papers)), sentence(text, "Assumes"), sentence(text, "Fails")


class MethodsReference(SphinxDirective):
    """A table of all kinds of `method` or `template`."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        rows = [row(name, kind) for name, kind in kinds(ROLES[self.arguments[0]]).items()]
        head = (self.arguments[0], "what it is", "paper", "assumes", "fails")
        return self.parse_text_to_nodes(table(head, rows))


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("methods-reference", MethodsReference)
    return {"parallel_read_safe": True}
