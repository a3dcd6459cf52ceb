"""What a hunt asks of the statistics: choices of the background, spurious signals, windows that share events."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

import lamppost
from lamppost.cli import main
from lamppost.config import Fit, load, load_comparison
from lamppost.errors import ConfigError, FitError
from lamppost.run import InlineExecutor
from lamppost.run.compare.reach import run_reach
from lamppost.run.hunt import run_hunt
from lamppost.run.spectra import needed_orders
from lamppost.search import seed_of
from lamppost.stats import Correlation, JointResult, Spectrum, combine, joint_scan, mass_grid, spurious_signal
from small_comparison import write_comparison
from small_hunt import FIT_RANGE, WINDOWS, Json, entries, events, search, timeless, write_hunt

METHOD = search()["method"]
OVERLAPPING = [[3200.0, 3600.0], [3300.0, 3700.0], [3900.0, 4300.0]]
BOOTSTRAP = {"scan": {"windows": OVERLAPPING}, "fit": {"combine": "bootstrap"}}
FAINT = 20  # events of a peak whose p-value toys still tell
MORE = ("p_global_error", "p_global_bonferroni", "effective_windows")


def with_bump(n_signal: int = 70, n: int = 4000) -> dict[str, NDArray[Any]]:
    """The small events with a peak that both of two overlapping windows can learn to select."""
    rng, table = np.random.default_rng(1000), events(n)
    bump = {"mjj": rng.normal(3450.0, 60.0, n_signal), "a": rng.normal(3.0, 0.3, n_signal), "w": np.ones(n_signal)}
    bump |= {"event": np.arange(n, n + n_signal), "b": rng.exponential(size=n_signal) + 4.0}
    return {name: np.concatenate([values, bump[name]]) for name, values in table.items()}


def hunt(config: Path, out: Path) -> Json:
    result: Json = run_hunt(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    return result


def hunted(folder: Path, name: str, table: dict[str, NDArray[Any]] | None = None, **changes: Any) -> Json:
    return hunt(write_hunt(folder, table, **changes), folder / name)


def done(out: Path) -> list[str]:
    return [entry["label"] for entry in entries(out, "done")]


def kept_spectrum(folder: Path, name: str, window: int, fit: Fit) -> Spectrum:
    """The spectrum of a window, from the scores that the hunt wrote."""
    scores = pq.read_table(folder / name / "scores.parquet", filters=[("window", "=", window)])
    masses = pq.read_table(folder / "events.parquet")["mjj"].to_numpy()[scores["event"].to_numpy()]
    return Spectrum.from_masses(masses[scores["score"].to_numpy() >= -np.log10(0.1)], fit.edges)


def scanned(spectrum: Spectrum, window: list[float], fit: Fit, **options: Any) -> JointResult:
    """The scan of a window of the small hunt, from plain arguments alone."""
    lo, hi = window
    seed = seed_of(1, "toys", "weak", lo, hi, hi - lo)
    return joint_scan([spectrum], signal=fit.signal, window=(lo, hi), toys=100, seed=seed, **options)


def test_without_a_wish_a_hunt_is_what_it_was(tmp_path: Path) -> None:
    result, fit = hunted(tmp_path, "run"), Fit(range=FIT_RANGE)
    for number, (row, window) in enumerate(zip(result["windows"], WINDOWS, strict=True)):
        found = scanned(kept_spectrum(tmp_path, "run", number, fit), window, fit, background="dijet", n_parameters=3)
        assert row["p_window"] == found.p_global
        assert row["z_local"] == found.results[0].z_local
        assert row["signal"] == found.results[0].signal
        assert "spurious" not in row
        assert "tried" not in row["fit"]
    smallest = min(row["p_window"] for row in result["windows"])
    assert result["p_global"] == pytest.approx(1 - (1 - smallest) ** 2, rel=1e-12)
    assert result["p_global_method"] == "1 - (1 - smallest window p)^windows"
    assert not set(MORE) & {*result, *result["control"]}
    counted = hunted(tmp_path, "run", fit={"combine": "bonferroni"})
    assert counted["p_global"] == min(1.0, 2 * smallest) >= result["p_global"]
    assert counted["p_global_method"] == "windows x smallest window p"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"n_parameters": 4}, None),
        ({}, (3,)),
        ({"n_parameters": "aic"}, (3,)),
        ({"function": ["dijet", "ua2"]}, (3, 2)),
        ({"function": ["ua2", "polynomial", "dijet"]}, (2, 4, 3)),
    ],
)
def test_the_orders_that_all_events_need(asked: Json, expected: tuple[int, ...] | None) -> None:
    """A power law: three parameters of `dijet`, two of `ua2`; as an exponential of a polynomial more."""
    fit = Fit(range=FIT_RANGE, **asked)
    assert needed_orders(Spectrum.from_masses(events(40_000)["mjj"], fit.edges), fit) == expected


def test_an_order_by_aic(tmp_path: Path) -> None:
    result, fit = hunted(tmp_path, "run", fit={"n_parameters": "aic"}), Fit(range=FIT_RANGE)
    options: Json = {"background": "dijet", "n_parameters": "aic", "at_least": 3}
    for number, (row, window) in enumerate(zip(result["windows"], WINDOWS, strict=True)):
        found = scanned(kept_spectrum(tmp_path, "run", number, fit), window, fit, **options)
        assert (row["p_window"], row["z_local"]) == (found.p_global, found.results[0].z_local)
        assert row["fit"]["n_parameters"] >= 3


def test_several_families(tmp_path: Path) -> None:
    families = ["dijet", "ua2"]
    result = hunted(tmp_path, "run", fit={"n_parameters": None, "function": families})
    fit = Fit(range=FIT_RANGE)
    for number, (row, window) in enumerate(zip(result["windows"], WINDOWS, strict=True)):
        spectrum = kept_spectrum(tmp_path, "run", number, fit)
        found = scanned(spectrum, window, fit, background=families, at_least=(3, 2))
        assert (row["p_window"], row["z_local"]) == (found.p_global, found.results[0].z_local)
        tried = row["fit"]["tried"]
        assert [one["function"][:-1] for one in tried] == families
        assert min(tried, key=lambda one: one["aic"])["function"] == row["fit"]["function"]
    assert [one["function"][:-1] for one in result["inclusive"]["fit"]["tried"]] == families


def test_spurious_signals_are_a_nuisance_of_every_fit(tmp_path: Path) -> None:
    """Those of the spectrum of all events, as large as the selection: what `scan` makes of them is the row."""
    table, fit = with_bump(), Fit(range=FIT_RANGE)
    plain = hunted(tmp_path, "plain", table)
    careful = hunted(tmp_path, "careful", fit={"spurious": ["polynomial", "ua2"]})
    whole = Spectrum.from_masses(table["mjj"], fit.edges)
    for number, (row, before) in enumerate(zip(careful["windows"], plain["windows"], strict=True)):
        assert row["z_local"] < before["z_local"]
        spectrum, window = kept_spectrum(tmp_path, "careful", number, fit), [row["lo"], row["hi"]]
        options: Json = {"n_parameters": 3, "masses": mass_grid(spectrum, fit.signal, (row["lo"], row["hi"]))}
        found = spurious_signal(whole, "dijet", ["polynomial", "ua2"], signal=fit.signal, **options)
        widths = found.largest * (spectrum.counts.sum() / whole.counts.sum())
        assert row["spurious"] == widths[options["masses"] == row["best_mass"]][0] > 0.0
        again = scanned(spectrum, window, fit, background="dijet", spurious=widths, **options)
        assert (row["p_window"], row["z_local"]) == (again.p_global, again.results[0].z_local)
    assert plain["windows"][0]["z_local"] > 3.0
    assert careful["inclusive"]["spurious"] > 0.0
    assert careful["inclusive"]["z_local"] < plain["inclusive"]["z_local"]
    assert careful["control"]["z_local"] < plain["control"]["z_local"]


def test_a_function_too_stiff_for_all_events_is_found_out(tmp_path: Path) -> None:
    """Few events cannot tell two parameters from three; what the third would change is a spurious signal."""
    two, three = (hunted(tmp_path, f"run{n}", fit={"n_parameters": n, "spurious": ["polynomial"]}) for n in (2, 3))
    for stiff, good in zip(two["windows"], three["windows"], strict=True):
        assert stiff["spurious"] > 3.0 * good["spurious"]


def test_a_spurious_signal_for_every_efficiency(tmp_path: Path) -> None:
    changes: Json = {"scan": {"efficiency": [0.3, 0.1]}, "fit": {"spurious": "polynomial", "n_parameters": "aic"}}
    result = hunted(tmp_path, "run", with_bump(), **changes)
    assert all(row["spurious"] > 0.0 for row in result["windows"])


def test_nothing_that_describes_the_spectrum_ends_the_hunt(tmp_path: Path) -> None:
    """A family too stiff for these events: no spurious signal is known, and none is made up."""
    table = events(40_000)
    table["mjj"][:8000] = np.random.default_rng(1000).normal(5000.0, 150.0, 8000)  # no smooth family holds this peak
    with pytest.raises(FitError, match="no alternative describes the spectrum"):
        hunted(tmp_path, "run", table, fit={"spurious": ["ua2"]})


@pytest.fixture(scope="module")
def combined(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with events, configuration and the finished `run` of a hunt whose windows are combined. Read only."""
    folder = tmp_path_factory.mktemp("combined")
    hunted(folder, "run", with_bump(FAINT), **BOOTSTRAP)
    return folder


