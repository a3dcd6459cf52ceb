"""What is timed: pieces of work, repeated for a while."""

import contextlib
import io
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from iminuit import Minuit

from lamppost.core import Array
from lamppost.stats import Spectrum, Workspace, bump_hunter, signal
from lamppost.stats.fits.fit import unmasked
from lamppost.stats.limits.envelope import likelihood
from lamppost.stats.limits.limits import limit_of
from lamppost.stats.limits.statistic import Profile
from lamppost.stats.limits.toy_limits import toy_cls
from lamppost.stats.scans.choices import plan
from lamppost.stats.scans.procedure import procedure
from lamppost.stats.scans.search import Search, prepare
from lamppost.stats.shapes.background import Dijet
from lamppost.stats.toys import BLOCK, seed_sequence
from stats_parts.cases import MASS, MASSES, SIGNAL
from stats_parts.kept import cpu

__all__ = ["FITS", "HUNTS", "MINUIT", "OTHER", "TOYS", "WINDOWS", "other_hunter", "rate", "works"]

Json = dict[str, Any]
Work = Callable[[], int]

FITS, TOYS, HUNTS = "background fits", "full toys (background + 41 signal fits)", "toys of the BumpHunter with refit"
MINUIT, OTHER = "iminuit background fits", "pyBumpHunter toys without refit"
WINDOWS = (2, 10)  # bins of the intervals of both BumpHunters
SOURCES = (
    {"kind": "normalisation", "name": "luminosity", "up": 1.016},
    {"kind": "normalisation", "name": "efficiency", "up": 1.12, "down": 0.93},
    {"kind": "mass", "name": "scale", "size": 0.01},
    {"kind": "width", "name": "resolution", "size": 0.1},
)


def rate(work: Work, seconds: float) -> Json:
    """Items, CPU seconds and items per CPU second of repeating `work` for so long, the best of three."""
    return max((once(work, seconds) for _ in range(3)), key=lambda found: found["per_cpu_s"])


def once(work: Work, seconds: float) -> Json:
    """Repeat `work` for so many CPU seconds, those of child processes included."""
    done, begin = 0, cpu()
    while cpu() - begin < seconds:
        done += work()
    spent = cpu() - begin
    return {"done": done, "seconds": spent, "per_cpu_s": done / spent}


def minuit(search: Search, counts: Array) -> int:
    """One background fit by iminuit, strategy 1 and tolerance 1e-3, of the same likelihood."""
    model = search.model
    basis, weight = model.basis[:, :4], model.weight

    def nll(theta: Array) -> float:
        mu = np.sum(weight * np.exp(np.einsum("qpi,p->qi", basis, theta)), axis=0)
        return float(np.sum(mu - counts * np.log(mu)))

    fit = Minuit(nll, search.starts[4, :4])
    fit.errordef, fit.strategy, fit.tol = Minuit.LIKELIHOOD, 1, 1e-3
    fit.migrad()
    return 1


def other_hunter(data: Spectrum, expected: Array, toys: int) -> float:
    """Global p by pyBumpHunter, whose toys are compared with the background that they are drawn from."""
    from pyBumpHunter import BumpHunter1D

    with contextlib.redirect_stdout(io.StringIO()):
        fewest, most = WINDOWS
        hunter = BumpHunter1D(width_min=fewest, width_max=most, npe=toys, bins=data.edges, nworker=1, seed=1)
        hunter.bump_scan(data.counts, expected, is_hist=True)
    return float(hunter.global_Pval)


def works(data: Spectrum, seed: int) -> dict[str, Work]:
    """What is repeated, by name: each does some and says how many."""
    bins, shape = unmasked(data, None), signal(SIGNAL)
    search = prepare(data, Dijet(), shape, MASSES, bins, 4)
    alone = replace(search, fractions=search.fractions[:0], masses=MASSES[:0], spurious=MASSES[:0])
    ordered, akaike = (prepare(data, Dijet(), shape, MASSES, bins, order) for order in (None, "aic"))
    spurious = prepare(data, Dijet(), shape, MASSES, bins, 4, None, 0.3 * search.found[:, 2])
    families = procedure(data, plan(["dijet", "diphoton", "ua2"], None, None, "aic", ()), shape, MASSES, None)
    rng = np.random.default_rng([seed, 2])
    counts = rng.poisson(search.expected, size=(BLOCK, len(data.counts))).astype(float)
    many = np.tile(counts, (40, 1))
    measured = spurious.measured(rng.standard_normal(counts.shape))
    made: dict[str, Work] = {
        FITS: lambda: len(alone.toys(many)),
        TOYS: lambda: len(search.toys(counts)),
        "full toys with F-test": lambda: len(ordered.toys(counts)),
        "full toys with AIC": lambda: len(akaike.toys(counts)),
        "full toys with a spurious signal": lambda: len(spurious.repeat(counts, measured).q0),
        "full toys with a choice of 3 families": lambda: len(families.repeat(counts, rng)[0]),
        HUNTS: lambda: bump_hunter(data, n_parameters=4, widths=WINDOWS, toys=1000).n_toys,
    }
    models: dict[str, Json] = {
        "plain": {"n_parameters": 4},
        "4 systematics and spurious signal": {"n_parameters": 4, "systematics": SOURCES, "spurious": 20.0},
        "all orders profiled": {},
    }
    for name, more in models.items():
        model = likelihood(Workspace(data, MASS, signal=SIGNAL, **more))
        made[f"asymptotic limits with bands, {name}"] = partial(limits, model)
        made[f"toys of a limit, {name}"] = partial(limit_toys, model)
    for work in made.values():  # compiles
        work()
    made[MINUIT] = lambda: minuit(search, counts[0])
    made[OTHER] = lambda: 200 * bool(other_hunter(data, search.expected, 200) >= 0.0)
    return made


def limits(model: Profile) -> int:
    """One asymptotic limit with its expected bands."""
    limit_of(model.with_data(model.n, model.centres))
    return 1


def limit_toys(model: Profile) -> int:
    """Toys of both hypotheses at one yield."""
    toy_cls(model, np.array([200.0]), 500, seed_sequence(0))
    return 1000
