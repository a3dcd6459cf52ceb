"""The detector, function by function against its formulas, then as a whole on events made by hand."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from lamppost.core import Objects
from lamppost.errors import ConfigError
from lamppost.simulate import Detector
from lamppost.simulate.card import CMS
from lamppost.simulate.detector import Cms, Truth
from lamppost.simulate.detector_kernel import (
    ecal_sigma,
    hcal_sigma,
    log_normal,
    particle_flow,
    reach,
    tracking_efficiency,
    tracking_resolution,
    uniform,
)

PHOTON, PION, MUON, KAON = 22, 211, 13, 130
PERFECT = Cms(resolution=0.0)


def events(*particles: list[tuple[int, float, float, float]]) -> Objects:
    """Events of (PDG code, pt, eta, phi); particles are massless, a negative code has a negative charge."""
    rows = [row for event in particles for row in event]
    code, pt, eta, phi = (np.array(column, float) for column in zip(*rows, strict=True))
    charged = np.isin(np.abs(code), (PION, MUON, 11))
    fields = {
        "px": pt * np.cos(phi),
        "py": pt * np.sin(phi),
        "pz": pt * np.sinh(eta),
        "E": pt * np.cosh(eta),
        "charge": (charged * np.sign(code)).astype(np.int8),
        "id": code.astype(np.int32),
    }
    return Objects(np.array([len(event) for event in particles]), fields)


def copies(n: int, *particles: tuple[int, float, float, float]) -> Objects:
    return events(*([list(particles)] * n))


def keys(n: int, seed: int = 1000) -> NDArray[np.uint64]:
    return np.random.default_rng(seed).integers(2**63, size=n).astype(np.uint64)


def energies(seen: Objects) -> NDArray[np.float64]:
    energy = seen.fields["pt"].astype(np.float64) * np.cosh(seen.fields["eta"].astype(np.float64))
    return np.bincount(seen.event, energy, minlength=len(seen))


def test_random_numbers_are_uniform_and_those_of_splitmix64() -> None:
    state = np.array([0], np.uint64)
    drawn = np.array([uniform(state) for _ in range(20_000)])
    # the first output of SplitMix64 seeded with 0, published with it
    assert drawn[0] == pytest.approx(0xE220A8397B1DCDAF / 2**64, abs=1e-15)
    counts = np.histogram(drawn, 20, (0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 19 + 5 * math.sqrt(38)


def test_log_normal_numbers_have_the_mean_and_the_width_asked_for() -> None:
    state = np.array([5], np.uint64)
    n = 20_000
    drawn = np.array([log_normal(10.0, 3.0, state) for _ in range(n)])
    assert drawn.min() > 0
    assert drawn.mean() == pytest.approx(10.0, abs=5 * 3.0 / math.sqrt(n))
    assert drawn.std() == pytest.approx(3.0, rel=5 * math.sqrt(1.5 / n))  # kurtosis 4.6 of this log-normal
    assert log_normal(10.0, 0.0, state) == 10.0


def test_neutral_particles_fly_straight() -> None:
    assert reach(3.0, 4.0, 10.0, 0, CMS) == pytest.approx((math.asinh(2.0), math.atan2(4, 3)))


@pytest.mark.parametrize("charge", [-1, 1])
def test_charged_particles_bend_in_the_field(charge: int) -> None:
    # R = 5 / (0.29979 * 3.8) = 4.389 m: at r = 1.29 m it has turned by 2 asin(1.29 / 8.778), seen under half of that
    eta, phi = reach(5.0, 0.0, 0.0, charge, CMS)
    assert eta == 0.0
    assert phi == pytest.approx(-charge * math.asin(1.29 / (2 * 5 / (0.299792458 * 3.8))))
    # through the endcap: alpha = 3 m / (R pz / pT), r = 2 R sin(alpha / 2)
    radius = 5 / (0.299792458 * 3.8)
    alpha = 3.0 / (radius * 4.0)
    eta, phi = reach(5.0, 0.0, -20.0, charge, CMS)
    assert eta == pytest.approx(-math.asinh(3.0 / (2 * radius * math.sin(alpha / 2))))
    assert phi == pytest.approx(-charge * alpha / 2)


def test_soft_particles_spiral_on_to_an_endcap() -> None:
    pt = 0.3  # 2 R = 0.53 m
    radius = pt / (0.299792458 * 3.8)
    alpha = 3.0 / (radius * 0.5)
    x, y = radius * math.sin(alpha), -radius * (1 - math.cos(alpha))  # a positive charge turns clockwise
    eta, phi = reach(pt, 0.0, 0.5 * pt, 1, CMS)
    assert eta == pytest.approx(math.asinh(3.0 / math.hypot(x, y)))
    assert math.remainder(phi - math.atan2(y, x), 2 * math.pi) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("pt", "eta", "expected"),
    [(5, 0.5, 0.95), (0.5, 0.5, 0.70), (5, -2.0, 0.85), (0.5, 2.0, 0.60), (5, 2.6, 0.0), (0.05, 0.0, 0.0)],
)
def test_efficiency_of_tracks(pt: float, eta: float, expected: float) -> None:
    assert tracking_efficiency(pt, eta, CMS) == expected
    # muons leave nothing in the calorimeters: what is seen of them is their track
    n = 4000
    seen = Cms().observe(copies(n, (MUON, pt, eta, 1.0)), keys(n))
    assert seen.counts.sum() == pytest.approx(n * expected, abs=5 * math.sqrt(n * expected * (1 - expected)))
    assert Cms(efficiency=0.0).observe(copies(9, (MUON, pt, eta, 1.0)), keys(9)).counts.sum() == 0


@pytest.mark.parametrize(("eta", "a", "b"), [(0.3, 0.01, 1e-4), (-1.0, 0.015, 1.5e-4), (2.0, 0.025, 3.5e-4)])
def test_resolution_of_tracks(eta: float, a: float, b: float) -> None:
    pt, n = 100.0, 4000
    expected = math.sqrt(a**2 + (b * pt) ** 2)
    assert tracking_resolution(pt, eta, CMS) == pytest.approx(expected)
    seen = Cms().observe(copies(n, (MUON, pt, eta, 1.0)), keys(n)).fields
    assert seen["pt"].mean() / pt == pytest.approx(1.0, abs=5 * expected / math.sqrt(0.8 * n))
    assert seen["pt"].std() / pt == pytest.approx(expected, rel=5 / math.sqrt(2 * 0.8 * n))
    np.testing.assert_allclose(seen["eta"], eta, rtol=1e-6)  # directions are exact
    np.testing.assert_allclose(seen["phi"], 1.0, rtol=1e-6)


def test_resolution_of_the_calorimeters() -> None:
    photon = math.sqrt((0.008 * 50) ** 2 + 0.11**2 * 50 + 0.40**2)
    assert ecal_sigma(50.0, 0.0, CMS) == pytest.approx(photon)
    assert ecal_sigma(50.0, -1.2, CMS) == pytest.approx((1 + 0.64 * 1.44) * photon)
    hadron = math.sqrt((0.05 * 50) ** 2 + 1.5**2 * 50)
    assert hcal_sigma(50.0, 0.0, CMS) == pytest.approx(hadron)
    n = 4000
    for code, sigma in ((PHOTON, photon), (KAON, hadron)):
        # in the middle of a cell at eta = 0, so that no other cell is near
        energy = energies(Cms().observe(copies(n, (code, 50.0, 0.005, 0.005)), keys(n)))
        assert energy.mean() == pytest.approx(50.0, abs=5 * sigma / math.sqrt(n))
        assert energy.std() == pytest.approx(sigma, rel=5 / math.sqrt(n))  # skewed: more than 1 / sqrt(2 n)


def test_a_neutral_particle_is_seen_anywhere_in_its_cell() -> None:
    n = 2000
    for code, width_eta, width_phi in ((PHOTON, math.pi / 180, math.pi / 180), (KAON, 0.087, math.pi / 36)):
        seen = PERFECT.observe(copies(n, (code, 20.0, 0.3 * width_eta, 0.3 * width_phi)), keys(n)).fields
        for values, width in ((seen["eta"], width_eta), (seen["phi"], width_phi)):
            assert 0 <= values.min() < 0.01 * width
            assert 0.99 * width < values.max() <= width * (1 + 1e-6)
            assert values.mean() == pytest.approx(0.5 * width, abs=5 * width / math.sqrt(12 * n))


def test_energy_is_conserved_without_smearing() -> None:
    rng = np.random.default_rng(1000)
    made = [
        [(code, pt, eta, phi) for code, pt, eta, phi in zip(*column, strict=True)]
        for column in (
            (
                rng.choice([PHOTON, PION, -PION, KAON], 40),
                rng.uniform(3, 50, 40),
                rng.uniform(-4.5, 4.5, 40),
                rng.uniform(-3.1, 3.1, 40),
            )
            for _ in range(50)
        )
    ]
    particles = events(*made)
    seen = PERFECT.observe(particles, keys(50))
    total = np.bincount(particles.event, particles.fields["E"], minlength=50)
    # massless particles above every threshold: all energy is in tracks or cells
    np.testing.assert_allclose(energies(seen), total, rtol=1e-5)


def test_a_neutral_particle_is_what_a_cell_shows_beyond_its_tracks() -> None:
    n = 300
    eta, phi = reach(100.0 * math.cos(0.04), 100.0 * math.sin(0.04), 100.0 * math.sinh(0.04), 1, CMS)
    together = copies(n, (PION, 100.0, 0.04, 0.04), (KAON, 30.0, eta, phi))
    seen = PERFECT.observe(together, keys(n))
    tracked = np.bincount(seen.event, seen.fields["charge"] != 0, minlength=n) == 1
    assert tracked.mean() == pytest.approx(0.95, abs=5 * math.sqrt(0.95 * 0.05 / n))
    # where there is a track, the kaon is left over; where there is none, one neutral particle has both energies
    assert np.all(seen.counts == np.where(tracked, 2, 1))
    neutral = energies(seen.keep(seen.fields["charge"] == 0))
    charged = 100.0 * math.cosh(0.04)
    np.testing.assert_allclose(neutral, 30.0 * math.cosh(eta) + np.where(tracked, 0.0, charged), rtol=1e-5)


def test_without_an_excess_tracks_get_the_weighted_mean() -> None:
    n = 4000
    # the track is 30 times better than the tower: the mean is the track
    seen = Cms().observe(copies(n, (PION, 20.0, 0.04, 0.04)), keys(n))
    tracks = seen.fields["pt"][seen.fields["charge"] != 0]
    track, tower = 0.01 * 20.0, math.sqrt((0.05 * 20) ** 2 + 1.5**2 * 20)
    assert np.std(tracks) == pytest.approx(track / math.hypot(1, track / tower), rel=0.06)
    # excesses of more than one sigma of the tower fake a neutral particle, often; larger ones more rarely
    fakes = np.bincount(seen.event, seen.fields["charge"] == 0, minlength=n)[
        np.bincount(seen.event, seen.fields["charge"] != 0, minlength=n) == 1
    ]
    assert 0.08 < fakes.mean() < 0.20  # a Gaussian tower of constant width: 0.16
    # at 2 TeV a track is good to 20 %, a tower to 6 %
    seen = Cms().observe(copies(n, (PION, 2000.0, 0.04, 0.04)), keys(n))
    alone = (seen.counts == 1)[seen.event] & (seen.fields["charge"] != 0)
    assert np.std(seen.fields["pt"][alone]) < 0.08 * 2000.0 < tracking_resolution(2000.0, 0.04, CMS) * 2000.0


def test_muons_leave_no_energy_and_photons_no_track() -> None:
    seen = PERFECT.observe(copies(200, (MUON, 30.0, 0.2, 0.2), (PHOTON, 40.0, -0.2, 1.0)), keys(200))
    neutral = seen.keep(seen.fields["charge"] == 0)
    np.testing.assert_allclose(energies(neutral), 40.0 * math.cosh(0.2), rtol=1e-5)
    assert set(seen.fields["charge"]) == {0, 1}


def test_weak_signals_are_dropped() -> None:
    seen = PERFECT.observe(events([(PHOTON, 0.4, 0.0, 0.1), (KAON, 0.9, 0.0, 1.0)], [(PHOTON, 0.6, 0.0, 0.1)]), keys(2))
    assert seen.counts.tolist() == [0, 1]
    # 0.6 GeV are 1.4 sigma of the noise: rarely two
    often = Cms().observe(copies(2000, (PHOTON, 0.6, 0.005, 0.105)), keys(2000)).counts.mean()
    assert 0.0 < often < 0.5


def test_every_event_has_random_numbers_of_its_own() -> None:
    particles = copies(6, (PION, 10.0, 0.3, 0.3), (PHOTON, 9.0, 1.0, 1.0))
    key = keys(6)
    whole = Cms().observe(particles, key)
    order = np.array([4, 1, 0])
    some = Cms().observe(particles[order], key[order])
    for name, values in whole[order].fields.items():
        np.testing.assert_array_equal(some.fields[name], values)
    assert len(np.unique(whole.fields["pt"])) == len(whole.fields["pt"])


def test_truth_sees_everything_up_to_its_edge() -> None:
    particles = events([(PION, 0.05, 0.3, 0.3), (PHOTON, 7.0, 4.9, -3.0), (-MUON, 3.0, 5.1, 0.0)], [(KAON, 1.0, 0, 0)])
    seen = Truth().observe(particles, keys(2))
    assert seen.counts.tolist() == [2, 1]
    np.testing.assert_allclose(seen.fields["pt"], [7.0, 0.05, 1.0], rtol=1e-6)
    np.testing.assert_allclose(seen.fields["eta"], [4.9, 0.3, 0.0], rtol=1e-6)
    assert seen.fields["charge"].tolist() == [0, 1, 0]
    assert {name: values.dtype.str for name, values in seen.fields.items()} == {
        "pt": "<f4",
        "eta": "<f4",
        "phi": "<f4",
        "charge": "|i1",
    }


def test_particles_along_the_beam_are_lost_quietly() -> None:
    particles = events([(PHOTON, 1.0, 0.0, 0.0), (PION, 1.0, 0.0, 0.0)])
    along = {**particles.fields, "px": np.zeros(2), "py": np.zeros(2), "pz": np.array([5.0, -5.0])}
    lost = Objects(particles.counts, along)
    for detector in (Cms(), Truth()):
        assert detector.observe(lost, keys(1)).counts.tolist() == [0]


def test_no_events_are_no_events() -> None:
    empty = particle_flow(
        np.zeros(1, np.int64), np.empty((0, 4)), np.empty(0, np.int64), np.empty(0, np.int64), keys(0), CMS
    )
    assert [part.shape for part in empty] == [(0,), (0, 4)]


def test_unknown_detectors_are_refused() -> None:
    with pytest.raises(ConfigError, match="unknown kind 'atlas', known are cms, truth"):
        Detector.parse("atlas")
