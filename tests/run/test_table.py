"""A table made in chunks is the same bytes however often it was stopped, and nothing is written over."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lamppost.errors import ConfigError, DataError, LamppostError
from lamppost.run import InlineExecutor, process_pool
from lamppost.run.artefacts import Store
from lamppost.run.folder import alone, is_held
from lamppost.run.graph import Task
from lamppost.run.table import ROW_GROUP, make_table, metadata_of

CHUNKS = 6
ROWS = 10


def chunk(store: Store, key: str, *, number: int, folder: str = "", stop: bool = False) -> None:
    """A chunk of numbers; leaves a trace of each call, and fails if it is told to."""
    if folder:
        with (Path(folder) / "calls").open("a") as calls:
            calls.write(f"{number}\n")
    if stop:
        msg = "row 7: expected a number, found none"
        raise DataError(msg)
    values = np.arange(ROWS, dtype=np.float32) + 100 * number
    about = {"rows": ROWS, "processes": {"odd" if number % 2 else "even": 1}}
    store.write_table(key, pa.table({"a": values}).replace_schema_metadata({"about": json.dumps(about)}))


def tasks(folder: Path, *, fails: int = -1, **more: Any) -> list[Task]:
    return [
        Task(
            f"{i:02d}.arrow", "features", f"chunk {i}", chunk, {"number": i, "folder": str(folder), "stop": i == fails}
        )
        for i in range(CHUNKS)
    ]


def calls(folder: Path) -> list[int]:
    path = folder / "calls"
    return [int(line) for line in path.read_text().split()] if path.exists() else []


def inline(out: Path, work: list[Task], about: dict[str, Any] | None = None) -> Any:
    return make_table(out, work, about or {}, workers=1, quiet=True, make_executor=InlineExecutor)


def test_chunks_are_joined_in_order(tmp_path: Path) -> None:
    made = inline(tmp_path / "t.parquet", tasks(tmp_path), {"what": "numbers"})
    table = pq.read_table(tmp_path / "t.parquet")
    assert table["a"].to_pylist() == [100 * i + j for i in range(CHUNKS) for j in range(ROWS)]
    assert (made.rows, made.tasks, made.found) == (CHUNKS * ROWS, CHUNKS, 0)
    assert made.counts == {"rows": CHUNKS * ROWS, "processes": {"even": 3, "odd": 3}}
    about = metadata_of(made.path)
    assert about is not None
    assert (about["what"], about["counts"], about["rows"]) == ("numbers", made.counts, made.rows)
    assert not (tmp_path / "t.parquet.work").exists()


def test_workers_do_not_matter(tmp_path: Path) -> None:
    reference = inline(tmp_path / "inline.parquet", tasks(tmp_path)).path.read_bytes()
    for workers in (1, 2):
        out = tmp_path / f"{workers}.parquet"
        make_table(
            out, tasks(tmp_path), {}, workers=workers, quiet=True, make_executor=lambda n=workers: process_pool(n)
        )
        assert out.read_bytes() == reference


def test_what_is_finished_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "t.parquet"
    with pytest.raises(DataError, match=r"^chunk 3: row 7: expected a number, found none \(1 of 6 tasks failed\)$"):
        inline(out, tasks(tmp_path, fails=3))
    assert not out.exists()
    done = {path.name for path in (tmp_path / "t.parquet.work" / "artefacts").glob("*.arrow")}
    made = inline(out, tasks(tmp_path))
    assert made.found == len(done) == CHUNKS - 1
    assert sorted(calls(tmp_path)) == sorted([*range(CHUNKS), 3])
    assert out.read_bytes() == inline(tmp_path / "fresh.parquet", tasks(tmp_path)).path.read_bytes()


def test_a_damaged_chunk_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        inline(tmp_path / "t.parquet", tasks(tmp_path, fails=3))
    spoilt = tmp_path / "t.parquet.work" / "artefacts" / "01.arrow"
    content = bytearray(spoilt.read_bytes())
    content[len(content) // 2] ^= 1
    spoilt.write_bytes(content)
    (tmp_path / "t.parquet.work" / "artefacts" / "02.arrow").write_bytes(b"")
    assert inline(tmp_path / "t.parquet", tasks(tmp_path)).found == CHUNKS - 3
    assert calls(tmp_path).count(1) == calls(tmp_path).count(2) == 2


def test_a_finished_table_is_left_alone(tmp_path: Path) -> None:
    out = inline(tmp_path / "t.parquet", tasks(tmp_path)).path
    before = out.stat().st_mtime_ns
    again = inline(out, tasks(tmp_path))
    assert (again.found, again.rows) == (CHUNKS, CHUNKS * ROWS)
    assert out.stat().st_mtime_ns == before
    assert len(calls(tmp_path)) == CHUNKS
    with pytest.raises(ConfigError, match="was made with other settings or data, and was not touched"):
        inline(out, tasks(tmp_path)[:2])
    assert pq.read_table(out).num_rows == CHUNKS * ROWS


@pytest.mark.parametrize("content", [b"notes", b""])
def test_a_file_of_others_is_not_touched(tmp_path: Path, content: bytes) -> None:
    out = tmp_path / "t.parquet"
    out.write_bytes(content)
    with pytest.raises(ConfigError, match="was not made by lamppost, and was not touched"):
        inline(out, tasks(tmp_path))
    assert out.read_bytes() == content
    pq.write_table(pa.table({"a": [1]}), out)
    with pytest.raises(ConfigError, match="was not touched"):
        inline(out, tasks(tmp_path))
    assert calls(tmp_path) == []


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"t\.csv: expected a file name that ends in \.parquet"):
        inline(tmp_path / "t.csv", tasks(tmp_path))
    with pytest.raises(ConfigError, match="no such folder"):
        inline(tmp_path / "nowhere" / "t.parquet", tasks(tmp_path))
    (tmp_path / "t.parquet.work").write_text("a file")
    with pytest.raises(LamppostError, match=r"t\.parquet\.work: expected a folder, found a file"):
        inline(tmp_path / "t.parquet", tasks(tmp_path))


def test_one_run_at_a_time(tmp_path: Path) -> None:
    (tmp_path / "t.parquet.work").mkdir()
    with (
        alone(tmp_path / "t.parquet.work"),
        pytest.raises(LamppostError, match="another run is going on in this folder"),
    ):
        inline(tmp_path / "t.parquet", tasks(tmp_path))


def test_row_groups_are_neither_small_nor_large(tmp_path: Path) -> None:
    big = [Task(f"{i}.arrow", "features", str(i), wide, {}) for i in range(5)]
    out = inline(tmp_path / "t.parquet", big).path
    file = pq.ParquetFile(out).metadata
    sizes = [file.row_group(i).total_byte_size for i in range(file.num_row_groups)]
    assert file.num_row_groups == 2  # two and a half chunks each reach the size
    assert max(sizes) < 2 * ROW_GROUP


def wide(store: Store, key: str) -> None:
    rows = np.random.default_rng(0).random(ROW_GROUP // 8 * 2 // 5 + 1)
    store.write_table(key, pa.table({"a": rows}))


def test_unfinished_work_is_removed_while_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Afterwards it may be that of the next one."""
    held: list[bool | None] = []

    def remove(folder: Path, **more: Any) -> None:
        held.append(is_held(folder))

    monkeypatch.setattr("lamppost.run.table.rmtree", remove)
    inline(tmp_path / "t.parquet", tasks(tmp_path))
    assert held == [True]
