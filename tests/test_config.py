"""Configurations: what stands in the examples is read, what is wrong is named in one line."""

import tomllib
from copy import deepcopy
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api.folders import setup_of
from lamppost.config import Search, load, parse
from lamppost.core import Method, Window
from lamppost.errors import ConfigError
from lamppost.methods.weak import Weak
from lamppost.spec import digest

BASE: dict[str, Any] = {
    "data": {"path": "events.parquet", "mass": "mjj", "features": ["mj1", "dm"]},
    "scan": {"windows": {"from": 3200, "to": 4000, "width": 400, "step": 200}},
    "fit": {"range": [2800, 8000]},
}
DESIGN = """
seed = 1
[data]
path = "events.parquet"            # parquet, csv, ROOT "file.root:tree", LHCO HDF5; several files or a glob
mass = "mjj"
features = ["mj1", "dm", "tau21_1", "tau21_2"]     # names or arithmetic expressions of columns
weight = "w"
id = ["run", "lumi", "event"]
select = "abs(deta) < 1.3"
label = "label"
[data.groups]
j1 = ["mj1", "tau21_1"]
[scan]
windows = {from = 3200, to = 5200, width = 400, step = 200}
sidebands = 400
folds = 5
efficiency = 0.01
decorrelate = "quantile"
[method]
kind = "weak"
ratio = {kind = "boosted", members = 10}
[fit]
range = [2800, 8000]
function = "dijet"
sqrt_s = 13000
signal = {kind = "crystal_ball", resolution = 0.03}
toys = 10000
"""


def changed(path: str, value: Any) -> dict[str, Any]:
    """The base configuration with the value at a dotted path set."""
    table = deepcopy(BASE)
    *folders, name = path.split(".")
    inner = table
    for folder in folders:
        inner = inner.setdefault(folder, {})
    inner[name] = value
    return table


def test_packaged_example(tmp_path: Path) -> None:
    text = (files("lamppost") / "data" / "hunt.toml").read_text(encoding="utf-8")
    path = tmp_path / "hunt.toml"
    path.write_text(text.format(name=path.name, sample="sample.parquet"))
    search = load(path)
    assert search.data.path == str(tmp_path / "sample.parquet")
    assert [w.lo for w in search.claim_windows()] == list(range(3200, 4401, 200))
    assert search.methods["weak"] == Weak()
    assert search.decorrelated(search.methods["weak"])
    assert search.scan.efficiency == (0.01,)
    assert search == parse({**tomllib.loads(path.read_text()), "data": search.data.model_dump()})


def test_example_of_the_design() -> None:
    search = parse(tomllib.loads(DESIGN))
    assert len(search.claim_windows()) == 9
    assert search.claim_windows()[0] == Window(3200, 3600, 400)
    assert [family.model_dump()["sqrt_s"] for family in search.fit.function] == [13000]
    assert search.fit.signal.resolution == 0.03
    assert search.data.groups == {"j1": ["mj1", "tau21_1"]}


def test_a_scale_goes_to_the_families_that_have_one() -> None:
    fit: dict[str, Any] = {"range": [2800, 8000], "sqrt_s": 8000, "function": ["dijet", "polynomial"]}
    several = parse(changed("fit", {**fit, "spurious": "ua2"})).fit
    assert [family.model_dump().get("sqrt_s") for family in several.function] == [8000, None]
    assert [family.model_dump().get("sqrt_s") for family in several.spurious] == [8000]
    elsewhere = parse(changed("fit", {**fit, "function": "polynomial", "spurious": ["diphoton"]})).fit
    assert [family.model_dump().get("sqrt_s") for family in elsewhere.spurious] == [8000]
    own = parse(changed("fit", {"range": [2800, 8000], "function": [{"kind": "dijet", "sqrt_s": 7000}, "ua2"]})).fit
    assert [family.model_dump()["sqrt_s"] for family in own.function] == [7000, 13000]
    for families in ("polynomial", ["polynomial", "polynomial"]):
        with pytest.raises(ConfigError, match="unknown key 'sqrt_s'"):
            parse(changed("fit", {**fit, "function": families}))


def test_several_families_and_none() -> None:
    fit = parse(changed("fit", {"range": [2800, 8000], "function": ["ua2", "dijet"], "n_parameters": "aic"})).fit
    assert [family.kind for family in fit.function] == ["ua2", "dijet"]
    assert (fit.n_parameters, fit.spurious, fit.combine) == ("aic", (), "independent")
    assert parse(changed("fit.spurious", [])).fit == parse(deepcopy(BASE)).fit


def test_resolved_configuration_describes_the_same_search() -> None:
    search = parse(tomllib.loads(DESIGN))
    resolved = search.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert parse(resolved) == search
    assert digest(parse(resolved)) == digest(search)


