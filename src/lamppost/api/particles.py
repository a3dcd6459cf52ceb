"""From nothing to collisions, from collisions to a table of features, and pictures of single events."""

import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from lamppost.api.folders import TableOptions, how_of
from lamppost.config import rooted
from lamppost.errors import ConfigError
from lamppost.run import write_file

if TYPE_CHECKING:
    from lamppost.config.extract import FeatureRun
    from lamppost.run.table import Made
    from lamppost.simulate import Production

__all__ = ["agreement", "display", "features", "simulate"]

PathLike = str | os.PathLike[str]


def features(
    source: "FeatureRun | PathLike | Sequence[PathLike] | dict[str, Any]",
    out: PathLike,
    *,
    preset: str | None = None,
    hunt: PathLike | None = None,
    **options: Unpack[TableOptions],
) -> "Made":
    """Make a table of features of collisions: a parquet file, one row per selected event.

    Parameters
    ----------
    source
        A TOML file, the tables it would hold, a `FeatureRun`; or, with `preset`, one or several data files.
    out
        The table, a parquet file. A run that was stopped goes on when started again.
    preset
        A set of features by name: lhco4, lhco10, lhco12, wide.
    hunt
        Write the configuration of a hunt in this table as well, to this TOML file.
    options
        Workers, cache and the like, see `TableOptions`: the table does not depend on them, byte for byte.

    Raises
    ------
    LamppostError
        One line that names the file, column or parameter at fault.
    """
    from lamppost.run.extract import run_features

    asked = _features(source, preset)
    if hunt is not None:
        _check_hunt(Path(hunt), asked)
    made = run_features(asked, Path(out), **how_of(options))
    if hunt is not None:
        write_file(Path(hunt), _hunt_text(Path(hunt), Path(out), asked).encode())
    return made


def _features(source: Any, preset: str | None) -> "FeatureRun":
    from lamppost.config.extract import FeatureRun, load_features, parse_features

    if isinstance(source, FeatureRun):
        return source
    if isinstance(source, dict):
        return parse_features(rooted(source, Path.cwd(), "input"))
    paths = [source] if isinstance(source, str | os.PathLike) else list(source)
    texts = [os.fspath(path) for path in paths]
    if len(texts) == 1 and texts[0].endswith(".toml"):
        if preset is not None:
            msg = f"{texts[0]}: give either a TOML file or a preset with data files, not both"
            raise ConfigError(msg)
        return load_features(Path(texts[0]))
    if preset is None:
        msg = f"{texts[0]}: expected a TOML file, or data files with a preset"
        raise ConfigError(msg)
    absolute = [str(Path.cwd() / Path(text).expanduser()) for text in texts]
    return parse_features({"input": {"path": absolute}, "features": {"preset": preset}}, "features")


def _check_hunt(path: Path, asked: "FeatureRun") -> None:
    if path.exists():
        msg = f"{path}: is there already and was not touched"
        raise ConfigError(msg)
    if not path.parent.is_dir():
        msg = f"{path}: no such folder {path.parent}"
        raise ConfigError(msg)
    if path.suffix != ".toml":
        msg = f"{path}: expected a file name that ends in .toml"
        raise ConfigError(msg)
    if asked.extraction.mass is None or not asked.extraction.feature_names:
        msg = f"{path}: a hunt needs a mass and features, expected `mass` in [features]"
        raise ConfigError(msg)


def _hunt_text(path: Path, table: Path, asked: "FeatureRun") -> str:
    template = files("lamppost.data").joinpath("table.toml").read_text(encoding="utf-8")
    names = asked.extraction.feature_names
    quoted = [f'"{name}"' for name in names]
    listed = f"[{', '.join(quoted)}]" if len(names) <= 6 else "[\n  " + ",\n  ".join(quoted) + ",\n]"
    where = os.path.relpath(table.resolve(), path.resolve().parent)
    return template.format(name=path.name, table=where, mass=asked.extraction.mass, features=listed)


def simulate(
    source: "Production | PathLike | Mapping[str, Any]",
    out: PathLike,
    *,
    seed: int | None = None,
    features: str | None = None,
    **options: Unpack[TableOptions],
) -> "Made":
    """Generate collisions and emulate a detector: a parquet file of particles, or of features.

    Parameters
    ----------
    source
        A TOML file, the tables it would hold, a `Production`, or numbers of events by process: {"qcd": 100000}.
    out
        The parquet file. A run that was stopped goes on when started again.
    seed
        Replaces the seed of the source.
    features
        Write this preset's features instead of particles: for lhco4 a hundredth of the size.
    options
        Workers, cache and the like, see `TableOptions`: the file does not depend on them, byte for byte.

    Raises
    ------
    LamppostError
        One line that names the process, setting or parameter at fault.
    """
    from lamppost.run.produce import run_production

    asked = _production(source, seed)
    return run_production(asked, Path(out), preset=features, **how_of(options))


def _production(source: Any, seed: int | None) -> "Production":
    from lamppost.config.toml import read_toml
    from lamppost.simulate import Production, parse_production

    where = "simulate"
    if isinstance(source, Production):
        return source if seed is None else source.model_copy(update={"seed": seed})
    if isinstance(source, str | os.PathLike):
        where = os.fspath(source)
        table = read_toml(Path(source))
    elif all(isinstance(events, int) for events in source.values()):
        table = {"processes": {name: {"kind": name, "events": events} for name, events in source.items()}}
    else:
        table = dict(source)
    return parse_production(table if seed is None else {**table, "seed": seed}, where)


def agreement(sample: PathLike, reference: PathLike, *, columns: Sequence[str] | None = None) -> Any:
    """How far two tables of features agree: means and Kolmogorov-Smirnov test of each, AUC of a classifier."""
    from lamppost.simulate.comparison import compare_tables

    return compare_tables(Path(sample), Path(reference), columns)


def display(
    source: "FeatureRun | PathLike | dict[str, Any]", row: int, out: PathLike, *, preset: str = "lhco4"
) -> Path:
    """Draw an event, its particles and jets, as SVG.

    Parameters
    ----------
    source
        A file of collisions (`preset` says how jets are made), or the TOML file of a `features` run.
    row
        Which event, counted from 0 through all files.

    Raises
    ------
    LamppostError
        If there is no such event, or the file cannot be read.
    """
    from lamppost.report.originals import display_of

    is_toml = isinstance(source, str | os.PathLike) and os.fspath(source).endswith(".toml")
    is_file = isinstance(source, str | os.PathLike) and not is_toml
    target = Path(out)
    if target.suffix != ".svg":
        msg = f"{target}: expected a file name that ends in .svg"
        raise ConfigError(msg)
    write_file(target, display_of(_features(source, preset if is_file else None), row).encode())
    return target
