"""Grids of windows hold what they promise, with mass units in which nothing is a whole number too."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lamppost.core import Window
from lamppost.errors import ConfigError
from lamppost.search import Grid, windows

TENTHS = st.integers(1, 60)


def grid(start: float, stop: float, width: float, step: float) -> Grid:
    return Grid.model_validate({"from": start, "to": stop, "width": width, "step": step})


@given(start=TENTHS, width=TENTHS, step=TENTHS, room=st.integers(0, 200), unit=st.sampled_from([1, 10, 100, 1000, 7]))
def test_grid(start: int, width: int, step: int, room: int, unit: int) -> None:
    """Against exact arithmetic: the windows are those that fit, however from, to and width are rounded."""
    stop = start + width + room
    found = grid(start / unit, stop / unit, width / unit, step / unit).regions()
    exact = [start + i * step for i in range(room + 1) if start + i * step + width <= stop]
    assert len(found) == len(exact)
    lows, highs = np.transpose(found)
    np.testing.assert_allclose(lows, [float(Fraction(lo, unit)) for lo in exact], rtol=1e-12)
    np.testing.assert_allclose(highs - lows, width / unit, rtol=1e-9)
    assert lows.min() >= start / unit
    assert highs.max() <= stop / unit
    both = Grid.model_validate({"from": start / unit, "to": stop / unit, "width": width / unit, "step": step / unit})
    assert len(windows(both, 0.1, (start / unit, stop / unit + 1))) == len(exact)


def test_grid_in_gev() -> None:
    assert grid(3200, 4800, 400, 200).regions() == [(lo, lo + 400.0) for lo in range(3200, 4401, 200)]
    assert grid(3200, 3600, 400, 200).regions() == [(3200.0, 3600.0)]
    assert grid(3200, 3999, 400, 200).regions() == [(3200.0, 3600.0), (3400.0, 3800.0)]


def test_one_more_window_moves_no_other() -> None:
    fewer, more = grid(3.2, 4.8, 0.4, 0.2).regions(), grid(3.2, 6.8, 0.4, 0.2).regions()
    np.testing.assert_allclose(more[: len(fewer)], fewer, rtol=1e-15)


@pytest.mark.parametrize(
    "table", [(3000, 3300, 400, 100), (3000, 4000, 0, 100), (3000, 4000, 100, 0), (3000, 4000, 100, -5)]
)
def test_grid_that_is_none(table: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        grid(*table)


def test_list() -> None:
    found = windows([(3300, 3700), (3500, 4100)], None, (2800, 8000))
    assert found == [Window(3300, 3700, 400), Window(3500, 4100, 600)]
    assert windows([(3300, 3700)], 150, (2800, 8000)) == [Window(3300, 3700, 150)]
    assert windows([], None, (2800, 8000)) == []
    assert windows([(2800, 3000)], 400, (2800, 8000)) == [Window(2800, 3000, 400)]  # one side is enough


@pytest.mark.parametrize(
    ("regions", "reach", "message"),
    [
        ([(3700, 3300)], None, r"scan.windows: window \[3700, 3300\) is empty"),
        ([(3300, 3300)], None, "is empty"),
        ([(2000, 3300)], None, r"window \[2000, 3300\) lies outside the fit range \[2800, 8000\)"),
        ([(7000, 9000)], None, "lies outside the fit range"),
        ([(3300, 3700)], 6000, r"scan.sidebands: those of window \[3300, 3700\) leave the fit range"),
        ([(3300, 3700), (3500, 3900), (3300, 3700)], None, "listed twice"),
    ],
)
def test_errors(regions: list[tuple[float, float]], reach: float | None, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        windows(regions, reach, (2800, 8000))
