"""`closure`: nothing where there is nothing, and the truth where it is known."""

from argparse import Namespace
from typing import Any

import numpy as np
from scipy.stats import multivariate_normal

from lamppost.core import Array, Ratio
from learn_parts import classifiers, data, tables
from learn_parts.figures import auc, auc_error, shown
from learn_parts.isolate import Task, devices, measure, steady

FOLDS = 5
MASSES = (2900.0, 4300.0)
NORMALS = {
    "1-d, shift 1": (multivariate_normal([1.0], [[1.0]]), multivariate_normal([0.0], [[1.0]])),
    "2-d, shift 0.5 and correlation 0.5": (
        multivariate_normal([0.5, 0.5], [[1.0, 0.5], [0.5, 1.0]]),
        multivariate_normal([0.0, 0.0], np.eye(2)),
    ),
}


def halves(spec: dict[str, Any], folder: str, seed: int, events: int) -> dict[str, Any]:
    """Out-of-fold AUC and mean weight of a ratio of two halves of one sample, `events` each."""
    rng = np.random.default_rng(seed)
    qcd = data.shuffled(data.qcd(folder, MASSES), rng)[: 2 * events]
    p, q = qcd[: len(qcd) // 2], qcd[len(qcd) // 2 :]
    fold_p, fold_q = (rng.integers(FOLDS, size=len(sample)) for sample in (p, q))
    aucs, weights, costs = [], [], []
    for k in range(FOLDS):
        training = p[fold_p != k], q[fold_q != k]
        score, cost = steady("fit", lambda k=k, pair=training: classifiers.lamppost_ratio(spec, *pair, 100 * seed + k))
        values_p, values_q = score(p[fold_p == k]), score(q[fold_q == k])
        aucs.append(auc(values_p, values_q))
        weights.append(np.exp(values_q))
        costs.append(cost)
    weight = np.concatenate(weights)
    return {
        "n": [len(p), len(q)],
        "auc": float(np.mean(aucs)),
        "auc_error": auc_error(len(p), len(q)),
        "auc_folds": aucs,
        "mean_weight": float(weight.mean()),
        "mean_weight_error": float(weight.std() / np.sqrt(len(weight))),
        "weight_spread": float(weight.std()),
        "fit": costs,
    }


def normals(spec: dict[str, Any], what: str, seed: int, events: int) -> dict[str, Any]:
    """Error of log p/q over the central 95 % of fresh events of both: those of highest density."""
    rng = np.random.default_rng(seed)
    p, q = NORMALS[what]

    def draw(law: Any, n: int) -> Array:
        return np.asarray(law.rvs(n, random_state=rng)).reshape(n, -1)

    score = classifiers.lamppost_ratio(spec, data.plain(draw(p, events)), data.plain(draw(q, events)), seed)
    x = np.concatenate([draw(p, 10_000), draw(q, 10_000)]).astype(np.float32)
    density = p.pdf(x) + q.pdf(x)
    central = x[density >= np.quantile(density, 0.05)]
    error = np.abs(score(data.plain(central)) - (p.logpdf(central) - q.logpdf(central)))
    return {"n": [events, events], "max": float(error.max()), "q95": float(np.quantile(error, 0.95))}


def tasks(options: Namespace) -> list[Task]:
    events = options.events or 100_000
    found = []
    for kind in classifiers.ratios():
        common = {"spec": classifiers.spec(Ratio, kind), "events": events}
        for device in devices() if kind != "boosted" else ["CPU"]:
            for seed in options.seeds:
                one = {**common, "seed": seed}
                found.append(Task(kind, f"halves-seed{seed}", halves, {**one, "folder": options.data}, device))
                found += [
                    Task(kind, f"{what.replace(', ', '-')}-seed{seed}", normals, {**one, "what": what}, device)
                    for what in NORMALS
                ]
    return found


def main(options: Namespace) -> None:
    """Measure, print, write."""
    found = measure(tasks(options), options.out / "closure")
    rows = []
    for kind, device in dict.fromkeys((r["group"], r["device"]) for r in found):
        mine = [r for r in found if (r["group"], r["device"]) == (kind, device)]
        same = [r for r in mine if "auc" in r]
        row = [kind, device, shown([r["auc"] for r in same], 4), shown([r["mean_weight"] for r in same], 4)]
        for what in NORMALS:
            there = [r for r in mine if r["name"].startswith(what.replace(", ", "-")) and "max" in r]
            row += [shown([r["max"] for r in there], 3), shown([r["q95"] for r in there], 3)]
        failed = [r["error"] for r in mine if "error" in r]
        rows.append([*row, failed[0][:60] if failed else ""])
    columns = ["kind", "device", "AUC of two halves", "mean exp(score) under q"]
    columns += [f"{what}: {part}" for what in NORMALS for part in ("max", "95 %")]
    n = next((r["n"][0] for r in found if "n" in r), 0)
    text = (
        f"Two independent halves of simulated QCD in [2900, 4300) GeV, {n:,} events each, {FOLDS} folds, scores out "
        f"of fold: the AUC of a score that knows nothing has a spread of {auc_error(max(n, 1), max(n, 1)):.4f}. Two "
        f"Gaussians, {n:,} events each: largest |log ratio - truth|, and its 95 % quantile, over the central 95 % of "
        "20,000 fresh events."
    )
    table = tables.markdown([*columns, "failed"], rows)
    tables.write("closure", "Closure of the ratios", text, table, {"draws": found}, options.out)
