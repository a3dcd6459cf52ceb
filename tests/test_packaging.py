"""What users install: quick to start, light to import, one version everywhere, complete in the wheel."""

import importlib.metadata
import re
import resource
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

import lamppost

ROOT = Path(__file__).parents[1]
SCRIPTS = Path(sysconfig.get_path("scripts"))
HEAVY = {"lightgbm", "jax", "torch", "sklearn", "scipy", "numpy", "pandas", "numba", "numexpr"} | {
    "pyarrow", "pydantic", "matplotlib", "mplhep", "hist", "uproot", "awkward", "h5py", "rich",
}  # fmt: skip


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=True)


def cpu_seconds(*command: str | Path) -> float:
    """CPU time of a command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    run(*command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_is_quick() -> None:
    # the smallest of three: the first may compile bytecode, others may share the core
    assert min(cpu_seconds(SCRIPTS / "lamppost", "--help") for _ in range(3)) < 0.5


def test_import_is_light() -> None:
    times = run(sys.executable, "-X", "importtime", "-c", "import lamppost").stderr
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in times.splitlines() if "|" in line}
    assert "lamppost" in imported
    assert not imported & HEAVY


def test_public_names_exist() -> None:
    assert all(getattr(lamppost, name) is not None for name in lamppost.__all__)


def test_one_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## \[(\d\S*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation is not None
    assert newest is not None
    versions = {project["version"], lamppost.__version__, importlib.metadata.version("lamppost")}
    assert versions | {citation[1], newest[1]} == {project["version"]}


def test_every_dependency_is_pinned() -> None:
    def name(requirement: str) -> str:
        return re.split(r"[\[<>=~!; ]", requirement, maxsplit=1)[0].lower().replace("_", "-")

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [wanted for extra in project["optional-dependencies"].values() for wanted in extra]
    pins = {name(line) for line in (ROOT / "constraints.txt").read_text().splitlines() if "==" in line}
    assert {name(wanted) for wanted in [*project["dependencies"], *extras]} - {"lamppost"} <= pins


def test_wheel_is_complete(tmp_path: Path) -> None:
    pytest.importorskip("hatchling", reason="hatchling, which builds the wheel, is not installed")
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        size = {entry.filename: entry.file_size for entry in archive.infolist()}
    files = [path.relative_to(ROOT / "src") for path in (ROOT / "src").rglob("*") if path.is_file()]
    assert {str(path) for path in files if "__pycache__" not in path.parts} <= size.keys()
    assert "lamppost/py.typed" in size
    assert any(name.endswith("/licenses/LICENSE") for name in size)
    samples = [name for name in size if re.fullmatch(r"lamppost/data/.*\.parquet", name)]
    assert samples
    assert sum(size[name] for name in samples) < 6_000_000


def test_import_contracts_hold() -> None:
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    found = subprocess.run([SCRIPTS / "lint-imports"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout
