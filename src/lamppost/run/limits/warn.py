"""What must be known before a limit is believed, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lamppost.run.collect import SCULPTED

__all__ = ["lost", "warnings"]

Json = dict[str, Any]


def warnings(signals: Mapping[str, Json]) -> list[str]:
    """Lines about all rows."""
    lines = []
    for name, signal in signals.items():
        if signal["duplicates"]:
            lines.append(f"{name}: {signal['duplicates']} events of the sample are in the data, and were left out")
        for row in signal["rows"]:
            lines += [f"{name}, {row['label']}: {text}" for text in _about(row)]
    return lines


def _about(row: Json) -> Iterator[str]:
    if row["observed"] is None:
        yield "nothing is excluded, no training keeps the signal and can be fitted"
    elif row["bound"]:
        yield f"{row['bound']}; {row['observed']:.4g} is a bound, more signal might have trained a better selection"
    elif row["coarse"]:
        yield row["coarse"]
    if not row["claim"]:
        yield "the features determine m, a selection on them is a selection on m"
    trainings = [one for point in row["points"] for one in point["trainings"]]
    yield from _sculpted([one["sculpting_p"] for one in trainings if one["sculpting_p"] is not None])
    yield from _counted([text for point in row["points"] for text in point["failed"]], "trainings", "and were left out")
    yield from _counted([text for one in trainings for text in one["p_failed"]], "p-values", "their limits are kept")
    yield from _expected(row)
    if any(": only " in one["method"] for one in trainings):
        yield "few events under the peak, limits are asymptotic all the same"


def _counted(failed: Sequence[str], what: str, then: str) -> Iterator[str]:
    if failed:
        yield f"{len(failed)} {what} could not be fitted, {then}; the first: {failed[0]}"


def _expected(row: Json) -> Iterator[str]:
    if row["no_band"] and row["observed"] is not None:
        yield f"nothing is expected, for no pseudo-spectra could be made: {row['no_band']}"
    if row["failed"]:
        yield f"{row['failed']} pseudo-spectra could not be fitted and were left out"
    if row["lost"]:
        left = "the others tell how analyses differ" if row["sets"] else "trained selections are held"
        yield f"{len(row['lost'])} sets of pseudo-data could not be searched, {left}; the first: {row['lost'][0]}"


def _sculpted(tested: Sequence[float]) -> Iterator[str]:
    if bent := sum(p < SCULPTED / len(tested) for p in tested):
        yield f"the kept fraction is not flat in m in {bent} of {len(tested)} trainings"


def lost(made: Sequence[Json]) -> list[str]:
    """Pseudo-experiments that are not in the band."""
    failed = [one["failed"] for one in made if "failed" in one]
    return [f"{len(failed)} of {len(made)} pseudo-experiments failed, the first: {failed[0]}"] if failed else []
