"""The section of the most anomalous events: which they are, and the collisions their features were made of."""

import html
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from synthetic_hunt import CONFIG, NAMES, Json, hunt, write_folder

from lamppost import api, report
from lamppost.config.extract import parse_features
from lamppost.core import Collisions, Objects
from lamppost.errors import ConfigError, DataError
from lamppost.io import CollisionReader
from lamppost.report.originals import display_of, displays
from lamppost.run import InlineExecutor
from lamppost.run.arrow import arrow_collisions
from lamppost.run.extract import run_features
from toy_collisions import raw_events, write_frame, write_raw

EVENTS = 30
ROWS = (31, 4, 59, 30, 29, 0)
"""Rows of two raw files of 30 events, in no order."""


def table_of(folder: Path, out: str = "table.parquet") -> Path:
    """The features of the raw events in a folder."""
    raw = sorted(map(str, folder.glob("raw_*.h5")))
    asked = parse_features({"input": {"path": raw}, "features": {"preset": "lhco4"}})
    run_features(asked, folder / out, workers=1, quiet=True, make_executor=InlineExecutor)
    return folder / out


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two files of raw events and the table of their features."""
    folder = tmp_path_factory.mktemp("made")
    for n in range(2):
        write_raw(folder / f"raw_{n}.h5", EVENTS, seed=n)
    table_of(folder)
    return folder


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """The same, to be spoilt: the table knows its sources by the paths in `tmp_path`."""
    for raw in made.glob("raw_*.h5"):
        shutil.copy(raw, tmp_path)
    table_of(tmp_path)
    return tmp_path


def known(table: Path, rows: Sequence[int] = ROWS) -> list[dict[str, float]]:
    """What a hunt in that table knows of these rows."""
    values = pq.read_table(table, columns=["mjj", "mj1", "dm", "tau21_j1", "tau21_j2"]).to_pylist()
    return [values[row] for row in rows]


def traced(hunt_folder: Path, table: Path | Sequence[Path], events: Sequence[Mapping[str, float]]) -> Path:
    """The folder of a hunt whose most anomalous events are those rows of a table."""
    result, details = small_hunt(names=("mj1", "dm"))
    details["windows"][result["best_window"]]["top_events"] = [
        {
            "index": row,
            "m": event["mjj"],
            "score": 5.0 - 0.1 * rank,
            "features": {name: event[name] for name in ("mj1", "dm")},
        }
        for rank, (row, event) in enumerate(zip(ROWS, events, strict=True))
    ]
    paths = json.dumps([str(table)] if isinstance(table, Path) else list(map(str, table)))
    return write_folder(hunt_folder, result, details, CONFIG.replace('"events.parquet"', paths))


def small_hunt(names: tuple[str, ...] = NAMES) -> tuple[Json, Json]:
    """A hunt with the details that the section needs, and none of the other figures."""
    result, details = hunt(starts=(3200.0, 3400.0), names=names)
    return result, {"windows": [{"top_events": window["top_events"]} for window in details["windows"]]}


def section(folder: Path) -> str:
    """The section of the page."""
    report.write(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    found = re.search(r'<section id="anomalous">.*?</section>(?=<section id="inclusive">)', text, re.S)
    assert found
    assert 'href="#anomalous"' in text
    return found[0]


def rows_of(text: str) -> list[list[str]]:
    body = re.search(r"<tbody>(.*?)</tbody>", text, re.S)
    assert body
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in re.findall(r"<tr>(.*?)</tr>", body[1])]


def note(text: str) -> str:
    found = re.search(r'<p class="note">(.*?)</p>', text)
    assert found
    return html.unescape(found[1])


def test_the_highest_scores_of_the_best_window_in_a_table(tmp_path: Path) -> None:
    result, details = small_hunt()
    text = section(write_folder(tmp_path, result, details))
    events = details["windows"][result["best_window"]]["top_events"]
    assert [(row[0], row[1], row[3]) for row in rows_of(text)] == [
        (str(rank + 1), str(events[rank]["index"]), f"{events[rank]['score']:.2f}") for rank in range(6)
    ]
    assert [name for name in NAMES if f">{name}</th>" in text] == list(NAMES)


def test_only_kept_events_are_shown(tmp_path: Path) -> None:
    result, details = small_hunt()
    best = result["best_window"]
    for k, event in enumerate(details["windows"][best]["top_events"]):
        event["score"] = 2.5 - 0.2 * k  # 1 % is kept: a score of 2 or more
    assert len(rows_of(section(write_folder(tmp_path, result, details)))) == 3
    result["windows"][best]["efficiency"] = 0.001
    assert "No event of the best window is above the threshold" in section(write_folder(tmp_path, result, details))


def test_no_window_no_section(tmp_path: Path) -> None:
    result, details = small_hunt()
    result["best_window"] = None
    report.write(write_folder(tmp_path, result, details))
    assert not re.search('["#]anomalous"', (tmp_path / "report.html").read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("events.parquet", "no such file"),
        ("plain.parquet", "plain.parquet does not say which collisions it was made of"),
        ("plain.csv", "plain.csv does not say which collisions it was made of"),
        ("simulated.parquet", "simulated.parquet does not say which collisions it was made of"),
    ],
)
def test_without_collisions_one_line_says_why(path: str, why: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"mjj": [1.0]}), tmp_path / "plain.parquet")
    simulated = pa.table({"mjj": [1.0]}, metadata={"lamppost": json.dumps({"schema": 1})})
    pq.write_table(simulated, tmp_path / "simulated.parquet")
    (tmp_path / "plain.csv").write_text("mjj\n1.0\n", encoding="utf-8")
    config = CONFIG.replace("events.parquet", str(tmp_path / path))
    text = section(write_folder(tmp_path / "run", *small_hunt(), config))
    assert len(rows_of(text)) == 6
    assert "<svg" not in text
    assert re.match(rf"No event is drawn: .*{why}", note(text))


@pytest.mark.parametrize("config", [None, "seed = ", "seed = 1\n", "data = 1\n"])
def test_without_a_configuration_nothing_is_drawn(config: str | None, tmp_path: Path) -> None:
    text = section(write_folder(tmp_path, *small_hunt(), config))
    assert "config.toml or the table of events does not say" in note(text)


def test_events_are_drawn_from_the_files_they_came_from(made: Path, tmp_path: Path) -> None:
    table = made / "table.parquet"
    text = section(traced(tmp_path, table, known(table)))
    assert text.count("<svg") == text.count("<details") == 6
    assert text.count('<details class="event" open>') == 1
    assert re.findall(r'aria-label="Row (\d+) of raw_(\d)', text) == [
        (str(row % EVENTS), str(row // EVENTS)) for row in ROWS
    ]
    assert "No event is drawn" not in text
    assert len(text) < 6 * 150_000


def test_several_tables_are_one_input(own: Path, tmp_path: Path) -> None:
    """Rows count through the tables of a hunt, whatever their row groups."""
    for n in range(2):
        (own / f"only_{n}").mkdir()
        shutil.copy(own / f"raw_{n}.h5", own / f"only_{n}")
        table = table_of(own / f"only_{n}")
        pq.write_table(pq.read_table(table), table, row_group_size=7)
    tables = [own / f"only_{n}" / "table.parquet" for n in range(2)]
    text = section(traced(tmp_path / "run", tables, known(own / "table.parquet")))
    assert re.findall(r'aria-label="Row (\d+) of raw_(\d)', text) == [
        (str(row % EVENTS), str(row // EVENTS)) for row in ROWS
    ]


def test_the_particles_are_those_of_the_row_and_its_jets(made: Path) -> None:
    table = made / "table.parquet"
    found = displays(str(table), known(table), ROWS)
    assert not isinstance(found, str), found
    for row, display, values in zip(ROWS, found, known(table), strict=True):
        expected = raw_events(EVENTS, seed=row // EVENTS)[0][row % EVENTS]
        expected = expected[expected[:, 0] > 0.0]
        for n, axis in enumerate(("pt", "eta", "phi")):
            np.testing.assert_array_equal(display.particles.fields[axis], expected[:, n])
        assert display.names == ["j1", "j2"]
        assert display.jets.fields["radius"].tolist() == [1.0, 1.0]
        mass = display.jets.fields["mass"]
        assert mass[0] == pytest.approx(values["mj1"], rel=1e-5)
        assert mass[1] - mass[0] == pytest.approx(values["dm"], rel=1e-4)
        for jet in range(2):
            pt, eta, phi = expected[display.particles.fields["jet"] == jet].astype(np.float64).T
            p = np.array([pt * np.cosh(eta), pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)]).sum(axis=1)
            assert np.sqrt(p[0] ** 2 - (p[1:] ** 2).sum()) == pytest.approx(mass[jet], rel=1e-5)


def test_no_label_is_read_or_shown(own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    read = CollisionReader.read

    def recorded(self: CollisionReader, start: int, stop: int, scalars: Any, objects: Any, *more: Any) -> Collisions:
        asked.extend(scalars)
        return read(self, start, stop, scalars, objects, *more)

    table = own / "table.parquet"
    assert "label" in pq.read_schema(table).names
    folder = traced(tmp_path / "run", table, known(table))
    monkeypatch.setattr(CollisionReader, "read", recorded)
    first = section(folder)
    assert asked == []
    assert "<svg" in first
    assert "label</th>" not in first
    columns = pq.read_table(table)
    place = columns.schema.get_field_index("label")
    turned = columns.set_column(place, "label", pa.array(1 - columns["label"].to_numpy()))
    pq.write_table(turned, table)
    assert section(folder) == first


def test_files_that_changed_since_are_not_drawn(own: Path, tmp_path: Path) -> None:
    table = own / "table.parquet"
    events = known(table)
    folder = traced(tmp_path / "run", table, events)
    assert "<svg" in section(folder)
    write_raw(own / "raw_1.h5", EVENTS, seed=7)
    text = section(folder)
    assert "<svg" not in text
    assert re.search(
        r"raw_1\.h5:?\S* has changed since table\.parquet was made of it: expected mjj = [\d.]+", note(text)
    )
    write_frame(own / "raw_1.h5", raw_events(EVENTS, seed=1)[0][:3].reshape(3, -1))
    assert re.search(r"raw_1\.h5.*rows \[29, 30\): expected some of the file's 3", note(section(folder)))
    (own / "raw_1.h5").write_bytes(b"nothing")
    assert re.search(r"raw_1\.h5.*cannot be read", note(section(folder)))
    (own / "raw_1.h5").unlink()
    assert "raw_1.h5: no such file" in note(section(folder))


def test_a_table_that_changed_since_is_not_drawn(own: Path, tmp_path: Path) -> None:
    table = own / "table.parquet"
    events = known(table)
    folder = traced(tmp_path / "other", table, [{**event, "dm": event["dm"] + 1.0} for event in events])
    assert re.search(r"table\.parquet has changed since the hunt: expected dm = ", note(section(folder)))
    folder = traced(tmp_path / "run", table, events)
    about = pq.read_schema(table).metadata
    pq.write_table(pq.read_table(table).slice(0, 40).replace_schema_metadata(about), table)
    assert re.search(
        r"table\.parquet: has changed since the hunt: row 59 expected, found 40 rows", note(section(folder))
    )
    later = {**json.loads(about[b"lamppost"]), "definition": {"features": {"magic": 1}}, "lamppost": "9.0"}
    pq.write_table(pq.read_table(table).replace_schema_metadata({"lamppost": json.dumps(later)}), table)
    assert "made by lamppost 9.0, whose definition of the features is not understood" in note(section(folder))


def test_only_the_row_groups_asked_for_are_read(own: Path) -> None:
    """Damage everywhere else in the table goes unnoticed."""
    table = own / "table.parquet"
    events = known(table)
    pq.write_table(pq.read_table(table), table, row_group_size=10)
    with pq.ParquetFile(table) as file:
        groups = [file.metadata.row_group(n) for n in range(6)]
        starts = [
            min(group.column(c).dictionary_page_offset or group.column(c).data_page_offset for c in range(8))
            for group in groups
        ]
    content = bytearray(table.read_bytes())
    content[starts[1] : starts[2]] = bytes(starts[2] - starts[1])  # rows 10 to 19
    table.write_bytes(content)
    assert not isinstance(displays(str(table), events, ROWS), str)
    assert "cannot be read" in str(displays(str(table), events[:1], [12]))


def test_figures_as_pdf_on_request(made: Path, tmp_path: Path) -> None:
    table = made / "table.parquet"
    report.write(traced(tmp_path, table, known(table)), pdf=True)
    assert {f"event-{rank}.pdf" for rank in range(1, 7)} <= {path.name for path in (tmp_path / "figures").iterdir()}


@pytest.mark.parametrize("row", [0, 29, 30, 59])
def test_one_event_of_several_files(row: int, made: Path) -> None:
    raw = sorted(map(str, made.glob("raw_*.h5")))
    svg = display_of(parse_features({"input": {"path": raw}, "features": {"preset": "lhco4"}}), row)
    assert f"Row {row % EVENTS} of raw_{row // EVENTS}.h5" in svg
    assert f"mjj = {pq.read_table(made / 'table.parquet')['mjj'][row].as_py():.5g}" in svg


@pytest.mark.parametrize("row", [-1, 60])
def test_a_row_that_is_not_there(row: int, made: Path) -> None:
    raw = sorted(map(str, made.glob("raw_*.h5")))
    with pytest.raises(DataError, match=rf"raw_0\.h5.* and 1 more: expected a row from 0 to 59, found {row}"):
        display_of(parse_features({"input": {"path": raw}, "features": {"preset": "lhco4"}}), row)


def test_a_picture_takes_the_place_of_no_other_file(made: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.h5"
    raw.write_bytes((made / "raw_0.h5").read_bytes())
    before = raw.read_bytes()
    with pytest.raises(ConfigError, match=r"raw\.h5: expected a file name that ends in \.svg"):
        api.display(raw, 0, raw)
    assert raw.read_bytes() == before
    assert "Row 0 of raw.h5" in api.display(raw, 0, tmp_path / "event.svg").read_text()


def muons(folder: Path) -> Json:
    """Two events, with two muons and with one, and the features of dimuons."""
    fields = {"pt": [45.0, 42.0, 9.0], "eta": [0.4, -0.9, 1.0], "phi": [1.0, -2.3, 0.1], "mass": [0.105] * 3}
    found = Objects(np.array([2, 1]), {name: np.array(values) for name, values in fields.items()})
    pq.write_table(arrow_collisions(Collisions(np.arange(2), {}, {"Muon": found}), {}), folder / "muons.parquet")
    return {
        "input": {"path": str(folder / "muons.parquet")},
        "objects": {"mu": {"from": "Muon", "where": "pt > 5"}},
        "features": {"columns": ["m_mu1mu2"]},
    }


def test_muons_without_particles(tmp_path: Path) -> None:
    svg = display_of(parse_features(muons(tmp_path)), 0)
    assert "mu2: pT 42 GeV" in svg
    assert "m_mu1mu2 = " in svg
    assert "missing" not in svg


def test_an_event_that_lacks_an_object_is_drawn_all_the_same(tmp_path: Path) -> None:
    svg = display_of(parse_features(muons(tmp_path)), 1)
    assert "mu1: pT 9 GeV" in svg
    assert "m_mu1mu2" not in svg


def test_damaged_collisions_are_named(tmp_path: Path) -> None:
    raw = write_raw(tmp_path / "raw.h5", 3)
    raw.write_bytes(raw.read_bytes()[:2000])
    with pytest.raises(DataError, match=r"raw\.h5.*cannot be read"):
        display_of(parse_features({"input": {"path": str(raw)}, "features": {"preset": "lhco4"}}), 0)
