"""The same minimum as iminuit, the same figures as other programs, the same chi2 of published spectra."""

import argparse
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from iminuit import Minuit
from scipy.special import xlogy

from lamppost.core import Array
from lamppost.stats import Spectrum, Workspace, background, bump_hunter, fit_background, scan, upper_limit
from learn_parts.tables import markdown
from stats_parts.bars import Bar, at_most, within
from stats_parts.cases import MASS, MASSES, SIGNAL, spectrum
from stats_parts.kept import kept

__all__ = ["TITLE", "bars", "run", "section"]

Json = dict[str, Any]

TITLE = "Agreement with other programs"
NODES = 24  # twice what the fits use
FACTS = (
    *(("cms_dijet", 3, 33.1, 36), ("cms_dijet", 4, 33.1, 35)),
    *(("atlas_dijet_1910.08447", 4, 103.6, 80), ("atlas_dijet_1910.08447", 5, 99.9, 79)),
    *(("cms_dijet_pair", 4, 45.2, 29), ("cms_trijet", 3, 43.1, 39)),
    *(("cms_diphoton", 3, 75.9, 90), ("cms_dimuon", 2, 13.0, 13)),
)
"""Spectrum, parameters, chi2 and ndf that other programs find."""


def logarithms(family: str, m: Array, lo: float, hi: float) -> Array:
    """ln f = columns @ parameters, written out from the papers and not taken from the package: (len(m), parameters)."""
    x = m / 13000.0
    if family == "dijet":
        return np.stack([np.ones_like(x), np.log(1.0 - x), *(np.log(x) ** k for k in (1, 2, 3))], axis=1)
    if family == "diphoton":
        return np.stack([np.ones_like(x), np.log(1.0 - np.cbrt(x)), *(np.log(x) ** k for k in (1, 2, 3))], axis=1)
    if family == "ua2":
        return np.stack([np.ones_like(x), np.log(x), x, x**2], axis=1)
    return np.stack([((2.0 * m - lo - hi) / (hi - lo)) ** k for k in range(7)], axis=1)


class Peer:
    """The likelihood of one family and order, minimised by iminuit: strategy 1, tolerance 1e-3.

    Its parameters are those of columns made orthogonal on the expectation (bins,), where it starts, so that iminuit has
    an easy task. Bins are integrated with 24 points; half the deviance is what is compared.
    """

    def __init__(self, family: str, order: int, edges: Array, expected: Array) -> None:
        x, w = np.polynomial.legendre.leggauss(NODES)
        half = 0.5 * np.diff(edges)
        m = 0.5 * (edges[:-1] + edges[1:]) + np.outer(x, half)
        columns = logarithms(family, m.ravel(), edges[0], edges[-1])[:, :order]
        share = np.sqrt(np.outer(w, 0.5 * expected)).reshape(-1, 1)
        _, self.triangle = np.linalg.qr(columns * share)
        self.columns = np.linalg.solve(self.triangle.T, columns.T).T.reshape(*m.shape, order)
        self.weight = np.outer(w, half)
        density = np.repeat(np.log(expected / np.diff(edges))[None], NODES, axis=0).reshape(-1, 1)
        self.start = np.linalg.lstsq(self.columns.reshape(-1, order) * share, density * share, rcond=None)[0][:, 0]

    def nll(self, theta: Array, n: Array) -> float:
        """Half the deviance of counts (bins,)."""
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            mu = np.sum(self.weight * np.exp(self.columns @ theta), axis=0)
            value = float(np.sum(mu - n + xlogy(n, n) - xlogy(n, mu)))
        return value if np.isfinite(value) else 1e300

    def fit(self, n: Array, scale: float) -> tuple[float, bool]:
        """Half the deviance that iminuit ends at, and whether it calls that a minimum; `scale` is the size of n."""
        start = self.start.copy()
        start[0] += self.triangle[0, 0] * np.log(scale)
        found = Minuit(lambda theta: self.nll(theta, n), start)
        found.errordef, found.strategy, found.tol = Minuit.LIKELIHOOD, 1, 1e-3
        found.migrad()
        return float(found.fval), bool(found.valid)


def compare(family: str, order: int, reference: Spectrum, toys: int, seed: int) -> Json:
    """Toys of the family's own fit to the reference case, from 1/30 to 10 times its number of events."""
    truth = fit_background(reference, family, order)
    peer = Peer(family, order, reference.edges, truth.expected)
    off, failed, invalid = [], 0, 0
    for number in range(toys):
        rng = np.random.default_rng([seed + number, order, *family.encode()])
        scale = float(np.exp(rng.uniform(np.log(1.0 / 30.0), np.log(10.0))))
        n = rng.poisson(scale * truth.expected).astype(float)
        fit = fit_background(Spectrum(reference.edges, n), family, order)
        value, valid = peer.fit(n, scale)
        failed += not fit.converged
        invalid += not valid
        if fit.converged:
            off.append(0.5 * fit.deviance - value)
    return {
        "family": family,
        "order": order,
        "toys": toys,
        "failed": failed,
        "invalid": invalid,
        "above": max(off),
        "below": -min(off),
        "apart": sum(one < -1e-5 for one in off),
    }


