"""What all runs have in common: columns, window, methods, and how a configuration is put together."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Json = dict[str, Any]

WINDOW, REACH, FIT_RANGE = (3300.0, 3700.0), 400.0, (2800.0, 8000.0)
_MASSES = ["mj1", "dm"]
SETS: Mapping[int, list[str]] = {
    4: [*_MASSES, "tau21_j1", "tau21_j2"],
    10: [*_MASSES, *(f"{ratio}_{jet}" for jet in ("j1", "j2") for ratio in ("tau21", "tau32", "tau43", "tau54"))],
    12: [*_MASSES, *(f"tau{order}_{jet}" for jet in ("j1", "j2") for order in range(1, 6))],
}
"""The feature sets, as the presets lhco4, lhco10 and lhco12 name them."""
WIDE = ["mjj", *dict.fromkeys(name for names in SETS.values() for name in names)]
"""The columns that all sets together need."""

METHODS: Mapping[str, Json] = {
    "supervised": {"kind": "supervised"},
    "idealised": {"kind": "idealised"},
    "cwola": {"kind": "cwola"},
    "cathode": {"kind": "cathode"},
    "lacathode": {"kind": "lacathode"},
    "curtains": {"kind": "curtains"},
    "anode": {"kind": "anode"},
    "ranode": {"kind": "ranode"},
    "salad": {"kind": "salad"},
    "feta": {"kind": "feta"},
    "sa_cwola": {"kind": "sa_cwola"},
    "simulation": {"kind": "weak", "template": {"kind": "simulated"}},
    "tnt": {"kind": "tnt"},
    "tagger": {"kind": "tagger"},
    "combination": {"kind": "combination"},
    "combination_rank": {"kind": "combination", "how": "rank"},
    "combination_learned": {"kind": "combination", "how": "learned"},
    "random": {"kind": "random"},
}
"""Every method with its shipped defaults; `simulation` and `tagger` are what others have to beat."""
ASSISTED = ("salad", "feta", "sa_cwola", "simulation")


def chosen(names: Iterable[str]) -> dict[str, Json]:
    """The tables of these methods."""
    import methods_parts.tagger  # noqa: F401  the kind `tagger` is known once it is imported

    return {name: METHODS[name] for name in names}


def tables(folder: Path, signal: str | None = "wprime", *, wide: bool = False) -> list[str]:
    """The files of background and signal, background alone for None."""
    found = [folder / "tables" / f"{'wide_' if wide else ''}{name}.parquet" for name in ("qcd", signal) if name]
    for path in found:
        if not path.exists():
            raise SystemExit(f"{path}: no such file, expected what `prepare` writes")
    return [str(path) for path in found]


def data(paths: Sequence[str], features: Sequence[str]) -> Json:
    """The table [data]; an event keeps its number whatever features are asked for."""
    found: Json = {"path": list(paths), "mass": "mjj", "features": list(features), "id": ["event"]}
    objects = {jet: [name for name in features if name.endswith(f"_{jet}")] for jet in ("j1", "j2")}
    return {**found, "groups": {"j1": ["mj1", *objects["j1"]], "j2": ["dm", *objects["j2"]]}}


def samples(folder: Path, methods: Iterable[str], *, wide: bool = False) -> Json:
    """The table [samples], if a method asks for simulation."""
    if not set(methods) & set(ASSISTED):
        return {}
    return {"samples": {"simulation": str(folder / "tables" / f"{'wide_' if wide else ''}reference.parquet")}}


def comparison(
    folder: Path,
    methods: Sequence[str],
    compare: Json,
    *,
    seed: int,
    signal: str = "wprime",
    size: int = 4,
    wide: bool = False,
    scan: Json | None = None,
) -> Json:
    """The configuration of a comparison in one window."""
    return {
        "seed": seed,
        "data": {**data(tables(folder, signal, wide=wide), SETS[size]), "label": "label"},
        "scan": {"windows": [list(WINDOW)], "sidebands": REACH, **(scan or {})},
        "methods": chosen(methods),
        "compare": compare,
        "fit": fit(),
        **samples(folder, methods, wide=wide),
    }


def fit() -> Json:
    """The table [fit]."""
    return {"range": list(FIT_RANGE), "function": "dijet", "sqrt_s": 13000}


def hunt(folder: Path, path: Path, method: str, scan: Json, seed: int) -> Json:
    """The configuration of a hunt with one method in one table."""
    return {
        "seed": seed,
        "data": data([str(path)], SETS[4]),
        "scan": {"sidebands": REACH, **scan},
        "methods": chosen([method]),
        "fit": fit(),
        **samples(folder, [method]),
    }
