"""Are the p-values uniform? Every pseudo-data set is treated as data: its own fit, its own toys of the whole scan."""

import argparse
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import kstest

from lamppost.core import Array
from lamppost.errors import FitError
from lamppost.stats import Spectrum, local_significance, p_from_z, signal, spurious_signal
from lamppost.stats.scans.choices import plan
from lamppost.stats.scans.local import why_toys
from lamppost.stats.scans.procedure import Procedure, procedure
from learn_parts.tables import markdown
from stats_parts.bars import Bar, at_least, at_most, within
from stats_parts.cases import FAMILIES, MASS, MASSES, ORDERS, SIGNAL, Case, cases, difference, order_name
from stats_parts.kept import kept

__all__ = ["TITLE", "bars", "draw", "run", "section", "sequential_p", "way"]

Json = dict[str, Any]

TITLE = "Calibration of the p-values"
PICTURE = "_static/calibration_p_values.png"
ENOUGH, MOST, BATCH = 10, 199, 10
"""Exceedances at which the toys of a pseudo-data set stop, and at most so many toys, made so many at a time."""
ENVELOPES = 2000  # pseudo-data sets of a case with all orders profiled, which costs ten times as much
CHUNK = 500  # pseudo-data sets in one file
HERE = int(np.argmin(np.abs(MASSES - MASS)))
OTHER = next(family for family in FAMILIES if family != "dijet")


def sequential_p(ready: Procedure, rng: np.random.Generator) -> tuple[float, float, int]:
    """Global p of the data of a procedure, the next smaller value that it can take, and the toys made.

    p = 10 / l if toy number l is the 10th to reach the data, (k + 1) / 200 if only k of 199 do (Besag and Clifford,
    Biometrika 78 (1991) 301). Where data are like toys P(p <= c) = c exactly, for every value c that p can take. Toys
    with a fit that failed count as exceedances, as everywhere.
    """
    above = done = 0
    while done < MOST:
        counts = rng.poisson(ready.expected, size=(min(BATCH, MOST - done), len(ready.expected))).astype(float)
        for value in ready.repeat(counts, rng)[0]:
            done += 1
            above += bool(value >= ready.largest)
            if above == ENOUGH:
                return ENOUGH / done, ENOUGH / (done + 1), done
    return (above + 1) / (MOST + 1), above / (MOST + 1), done


def widths(data: Spectrum, order: int | None) -> Array:
    """The spurious signal (masses,) that the other family makes, as an analysis of these data would find it."""
    found = spurious_signal(data, "dijet", [OTHER], signal=SIGNAL, masses=MASSES, n_parameters=order, least_p=0.0)
    return found.largest


def analysis(data: Spectrum, order: int | None, remedy: str) -> Procedure:
    """The fit of the data, ready to be repeated; an envelope holds all orders of both families."""
    shape = signal(SIGNAL)
    if remedy == "envelope":
        return procedure(data, plan(list(FAMILIES), None, None, "envelope", ()), shape, MASSES, None)
    false = widths(data, order) if remedy == "spurious" else None
    return procedure(data, plan("dijet", order, None, "aic", ()), shape, MASSES, None, false)


def one(case: Case, order: int | None, remedy: str, seed: int) -> Json:
    """The pseudo-data set of a seed: p at 3 TeV and global p; zero, which counts against us, if a fit fails.

    "local" is p at 3 TeV, fixed beforehand, and "scanned" that which a scan finds there, its order chosen on the data.
    """
    data, shape = case.draw(seed), signal(SIGNAL)
    rng = np.random.default_rng([seed, case.number, 1])
    try:
        ready = analysis(data, order, remedy)
        search = ready.seen
        local = scanned = p_from_z(float(np.sqrt(search.found[HERE, 0])))
        if remedy == "plain":
            local = local_significance(data, MASS, signal=SIGNAL, n_parameters=order, method="asymptotic").p
    except FitError:
        return {"local": 0.0, "scanned": 0.0, "p": 0.0, "below": 0.0, "toys": 0, "order": 0, "asks": False}
    p, below, toys = sequential_p(ready, rng)
    return {
        "local": local,
        "scanned": scanned,
        "p": p,
        "below": below,
        "toys": toys,
        "order": search.background.n_parameters,
        "asks": why_toys(search, shape, HERE) is not None,
    }


