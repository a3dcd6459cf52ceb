"""A workspace for pyhf (HistFactory JSON): exact but for the background, which is linearised at its fit."""

from typing import Any

import numpy as np

from lamppost.core import Array
from lamppost.stats.export.binned import Binned, changes_yield, moves_shape
from lamppost.stats.limits.systematics import Systematic
from lamppost.stats.limits.workspace import SPURIOUS, Workspace

__all__ = ["to_pyhf"]

REACH = 10.0  # standard deviations that free parameters may move
CHANNEL, POI = "spectrum", "signal_yield"
MEASUREMENT = "approximate: background linearised at its fit"


def to_pyhf(workspace: Workspace) -> dict[str, Any]:
    """The workspace as a pyhf 1.0.0 workspace, a plain JSON object: `pyhf.Workspace(to_pyhf(workspace))`.

    HistFactory knows no parametric shapes. The background is the sum of its fit and of its first-order changes by one
    standard deviation in each of P independent directions, samples scaled by free parameters; good as long as it stays
    within some standard deviations. Systematic uncertainties interpolate between nominal, +1 and -1 sigma by pyhf's
    codes 4 and 4p. The name of the measurement says "approximate". The parameter of interest is the signal yield in
    events, 0 to 10 standard deviations above its fit; bins hold equivalent events of a weighted spectrum.

    Raises
    ------
    FitError
        If the background fit does not converge.
    """
    binned = Binned(workspace)
    yields = [
        modifier(binned.names[source.name], "normsys", {"hi": source.kappa(1.0), "lo": source.kappa(-1.0)})
        for source in workspace.systematics
        if changes_yield(source)
    ]
    shapes = [histosys(source, binned) for source in workspace.systematics if moves_shape(source, workspace)]
    samples = [
        sample("signal", binned.fractions, [modifier(POI, "normfactor", None), *yields, *shapes]),
        sample("background", binned.background, []),
    ]
    free = [f"background_{k + 1}" for k in range(len(binned.slopes))]
    samples += [
        sample(name, change, [modifier(name, "normfactor", None)])
        for name, change in zip(free, binned.slopes, strict=True)
    ]
    if workspace.spurious > 0.0:
        extra = workspace.spurious * binned.fractions
        spurious = modifier(SPURIOUS, "histosys", {"hi_data": extra.tolist(), "lo_data": (-extra).tolist()})
        samples.append(sample("spurious_signal", np.zeros_like(extra), [spurious, *yields]))
    top = max(binned.yield_guess, 0.0) + REACH * binned.yield_error
    parameters = [{"name": POI, "inits": [max(binned.yield_guess, 0.0)], "bounds": [[0.0, top]]}]
    parameters += [{"name": name, "inits": [0.0], "bounds": [[-REACH, REACH]]} for name in free]
    return {
        "channels": [{"name": CHANNEL, "samples": samples}],
        "observations": [{"name": CHANNEL, "data": binned.observed.tolist()}],
        "measurements": [{"name": MEASUREMENT, "config": {"poi": POI, "parameters": parameters}}],
        "version": "1.0.0",
    }


def sample(name: str, data: Array, modifiers: list[dict[str, Any]]) -> dict[str, Any]:
    """A sample with what changes it."""
    return {"name": name, "data": data.tolist(), "modifiers": modifiers}


def modifier(name: str, kind: str, data: object) -> dict[str, Any]:
    """A modifier; those of one name share their parameter."""
    return {"name": name, "type": kind, "data": data}


def histosys(source: Systematic, binned: Binned) -> dict[str, Any]:
    """The change of the signal's shape by a source."""
    up, down = binned.responses(source)
    return modifier(binned.names[source.name], "histosys", {"hi_data": up.tolist(), "lo_data": down.tolist()})
