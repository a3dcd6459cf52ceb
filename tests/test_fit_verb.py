"""`lamppost fit` with everything on: limits, spurious signals, BumpHunter, files for others, and what it refuses."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lamppost.api import described, fit, spectrum
from lamppost.cli import main
from lamppost.errors import ConfigError
from lamppost.stats import Dijet, Workspace, bin_edges, upper_limit

MASS, SIGMA = 3000.0, 0.04
OPTIONS = ["--parameters", "3", "--resolution", f"{SIGMA:g}", "--toys", "200", "--json"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20,000 events that fall like a dijet spectrum, and 90 in a peak at 3 TeV."""
    rng = np.random.default_rng(1)
    edges = bin_edges(1500.0, 6000.0, SIGMA)
    middle = np.sqrt(edges[1:] * edges[:-1])
    shape = np.exp(Dijet().design(middle, edges[0], edges[-1])[:, :3] @ [0.0, 8.0, 5.0]) * np.diff(edges)
    peak, _ = np.histogram(rng.normal(MASS, SIGMA * MASS, 90), edges)
    counts = rng.poisson(20_000 * shape / shape.sum()) + peak
    path = tmp_path_factory.mktemp("fit") / "spectrum.csv"
    rows = "".join(
        f"{lo!r},{hi!r},{n}\n" for lo, hi, n in zip(edges.tolist(), edges[1:].tolist(), counts, strict=False)
    )
    path.write_text("low,high,count\n" + rows)
    return path


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main(["fit", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def result(capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    code, out, err = run(capsys, *arguments, *OPTIONS)
    assert (code, err) == (0, "")
    return json.loads(out)


def test_limits_are_those_of_the_library(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = result(capsys, table, "--limits", MASS, 4500)
    observed = spectrum(table, resolution=SIGMA)
    for limit, mass in zip(found["limits"], (MASS, 4500.0), strict=True):
        alone = upper_limit(
            Workspace(observed, mass, n_parameters=3, signal={"kind": "crystal_ball", "resolution": SIGMA}), seed=1
        )
        assert limit["observed"] == pytest.approx(alone.observed)
        assert limit["expected"] == sorted(limit["expected"])
    assert found["limits"][0]["observed"] > found["limits"][0]["expected"][3]  # there is a signal


def test_uncertainties_cost_sensitivity(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tmp_path / "model.toml"
    model.write_text(
        f'signal = {{kind = "crystal_ball", resolution = {SIGMA}}}\n'
        '[[systematics]]\nkind = "normalisation"\nname = "efficiency"\nup = 1.3\n'
    )
    alone, known = result(capsys, table, "--limits", 4000), result(capsys, table, "--limits", 4000, "--model", model)
    assert known["limits"][0]["expected"][2] > 1.01 * alone["limits"][0]["expected"][2]
    spurious = result(capsys, table, "--spurious", "ua2")
    assert 0.0 < spurious["z_local"] < alone["z_local"]


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_is_handed_on(table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for library in ("uproot", "hepdata_lib", "mplhep"):
        pytest.importorskip(library)
    found = result(capsys, table, "--limits", MASS, "--bump-hunter", "--out", tmp_path / "out")
    names = [str(Path(path).relative_to(tmp_path / "out")) for path in found["files"]]
    tables = ["spectrum.csv", "scan.csv", "limits.csv", "model.hs3.json", "model.pyhf.json"]
    drawn = [f"figures/{name}.{kind}" for name in ("spectrum", "p_values", "limits") for kind in ("pdf", "png")]
    assert names == [*tables, *drawn, "combine/datacard.txt", "hepdata/submission.tar.gz"]
    assert all(Path(path).stat().st_size > 0 for path in found["files"])
    with (tmp_path / "out" / "scan.csv").open() as file:
        best = max(csv.reader(file), key=lambda row: float(row[2]) if row[2].replace(".", "").isdigit() else 0.0)
    assert float(best[0]) == pytest.approx(found["best_mass"])
    hunted = found["bump_hunter"]
    assert hunted["lo"] < MASS < hunted["hi"]
    assert 0.0 < hunted["p_global"] <= 1.0
    assert 0.0 < found["goodness"]["pearson"]["p_value"] < 1.0


def test_what_cannot_be_written_is_known_before_the_work(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for library in ("uproot", "hepdata_lib", "mplhep"):
        pytest.importorskip(library)
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("lamppost.api.SpectrumFit.scan", None)  # not to be reached
    code, out, err = run(capsys, table, "--out", tmp_path / "file")
    assert (code, out) == (2, "")
    assert len(err.splitlines()) == 1
    assert "cannot be written" in err


def test_bins_follow_the_signal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A list of masses is binned for the resolution that the model names."""
    path, model = tmp_path / "masses.csv", tmp_path / "model.toml"
    masses = 1500 * np.random.default_rng(2).pareto(8.0, 5000) + 1500
    path.write_text("m\n" + "\n".join(f"{m!r}" for m in masses[masses < 4000].tolist()) + "\n")
    model.write_text('n_parameters = 2\nsignal = {kind = "gaussian", resolution = 0.1}\n')
    common = ("--range", 1500, 4000, "--toys", 0, "--json")
    wide, narrow = (json.loads(run(capsys, path, *common, *more)[1]) for more in (("--model", model), ()))
    assert wide["ndf"] < 0.5 * narrow["ndf"]


def test_words(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, table, "--parameters", "aic", "--toys", "100", "--function", "dijet", "ua2")
    assert code == 0
    assert [line.split("  ")[0] for line in out.splitlines()] == [
        *("background", "goodness of fit", "largest excess", "local", "global")
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("signals = 1", "unknown key 'signals'"),
        ('n_parameters = "f"', "n_parameters"),
        ("n_parameters = 0", "n_parameters"),
        ('lower_edges = "low"', "lower_edges"),
        ('spurious = "ua2"\nlower_edges = 2000', "expected no lower_edges beside `spurious`"),
        ('background = "gauss"', "unknown kind 'gauss'"),
        ('systematics = [{kind = "normalisation", up = -1.0}]', "up"),
        ("background = [", "model.toml: "),
    ],
)
def test_models_that_make_no_sense(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    model = tmp_path / "model.toml"
    model.write_text(text)
    code, out, err = run(capsys, table, "--model", model, "--toys", 0)
    assert (code, out) == (2, "")
    assert message in err
    assert len(err.splitlines()) == 1


def test_python_takes_the_same(table: Path) -> None:
    found = fit(table, n_parameters=3, resolution=SIGMA, toys=0)
    assert abs(found.best_mass - MASS) < 3 * SIGMA * MASS
    with pytest.raises(ConfigError, match="toys: expected 0 or more"):
        fit(table, toys=-1)
    assert described({"background": ["dijet", "ua2"]}).background[1].kind == "ua2"


def test_the_scale_goes_to_the_families_that_have_one(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside a family without a scale it is no error, and where there is one it decides."""
    code, out, _ = run(capsys, table, "--function", "dijet", "polynomial", "--sqrt-s", 8000, "--toys", 0, "--json")
    assert code == 0, out
    there, here = (fit(table, function=["polynomial", "dijet"], sqrt_s=e, toys=0) for e in (7000.0, 13000.0))
    assert {row.function[:5] for row in there.tried} >= {"polyn", "dijet"}
    assert [r.aic for r in there.tried if r.function[:5] == "dijet"] != [
        r.aic for r in here.tried if r.function[:5] == "dijet"
    ]


def test_other_ways_to_look(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A mass fixed beforehand costs no looking elsewhere; up-crossings agree with toys where both can tell."""
    looks = ["--at", MASS, 5000, "--up-crossings", "--limits", MASS, "--impacts"]
    found = json.loads(run(capsys, table, *looks, *OPTIONS, "--toys", 2000)[1])
    at, away = found["at"]
    assert (at["mass"], away["mass"]) == (MASS, 5000.0)
    assert at["z"] == pytest.approx(np.sqrt(at["q0"]), rel=0.1)
    assert found["p_local"] <= at["p_asymptotic"] < found["p_global"]
    crossed = found["up_crossings"]
    assert "Gross-Vitells" in crossed["method_global"]
    # the tail of 2,000 toys and of 1,000 curves, each with its own error
    ratio = crossed["p_global"] / found["p_global"]
    errors = np.hypot(crossed["error_global"] / crossed["p_global"], found["p_global_error"] / found["p_global"])
    assert abs(np.log(ratio)) < max(4.0 * errors, 0.5)
    assert found["impacts"][0]["rows"] == []  # nothing is uncertain
    assert found["impacts"][0]["error"] == pytest.approx(found["impacts"][0]["statistical"])


def test_impacts_need_masses(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = run(capsys, table, "--impacts")
    assert (code, out) == (2, "")
    assert "--limits" in err


def test_all_orders_may_be_profiled(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--resolution", SIGMA, "--toys", 100, "--json", "--function", "dijet", "ua2", "--criterion", "envelope")
    found = json.loads(run(capsys, table, *options)[1])
    assert found["z_local"] > 3.0
    assert found["goodness"]["pearson"]["value"] == pytest.approx(found["chi2"])
    (limit,) = json.loads(run(capsys, table, *options, "--limits", MASS)[1])["limits"]
    assert "7 backgrounds profiled" in limit["method"]
    for refused in (("--spurious", "polynomial"), ("--bump-hunter",)):
        code, out, err = run(capsys, table, *options, *refused)
        assert (code, out, len(err.splitlines())) == (2, "", 1)


def test_limits_profile_all_orders_unless_one_is_asked_for(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--resolution", SIGMA, "--toys", 0, "--json", "--limits", MASS)
    methods = {
        name: json.loads(run(capsys, table, *options, *more)[1])["limits"][0]["method"]
        for name, more in {
            "default": (),
            "order": ("--parameters", 3),
            "F-test": ("--parameters", "f_test"),
            "criterion": ("--criterion", "aic"),
            "spurious": ("--spurious", "polynomial"),
        }.items()
    }
    assert "4 backgrounds profiled" in methods.pop("default")
    assert not any("profiled" in method for method in methods.values())


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_second_fit_leaves_nothing_of_the_first(
    table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for library in ("uproot", "hepdata_lib", "mplhep"):
        pytest.importorskip(library)
    (tmp_path / "notes.txt").write_text("mine")
    first = result(capsys, table, "--limits", MASS, "--out", tmp_path)["files"]
    second = json.loads(
        run(capsys, table, "--resolution", SIGMA, "--criterion", "envelope", "--toys", 0, "--out", tmp_path, "--json")[
            1
        ]
    )["files"]
    gone = {Path(path).relative_to(tmp_path).as_posix() for path in set(first) - set(second)}
    assert {"limits.csv", "figures/limits.png", "model.hs3.json", "combine/datacard.txt"} <= gone
    assert not any((tmp_path / name).exists() for name in gone)
    assert all(Path(path).stat().st_size > 0 for path in second)
    assert (tmp_path / "notes.txt").read_text() == "mine"
