"""Four-vectors against independent arithmetic, and what boosts and rotations must leave alone."""

from itertools import pairwise

import numpy as np
import pytest
from feature_toys import jagged
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lamppost.core import Array, Objects
from lamppost.features.event import COLLECTIVE, PARTICLES
from lamppost.features.kinematics import VECTOR, Momenta, azimuth
from lamppost.features.systems import PAIR

MOMENTA = arrays(np.float64, (2, 7), elements=st.floats(1e-3, 1.0)).map(
    lambda u: [
        Momenta(pt=1e3 * row[:1], eta=10 * row[1:2] - 5, phi=(2 * row[2:3] - 1) * np.pi, mass=200 * row[3:4])
        for row in u
    ]
)


def vectors(*rows: tuple[float, float, float, float]) -> list[Momenta]:
    """One four-vector (pt, eta, phi, mass) each."""
    return [Momenta(*(np.array([value], dtype=np.float64) for value in row)) for row in rows]


def value(name: str, *parts: Momenta) -> float:
    if name in PAIR:
        return float(PAIR[name][1](*parts)[0])
    return float(VECTOR[name][1](parts[0] if len(parts) == 1 else Momenta.total(parts))[0])


def exact_mass(*parts: Momenta) -> float:
    """E^2 - p^2 in extended precision."""
    total = np.zeros(4, dtype=np.longdouble)
    for part in parts:
        pt, eta, phi, mass = (np.longdouble(x[0]) for x in (part.pt, part.eta, part.phi, part.mass))
        p = np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        total += np.array([*p, np.sqrt((p * p).sum() + mass * mass)])
    return float(np.sqrt(max(total[3] ** 2 - (total[:3] ** 2).sum(), np.longdouble(0))))


@given(MOMENTA)
def test_mass_of_a_pair_is_that_of_the_sum_of_four_vectors(parts: list[Momenta]) -> None:
    # extended precision keeps 1e-19 E^2; energies stay below 1e5 GeV
    assert value("m", *parts) == pytest.approx(exact_mass(*parts), rel=1e-9, abs=1e-4)


@given(MOMENTA, MOMENTA)
def test_mass_of_many_is_that_of_the_sum_of_four_vectors(some: list[Momenta], more: list[Momenta]) -> None:
    assert value("m", *some, *more) == pytest.approx(exact_mass(*some, *more), rel=1e-9, abs=1e-4)


def test_mass_of_massless_pairs_is_the_formula_of_the_textbook() -> None:
    a, b = vectors((700, 0.3, 1.0, 0), (650, -0.8, -2.0, 0))
    assert value("m", a, b) == pytest.approx(np.sqrt(2 * 700 * 650 * (np.cosh(1.1) - np.cos(3.0))), rel=1e-14)


def test_a_light_system_of_large_momentum_keeps_its_mass() -> None:
    """E^2 - p^2 in double precision would be all rounding."""
    a, b = vectors((5e5, 4.0, 0.5, 0), (5e5, 4.0, 0.5 + 1e-9, 0))
    assert value("m", a, b) == pytest.approx(2 * 5e5 * np.sin(0.5e-9), rel=1e-6)
    muon = (45.0, 3.0, 0.1, 0.105658)
    assert value("m", *vectors(muon, muon)) == pytest.approx(2 * 0.105658, rel=1e-12)


def test_collinear_massless_particles_have_no_mass_at_all() -> None:
    assert value("m", *vectors((50.0, 2.2, 0.7, 0), (900.0, 2.2, 0.7, 0))) == 0.0


def test_a_two_prong_jet_has_the_mass_of_its_opening() -> None:
    """m^2 = z (1 - z) pT^2 dR^2 for a small angle."""
    a, b = vectors((300, 0.05, 0.0, 0), (700, -0.05, 0.0, 0))
    assert value("m", a, b) == pytest.approx(np.sqrt(0.3 * 0.7) * 1000 * 0.1, rel=0.1**2)


def test_sum_of_components() -> None:
    a, b = vectors((30, 1.2, 0.4, 5.0), (80, -0.3, 2.9, 90.0))
    for name, part in {"px": "px", "py": "py", "pz": "pz", "e": "energy"}.items():
        assert value(name, a, b) == pytest.approx(float((getattr(a, part) + getattr(b, part))[0]), rel=1e-13)