def result_of(folder: Path) -> Json:
    return hunt(folder / "hunt.toml", folder / "run")  # all is there already


def test_windows_that_share_events(combined: Path, tmp_path: Path) -> None:
    result = result_of(combined)
    in_full = hunted(tmp_path, "run", with_bump(FAINT), scan=BOOTSTRAP["scan"], fit={"combine": "bonferroni"})
    assert result["windows"] == in_full["windows"]
    smallest = min(row["p_window"] for row in result["windows"])
    assert smallest < result["p_global"] < result["p_global_bonferroni"] == in_full["p_global"]
    assert result["effective_windows"] == pytest.approx(result["p_global"] / smallest)
    assert result["p_global_error"] > 0.0
    assert result["z_global"] > in_full["z_global"]
    assert f"{result['effective_windows']:.3g} x smallest window p" in result["p_global_method"]
    assert "3 windows" in result["p_global_method"]
    assert result["control"]["p_global_bonferroni"] == in_full["control"]["p_global"]
    assert result["control"]["p_global"] <= in_full["control"]["p_global"]


def test_correlations_are_those_of_the_windows_in_their_order(combined: Path) -> None:
    found = json.loads((combined / "run" / "details.json").read_text())["combined"]
    matrix, errors = np.array(found["correlation"]), np.array(found["errors"])
    np.testing.assert_allclose(np.diag(matrix), 1.0)
    assert matrix[0, 1] > 5 * errors[0, 1]  # both hold the peak
    assert np.all(np.abs(matrix[2, :2]) < 4 * errors[2, :2] + 0.2)  # the last holds neither
    result = result_of(combined)
    p, local = (np.array([row[name] for row in result["windows"]]) for name in ("p_window", "p_local"))
    again = combine(p, Correlation(matrix, errors, np.zeros(3), np.zeros(3), 400), p_local=local, seed=1000)
    assert result["p_global"] == pytest.approx(again.p_global, rel=0.02)
    assert result["best_window"] == again.best


