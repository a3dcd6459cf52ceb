"""The table of impacts: shifts that are known beforehand, and what they add up to."""

import json

import pytest
from models import every_kind, observed, workspace

from lamppost.stats.limits.impacts import ImpactTable, impacts


@pytest.fixture(scope="module")
def table() -> ImpactTable:
    """All kinds of sources on an excess of 4 sigma."""
    spectrum = observed(5000, 150.0)
    return impacts(workspace(spectrum, *every_kind(spectrum), spurious=10.0))


def test_shifts_of_yields_are_known(table: ImpactTable) -> None:
    """A signal s seen through kappa: s / kappa; a spurious signal takes its own yield away."""
    rows = {row.name: row for row in table.rows}
    assert set(rows) == {"spurious", "luminosity", "efficiency", "scale", "resolution", "radiation"}
    for name, up, down in (("luminosity", 1.02, 1 / 1.02), ("efficiency", 1.15, 0.92)):
        assert rows[name].pull == pytest.approx(0.0, abs=1e-3)
        assert rows[name].error == pytest.approx(1.0, abs=1e-3)
        assert rows[name].signal_up == pytest.approx(table.signal * (1 / up - 1), rel=0.01)
        assert rows[name].signal_down == pytest.approx(table.signal * (1 / down - 1), rel=0.01)
    assert rows["spurious"].signal_up == pytest.approx(-10.0, rel=1e-3)
    assert rows["spurious"].signal_down == pytest.approx(10.0, rel=1e-3)
    assert rows["spurious"].limit_up < 0.0 < rows["spurious"].limit_down
    assert 0.3 < rows["scale"].error <= 1.0


def test_rows_fall_in_size_and_add_up(table: ImpactTable) -> None:
    sizes = [row.size for row in table.rows]
    assert sizes == sorted(sizes, reverse=True)
    assert table.statistical < table.error < 1.1 * table.summed
    # independent sources in a nearly parabolic likelihood: the quadratic sum is the profiled error
    assert table.summed == pytest.approx(table.error, rel=0.05)
    assert table.systematic**2 + table.statistical**2 == pytest.approx(table.error**2)
    assert table.limit_statistical < table.limit


def test_without_sources_all_is_statistical() -> None:
    table = impacts(workspace(observed(5000, 100.0)))
    assert table.rows == ()
    assert table.statistical == table.error == table.summed
    assert table.limit == table.limit_statistical


def test_summary_is_plain_json(table: ImpactTable) -> None:
    summary = table.summary()
    assert json.loads(json.dumps(summary, allow_nan=False)) == summary
    assert [row["name"] for row in summary["rows"]] == [row.name for row in table.rows]
