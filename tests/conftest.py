"""What several test modules share."""

from pathlib import Path

import pytest

import lamppost
from small_disk import small_disk
from small_hunt import write_hunt

__all__ = ["small_disk"]


def pytest_configure() -> None:
    """Compiled code is looked up by its own file alone: after a change in what it calls, it is compiled again."""
    room = Path(lamppost.__file__).parent / "stats"
    newest = max(path.stat().st_mtime for path in room.rglob("*.py"))
    for cached in room.rglob("*.nb[ci]"):
        if cached.stat().st_mtime < newest:
            cached.unlink(missing_ok=True)


@pytest.fixture(scope="session")
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The configuration of the small hunt, its events beside it."""
    return write_hunt(tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="session")
def finished(config: Path) -> Path:
    """The run folder of the small hunt, finished without a disturbance. Do not write into it."""
    out = config.parent / "run"
    lamppost.hunt(config, out, workers=2, quiet=True)
    return out