def test_one_worker_and_two_combine_to_the_same_bits(combined: Path, tmp_path: Path) -> None:
    config = combined / "hunt.toml"
    results = [lamppost.hunt(config, tmp_path / f"run{n}", workers=n, quiet=True) for n in (1, 2)]
    assert timeless(results[0]) == timeless(results[1]) == timeless(result_of(combined))


def test_combining_is_a_task_of_its_own(tmp_path: Path) -> None:
    out = tmp_path / "run"
    before = hunted(tmp_path, "run", with_bump(), scan=BOOTSTRAP["scan"])
    tasks = len(done(out))
    result = hunted(tmp_path, "run", **BOOTSTRAP)
    assert sorted(done(out)[tasks:]) == ["random score: windows together", "windows together"]
    assert result["windows"] == before["windows"]
    (made,) = [entry for entry in entries(out, "done")[tasks:] if entry["label"] == "windows together"]
    (out / "artefacts" / made["key"]).unlink()
    assert timeless(hunted(tmp_path, "run", **BOOTSTRAP)) == timeless(result)
    assert done(out)[tasks + 2 :] == ["windows together"]
    assert timeless(hunted(tmp_path, "run", scan=BOOTSTRAP["scan"])) == timeless(before)


def test_the_same_search_twice_counts_once(tmp_path: Path) -> None:
    changes: Json = {"method": None, "methods": {"one": METHOD, "copy": METHOD}, "fit": BOOTSTRAP["fit"]}
    result = hunted(tmp_path, "run", with_bump(), scan={"windows": OVERLAPPING[:1]}, **changes)
    one, copy = result["windows"]
    assert one["n_selected"] == copy["n_selected"]
    assert result["effective_windows"] == pytest.approx(1.0, abs=0.01)
    assert result["p_global"] == pytest.approx(min(one["p_window"], copy["p_window"]), rel=0.01)
    assert result["p_global_bonferroni"] == pytest.approx(2.0 * result["p_global"], rel=0.01)


def test_the_order_of_windows_is_no_matter(combined: Path, tmp_path: Path) -> None:
    changes: Json = {"scan": {"windows": OVERLAPPING[::-1]}, "fit": BOOTSTRAP["fit"]}
    result, other = result_of(combined), hunted(tmp_path, "run", with_bump(FAINT), **changes)
    assert other["p_global"] == pytest.approx(result["p_global"], rel=1e-6)
    assert other["best_window"] == 2 - result["best_window"]


