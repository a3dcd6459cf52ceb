"""A comparison of methods that takes a second: labelled events, simulation, configuration."""

from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from lamppost.config.comparison import load_comparison
from lamppost.run import InlineExecutor
from lamppost.run.compare.comparison import run_comparison
from small_hunt import FIT_RANGE, Json, merged, write_events

WINDOW = [3300.0, 3700.0]
RATIO = {"kind": "boosted", "members": 2, "rounds": 30, "min_leaf": 20}
TIMES = ("wall_s", "cpu_s", "max_rss_mb", "timing", "workers")


def background(n: int, seed: int) -> dict[str, NDArray[Any]]:
    """A mass that falls like a power and two normal features that know nothing of it."""
    rng = np.random.default_rng(seed)
    lo, hi = FIT_RANGE
    mass = lo * (1.0 - rng.random(n) * (1.0 - (lo / hi) ** 6)) ** (-1.0 / 6.0)
    return {"mjj": mass, "a": rng.normal(size=n), "b": rng.normal(size=n), "label": np.zeros(n)}


def signal(n: int, seed: int) -> dict[str, NDArray[Any]]:
    """A peak in the middle of the window, two standard deviations off in both features; a part of it lies outside."""
    rng = np.random.default_rng(seed)
    features = {name: rng.normal(2.0, 0.5, n) for name in ("a", "b")}
    return {"mjj": rng.normal(3500.0, 150.0, n), **features, "label": np.ones(n)}


def labelled(n: int = 12_000, n_signal: int = 2_000, seed: int = 1) -> dict[str, NDArray[Any]]:
    parts = background(n, seed), signal(n_signal, seed + 1)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def comparison(**changes: Any) -> Json:
    """The configuration as a table; `changes` are tables to merge into it, None removes a key."""
    table = {
        "seed": 1,
        "data": {"path": "labelled.parquet", "mass": "mjj", "features": ["a", "b"], "label": "label"},
        "scan": {"windows": [WINDOW], "sidebands": 400.0},
        "methods": {
            "cwola": {"kind": "weak", "ratio": RATIO},
            "best": {"kind": "idealised", "ratio": RATIO},
            "blind": {"kind": "random"},
        },
        "fit": {"range": list(FIT_RANGE), "n_parameters": 3},
        "compare": {"strengths": [0.0, 0.1], "draws": 2, "closure": 1},
    }
    return merged(table, changes)


def write_comparison(folder: Path, **changes: Any) -> Path:
    """Write `labelled.parquet` (unless it is there) and `compare.toml`; the path of the latter."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "labelled.parquet").exists():
        write_events(folder / "labelled.parquet", labelled())
    config = folder / "compare.toml"
    config.write_text(tomli_w.dumps(comparison(**changes)))
    return config


def compared(config: Path, out: Path) -> Json:
    """In this process, without a page."""
    result: Json = run_comparison(load_comparison(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    return result


def timeless(value: Any) -> Any:
    """A result without what may differ between two runs of the same comparison."""
    if isinstance(value, dict):
        return {name: timeless(part) for name, part in value.items() if name not in TIMES}
    return value