@given(MOMENTA)
def test_the_quantities_of_one_vector_agree(parts: list[Momenta]) -> None:
    p = parts[0]
    e, px, py, pz = (value(name, p) for name in ("e", "px", "py", "pz"))
    assert value("pt", p) == pytest.approx(np.hypot(px, py), rel=1e-12)
    assert value("phi", p) == pytest.approx(np.arctan2(py, px), abs=1e-12)
    assert value("eta", p) == pytest.approx(np.arctanh(pz / np.sqrt(px**2 + py**2 + pz**2)), rel=1e-6, abs=1e-9)
    assert value("y", p) == pytest.approx(0.5 * np.log((e + pz) / (e - pz)), rel=1e-6, abs=1e-9)
    assert value("et", p) == pytest.approx(e * np.sin(2 * np.arctan(np.exp(-p.eta[0]))), rel=1e-9)


def boosted(p: Momenta, y: float) -> Momenta:
    """Along the beam, by explicit components."""
    pz = np.cosh(y) * p.pz + np.sinh(y) * p.energy
    return Momenta(p.pt, np.arcsinh(pz / p.pt), p.phi, p.mass)


@given(MOMENTA, st.floats(-2, 2))
def test_boosts_along_the_beam(parts: list[Momenta], y: float) -> None:
    moved = [boosted(p, y) for p in parts]
    for name in ("m", "pt", "dphi", "balance", "ystar", "chi", "costheta"):
        assert value(name, *moved) == pytest.approx(value(name, *parts), rel=1e-7, abs=1e-7), name
    assert value("y", *moved) == pytest.approx(value("y", *parts) + y, abs=1e-7)


@given(MOMENTA, st.floats(-7, 7))
def test_rotations_about_the_beam(parts: list[Momenta], angle: float) -> None:
    moved = [Momenta(p.pt, p.eta, azimuth(p.phi + angle), p.mass) for p in parts]
    for name in ("m", "pt", "eta", "pz", "e", "y", *PAIR):
        assert value(name, *moved) == pytest.approx(value(name, *parts), rel=1e-7, abs=1e-7), name


@given(MOMENTA)
def test_exchange_of_the_two(parts: list[Momenta]) -> None:
    signs = {"balance": -1.0, "costheta": -1.0}
    for name in ("m", *PAIR):
        assert value(name, *parts[::-1]) == pytest.approx(signs.get(name, 1.0) * value(name, *parts), rel=1e-12), name


@given(MOMENTA)
def test_stated_ranges_hold(parts: list[Momenta]) -> None:
    for table, given_parts in ((VECTOR, parts), (VECTOR, parts[:1]), (PAIR, parts)):
        for name, (quantity, _) in table.items():
            found = value(name, *given_parts)
            assert quantity.lo is None or found >= quantity.lo, name
            assert quantity.hi is None or found <= quantity.hi, name


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (3.1, -3.1, 2 * np.pi - 6.2),
        (0.2, -0.3, 0.5),
        (np.pi, -np.pi, 0.0),
        (6.2, 0.1, 2 * np.pi - 6.1),
        (0, np.pi, np.pi),
    ],
)
def test_azimuths_go_the_short_way(first: float, second: float, expected: float) -> None:
    found = value("dphi", *vectors((1, 0, first, 0), (1, 0, second, 0)))
    assert found == pytest.approx(expected, abs=1e-14)
    assert value("dr", *vectors((1, 0.3, first, 0), (1, 0.7, second, 0))) == pytest.approx(np.hypot(0.4, expected))


