"""Features to near unit normals and back: chosen by themselves, with an exact Jacobian, nothing lost at the edges."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest, kurtosis, skew

from lamppost.errors import ConfigError, DataError
from lamppost.learn.bijections import KINDS
from lamppost.learn.choices import CHOICES
from lamppost.learn.preprocess import Preprocess

SHARED = Path(__file__).parents[3] / "shared" / "data"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the repository")

Draw = Callable[[np.random.Generator, int], np.ndarray]
FEATURES: dict[str, tuple[Draw, str]] = {
    "normal": (lambda g, n: g.normal(5, 3, n), ""),
    "uniform": (lambda g, n: g.random(n), "logit"),
    "arcsine": (lambda g, n: g.beta(0.5, 0.5, n), "logit"),
    "bounded softly": (lambda g, n: g.beta(3, 4, n), ""),
    "exponential": (lambda g, n: g.exponential(40, n), "log"),
    "mirrored exponential": (lambda g, n: 7 - g.exponential(1, n), "log"),
    "log-normal": (lambda g, n: g.lognormal(0, 1, n), "log"),
    "Pareto": (lambda g, n: 200 * (1 + g.pareto(1.5, n)), "log"),
    "Student": (lambda g, n: g.standard_t(2, n), "asinh"),
    "Cauchy": (lambda g, n: 100 + g.standard_cauchy(n), "asinh"),
    "counts": (lambda g, n: g.poisson(60, n), "dequantise"),
    "few counts": (lambda g, n: g.poisson(2, n), "dequantise, log"),
    "flag": (lambda g, n: g.random(n) < 0.3, "dequantise, logit"),
}
PILES: dict[str, Draw] = {
    "a hundredth at zero": lambda g, n: np.where(g.random(n) < 0.01, 0, g.normal(size=n)),
    "a tenth at the edge": lambda g, n: np.where(g.random(n) < 0.1, 0, g.exponential(size=n)),
    "half": lambda g, n: np.where(g.random(n) < 0.5, 0, g.normal(size=n)),
    "all but a few": lambda g, n: np.where(np.arange(n) < 5, g.normal(size=n), 0),
    "missing values": lambda g, n: np.where(g.random(n) < 0.05, -999, g.normal(size=n)),
    "two far peaks": lambda g, n: g.normal(size=n) + 50 * np.sign(g.normal(size=n)),
}
every = pytest.mark.parametrize("feature", sorted(FEATURES))
CONTINUOUS = [feature for feature in FEATURES if not FEATURES[feature][1].startswith("dequantise")]
continuous = pytest.mark.parametrize("feature", CONTINUOUS)
everything = pytest.mark.parametrize("feature", sorted(FEATURES) + sorted(PILES))
override = pytest.mark.parametrize("choice", sorted(CHOICES))
properties = settings(max_examples=15, deadline=None)
sizes, seeds = st.sampled_from([10, 37, 400, 1500, 4000]), st.integers(0, 2**32)


def sample(feature: str, n: int, seed: int = 1) -> np.ndarray:
    """A column (n, 1) of float32; never constant."""
    draw = FEATURES[feature][0] if feature in FEATURES else PILES[feature]
    x = draw(np.random.default_rng(seed), n).astype(np.float32)
    x[:2] = x[:2] if np.ptp(x) > 0 else [0, 1]
    return x[:, None]


def fitted(x: np.ndarray, choice: str = "auto", w: np.ndarray | None = None) -> Preprocess:
    names = [f"x{j}" for j in range(x.shape[1])]
    return Preprocess.fit(x, np.ones(len(x)) if w is None else w, names, dict.fromkeys(names, choice))


def ids(n: int) -> np.ndarray:
    return np.arange(n, dtype=np.uint64)


def width(x: np.ndarray) -> float:
    """Half the range of the central 90 %, or the standard deviation where that is empty."""
    return float(0.5 * np.ptp(np.quantile(x.astype(float), [0.05, 0.95]))) or float(x.std(dtype=float))


# ---------------------------------------------------------------- what is chosen


@every
def test_automatic_choice(feature: str) -> None:
    """Over 20 seeds; a normal that misses a shape by chance would show up here."""
    for seed in range(20):
        line = fitted(sample(feature, 5000, seed)).describe()
        assert line == ": ".join(["x0", ", ".join(filter(None, [FEATURES[feature][1], "quantile map of 17 knots"]))])


@every
def test_few_events_are_standardised(feature: str) -> None:
    """From 600 effective events on edges are looked for, from 2000 on quantiles are followed."""
    kinds = [step.kind for step in fitted(sample(feature, 1500)).steps[0]]
    assert ", ".join(kinds) == ", ".join(filter(None, [FEATURES[feature][1], "standardise"]))
    weighted = fitted(sample(feature, 4000), w=np.r_[np.ones(40), np.full(3960, 1e-6)])
    assert weighted.steps[0][-1].kind == "standardise"


@pytest.mark.parametrize(("n", "knots"), [(10, 8), (2000, 13), (30_000, 31), (400_000, 64)])
def test_number_of_knots(n: int, knots: int) -> None:
    assert fitted(sample("normal", n), "quantile").describe() == f"x0: quantile map of {knots} knots"


@override
@pytest.mark.parametrize("feature", ["normal", "mirrored exponential", "counts", "half"])
def test_overrides(feature: str, choice: str) -> None:
    x = sample(feature, 3000)
    other = np.random.default_rng(2).normal(size=3000).astype(np.float32)
    made = Preprocess.fit(np.column_stack([x, other]), np.ones(3000), ("a", "b"), {"a": choice})
    kinds = [step.kind for step in made.steps[0] if step.kind != "dequantise"]
    assert (made.steps[0][0].kind == "dequantise") == (feature == "counts")
    if choice != "auto":
        shape = [choice] if choice in ("logit", "log", "asinh") else []
        assert kinds == [*shape, "quantile" if choice == "quantile" else "standardise"]
    assert made.steps[1] == Preprocess.fit(other[:, None], np.ones(3000), ("b",)).steps[0]
    z, _ = made.forward(np.column_stack([x, other]), ids(3000))
    assert (abs(z.std(axis=0) - 1) < 0.1).all()
    assert (abs(z.mean(axis=0)) < 0.1).all()


def test_a_log_turns_to_the_edge() -> None:
    log = fitted(sample("mirrored exponential", 5000)).steps[0][0]
    assert repr(log).startswith("Log(edge=6.9")
    assert repr(log).endswith("upper=True)")
    assert "edge=0.0," in repr(fitted(sample("log-normal", 5000)).steps[0][0])  # the natural edge of a soft start
    assert "edge=200.0" in repr(fitted(sample("Pareto", 5000)).steps[0][0])  # the hard one


# ---------------------------------------------------------------- what it does


@every
@pytest.mark.parametrize("n", [5000, 100_000])
def test_fresh_events_become_unit_normal(feature: str, n: int) -> None:
    """KS distance: 1.95 / sqrt(n) is p = 1e-3, twice over since the map has its own noise; `slack` is for the steps
    between a few integers, which a smooth map cannot follow."""
    made = fitted(sample(feature, n, 1))
    z = made.forward(sample(feature, n, 2), ids(n))[0][:, 0].astype(float)
    slack = 0.02 if feature in ("few counts", "flag") else 0.0
    assert kstest(z, "norm").statistic < 1.95 * np.sqrt(2 / n) + slack
    assert abs(skew(z)) < 5 * np.sqrt(2 * 6 / n) + 2 * slack
    assert abs(kurtosis(z)) < 5 * np.sqrt(2 * 24 / n) + 5 * slack


@everything
@override
@properties
@given(n=sizes, seed=seeds)
def test_invertible_in_float32(feature: str, choice: str, n: int, seed: int) -> None:
    x = sample(feature, n, seed)
    made = fitted(x, choice)
    z, log_jacobian = made.forward(x, ids(n))
    assert z.dtype == np.float32
    assert log_jacobian.dtype == np.float64
    assert np.isfinite(z).all()
    assert np.isfinite(log_jacobian).all()
    back = made.inverse(z)
    assert back.dtype == np.float32
    if made.steps[0][0].kind == "dequantise":
        np.testing.assert_array_equal(back, x)
    assert (abs(back - x) <= 1e-5 * (abs(x) + width(x))).all()


@everything
@override
@properties
@given(n=sizes, seed=seeds)
def test_nothing_is_lost_beyond_the_edges(feature: str, choice: str, n: int, seed: int) -> None:
    """At, below and above what training saw: finite z in the order of x, finite Jacobian, the same value back."""
    seen = sample(feature, n, seed)
    made = fitted(seen, choice)
    lo, hi = seen.min(), seen.max()
    steps = width(seen) * np.array([1e-3, 0.1, 1, 3, 10])
    x = np.concatenate([(lo - steps)[::-1], [lo, np.median(seen), hi], hi + steps])[:, None].astype(np.float32)
    integers = made.steps[0][0].kind == "dequantise"
    x = np.unique(np.floor(x) if integers else x)[:, None]
    z, log_jacobian = made.forward(x, ids(len(x)))
    assert np.isfinite(z).all()
    assert np.isfinite(log_jacobian).all()
    apart = np.diff(x[:, 0]) > 1e-5 * (abs(x[1:, 0]) + width(seen))
    assert (np.diff(z[:, 0])[apart] > 0).all()
    assert (abs(made.inverse(z) - x) <= 1e-5 * (abs(x) + width(seen)) + 1.0 * integers * (abs(x) > 1000)).all()


def test_the_largest_numbers_stay_finite() -> None:
    x = np.column_stack([sample(feature, 4000) for feature in FEATURES])
    made = fitted(x)
    far = np.tile(np.float32([[-3e38], [3e38]]), len(FEATURES))
    z, log_jacobian = made.forward(far, ids(2))
    assert np.isfinite(z).all()
    assert np.isfinite(log_jacobian).all()
    assert np.isfinite(made.inverse(far)).all()


@every
@override
@properties
@given(n=sizes, seed=seeds)
def test_jacobian_is_the_central_difference(feature: str, choice: str, n: int, seed: int) -> None:
    """log |dz/dx| of each chain against differences of float64 outputs; integers have none to take."""
    x = sample(feature, n, seed)
    made = fitted(x, choice)
    chain = [step for step in made.steps[0] if step.kind != "dequantise"]

    def through(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        total = np.zeros(len(values))
        for step in chain:
            values, log_slope = step.forward(values)
            total += log_slope
        return values, total

    at = x[:, 0].astype(float)
    y, expected = through(at)
    h = 1e-5 * np.exp(-expected)
    difference = (through(at + h)[0] - through(at - h)[0]) / ((at + h) - (at - h))
    rounding = 1e-15 * (abs(y) + 1) / 1e-5 + 4e-16 * abs(at) / h
    assert (abs(difference * np.exp(-expected) - 1) <= 2e-3 + 10 * rounding).mean() > 0.98  # knots bend a few
    if len(chain) == len(made.steps[0]):
        np.testing.assert_array_equal(made.forward(x, ids(n))[1], expected)


@continuous
@override
def test_density_integrates_to_one(feature: str, choice: str) -> None:
    """phi(z(x)) |dz/dx| over all x, on a grid that is dense where the density is: images of a grid in z."""
    made = fitted(sample(feature, 5000), choice)
    grid = np.linspace(-9, 9, 40_001)
    for step in reversed(made.steps[0]):
        grid = step.inverse(grid)
    z, total = grid, np.zeros(len(grid))
    for step in made.steps[0]:
        z, log_slope = step.forward(z)
        total += log_slope
    density = np.exp(-0.5 * z**2 + total) / np.sqrt(2 * np.pi)
    assert abs(np.trapezoid(density, grid) - 1) < 1e-3


def test_several_features_add_their_jacobians() -> None:
    x = np.column_stack([sample(feature, 3000) for feature in CONTINUOUS])
    made = fitted(x)
    z, log_jacobian = made.forward(x, ids(3000))
    single = [Preprocess(("x",), (chain,)).forward(x[:, [j]], ids(3000)) for j, chain in enumerate(made.steps)]
    np.testing.assert_array_equal(z, np.column_stack([one for one, _ in single]))
    np.testing.assert_allclose(log_jacobian, sum(one for _, one in single), atol=1e-12)


def test_draws_depend_on_the_event_alone() -> None:
    x = np.column_stack([sample("few counts", 4000), sample("few counts", 4000)])
    made = fitted(x)
    z, log_jacobian = made.forward(x, ids(4000))
    rows = np.random.default_rng(3).permutation(4000)[:1000]
    again, same = made.forward(x[rows], ids(4000)[rows])
    np.testing.assert_array_equal(again, z[rows])
    np.testing.assert_array_equal(same, log_jacobian[rows])
    equal = (x[:, 0] == 2) & (x[:, 1] == 2)
    assert abs(np.corrcoef(z[equal].T)[0, 1]) < 4 / np.sqrt(equal.sum())  # features draw for themselves


# ---------------------------------------------------------------- what it must not depend on


@continuous
@pytest.mark.parametrize("factor", [2.0**-10, 1000.0])
def test_units(feature: str, factor: float) -> None:
    x = sample(feature, 5000)
    z, log_jacobian = fitted(x).forward(x, ids(5000))
    scaled = (x.astype(float) * factor).astype(np.float32)
    other, other_jacobian = fitted(scaled).forward(scaled, ids(5000))
    np.testing.assert_allclose(other, z, atol=1e-3)  # float32 rounds 1000 x another way, next to edges it shows
    np.testing.assert_allclose(np.median(other_jacobian - log_jacobian), -np.log(factor), atol=1e-5)


@everything
def test_order(feature: str) -> None:
    x = sample(feature, 5000)
    assert fitted(x[np.random.default_rng(1).permutation(5000)]) == fitted(x)


@every
@pytest.mark.parametrize("n", [1000, 20_000])
def test_weight_two_is_the_event_twice(feature: str, n: int) -> None:
    """Up to the noise of n events, for weights differ in how many events they count as."""
    x = sample(feature, n)
    w = np.where(x[:, 0] > np.median(x), 2.0, 1.0)
    weighted, doubled = fitted(x, w=w), fitted(np.repeat(x, w.astype(int), axis=0))
    z, same = (made.forward(x, ids(n))[0][:, 0] for made in (weighted, doubled))
    assert np.quantile(abs(z - same), 0.99) < 10 / np.sqrt(n)
    assert weighted.describe().split("quantile")[0] == doubled.describe().split("quantile")[0]
    plain = fitted(x).forward(x, ids(n))[0][:, 0]
    assert abs(np.average(z, weights=w)) < 0.05  # the weighted sample is centred
    assert np.mean(plain - z) > 0.1


def test_events_without_weight_are_not_looked_at() -> None:
    x = sample("normal", 3000)
    padded = np.concatenate([x, np.full((50, 1), np.nan, dtype=np.float32), np.full((50, 1), 1e9, dtype=np.float32)])
    assert fitted(padded, w=np.r_[np.ones(3000), np.zeros(100)]) == fitted(x)
    assert fitted(x, w=np.full(3000, 1e-3)).describe() == fitted(x).describe()


# ---------------------------------------------------------------- storage and errors


@everything
@override
def test_table_keeps_every_bit(feature: str, choice: str) -> None:
    x = sample(feature, 4000)
    made = fitted(x, choice)
    again = Preprocess.from_table(json.loads(json.dumps(made.to_table(), allow_nan=False)))
    assert again == made
    for one, other in zip(made.forward(x, ids(4000)), again.forward(x, ids(4000)), strict=True):
        assert one.tobytes() == other.tobytes()


@pytest.mark.parametrize(
    "table",
    [
        {},
        {"names": ["x"], "steps": []},
        {"names": ["x"], "steps": [[{"kind": "cube"}]]},
        {"names": ["x"], "steps": [[{"kind": "log", "edge": 0.0}]]},
        {"names": ["x"], "steps": [[{"kind": "standardise", "shift": 0.0, "scale": "wide"}]]},
        {"names": ["x"], "steps": [["log"]]},
        {"names": ["x"], "steps": None},
    ],
)
def test_damaged_tables(table: dict[str, object]) -> None:
    with pytest.raises(DataError, match=r"preprocess: damaged table \("):
        Preprocess.from_table(table)


def test_errors_name_the_feature_and_the_row() -> None:
    x = np.column_stack([sample("normal", 100), sample("uniform", 100)])
    made = Preprocess.fit(x, np.ones(100), ("mj1", "dm"))
    for value in (np.nan, np.inf, -np.inf):
        bad = x.copy()
        bad[[7, 9], 1] = value
        for attempt in (lambda b=bad: made.forward(b, ids(100)), lambda b=bad: fitted(b)):
            with pytest.raises(DataError, match=rf"feature '(dm|x1)' is {value} in row 7, expected a finite number"):
                attempt()
    with pytest.raises(DataError, match="feature 'dm' is 3 in all 100 events, expected one that varies"):
        Preprocess.fit(np.column_stack([x[:, 0], np.full(100, 3.0)]), np.ones(100), ("mj1", "dm"))
    with pytest.raises(DataError, match=r"expected features of shape \(n, 2\), found \(100, 1\)"):
        made.forward(x[:, :1], ids(100))
    for w in (np.zeros(100), np.r_[-1.0, np.ones(99)], np.r_[np.nan, np.ones(99)]):
        with pytest.raises(DataError, match="expected finite weights >= 0, at least one > 0"):
            Preprocess.fit(x, w, ("mj1", "dm"))
    with pytest.raises(ConfigError, match="unknown feature 'mj2', known are mj1, dm"):
        Preprocess.fit(x, np.ones(100), ("mj1", "dm"), {"mj2": "log"})
    with pytest.raises(ConfigError, match="unknown choice 'cube', known are auto, standardise, logit, log, asinh"):
        Preprocess.fit(x, np.ones(100), ("mj1", "dm"), {"dm": "cube"})


# ---------------------------------------------------------------- simulated and recorded events


def simulated() -> np.ndarray:
    """Lighter jet mass, mass difference, tau21 of the lighter and the heavier jet (n, 4)."""
    pq = pytest.importorskip("pyarrow.parquet")
    table = pq.read_table(SHARED / "lhco_like/qcd_0.parquet").to_pydict()
    c = {name: np.array(table[name]) for name in table if name.startswith(("m", "tau"))}
    tau21 = np.column_stack([c[f"tau2j{j}"] / (c[f"tau1j{j}"] + 1e-5) for j in (1, 2)])
    m = np.column_stack([c["mj1"], c["mj2"]])
    heavy = np.argsort(m, axis=1)
    m, tau21 = (np.take_along_axis(v, heavy, axis=1) for v in (m, tau21))
    return np.column_stack([m[:, 0], m[:, 1] - m[:, 0], tau21]).astype(np.float32)


def real() -> np.ndarray:
    """The same features of real LHC Olympics events of the signal region (n, 4), in TeV."""
    events = np.load(SHARED / "lhco_signal_region/train.npz")["events"]
    return events[:, 1:5].astype(np.float32)


@recorded
@pytest.mark.parametrize("load", [simulated, real])
def test_jet_masses_and_substructure(load: Callable[[], np.ndarray]) -> None:
    """Jets without constituents to subtract, tau21 of exactly 0, edges: all there."""
    x = load()
    n = len(x) // 2
    made = Preprocess.fit(x[:n], np.ones(n), ("mj1", "dm", "tau21_1", "tau21_2"))
    z, log_jacobian = made.forward(x[n:], ids(len(x) - n))
    assert made.describe().splitlines()[1].startswith("dm: log, quantile map of")
    assert np.isfinite(log_jacobian).all()
    assert abs(z).max() < 8
    assert (abs(skew(z)) < 6 * np.sqrt(2 * 6 / n)).all()
    assert (abs(kurtosis(z)) < 6 * np.sqrt(2 * 24 / n)).all()
    assert all(kstest(column, "norm").statistic < 1.95 * np.sqrt(2 / n) for column in z.T)
    assert (abs(made.inverse(z) - x[n:]).max(axis=0) < 1e-5 * x.std(axis=0)).all()


def test_every_kind_of_step_occurs() -> None:
    """So that none goes untested here."""
    x = np.column_stack([sample(feature, 4000) for feature in FEATURES])
    kinds = {step.kind for chain in (*fitted(x).steps, *fitted(x[:100]).steps) for step in chain}
    assert kinds == set(KINDS)
