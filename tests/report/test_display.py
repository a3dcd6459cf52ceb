"""The picture of one event: what is drawn where, as a file that any browser shows, the same bytes every time."""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure
from matplotlib.patches import Circle

from lamppost.core import Objects
from lamppost.errors import DataError
from lamppost.report import detector
from lamppost.report.display import draw, event_figure
from lamppost.report.drawing import studio
from lamppost.report.event import MOST_PARTICLES, Display

SVG = "{http://www.w3.org/2000/svg}"
PARTICLE, JET = ("pt", "eta", "phi"), ("pt", "eta", "phi", "mass", "radius")


def objects(rows: Sequence[Sequence[float]], names: Sequence[str]) -> Objects:
    """One event with these objects."""
    columns = np.array(rows, dtype=np.float64).reshape(-1, len(names)).T
    return Objects(np.array([len(rows)]), dict(zip(names, columns, strict=True)))


def event(particles: Sequence[Sequence[float]], jets: Sequence[Sequence[float]], **more: object) -> Display:
    return Display(objects(particles, PARTICLE), objects(jets, JET), **more)  # type: ignore[arg-type]


def busy(jets: int, particles: int, radius: float = 0.4) -> Display:
    """Many jets, and as many particles in each."""
    rng = np.random.default_rng(1)
    axes = np.column_stack([rng.uniform(-2.0, 2.0, jets), rng.uniform(-math.pi, math.pi, jets)])
    found = [
        [rng.exponential(9.0), *(axis + radius * rng.normal(0.0, 0.3, 2))] for axis in axes for _ in range(particles)
    ]
    return event(found, [[9.0 * particles, *axis, 50.0, radius] for axis in axes], title="Busy")


@pytest.fixture
def style() -> Iterator[None]:
    with studio(None):
        yield


def circles(figure: Figure) -> list[tuple[float, float]]:
    """Centres of the jets in the plane."""
    return [patch.center for patch in figure.axes[0].patches if isinstance(patch, Circle)]


def areas(figure: Figure) -> dict[tuple[float, float], float]:
    """Area of the circle at each place of the plane."""
    found = {}
    for collection in figure.axes[0].collections:
        found |= {(float(x), float(y)): float(collection.get_sizes()[0]) for x, y in collection.get_offsets()}
    return found


def words(svg: str) -> str:
    return " ".join(ElementTree.fromstring(svg).itertext())


def test_a_file_of_its_own_that_names_itself() -> None:
    svg = draw(event([[50.0, 0.2, 1.0]], [[50.0, 0.2, 1.0, 3.0, 1.0]], title="Row 7 of <a&b>.h5"))
    root = ElementTree.fromstring(svg)
    assert root.tag == f"{SVG}svg"
    assert (root.get("role"), root.get("width"), root.get("height")) == ("img", "940", "500")
    title = root.find(f"{SVG}title")
    assert title is not None
    assert title.text == root.get("aria-label")
    assert title.text == "Row 7 of <a&b>.h5: 1 particles; j1: pT 50 GeV, mass 3 GeV, eta 0.20, phi 1.00"
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|<script|<image|<style", svg)
    assert {use.get("href", "")[1:] for use in root.iter(f"{SVG}use")} <= {node.get("id") for node in root.iter()}


def test_the_same_bytes_whatever_the_settings() -> None:
    one = draw(busy(3, 40))
    with matplotlib.rc_context({"font.size": 31.0, "svg.fonttype": "path", "axes.facecolor": "red"}):
        assert draw(busy(3, 40)) == one


def test_names_and_numbers_are_written() -> None:
    jets = [[1788.4, -0.9, 1.2, 515.2, 1.0], [1650.0, 1.0, -2.0, 99.0, 1.0], [45.0, 0.4, 2.0, 0.105, 0.0]]
    facts = ("score 4.81", "mjj = 3512 GeV")
    text = words(draw(event([[100.0, -0.9, 1.2]], jets, names=("j1", "j2", "mu1"), title="Row 3", facts=facts)))
    for expected in ("Row 3", "score 4.81", "mjj = 3512 GeV", "= 1,788 GeV", "m = 515 GeV", "m = 99 GeV", "mu1"):
        assert expected in text, expected
    assert "m = 0 GeV" not in text  # a muon's mass tells nothing
    assert "missing p T 100 GeV" in re.sub(r"\s+", " ", text)


