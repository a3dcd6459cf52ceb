"""Sizes and times as people write them."""

import re
from math import log10

from lamppost.errors import ConfigError

__all__ = ["about", "clock", "in_bytes", "in_seconds", "size"]

_BYTES = {
    "": 1,
    "B": 1,
    **{f"{name}B": 1000**power for power, name in enumerate("KMGTP", 1)},
    **{f"{name}IB": 1024**power for power, name in enumerate("KMGTP", 1)},
}
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}


def about(number: float) -> float:
    """A positive number to 5 %: the nearest of 24 in a decade, equally far apart; two digits tell 9900 far better."""
    return float(f"{10.0 ** (round(24.0 * log10(number)) / 24.0):.2e}")


def in_bytes(value: int | str, what: str = "size") -> int:
    """Bytes of a size such as 20GB or 1.5 TiB.

    Raises
    ------
    ConfigError
        If it is none; `what` says where it was given.
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*)\s*([A-Za-z]*)\s*", str(value))
    if found is None or found[2].upper() not in _BYTES:
        msg = f"{what}: expected a size such as 20GB, 500 MB or 1.5TiB, found {value!r}"
        raise ConfigError(msg)
    return int(float(found[1]) * _BYTES[found[2].upper()])


def in_seconds(value: float | str, what: str = "time") -> float:
    """Seconds of a time such as 30d or 12h; a number alone is seconds.

    Raises
    ------
    ConfigError
        If it is none; `what` says where it was given.
    """
    found = re.fullmatch(r"\s*(\d+\.?\d*)\s*([smhdw]?)\s*", str(value))
    if found is None:
        msg = f"{what}: expected a time such as 30d, 12h or 90m, found {value!r}"
        raise ConfigError(msg)
    return float(found[1]) * _SECONDS[found[2] or "s"]


def size(count: float) -> str:
    """Bytes in words, decimal: 1.2 GB."""
    for power, name in reversed([*enumerate(("B", "kB", "MB", "GB", "TB", "PB"))]):
        if abs(count) >= 0.9995 * 1000**power or power == 0:
            return f"{count / 1000**power:.0f} B" if power == 0 else f"{count / 1000**power:.3g} {name}"
    raise AssertionError


def clock(seconds: float) -> str:
    """Seconds as a clock shows them: 0:07, 1:02:03, 3 d 4:00:00."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days:d} d {hours:d}:{minutes:02d}:{rest:02d}"
    return f"{hours:d}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:d}:{rest:02d}"
