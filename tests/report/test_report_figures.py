"""What the figures are made of: thinning, joining bins, significance lines, matplotlib's SVG made fit for a page."""

import re
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from synthetic_hunt import hunt, spectrum

from lamppost.report import canvas, plots
from lamppost.report.book import Hunt
from lamppost.report.drawing import Draw, studio


@pytest.fixture
def draw() -> Iterator[Draw]:
    with studio(None) as value:
        yield value


@pytest.mark.parametrize(("z", "p"), [(0.0, 0.5), (1.0, 0.158655), (5.0, 2.866516e-7)])
def test_tail_probability(z: float, p: float) -> None:
    assert plots.tail(z) == pytest.approx(p, rel=1e-5)


@given(st.integers(1, 3000), st.integers(0, 2**32 - 1))
def test_a_thinned_curve_keeps_its_minimum(n: int, seed: int) -> None:
    p = np.random.default_rng(seed).uniform(size=n)
    x, kept = canvas.thinned(np.arange(n, dtype=float), p)
    assert len(x) <= canvas.MOST_POINTS
    assert kept.min() == p.min()
    assert (np.diff(x) > 0.0).all()
    np.testing.assert_array_equal(kept, p[x.astype(int)])


@given(st.integers(1, 700))
def test_joined_bins_keep_the_sums_and_the_range(n: int) -> None:
    rng = np.random.default_rng(n)
    part = {
        "edges": np.arange(n + 1.0).tolist(),
        "counts": rng.poisson(5.0, n).tolist(),
        "errors": rng.uniform(1.0, 2.0, n).tolist(),
        "background": rng.uniform(1.0, 9.0, n).tolist(),
        "pulls": rng.normal(size=n).tolist(),
    }
    joined = canvas.coarse(part)
    assert len(joined["counts"]) == len(joined["pulls"]) == len(joined["edges"]) - 1 <= canvas.MOST_BINS
    assert (joined["edges"][0], joined["edges"][-1]) == (0.0, n)
    assert sum(joined["counts"]) == sum(part["counts"])
    assert sum(joined["background"]) == pytest.approx(sum(part["background"]))
    assert np.square(joined["errors"]).sum() == pytest.approx(np.square(part["errors"]).sum())


def test_pulls_of_joined_bins_stay_unit_normal() -> None:
    n = 130 * 50
    part = {"edges": np.arange(n + 1.0), "pulls": np.random.default_rng(1).normal(size=n).tolist()}
    pulls = np.array(canvas.coarse(part)["pulls"])
    assert len(pulls) == 130
    assert pulls.std() == pytest.approx(1.0, abs=4.0 / np.sqrt(2.0 * len(pulls)))


@given(st.text(max_size=80))
def test_any_name_is_printed_as_it_is(name: str) -> None:
    text = canvas.plain(name)
    assert text.replace(r"\$", "$").isprintable()
    assert len(text.replace(r"\$", "$")) <= 44
    assert text.count("$") == text.count(r"\$")


def test_density_has_unit_area() -> None:
    edges = np.array([0.0, 1.0, 3.0, 4.0])
    density = canvas.unit_area([2.0, None, 6.0], edges)
    assert (density * np.diff(edges)).sum() == pytest.approx(1.0)
    assert not canvas.unit_area([0.0, 0.0, 0.0], edges).any()


def no_drawing(key: str, label: str, figure: Figure) -> str:
    return ""


@pytest.mark.parametrize("p_local", [1e-9, 1e-4, 0.03, 0.3])
def test_trials_take_the_local_p_to_the_global_one(p_local: float) -> None:
    result, details = hunt()
    looks = 5.0
    result["windows"][1] |= {"p_local": p_local, "p_window": -np.expm1(looks * np.log1p(-p_local))}
    claims = sum(window["claim"] for window in result["windows"])
    found = Hunt(result, details, no_drawing).trials(result["windows"][1])
    assert found == pytest.approx(claims * looks, rel=1e-6)


def test_trials_of_windows_that_share_events() -> None:
    """With the global p-value of as many independent windows as they are worth, the looks are those of that number."""
    result, details = hunt(peak=3.5)
    best = result["windows"][result["best_window"]]
    p = -np.expm1(2.5 * np.log1p(-best["p_window"]))
    in_full = Hunt(result, details, no_drawing).trials(best)
    found = Hunt({**result, "p_global": p, "effective_windows": 2.5}, details, no_drawing).trials(best)
    claims = sum(window["claim"] for window in result["windows"])
    assert in_full is not None
    assert found == pytest.approx(in_full * 2.5 / claims)
    # where the p-values are too near to 1, the number of windows is all that is known
    one = Hunt({**result, "p_global": 1.0, "effective_windows": 2.5}, details, no_drawing).trials(best)
    assert one == in_full


