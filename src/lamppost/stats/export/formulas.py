"""Formulas as text, in the subset that HS3 and ROOT read alike: + - * /, exp, log, erf, min, max."""

from collections.abc import Iterable, Mapping
from math import erf, exp, pi, sqrt

from lamppost.stats.limits.systematics import Systematic
from lamppost.stats.limits.workspace import Workspace
from lamppost.stats.shapes.signals import CrystalBall

__all__ = ["number", "peak_functions", "ramp", "sum_of"]


def number(value: float) -> str:
    """A number to 15 digits, in brackets if it is negative."""
    text = f"{float(value):.15g}"
    return f"({text})" if value < 0.0 else text


def sum_of(terms: Iterable[tuple[str, str]]) -> str:
    """factor*name + factor*name + ...; factors of 1 and terms of 0 are left out."""
    return " + ".join(name if factor == "1" else f"{factor}*{name}" for factor, name in terms if factor != "0")


def ramp(name: str, up: float, down: float) -> str:
    """nu * up for nu >= 0, -nu * down below."""
    return f"max({name}, 0.0)*{number(up)} + max(-{name}, 0.0)*{number(down)}"


def peak_functions(workspace: Workspace, moved: Mapping[str, Systematic]) -> tuple[dict[str, str], list[str]]:
    """Named formulas of a peak that moves and stretches, and the share of each bin (n,) in terms of them.

    `moved`: the sources that do it, by the names of their nuisance parameters.

    t = ((edge - M) / stretch - offset M) / sigma(M) with M = mass (1 + shift), as `Peak.fractions` has it; shares are
    differences of the integral of the peak from -infinity to t, over that of the whole range.
    """
    signal, edges = workspace.signal, workspace.spectrum.edges
    # shifts and stretches are linear in their nuisance parameters
    shift = sum_of([("1", "1.0"), *((number(source.shift(1.0)), name) for name, source in moved.items())])
    stretch = sum_of([("1", "1.0"), *((number(source.stretch(1.0)), name) for name, source in moved.items())])
    sigma = number(signal.width) if signal.width is not None else f"{number(signal.resolution)}*peak_mass"
    formulas = {"peak_mass": f"{number(workspace.mass)}*({shift})", "peak_stretch": stretch}
    offset = number(getattr(signal, "offset", 0.0))
    for j, edge in enumerate(edges):
        formulas[f"edge_{j}"] = f"(({number(edge)} - peak_mass)/peak_stretch - {offset}*peak_mass)/({sigma})"
        formulas[f"below_{j}"] = integral(signal, f"edge_{j}")
    last = len(edges) - 1
    formulas["peak_total"] = f"below_{last} - below_0"
    return formulas, [f"(below_{i + 1} - below_{i})/peak_total" for i in range(last)]


def integral(signal: object, t: str) -> str:
    """The integral of a Gaussian or a Crystal Ball from -infinity to t, up to a constant."""
    if not isinstance(signal, CrystalBall):
        return f"erf({t}*{number(sqrt(0.5))})"
    low = half(f"max(-{t}, 0.0)", signal.alpha_low, signal.n_low)
    high = half(f"max({t}, 0.0)", signal.alpha_high, signal.n_high)
    return f"{low} - ({high})"


def half(t: str, alpha: float, n: float) -> str:
    """The integral of one side of a Crystal Ball from t >= 0 to infinity; see `signals.half`."""
    scale = n / alpha
    tail = exp(-0.5 * alpha**2) * scale / (n - 1.0)
    reach = f"log({number(scale)}/({number(scale - alpha)} + max({t}, {number(alpha)})))"
    core = f"erf({number(sqrt(0.5))}*min({t}, {number(alpha)}))"
    flat = number(erf(alpha * sqrt(0.5)))
    return f"{number(tail)}*exp({number(n - 1.0)}*{reach}) + {number(sqrt(0.5 * pi))}*({flat} - {core})"
