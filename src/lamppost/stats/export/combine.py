"""Datacards for CMS Combine (arXiv:2404.06614): shapes with ROOT histograms, and cut-and-count."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.stats.counts.counting import Count
from lamppost.stats.export.binned import Binned, changes_yield, moves_shape
from lamppost.stats.export.uhi import Axis, Histogram, write_root
from lamppost.stats.limits.systematics import Systematic
from lamppost.stats.limits.workspace import SPURIOUS, Workspace

__all__ = ["counting_card", "write_shape_card"]

CHANNEL = "spectrum"
PRECISION = 1e-6  # of a bin's integral: histograms hold the integral itself, formulas its changes by some percent
REACH = 10.0  # standard deviations that free parameters may move


def write_shape_card(workspace: Workspace, folder: "str | os.PathLike[str]", name: str = "datacard") -> Path:
    """Write NAME.txt and NAME.root (TH1D) into a folder; the path of the text file.

    Signal strength r is the signal yield in events. The background keeps its parametric form: every bin is a process of
    its own, scaled by a rateParam, the integral of the family over the bin as a formula of P free parameters
    (extArg background_1, ...), independent changes in units of one standard deviation from the background fit.
    Log-normal factors are lnN. Shapes have Up and Down histograms (type shape), which Combine interpolates smoothly:
    approximate between nominal and 1 sigma. The spurious signal is a process scaled by a constrained parameter.
    Histograms hold equivalent events of a weighted spectrum.

    Raises
    ------
    FitError
        If the background fit does not converge.
    LamppostError
        If uproot is not installed.
    """
    binned = Binned(workspace)
    shapes = [source for source in workspace.systematics if moves_shape(source, workspace)]
    signals = {"signal": 1.0} | ({"spurious_signal": workspace.spurious} if workspace.spurious > 0.0 else {})
    histograms = {"data_obs": binned.observed, "background": binned.background}
    for process, size in signals.items():
        histograms[process] = size * binned.fractions
        for source in shapes:
            for side, nu, response in zip(("Up", "Down"), (1.0, -1.0), binned.responses(source), strict=True):
                histograms[f"{process}_{binned.names[source.name]}{side}"] = size * source.kappa(nu) * response
    bins = [f"background_bin{i + 1}" for i in range(len(binned.observed))]
    for i, process in enumerate(bins):
        histograms[process] = np.where(np.arange(len(bins)) == i, binned.background, 0.0)
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    axis = Axis(binned.edges)
    write_root(target / f"{name}.root", {key: Histogram(axis, content) for key, content in histograms.items()})
    card = target / f"{name}.txt"
    card.write_text("\n".join(shape_lines(binned, shapes, list(signals), bins, f"{name}.root")) + "\n")
    return card


def shape_lines(
    binned: Binned, shapes: Sequence[Systematic], signals: list[str], bins: list[str], file: str
) -> list[str]:
    """The lines of a shape card with the processes of `signals` (a spurious one last) and of the background's bins."""
    workspace, processes = binned.workspace, [*signals, *bins]
    lines = [
        f"# bump hunt at m = {workspace.mass:g}; r is the signal yield in events, set its range (--rMin, --rMax)",
        *header(1, len(processes) - 1),
        f"shapes * {CHANNEL} {file} $PROCESS $PROCESS_$SYSTEMATIC",
        "-" * 20,
        f"bin {CHANNEL}",
        "observation -1",
        "-" * 20,
        *table([(CHANNEL, process, -1.0) for process in processes], {"signal": 0}),
    ]
    for source in workspace.systematics:
        name = binned.names[source.name]
        if source in shapes:  # its histograms hold what it does to the yield
            lines.append(f"{name} shape {' '.join('1' if process in signals else '-' for process in processes)}")
        elif changes_yield(source):
            cells = [log_normal(source) if process in signals else "-" for process in processes]
            lines.append(f"{name} lnN {' '.join(cells)}")
    if len(signals) > 1:
        lines += [f"{SPURIOUS} param 0 1", f"{SPURIOUS}_rate rateParam {CHANNEL} {signals[1]} (@0) {SPURIOUS}"]
    return [*lines, *background_lines(binned)]


