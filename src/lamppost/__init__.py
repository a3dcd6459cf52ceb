"""lamppost: model-agnostic searches for new physics, from events to a global p-value."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "Events": "lamppost.core",
    "LamppostError": "lamppost.errors",
    "NullGenerator": "lamppost.simulate.null",
    "Window": "lamppost.core",
    "calibrate": "lamppost.api",
    "compare": "lamppost.api",
    "hunt": "lamppost.api",
    "io": "lamppost.io",
    "limits": "lamppost.api",
    "load": "lamppost.storage",
    "save": "lamppost.storage",
    "stats": "lamppost.stats",
}

__all__ = ["__version__", *sorted(_HOME)]


def __getattr__(name: str) -> Any:
    # imported when first used: `import lamppost` costs milliseconds and pulls in no ML framework
    if name not in _HOME:
        msg = f"module 'lamppost' has no attribute {name!r}"
        raise AttributeError(msg)
    home = import_module(_HOME[name])
    return home if home.__name__ == f"lamppost.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return list(__all__)
