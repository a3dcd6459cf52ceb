"""A table made in chunks, each a task, joined into one parquet file: any number of workers, resumed, the same bytes."""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any, Unpack

from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.run.artefacts import Store, not_written, remove_parts
from lamppost.run.cache import shared_by
from lamppost.run.costs import Costs
from lamppost.run.folder import alone, make_folder
from lamppost.run.graph import Task
from lamppost.run.running import How, running
from lamppost.run.worker import max_rss_mb
from lamppost.spec import digest

__all__ = ["Made", "make_table", "metadata_of"]

METADATA = b"lamppost"
ROW_GROUP = 1 << 24
"""Chunks are joined into row groups of at least so many bytes: small ones are slow to read, large ones fill memory."""


@dataclass(frozen=True)
class Made:
    """What came out: rows of the table, what the chunks counted together, and what this start of the run cost."""

    path: Path
    rows: int
    counts: Mapping[str, Any]
    tasks: int
    found: int
    wall_s: float
    cpu_s: float
    max_rss_mb: int


def make_table(
    out: Path,
    tasks: Sequence[Task],
    about: Mapping[str, Any],
    **how: Unpack[How],
) -> Made:
    """Run the tasks that are not done yet and join their arrow tables, in order, into the parquet file `out`.

    Unfinished work lies in `out`.work until the table is whole. A file that is there already is never written over: if
    it was made by the same tasks there is nothing to do. Its metadata hold, as JSON under the key `lamppost`, `about`,
    the sums of what the chunks counted, and the digest `made_by` of the tasks.

    Raises
    ------
    LamppostError
        If an input is at fault, or the file cannot be written; what is finished is kept.
    """
    begun = time.monotonic(), time.process_time()
    check_target(out)
    made_by = digest([task.key for task in tasks])
    if (known := metadata_of(out)) and known.get("made_by") == made_by:
        return _made(out, known, len(tasks), len(tasks), Costs(), begun)
    if known:
        msg = f"{out}: was made with other settings or data, and was not touched: remove it, or name another file"
        raise ConfigError(msg)
    work = out.with_name(f"{out.name}.work")
    make_folder(work)
    with alone(work):
        cache = shared_by(work, how.get("cache"))
        remove_parts(work)
        cache.store.remove_parts()
        how["workers"] = min(how["workers"], len(tasks))
        with running(work, cache, out.name, tasks, {}, how, page=False) as campaign:
            campaign.run(tasks)
            metadata = {**about, "counts": _counts(campaign.store, tasks), "made_by": made_by}
            _join(campaign.store, tasks, out, metadata)
        costs = campaign.costs
        rmtree(work, ignore_errors=True)  # while it is held: the next one to hold it may have begun to fill it
    return _made(out, metadata, len(tasks), costs.reused, costs, begun)


def check_target(out: Path) -> None:
    """Refuse to write over what lamppost did not make, and where no file can be.

    Raises
    ------
    ConfigError
        Naming the file.
    """
    if out.suffix != ".parquet":
        msg = f"{out}: expected a file name that ends in .parquet"
        raise ConfigError(msg)
    if not out.parent.is_dir():
        msg = f"{out}: no such folder {out.parent}"
        raise ConfigError(msg)
    if out.exists() and metadata_of(out) is None:
        msg = f"{out}: is there already, was not made by lamppost, and was not touched"
        raise ConfigError(msg)


def metadata_of(path: Path) -> dict[str, Any] | None:
    """What lamppost wrote into the metadata of a table it made; None of any other file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            found = json.loads((file.metadata.metadata or {})[METADATA])
            return {**found, "rows": file.metadata.num_rows}
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError):
        return None


def _counts(store: Store, tasks: Sequence[Task]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for task in tasks:
        _add(total, store.read_about(task.key))
    return total


def _add(total: dict[str, Any], more: Mapping[str, Any]) -> None:
    for name, value in more.items():
        if isinstance(value, Mapping):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def _join(store: Store, tasks: Sequence[Task], out: Path, metadata: Mapping[str, Any]) -> None:
    import pyarrow.parquet as pq

    schema = store.read_table(tasks[0].key).schema.with_metadata({METADATA: json.dumps(metadata, sort_keys=True)})
    part = out.with_name(f".{out.name}.part")
    try:
        with pq.ParquetWriter(part, schema, compression="zstd", use_dictionary=False) as writer:
            for table in _groups(store, tasks):
                writer.write_table(table.cast(schema), row_group_size=max(1, table.num_rows))
        part.replace(out)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise not_written(out, error) from None
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _groups(store: Store, tasks: Sequence[Task]) -> Iterator[Any]:
    """The tables of the tasks, small ones joined."""
    import pyarrow as pa

    waiting: list[Any] = []
    size, schema = 0, None
    for task in tasks:
        table = store.read_table(task.key).replace_schema_metadata()
        if table.schema != (schema := schema or table.schema):
            one, other = (", ".join(f"{field.name} {field.type}" for field in s) for s in (table.schema, schema))
            msg = f"{task.label}: expected the columns of the first chunk, {other}; found {one}"
            raise DataError(msg)
        waiting.append(table)
        size += table.nbytes
        if size >= ROW_GROUP:
            yield pa.concat_tables(waiting)
            waiting, size = [], 0
    if waiting:
        yield pa.concat_tables(waiting)


def _made(
    out: Path, metadata: Mapping[str, Any], tasks: int, found: int, costs: Costs, begun: tuple[float, float]
) -> Made:
    known = metadata_of(out)
    if known is None:
        msg = f"{out}: cannot be read back after it was written"
        raise LamppostError(msg)
    return Made(
        path=out,
        rows=known["rows"],
        counts=metadata["counts"],
        tasks=tasks,
        found=found,
        wall_s=round(time.monotonic() - begun[0], 2),
        cpu_s=round(sum(costs.cpu_s.values()) + time.process_time() - begun[1], 2),
        max_rss_mb=round(sum(costs.rss_mb.values()) + max_rss_mb()),
    )
