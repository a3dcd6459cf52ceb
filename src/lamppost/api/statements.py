"""What was found in a spectrum, as files for others: tables, HEPData, models for HS3, pyhf and Combine."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from lamppost.api.spectrum_fit import SpectrumFit
from lamppost.errors import optional
from lamppost.run.artefacts import not_written, write_file
from lamppost.stats import Limit, ScanResult

__all__ = ["ready_to_write", "write_statements"]

MODEL = "model.hs3.json"
OF_LIMITS = ("limits.csv", "figures/limits.pdf", "figures/limits.png", "hepdata/upper_limits.yaml")
OF_MODEL = (MODEL, "model.pyhf.json", "combine/datacard.txt", "combine/datacard.root", f"hepdata/{MODEL}")


def ready_to_write(folder: "str | os.PathLike[str]") -> None:
    """Make the folder and look for the libraries, before work is done that could not be written.

    Raises
    ------
    LamppostError
        If the folder cannot be made, or a library is not installed.
    """
    for library, extra in (("uproot", "stats"), ("hepdata_lib", "stats"), ("mplhep", "report")):
        optional(library, extra)
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(Path(folder), error) from None


def write_statements(
    found: ScanResult,
    what: SpectrumFit,
    folder: "str | os.PathLike[str]",
    limits: Sequence[Limit] = (),
    interval: Mapping[str, float] | None = None,
) -> list[Path]:
    """Write all that a collaboration hands on about a scan; the files, first to last.

    spectrum.csv, scan.csv, limits.csv (if there are any), hepdata/submission.tar.gz with them, figures as PDF and PNG
    (with an interval from `lo` to `hi` shaded), and, unless the scan was an envelope, the model of the largest excess
    with the one background that the scan chose, where limits may have profiled them all: model.hs3.json,
    model.pyhf.json, combine/datacard.txt. What an earlier fit left under these names goes. Needs
    `pip install lamppost[stats,report]`.

    Raises
    ------
    LamppostError
        If a file cannot be written, or a library is not installed.
    """
    from lamppost.report.fits import write_figures
    from lamppost.run.details import curves
    from lamppost.stats import export

    ready_to_write(folder)
    target = Path(folder)
    tables = [export.spectrum_table(found.spectrum, found.background), export.scan_table(found)]
    if limits:
        tables.append(export.limit_table(limits))
    names = ("spectrum.csv", "scan.csv", "limits.csv")
    model = None if what.criterion == "envelope" else what.model(found, found.best_mass)
    documents = {} if model is None else {MODEL: export.to_hs3(model), "model.pyhf.json": export.to_pyhf(model)}
    try:
        made = [export.write_csv(table, target / name) for table, name in zip(tables, names, strict=False)]
        for name, document in documents.items():
            write_file(target / name, (json.dumps(document, indent=1) + "\n").encode())
            made.append(target / name)
        part = curves(found, found.spectrum.edges, what.signal)
        made += write_figures(target / "figures", part, found.summary(), found.background, limits, interval)
        if model is not None:
            made.append(export.write_shape_card(model, target / "combine"))
        resources = (
            {}
            if model is None
            else {"the model at the largest excess, with the one background that the scan chose, HS3": target / MODEL}
        )
        made.append(export.write_hepdata(tables, target / "hepdata", resources=resources))
        for name in (*(() if limits else OF_LIMITS), *(() if model else OF_MODEL)):  # those of an earlier fit
            (target / name).unlink(missing_ok=True)
    except OSError as error:
        raise not_written(target, error) from None
    return made
