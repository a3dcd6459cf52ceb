"""One collision out of a file, with its objects, as a display shows it."""

import numpy as np

from lamppost.core import Collisions, Objects
from lamppost.expressions import columns_of
from lamppost.features import Extraction, jets_of
from lamppost.io import CollisionReader
from lamppost.report.event import Display

__all__ = ["collision_display", "without_labels"]

MOST_OBJECTS = 6
"""So many of each collection are drawn."""

_AXES = ("pt", "eta", "phi", "mass")


def without_labels(extraction: Extraction) -> Extraction:
    """The same features, and nothing carried over: no truth is read to draw an event."""
    features = extraction.features.model_copy(update={"copied": []})
    return extraction.model_copy(update={"features": features})


def collision_display(reader: CollisionReader, extraction: Extraction, row: int) -> tuple[Display, dict[str, float]]:
    """What there is to draw of one event, and its columns: none if it lacks an object or is not selected."""
    contents = reader.contents()
    scalars, objects = extraction.needs(contents)
    objects = dict(objects)
    for how in extraction.objects.values():
        if held := contents.objects.get(how.source):
            wanted = (*objects.get(how.source, ()), *_AXES, *(columns_of(how.where) if how.where else ()))
            objects[how.source] = tuple(name for name in dict.fromkeys(wanted) if name in held)
    collisions = reader.read(row, row + 1, scalars, objects)
    table = extraction.table(collisions)
    values = {name: float(table.columns[name][0]) for name in extraction.features.names} if len(table) else {}
    part = f":{reader.part}" if reader.part else ""
    return _drawn(extraction, collisions, f"Row {row} of {reader.path.name}{part}"), values


def _drawn(extraction: Extraction, collisions: Collisions, title: str) -> Display:
    """The first objects of every collection; the particles that the first clustered one was made of, and the others."""
    names: list[str] = []
    rows: list[list[float]] = []
    source, particles, jet = None, _empty(), np.zeros(0, dtype=np.int64)
    there = {name: how for name, how in extraction.objects.items() if how.source in collisions.objects}
    for name, (objects, inside) in jets_of(extraction.model_copy(update={"objects": there}), collisions).items():
        how = extraction.objects[name]
        first = source is None and inside is not None
        if first:
            source = how.source
            particles = collisions.objects[source]
            jet = np.full(int(particles.counts[0]), -1)
        for n in range(min(int(objects.counts[0]), MOST_OBJECTS)):
            if first and inside is not None:
                jet[inside[[n]].fields["index"]] = len(names)
            names.append(f"{name}{n + 1}")
            rows.append([*(float(objects.fields[axis][n]) for axis in _AXES), how.cluster.radius if how.cluster else 0])
    columns = np.array(rows, dtype=np.float64).reshape(-1, 5).T
    jets = Objects(np.array([len(names)]), dict(zip((*_AXES, "radius"), columns, strict=True)))
    fields = {axis: particles.fields[axis] for axis in ("pt", "eta", "phi")}
    return Display(Objects(particles.counts, {**fields, "jet": jet}), jets, title, names=names)


def _empty() -> Objects:
    return Objects(np.zeros(1, dtype=np.int64), {axis: np.zeros(0) for axis in ("pt", "eta", "phi")})