def test_defaults() -> None:
    search = parse(deepcopy(BASE))
    assert (search.seed, search.scan.folds, search.scan.efficiency, search.fit.toys) == (1, 5, (0.01,), 10000)
    assert list(search.methods) == ["weak"]
    assert search.validation_windows() == []
    assert all(window.reach == 400 for window in search.claim_windows())


def test_digest_of_a_search() -> None:
    one = parse(deepcopy(BASE))
    reordered = {key: dict(reversed(BASE[key].items())) for key in reversed(BASE)}
    assert digest(parse(reordered)) == digest(one)
    assert digest(parse(changed("fit.range", [2800.0, 8000.0]))) == digest(one)
    assert digest(parse(changed("seed", 2))) != digest(one)
    assert digest(parse(changed("scan.efficiency", [0.01]))) == digest(one)


def test_efficiencies_are_sorted() -> None:
    search = parse(changed("scan.efficiency", [0.001, 0.1, 0.01, 0.1]))
    assert search.scan.efficiency == (0.1, 0.01, 0.001)


@pytest.mark.parametrize(
    ("value", "names"),
    [
        ({"method": "random"}, {"random": "random"}),
        ({"method": {"kind": "weak"}}, {"weak": "weak"}),
        ({"method": {"ratio": {"kind": "boosted", "members": 2}}}, {"weak": "weak"}),
        ({"methods": {"a": "weak", "b": {"kind": "random"}}}, {"a": "weak", "b": "random"}),
        ({"method": Weak()}, {"weak": "weak"}),
    ],
)
def test_names_of_methods(value: dict[str, Any], names: dict[str, str]) -> None:
    assert {name: method.kind for name, method in parse({**deepcopy(BASE), **value}).methods.items()} == names


def test_whether_to_decorrelate() -> None:
    for setting, expected in ((None, True), ("quantile", True), ("none", False)):
        search = parse(changed("scan.decorrelate", setting))
        assert search.decorrelated(search.methods["weak"]) is expected
    assert parse(changed("scan.decorrelate", "quantile")).decorrelated(Method.parse("random"))


