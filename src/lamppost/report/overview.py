"""All windows at once: p-value against mass in one figure, and the summary table."""

from typing import Any

from lamppost.report import plots
from lamppost.report.book import Hunt, Part, chosen, figure, span
from lamppost.report.text import count, escape, known, number, percent, plus_minus, probability, table

__all__ = ["overview", "references", "summary"]


def overview(hunt: Hunt) -> str:
    """The p-values of all windows, the inclusive fit and a random score against the mass."""
    curves = [*references(hunt), *_window_curves(hunt)]
    trials = hunt.trials(hunt.best) if hunt.best else None
    windows = "what all windows are worth together" if hunt.combined else "the number of windows"
    caption = "One curve for every window, each with its own selection. " + (
        f"Dashed: the local p-values that are 1 to 5σ global, for {trials:.3g} independent looks (toys inside the best "
        f"window, and {windows}). Dotted: 1 to 5σ local."
        if trials
        else "Dotted: 1 to 5σ local. Lines of global significance need a global p-value, and are left out."
    )
    best = hunt.best_point(hunt.best, _best_text(hunt)) if hunt.best else None
    lines = plots.Lines(trials, "global") if trials else None

    def make() -> plots.Figure:
        return plots.p_values(curves, mass=hunt.mass, lines=lines, best=best, size=(940.0, 400.0))

    return figure(hunt, "overview-scan", "p-value against mass", caption, ({"scans": curves}, "scans"), make, wide=True)


def _best_text(hunt: Hunt) -> str:
    best = hunt.best or {}
    stated = hunt.result.get("p_global") is not None
    return f"local Z = {number(best.get('z_local'))}" + (
        f"\nglobal Z = {number(hunt.result.get('z_global'))}" if stated else ""
    )


def references(hunt: Hunt) -> list[plots.Curve]:
    """The scans that the windows are compared with: the inclusive fit and the random score."""
    looks = {"inclusive": ("inclusive fit", "#1c1d22", "-"), "control": ("random score", "#77777f", (0, (4, 1.5)))}
    curves = []
    for name, (label, colour, line) in looks.items():
        scan = (hunt.details.get(name) or {}).get("scan") or {}
        if scan.get("mass") and scan.get("p"):
            curves.append(plots.Curve(label, scan["mass"], scan["p"], colour, line, 1.2))
    return curves


def _window_curves(hunt: Hunt) -> list[plots.Curve]:
    """The scans of the quoted efficiencies: a colour for every method, a label for its first window only."""
    methods = list(dict.fromkeys(str(window.get("method")) for window in hunt.windows))
    colours = dict(zip(methods, plots.colours(), strict=False))
    curves: list[plots.Curve] = []
    for index, window in enumerate(hunt.windows):
        scan = chosen(window, hunt.details_of(index)).get("scan") or {}
        if not (scan.get("mass") and scan.get("p")):
            continue
        method, claim = str(window.get("method")), window.get("claim", True)
        label = method if claim else f"{method} (validation)"
        label = "" if any(curve.label == label for curve in curves) else label
        line, width = ("-" if claim else ":"), (2.4 if window is hunt.best else 1.5)
        curves.append(plots.Curve(label, scan["mass"], scan["p"], colours[method], line, width))
    return curves


_HEAD = (
    *("Window", "Method", "Events inside", "Efficiency", "Kept", "Expected", "Best mass", "Fitted signal"),
    *("Z local", "Z window", "Sculpting p", "Fit, χ² / ndf"),
)


def summary(hunt: Hunt) -> str:
    """A row for every window and both comparisons; the largest excess is marked."""
    rows = [_row(hunt, index) for index in range(len(hunt.windows))]
    marks = ["best" if window is hunt.best else "" if window.get("claim", True) else "aside" for window in hunt.windows]
    for name, label in (("inclusive", "All events"), ("control", "Random score")):
        if part := hunt.part(name):
            head = f'{label} <span class="badge">comparison</span>'
            rows.append([head, *("–",) * 5, *_fit_cells(part, part.get("z_global")), "–", _quality(part)])
            marks.append("aside")
    caption = "Z window counts every place inside the window, by toys; for a comparison, every place in the fit range."
    return table(_HEAD, rows, classes=marks, caption=caption)


def _row(hunt: Hunt, index: int) -> list[str]:
    window = hunt.windows[index]
    badge = "" if window.get("claim", True) else ' <span class="badge">validation</span>'
    badge = ' <span class="badge">largest</span>' if window is hunt.best else badge
    p = window.get("sculpting_p")
    sculpting = f'<span class="alert">{probability(p)} !</span>' if known(p) and p < 0.01 else probability(p)
    return [
        f'<a href="#w{index + 1:02d}">{span(window)}</a>{badge}',
        escape(window.get("method")),
        count(window.get("n_sr")),
        percent(window.get("efficiency")),
        count(window.get("n_selected")),
        plus_minus(window.get("n_expected"), window.get("n_expected_error")),
        *_fit_cells(window, window.get("z_window")),
        sculpting,
        _quality(window),
    ]


def _fit_cells(part: Part, z: Any) -> list[str]:
    signal = plus_minus(part.get("signal"), part.get("signal_error"))
    return [number(part.get("best_mass"), ".5g"), signal, number(part.get("z_local")), number(z)]


def _quality(part: Part) -> str:
    fit = part.get("fit") or {}
    quality = f", {number(fit['chi2'], '.1f')} / {number(fit.get('ndf'), 'g')}" if known(fit.get("chi2")) else ""
    return f"{escape(fit.get('function'))}{quality}"