def programs(data: Path, seed: int, toys: int) -> Json:
    """The figures of the reference case."""
    reference = spectrum(data, "reference_case")
    found = scan(reference, signal=SIGNAL, n_parameters=4, masses=MASSES, toys=toys, seed=seed)
    hunted = bump_hunter(reference, n_parameters=4, toys=toys, seed=seed)
    limit = upper_limit(Workspace(reference, MASS, n_parameters=4, signal=SIGNAL), seed=seed)
    return {
        "z": found.z_local,
        "p": found.p_global,
        "p_error": found.p_global_error,
        "p_toys": found.n_toys,
        "p_failed": found.n_failed,
        "hunted": hunted.p_global,
        "hunted_error": hunted.p_global_error,
        "hunted_toys": hunted.n_toys,
        "hunted_failed": hunted.n_failed,
        "limit": limit.observed,
        "limit_method": limit.method,
    }


def published(data: Path) -> Json:
    """chi2 of the published spectra."""
    rows = []
    for name, order, chi2, ndf in FACTS:
        fit = fit_background(spectrum(data, name), "dijet", order)
        rows.append({"name": name, "order": order, "chi2": fit.chi2, "ndf": fit.ndf, "wanted": chi2, "wanted_ndf": ndf})
    return {"rows": rows}


def run(options: argparse.Namespace) -> Json:
    """Everything, family by family and order by order."""
    data, out, seed, toys = options.data, options.out, options.seed, options.toys or 1000
    reference = spectrum(data, "reference_case")
    compared = []
    for family in ("dijet", "polynomial", "diphoton", "ua2"):
        kind = background(family)
        for order in range(kind.min_parameters, kind.max_parameters + 1):
            work = partial(compare, family, order, reference, toys, seed)
            compared.append(kept(out, f"agreement_{family}{order}_{toys}_{seed}", work))
    many = 100 * toys
    found = kept(out, f"agreement_programs_{many}_{seed}", partial(programs, data, seed, many))
    spectra = kept(out, "agreement_spectra", partial(published, data))
    cpu_s = sum(part["cpu_s"] for part in (*compared, found, spectra))
    return {"compared": compared, "programs": found, "spectra": spectra["rows"], "cpu_s": cpu_s}


def bars(result: Json) -> list[Bar]:
    """What had to be shown."""
    found, made = result["programs"], []
    for family in dict.fromkeys(row["family"] for row in result["compared"]):
        rows = [row for row in result["compared"] if row["family"] == family]
        made.append(at_most(f"{family}: -ln L less iminuit's, largest", max(r["above"] for r in rows), 1e-5, ".1e"))
    made += [
        within("reference case: local Z", found["z"], 3.494, 0.001, ".4f"),
        within("reference case: global p", found["p"], 0.0064, 0.001, ".4f"),
        within("reference case: global p of the refitting BumpHunter", found["hunted"], 0.0080, 0.002, ".4f"),
        within("reference case: CLs limit [events]", found["limit"], 235.0, 2.35, ".1f"),
    ]
    return made + [
        within(f"{row['name']}, {row['order']} parameters: chi2", row["chi2"], row["wanted"], 1.0, ".1f")
        for row in result["spectra"]
    ]


def section(result: Json) -> str:
    """Tables of the fits, the reference case and the published spectra."""
    toys = result["compared"][0]["toys"]
    found = result["programs"]
    head = ["family", "order", "toys", "ours not converged", "iminuit not valid", "ours above", "iminuit above"]
    rows = [
        [
            *(r[name] for name in ("family", "order", "toys", "failed", "invalid")),
            *(f"{r[name]:.1e}" for name in ("above", "below")),
            r["apart"],
        ]
        for r in result["compared"]
    ]
    spectra = [
        [r["name"], r["order"], f"{r['chi2']:.1f} / {r['ndf']}", f"{r['wanted']} / {r['wanted_ndf']}"]
        for r in result["spectra"]
    ]
    return "\n\n".join(
        [
            f"{toys:,} toys of every family and order, drawn from its fit to the reference case times 1/30 to 10 "
            "(2,000 to 650,000 events). The likelihood that iminuit (strategy 1, tolerance 1e-3) minimises is written "
            "out anew from the formulas and integrated with twice as many points. Above: the largest amount by which "
            "-ln L of one lies above that of the other, over all toys in which our fit converged, whether iminuit "
            "calls its own valid or not.",
            markdown([*head, "iminuit above by > 1e-5"], rows),
            f"Reference case, order 4, masses from 1.8 to 5.8 TeV in steps of 100 GeV. Global p of the scan: "
            f"{found['p']:.5f} ± {found['p_error']:.5f} ({found['p_toys']:,} toys, {found['p_failed']} not converged); "
            f"of the BumpHunter with refit: {found['hunted']:.5f} ± {found['hunted_error']:.5f} "
            f"({found['hunted_toys']:,} toys, {found['hunted_failed']} not converged). Limit: {found['limit']:.1f} "
            f"events at 3 TeV ({found['limit_method']}). Toys stop where 400 exceed the data.",
            markdown(["published spectrum", "parameters", "chi2 / ndf", "other programs"], spectra),
        ]
    )