def test_sqrt_s_beside_the_function() -> None:
    beside = changed("fit.sqrt_s", 8000)
    inside = changed("fit.function", {"kind": "dijet", "sqrt_s": 8000})
    named = changed("fit.sqrt_s", 8000)
    named["fit"]["function"] = "dijet"
    assert parse(beside).fit == parse(inside).fit == parse(named).fit
    assert beside["fit"]["sqrt_s"] == 8000  # what the caller gave is left alone


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("foo", 1, "unknown key 'foo'"),
        ("scan.step", 1, "unknown key 'scan.step'"),
        ("seed", -1, "seed: Input should be greater than or equal to 0, found -1"),
        ("seed", 0.5, "seed: "),
        ("scan.windows", [], "scan.windows: expected at least one window"),
        ("scan.windows", "all", "scan.windows: "),
        ("scan.windows", [[3000, 3500, 4000]], "scan.windows.0: Tuple should have at most 2 items"),
        ("scan.windows", {"from": 3200, "to": 4000, "width": 400}, "scan.windows.step: Field required"),
        ("scan.windows", {"from": 3200, "to": 3400, "width": 400, "step": 1}, "no window of width 400 fits"),
        ("scan.windows", [[1000, 1500]], "scan.windows: window [1000, 1500) lies outside the fit range [2800, 8000)"),
        ("scan.windows", [[3500, 3000]], "scan.windows: window [3500, 3000) is empty"),
        ("scan.validation", [[3500, 9000]], "scan.validation: window [3500, 9000) lies outside the fit range"),
        ("scan.sidebands", 0, "scan.sidebands: Input should be greater than 0, found 0"),
        ("scan.folds", 2, "scan.folds: Input should be greater than or equal to 3, found 2"),
        ("scan.efficiency", 0, "scan.efficiency: expected a kept background fraction in (0, 1], found 0"),
        ("scan.efficiency", [0.1, 1.5], "found 1.5"),
        ("scan.efficiency", [], "scan.efficiency: "),
        ("scan.decorrelate", "flow", "scan.decorrelate: Input should be 'quantile' or 'none', found 'flow'"),
        ("fit.range", [8000, 2800], "fit.range: expected 0 < lo < hi, found [8000, 2800]"),
        ("fit.range", [-1, 2800], "fit.range: expected 0 < lo < hi, found [-1, 2800]"),
        ("fit.range", [2800, float("inf")], "fit.range.1: Input should be a finite number"),
        ("fit.bins", [2800, 8000], "bins: expected more than 5 rising edges from 2800 to 8000, the fit range"),
        ("fit.bins", [2800, 3000, 2900, 3100, 3200, 3300, 8000], "bins: expected more than 5 rising edges"),
        ("fit.bins", [2800, 3000, 3100, 3200, 3300, 3400, 7000], "bins: expected more than 5 rising edges"),
        ("fit.n_parameters", 9, "fit.n_parameters: expected 2 to 5 for 'dijet', found 9"),
        ("fit.n_parameters", "bic", "fit.n_parameters: expected a number of parameters from 1, or 'aic', found 'bic'"),
        ("fit.n_parameters", 2.5, "fit.n_parameters: expected a number of parameters from 1, or 'aic', found 2.5"),
        ("fit.function", [], "fit.function: "),
        ("fit.function", ["dijet", 3], "background: expected a table with a kind, found 3"),
        ("fit.spurious", "spline", "unknown kind 'spline'"),
        (
            "fit.combine",
            "none",
            "fit.combine: Input should be 'independent', 'bonferroni' or 'bootstrap', found 'none'",
        ),
        ("data.groups", {"j1": ["mj1", "dm", "mj1"]}, "groups.j1: feature 'mj1' is listed twice"),
        ("fit.toys", 10, "fit.toys: Input should be greater than or equal to 100, found 10"),
        ("fit.function", "spline", "unknown kind 'spline'"),
        ("fit.signal", {"kind": "gaussian", "width_of": 3}, "unknown key 'width_of'"),
        ("method", 3, "method: expected a table with a kind, found 3"),
        ("method", {"kind": ["weak"]}, "method: expected a table with a kind, found {'kind': ['weak']}"),
        ("method", "wek", "method: unknown kind 'wek', known are "),
        (
            "method",
            {"kind": "weak", "ratio": {"kind": "boosted", "membrs": 1}},
            "ratio 'boosted': unknown key 'membrs'",
        ),
        ("method", "idealised", "methods.idealised: 'idealised' sees the truth, a hunt cannot use it"),
        ("methods", {}, "methods: "),
        ("methods", {"a": {"ratio": "boosted"}}, "expected a table with a kind"),
        ("data.features", [], "data.features: "),
        ("data", 3, "data: "),
    ],
)
def test_errors_are_one_line_that_names_the_key(path: str, value: Any, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(changed(path, value), "hunt.toml")
    text = str(caught.value)
    assert text.startswith("hunt.toml: ")
    assert message in text
    assert "\n" not in text
    assert "Value error" not in text


def test_one_method_or_several() -> None:
    with pytest.raises(ConfigError, match=r"give either \[method\] or \[methods.NAME\], not both"):
        parse({**deepcopy(BASE), "method": "weak", "methods": {"a": "weak"}})


@pytest.mark.parametrize("missing", ["data", "scan", "fit"])
def test_missing_tables(missing: str) -> None:
    with pytest.raises(ConfigError, match=f"{missing}: Field required"):
        parse({key: table for key, table in BASE.items() if key != missing})


def test_bins() -> None:
    edges = np.linspace(2800, 8000, 10).tolist()
    assert parse(changed("fit.bins", edges)).fit.bins == edges


def test_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: no such configuration file"):
        load(tmp_path / "none.toml")
    path = tmp_path / "hunt.toml"
    path.write_bytes(b"seed = \xff")
    with pytest.raises(ConfigError, match=r"hunt.toml: cannot be read as TOML"):
        load(path)
    path.write_text("seed = [1")
    with pytest.raises(ConfigError, match=r"hunt.toml: cannot be read as TOML"):
        load(path)
    path.write_text("seed = 1")
    with pytest.raises(ConfigError, match=r"hunt.toml: data: Field required"):
        load(path)


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "hunt.toml"
    for given, expected in (
        ('"a.parquet"', str(tmp_path / "a.parquet")),
        ('["a.csv", "/b.csv"]', [str(tmp_path / "a.csv"), "/b.csv"]),
    ):
        text = DESIGN.replace('path = "events.parquet"', f"path = {given}")
        path.write_text(text)
        assert load(path).data.path == expected


def test_paths_of_a_table_are_relative_to_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To that in which it is read: workers may be started in another one."""
    monkeypatch.chdir(tmp_path)
    search = setup_of({**BASE, "samples": {"simulation": "sim.parquet"}}, Search, load, parse)
    assert (search.data.path, search.samples.simulation) == (f"{tmp_path}/events.parquet", f"{tmp_path}/sim.parquet")


def test_a_search_is_a_value() -> None:
    search = parse(deepcopy(BASE))
    assert search == Search.model_validate(deepcopy(BASE))
    before = deepcopy(BASE)
    parse(BASE)
    assert before == BASE
