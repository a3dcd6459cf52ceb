"""Results as a HEPData submission (hepdata-lib), checked by HEPData's own validator."""

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import chdir
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from lamppost.errors import DataError, optional
from lamppost.stats.export.tables import Column, ResultTable

__all__ = ["write_hepdata"]

DIGITS = 12  # hepdata-lib would keep five


def write_hepdata(
    tables: Sequence[ResultTable],
    folder: "str | os.PathLike[str]",
    *,
    abstract: str = "",
    resources: Mapping[str, "str | os.PathLike[str]"] | None = None,
) -> Path:
    """Write submission.yaml, a YAML file for every table and submission.tar.gz, ready for upload; the archive's path.

    `resources` are files to go with it by description, such as the model in HS3.

    Raises
    ------
    DataError
        If there are no tables, two share a name, a resource is missing, or HEPData would refuse the submission.
    LamppostError
        If hepdata-lib is not installed.
    """
    check(tables, resources or {})
    lib = optional("hepdata_lib", "stats")
    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    submission = lib.Submission()
    submission.comment = abstract
    for description, path in (resources or {}).items():
        located = str(Path(path).resolve())
        submission.add_additional_resource(description, located, copy_file=True, file_type=model_type(Path(path)))
    for table in tables:
        submission.add_table(converted(lib, table))
    with TemporaryDirectory() as made:  # hepdata-lib packs all that lies in the folder, older tables as well
        with chdir(made):
            submission.create_files(".", validate=False)
        validate(Path(made) / "submission.tar.gz")
        for path in sorted(Path(made).iterdir()):
            copyfile(path, target / path.name)
    return target / "submission.tar.gz"


def check(tables: Sequence[ResultTable], resources: Mapping[str, "str | os.PathLike[str]"]) -> None:
    """Refuse what hepdata-lib would trip over."""
    names = [table.name for table in tables]
    if not names or len(set(names)) < len(names):
        msg = f"HEPData: expected tables with names of their own, found {', '.join(names) or 'none'}"
        raise DataError(msg)
    for path in resources.values():
        if not Path(path).is_file():
            msg = f"HEPData: {path}: no such file"
            raise DataError(msg)


def model_type(path: Path) -> str | None:
    """What HEPData calls a file that holds a statistical model; None if it is something else."""
    try:
        keys = set(json.loads(path.read_text()))
    except (ValueError, TypeError):
        return None
    return "HS3" if {"metadata", "likelihoods"} <= keys else "HistFactory" if {"channels", "version"} <= keys else None


def converted(lib: Any, table: ResultTable) -> Any:
    """A table of hepdata-lib."""
    made = lib.Table(table.name)
    made.description = table.description
    made.keywords = dict(table.keywords)
    for column in table.columns:
        made.add_variable(variable(lib, column))
    return made


def variable(lib: Any, column: Column) -> Any:
    """A variable of hepdata-lib with its uncertainties."""
    binned = column.values.ndim == 2
    made = lib.Variable(
        column.name,
        is_independent=column.independent,
        is_binned=binned,
        units=column.units,
        values=column.values.tolist(),
        zero_uncertainties_warning=False,
    )
    made.digits = DIGITS
    if column.down is not None and column.up is not None:
        symmetric = np.array_equal(column.down, column.up)
        errors = lib.Uncertainty(column.label, is_symmetric=symmetric)
        errors.values = (
            column.up.tolist() if symmetric else list(zip((-column.down).tolist(), column.up.tolist(), strict=True))
        )
        made.add_uncertainty(errors)
    return made


def validate(archive: Path) -> None:
    """Refuse an archive that HEPData would refuse."""
    checker = optional("hepdata_validator.full_submission_validator", "stats").FullSubmissionValidator()
    if not checker.validate(archive=str(archive)):
        errors = [error for listed in checker.get_messages().values() for error in listed]
        reasons = [" ".join(str(getattr(error, "message", error)).split()) for error in errors]
        msg = f"{archive.name}: HEPData would refuse this: {reasons[0] if reasons else 'no reason given'}"
        raise DataError(msg)
