"""What a calibration is good for: the configuration, efficiency and number of events that it was made with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lamppost import __version__
from lamppost.config import Search
from lamppost.errors import ConfigError
from lamppost.run.quantities import about
from lamppost.spec import digest

__all__ = ["TOLERANCE", "certificate", "certified", "configuration_of"]

Json = dict[str, Any]
TOLERANCE = 0.1
"""Relative difference in the number of events up to which a calibration holds: sculpting grows like their root."""


def configuration_of(search: Search) -> str:
    """The hash of all that decides how a hunt is made: not where its data are, nor its seed, nor what calibrates it.

    The control region is hunted in the same way as what `select` keeps: one certificate is about both.
    """
    data = search.data.model_dump(mode="json", exclude={"path", "id", "invert"})
    parts = [search.scan, dict(search.methods.items()), search.fit]
    return digest("configuration", data, parts, search.samples.simulation is not None)[:32]


def certificate(search: Search, result: Mapping[str, Any]) -> Json:
    """The short statement that a calibration ends with."""
    null = result["null"]["global"]
    return {
        "schema": 1,
        "lamppost": __version__,
        "configuration": configuration_of(search),
        "data_sha256": result["data"]["sha256"],
        "control_region": search.data.invert,
        "events": result["events"],
        "efficiency": list(search.scan.efficiency),
        "experiments": null["n"],
        "failed": null["failed"],
        **{name: null[name] for name in ("valid", "uniform", "ks", "ks_small")},
        "below_0.05": null["below"]["0.05"],
        "p_global": null["values"],
    }


def certified(path: Path, search: Search, events: float | None) -> Json:
    """The certificate in a file, if it is about this hunt, of so many events.

    Raises
    ------
    ConfigError
        If it is none, or about another configuration or number of events, or says that p-values are not valid.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        configuration, calibrated = str(found["configuration"]), float(found["events"])
        p_global, valid = [float(p) for p in found["p_global"]], bool(found["valid"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        msg = f"{path}: expected the certificate of a calibration: {getattr(error, 'strerror', None) or error!r}"
        raise ConfigError(msg) from None
    if configuration != configuration_of(search):
        msg = f"{path}: certifies configuration {configuration}, this one is {configuration_of(search)}"
        raise ConfigError(msg)
    if events is not None and not abs(events / calibrated - 1.0) <= TOLERANCE:
        msg = f"{path}: certifies {calibrated:.0f} events within {TOLERANCE:.0%}, found about {about(events):.0f}"
        raise ConfigError(msg)
    if not valid or not p_global:
        msg = f"{path}: says that small p-values are too frequent, expected a calibration that holds"
        raise ConfigError(msg)
    return dict(found)
