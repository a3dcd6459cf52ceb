"""What is frozen before windows are opened: all that decides a result, one value by one, and the hash of it."""

from collections.abc import Iterator, Mapping
from typing import Any

from lamppost.config import Search
from lamppost.io import file_hash
from lamppost.run.artefacts import provenance
from lamppost.run.plug_ins import plug_ins
from lamppost.spec import digest

__all__ = ["changes", "frozen_of", "hash_of"]

Frozen = dict[str, Any]


def frozen_of(search: Search, sha256: str) -> Frozen:
    """Configuration, content of all samples, seed, versions and source by dotted key; not where files are."""
    table = search.model_dump(mode="json", include={"seed", "data", "scan", "methods", "fit", "blind"})
    table["data"] = {**table["data"], "path": None, "sha256": sha256}
    samples = search.samples
    table["samples"] = {
        "simulation": None if samples.simulation is None else file_hash(search.sample(samples.simulation)),
        "signals": {name: file_hash(search.sample(paths)) for name, paths in samples.signals.items()},
    }
    if search.blind is not None:  # a certificate changes no result; that one is asked for does decide
        table["blind"]["certificate"] = search.blind.certificate is not None
    table["versions"] = provenance()
    table["plug_ins"] = plug_ins(search)
    return dict(sorted(_leaves(table)))


def _leaves(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{name}.")
        elif value is not None:
            yield above + name, value


def hash_of(frozen: Frozen) -> str:
    """What the frozen hunt is called."""
    return digest("frozen", frozen)[:16]


def changes(before: Frozen, now: Frozen) -> str:
    """The first key with another value, and how many more there are; empty if there is none."""
    keys = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    # what the user wrote says more than the versions of libraries
    keys.sort(key=lambda key: key.startswith(("versions.", "plug_ins")))
    if not keys:
        return ""
    first, *rest = keys
    was, is_now = (_short(table.get(first)) for table in (before, now))
    return f"{first} was {was}, is {is_now}" + (f" (and {len(rest)} more)" if rest else "")


def _short(value: Any) -> str:
    text = "not there" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
