"""From the folder of a calibration to `calibration.html`: a pure function of the files in it."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lamppost.report.folder import Part, write_page
from lamppost.report.shell import origin, shell, warnings
from lamppost.report.text import captioned, count, escape, number, probability, table

if TYPE_CHECKING:
    from lamppost.report.drawing import Draw

__all__ = ["write_calibration"]

KINDS = {
    "global": "global p",
    "window": "p of a window",
    "inclusive": "inclusive fit, global p",
    "random score": "random score, global p",
    "sculpting": "sculpting p",
}
DRAWN = ("global", "random score", "inclusive")


def write_calibration(folder: Path, *, pdf: bool = False) -> Path:
    """Write `folder/calibration.html` from `calibration.json` and `config.toml`; see `write_page`."""
    return write_page(folder, "calibration.json", "a calibration", "calibration.html", render, pdf=pdf)


def render(result: Part, config: str | None, draw: "Draw") -> str:
    """The whole page as HTML."""
    data = result["data"]
    region = f"; control region: {data['control_region']}" if data.get("control_region") else ""
    source = f"{data['path']}, {data['events']} events{region}; features {', '.join(data['features'])}"
    head = (
        f'<p class="source">{escape(source)}</p><p class="verdict">{_verdict(result)}</p>{warnings(result["warnings"])}'
    )
    sections = [_p_values(result, draw)]
    links = [("p-values", "p-values")]
    if result["power"]:
        sections.append(_power(result, draw))
        links.append(("power", "Power"))
    main = "".join([*sections, _origin(result, config)])
    return shell("Calibration of a hunt", head, [*links, ("origin", "Origin")], main, result["lamppost"])


def _verdict(result: Part) -> str:
    null = result["null"]["global"]
    answer = "Small global p-values are not too frequent." if null["valid"] else "Nothing is certified."
    return (
        f"<strong>{answer}</strong> In {count(null['n'])} pseudo-experiments of {count(round(result['events']))} "
        f"events without signal, {_share(null['below']['0.05'])}% of them are 0.05 or less; a Kolmogorov-Smirnov test "
        f"that they are uniform has p = {probability(null['ks'])}."
    )


def _p_values(result: Part, draw: "Draw") -> str:
    from lamppost.report.calibration_plots import frequency

    null = result["null"]
    curves = {KINDS[name]: null[name]["values"] for name in DRAWN if null[name]["values"]}
    title = "p-values without signal"
    caption = "On the diagonal p-values are right, above it small ones are too frequent. Band: 95% for the first."
    shown = captioned(draw("p-values", title, frequency(curves)), title, caption)
    rows = [[escape(text), *_cells(null[name])] for name, text in KINDS.items()]
    head = ["p-value", "n", "failed", "uniform", "too often small", "&le; 0.5", "&le; 0.1", "&le; 0.05", "&le; 0.01"]
    note = (
        "Share of pseudo-experiments, in % with its 95% interval; p of the Kolmogorov-Smirnov tests of a uniform "
        "distribution, two-sided and for small values being too frequent. A p that is 1 where no excess is found (of a "
        "window, of the inclusive fit) is tested below 0.5."
    )
    return (
        f'<section id="p-values"><h2>p-values</h2><div class="figures">{shown}</div>'
        f"{table(head, rows, caption=note)}</section>"
    )


def _cells(found: Part) -> list[str]:
    shares = [_share(found["below"][level]) for level in ("0.5", "0.1", "0.05", "0.01")]
    return [
        count(found["n"]),
        count(found["failed"]),
        probability(found["ks"]),
        probability(found["ks_small"]),
        *shares,
    ]


def _share(values: Sequence[float] | None) -> str:
    if values is None:
        return number(None)
    share, low, high = (number(100 * value, ".1f") for value in values)
    return f"{share} [{low}, {high}]"


def _power(result: Part, draw: "Draw") -> str:
    from lamppost.report.calibration_plots import power_curve

    points = result["power"]
    title = "Global Z against the injected signal"
    caption = "Medians and 68% of the pseudo-experiments."
    shown = captioned(draw("power", title, power_curve(points, result["null"]["global"]["values"])), title, caption)
    head = ["Signal events", "n", "median Z [68%]", "Z &ge; 3", "Z &ge; 5", "inclusive, median Z"]
    head += ["kept by the best cut", "yield within 1 error", "within 2"]
    rows = [_point(one) for one in points]
    note = (
        "Expected events of any mass in the fit range, shares in % with their 95% interval. The yield is that of the "
        "best window at the mass of its largest excess, next to the injected events that its cut keeps."
    )
    rows_shown = table(head, rows, caption=note)
    return f'<section id="power"><h2>Power</h2><div class="figures">{shown}</div>{rows_shown}</section>'


def _point(one: Part) -> list[str]:
    median, low, high = (number(value) for value in one["global"]["z"])
    seen, within = one["global"]["seen"], one["coverage"]["within"]
    return [
        *(count(one["events"]), count(one["global"]["n"]), f"{median} [{low}, {high}]"),
        *(_share(seen["3"]), _share(seen["5"]), number(one["inclusive"]["z"][0]), number(one["kept"], ".1f")),
        *(_share(within["1"]), _share(within["2"])),
    ]


def _origin(result: Part, config: str | None) -> str:
    made = result["certificate"]
    facts = {
        "Configuration certified": made["configuration"],
        "Events certified": f"{made['events']:.0f}",
        "SHA-256 of the data": result["data"]["sha256"],
        "Seed": result["seed"],
        "Versions": ", ".join(f"{name} {version}" for name, version in result["versions"].items()),
        "Processor time": f"{number(result.get('cpu_s'), '.0f')} s",
        **result["definitions"],
    }
    return origin(config, "What is certified, and what words mean", facts)