def background_lines(binned: Binned) -> list[str]:
    """Free parameters of the background, and how the rate of each bin follows them relative to the fit."""
    rule = binned.quadrature(PRECISION)
    change = np.einsum("qpn,pk->qkn", rule[1], binned.directions)
    terms = binned.terms(rule)
    share = terms / terms.sum(axis=0)
    free = [f"background_{k + 1}" for k in range(change.shape[1])]
    lines = [f"{name} extArg 0 [{-REACH:g},{REACH:g}]" for name in free]
    for i in range(change.shape[2]):
        formula = "+".join(f"{share[q, i]:.12g}*exp({exponent(change[q, :, i])})" for q in range(len(share)))
        lines.append(f"rate_bin{i + 1} rateParam {CHANNEL} background_bin{i + 1} ({formula}) {','.join(free)}")
    return lines


def exponent(factors: Array) -> str:
    """factor*@0+factor*@1+..."""
    return "+".join(f"({factor:.10g})*@{k}" for k, factor in enumerate(factors))


def counting_card(count: Count, *, signal: float = 1.0) -> str:
    """The text of a cut-and-count card with `signal` events at r = 1.

    The background is scaled by a free parameter in signal region and control region together (constraint "gamma": two
    channels), by a Gaussian parameter ("gaussian") or a log-normal one ("lognormal", lnN).

    Raises
    ------
    ConfigError
        If there is no signal.
    """
    if not signal > 0.0:
        msg = f"counting card: the signal at r = 1 must be more than 0 events, found {signal!r}"
        raise ConfigError(msg)
    n_off, tau = count.control if count.error > 0.0 and count.constraint == "gamma" else (0.0, 0.0)
    unit = count.background or count.error  # of the background's scale
    channels = {"signal_region": (count.observed, unit)} | (
        {"control_region": (n_off, tau * unit)} if tau > 0.0 else {}
    )
    rates = [("signal_region", "signal", signal)] + [(name, "background", rate) for name, (_, rate) in channels.items()]
    lines = [
        f"# cut-and-count; {signal:g} signal events at r = 1",
        *header(len(channels), 1),
        f"bin {' '.join(channels)}",
        f"observation {' '.join(f'{seen:.12g}' for seen, _ in channels.values())}",
        "-" * 20,
        *table(rates, {"signal": 0}),
    ]
    others = ["-"] * len(channels)
    if count.signal_error > 0.0:
        lines.append(f"signal_yield lnN {1.0 + count.signal_error:.12g} {' '.join(others)}")
    relative = count.error / unit
    if tau > 0.0:
        lines.append(
            f"background_yield rateParam * background {count.background / unit:.12g} [0,{REACH * (1 + relative):.6g}]"
        )
    elif count.error > 0.0 and count.constraint == "gaussian":
        lines.append(f"background_yield param 1 {relative:.12g}")
        lines.append("background_rate rateParam signal_region background (@0) background_yield")
    elif count.error > 0.0:
        lines.append(f"background_yield lnN - {1.0 + relative:.12g}")
    return "\n".join(lines) + "\n"


def header(channels: int, backgrounds: int) -> list[str]:
    """How much of everything there is; Combine counts the nuisance parameters itself."""
    return [f"imax {channels}", f"jmax {backgrounds}", "kmax *", "-" * 20]


def table(rates: Sequence[tuple[str, str, float]], signals: Mapping[str, int]) -> list[str]:
    """The lines of channels, processes and rates; signals have numbers of zero and below."""
    numbers = dict(signals)
    for _, process, _ in rates:
        numbers.setdefault(process, 1 + sum(number > 0 for number in numbers.values()))
    return [
        f"bin {' '.join(channel for channel, _, _ in rates)}",
        f"process {' '.join(process for _, process, _ in rates)}",
        f"process {' '.join(str(numbers[process]) for _, process, _ in rates)}",
        f"rate {' '.join(f'{rate:.12g}' for _, _, rate in rates)}",
        "-" * 20,
    ]


def log_normal(source: Systematic) -> str:
    """down/up of a log-normal, or one number if it is symmetric."""
    up, down = source.kappa(1.0), source.kappa(-1.0)
    return f"{up:.12g}" if abs(up * down - 1.0) < 1e-9 else f"{down:.12g}/{up:.12g}"
