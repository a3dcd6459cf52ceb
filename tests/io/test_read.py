"""What `read` makes of good and of bad input."""

import hashlib
import os
import tracemalloc
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from formats import csv_text, events, write_csv, write_parquet, write_tree
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from lamppost.errors import ConfigError, DataError
from lamppost.io import Data, Sample, file_hash, read
from lamppost.io.ids import row_ids

TABLE = events(500)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return write_parquet(tmp_path / "t.parquet", TABLE)


def load(path: str | list[str], **settings: Any) -> Sample:
    options = {name: settings.pop(name) for name in ("mass_range", "labels", "base") if name in settings}
    return read(Data(path=path, **{"mass": "mjj", "features": ["pt2"], **settings}), **options)


def complaint(path: str | list[str], **settings: Any) -> str:
    """The message with which the input is refused: one line."""
    with pytest.raises((DataError, ConfigError)) as caught:
        load(path, **settings)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def text_file(tmp_path: Path, *lines: str) -> str:
    path = tmp_path / "t.csv"
    path.write_text("\n".join(lines) + "\n")
    return str(path)


# What is read


def test_defaults(path: str) -> None:
    sample = load(path)
    assert sample.events.names == ("pt2",)
    assert sample.events.x.dtype == np.float32
    assert sample.events.m.tobytes() == TABLE["mjj"].tobytes()
    assert set(sample.events.w) == {1.0}
    assert sample.labels is None
    assert sample.paths == (path,)
    assert (sample.n_rows, sample.n_dropped) == (500, 0)
    assert sample.sha256 == hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_mass_and_weight_may_be_expressions(path: str) -> None:
    sample = load(path, mass="mjj / 1000", weight="w**2", features=["label > 0"])
    np.testing.assert_array_equal(sample.events.m, TABLE["mjj"] / 1000)
    np.testing.assert_array_equal(sample.events.w, TABLE["w"] ** 2)
    np.testing.assert_array_equal(sample.events.x[:, 0], TABLE["label"])


