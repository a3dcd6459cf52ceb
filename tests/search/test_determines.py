"""Do the features determine m? On toys, on recorded muon pairs, on simulated dijets."""

from pathlib import Path

import numpy as np
import pytest
from search_toys import WINDOW, events, falling

from lamppost.core import Events, Window, uniform_of
from lamppost.io import Data, read
from lamppost.learn.regression import regress
from lamppost.search import Predictability, QuantileMap, mass_r2

SHARED = Path(__file__).parents[3] / "shared" / "data"
recorded = pytest.mark.skipif(not SHARED.is_dir(), reason="the shared sample files are not beside the repository")
MUONS = ["pt1", "eta1", "phi1", "pt2", "eta2", "phi2"]


def test_independent_features() -> None:
    """The squared correlation of independent numbers is chi2 with one degree of freedom, over n."""
    rng = np.random.default_rng(1)
    m = falling(rng, 4000)
    sample = events(m, {"a": rng.normal(size=4000), "b": rng.exponential(size=4000)})
    assert mass_r2(sample, regress) < 16 / 4000


def test_two_features_that_determine_m() -> None:
    """Each alone says little; together, m^2 = 2 E1 E2 (1 - cos)."""
    rng = np.random.default_rng(2)
    energy, cosine = rng.uniform(2000, 4000, 4000), rng.uniform(-1, 0, 4000)
    m = energy * np.sqrt(2 * (1 - cosine))
    sample = events(m, {"energy": energy, "cosine": cosine})
    assert mass_r2(sample, regress) > 0.9
    assert mass_r2(QuantileMap.fit(sample, Window(4000, 5000, 1000))(sample), regress) > 0.3


def test_units_order_and_tiny_samples() -> None:
    rng = np.random.default_rng(3)
    m = falling(rng, 2000)
    sample = events(m, {"a": m + 300 * rng.normal(size=2000)})
    found = mass_r2(sample, regress)
    assert found > 0.5
    scaled = Events(sample.id, sample.x * np.float32(1024), sample.m / 1000, sample.w, sample.names)
    assert mass_r2(scaled, regress) == pytest.approx(found, abs=0.01)
    assert mass_r2(sample[:30], regress) == 0.0
    assert mass_r2(sample[:0], regress) == 0.0


def test_what_is_warned_and_what_is_refused() -> None:
    assert not Predictability(0.09, 0.009, 100_000).warned
    assert Predictability(0.11, 0.0, 100_000).warned
    assert not Predictability(0.11, 0.009, 100_000).refused
    assert Predictability(0.11, 0.02, 100_000).refused
    assert Predictability(0.0, 0.02, 100_000).warned


def checked(data: Data, fit_range: tuple[float, float], window: Window, n: int = 8000) -> Predictability:
    """The check of a hunt, on fewer events."""
    found = read(data, base=SHARED, mass_range=fit_range).events
    near = np.flatnonzero(window.inside(found.m) | window.beside(found.m))
    sample = found[np.sort(near[np.argsort(uniform_of(found.id[near], 0))[:n]])]
    raw, mapped = sample, QuantileMap.fit(found, window)(sample)
    return Predictability(mass_r2(raw, regress), mass_r2(mapped, regress), len(raw))


@recorded
@pytest.mark.parametrize(
    ("path", "fit_range", "window"),
    [
        ("Zmumu_Run2011A_masses.csv.gz", (60.0, 120.0), Window(80, 100, 20)),
        ("peakdata3.csv.gz", (9.0, 9.7), Window(9.3, 9.5, 0.2)),
    ],
)
def test_two_muons_determine_their_mass(path: str, fit_range: tuple[float, float], window: Window) -> None:
    data = Data(path=f"cms_open_dimuon/{path}", mass="M", features=MUONS, missing="drop")
    found = checked(data, fit_range, window)
    assert found.raw > 0.2
    assert found.warned


@recorded
def test_jet_substructure_does_not() -> None:
    features = [
        "m_light = min(mj1, mj2)",
        "dm = abs(mj1 - mj2)",
        "tau21_1 = tau2j1 / (tau1j1 + 1e-5)",
        "tau21_2 = tau2j2 / (tau1j2 + 1e-5)",
    ]
    data = Data(path="lhco_like/qcd_0.parquet", mass="mjj", features=features)
    found = checked(data, (2800.0, 8000.0), WINDOW)
    assert not found.warned
    assert found.seen < 0.005