def chunk(case: Case, order: int | None, remedy: str, first: int, count: int) -> Json:
    """Pseudo-data of successive seeds, as columns."""
    rows = [one(case, order, remedy, seed) for seed in range(first, first + count)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def measure(options: argparse.Namespace, case: Case, order: str, remedy: str = "plain") -> Json:
    """One case with one way to choose the order, chunk by chunk."""
    total = options.toys or (ENVELOPES if remedy == "envelope" else 10_000)
    name = f"calibration_{case.family}_{case.size}_{order}_{remedy}"
    parts = []
    for first in range(0, total, CHUNK):
        count = min(CHUNK, total - first)
        work = partial(chunk, case, ORDERS[order], remedy, options.seed + first, count)
        parts.append(kept(options.out, f"{name}_{options.seed + first}_{count}", work))
        print(f"{name}: {first + count} of {total}", flush=True)
    columns = {key: np.concatenate([part[key] for part in parts]) for key in parts[0] if key != "cpu_s"}
    about = {"case": case.name, "family": case.family, "order": order, "remedy": remedy}
    return about | judged(columns, options.seed) | {"cpu_s": sum(part["cpu_s"] for part in parts)}


def judged(columns: dict[str, Array], seed: int) -> Json:
    """The tests of one case.

    The global p is spread evenly over the step below each value that it can take, which makes it exactly uniform where
    the discrete one is exact. The local one is tested below 0.5, and by the number of those.
    """
    local, p, below = columns["local"], columns["p"], columns["below"]
    n, positive = len(p), local[local < 0.5]
    spread = p - (p - below) * np.random.default_rng([seed, n]).random(n)
    orders, counted = np.unique(columns["order"], return_counts=True)
    return {
        "n": n,
        "failed": int(np.sum(columns["toys"] == 0)),
        "orders": {str(int(order)): int(count) for order, count in zip(orders, counted, strict=True)},
        "toys": float(columns["toys"].mean()),
        "asks": int(columns["asks"].sum()),
        "local_ks": float(kstest(2.0 * positive, "uniform").pvalue) if len(positive) else 0.0,
        "local_below": len(positive) / n,
        "local_small": float(np.mean(local <= 0.05)),
        "scanned_below": float(np.mean(columns["scanned"] < 0.5)),
        "scanned_small": float(np.mean(columns["scanned"] <= 0.05)),
        "global_ks": float(kstest(spread, "uniform").pvalue),
        "global_below": float(np.mean(p <= 0.05)),
        "local_histogram": np.histogram(positive, bins=10, range=(0.0, 0.5))[0].tolist(),
        "global_histogram": np.histogram(spread, bins=20, range=(0.0, 1.0))[0].tolist(),
    }


def run(options: argparse.Namespace) -> Json:
    """All cases, both ways to choose the order and none; with a spurious signal where toys of another family miss."""
    made = cases(options.data)
    rows = [measure(options, case, order) for case in made for order in ORDERS]
    missed = {(r["case"], r["order"]) for r in rows if r["family"] == OTHER and not all(bar.met for bar in bars_of(r))}
    again = [(case, order) for case in made for order in ORDERS if (case.name, order) in missed]
    rows += [measure(options, case, order, "spurious") for case, order in again]
    rows += [measure(options, case, "F-test", "envelope") for case in made]
    apart = [{"case": case.name, "order": order, **difference(case, order)} for case in made for order in (3, 4)]
    return {"rows": rows, "difference": apart, "cpu_s": sum(row["cpu_s"] for row in rows)}


def label(row: Json) -> str:
    return f"{row['case']}, {way(row)}"


def way(row: Json) -> str:
    """How the background is treated, in words."""
    spurious = ", spurious signal" if row["remedy"] == "spurious" else ""
    return "both families profiled" if row["remedy"] == "envelope" else f"{order_name(row['order'])}{spurious}"


def sigma(share: float, n: int) -> float:
    """Three standard deviations of the fraction found where this share is expected."""
    return 3.0 * float(np.sqrt(share * (1.0 - share) / n))


def bars_of(row: Json) -> list[Bar]:
    """What one case had to show; a nuisance may make p-values larger than uniform ones, but not smaller."""
    name, n = label(row), row["n"]
    if row["remedy"] == "spurious":
        limit = 0.05 + sigma(0.05, n)
        return [
            at_most(f"{name}: fraction of global p ≤ 0.05", row["global_below"], round(limit, 4), ".4f"),
            at_most(f"{name}: fraction of p at 3 TeV ≤ 0.05", row["local_small"], round(limit, 4), ".4f"),
        ]
    return [
        at_least(f"{name}: KS of p < 0.5 at 3 TeV", row["local_ks"], 0.01, ".3g"),
        within(f"{name}: fraction of p < 0.5 at 3 TeV", row["local_below"], 0.5, sigma(0.5, n), ".4f"),
        at_least(f"{name}: KS of global p", row["global_ks"], 0.01, ".3g"),
        within(f"{name}: fraction of global p ≤ 0.05", row["global_below"], 0.05, sigma(0.05, n), ".4f"),
    ]


def bars(result: Json) -> list[Bar]:
    """What had to be shown."""
    return [bar for row in result["rows"] for bar in bars_of(row)]


def section(result: Json) -> str:
    """How it was done, how far the families are apart, and the tests."""
    n = result["rows"][0]["n"]
    head = [
        "pseudo-data from",
        "order",
        "deviance",
        "largest difference in a bin",
        "largest false Z",
        "false Z at 3 TeV",
    ]
    apart = [
        [
            *(r["case"], r["order"], f"{abs(r['deviance']):.2f}", f"{100 * r['largest']:.1f} %"),
            *(f"{r[name]:+.2f}" for name in ("false_z", "false_z_here")),
        ]
        for r in result["difference"]
    ]
    head_2 = ["pseudo-data, analysis", "n", "not converged", "orders chosen", "KS, p < 0.5", "p < 0.5", "p ≤ 0.05"]
    head_2 += ["in the scan: p < 0.5", "p ≤ 0.05", "KS, global p", "global p ≤ 0.05", "toys each", "CPU s"]
    rows = [
        [
            *(label(r), f"{r['n']:,}", r["failed"]),
            ", ".join(f"{order}: {100 * count / r['n']:.0f} %" for order, count in r["orders"].items()),
            *(f"{r['local_ks']:.3g}", f"{r['local_below']:.4f}", f"{r['local_small']:.4f}"),
            *(f"{r['scanned_below']:.4f}", f"{r['scanned_small']:.4f}"),
            *(f"{r['global_ks']:.3g}", f"{r['global_below']:.4f}", f"{r['toys']:.0f}", f"{r['cpu_s']:.0f}"),
        ]
        for r in result["rows"]
    ]
    asks = sum(r["asks"] for r in result["rows"])
    return "\n\n".join(
        [
            f"{n:,} pseudo-data sets a row. They are drawn from the function that is fitted (dijet, 4 parameters) or "
            "from another (polynomial, 5 parameters), both fitted to the reference case, with its number of events or "
            "2,000; the analysis always fits the dijet function, as shipped or of order 4. As shipped, a scan finds "
            "the order by F-test, again in every toy, and p at a mass fixed beforehand profiles all orders. "
            "Every set is treated as data: its own fit, its own toys of the whole procedure, 41 masses. Toys of a set "
            f"stop when {ENOUGH} of them reach the data, or at {MOST}: p takes few values, but P(p ≤ c) = c holds "
            "exactly for each of them (Besag and Clifford, Biometrika 78 (1991) 301); for the Kolmogorov test p is "
            "spread evenly over the step below it. p at 3 TeV is the asymptotic one of `stats.local_significance`, one "
            "half where no signal is fitted; beside it stands what the scan finds there, with the order chosen on the "
            f"data, for comparison: no bar is set for it. In {asks:,} sets the package would rather find it by toys, "
            "as it expects fewer than 25 events under the peak.",
            "How far the families are apart: what the analysis finds in the expectation itself, without fluctuations. "
            "Deviance is what the fit of pseudo-data is worse by on average, false Z the fitted signal in units of its "
            "error. The reference case holds a signal at 3 TeV, towards which both functions bend.",
            markdown(head, apart),
            "The tests. With a spurious signal (`stats.spurious_signal` of the other family, found on each "
            "pseudo-data set) p-values may come out too large, as its measurement does not fluctuate in the "
            "pseudo-data; only too small ones are a miss. Both families profiled: an envelope of all their orders. In "
            "the picture grey is two standard deviations of uniform p-values.",
            markdown(head_2, rows),
            f"![Histograms of the p-values, next to uniform ones]({PICTURE})",
        ]
    )


def draw(result: Json, folder: Path) -> None:
    """The picture of the section, in the folder of the page."""
    import_module("stats_parts.picture").draw(result, folder / PICTURE)  # which imports this module