@pytest.mark.usefixtures("style")
@pytest.mark.parametrize(("phi", "turned"), [(3.0, 3.0 - 2.0 * math.pi), (-2.5, -2.5 + 2.0 * math.pi)])
def test_a_jet_at_the_edge_is_drawn_on_both_sides(phi: float, turned: float) -> None:
    for given_phi in (phi, phi + 2.0 * math.pi):  # whatever range the file uses
        found = circles(event_figure(event([], [[9.0, 0.5, given_phi, 1.0, 1.0]])))
        np.testing.assert_allclose(sorted(found), sorted([(0.5, phi), (0.5, turned)]))


@pytest.mark.usefixtures("style")
def test_a_jet_in_the_middle_is_drawn_once() -> None:
    assert circles(event_figure(event([], [[9.0, 0.5, 1.0, 1.0, 1.0]]))) == [(0.5, 1.0)]


@pytest.mark.usefixtures("style")
def test_a_circle_cut_by_the_edge_comes_in_again() -> None:
    found = areas(event_figure(event([[100.0, 0.3, 3.13], [50.0, -0.3, -3.13], [70.0, 1.0, 0.0]], [])))
    places = sorted((eta, round(phi, 6)) for eta, phi in found)
    turn = round(3.13 - 2.0 * math.pi, 6)
    assert places == sorted([(0.3, 3.13), (0.3, turn), (-0.3, -3.13), (-0.3, -turn), (1.0, 0.0)])


@pytest.mark.usefixtures("style")
@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(1.0, 1e3), min_size=2, max_size=30))
def test_areas_are_proportional_to_pt(pts: list[float]) -> None:
    found = areas(event_figure(event([[pt, 0.01 * n, 0.0] for n, pt in enumerate(pts)], [])))
    shown = np.array([found[(0.01 * n, 0.0)] for n in range(len(pts))])
    larger = shown > shown.min() * 1.001  # the smallest may be too small to see and is drawn larger
    ratio = np.log10(shown / shown.max()) - np.log10(np.array(pts) / max(pts))
    assert np.abs(ratio[larger]).max(initial=0.0) <= 0.05 + 1e-9  # tenths of a decade, rounded
    assert (np.diff(shown[np.argsort(pts)]) >= -1e-9).all()


def test_particles_belong_to_the_nearest_jet_across_the_edge() -> None:
    jets = [[9.0, 0.0, 3.1, 1.0, 0.4], [8.0, 0.6, 3.1, 1.0, 0.4], [7.0, 0.0, 0.0, 1.0, 0.0]]
    particles = [[5.0, 0.1, -3.1], [4.0, 0.39, -3.1], [3.0, 0.0, 2.0], [2.0, 0.0, 0.0]]
    assert event(particles, jets).drawn.jet.tolist() == [0, 1, -1, -1]


def test_particles_belong_where_they_are_said_to() -> None:
    particles = objects([[5.0, 0.0, 0.0, -1], [9.0, 2.0, 2.0, 0]], (*PARTICLE, "jet"))
    assert Display(particles, objects([[9.0, 0.0, 0.0, 1.0, 1.0]], JET)).drawn.jet.tolist() == [0, -1]


@pytest.mark.parametrize(("particles", "expected"), [([[10.0, 1.0, 0.5]], (10.0, 0.5 - math.pi)), ([], (0.0, 0.0))])
def test_missing_momentum_balances_the_event(particles: list[list[float]], expected: tuple[float, float]) -> None:
    pt, phi = event(particles, []).missing
    assert pt == pytest.approx(expected[0])
    assert pt == 0.0 or phi == pytest.approx(expected[1])


def test_a_balanced_event_misses_nothing() -> None:
    assert event([[10.0, 1.0, 0.5], [10.0, -2.0, 0.5 + math.pi]], []).missing[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    "display",
    [
        event([], [], title="Empty"),
        event([[50.0, 0.2, 1.0]], [[50.0, 0.2, 1.0, 0.0, 1.0]]),
        event([[50.0, 4.9, 1.0], [30.0, -4.0, -2.0]], []),
        event([[0.0, 0.0, 0.0]], []),
        event([], [[45.0, 0.4, 1.0, 0.105, 0.0], [42.0, -0.9, -2.3, 0.105, 0.0]], names=("mu1", "mu2")),
        event([[50.0, 0.2, 1.0]], [[50.0, 0.2, 1.0, 0.0, 3.5]]),
    ],
)
def test_events_with_little_in_them(display: Display) -> None:
    text = words(draw(display))
    assert display.title in text
    assert ("missing" in text) == (len(display.particles.fields["pt"]) > 0)


