"""The page of a comparison as a browser reads it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_report_page import NASTY, Page

from lamppost.errors import DataError
from lamppost.report.comparison import render_comparison, write_comparison
from lamppost.report.drawing import studio
from lamppost.run.compare.figures import EPS_B, EPS_S

Json = dict[str, Any]
STRENGTHS = ("0", "0.003", "0.0064")


def banded(values: np.ndarray) -> Json:
    return {"median": values.tolist(), "low": (0.9 * values).tolist(), "high": (1.1 * values).tolist()}


def strength(value: float, gain: float) -> Json:
    """Figures of a method that gains so much: eps_S = eps_B^(1 / (1 + gain))."""
    known = value > 0
    band = [gain, 0.9 * gain, 1.1 * gain] if known else None
    flat = {"p": [0.3, 0.001, 0.7], "chi2": [9.0, 4.0, 20.0], "ndf": [9.0] * 3, "region_over_sidebands": [1.1, 1, 1.2]}
    eps_s = EPS_B ** (1 / (1 + gain))
    sic = EPS_S / np.sqrt(EPS_S ** (1 + gain))
    curves = {"roc": {"eps_b": EPS_B.tolist(), **banded(eps_s)}, "sic": {"eps_s": EPS_S.tolist(), **banded(sic)}}
    figures = dict.fromkeys(("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2", "auc"), band)
    ratio = dict.fromkeys(("sic_max", "sic_at_eps_b_1e-3", "sic_at_eps_s_0.2"), band)
    flatness = {"flatness": {"0.01": flat, "0.001": flat}, "follows_m": False}
    return {**figures, "ratio": ratio, **flatness, "curves": curves if known else None}


def origin(mass: str = NASTY[1]) -> Json:
    """What every result begins with."""
    data = {"path": NASTY[0], "background": 9, "signal": 5, "sha256": "0f", "mass": mass, "features": ["a"]}
    return {
        "schema": 1,
        "lamppost": "0.1.0",
        "versions": {"numpy": "2.4.6"},
        "seed": 1,
        "data": {**data, "shift": 0.1, "shifted": ["a"]},
        "window": {"lo": 3300.0, "hi": 3700.0, "reach": 400.0},
        "warnings": ["mind the <gap>"],
        "cpu_s": 12.5,
    }


def reached(names: tuple[str, ...]) -> Json:
    """The first method sees everything, the last one nothing."""
    method = {"kind": "weak", "cpu_s": 61.0}
    points = [
        {"events": n, "median": z, "band": [z, z - 0.5, z + 0.5], "z_global": [z, None], "z_local": [z + 1.0, 0.5]}
        for n, z in ((2000, 5.0), (700, 3.5), (125, 1.0))
    ]
    known = {"reach": 612.4, "bound": None, "interval": [None, 880.0], "s_over_b": 0.00123, "sigma": 1.87}
    methods = {name: {**method, **known, "points": points} for name in names}
    bound = {"reach": None, "bound": "above 2000", "interval": None, "s_over_b": None, "sigma": None}
    methods[names[-1]] = {**method, **bound, "points": points[1:]}
    return {
        **origin(),
        "reach": {"events": [2000, 700, 125], "draws": 2, "z": 3.0, "background": 0.5},
        "windows": [{"lo": 3300.0, "hi": 3700.0, "reach": 400.0}],
        "draw": {"background": 460000, "background_region": 56412.4, "signal_in_region": 0.74},
        "definitions": {"events": "signal < all", "sic": "not here"},
        "methods": methods,
    }


def result(names: tuple[str, ...]) -> Json:
    about = {"kind": "weak", "needs_truth": False, "decorrelated": True, "cpu_s": 3.2, "closure_auc": 0.512}
    methods = {
        name: {**about, "closure_auc_error": 0.003, "s_over_b": {s: strength(float(s), 1 + 0.1 * i) for s in STRENGTHS}}
        for i, name in enumerate(names)
    }
    same = np.eye(len(names)).tolist()
    return {
        **origin(),
        "compare": {"draws": 10, "test": 0.3, "reference": 0.3, "shift": 0.1},
        "definitions": {"floor": 25, "follows_p": 0.02, "shared_part": 0.05, "sic": "a < b"},
        "reference_method": names[0],
        "methods": methods,
        "agreement": {s: dict.fromkeys(("background", "signal", "shared"), same) for s in STRENGTHS},
        "draws": [{"test": 1000, "test_signal": 50, "reference": 900}],
    }


def written(folder: Path, value: Json) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "compare.json").write_text(json.dumps(value))
    return write_comparison(folder)


@pytest.fixture(scope="module")
def html(tmp_path_factory: pytest.TempPathFactory) -> str:
    names = ("idealised", "cathode", *NASTY)
    return written(tmp_path_factory.mktemp("page"), result(names)).read_text(encoding="utf-8")


def test_nothing_is_fetched_and_nothing_runs(html: str) -> None:
    page = Page(html)
    assert {reference[1:] for reference in page.references} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids)) > 20
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not re.search(r"https?://|@import|url\((?!#)|javascript:", html)
    assert "default-src 'none'" in html


def test_every_figure_and_table_is_there(html: str) -> None:
    page = Page(html)
    assert page.tags.count("svg") == page.tags.count("figure") == 3 + 2 * 2  # none without signal
    assert page.tags.count("table") == 1 + len(STRENGTHS) * 5
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "1.10 [0.99, 1.21]" in text  # cathode
    assert "0.5120 ± 0.0030" in text
    assert "mind the <gap>" in text
    assert "a shifted by 0.1 times the mass" in text
    for nasty in (NASTY[0], "a\"b' & c"):
        assert nasty in text
    assert html.count("<script") == 0


def test_sculpting_is_marked(html: str) -> None:
    assert '<span class="alert">' not in html
    value = result(("idealised",))
    value["methods"]["idealised"]["s_over_b"]["0"]["flatness"]["0.01"]["p"][0] = 0.002
    value["methods"]["idealised"]["s_over_b"]["0"]["follows_m"] = True
    with studio(None) as draw:
        html = render_comparison(value, None, None, draw)
    assert html.count('<span class="alert">0.002 !</span>') == 2  # of both kept fractions
    assert html.count('idealised <span class="badge alert">follows m</span>') == 2  # in both tables of that strength
    assert "12.5 s" in html


def test_reach_stands_beside_the_comparison_or_alone() -> None:
    names = ("inclusive", NASTY[0], "cathode")
    for compared, figures, tables in ((None, 1, 2), (result(("idealised",)), 1 + 3 + 2 * 2, 2 + 1 + 3 * 5)):
        with studio(None) as draw:
            html = render_comparison(compared, reached(names), None, draw)
        page = Page(html)
        assert page.tags.count("svg") == page.tags.count("figure") == figures
        assert page.tags.count("table") == tables
        assert {reference[1:] for reference in page.references} <= set(page.ids)
        assert len(page.ids) == len(set(page.ids))
        text = page.text.replace("\N{NO-BREAK SPACE}", " ")
        for expected in ("612", "[–, 880]", "0.123%", "1.87", "above 2000", "700: 3.5", "mind the <gap>", NASTY[0]):
            assert expected in text
        assert html.count("<script") == 0


def test_what_is_not_known_or_not_finite() -> None:
    """A ratio to nothing found is infinite; a method that could not be trained leaves holes, not a traceback."""
    value = result(("idealised", "cathode"))
    value["methods"]["cathode"]["s_over_b"]["0.003"]["ratio"]["sic_max"] = [1.5, 0.5, None]
    one = value["methods"]["idealised"]["s_over_b"]["0.0064"]
    one |= {**dict.fromkeys(("sic_max", "auc", "curves")), "ratio": dict.fromkeys(one["ratio"])}
    one["flatness"] = {part: dict.fromkeys(found) for part, found in one["flatness"].items()}
    value["methods"]["idealised"] |= dict.fromkeys(("cpu_s", "closure_auc", "closure_auc_error"))
    value["agreement"]["0.0064"] = dict.fromkeys(("background", "signal", "shared"))
    with studio(None) as draw:
        text = Page(render_comparison(value, None, None, draw)).text.replace("\N{NO-BREAK SPACE}", " ")
    assert "1.50 [0.50, ∞]" in text
    assert text.count("no draw in which all methods could be trained") == 3


def test_numbers_behind_words_are_those_of_the_result() -> None:
    value = result(("idealised",))
    value["methods"]["idealised"]["s_over_b"]["0"]["flatness"]["0.01"]["p"][0] = 0.015
    with studio(None) as draw:
        html = render_comparison(value, reached(("inclusive",)), None, draw)
    text = Page(html).text
    assert '<span class="alert">0.015 !</span>' in html
    assert "if a median p-value is below 0.02" in text
    assert "Common part of the 5% of background with the highest scores; 0.05 is chance" in text
    first, second = (text.index(f"Definitions of {of}") for of in ("the comparison", "reach"))
    assert first < text.index("a < b") < second < text.index("not here")


def test_same_file_same_bytes(tmp_path: Path) -> None:
    value = result(("idealised", "cathode"))
    assert written(tmp_path / "a", value).read_bytes() == written(tmp_path / "b", value).read_bytes()
    write_comparison(tmp_path / "a", pdf=True)
    assert len(list((tmp_path / "a" / "figures").iterdir())) == 7


def test_a_folder_without_a_comparison(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"compare\.json: no such file, expected the folder of a comparison"):
        write_comparison(tmp_path)
