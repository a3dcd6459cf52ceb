"""The page as a browser reads it: self-contained, escaped, unique ids, the same bytes every time."""

import json
import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import pytest
from matplotlib.figure import Figure
from synthetic_hunt import CONFIG, hunt, write_folder

from lamppost import report
from lamppost.errors import DataError, LamppostError
from lamppost.report.page import render

VOID = {"meta", "br", "hr", "img", "link", "input"}
NASTY = (
    "<script>alert(1)</script>",
    "$m_{jj}$",
    "a\"b' & c",
    "質量 ≥ 5",
    "n" * 90,
    "line\nbreak\x01",
    "_hidden",
    "50% $",
)
SMALL = (3200.0, 3400.0, 3600.0)


class Page(HTMLParser):
    """Tags, ids, references and texts of a page; complains about tags that do not match."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.references: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.opened: list[str] = []
        self.feed(text)
        self.close()
        assert not self.opened

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.opened.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            if name in ("href", "src", "xlink:href"):
                self.references.append(value or "")
            self.references += [f"#{found}" for found in re.findall(r"url\(#([^)]+)\)", value or "")]

    def handle_endtag(self, tag: str) -> None:
        assert self.opened.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def page_of(folder: Path) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = write_folder(tmp_path_factory.mktemp("hunt"), *hunt())
    assert report.write(path) == (path / "report.html",)
    return path


@pytest.fixture(scope="module")
def page(folder: Path) -> Page:
    return page_of(folder)


def test_nothing_is_fetched_and_nothing_runs(folder: Path, page: Page) -> None:
    assert all(reference.startswith("#") for reference in page.references)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"https?://|@import|url\((?!#)|javascript:", text)
    assert "default-src 'none'" in text


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    assert len(page.ids) == len(set(page.ids)) > 100
    assert {reference[1:] for reference in page.references} <= set(page.ids)


def test_every_window_has_a_row_a_section_and_its_figures(page: Page) -> None:
    result, _ = hunt()
    for number, window in enumerate(result["windows"], 1):
        assert f"w{number:02d}" in page.ids
        assert page.text.count(f"[{window['lo']:g}, {window['hi']:g})") >= 3
    assert page.tags.count("svg") == page.tags.count("figure") == page.tags.count("figcaption") == 3 + 5 * 9
    labels = [value for name, value in page.attributes if name == "aria-label"]
    assert labels.count("Spectrum before and after the cut") == 9


def test_the_best_window_alone_is_open(folder: Path) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert text.count("<details open>") == 1
    assert re.search(r'<details open>.{1,200}<section id="w02"', text, re.S)


def test_verdict_states_local_global_inclusive_and_random(page: Page) -> None:
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "An excess of more than 5σ." in text
    assert re.search(r"in \[3400, 3800\) at mjj = \d+: local Z = 6\.84, global Z = 6\.20", text)
    assert "inclusive fit of the same events gives local Z = 1.60 and a random score gives global p = 0.6" in text


def test_configuration_origin_and_timing_are_there(page: Page) -> None:
    assert CONFIG in page.texts
    for expected in ("0f" * 32, "numpy 2.4.6", "131.5 s with 2 workers", "train", "201.3", "Seed"):
        assert any(expected in text for text in page.texts), expected


def test_same_files_same_bytes_whatever_the_settings(folder: Path) -> None:
    first = (folder / "report.html").read_bytes()
    with matplotlib.rc_context({"font.size": 31.0, "svg.fonttype": "path", "axes.facecolor": "red"}):
        report.write(folder)
        assert matplotlib.rcParams["font.size"] == 31.0
    assert (folder / "report.html").read_bytes() == first
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.toml",
        "details.json",
        "report.html",
        "result.json",
    ]


def test_figures_stay_small(folder: Path) -> None:
    figures = re.findall(r"<svg.*?</svg>", (folder / "report.html").read_text(encoding="utf-8"), re.S)
    assert max(len(figure) for figure in figures) < 60_000


def test_names_cannot_break_the_page(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL, names=NASTY)
    result["data"] |= {"path": "</title><script>1</script>", "mass": "<b>$m$</b>", "sha256": "<i>"}
    result["warnings"] = ["<img src=x onerror=alert(1)>"]
    result["p_global_method"] = '"><script>'
    for part in (*result["windows"], *details["windows"]):
        part["method"] = "<svg onload=alert(1)>"
    result["windows"][0]["fit"]["function"] = "</svg>$x$"
    report.write(write_folder(tmp_path, result, details, "</pre><script>alert(1)</script>"))
    page = page_of(tmp_path)
    assert not {"script", "b", "i", "img"} & set(page.tags)
    assert "onload" not in dict(page.attributes)
    for name in NASTY[:4]:
        assert name in page.texts
    assert "$m_{jj}$" in [text for text in page.texts if "m_" in text and len(text) == 8]
    assert len(page.ids) == len(set(page.ids))


def test_a_refused_global_p_value_is_a_banner_and_draws_no_global_lines(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL)
    result |= {"p_global": None, "z_global": None, "warnings": ["The random score finds p = 0.001."]}
    report.write(write_folder(tmp_path, result, details))
    page = page_of(tmp_path)
    assert "No global p-value is stated for this hunt." in page.texts
    assert "The random score finds p = 0.001." in page.texts
    assert "No global significance is claimed." in page.texts
    assert not [text for text in page.texts if text.endswith("σ global")]


def test_what_was_asked_of_the_statistics_is_shown(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL)
    fit = result["windows"][0]["fit"]
    fit["tried"] = [{"function": "dijet3", "aic": 64.25}, {"function": "ua24", "aic": None}]
    result["windows"][0]["spurious"], result["inclusive"]["spurious"] = 3.456, 78.9
    result |= {"p_global_bonferroni": 0.0321, "effective_windows": 2.5, "p_global_error": 0.001}
    report.write(write_folder(tmp_path, result, details))
    texts = page_of(tmp_path).texts
    assert "3.46 events, a nuisance of the fit" in texts
    assert "78.9 events, a nuisance of the fit" in texts
    assert any("deviance with penalty of those tried: dijet3 64.2, ua24 –" in text for text in texts)
    assert texts.count("Spurious signal") == 2
    assert "If every window counts in full" in texts
    assert "p = 0.032" in texts


def test_what_was_not_asked_is_not_shown(page: Page) -> None:
    assert not {"Spurious signal", "If every window counts in full"} & set(page.texts)
    assert not [text for text in page.texts if "AIC" in text]


def test_no_warnings_no_banner(page: Page) -> None:
    assert "Read this first" not in page.texts
    assert "5σ global" in page.texts
    assert "aside" not in page.tags


def empty_drawing(key: str, label: str, figure: Figure) -> str:
    return f'<svg aria-label="{key}"></svg>'


def every_path(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        if isinstance(child, dict | list) or not path or isinstance(key, str):
            yield (*path, key)
        yield from every_path(child, (*path, key))


def removable() -> list[str]:
    _, details = hunt(starts=SMALL[:1], names=("mj1",))
    paths = {
        ".".join(str(key) for key in path)
        for path in every_path(details)
        if isinstance(path[-1], str) and "top_events" not in path[:-1]
    }
    return sorted(paths - {"mass", "fit_range"})


@pytest.mark.parametrize("path", removable())
def test_any_detail_may_be_missing_or_null(path: str) -> None:
    result, details = hunt(starts=SMALL[:1], names=("mj1",))
    *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
    part = details
    for key in parents:
        part = part[key]
    part[last] = None
    without = render(result, details, CONFIG, empty_drawing)
    assert "w01" in Page(without).ids
    del part[last]
    assert render(result, details, CONFIG, empty_drawing) == without


def test_result_alone_gives_a_page_with_notes(tmp_path: Path) -> None:
    result, _ = hunt(starts=SMALL)
    report.write(write_folder(tmp_path, result, None, None))
    page = page_of(tmp_path)
    assert "svg" not in page.tags
    assert [text for text in page.texts if text.startswith("No figure “p-value against mass”")]
    assert "There is no config.toml." in page.texts


@pytest.mark.parametrize("key", sorted(hunt(starts=SMALL[:1])[0]))
def test_any_key_of_the_result_may_be_null(key: str, tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL[:1], names=("mj1",))
    result[key] = 1 if key == "schema" else None
    report.write(write_folder(tmp_path, result, details))
    assert page_of(tmp_path).tags.count("h1") == 1


def test_numbers_of_a_window_may_be_null_or_extreme(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL)
    for key in result["windows"][0]:
        if key not in ("lo", "hi"):
            result["windows"][0][key] = None
    result["windows"][1] |= {"p_local": 0.0, "z_local": float("inf"), "p_window": 0.0, "signal_error": 0.0}
    details["windows"][1]["efficiencies"][0]["scan"]["p"] = [0.0] * len(
        details["windows"][1]["efficiencies"][0]["scan"]["mass"]
    )
    for name in ("counts", "errors", "background", "pulls", "signal"):
        spectrum = details["windows"][2]["efficiencies"][0]["spectrum"]
        spectrum[name] = [None] * len(spectrum[name])
    for name in ("sr", "sb"):
        details["windows"][2]["scores"][name] = [0] * len(details["windows"][2]["scores"][name])
    sculpting = details["windows"][2]["efficiencies"][0]["sculpting"]
    sculpting |= {name: [None] * len(sculpting[name]) for name in ("fraction", "error")}
    details["windows"][2]["efficiencies"][0]["scan"]["p"] = [None] * len(
        details["windows"][2]["efficiencies"][0]["scan"]["mass"]
    )
    for part in details["windows"][2]["features"]:
        part["selected"] = [0] * len(part["selected"])
    report.write(write_folder(tmp_path, result, details))
    assert "∞" in page_of(tmp_path).text


def test_several_efficiencies_and_methods(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL, efficiencies=(0.01, 0.001))
    result["windows"][1]["method"] = "cathode"
    report.write(write_folder(tmp_path, result, details))
    page = page_of(tmp_path)
    assert page.tags.count("svg") == 3 + 6 * 3
    assert {"keep 1%", "keep 0.1%", "cathode", "cwola", "[3400, 3800) cathode"} <= set(page.texts)


def test_no_windows_at_all(tmp_path: Path) -> None:
    result, details = hunt(starts=SMALL)
    result |= {"windows": [], "best_window": None, "p_global": None, "z_global": None}
    report.write(write_folder(tmp_path, result, details | {"windows": []}))
    assert "No window gave a result." in page_of(tmp_path).texts


def test_pdf_on_request_and_deterministic(tmp_path: Path) -> None:
    report.write(write_folder(tmp_path, *hunt(starts=SMALL[:2])), pdf=True)
    first = {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()}
    assert {"overview-scan.pdf", "w02-spectrum.pdf", "w01-features.pdf"} <= set(first)
    assert len(first) == 3 + 5 * 2
    assert all(content.startswith(b"%PDF") for content in first.values())
    report.write(tmp_path, pdf=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "figures").iterdir()} == first


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "no such file"), ("{", "not JSON"), ("[]", "found a list"), ('{"schema": 2}', "found schema 2")],
)
def test_a_result_that_cannot_be_read(content: str | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "result.json").write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=rf"result\.json.*{message}"):
        report.write(tmp_path)
    assert not (tmp_path / "report.html").exists()


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path, *hunt(starts=SMALL[:1]))
    for name in [name for name in sys.modules if name.startswith("lamppost.report.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "mplhep", None)
    with pytest.raises(LamppostError, match=r'pip install "lamppost\[report\]"'):
        report.write(tmp_path)


def test_json_is_left_alone(folder: Path) -> None:
    result, details = hunt()
    assert json.loads((folder / "result.json").read_text(encoding="utf-8")) == result
    assert json.loads((folder / "details.json").read_text(encoding="utf-8")) == details
