"""The pages of a run: self-contained HTML files; their figures as PDF on request."""

from pathlib import Path

from lamppost.report.blinding import write_blind
from lamppost.report.calibration import write_calibration
from lamppost.report.comparison import write_comparison
from lamppost.report.exclusion import write_exclusion
from lamppost.report.folder import write_hunt

__all__ = ["write"]

PAGES = {
    "blind.json": write_blind,
    "result.json": write_hunt,
    "compare.json": write_comparison,
    "reach.json": write_comparison,
    "calibration.json": write_calibration,
    "limits.json": write_exclusion,
}
"""What writes the page of a result."""


def write(folder: Path, *, pdf: bool = False) -> tuple[Path, ...]:
    """Write the page of every result in a run folder; return their paths.

    Raises
    ------
    LamppostError
        If matplotlib or mplhep (the extra `report`) is not installed.
    DataError
        If there is no result, or a file does not hold the JSON it should.
    """
    found = dict.fromkeys(make for name, make in PAGES.items() if (folder / name).exists())
    return tuple(make(folder, pdf=pdf) for make in found or [write_hunt])