def test_mass_range_is_half_open(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2", "1,0", "2,0", "3,0", "4,0")
    assert load(path, mass_range=(2, 4)).index.tolist() == [1, 2]


def test_several_files_are_joined_in_order(tmp_path: Path, path: str) -> None:
    halves = [{name: values[part] for name, values in TABLE.items()} for part in (slice(200), slice(200, None))]
    names = [write_csv(tmp_path / "b.csv", halves[0]), write_tree(tmp_path / "a.root", halves[1])]
    whole, joined = (load(text, id=["event"], select="pt2 > 0", labels=True, label="label") for text in (path, names))
    for field in ("id", "x", "m", "w"):
        assert getattr(whole.events, field).tobytes() == getattr(joined.events, field).tobytes()
    np.testing.assert_array_equal(whole.index, joined.index)
    np.testing.assert_array_equal(whole.labels, joined.labels)
    files = [tmp_path / "b.csv", tmp_path / "a.root"]
    hashes = "".join(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    assert joined.sha256 == hashlib.sha256(hashes.encode()).hexdigest()
    assert joined.paths == tuple(names)


def test_glob_below_a_folder_with_odd_characters(tmp_path: Path) -> None:
    folder = tmp_path / "run[1]*"
    folder.mkdir()
    for name in ("b.csv", "a.csv"):
        write_csv(folder / name, TABLE)
    (folder / "c.csv").mkdir()
    sample = load("*.csv", base=folder)
    assert sample.paths == (str(folder / "a.csv"), str(folder / "b.csv"))
    assert file_hash(Data(path="*.csv", mass="m", features=["x"]), folder) == sample.sha256
    assert load("run[1]*/a.csv", base=tmp_path).n_rows == 500


def test_selected_rows_only_have_to_be_finite(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2,good", "1,5,1", ",nan,0", "3,inf,0", "4,8,1")
    assert load(path, select="good == 1").index.tolist() == [0, 3]
    assert "column 'mjj' has 1 value that cannot be used, the first in row 1 is nan" in complaint(path)
    assert load(path, missing="drop").n_dropped == 2


def test_missing_values_that_decide_the_selection(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2,good", "1,5,1", "2,6,", "4,8,0")
    assert "column 'good' has 1 value" in complaint(path, select="good")
    sample = load(path, select="good", missing="drop")
    assert (sample.index.tolist(), sample.n_dropped) == ([0], 1)


def test_expression_that_is_not_finite(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2", "1,5", "2,0", "4,0")
    found = complaint(path, features=["r = mjj / pt2"])
    assert "expression 'mjj / pt2' has 2 values that cannot be used, the first in row 1 is inf" in found
    assert load(path, features=["r = mjj / pt2"], missing="drop").index.tolist() == [0]
    assert load(path, features=["where(pt2 > 0, mjj / pt2, 0)"]).events.x[:, 0].tolist() == [np.float32(0.2), 0, 0]


def test_feature_beyond_float32(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2", "1e300,5", "2,1e300")
    assert "column 'pt2' has 1 value that cannot be used, the first in row 1 is too large for float32" in complaint(
        path
    )


def test_nulls_are_missing(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    columns = {"mjj": [1.0, None, 3.0], "n": [1, 2, None], "b": [None, True, False], "d": [1.0, 2.0, 3.0]}
    pq.write_table(pa.table(columns), path)
    for name in ("mjj", "n", "b"):
        row = columns[name].index(None)
        assert f"column {name!r} has 1 value that cannot be used, the first in row {row}" in complaint(
            path, mass="d", features=[name]
        )
    assert "id column 'n' has no value in row 2" in complaint(path, mass="d", features=["d"], id=["n"])


def test_negative_weights_are_weights(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2,w", "1,5,-1", "2,6,3")
    assert load(path, weight="w").events.w.tolist() == [-1, 3]


def test_groups_name_features(path: str) -> None:
    sample = load(path, features=["pt2", "x = w + 1"], groups={"j": ["x"]})
    assert sample.events.groups == {"j": ("x",)}


# Identifiers


def reference_id(*bits: int) -> int:
    """The identifier from 64-bit words, in plain Python."""
    mixed = 0
    for word in bits:
        mixed = (mixed + 0x9E3779B97F4A7C15) % 2**64 ^ word
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        mixed ^= mixed >> 31
    return mixed


def test_identifiers_are_fixed_for_good() -> None:
    assert row_ids([np.array([0])]).tolist() == [0xE220A8397B1DCDAF]  # what splitmix64 draws first for seed 0
    columns = [np.array([3, -1]), np.array([-0.0, 2.5])]
    assert row_ids(columns).tolist() == [reference_id(3, 0), reference_id(2**64 - 1, 0x4004000000000000)]


@given(values=arrays(np.int64, st.integers(1, 50), elements=st.integers(-(2**63), 2**63 - 1), unique=True))
def test_one_whole_number_per_event_never_collides(values: Any) -> None:
    assert len(set(row_ids([values]).tolist())) == len(values)


@given(
    values=arrays(np.float64, st.tuples(st.integers(1, 40), st.just(3)), elements=st.floats(-10, 10)),
    data=st.data(),
)
def test_identifiers_follow_the_values(values: Any, data: st.DataObject) -> None:
    ids = row_ids(list(values.T))
    order = np.array(data.draw(st.permutations(range(len(values)))))
    np.testing.assert_array_equal(row_ids(list(values[order].T)), ids[order])
    rows = {tuple((row + 0.0).tolist()) for row in values}
    assert len(set(ids.tolist())) == len(rows)


def test_identifiers_do_not_depend_on_the_order_of_features_on_weights_or_labels(path: str) -> None:
    one = load(path, features=["pt 1", "pt2"], weight="w")
    other = load(path, features=["x = pt2 / 2", "`pt 1` * 3"], select="mjj > 0", labels=True, label="label")
    np.testing.assert_array_equal(one.events.id, other.events.id)


def test_whole_numbers_of_any_width_give_the_same_identifier() -> None:
    values = np.array([0, 5, 100])
    for kind in (np.int8, np.uint8, np.int32, np.uint64):
        np.testing.assert_array_equal(row_ids([values.astype(kind)]), row_ids([values]))


# Files that cannot be found


def test_missing_file(tmp_path: Path) -> None:
    assert complaint("none.parquet", base=tmp_path) == f"{tmp_path}/none.parquet: no such file"


def test_glob_without_match(tmp_path: Path) -> None:
    assert complaint("*.parquet", base=tmp_path) == f"{tmp_path}/*.parquet: no file matches"


def test_folder(tmp_path: Path) -> None:
    assert "is a folder, expected a file or a glob" in complaint(str(tmp_path))


def test_unknown_suffix(tmp_path: Path) -> None:
    (tmp_path / "t.xlsx").touch()
    assert "unknown suffix, expected one of" in complaint(str(tmp_path / "t.xlsx"))


def test_file_named_twice(path: str) -> None:
    assert "named twice" in complaint([path, str(Path(path).parent / "*.parquet")])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable_file(path: str) -> None:
    Path(path).chmod(0)
    assert path in complaint(path)


# Content that is not what the configuration says


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1,2", "row 2 (line 4): expected 3 columns as in the header, found 2"),
        ("1,2,3,4", "row 2 (line 4): expected 3 columns as in the header, found 4"),
        ("abc,2,3", "column 'mjj', row 2 (line 4): expected a number, found 'abc'"),
        ("1,2,7.5", "column 'run', row 2 (line 4): expected a whole number, found '7.5'"),
        ("1,2,x", "column 'run', row 2 (line 4): expected a whole number, found 'x'"),
        ("1,2,", "id column 'run' has no value in row 2"),
    ],
)
def test_damaged_csv(tmp_path: Path, line: str, expected: str) -> None:
    path = text_file(tmp_path, "mjj,pt2,run", "1,2,3", "4,5,6", line, "7,8,9")
    assert complaint(path, id=["run"]) == f"{path}: {expected}"


def test_damaged_csv_far_below(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lamppost.io.csv.BLOCK", 500)
    path = Path(text_file(tmp_path, csv_text(TABLE).strip(), "1,2"))
    assert "row 500 (line 502): expected 7 columns" in complaint(str(path))


def test_text_column(tmp_path: Path) -> None:
    path = str(tmp_path / "t.parquet")
    pq.write_table(pa.table({"mjj": [1.0], "s": ["a"], "v": [[1.0]], "b": [True]}), path)
    assert "column 's': expected one number per row, found text" in complaint(path, features=["s"])
    assert "column 'v': expected one number per row, found list<" in complaint(path, features=["abs(v)"])
    assert "id column 'mjj': expected whole numbers, found type float" in complaint(path, features=["b"], id=["mjj"])
    assert "column 's': expected one number per row, found text" in complaint(path, features=["b"], id=["s"])


def test_column_that_appears_twice(tmp_path: Path) -> None:
    assert "column 'pt2' appears twice" in complaint(text_file(tmp_path, "mjj,pt2,pt2", "1,2,3"))


@pytest.mark.parametrize("key", ["mass", "weight", "select", "label", "id", "features"])
def test_unknown_column_anywhere(path: str, key: str) -> None:
    value = ["mj"] if key in ("id", "features") else "mj"
    found = complaint(path, labels=True, **{"label": "label", key: value})
    assert f"{path}: no column 'mj', did you mean 'mjj'? Known are run, event, mjj" in found


def test_code_instead_of_an_expression(path: str) -> None:
    found = complaint(path, select="__import__('os').system('true') == 0")
    assert "is not allowed: expected one of the functions abs, sqrt" in found


def test_name_with_a_blank_that_is_no_column(path: str) -> None:
    assert "'pt 7' is neither a column nor an arithmetic expression" in complaint(path, features=["pt 7"])


def test_nothing_is_left(path: str, tmp_path: Path) -> None:
    assert "select 'mjj < 0' keeps none of 500 rows" in complaint(path, select="mjj < 0")
    assert "none of 500 events has mjj in [1, 2)" in complaint(path, mass_range=(1, 2))
    missing = text_file(tmp_path, "mjj,pt2", "nan,1", ",2")
    assert "none of 2 selected rows has finite values" in complaint(missing, missing="drop")


def test_empty_files_are_fine_among_others(path: str, tmp_path: Path) -> None:
    empty = text_file(tmp_path, "mjj,pt2")
    assert load([empty, path]).n_rows == 500
    assert "empty, expected at least one row" in complaint(empty)


def test_mass_range_the_wrong_way_round(path: str) -> None:
    assert "expected lo < hi, found [2, 1)" in complaint(path, mass_range=(2, 1))


@pytest.mark.parametrize(("first", "second", "expected"), [(0, 0, "all are 0"), (-2, 1, "they sum to -1")])
def test_weights_without_sum(tmp_path: Path, first: int, second: int, expected: str) -> None:
    path = text_file(tmp_path, "mjj,pt2,w", f"1,2,{first}", f"1,3,{second}")
    found = complaint(path, weight="w")
    assert found == f"{path}: weight 'w': expected weights that sum to more than 0, {expected} over 2 events"


def test_labels(tmp_path: Path) -> None:
    path = text_file(tmp_path, "mjj,pt2,label", "1,2,0", "1,3,2")
    assert f"{path}: label 'label': expected 0 or 1, found 2 in row 1" == complaint(path, label="label", labels=True)
    assert load(path, label="label").labels is None
    np.testing.assert_array_equal(load(path, label="label > 1", labels=True).labels, [0, 1])
    assert complaint(path, labels=True).startswith("data.label: expected")


# ROOT


@pytest.fixture
def trees(tmp_path: Path) -> str:
    path = tmp_path / "t.root"
    one = {"mjj": np.dtype("f8"), "pt2": np.dtype("f4"), "v": "var * float64", "p": np.dtype(("f4", (2,)))}
    with uproot.recreate(path) as file:
        file.mktree("one", one).extend(
            {"mjj": np.ones(2), "pt2": np.ones(2, "f4"), "v": ak.Array([[1.0], []]), "p": np.ones((2, 2), "f4")}
        )
        file.mktree("more/two", {"mjj": np.dtype("f8")}).extend({"mjj": np.ones(3)})
    return str(path)


def test_tree_of_several(trees: str) -> None:
    assert load(f"{trees}:one").n_rows == 2
    assert load(f"{trees}:more/two", features=["mjj"]).n_rows == 3
    assert 'expected one tree, found one, more/two; name it as in "t.root:tree"' in complaint(trees)
    assert "no tree 'three', found one, more/two" in complaint(f"{trees}:three")


def test_tree_of_one(tmp_path: Path) -> None:
    text = write_tree(tmp_path / "t.root", TABLE)
    assert load(text.removesuffix(":events")).n_rows == 500


@pytest.mark.parametrize("name", ["v", "p"])
def test_branch_with_several_values(trees: str, name: str) -> None:
    assert f"column {name!r}: expected one number per row, found" in complaint(f"{trees}:one", features=[name])


def test_file_without_tree(tmp_path: Path) -> None:
    with uproot.recreate(tmp_path / "t.root") as file:
        file["text"] = "hello"
    assert "expected one tree, found none" in complaint(str(tmp_path / "t.root"))


def test_glob_of_trees(tmp_path: Path) -> None:
    for name in ("a.root", "b.root"):
        write_tree(tmp_path / name, TABLE)
    sample = load("*.root:events", base=tmp_path)
    assert sample.n_rows == 1000
    assert sample.paths[1] == f"{tmp_path}/b.root:events"


# The table of the configuration


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"features": []}, "at least 1 item"),
        ({"features": ["a", "b", "a"]}, "'a' is named twice"),
        ({"features": ["a", "a = b + c"]}, "'a' is named twice"),
        ({"id": ["run", "run"]}, "'run' is named twice"),
        ({"groups": {"j1": ["a", "c"]}}, "groups.j1: no feature 'c', known are a, b"),
        ({"missing": "ignore"}, "'refuse' or 'drop'"),
        ({"path": []}, "path"),
        ({"mass": ""}, "at least 1 character"),
        ({"colour": "red"}, "colour"),
        ({"features": ["a", "x = b"], "label": "b"}, "label 'b' is the truth"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], expected: str) -> None:
    with pytest.raises(ValidationError, match=expected):
        Data(**{"path": "t.csv", "mass": "m", "features": ["a", "b"], **settings})


def test_names_of_features() -> None:
    texts = ["a", "dm = abs(m1 - m2)", "a == b", "c<=d", "`a b` = c", "x=y"]
    assert Data(path="t.csv", mass="m", features=texts).names == ("a", "dm", "a == b", "c<=d", "a b", "x")


# Cost


def test_memory_follows_what_is_kept(tmp_path: Path) -> None:
    rows, rng = 400_000, np.random.default_rng(1)
    path = tmp_path / "t.parquet"
    columns = {f"c{i}": rng.normal(size=rows) for i in range(8)}
    pq.write_table(pa.table(columns), path, row_group_size=50_000)
    data = Data(path=str(path), mass="c0", features=["c1", "c2 - c3"])
    read(data)
    tracemalloc.start()
    sample = read(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    kept = sum(values.nbytes for values in (sample.events.id, sample.events.x, sample.events.m, sample.index))
    assert peak < 3 * kept + 10e6
