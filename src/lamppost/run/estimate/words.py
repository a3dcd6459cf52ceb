"""An estimate in words."""

from collections.abc import Iterator, Mapping
from typing import Any

from lamppost.run.quantities import clock, size

__all__ = ["lines"]

_SHOWN = 4
"""So many sorts of which nothing is known are named."""


def lines(found: Mapping[str, Any]) -> Iterator[str]:
    """The estimate as lines of text."""
    head = ("stage", "tasks", "there", "left", "measured", "CPU", "disk")
    yield f"{head[0]:<12}" + "".join(f"{name:>10}" for name in head[1:])
    for row in found["stages"]:
        counts = "".join(f"{row[name]:>10}" for name in ("planned", "there", "left", "measured"))
        yield f"{row['stage']:<12}{counts}{_hours(row['cpu_s']):>10}{size(row['bytes']):>10}"
    low, high = found["cpu_s_range"]
    workers = f"{found['workers']} worker{'s' * (found['workers'] > 1)}"
    yield f"{'start-up':<12}{'':>40}{_hours(found['cpu_s_once']):>10}"
    yield f"CPU time     {_hours(found['cpu_s'])}, between {_hours(low)} and {_hours(high)}"
    yield f"wall time    {clock(found['wall_s'])} with {workers}, if each has a core of its own"
    yield f"disk         {size(found['bytes'])} of artefacts to come, {size(found['disk_free'])} free"
    yield f"memory       {found['rss_mb']:.0f} MB per worker"
    if found["guessed"]:
        more = f"; and {len(found['guessed']) - _SHOWN} sorts of less" if len(found["guessed"]) > _SHOWN else ""
        some = "; ".join(found["guessed"][:_SHOWN])
        yield f"not measured, guessed from other stages within a factor of 3: {some}{more}"
    if found["bytes"] > found["disk_free"]:
        yield "the disk has not enough room"


def _hours(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.3g} h"
    return f"{seconds:.0f} s" if seconds >= 100 else f"{seconds:.3g} s"
