"""Bad input ends with exit code 2 and one line that names the culprit; nothing half-written is left."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import uproot
from numpy.typing import NDArray

from lamppost.cli import main
from small_hunt import WINDOWS, Json, events, search, write_events, write_hunt

Table = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Bad:
    """What is wrong with a hunt: its configuration (`changes`), its events (`spoil`) or its file (`write`)."""

    expected: tuple[str, ...]  # what the line must name
    changes: Json = field(default_factory=dict)
    spoil: Callable[[Table], Table] = lambda table: table
    write: Callable[[Path, Table], Any] | None = None
    file: str = "events.parquet"


def truncated_parquet(path: Path, table: Table) -> None:
    content = write_events(path, table).read_bytes()
    path.write_bytes(content[: len(content) // 2])


def truncated_root(path: Path, table: Table) -> None:
    with uproot.recreate(path) as file:
        file.mktree("events", {name: values.dtype for name, values in table.items()}).extend(table)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def pickled_column(path: Path, table: Table) -> None:
    """A frame as pandas writes it, with a column of Python objects."""
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs.update(pandas_type=np.bytes_("frame"), nblocks=2)
        numbers = [name for name in table if name != "b"]
        for block, names in enumerate((numbers, ["b"])):
            frame.create_dataset(f"block{block}_items", data=np.array(names, dtype="S"))
        frame.create_dataset("axis0", data=np.array([*numbers, "b"], dtype="S"))
        frame.create_dataset("axis1", data=np.arange(len(table["mjj"])))
        frame.create_dataset("block0_values", data=np.stack([table[name].astype(float) for name in numbers], axis=1))
        frame["block0_values"].attrs["transposed"] = np.uint8(1)
        pickled = frame.create_dataset("block1_values", (1,), dtype=h5py.vlen_dtype(np.uint8))
        pickled[0] = np.frombuffer(b"\x80\x04cos\nsystem\n", dtype=np.uint8)
        pickled.attrs["PSEUDOATOM"] = np.bytes_("object")


def no_file(path: Path, table: Table) -> None:
    """Nothing is written."""


def with_column(name: str, values: Callable[[Table], NDArray[Any]]) -> Callable[[Table], Table]:
    return lambda table: {**table, name: values(table)}


def first_nan(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(np.arange(len(values)) == 7, np.nan, values)


def hole(table: Table) -> Table:
    """No events between 3600 and 4000."""
    keep = (table["mjj"] < 3600.0) | (table["mjj"] >= 4000.0)
    return {name: values[keep] for name, values in table.items()}


WEIGHTED = {"data": {"weight": "w"}}

CONFIGURATIONS = {
    "missing file": Bad(("events.parquet", "no such file"), write=no_file),
    "no file matches": Bad(("runs-*.parquet", "no file matches"), {"data": {"path": "runs-*.parquet"}}),
    "unknown suffix": Bad(
        ("events.xls", "suffix"), {"data": {"path": "events.xls"}}, write=write_events, file="events.xls"
    ),
    "no mass": Bad(("hunt.toml", "data.mass"), {"data": {"mass": None}}),
    "no features": Bad(("hunt.toml", "data.features"), {"data": {"features": []}}),
    "one feature twice": Bad(("hunt.toml", "'a'", "twice"), {"data": {"features": ["a", "a"]}}),
    "no data": Bad(("hunt.toml", "data"), {"data": None}),
    "no scan": Bad(("hunt.toml", "scan"), {"scan": None}),
    "no windows": Bad(("hunt.toml", "scan.windows"), {"scan": {"windows": []}}),
    "empty window": Bad(("hunt.toml", "[3500, 3500)", "empty"), {"scan": {"windows": [[3500, 3500]]}}),
    "window upside down": Bad(("[3600, 3200)", "empty"), {"scan": {"windows": [[3600, 3200]]}}),
    "window outside the fit range": Bad(("[8200, 8600)", "[2800, 8000)"), {"scan": {"windows": [[8200, 8600]]}}),
    "window across the end": Bad(("[2600, 3000)", "[2800, 8000)"), {"scan": {"windows": [[2600, 3000]]}}),
    "window twice": Bad(("scan.windows", "twice"), {"scan": {"windows": [[3200, 3600], [3200, 3600]]}}),
    "no window on the grid": Bad(
        ("hunt.toml", "no window of width 500"),
        {"scan": {"windows": {"from": 3200, "to": 3600, "width": 500, "step": 100}}},
    ),
    "negative step": Bad(
        ("hunt.toml", "step"), {"scan": {"windows": {"from": 3200, "to": 3600, "width": 200, "step": -100}}}
    ),
    "negative sidebands": Bad(("scan.sidebands", "-100"), {"scan": {"sidebands": -100}}),
    "negative efficiency": Bad(("scan.efficiency", "-0.01"), {"scan": {"efficiency": -0.01}}),
    "efficiency in percent": Bad(("scan.efficiency", "5"), {"scan": {"efficiency": [0.1, 5]}}),
    "efficiency that is text": Bad(("scan.efficiency", "'1 %'"), {"scan": {"efficiency": "1 %"}}),
    "two folds": Bad(("scan.folds", "2"), {"scan": {"folds": 2}}),
    "unknown decorrelation": Bad(("scan.decorrelate", "'linear'"), {"scan": {"decorrelate": "linear"}}),
    "unknown key": Bad(("hunt.toml", "'sede'"), {"sede": 2}),
    "unknown key in a table": Bad(("hunt.toml", "'scan.efficency'"), {"scan": {"efficency": 0.01}}),
    "unknown key of a method": Bad(("hunt.toml", "'weak'", "'bosted'"), {"method": {"bosted": 1}}),
    "unknown key of a ratio": Bad(("hunt.toml", "'boosted'", "'leafs'"), {"method": {"ratio": {"leafs": 3}}}),
    "unknown kind": Bad(("hunt.toml", "'bumps'", "known are"), {"method": "bumps"}),
    "unknown kind of ratio": Bad(("hunt.toml", "'forest'", "boosted"), {"method": {"ratio": {"kind": "forest"}}}),
    "kind that is a list": Bad(("hunt.toml", "kind"), {"method": {"kind": ["weak"]}}),
    "method that is a number": Bad(("hunt.toml", "method", "3"), {"method": 3}),
    "method that is a list": Bad(("hunt.toml", "method"), {"method": ["weak"]}),
    "methods that are a text": Bad(("hunt.toml", "methods", "'weak'"), {"method": None, "methods": "weak"}),
    "no methods": Bad(("hunt.toml", "methods"), {"method": None, "methods": {}}),
    "method and methods": Bad(("hunt.toml", "[method]", "[methods.NAME]"), {"methods": {"other": {"kind": "weak"}}}),
    "method that sees the truth": Bad(("hunt.toml", "'supervised'", "truth"), {"method": "supervised"}),
    "idealised method": Bad(
        ("hunt.toml", "methods.best", "'idealised'"), {"method": None, "methods": {"best": {"kind": "idealised"}}}
    ),
    "unknown function": Bad(("hunt.toml", "'trijet'", "dijet"), {"fit": {"function": "trijet"}}),
    "unknown signal": Bad(("hunt.toml", "'box'", "gaussian"), {"fit": {"signal": "box"}}),
    "negative resolution": Bad(
        ("hunt.toml", "resolution", "-0.03"), {"fit": {"signal": {"kind": "gaussian", "resolution": -0.03}}}
    ),
    "negative sqrt_s": Bad(("hunt.toml", "sqrt_s", "-13000"), {"fit": {"sqrt_s": -13000}}),
    "sqrt_s without use": Bad(("hunt.toml", "sqrt_s"), {"fit": {"function": "polynomial", "sqrt_s": 13000}}),
    "fit range upside down": Bad(("fit.range", "[8000, 2800]"), {"fit": {"range": [8000, 2800]}}),
    "fit range of one number": Bad(("fit.range",), {"fit": {"range": [2800]}}),
    "fit range without end": Bad(("fit.range", "inf"), {"fit": {"range": [2800, float("inf")]}}),
    "bins beside the range": Bad(("bins", "2800 to 8000"), {"fit": {"bins": [2800, 3000, 9000]}}),
    "too few toys": Bad(("fit.toys", "5"), {"fit": {"toys": 5}}),
    "no parameters": Bad(("fit.n_parameters", "0"), {"fit": {"n_parameters": 0}}),
    "negative seed": Bad(("hunt.toml", "seed", "-1"), {"seed": -1}),
    "seed that is text": Bad(("hunt.toml", "seed", "'one'"), {"seed": "one"}),
}

DATA = {
    "truncated parquet": Bad(("events.parquet",), write=truncated_parquet),
    "truncated ROOT": Bad(
        ("events.root",), {"data": {"path": "events.root:events"}}, write=truncated_root, file="events.root"
    ),
    "pickled column": Bad(
        ("events.h5", "'b'", "pickle"), {"data": {"path": "events.h5"}}, write=pickled_column, file="events.h5"
    ),
    "wrong column": Bad(("events.parquet", "'tau21'", "known are"), {"data": {"features": ["a", "tau21"]}}),
    "wrong weight": Bad(("events.parquet", "'weight'"), {"data": {"weight": "weight"}}),
    "text column": Bad(
        ("events.parquet", "'b'", "text"), spoil=with_column("b", lambda t: np.full(len(t["mjj"]), "jet"))
    ),
    "NaN in a feature": Bad(("'b'", "row 7", "nan"), spoil=with_column("b", lambda t: first_nan(t["b"]))),
    "NaN in the mass": Bad(("'mjj'", "row 7", "nan"), spoil=with_column("mjj", lambda t: first_nan(t["mjj"]))),
    "expression that is code": Bad(
        ("__import__",), {"data": {"features": ["a", "__import__('os').system('touch hacked')"]}}
    ),
    "expression that reaches inside": Bad(("a.__class__",), {"data": {"features": ["a", "a.__class__"]}}),
    "expression that is none": Bad(("a +* b",), {"data": {"features": ["a", "c = a +* b"]}}),
    "select that keeps nothing": Bad(("a > 100", "none"), {"data": {"select": "a > 100"}}),
    "window without events": Bad(("scan.windows", "[3600, 4000)", "0 events"), spoil=hole),
    "window outside the data": Bad(
        ("scan.windows", "[7600, 7900)"), {"scan": {"windows": [[3200, 3600], [7600, 7900]]}}
    ),
    "validation window outside the data": Bad(
        ("scan.validation", "[7600, 7900)"), {"scan": {"validation": [[7600, 7900]]}}
    ),
    "fit range outside the data": Bad(
        ("events.parquet", "mjj", "[20000, 30000)"),
        {"fit": {"range": [20000, 30000]}, "scan": {"windows": [[22000, 24000]]}},
    ),
    "all weights zero": Bad(("events.parquet", "'w'", "all are 0"), WEIGHTED, with_column("w", lambda t: 0.0 * t["w"])),
    "all weights negative": Bad(("'w'", "-4000"), WEIGHTED, with_column("w", lambda t: -t["w"])),
    "window of weight zero": Bad(
        ("scan.windows", "[3200, 3600)", "weight 0"),
        WEIGHTED,
        with_column("w", lambda t: np.where((t["mjj"] > 3100) & (t["mjj"] < 3700), 0.0, 1.0)),
    ),
    "constant feature": Bad(
        ("feature 'b'", "2 in all events of the fit range"), spoil=with_column("b", lambda t: 0.0 * t["b"] + 2.0)
    ),
    "constant mass": Bad(
        ("mass is 3500 in all events of the fit range",), spoil=with_column("mjj", lambda t: 0.0 * t["mjj"] + 3500.0)
    ),
    "50 events": Bad(("50 events", "at least 200"), spoil=lambda table: {name: v[:50] for name, v in table.items()}),
    "too many folds": Bad(("weak: training, window [3", "fold"), {"scan": {"folds": 100}}),
}


def complaint(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line on stderr with which a command is refused; of all its processes, hence capfd."""
    assert main([str(argument) for argument in arguments]) == 2
    stdout, stderr = capfd.readouterr()
    assert stdout == ""
    assert stderr.startswith("lamppost: ")
    assert stderr.count("\n") == 1
    assert stderr.endswith("\n")
    assert "Traceback" not in stderr
    assert len(stderr) < 600
    return stderr


