"""The first screen: one sentence that says what was found, the warnings, and the numbers behind it."""

from typing import Any

from lamppost.report.book import Hunt, span
from lamppost.report.text import escape, known, number, probability

_IS = "\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}"

__all__ = ["key_numbers", "verdict", "warnings"]


def verdict(hunt: Hunt) -> str:
    """What was found, in one sentence of HTML, compared with the inclusive fit and a random score."""
    best = hunt.best
    if best is None:
        return "<strong>No window gave a result.</strong>"
    z, p = hunt.result.get("z_global"), hunt.result.get("p_global")
    stated = "no global p-value is stated" if p is None else f"global Z{_IS}{number(z)} (p{_IS}{probability(p)})"
    text = (
        f"<strong>{_class(z, p)}</strong> The largest excess is in {span(best)} at {escape(_at(hunt, best))}: "
        f"local Z{_IS}{number(best.get('z_local'))}, {stated}"
    )
    inclusive, control = hunt.part("inclusive"), hunt.part("control")
    others = []
    if known(inclusive.get("z_local")):
        others.append(f"the inclusive fit of the same events gives local Z{_IS}{number(inclusive['z_local'])}")
    if known(control.get("p_global")):
        others.append(f"a random score gives global p{_IS}{probability(control['p_global'])}")
    return f"{text}{', where ' if others else ''}{' and '.join(others)}."


def _class(z: Any, p: Any) -> str:
    if p is None:
        return "No global significance is claimed."
    if not known(z) or z < 3.0:
        return "No significant excess."
    return "An excess of more than 5σ." if z >= 5.0 else "An excess of more than 3σ."


def _at(hunt: Hunt, window: Any) -> str:
    mass = number(window.get("best_mass"), ".5g")
    return f"{hunt.mass_name}{_IS}{mass}{f' {hunt.unit}' if hunt.unit else ''}"


def warnings(hunt: Hunt) -> str:
    """A banner with what the reader must know before believing a number; nothing if all is well."""
    texts = [str(text) for text in hunt.result.get("warnings") or ()]
    if hunt.result.get("p_global") is None:
        texts.insert(0, "No global p-value is stated for this hunt.")
    if not texts:
        return ""
    items = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return f'<aside class="warning" aria-label="Warnings"><h2>Read this first</h2><ul>{items}</ul></aside>'


def key_numbers(hunt: Hunt) -> str:
    """The numbers of the verdict, side by side."""
    best, inclusive, control = hunt.best or {}, hunt.part("inclusive"), hunt.part("control")
    stated = hunt.result.get("p_global") is not None
    method = escape(hunt.result.get("p_global_method") or "method not recorded")
    total = f"p = {probability(hunt.result.get('p_global'))}, {method}" if stated else "not stated"
    cards = [
        ("Global Z", number(hunt.result.get("z_global")), total),
        ("Local Z", number(best.get("z_local")), f"p = {probability(best.get('p_local'))}"),
        (
            f"Best {escape(hunt.mass)}",
            number(best.get("best_mass"), ".5g"),
            f"{span(best)}, {escape(best.get('method'))}",
        ),
        (
            "Inclusive fit, local Z",
            number(inclusive.get("z_local")),
            f"global p = {probability(inclusive.get('p_global'))}",
        ),
        ("Random score, global p", probability(control.get("p_global")), f"Z = {number(control.get('z_global'))}"),
    ]
    boxes = "".join(
        f'<div><dt>{name}</dt><dd class="value">{value}</dd><dd>{below}</dd></div>' for name, value, below in cards
    )
    return f'<dl class="facts">{boxes}</dl>'
