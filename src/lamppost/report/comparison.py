"""From the folder of a comparison to `comparison.html`: a pure function of the files in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamppost.errors import DataError
from lamppost.report.folder import Part, config_of, drawing, read_json, replace_file
from lamppost.report.reach import reach_section
from lamppost.report.shell import origin, shell, warnings
from lamppost.report.strengths import overview, strength_section
from lamppost.report.text import count, escape, known, number

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw

__all__ = ["render_comparison", "write_comparison"]


def write_comparison(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/comparison.html` from `compare.json`, `reach.json` and `config.toml`; return its path.

    One of the first two must be there. With `pdf` every figure is written to `folder/figures` as well.

    Raises
    ------
    LamppostError
        If matplotlib or mplhep (the extra `report`) is not installed.
    DataError
        If both results are missing, or a file does not hold the JSON it should.
    """
    folder = Path(folder)
    compared, reached = (read_json(folder / f"{name}.json") for name in ("compare", "reach"))
    if compared is None and reached is None:
        msg = f"{folder / 'compare.json'}: no such file, expected the folder of a comparison"
        raise DataError(msg)
    with drawing(folder, pdf=pdf) as draw:
        page = render_comparison(compared, reached, config_of(folder), draw)
    return replace_file(folder / "comparison.html", page)


def render_comparison(compared: Part | None, reached: Part | None, config: str | None, draw: "Draw") -> str:
    """The whole page as HTML, of one of the two results or both: no scripts, nothing fetched, every text escaped."""
    results = [one for one in (compared, reached) if one is not None]
    sections, links = [], []
    if compared is not None:
        strengths = list(next(iter(compared["methods"].values()))["s_over_b"])
        links += [("overview", "All strengths"), *((f"s{i:02d}", f"S/B = {s}") for i, s in enumerate(strengths))]
        sections.append(overview(compared, strengths, draw))
        sections += [strength_section(compared, strength, index, draw) for index, strength in enumerate(strengths)]
    if reached is not None:
        links.append(("reach", "Reach"))
        sections.append(reach_section(reached, draw))
    title = f"Comparison of methods in {results[0]['data']['mass']}"
    noted = warnings(text for one in results for text in one["warnings"])
    head = f'{_source(results[0])}\n<p class="verdict">{_verdict(compared, reached)}</p>{noted}'
    main = "".join(sections) + _provenance(results, config)
    return shell(title, head, [*links, ("origin", "Origin")], main, results[0]["lamppost"])


def _verdict(compared: Part | None, reached: Part | None) -> str:
    """What was done, in a sentence for each result."""
    window = (compared or reached or {})["window"]
    sentences = [f"Signal region [{number(window['lo'], 'g')}, {number(window['hi'], 'g')})."]
    if compared is not None:
        draws = escape(compared["compare"]["draws"])
        sentences.append(
            f"{len(compared['methods'])} methods, {draws} draws for each injected strength; "
            "figures are medians over draws with their 68% band."
        )
    if reached is not None:
        settings = reached["reach"]
        sentences.append(
            f"Blind hunts by {len(reached['methods'])} methods in {escape(settings['draws'])} draws of data with up to "
            f"{count(settings['events'][0])} signal events."
        )
    return " ".join(sentences)


def _source(result: Part) -> str:
    data, shift = result["data"], result["data"]["shift"]
    names = ", ".join(data["features"])
    moved = f"; {', '.join(data['shifted'])} shifted by {shift:g} times the mass" if shift else ""
    text = (
        f"{data['path']}, {data['background']} background and {data['signal']} signal events; features {names}{moved}"
    )
    return f'<p class="source">{escape(text)}</p>'


def _provenance(results: Sequence[Part], config: str | None) -> str:
    first = results[0]
    facts = {
        "SHA-256 of the data": first["data"]["sha256"],
        "Seed": first["seed"],
        **_shares(first),
        "Versions": ", ".join(f"{name} {version}" for name, version in first["versions"].items()),
        "Processor time": ", ".join(f"{number(one['cpu_s'], '.1f')} s" for one in results if known(one.get("cpu_s"))),
    }
    return origin(config, "Data and draws", facts, "".join(_definitions(one) for one in results))


def _definitions(result: Part) -> str:
    """What the words of a result mean; a comparison and reach may use the same word for different things."""
    of = "the comparison" if "compare" in result else "reach"
    items = "".join(f"<dt>{escape(name)}</dt><dd>{escape(text)}</dd>" for name, text in result["definitions"].items())
    return f'<h3>Definitions of {of}</h3><dl class="list">{items}</dl>'


def _shares(result: Part) -> dict[str, str]:
    """How the labelled events of a comparison were shared out; nothing of what is no comparison."""
    if "compare" not in result:
        return {}
    settings, drawn = result["compare"], result["draws"][0]
    return {
        "Held out, kept as truth": f"{settings['test']:g}, {settings['reference']:g} of the labelled events",
        "In the region, first draw": f"{count(drawn['test'])} background and {count(drawn['test_signal'])} signal test "
        f"events, {count(drawn['reference'])} of true background",
    }
