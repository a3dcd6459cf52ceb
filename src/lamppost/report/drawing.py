"""How figures are drawn: the style, and matplotlib's SVG made fit to stand in one page with many others."""

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import matplotlib.style
import mplhep
from matplotlib.figure import Figure

__all__ = ["Draw", "inline", "standalone", "studio"]

Draw = Callable[[str, str, Figure], str]
"""(key, what the figure shows, figure) -> the inline SVG; the key is unique in the page."""

# DejaVu Sans comes with matplotlib: the layout is the same on every machine. The page shows narrower fonts, which fit.
_STYLE: dict[str, Any] = {
    **{"font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans"], "mathtext.fontset": "dejavusans"},
    **{"font.size": 10.0, "axes.labelsize": 11.0, "legend.fontsize": 9.0, "legend.handlelength": 1.6},
    **{"xtick.labelsize": 9.5, "ytick.labelsize": 9.5, "axes.linewidth": 1.0, "lines.linewidth": 1.5},
    **{"xtick.major.size": 6.0, "ytick.major.size": 6.0, "xtick.minor.size": 3.0, "ytick.minor.size": 3.0},
    **{"xtick.major.pad": 5.0, "ytick.major.pad": 4.0, "axes.unicode_minus": True, "axes.labelpad": 4.0},
    **{"axes.formatter.use_mathtext": False, "axes.formatter.useoffset": False, "figure.dpi": 72.0},
    **{"svg.fonttype": "none", "pdf.fonttype": 42},
}
_SHIFTED = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+|ₜ")
_PLAIN = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻ₜ", "0123456789\N{MINUS SIGN}T")
_LONG = re.compile(r"-?\d+\.\d{3,}")
_REFERENCE = re.compile(r"url\(#([^)]+)\)")


@contextmanager
def studio(folder: Path | None) -> Iterator[Draw]:
    """Matplotlib set up for reports, whatever the user's own settings, and put back afterwards.

    With a folder, every figure that is drawn is also written there as PDF.
    """

    def draw(key: str, label: str, figure: Figure) -> str:
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            figure.savefig(folder / f"{key}.pdf", format="pdf", metadata={"CreationDate": None})
        return inline(key, label, figure)

    # a missing character in a feature's name is drawn as a box by matplotlib, but the browser has it
    with warnings.catch_warnings(), matplotlib.style.context(["default", {**mplhep.style.CMS, **_STYLE}]):
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield draw


def inline(key: str, label: str, figure: Figure) -> str:
    """The figure as an `<svg>` element for HTML: ids begin with `key`, nothing styles what is outside of it."""
    raw = io.BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": key}):
        figure.savefig(raw, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    root = ElementTree.fromstring(raw.getvalue())
    names = _names(root, key)
    for element in root.iter():
        _simplify(element, names)
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib.update({"viewBox": box, "role": "img", "aria-label": label})
    _drop(root, ("metadata", "style"))
    return ElementTree.tostring(root, encoding="unicode")


def _names(root: ElementTree.Element, key: str) -> dict[str, str]:
    """New names for the ids that something in the figure refers to; the others are decoration."""
    used = set()
    for element in root.iter():
        for name, value in element.attrib.items():
            used.update(_REFERENCE.findall(value))
            if name.endswith("href"):
                used.add(value.removeprefix("#"))
    ids = [element.get("id", "") for element in root.iter()]
    return {old: f"{key}-{n}" for n, old in enumerate(old for old in ids if old in used)}


def _simplify(element: ElementTree.Element, names: dict[str, str]) -> None:
    """Local names, new ids, coordinates to a hundredth of a point, fonts left to the page."""
    element.tag = element.tag.split("}")[-1]
    attributes: dict[str, str] = {}
    for name, value in element.attrib.items():
        local = name.split("}")[-1]
        if local == "id":
            if value in names:
                attributes["id"] = names[value]
        elif local == "href":
            attributes["href"] = f"#{names[value.removeprefix('#')]}"
        elif local == "style":
            attributes["style"] = _style(_REFERENCE.sub(lambda match: f"url(#{names[match[1]]})", value))
        else:
            value = _REFERENCE.sub(lambda match: f"url(#{names[match[1]]})", value)
            attributes[local] = _LONG.sub(lambda match: f"{float(match[0]):.2f}", value).replace("\n", " ").strip()
    element.attrib.clear()
    element.attrib.update(attributes)
    if element.tag == "text":
        _raise(element)
    elif not (element.text or "").strip():
        element.text = None
    element.tail = None


def _style(style: str) -> str:
    """The declarations without the font's family; matplotlib before 3.10 writes size and family as one `font`."""
    kept = []
    for declaration in filter(None, (part.strip() for part in style.split(";"))):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name == "font" and (size := re.search(r"[\d.]+px", value)):
            name, value = "font-size", size[0]
        if name != "font-family":
            kept.append(f"{name}:{_LONG.sub(lambda match: f'{float(match[0]):.2f}', value)}")
    return ";".join(kept)


def _raise(element: ElementTree.Element) -> None:
    """Superscript digits become raised ones, which every font has, and the subscript t of transverse a lowered T."""
    text = element.text or ""
    if len(element) or not (found := list(_SHIFTED.finditer(text))):
        return
    element.text = text[: found[0].start()]
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=True):
        shift = 0.3 if match[0] == "ₜ" else -0.5
        moved = ElementTree.SubElement(element, "tspan", {"dy": f"{shift}em", "font-size": "70%"})
        moved.text = match[0].translate(_PLAIN)
        if rest := text[match.end() : end]:
            back = ElementTree.SubElement(element, "tspan", {"dy": f"{-0.7 * shift:.3g}em"})
            back.text = rest


def _drop(root: ElementTree.Element, tags: tuple[str, ...]) -> None:
    for parent in reversed(list(root.iter())):  # from the leaves up, so that emptied groups go as well
        for child in list(parent):
            if child.tag in tags or (child.tag in ("g", "defs") and not len(child) and not child.attrib):
                parent.remove(child)


def standalone(svg: str) -> str:
    """An inline `<svg>` as a file of its own: sizes, a title and fonts, which the page gives otherwise."""
    root = ElementTree.fromstring(svg)
    _, _, width, height = root.get("viewBox", "").split()
    root.attrib = {"xmlns": "http://www.w3.org/2000/svg", "width": width, "height": height, **root.attrib}
    root.set("font-family", '"Helvetica Neue", Helvetica, Arial, sans-serif')
    title = ElementTree.Element("title")
    title.text = root.get("aria-label")
    root.insert(0, title)
    return f"{ElementTree.tostring(root, encoding='unicode')}\n"
