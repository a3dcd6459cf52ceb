"""The method that "Write your own method" shows: one short file, found by name, held to the contract of every kind."""

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import test_conformance as contract
from lamppost import storage
from lamppost.core import Method
from small_comparison import write_comparison

PAGE = Path(__file__).parents[1] / "docs/own_method.md"
pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the documentation is not here")
KIND = "neighbours"


def block(start: str) -> str:
    """The code block of the page that begins with this line, without it."""
    found = re.search(rf"^```.*\n{re.escape(start)}\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    return found[1]


def write_plugin(folder: Path) -> None:
    """The file and what its pyproject.toml becomes when pip installs it."""
    project = tomllib.loads(block("# pyproject.toml"))["project"]
    about = folder / f"{project['name']}-{project['version']}.dist-info"
    about.mkdir()
    (folder / f"{KIND}.py").write_text(block(f"%%writefile {KIND}.py"))
    (about / "METADATA").write_text(f"Name: {project['name']}\nVersion: {project['version']}\n")
    entries = [f"{name} = {module}\n" for name, module in project["entry-points"]["lamppost.kinds"].items()]
    (about / "entry_points.txt").write_text("[lamppost.kinds]\n" + "".join(entries))


@pytest.fixture(scope="module")
def kind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its name, while the class is registered."""
    folder = tmp_path_factory.mktemp("plugin")
    write_plugin(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        import_module(KIND)
        yield KIND
    del Method.registry[KIND], storage._CLASSES[KIND], sys.modules[KIND]


def cases() -> Iterator[Any]:
    """Every test of the contract that holds for methods, with the values it runs over beside role and kind."""
    for name, test in inspect.getmembers(contract, inspect.isfunction):
        names = set(inspect.signature(test).parameters)
        if name.startswith("test_") and "kind" in names and name != "test_template_stands_for_the_background":
            units = [{"unit": 1024.0}, {"unit": 1e-3}] if "unit" in names else [{}]
            yield from (pytest.param(test, values, id=f"{name}-{values or ''}") for values in units)


def test_it_is_one_file_of_less_than_40_lines() -> None:
    assert len(block(f"%%writefile {KIND}.py").splitlines()) < 40


@pytest.mark.parametrize(("test", "values"), list(cases()))
def test_it_keeps_the_contract(test: Any, values: dict[str, float], kind: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"role": Method, "kind": kind, "tmp_path": tmp_path, **values}
    test(**{name: given[name] for name in inspect.signature(test).parameters})


def test_the_contract_was_found() -> None:
    names = {str(case.id).split("-")[0] for case in cases()}
    assert {"test_weight_two_is_the_event_twice", "test_score_is_saved_and_loaded"} <= names
    assert len(names) >= 8


def test_an_installed_one_is_found_by_the_command_line_and_its_workers(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    write_plugin(plugins)
    changes = {"methods": {"cwola": None, "best": None, "mine": {"kind": KIND, "k": 30}}}
    config = write_comparison(tmp_path, **changes, compare={"strengths": [0.1], "draws": 1, "closure": 0})
    command = [sys.executable, "-m", "lamppost", "compare", str(config), "--out", str(tmp_path / "run")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(plugins), *sys.path])}
    command += ["--workers", "1", "--quiet", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    methods = json.loads(done.stdout)["methods"]
    assert methods["mine"]["kind"] == KIND
    assert methods["mine"]["decorrelated"]
    mine, blind = (methods[name]["s_over_b"]["0.1"]["auc"][0] for name in ("mine", "blind"))
    assert mine > 0.8  # two features, two standard deviations off in each
    assert abs(blind - 0.5) < 0.1