def test_one_window_has_nothing_to_share(tmp_path: Path) -> None:
    one = {"windows": WINDOWS[:1]}
    before = hunted(tmp_path, "before", scan=one)
    after = hunted(tmp_path, "after", scan=one, fit=BOOTSTRAP["fit"])
    assert timeless(after) == timeless(before)


def test_what_the_bootstrap_refuses_counts_in_full(tmp_path: Path) -> None:
    """The same row twice has one identifier twice: which replica holds which of them cannot be told."""
    table = with_bump()
    twice = {name: np.append(values, values[-5:]) for name, values in table.items()}
    result = hunted(tmp_path, "run", twice, **BOOTSTRAP)
    smallest = min(row["p_window"] for row in result["windows"])
    assert result["p_global"] == result["p_global_bonferroni"] == min(1.0, 3 * smallest)
    assert (result["effective_windows"], result["p_global_error"]) == (None, None)
    assert result["p_global_method"] == "windows x smallest window p"
    (warning,) = [text for text in result["warnings"] if "correlations" in text and "random" not in text]
    assert warning.startswith("the correlations of the windows are not known, every window counts in full: bootstrap: ")
    assert "occur more than once" in warning


def test_a_refused_claim_states_no_p_value_of_any_recipe(tmp_path: Path) -> None:
    result = hunted(tmp_path, "run", data={"features": ["a", "close = mjj + 10 * a"]}, fit=BOOTSTRAP["fit"])
    assert [result[name] for name in ("p_global", "z_global", *MORE)] == [None] * 5
    assert "refused" in result["p_global_method"]


def test_reach_combines_the_windows_of_each_hunt(tmp_path: Path) -> None:
    small: Json = {
        "scan": {"folds": 3, "efficiency": 0.1, "decorrelate": "none"},
        "reach": {"events": [60, 20], "draws": 1, "windows": [[3300.0, 3700.0], [3400.0, 3800.0]]},
        "methods": {"best": None, "blind": None},
    }
    found = {}
    for how in ("bonferroni", "bootstrap"):
        config = write_comparison(tmp_path, **small, fit={"toys": 300, "combine": how})
        out = tmp_path / how
        found[how] = run_reach(load_comparison(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    in_full, together = (found[how]["methods"] for how in ("bonferroni", "bootstrap"))
    assert together["inclusive"]["points"] == in_full["inclusive"]["points"]
    for one, other in zip(together["cwola"]["points"], in_full["cwola"]["points"], strict=True):
        assert other["p_global"][0] / 2 <= one["p_global"][0] < other["p_global"][0]
        assert one["z_local"] == other["z_local"]


@pytest.mark.parametrize(
    ("fit", "expected"),
    [
        ({"n_parameters": "bic"}, "fit.n_parameters: expected a number of parameters from 1, or 'aic', found 'bic'"),
        ({"function": ["dijet", "spline"]}, "unknown kind 'spline'"),
        ({"function": ["dijet", "ua2"], "n_parameters": 5}, "fit.n_parameters: expected 2 to 4 for 'ua2', found 5"),
        ({"spurious": ["spline"]}, "unknown kind 'spline'"),
        (
            {"combine": "bonferoni"},
            "fit.combine: Input should be 'independent', 'bonferroni' or 'bootstrap', found 'bonferoni'",
        ),
    ],
)
def test_bad_values_are_one_line(tmp_path: Path, capfd: pytest.CaptureFixture[str], fit: Json, expected: str) -> None:
    config = write_hunt(tmp_path, fit=fit)
    assert main(["hunt", str(config), "--out", str(tmp_path / "run")]) == 2
    stdout, stderr = capfd.readouterr()
    assert (stdout, stderr.count("\n")) == ("", 1)
    assert expected in stderr
    assert not (tmp_path / "run").exists()


def test_all_orders_may_be_profiled(tmp_path: Path) -> None:
    result = hunted(tmp_path, "run", fit={"n_parameters": None, "criterion": "envelope"})
    for number, (row, window) in enumerate(zip(result["windows"], WINDOWS, strict=True)):
        fit = Fit(range=FIT_RANGE)
        found = scanned(kept_spectrum(tmp_path, "run", number, fit), window, fit, criterion="envelope", at_least=(3,))
        assert (row["p_window"], row["z_local"]) == (found.p_global, found.results[0].z_local)
        assert len(row["fit"]["tried"]) == 3  # orders 3 to 5
    with pytest.raises(ConfigError, match="no spurious signal"):
        hunted(tmp_path, "refused", fit={"criterion": "envelope", "spurious": ["ua2"]})
