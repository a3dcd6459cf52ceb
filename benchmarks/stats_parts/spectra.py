"""Global p-values of published spectra."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lamppost.stats import goodness_of_fit, scan
from learn_parts.tables import markdown
from stats_parts.bars import Bar
from stats_parts.cases import spectrum
from stats_parts.kept import kept

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "Published spectra"


class Published(NamedTuple):
    """A spectrum, the paper, the resolution of the peak looked for, and the order that is fixed."""

    name: str
    title: str
    resolution: float
    order: int


SPECTRA = (
    Published("cms_dijet", "CMS dijet, arXiv:1911.03947", 0.04, 4),
    Published("atlas_dijet_1910.08447", "ATLAS dijet, arXiv:1910.08447", 0.03, 5),
    Published("cms_dijet_pair", "CMS four-jet, arXiv:2206.09997", 0.04, 4),
    Published("cms_trijet", "CMS trijet, arXiv:2310.14023", 0.04, 3),
    Published("cms_diphoton", "CMS diphoton, arXiv:2405.09320", 0.015, 3),
    Published("cms_dimuon", "CMS dimuon, arXiv:2307.08708", 0.02, 2),
)


def measure(data: Path, one: Published, order: int | None, toys: int, seed: int) -> Json:
    """Scan and goodness of fit of one spectrum."""
    table = spectrum(data, one.name)
    shape = {"kind": "crystal_ball", "resolution": one.resolution}
    found = scan(table, signal=shape, n_parameters=order, toys=toys, seed=seed)
    tests = goodness_of_fit(table, "dijet", order, toys=toys // 10, seed=seed)
    quality = {name: getattr(tests, name).p_value for name in ("pearson", "saturated", "kolmogorov")}
    about = {"events": float(table.counts.sum()), "range": [table.lo, table.hi], "masses": len(found.masses)}
    return {**about, **found.summary(), **quality, "title": one.title, "resolution": one.resolution}


def run(options: argparse.Namespace) -> Json:
    """Every spectrum in the order that the F-test chooses, and in the one that is fixed."""
    toys, seed, rows = options.toys or 10_000, options.seed, []
    for one in SPECTRA:
        for order in (None, one.order):
            work = partial(measure, options.data, one, order, toys, seed)
            found = kept(options.out, f"spectra_{one.name}_{order or 'F-test'}_{toys}_{seed}", work)
            rows.append({"how": "F-test" if order is None else "fixed", **found})
    return {"toys": toys, "rows": rows, "cpu_s": sum(row["cpu_s"] for row in rows)}


def bars(result: Json) -> list[Bar]:
    """Nothing but the figures is asked for."""
    return []


def section(result: Json) -> str:
    """One row for each spectrum and order."""
    head = ["spectrum", "events", "order", "masses", "best mass [GeV]", "local Z", "global p", "toys", "not converged"]
    head += ["chi2 / ndf", "p: Pearson", "saturated", "Kolmogorov"]
    rows = [
        [
            *(r["title"], f"{r['events']:,.0f}", f"{r['n_parameters']} ({r['how']})", r["masses"]),
            *(f"{r['best_mass']:.0f}", f"{r['z_local']:.2f}", f"{r['p_global']:.3f} ± {r['p_global_error']:.3f}"),
            *(f"{r['n_toys']:,}", r["n_failed"], f"{r['chi2']:.1f} / {r['ndf']}"),
            *(f"{r[name]:.3f}" for name in ("pearson", "saturated", "kolmogorov")),
        ]
        for r in result["rows"]
    ]
    text = (
        "The dijet function over the whole published range, a Crystal Ball of 4 % resolution (ATLAS dijet 3 %, "
        f"diphoton 1.5 %, dimuon 2 %: round figures, not the experiments' own), masses in steps of a sixth of it. The "
        f"order is chosen by F-test, again in every toy, or fixed. At most {result['toys']:,} toys, fewer once 400 "
        f"reach the data; goodness of fit by {result['toys'] // 10:,} toys where its distribution is not known."
    )
    return f"{text}\n\n{markdown(head, rows)}"