def test_only_the_hardest_are_drawn_and_the_file_stays_small() -> None:
    display = busy(8, 90)
    pt = display.particles.fields["pt"]
    assert display.drawn.pt.tolist() == sorted(pt.tolist(), reverse=True)[:MOST_PARTICLES]
    svg = draw(display)
    assert len(svg) < 150_000
    lost = 1.0 - display.drawn.pt.sum() / pt.sum()
    said = re.search(r"the 300 hardest of 720 particles are drawn, ([\d.]+)% of the p", words(svg))
    assert said
    assert float(said[1]) == pytest.approx(100.0 * lost, rel=0.01)


@pytest.mark.usefixtures("style")
def test_what_lies_beyond_the_plane_is_said() -> None:
    soft = event([[100.0, 0.0, 0.0], [0.5, 4.5, 1.0]], [])
    assert "1 particles beyond |η| = 3" in words(draw(soft))
    hard = event([[100.0, 0.0, 0.0], [50.0, 4.5, 1.0]], [[50.0, 4.5, 1.0, 5.0, 0.4]])
    assert event_figure(hard).axes[0].get_xlim() == (-5.0, 5.0)
    assert "beyond" not in words(draw(hard))


@pytest.mark.parametrize("field", PARTICLE)
@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_values_that_are_not_finite_are_refused(field: str, value: float) -> None:
    particles = objects([[5.0, 0.1, 0.1], [4.0, 0.2, 0.2]], PARTICLE)
    particles.fields[field][1] = value
    with pytest.raises(DataError, match=rf"particles: {field} of number 1 is {value}, expected a finite value"):
        Display(particles, objects([], JET))


@pytest.mark.parametrize(
    ("particles", "jets", "names", "message"),
    [
        (Objects(np.array([0, 0]), dict.fromkeys(PARTICLE, np.zeros(0))), objects([], JET), (), "one event, found 2"),
        (objects([], ("pt", "eta")), objects([], JET), (), "particles: expected the field 'phi', found pt, eta"),
        (objects([], PARTICLE), objects([], PARTICLE), (), "jets: expected the field 'mass'"),
        (objects([], PARTICLE), objects([[1.0] * 5], JET), ("a", "b"), "a name for each of 1 jets, found 2"),
        (objects([[1.0] * 4], (*PARTICLE, "jet")), objects([[1.0] * 5], JET), (), "jet from -1 to 0, found 1"),
    ],
)
def test_what_is_no_event_is_refused(particles: Objects, jets: Objects, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Display(particles, jets, names=names)


@given(st.floats(-6.0, 6.0), st.floats(-math.pi, math.pi))
def test_directions_meet_the_calorimeter(eta: float, phi: float) -> None:
    unit = detector.directions(np.array([eta]), np.array([phi]))
    assert np.linalg.norm(unit) == pytest.approx(1.0)
    assert math.atanh(unit[0, 2]) == pytest.approx(eta, abs=1e-6)
    x, y, z = (unit * detector.reached(unit)[:, None])[0]
    assert max(math.hypot(x, y), abs(z) / 1.5) == pytest.approx(1.0)
    assert math.hypot(x, y) <= 1.0 + 1e-9


@pytest.mark.usefixtures("style")
def test_labels_keep_apart_and_inside() -> None:
    jets = [[100.0 - n, 0.1, 1.3 + 0.02 * n, 10.0, 0.1] for n in range(6)]
    figure = event_figure(event([[50.0, 0.1, -1.8]], jets))
    bold = [text for text in figure.axes[1].texts if text.get_fontweight() == "bold"]
    assert {text.get_text() for text in bold} >= {f"j{n}" for n in range(1, 7)}
    heights = sorted(text.get_position()[1] for text in bold)
    assert min(b - a for a, b in pairwise(heights)) > 0.45  # three lines of 0.155
    low, high = figure.axes[1].get_ylim()
    assert low < heights[0]
    assert heights[-1] < high
