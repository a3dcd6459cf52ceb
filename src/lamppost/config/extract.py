"""The extraction of features that a TOML file describes: [input], [objects.NAME], [substructure], [features]."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import Field, ValidationError

from lamppost.config.toml import read_toml, rooted
from lamppost.errors import ConfigError
from lamppost.features import Extraction
from lamppost.io import Input
from lamppost.spec import Spec, explain

__all__ = ["FeatureRun", "load_features", "parse_extraction", "parse_features"]


class FeatureRun(Spec):
    """What to read, and what to make of it."""

    input: Input = Field(description="the files of collisions")
    extraction: Extraction = Field(description="objects, and the features made of them")


def parse_features(table: dict[str, Any], where: str = "configuration") -> FeatureRun:
    """The extraction that the tables of a TOML file describe, and its input.

    Raises
    ------
    ConfigError
        One line that names the key, what was expected and what was found.
    """
    rest = {key: value for key, value in table.items() if key != "input"}
    with _explained(where):
        return FeatureRun.model_validate({"input": table.get("input", {}), "extraction": rest})


def parse_extraction(table: dict[str, Any], where: str = "configuration") -> Extraction:
    """The extraction alone, see `parse_features`."""
    with _explained(where):
        return Extraction.model_validate(table)


@contextmanager
def _explained(where: str) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        msg = f"{where}: {explain(error).removeprefix('extraction: ').replace('extraction.', '', 1)}"
    except ConfigError as error:
        msg = f"{where}: {error}"
    else:
        return
    raise ConfigError(msg) from None


def load_features(path: Path) -> FeatureRun:
    """Read and check a TOML file; relative paths are relative to its folder."""
    return parse_features(rooted(read_toml(path), path.resolve().parent, "input"), str(path))
