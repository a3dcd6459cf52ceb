"""What was found in a spectrum, as files for others: tables, HEPData, models for HS3, pyhf and Combine."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from lamppost.api.spectra import SpectrumFit
from lamppost.stats import Limit, ScanResult, Workspace

__all__ = ["write_statements"]


def write_statements(
    found: ScanResult, what: SpectrumFit, folder: "str | os.PathLike[str]", limits: Sequence[Limit] = ()
) -> list[Path]:
    """Write all that a collaboration hands on about a scan; the files, first to last.

    spectrum.csv, scan.csv, limits.csv (if there are any), hepdata/submission.tar.gz with them, and the model of the
    largest excess: model.hs3.json, model.pyhf.json, combine/datacard.txt. Needs `pip install lamppost[stats]`.

    Raises
    ------
    LamppostError
        If a file cannot be written, or a library is not installed.
    """
    from lamppost.stats import export

    target = Path(folder)
    target.mkdir(parents=True, exist_ok=True)
    tables = [export.spectrum_table(found.spectrum, found.background), export.scan_table(found)]
    if limits:
        tables.append(export.limit_table(limits))
    names = ("spectrum.csv", "scan.csv", "limits.csv")
    made = [export.write_csv(table, target / name) for table, name in zip(tables, names, strict=False)]
    model = Workspace(
        found.spectrum,
        found.best_mass,
        background=found.background.family,
        n_parameters=found.background.n_parameters,
        signal=what.signal,
        systematics=what.systematics,
    )
    for name, document in (("model.hs3.json", export.to_hs3(model)), ("model.pyhf.json", export.to_pyhf(model))):
        path = target / name
        path.write_text(json.dumps(document, indent=1) + "\n")
        made.append(path)
    made.append(export.write_shape_card(model, target / "combine"))
    resources = {"the model at the largest excess, HS3": target / "model.hs3.json"}
    made.append(export.write_hepdata(tables, target / "hepdata", resources=resources))
    return made
