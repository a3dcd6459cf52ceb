"""`judge`: densities trained beside the signal region, sampled in it, against true QCD there; and the judge judged."""

from argparse import Namespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Density
from learn_parts import classifiers, data, tables
from learn_parts.figures import auc, auc_error, shown
from learn_parts.isolate import Task, devices, forget_peak, measure, peak_mb, steady

SIDEBANDS = ((2900.0, 3300.0), (3700.0, 4300.0))
SEEDS = 5
DISTORTION = 0.02


def judged(true: NDArray[np.float32], other: NDArray[np.float32], seed: int) -> float:
    """AUC on one half of a classifier grown on the other: LightGBM, 200 trees, otherwise its defaults."""
    from lightgbm import LGBMClassifier

    rng = np.random.default_rng([seed, 3])
    x, y = np.concatenate([true, other]), np.repeat([0, 1], [len(true), len(other)])
    order = rng.permutation(len(y))
    train, test = order[: len(y) // 2], order[len(y) // 2 :]
    settings = {"n_jobs": 1, "random_state": seed, "verbosity": -1, "deterministic": True, "force_row_wise": True}
    model = LGBMClassifier(n_estimators=200, **settings).fit(x[train], y[train])
    score = model.booster_.predict(x[test], raw_score=True, num_threads=1)
    return auc(score[y[test] == 1], score[y[test] == 0])


def calibration(folder: str, how: str, feature: int, events: int | None) -> dict[str, Any]:
    """Two disjoint halves of the true QCD, one of them distorted by 2 % in one feature; new halves for every seed."""
    aucs = []
    for seed in range(SEEDS):
        x = np.array(data.shuffled(data.qcd(folder, data.REGION), np.random.default_rng([seed, 4]))[:events].x)
        true, other = x[: len(x) // 2], x[len(x) // 2 :]
        if how == "scaled":
            other[:, feature] *= 1 + DISTORTION
        if how == "shifted":
            other[:, feature] += DISTORTION * x[:, feature].std()
        aucs.append(judged(true, other, seed))
    return {"auc": aucs, "n": [len(true), len(other)]}


def density(spec: dict[str, Any], folder: str, seed: int, events: int | None) -> dict[str, Any]:
    """A template from the sidebands at the masses of the true events; of all, and of halves as in the calibration."""
    classifiers.known(Density)
    rng = np.random.default_rng([seed, 5])
    training = data.shuffled(data.qcd(folder, *SIDEBANDS), rng)[:events]
    true = data.shuffled(data.qcd(folder, data.REGION), rng)[:events]
    before = forget_peak()
    fit = Density.parse(spec).fit
    fitted, cost = steady("fit", lambda: fit(training, np.random.default_rng([seed, 6])))
    peak = peak_mb()
    template = fitted.sample(true.m, np.random.default_rng([seed, 7]))
    half = len(true) // 2
    return {
        "auc": [judged(true.x, template, s) for s in range(SEEDS)],
        "auc_halves": [judged(true.x[half:], template[:half], s) for s in range(SEEDS)],
        "n": [len(true), len(template)],
        "training": len(training),
        "fit": cost,
        "peak_mb": peak,
        "before_mb": before,
    }


def tasks(options: Namespace) -> list[Task]:
    common = {"folder": options.data, "events": options.events}
    cases = [("same", 0), *((how, i) for how in ("scaled", "shifted") for i in range(len(data.NAMES)))]
    found = [
        Task("judge", f"{how}-{i}", calibration, {"how": how, "feature": i, **common}, ours=False) for how, i in cases
    ]
    there = devices()
    for kind in classifiers.densities():
        spec = classifiers.spec(Density, kind)
        found += [
            Task(kind, f"seed{seed}", density, {"spec": spec, "seed": seed, **common}, device)
            for device in there
            for seed in options.seeds
        ]
    return found


def label(result: dict[str, Any]) -> str:
    """What a line of the table is about."""
    if result["group"] != "judge":
        return f"template by `{result['group']}`, {result['name']}, {result['device']}"
    how, feature = result["name"].split("-")
    if how == "same":
        return "true against true"
    name = data.NAMES[int(feature)]
    return f"true, {name} " + ("x 1.02" if how == "scaled" else "+ 2 % of its standard deviation")


def main(options: Namespace) -> None:
    """Measure, print, write."""
    found = measure(tasks(options), options.out / "judge")
    rows = []
    for r in found:
        if "error" in r:
            rows.append([label(r), r["error"][:60], "", "", ""])
            continue
        whole, halves = (r["auc"], r["auc_halves"]) if "auc_halves" in r else ([], r["auc"])
        clock = "cpu_s" if r["device"] == "CPU" else "wall_s"
        cost = f"{r['fit'][clock]:.1f}" if "fit" in r else ""
        rows.append([label(r), shown(whole, 4), shown(halves, 4), cost, f"{r['peak_mb']:.0f}" if cost else ""])
    if len(found) == sum(r["group"] == "judge" for r in found):
        rows.append(["densities", "absent", "", "", ""])
    n = next((sum(r["n"]) for r in found if r["group"] == "judge" and "n" in r), 0)
    spread = auc_error(max(n // 4, 1), max(n // 4, 1))
    text = (
        f"LightGBM, 200 trees, half of both samples for training, AUC on the other half: median and 68 % of {SEEDS} "
        f"judges. `halves` are two disjoint halves of the {n:,} QCD events in [3300, 3700) GeV, where an AUC of 0.5 "
        f"has a spread of {spread:.4f}; `all` compares all of them with as many sampled at their masses. Templates "
        "are trained in [2900, 3300) and [3700, 4300) GeV."
    )
    table = tables.markdown(["compared with true QCD", "AUC, all", "AUC, halves", "fit, CPU s", "peak MB"], rows)
    tables.write("judge", "Templates in the signal region", text, table, {"draws": found}, options.out)