@given(st.floats(-0.999, 0.999), st.floats(-1.5, 1.5))
def test_scattering_angle_of_two_massless_partons(cosine: float, boost: float) -> None:
    """Back to back in their frame: the Collins-Soper angle is the scattering angle, chi = (1 + |c|) / (1 - |c|)."""
    sine, y = np.sqrt(1 - cosine**2), np.arctanh(cosine)
    a, b = vectors((500 * sine, y + boost, 0.3, 0), (500 * sine, -y + boost, 0.3 - np.pi, 0))
    assert value("costheta", a, b) == pytest.approx(cosine, abs=1e-9)
    assert value("chi", a, b) == pytest.approx((1 + abs(cosine)) / (1 - abs(cosine)), rel=1e-6)
    assert value("ystar", a, b) == pytest.approx(abs(y), abs=1e-9)
    assert value("yboost", a, b) == pytest.approx(abs(boost), abs=1e-9)


def test_a_system_without_transverse_momentum_keeps_pz() -> None:
    a, b = vectors((500, 1.0, 0.0, 0), (500, 2.0, np.pi, 0))
    total = Momenta.total([a, b])
    assert value("pz", a, b) == pytest.approx(500 * (np.sinh(1.0) + np.sinh(2.0)))
    assert value("y", a, b) == pytest.approx(1.5)
    assert total.pt[0] < 1e-9


def explicit(pt: Array, phi: Array) -> tuple[float, float]:
    """Minus the vector sum: size and direction."""
    x, y = -(pt @ np.cos(phi)), -(pt @ np.sin(phi))
    return float(np.hypot(x, y)), float(np.arctan2(y, x))


def test_missing_momentum_and_sums_event_by_event() -> None:
    rng = np.random.default_rng(3)
    events = [[(rng.exponential(40), rng.normal(), rng.uniform(-np.pi, np.pi)) for _ in range(n)] for n in (3, 1, 7, 2)]
    objects = jagged(events)
    for i, event in enumerate(events):
        pt, _, phi = np.array(event).T
        assert (PARTICLES["met"][1](objects)[i], PARTICLES["met_phi"][1](objects)[i]) == pytest.approx(
            explicit(pt, phi)
        )
        assert COLLECTIVE["mht"][1](objects)[i] == PARTICLES["met"][1](objects)[i]
        assert COLLECTIVE["ht"][1](objects)[i] == PARTICLES["sum_pt"][1](objects)[i] == pytest.approx(pt.sum())
        assert COLLECTIVE["n"][1](objects)[i] == len(event)


def sphericity(*particles: tuple[float, float]) -> float:
    objects = jagged([[(pt, 0.0, phi) for pt, phi in particles]])
    return float(PARTICLES["sphericity"][1](objects)[0])


def test_transverse_sphericity() -> None:
    assert sphericity((100, 0.3), (40, 0.3 + np.pi)) == pytest.approx(0.0, abs=1e-12)
    assert sphericity(*((10, 0.1 + k * np.pi / 2) for k in range(4))) == pytest.approx(1.0)
    particles = [(50.0, 0.1), (30.0, 2.0), (20.0, -1.5)]
    matrix = sum(pt * np.outer(n, n) for pt, phi in particles for n in [(np.cos(phi), np.sin(phi))])
    low, high = np.linalg.eigvalsh(matrix)
    assert sphericity(*particles) == pytest.approx(2 * low / (low + high))
    # infrared and collinear safe
    assert sphericity(*particles[1:], (20, 0.1), (30, 0.1)) == pytest.approx(sphericity(*particles))
    assert sphericity(*particles, (1e-9, 1.0)) == pytest.approx(sphericity(*particles))


def test_events_without_objects() -> None:
    empty = jagged([[], []])
    for name, (_, of) in {**COLLECTIVE, **PARTICLES}.items():
        expected = np.nan if name == "sphericity" else 0.0
        np.testing.assert_array_equal(np.abs(of(empty)), [expected] * 2, err_msg=name)


def test_sums_of_an_event_do_not_depend_on_its_neighbours() -> None:
    rng = np.random.default_rng(4)
    counts = np.array([40, 0, 3, 25, 60])
    fields = {"pt": rng.exponential(10, 128), "eta": rng.normal(size=128), "phi": rng.uniform(-3, 3, 128)}
    objects = Objects(counts, fields)
    for _, of in {**COLLECTIVE, **PARTICLES}.values():
        parts = [of(objects[a:b]) for a, b in pairwise((0, 1, 2, 4, 5))]
        np.testing.assert_array_equal(of(objects), np.concatenate(parts))
