"""What every page but that of a hunt is made of: one file, nothing fetched, no scripts."""

from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from typing import Any

from lamppost.report.text import escape

__all__ = ["origin", "shell", "warnings"]


def shell(title: str, head: str, links: Sequence[tuple[str, str]], main: str, version: Any) -> str:
    """A whole page of HTML: `head` below the title (escaped), links to sections (escaped), the sections."""
    style = (files("lamppost.report") / "page.css").read_text(encoding="utf-8")
    items = "".join(f'<li><a href="#{to}">{escape(text)}</a></li>' for to, text in links)
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title><style>{style}</style></head>
<body>
<header><h1>{escape(title)}</h1>{head}
<nav aria-label="Contents"><ul>{items}</ul></nav></header>
<main>{main}</main>
<footer>Made by lamppost {escape(version)}. This page needs no network and runs no scripts.</footer>
</body></html>
"""


def warnings(texts: Iterable[str]) -> str:
    """What a reader must know before believing a number; nothing if all is well."""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<aside class="warning" aria-label="Warnings"><h2>Read this first</h2><ul>{items}</ul></aside>' * bool(
        items
    )


def origin(config: str | None, heading: str, facts: Mapping[str, Any], more: str = "", title: str = "Origin") -> str:
    """The last section: the configuration, and beside it facts by name (escaped), then more."""
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in facts.items())
    text = f"<pre>{escape(config)}</pre>" if config is not None else '<p class="note">There is no config.toml.</p>'
    return f"""<section id="origin"><h2>{title}</h2><div class="columns"><div><h3>Configuration</h3>{text}</div>
<div><h3>{heading}</h3><dl class="list">{items}</dl>{more}</div>
</div></section>"""
