"""A hunt that never ran: result and details with the shapes of real ones, from a falling spectrum with a bump in it."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

Json = dict[str, Any]
EDGES = np.linspace(2800.0, 8000.0, 66)
CENTRES = 0.5 * (EDGES[1:] + EDGES[:-1])
NAMES = ("mj1", "dm", "tau21_1", "tau21_2")


def falling(total: float) -> np.ndarray:
    shape = np.exp(-(CENTRES - 2800.0) / 480.0)
    return total * shape / shape.sum()


def bump(total: float, mass: float = 3490.0) -> np.ndarray:
    shape = np.exp(-0.5 * ((CENTRES - mass) / 100.0) ** 2)
    return total * shape / shape.sum()


def spectrum(rng: np.random.Generator, total: float, signal: float) -> Json:
    background, extra = falling(total), bump(signal)
    counts = rng.poisson(background + extra)
    pulls = (counts - background) / np.sqrt(np.maximum(background, 1.0))
    return {
        "edges": EDGES.tolist(),
        "counts": counts.tolist(),
        "errors": np.sqrt(counts).tolist(),
        "background": background.tolist(),
        "pulls": pulls.tolist(),
        "signal": extra.tolist(),
    }


def p_of(z: np.ndarray) -> list[float]:
    return [0.5 * math.erfc(value / math.sqrt(2.0)) for value in z]


def scan(lo: float, hi: float, peak: float, rng: np.random.Generator) -> Json:
    mass = np.arange(lo, hi + 1.0, 20.0)
    z = peak * np.exp(-0.5 * ((mass - 3490.0) / 90.0) ** 2)
    z += 0.9 * np.sin(mass / 70.0 + rng.uniform(0.0, 6.0)) * (0.25 if peak > 3 else 1.0)
    return {"mass": mass.tolist(), "z": z.tolist(), "p": p_of(z)}


def window_detail(lo: float, peak: float, rng: np.random.Generator, efficiencies: list[float], names: Any) -> Json:
    edges = np.linspace(-3.0, 9.0, 61)
    middle = 0.5 * (edges[1:] + edges[:-1])
    sb = rng.poisson(40000 * 0.2 * np.exp(-0.5 * (middle / 1.1) ** 2) / 2.7)
    sr = rng.poisson(12000 * 0.2 * np.exp(-0.5 * (middle / 1.1) ** 2) / 2.7 + 8.0 * np.exp(-0.5 * (middle - 6.0) ** 2))
    entries = []
    for efficiency in efficiencies:
        coarse = np.linspace(2800.0, 8000.0, 21)
        kept = rng.poisson(efficiency * 150000 * np.exp(-np.arange(20) / 3.0) / 3.5)
        total = 150000 * np.exp(-np.arange(20) / 3.0) / 3.5
        entries.append(
            {
                "efficiency": efficiency,
                "spectrum": spectrum(rng, 150000 * efficiency, 18.0 * peak),
                "scan": scan(lo, lo + 400.0, peak, rng),
                "sculpting": {
                    "edges": coarse.tolist(),
                    "kept": kept.tolist(),
                    "total": total.tolist(),
                    "fraction": (kept / total).tolist(),
                    "error": (np.sqrt(kept) / total).tolist(),
                    "chi2": 17.2,
                    "ndf": 19,
                    "p": 0.58,
                },
            }
        )
    features = []
    for n, name in enumerate(names):
        grid = np.linspace(0.0, 1.0 if "tau" in name else 600.0, 41)
        unit = np.linspace(0.0, 1.0, 40)
        features.append(
            {
                "name": name,
                "edges": grid.tolist(),
                "selected": rng.poisson(60 * np.exp(-0.5 * ((unit - 0.3 - 0.1 * n) / 0.09) ** 2) + 4).tolist(),
                "sidebands": rng.poisson(3000 * unit**0.7 * np.exp(-4.0 * unit)).tolist(),
            }
        )
    events = [
        {
            "index": int(rng.integers(150000)),
            "m": float(rng.normal(3490.0, 80.0)),
            "score": 9.1 - 0.2 * k,
            "features": {name: float(rng.uniform(0.0, 500.0)) for name in names},
        }
        for k in range(8)
    ]
    return {
        "lo": lo,
        "hi": lo + 400.0,
        "reach": 400.0,
        "method": "cwola",
        "scores": {
            "edges": edges.tolist(),
            "sr": sr.tolist(),
            "sb": sb.tolist(),
            "thresholds": [2.6 + 0.6 * k for k in range(len(efficiencies))],
        },
        "efficiencies": entries,
        "features": features,
        "top_events": events,
    }


def window_result(lo: float, detail: Json, *, claim: bool) -> Json:
    entry = detail["efficiencies"][0]
    best = int(np.argmax(entry["scan"]["z"]))
    z, p = entry["scan"]["z"][best], entry["scan"]["p"][best]
    p_window = 1.0 - (1.0 - p) ** 4.0 if p > 1e-6 else 4.0 * p
    return {
        "lo": lo,
        "hi": lo + 400.0,
        "method": detail["method"],
        "n_sr": int(40000 * math.exp(-(lo - 2800) / 480.0)),
        "efficiency": entry["efficiency"],
        "n_selected": int(400 * math.exp(-(lo - 2800) / 480.0)),
        "n_expected": 371.3 * math.exp(-(lo - 2800) / 480.0),
        "n_expected_error": 9.7,
        "sculpting_p": 0.004 if lo > 4700 else 0.58,
        "p_local": p,
        "z_local": z,
        "p_window": p_window,
        "z_window": max(z - 0.6, -1.0),
        "best_mass": entry["scan"]["mass"][best],
        "signal": 18.0 * z,
        "signal_error": 16.2,
        "claim": claim,
        "fit": {"function": "dijet3", "n_parameters": 3, "chi2": 58.3, "ndf": 62, "p_value": 0.61},
        "mass_r2": 0.012,
    }


def hunt(
    *,
    starts: tuple[float, ...] = (3200.0, 3400.0, 3600.0, 3800.0, 4000.0, 4200.0, 4400.0, 4600.0, 4800.0),
    peak: float = 7.1,
    efficiencies: tuple[float, ...] = (0.01,),
    names: tuple[str, ...] = NAMES,
) -> tuple[Json, Json]:
    """(result, details) of a hunt whose first two windows hold a bump at 3490; the last window is for validation."""
    rng = np.random.default_rng(5)
    details_of, windows = [], []
    for k, lo in enumerate(starts):
        inside = peak if k == 1 else 0.75 * peak if k == 0 else 0.3
        details_of.append(window_detail(lo, inside, rng, list(efficiencies), names))
        windows.append(window_result(lo, details_of[-1], claim=k < len(starts) - 1 or k == 0))
    inclusive, control = scan(2900.0, 7000.0, 1.6, rng), scan(2900.0, 7000.0, 0.0, rng)
    best = int(np.argmin([window["p_local"] for window in windows]))
    fit = {"function": "dijet4", "n_parameters": 4, "chi2": 66.0, "ndf": 61, "p_value": 0.31}
    p_global = min(1.0, len(starts) * windows[best]["p_window"])
    result = {
        "schema": 1,
        "lamppost": "0.1.0",
        "seed": 1,
        "data": {
            "path": "events.parquet",
            "events": 150000,
            "sha256": "0f" * 32,
            "mass": "mjj",
            "features": list(names),
        },
        "windows": windows,
        "inclusive": {
            "p_local": 0.055,
            "z_local": 1.6,
            "best_mass": 3480.0,
            "p_global": 0.62,
            "z_global": -0.3,
            "signal": 410.0,
            "signal_error": 256.0,
            "fit": fit,
        },
        "control": {"p_global": 0.6, "z_global": -0.25, "p_local": 0.04, "z_local": 1.75, "best_mass": 5160.0},
        "p_global": p_global,
        "z_global": 6.2,
        "p_global_method": "1 - (1 - smallest window p)^windows",
        "best_window": best,
        "warnings": [],
        "wall_s": 131.5,
        "cpu_s": 244.9,
        "max_rss_mb": 913,
        "workers": 2,
        "timing": [{"stage": "train", "cpu_s": 201.3, "tasks": 450}, {"stage": "toys", "cpu_s": 30.2, "tasks": 18}],
        "versions": {"numpy": "2.4.6", "lightgbm": "4.6.0"},
    }
    details = {
        "mass": "mjj",
        "fit_range": [2800, 8000],
        "windows": details_of,
        "inclusive": {"spectrum": spectrum(rng, 150000.0, 400.0), "scan": inclusive},
        "control": {"scan": control},
    }
    return result, details


CONFIG = """seed = 1
[data]
path = "events.parquet"
mass = "mjj"
features = ["mj1", "dm", "tau21_1", "tau21_2"]
[scan]
windows = {from = 3200, to = 5200, width = 400, step = 200}
[method]
kind = "cwola"
"""


def write_folder(folder: Path, result: Json, details: Json | None, config: str | None = CONFIG) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")
    if details is not None:
        (folder / "details.json").write_text(json.dumps(details), encoding="utf-8")
    if config is not None:
        (folder / "config.toml").write_text(config, encoding="utf-8")
    return folder
