"""The page of the cost model."""

from collections.abc import Iterable, Mapping
from typing import Any

from scaling_parts.model import Constants

HEAD = """# What a campaign costs

Made by `python benchmarks/scaling.py measure TABLES --out OUT` and `model OUT --spectrum cms_dijet.csv --overhead
tasks.json` on {machine}: samples of {sizes} background events, shipped defaults.
A plan, not a measurement: constants are measured at the sizes above and extrapolated to {events:,.0f} events, up to
{far:.0f} times as many near one window. For your own configuration ask `lamppost hunt --dry-run`.

## The model

A task takes

> constant + a × (events in the region and its sidebands) + b × (events in the fit range)

of CPU time, bytes and memory likewise, with constants by method and stage (non-negative least squares of relative
errors). The first task of a window in a worker compiles what it needs for samples of this size; on many workers that is
nearly every task, and every one is counted so. n tasks of C CPU seconds on N cores, one worker each, take

> max( (C + n h<sub>w</sub>) / N + o,  n h<sub>s</sub>,  o + longest task )

where o is what a worker pays once for imports, h<sub>w</sub> and h<sub>s</sub> what one task costs its
worker and the scheduler besides. The scheduler serves one task after the other: it bounds tasks per second, however
many workers there are. `python benchmarks/cluster.py tasks` measures how fast two workers get through empty tasks; that
is taken for h<sub>s</sub>, and twice that for h<sub>w</sub>.

"""
CASE = """## A campaign as large as CMS CASE

CMS CASE (arXiv:2412.03747): 138/fb, twelve signal regions, sidebands of one bin to either side, 5 folds;
{methods} methods, {signals} signals, {strengths} strengths. Assumed: {events:,.0f} dijets in the fit range (the
published CMS dijet spectrum, arXiv:1911.03947, has 6.6 million above 1530 GeV with |Δη| < 1.1), distributed in *m* as
there; each injection trains one window anew, the one around its mass, once; signals lie evenly among the windows. The
methods are those of this page: two of CASE's, a variational autoencoder and QUAK, are not among them. Expected limits
hold the trained selections (`pseudo_data` = 0): n sets of pseudo-data are 3 n more injections for each signal and
method, at w working points up to (w + 2) n ([](limits.md)).

"""
GPU = """## One GPU

Not measured. Networks and flows train all members, folds and windows of one shape in one compiled loop. J trainings in
batches of B take

> ceil(J / B) × steps × t(B) + compilation

with t(B) the time of one step of B trainings. As long as the batch does not fill the device t(B) hardly depends on B.
Needed: t(B) for B = 1, 10, 100 and the time of compilation, on the GPU in question; then `gpu_s` in
`benchmarks/scaling_parts/model.py` gives the seconds. Trees, and so the classifiers of `cwola`, `tnt`, `cathode` and
`curtains`, stay on the CPU.
"""


def page(result: Mapping[str, Any], known: Constants) -> str:
    """The page."""
    about, campaign = result["about"], result["campaign"]
    near = campaign["near"]
    sizes = ", ".join(f"{size:,}" for size in about["sizes"])
    far = max(near) / about["near"]
    head = HEAD.format(machine=about["machine"], sizes=sizes, events=campaign["events"], far=far)
    case = CASE.format(**{**campaign, "methods": len(campaign["methods"])})
    return head + _constants(known) + case + _costs(result) + _walls(result) + GPU


def _constants(known: Constants) -> str:
    rows = [
        (
            f"{method}, {stage}",
            f"{line.constant:.3g}",
            f"{1e6 * line.per_near:.3g}",
            f"{1e6 * line.per_event:.3g}",
            f"{known.compile_s[method, stage]:.2g}",
            f"{line.residual:.2f}",
            f"{known.bytes[method, stage].per_event:.3g}",
        )
        for (method, stage), line in known.cpu_s.items()
    ]
    head = (
        "task",
        "constant [s]",
        "per 10⁶ near",
        "per 10⁶ in all",
        "compilation [s]",
        "worst ratio",
        "bytes per event",
    )
    once = f"\nOnce per worker: {known.once:.0f} CPU s.\n\n"
    return _table(head, rows) + once


def _costs(result: Mapping[str, Any]) -> str:
    rows = [(what, f"{result['tasks'][what]:,}", f"{hours:,.1f}") for what, hours in result["cpu_h"].items()]
    rows.append(("all", f"{sum(result['tasks'].values()):,}", f"{sum(result['cpu_h'].values()):,.1f}"))
    about = (
        f"\nArtefacts: {result['bytes'] / 1e9:,.0f} GB. Memory: {result['rss_mb'] / 1e3:.1f} GB per worker. Longest "
        f"task: {result['longest_s'] / 60:.0f} min.\n\n"
    )
    return _table(("what", "tasks", "CPU h"), rows) + about


def _walls(result: Mapping[str, Any]) -> str:
    cores = list(next(iter(result["wall_h"].values())))
    rows = [(name, *(f"{some[n]:,.2f}" for n in cores)) for name, some in result["wall_h"].items()]
    head = ("overhead per task", *(f"{n} core{'s' * (int(n) > 1)} [h]" for n in cores))
    return "Wall time:\n\n" + _table(head, rows) + "\n"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head)]
    lines += [["---"] * len(lines[0]), *(list(row) for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
