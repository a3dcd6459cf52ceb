"""Methods made of others: every fit is made once, and no method's figures depend on who else asks for it."""

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from lamppost.config import load, load_comparison
from lamppost.core import Method, Rng, Score, View
from lamppost.errors import FitError
from lamppost.run import InlineExecutor
from lamppost.run.artefacts import Store
from lamppost.run.compare.plan import plan
from lamppost.run.compare.reach import run_reach
from lamppost.run.fits import apart, keys_of
from lamppost.run.hunt import run_hunt
from small_comparison import RATIO, compared, timeless, write_comparison
from small_hunt import Json, entries, write_hunt

WEAK: Json = {"kind": "weak", "ratio": RATIO}
OTHER: Json = {"kind": "weak", "ratio": {**RATIO, "rounds": 20}}
BOTH: Json = {"kind": "combination", "methods": [WEAK, OTHER]}


def fits(out: Path) -> list[str]:
    return [entry["label"] for entry in entries(out, "done") if entry["stage"] == "fit"]


def scores(config: Path, out: Path, name: str) -> list[np.ndarray]:
    planned, store = plan(load_comparison(config)), Store(out / "artefacts")
    return [store.read_arrays(planned.scored[name, 0.1, number])[0]["score"] for number in range(2)]


def test_what_is_apart_and_in_which_order() -> None:
    weak, other, both = (Method.parse(table) for table in (WEAK, OTHER, BOTH))
    nested = Method.parse({"kind": "combination", "methods": [both, WEAK]})
    learned = Method.parse({**BOTH, "how": "learned"})
    assert apart([(weak, True), (other, False), (learned, False)]) == frozenset()
    assert apart([(weak, True), (both, False)]) == {(one, False) for one in (weak, other, both)}
    assert apart([(nested, True)]) == {(one, True) for one in (weak, other, both, nested)}
    names = {weak: "weak", other: "other", both: "both", nested: "nested"}
    keys = keys_of(nested, lambda method, members: f"{names[method]}({','.join(members)})")
    assert keys == ("weak()", "other()", "both(weak(),other())", "nested(both(weak(),other()),weak())")


def test_a_comparison_fits_each_method_once(tmp_path: Path) -> None:
    """The figures of the others are the same without the combinations, and these are what their members make."""
    alone = compared(write_comparison(tmp_path, methods={"other": OTHER}), tmp_path / "alone")
    rank = {**BOTH, "how": "rank"}
    config = write_comparison(tmp_path, methods={"other": OTHER, "product": BOTH, "rank": rank})
    result = compared(config, tmp_path / "run")
    assert len(fits(tmp_path / "run")) == 2 * 2 * 4  # strengths, draws; two members and two combinations of them
    for name, method in alone["methods"].items():
        assert timeless(result["methods"][name]) == timeless(method)
    cpu_s = {name: method["cpu_s"] for name, method in result["methods"].items()}
    for name in ("product", "rank"):
        assert cpu_s[name] > max(cpu_s["cwola"], cpu_s["other"])  # what it is made of counts
    for one, two, both in zip(
        *(scores(config, tmp_path / "run", n) for n in ("cwola", "other", "product")), strict=True
    ):
        order = np.argsort(both)
        assert np.isfinite(both).all()
        # a sum of growing functions of both: where one event beats another in both, it does in the sum
        better = (np.diff(one[order]) < 0) & (np.diff(two[order]) < 0)
        assert not (better & (np.diff(both[order]) > 0)).any()
        assert np.corrcoef(one, both)[0, 1] > 0.5


def test_a_hunt_fits_each_method_once(tmp_path: Path) -> None:
    ratio = {"kind": "boosted", "members": 2, "rounds": 20}
    methods = {"one": {"kind": "weak", "ratio": ratio}, "two": {"kind": "weak", "ratio": {**ratio, "rounds": 10}}}
    changes: Json = {"method": None, "scan": {"windows": [[3200.0, 3600.0]]}}
    found = {}
    for name, more in (("alone", {}), ("run", {"both": {"kind": "combination", "methods": list(methods.values())}})):
        config = write_hunt(tmp_path, **changes, methods={**methods, **more})
        out = tmp_path / name
        found[name] = run_hunt(load(config), out, workers=1, quiet=True, make_executor=InlineExecutor)
    assert len(fits(tmp_path / "alone")) == 0
    assert len(fits(tmp_path / "run")) == 3 * 3  # folds; two members and their combination
    rows = {name: {row["method"]: row for row in result["windows"]} for name, result in found.items()}
    assert rows["run"].keys() == {"one", "two", "both"}
    for method, row in rows["alone"].items():
        assert rows["run"][method]["z_local"] == row["z_local"]


def test_reach_counts_what_a_combination_is_made_of(tmp_path: Path) -> None:
    small: Json = {
        "scan": {"folds": 3, "efficiency": 0.1, "decorrelate": "none"},
        "fit": {"toys": 100},
        "reach": {"events": [200, 60], "draws": 1},
        "methods": {"best": None, "blind": None, "both": {"kind": "combination", "methods": [WEAK, OTHER]}},
    }
    config = write_comparison(tmp_path, **small)
    result = run_reach(load_comparison(config), tmp_path / "run", workers=1, quiet=True, make_executor=InlineExecutor)
    assert result["methods"]["both"]["points"][0]["median"] > 2
    assert result["methods"]["both"]["cpu_s"] > result["methods"]["cwola"]["cpu_s"]
    assert len(fits(tmp_path / "run")) == 3 * 3 * 2


class Broken(Method):
    """Never fits."""

    kind: Literal["broken for fits"] = "broken for fits"

    def fit(self, view: View, rng: Rng) -> Score:
        msg = "too few events"
        raise FitError(msg)


Method.registry.pop("broken for fits")


def test_a_member_that_fails_fails_what_is_made_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(Method.registry, "broken for fits", Broken)
    both = {"kind": "combination", "methods": ["broken for fits", WEAK]}
    result = compared(write_comparison(tmp_path, methods={"both": both}), tmp_path / "run")
    why = "both: a training failed in 2 of 2 draws and is left out; the first: too few events"
    assert why in result["warnings"]
    assert result["methods"]["cwola"]["s_over_b"]["0.1"]["sic_max"][0] > 1
