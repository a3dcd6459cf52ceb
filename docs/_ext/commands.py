"""Directive `commands-reference`: the help texts of the command line, from its own parser."""

import argparse
import os
import re
from collections.abc import Iterator

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def parsers(top: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """The verbs of a parser with theirs, in the order they were added."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


class CommandsReference(SphinxDirective):
    """`lamppost --help`, then `lamppost VERB --help` of every verb."""

    def run(self) -> list[nodes.Node]:
        from lamppost.cli import parser

        os.environ |= {"COLUMNS": "100", "NO_COLOR": "1"}
        top = parser()
        text = [f"## `lamppost`\n\n{self.block(top)}"]
        text += [f"## `lamppost {verb}`\n\n{self.block(verb_parser)}" for verb, verb_parser in parsers(top)]
        return self.parse_text_to_nodes("\n\n".join(text), allow_section_headings=True)

    @staticmethod
    def block(parser: argparse.ArgumentParser) -> str:
        """The help text of one parser as a code block."""
        lines = (line.rstrip() for line in ANSI.sub("", parser.format_help()).splitlines())
        return "```text\n" + "\n".join(lines) + "\n```"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("commands-reference", CommandsReference)
    return {"parallel_read_safe": True}