def bad_hunt(folder: Path, bad: Bad) -> Path:
    (bad.write or write_events)(folder / bad.file, bad.spoil(events()))
    config = write_hunt(folder / "elsewhere", {"unused": np.zeros(1)}, **bad.changes)
    return config.rename(folder / "hunt.toml")


@pytest.mark.parametrize("bad", CONFIGURATIONS.values(), ids=CONFIGURATIONS)
def test_configurations(tmp_path: Path, capfd: pytest.CaptureFixture[str], bad: Bad) -> None:
    config, out = bad_hunt(tmp_path, bad), tmp_path / "run"
    line = complaint(capfd, "hunt", config, "--out", out, "--quiet")
    assert not [name for name in bad.expected if name not in line], line
    assert not out.exists()
    assert complaint(capfd, "check", config) == line


@pytest.mark.parametrize("bad", DATA.values(), ids=DATA)
def test_data(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, bad: Bad) -> None:
    config, out = bad_hunt(tmp_path, bad), tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    line = complaint(capfd, "hunt", config, "--out", out, "--quiet", "--workers", 1)
    assert not [name for name in bad.expected if name not in line], line
    left = {path.name for path in out.iterdir()}
    assert left <= {".lock", "config.toml", "log.jsonl", "artefacts", "progress.html", "used"}
    assert not list(out.rglob("*.part"))
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, "no such configuration file"),
        ("seed = = 1", "line 1"),
        ("seed = 1\nseed = 2", "overwrite a value"),
        ('[data]\npath = "a.parquet', "Unterminated string"),
        ("", "data"),
        (b"\xff\xfe\x00s", "cannot be read as TOML"),
    ],
)
def test_broken_toml(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], text: str | bytes | None, expected: str
) -> None:
    config = tmp_path / "hunt.toml"
    if text is not None:
        config.write_bytes(text.encode() if isinstance(text, str) else text)
    line = complaint(capfd, "hunt", config, "--out", tmp_path / "run")
    assert str(config) in line
    assert expected in line
    assert not (tmp_path / "run").exists()