@pytest.mark.parametrize(
    "change",
    [
        {"p_local": None},
        {"p_window": None},
        {"p_local": 0.0},
        {"p_local": 0.5, "p_window": 0.4},
        {"p_local": 0.9, "p_window": 0.9999},
        {"p_local": 1e-12, "p_window": 1e-4},
        {"claim": False},
    ],
)
def test_no_trials_where_they_cannot_be_told(change: dict[str, float | None]) -> None:
    result, details = hunt()
    result["windows"][1] |= change
    assert Hunt(result, details, no_drawing).trials(result["windows"][1]) is None


def lines_of(figure: Figure, label: str) -> list[str]:
    return [text.get_text() for text in figure.axes[0].texts if text.get_text().endswith(label)]


def test_lines_at_one_to_five_sigma_local_and_global() -> None:
    curve = plots.Curve("x", [1.0, 2.0, 3.0], [0.5, 1e-9, 0.4])
    figure = plots.p_values([curve], mass="m", lines=plots.Lines(30.0, "global"))
    assert lines_of(figure, "σ global") == [f"{n}σ global" for n in (5, 4, 3, 2, 1)]
    heights = {float(line.get_ydata()[0]) for line in figure.axes[0].lines if len(set(line.get_ydata())) == 1}
    assert {plots.tail(n) for n in range(1, 6)} <= heights
    assert {plots.tail(n) / 30.0 for n in range(1, 6)} <= heights
    low, high = figure.axes[0].get_ylim()
    assert low < 1e-9
    assert high > 1.0


def test_labels_keep_apart_when_the_excess_is_huge() -> None:
    figure = plots.p_values([plots.Curve("x", [1.0, 2.0], [0.5, 1e-200])], mass="m")
    assert lines_of(figure, "σ") == ["5σ", "2σ"]


def test_svg_has_no_styles_of_its_own_and_few_digits(draw: Draw) -> None:
    part = spectrum(np.random.default_rng(1), 1500.0, 60.0)
    figure = plots.spectrum(part, mass="$m$ <x>", window={"lo": 3300.0, "hi": 3700.0})
    svg = draw("key", 'A "spectrum" & more', figure)
    root = ElementTree.fromstring(svg)
    assert root.attrib == {
        "viewBox": root.get("viewBox"),
        "role": "img",
        "aria-label": 'A "spectrum" & more',
    }
    assert not root.findall(".//style")
    assert not root.findall(".//metadata")
    assert "font-family" not in svg
    assert "$m$ <x>" in "".join(root.itertext())
    assert not re.search(r"\d\.\d{3}", svg)
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids
    assert all(str(value).startswith("key-") for value in ids)


def test_powers_of_ten_are_raised_digits(draw: Draw) -> None:
    curve = plots.Curve("", [1.0, 2.0], [0.5, 1e-4])
    root = ElementTree.fromstring(draw("k", "t", plots.p_values([curve], mass="m")))
    raised = [element for element in root.iter("text") if element.find("tspan") is not None]
    assert {"".join(element.itertext()) for element in raised} >= {"10−2", "10−4"}


def test_two_figures_share_no_ids(draw: Draw) -> None:
    curve = plots.Curve("", [1.0, 2.0], [0.5, 1e-4])
    one, two = (draw(key, "t", plots.p_values([curve], mass="m")) for key in ("a", "b"))
    assert one != two
    assert not set(re.findall(r'id="([^"]+)"', one)) & set(re.findall(r'id="([^"]+)"', two))


def test_fitted_signal_and_fit_are_written_in_the_spectrum(draw: Draw) -> None:
    part = spectrum(np.random.default_rng(1), 1500.0, 60.0)
    fit = {"function": "dijet3", "n_parameters": 3, "chi2": 58.34, "ndf": 62, "p_value": 0.61, "signal": 61.2}
    svg = draw(
        "k", "t", plots.spectrum(part, mass="m", window=None, fit=fit | {"signal_error": 9.1, "best_mass": 3490.0})
    )
    text = " ".join(ElementTree.fromstring(svg).itertext())
    assert "dijet3, 3 parameters" in text
    assert "61.2\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}9.1 at 3490" in text
    assert "fitted signal" in text


def test_features_beyond_the_limit_are_chosen_by_how_much_they_differ() -> None:
    from lamppost.report.windows import MOST_FEATURES, _distance, _features

    edges = np.linspace(0.0, 1.0, 11).tolist()
    parts = [
        {"name": f"f{n}", "edges": edges, "selected": [1 + n * (k == 0) for k in range(10)], "sidebands": [1] * 10}
        for n in range(MOST_FEATURES + 3)
    ]
    assert _distance(parts[0]) == 0.0
    assert _distance(parts[5]) < _distance(parts[6]) < 1.0
    drawn: list[int] = []
    hunted = Hunt({}, {}, lambda key, label, figure: drawn.append(len(figure.axes)) or "")
    assert "3 more are left out" in _features(hunted, "k", {"features": parts})
    assert drawn == [MOST_FEATURES]
