"""The page of a run: one self-contained HTML file; its figures as PDF on request."""

from pathlib import Path

from lamppost.report.blinding import write_blind
from lamppost.report.calibration import write_calibration
from lamppost.report.comparison import write_comparison
from lamppost.report.exclusion import write_exclusion
from lamppost.report.folder import write_hunt

__all__ = ["write"]


def write(folder: Path, *, pdf: bool = False) -> Path:
    """Write the page of a run folder, whichever sort of run it was; return its path.

    Raises
    ------
    LamppostError
        If matplotlib or mplhep (the extra `report`) is not installed.
    DataError
        If there is no result, or a file does not hold the JSON it should.
    """
    if (folder / "calibration.json").exists():
        return write_calibration(folder, pdf=pdf)
    if (folder / "limits.json").exists():
        return write_exclusion(folder, pdf=pdf)
    if (folder / "blind.json").exists():
        page = write_blind(folder, pdf=pdf)
        if not (folder / "result.json").exists():
            return page
    compared = any((folder / name).exists() for name in ("compare.json", "reach.json"))
    return write_comparison(folder, pdf=pdf) if compared else write_hunt(folder, pdf=pdf)
