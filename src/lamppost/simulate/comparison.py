"""How far two samples agree: feature by feature, and as a classifier sees all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import ks_2samp, rankdata

from lamppost.core import Array, Events, Ratio, splitmix64, uniform_of
from lamppost.errors import DataError
from lamppost.io.files import readers
from lamppost.spec import make

__all__ = ["Agreement", "FeatureAgreement", "area_under_curve", "compare", "compare_features", "compare_tables"]

Columns = Mapping[str, NDArray[Any]]
_NOT_FEATURES = {"label", "weight", "process", "run", "lumi", "luminosityBlock", "event", "source_file", "source_row"}


@dataclass(frozen=True)
class FeatureAgreement:
    """One feature: means of the sample and of the reference, their ratio, Kolmogorov-Smirnov distance and p-value."""

    name: str
    mean: float
    reference_mean: float
    mean_ratio: float
    ks: float
    ks_p_value: float


@dataclass(frozen=True)
class Agreement:
    """All features, and the AUC of a classifier of the sample against the reference: 0.5 if it cannot tell them apart.

    `auc_error` is its standard deviation for samples of this size, 0 if the classifier learnt nothing. Well below 0.5
    the samples have events in common: those that it learnt as one sample it meets again in the other.
    """

    features: tuple[FeatureAgreement, ...]
    auc: float
    auc_error: float
    events: int
    reference_events: int

    def as_dict(self) -> dict[str, Any]:
        """As JSON knows it."""
        return asdict(self)

    def text(self) -> str:
        """A table for people."""
        wide = max(len("feature"), *(len(one.name) for one in self.features))
        rows = [f"{'feature':{wide}}  {'mean':>10}  {'reference':>10}  {'ratio':>6}  {'KS':>6}  {'p':>7}"]
        rows += [
            f"{one.name:{wide}}  {one.mean:10.4g}  {one.reference_mean:10.4g}  {one.mean_ratio:6.3f}  {one.ks:6.4f}"
            f"  {one.ks_p_value:7.2g}"
            for one in self.features
        ]
        rows.append(f"classifier AUC {self.auc:.4f} +- {self.auc_error:.4f}{self._caution()}")
        rows.append(f"{self.events} events against {self.reference_events} of the reference")
        return "\n".join(rows)

    def _caution(self) -> str:
        if self.auc_error == 0.0:
            return ": it cannot tell events apart, or they are too few to learn from"
        if self.auc < 0.5 - 5.0 * self.auc_error:
            return ": worse than chance, as if the tables had events in common"
        return ""


def compare(
    sample: Columns,
    reference: Columns,
    names: Sequence[str] | None = None,
    *,
    ratio: Ratio | str = "boosted",
    seed: int = 0,
) -> Agreement:
    """Compare two tables {name: (n,)} in these features, by default all that both have.

    The classifier is a `Ratio` of the package, cross-fitted: each half of the events is judged by what learnt from the
    other half.

    Raises
    ------
    DataError
        If a feature is missing or not finite, or there are no features in common.
    """
    names = _common(sample, reference, names)
    x, y = _matrix(sample, names, "sample"), _matrix(reference, names, "reference")
    features = compare_features(sample, reference, names)
    auc, error = _cross_fitted_auc(x, y, tuple(names), make(Ratio, ratio), seed)  # type: ignore[type-abstract]
    return Agreement(features, auc, error, len(x), len(y))


def compare_features(
    sample: Columns, reference: Columns, names: Sequence[str] | None = None
) -> tuple[FeatureAgreement, ...]:
    """Compare two tables feature by feature only, however few their events; see `compare`."""
    names = _common(sample, reference, names)
    x, y = _matrix(sample, names, "sample"), _matrix(reference, names, "reference")
    return tuple(_agreement(name, x[:, j], y[:, j]) for j, name in enumerate(names))


def compare_tables(sample: Path, reference: Path, columns: Sequence[str] | None = None) -> Agreement:
    """Compare two files of features, see `compare`."""
    return compare(_read(sample, columns), _read(reference, columns), columns)


def area_under_curve(p: Array, q: Array) -> tuple[float, float]:
    """AUC, the probability that a score of p (n,) exceeds one of q (k,), and its error (DeLong 1988)."""
    n, k = len(p), len(q)
    ranks = rankdata(np.concatenate([p, q]))
    above = (ranks[:n] - rankdata(p)) / k
    below = 1.0 - (ranks[n:] - rankdata(q)) / n
    return float(above.mean()), float(np.sqrt(above.var(ddof=1) / n + below.var(ddof=1) / k))


def _common(sample: Columns, reference: Columns, names: Sequence[str] | None) -> list[str]:
    found = [name for name in sample if name in reference and name not in _NOT_FEATURES] if names is None else [*names]
    if not found:
        msg = f"compare: no feature in common, found {', '.join(sample)} and {', '.join(reference)}"
        raise DataError(msg)
    return found


def _cross_fitted_auc(x: Array, y: Array, names: tuple[str, ...], ratio: Ratio, seed: int) -> tuple[float, float]:
    halves = [_halves(_events(one, names, part), seed) for part, one in enumerate((x, y))]
    found = []
    for judge, other in ((0, 1), (1, 0)):
        p, q = halves[0], halves[1]
        score = ratio.fit(p[judge], q[judge], given_m=False, rng=np.random.default_rng([seed, judge]))
        found.append(area_under_curve(score(p[other]), score(q[other])))
    (first, first_error), (second, second_error) = found
    return 0.5 * (first + second), 0.5 * float(np.hypot(first_error, second_error))


def _events(x: Array, names: tuple[str, ...], part: int) -> Events:
    ids = splitmix64(np.arange(len(x), dtype=np.uint64) + np.uint64(part << 40))
    return Events(ids, x.astype(np.float32), np.zeros(len(x)), np.ones(len(x)), names)


def _halves(events: Events, seed: int) -> tuple[Events, Events]:
    first = uniform_of(events.id, seed) < 0.5
    return events[first], events[~first]


def _agreement(name: str, x: Array, y: Array) -> FeatureAgreement:
    test = ks_2samp(x, y)
    mean, other = float(x.mean()), float(y.mean())
    ratio = mean / other if other != 0 else np.inf
    return FeatureAgreement(name, mean, other, ratio, float(test.statistic), float(test.pvalue))


def _matrix(table: Columns, names: Sequence[str], which: str) -> Array:
    for name in names:
        if name not in table:
            msg = f"compare: the {which} has no feature {name!r}, known are {', '.join(table)}"
            raise DataError(msg)
        if len(table[name]) == 0:
            msg = f"compare: the {which} has no events"
            raise DataError(msg)
        if (bad := int((~np.isfinite(table[name])).sum())) > 0:
            msg = f"compare: feature {name!r} of the {which} is not finite in {bad} events"
            raise DataError(msg)
    return np.stack([np.asarray(table[name], np.float64) for name in names], axis=1)


def _read(path: Path, columns: Sequence[str] | None) -> dict[str, NDArray[Any]]:
    found = readers(str(path))
    if len(found) != 1:
        msg = f"compare: expected one table, found {len(found)} files {path}"
        raise DataError(msg)
    (reader,) = found
    kinds = reader.columns()
    if missing := [name for name in columns or () if name not in kinds]:
        msg = f"compare: {path} has no column {missing[0]!r}, known are {', '.join(kinds)}"
        raise DataError(msg)
    wanted = [name for name, kind in kinds.items() if kind in ("float", "integer", "unknown")]
    wanted = wanted if columns is None else list(dict.fromkeys(columns))
    chunks = list(reader.chunks(wanted))
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in wanted}