def test_a_folder_as_configuration(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in complaint(capfd, "hunt", tmp_path, "--out", tmp_path / "run")


def test_an_output_folder_that_is_a_file(tmp_path: Path, config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    out.write_text("mine")
    for folder in (out, out / "below"):
        assert str(folder) in complaint(capfd, "hunt", config, "--out", folder)
    assert out.read_text() == "mine"


def test_no_workers(tmp_path: Path, config: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "workers" in complaint(capfd, "hunt", config, "--out", tmp_path / "run", "--workers", 0)
    assert not (tmp_path / "run").exists()


BINS = "low,high,count\n" + "".join(f"{1000 + 100 * i},{1100 + 100 * i},{1000 // (i + 1)}\n" for i in range(30))
MASSES = "mjj\n" + "".join(f"{1000 * 1.01**i}\n" for i in range(200))
SPECTRA: dict[str, tuple[str | bytes | None, list[Any], str]] = {
    "missing file": (None, [], "no such file"),
    "empty file": ("", [], "cannot be read"),
    "header only": ("low,high,count\n", [], "no rows"),
    "no spectrum": (b"\x00\x01\x02\xff" * 50, [], "spectrum.csv"),
    "damaged gzip": (gzip.compress(BINS.encode())[:60], [], "spectrum.csv"),
    "text": (BINS.replace(",500\n", ",many\n"), [], "'many'"),
    "NaN": (BINS.replace(",500\n", ",nan\n"), [], "line 3"),
    "nothing": (BINS.replace(",500\n", ",\n"), [], "line 3"),
    "negative count": (BINS.replace(",500\n", ",-500\n"), [], "negative"),
    "one bin": ("low,high,count\n1000,1100,5\n", [], "1"),
    "gap": (BINS.replace("1100,1200,500\n", ""), [], "does not start where"),
    "all bins empty": ("low,high,count\n" + "".join(f"{i},{i + 1},0\n" for i in range(1, 9)), [], "empty"),
    "range beside the bins": (BINS, ["--range", 5000, 6000], "[5000, 6000]"),
    "range upside down": (BINS, ["--range", 3000, 2000], "[3000, 2000]"),
    "range beside the masses": (MASSES, ["--range", 50000, 60000], "[50000, 60000]"),
    "range of masses upside down": (MASSES, ["--range", 3000, 2000], "3000"),
    "range that is NaN": (MASSES, ["--range", "nan", 2000], "nan"),
    "mass outside the range": (BINS, ["--masses", 9000], "9000"),
    "mass that is NaN": (BINS, ["--masses", "nan"], "nan"),
    "window outside the range": (BINS, ["--window", 5000, 6000], "5000"),
    "window upside down": (BINS, ["--window", 3000, 2000], "3000"),
    "no bins": (MASSES, ["--bins", 0], "bins"),
    "negative bins": (MASSES, ["--bins", -3], "bins"),
    "bins for bins": (BINS, ["--bins", 10], "bins"),
    "unknown column": (MASSES, ["--column", "m4l"], "'m4l'"),
    "unknown function": (BINS, ["--function", "spline"], "'spline'"),
    "unknown signal": (BINS, ["--signal", "box"], "'box'"),
    "no resolution": (BINS, ["--resolution", 0], "resolution"),
    "resolution that is NaN": (BINS, ["--resolution", "nan"], "resolution"),
    "negative width": (BINS, ["--width", -5], "width"),
    "no parameters": (BINS, ["--parameters", 0], "0"),
    "too many parameters": (BINS, ["--parameters", 50], "50"),
    "negative sqrt_s": (BINS, ["--sqrt-s", -1], "sqrt_s"),
    "sqrt_s without use": (BINS, ["--function", "polynomial", "--sqrt-s", 13000], "sqrt_s"),
    "negative toys": (BINS, ["--toys", -1], "toys"),
    "negative seed": (BINS, ["--seed", -1], "seed"),
}


@pytest.mark.parametrize(("text", "options", "expected"), SPECTRA.values(), ids=SPECTRA)
def test_spectra(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    text: str | bytes | None,
    options: list[Any],
    expected: str,
) -> None:
    spectrum = tmp_path / ("spectrum.csv.gz" if isinstance(text, bytes) and text[:2] == b"\x1f\x8b" else "spectrum.csv")
    if text is not None:
        spectrum.write_bytes(text.encode() if isinstance(text, str) else text)
    toys = [] if "--toys" in options else ["--toys", 10]
    assert expected in complaint(capfd, "fit", spectrum, *options, *toys)


@pytest.mark.parametrize("arguments", [[], ["hunt"], ["hunt", "c.toml"], ["dance"], ["fit", "s.csv", "--bins", "many"]])
def test_command_lines(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage: lamppost" in capsys.readouterr().err


def test_the_search_that_is_spoilt_here_is_good() -> None:
    from lamppost.config import parse

    assert [[w.lo, w.hi] for w in parse(search()).claim_windows()] == WINDOWS
