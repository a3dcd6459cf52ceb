"""Agreement of two samples: exact on samples whose answer is known."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.stats import ks_2samp, norm

from lamppost.errors import DataError
from lamppost.simulate.comparison import area_under_curve, compare, compare_tables

Columns = dict[str, NDArray[np.float64]]


def drawn(n: int, seed: int, shift: float = 0.0) -> Columns:
    rng = np.random.default_rng(seed)
    return {"a": rng.normal(shift, 1, n), "b": rng.gamma(2.0, size=n) + 1, "label": np.zeros(n)}


def test_area_is_the_probability_to_be_above_with_half_of_the_ties() -> None:
    p, q = np.array([1.0, 2.0, 3.0]), np.array([0.0, 2.0])
    by_hand = np.mean([(x > y) + 0.5 * (x == y) for x in p for y in q])
    assert area_under_curve(p, q)[0] == pytest.approx(by_hand)
    assert area_under_curve(q, p)[0] == pytest.approx(1 - by_hand)


def test_error_of_the_area_is_its_spread() -> None:
    rng = np.random.default_rng(1000)
    found = [area_under_curve(rng.normal(0.5, 1, 300), rng.normal(0, 1, 200)) for _ in range(300)]
    areas, errors = np.array(found).T
    assert areas.mean() == pytest.approx(norm.cdf(0.5 / np.sqrt(2)), abs=4 * areas.std() / np.sqrt(300))
    assert errors.mean() == pytest.approx(areas.std(), rel=4 / np.sqrt(600))


def test_samples_of_the_same_kind_cannot_be_told_apart() -> None:
    found = compare(drawn(4000, 1000), drawn(3000, 1001))
    assert [one.name for one in found.features] == ["a", "b"]  # labels are no features
    assert abs(found.auc - 0.5) < 4 * found.auc_error
    assert found.auc_error == pytest.approx(np.sqrt((1 / 4000 + 1 / 3000) / 12), rel=0.1)
    assert all(one.ks_p_value > 1e-3 for one in found.features)
    assert found == compare(drawn(4000, 1000), drawn(3000, 1001))


def test_a_shift_is_found_at_its_size() -> None:
    sample, reference = drawn(4000, 1000, shift=0.5), drawn(4000, 1001)
    found = compare(sample, reference, ["b", "a"])
    # the best classifier of two normal distributions half a sigma apart; trees waste a little
    best = norm.cdf(0.5 / np.sqrt(2))
    assert best - 0.03 < found.auc < best + 4 * found.auc_error
    assert [one.name for one in found.features] == ["b", "a"]
    shifted = found.features[1]
    test = ks_2samp(sample["a"], reference["a"])
    assert (shifted.ks, shifted.ks_p_value) == pytest.approx((test.statistic, test.pvalue))
    assert shifted.mean == pytest.approx(sample["a"].mean())
    assert found.features[0].mean_ratio == pytest.approx(sample["b"].mean() / reference["b"].mean())


def test_files_are_compared_in_the_columns_they_share(tmp_path: Path) -> None:
    one, other = drawn(500, 1000), {**drawn(400, 1001), "c": np.ones(400)}
    for name, columns in (("one", one), ("other", other)):
        pq.write_table(pa.table(columns), tmp_path / f"{name}.parquet")
    found = compare_tables(tmp_path / "one.parquet", tmp_path / "other.parquet")
    assert found == compare(one, other)
    assert (found.events, found.reference_events) == (500, 400)
    assert found.as_dict()["features"][0]["name"] == "a"
    lines = found.text().splitlines()
    assert lines[0].split() == ["feature", "mean", "reference", "ratio", "KS", "p"]
    assert [line.split()[0] for line in lines[1:3]] == ["a", "b"]
    assert lines[3] == f"classifier AUC {found.auc:.4f} +- {found.auc_error:.4f}"
    assert len(compare_tables(tmp_path / "one.parquet", tmp_path / "other.parquet", ["b"]).features) == 1


def test_an_area_that_says_nothing_of_agreement_says_so() -> None:
    one = drawn(3000, 1000)
    assert "worse than chance, as if the tables had events in common" in compare(one, one).text()
    few = compare(drawn(30, 1000), drawn(30, 1001))
    assert (few.auc, few.auc_error) == (0.5, 0.0)
    assert "too few to learn from" in few.text()


def test_what_cannot_be_compared_is_named(tmp_path: Path) -> None:
    good = drawn(100, 1000)
    with pytest.raises(DataError, match="the reference has no feature 'c', known are a, b, label"):
        compare({**good, "c": good["a"]}, good, ["c"])
    with pytest.raises(DataError, match="no feature in common, found label and a, b, label"):
        compare({"label": good["label"]}, good)
    with pytest.raises(DataError, match="the sample has no events"):
        compare({name: values[:0] for name, values in good.items()}, good)
    for name in ("one", "other"):
        pq.write_table(pa.table(good), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match="expected one table, found 2 files"):
        compare_tables(tmp_path / "*.parquet", tmp_path / "one.parquet")
    with pytest.raises(DataError, match=r"one\.parquet has no column 'c', known are a, b, label"):
        compare_tables(tmp_path / "one.parquet", tmp_path / "other.parquet", ["c"])
    with pytest.raises(DataError, match="feature 'a' of the sample is not finite in 1 events"):
        compare({**good, "a": np.where(np.arange(100) == 3, np.nan, good["a"])}, good)
