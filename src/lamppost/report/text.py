"""Numbers and words as HTML; everything that comes out is escaped."""

import html
import math
from collections.abc import Iterable, Sequence
from typing import Any, TypeGuard

__all__ = [
    "captioned",
    "count",
    "escape",
    "known",
    "number",
    "percent",
    "plus_minus",
    "probability",
    "superscript",
    "table",
]

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
# not allowed in HTML, whatever a column is called
_CONTROLS = dict.fromkeys((*range(9), 11, *range(14, 32), *range(127, 160)), "�")
NOTHING = "–"


def escape(value: Any) -> str:
    """Any value as HTML text, safe inside quoted attributes too; None is a dash."""
    return NOTHING if value is None else html.escape(str(value).translate(_CONTROLS))


def known(value: Any) -> TypeGuard[float]:
    """Whether a value is a number that can be printed."""
    return isinstance(value, int | float) and not math.isnan(value)


def number(value: Any, form: str = ".2f") -> str:
    """A number in a fixed form, a dash if there is none."""
    if not known(value):
        return NOTHING
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}").replace("inf", "∞")


def count(value: Any) -> str:
    """A number of events, thousands apart by a thin space that does not break."""
    if not known(value) or math.isinf(value):
        return number(value)
    return f"{value:,.{0 if value == round(value) else 1}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(fraction: Any) -> str:
    """A fraction in percent."""
    return f"{number(100.0 * fraction, '.3g')}%" if known(fraction) else NOTHING


def superscript(exponent: int) -> str:
    """An integer in superscript characters."""
    return str(exponent).translate(_SUPERSCRIPTS)


def probability(p: Any) -> str:
    """A p-value with two significant digits, as a power of ten when it is small."""
    if not known(p) or p >= 0.001 or p <= 0.0:
        return number(p, ".2g")
    mantissa, exponent = f"{p:.1e}".split("e")
    return f"{mantissa}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}10{superscript(int(exponent))}"


def plus_minus(value: Any, error: Any) -> str:
    """A value with its error, both to the digits that the error deserves."""
    if not known(error) or not math.isfinite(error) or error <= 0.0:
        return number(value, ".4g")
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{number(value, f'.{digits}f')}\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}{number(error, f'.{digits}f')}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, classes: Sequence[str] = (), caption: str = "") -> str:
    """A table of cells that are HTML already; the first cell of a row is its header, `classes` marks rows."""
    body = []
    for index, (first, *cells) in enumerate(rows):
        mark = f' class="{classes[index]}"' if index < len(classes) and classes[index] else ""
        body.append(f'<tr{mark}><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>')
    top = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    title = f"<caption>{caption}</caption>" if caption else ""
    return (
        f'<div class="scroll"><table>{title}<thead><tr>{top}</tr></thead><tbody>{"".join(body)}</tbody></table></div>'
    )


def captioned(svg: str, title: str, caption: str, *, wide: bool = False) -> str:
    """A figure with its title and its caption, both plain text."""
    style = ' class="wide"' if wide else ""
    return f"<figure{style}>{svg}<figcaption><strong>{escape(title)}</strong>{escape(caption)}</figcaption></figure>"
