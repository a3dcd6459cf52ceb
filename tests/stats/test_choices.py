"""Choices of family and range: what is chosen, and that toys choose again."""

import numpy as np
import pytest
from smooth_spectra import falling

from lamppost.errors import ConfigError, FitError
from lamppost.stats import Spectrum, bin_edges, fit_background, joint_scan, scan
from lamppost.stats.scans.choices import choose, plan
from lamppost.stats.scans.procedure import procedure
from lamppost.stats.shapes.signals import Gaussian

NARROW = {"kind": "gaussian", "resolution": 0.03}
FAMILIES = ["dijet", "ua2", "polynomial"]


def kinked(events: int = 20000, seed: int = 1) -> tuple[Spectrum, float]:
    """A falling spectrum whose first bins a trigger has eaten into, and the edge from which it is untouched."""
    spectrum = falling(events, seed)
    turn_on = np.ones(len(spectrum.counts))
    turn_on[:4] = [0.2, 0.5, 0.8, 0.95]
    return Spectrum(spectrum.edges, np.floor(spectrum.counts * turn_on)), float(spectrum.edges[4])


def test_the_family_with_the_smallest_aic_is_taken() -> None:
    spectrum = falling(20000)
    chosen = choose(spectrum, FAMILIES)
    fits = [fit_background(spectrum, family) for family in FAMILIES]
    best = min(fits, key=lambda fit: fit.deviance + 2 * fit.n_parameters)
    assert chosen.background.function == best.function
    assert [row.function for row in chosen.tried] == [fit.function for fit in fits]
    np.testing.assert_allclose([row.p_value for row in chosen.tried], [fit.p_value for fit in fits])
    assert [row.chosen for row in chosen.tried] == [fit is best for fit in fits]
    by_p = choose(spectrum, FAMILIES, criterion="p_value")
    assert by_p.background.p_value == max(fit.p_value for fit in fits)


def test_every_family_has_its_own_fewest_parameters() -> None:
    """A power law, for which three parameters of `dijet` and two of `ua2` are enough."""
    spectrum = falling(20000)
    free = {one.function for one in choose(spectrum, ["dijet", "ua2"]).tried}
    each = {one.function for one in choose(spectrum, ["dijet", "ua2"], at_least=[4, 3]).tried}
    same = {one.function for one in choose(spectrum, ["dijet", "ua2"], at_least=4).tried}
    assert free == {"dijet3", "ua22"}
    assert (each, same) == ({"dijet4", "ua23"}, {"dijet4", "ua24"})
    with pytest.raises(ConfigError, match="one for each of 2 families, found 1"):
        choose(spectrum, ["dijet", "ua2"], at_least=[4])


def test_the_widest_range_that_fits_is_taken() -> None:
    spectrum, untouched = kinked()
    lower = (2800.0, untouched, float(spectrum.edges[10]))
    chosen = choose(spectrum, "dijet", lower_edges=lower)
    assert chosen.spectrum.lo == untouched
    assert [row.p_value >= 0.05 for row in chosen.tried][:2] == [False, True]
    assert choose(falling(20000), "dijet", lower_edges=lower).spectrum.lo == 2800.0


def test_a_scan_keeps_to_the_chosen_range() -> None:
    spectrum, untouched = kinked()
    result = scan(spectrum, background=FAMILIES, lower_edges=(2800.0, untouched), signal=NARROW, toys=300)
    assert result.spectrum.lo == untouched
    assert result.masses[0] >= untouched * 1.06 - 1e-9
    assert sum(row.chosen for row in result.tried) == 1
    assert len(result.tried) == 6
    assert result.p_global is not None
    alone = scan(result.spectrum, background=FAMILIES, signal=NARROW, masses=result.masses, toys=0)
    np.testing.assert_allclose(result.z, alone.z, atol=1e-6)
    again = scan(spectrum, background=FAMILIES, lower_edges=(2800.0, untouched), signal=NARROW, toys=300)
    assert result.summary() == again.summary()


def test_toys_choose_again() -> None:
    """Toys of the wide range choose the wide one in 95 % of cases, as p >= 0.05 has it; 1000 toys know 0.7 %."""
    spectrum = falling(20000)
    edges = (2800.0, float(spectrum.edges[8]))
    made = procedure(spectrum, plan("dijet", 3, None, "aic", edges), Gaussian(), np.array([4000.0]), None)
    counts = np.random.default_rng(1008).poisson(made.expected, size=(1000, len(made.expected))).astype(float)
    chosen, _ = made.choose(counts)
    # of the others a few fit the narrow range no better
    assert np.mean(chosen == 0) == pytest.approx(0.955, abs=4 * 0.007 + 0.01)
    assert set(np.unique(chosen)) == {0, 1}


def test_a_free_choice_costs_significance() -> None:
    """Freedom to choose cannot make the largest z of a toy smaller on average; p-values stay probabilities."""
    spectrum = falling(3000)
    p = [
        scan(spectrum, background=background, signal=NARROW, masses=np.arange(3000.0, 6001.0, 250.0), toys=500).p_global
        for background in ("dijet", FAMILIES)
    ]
    assert all(value is not None and 0.0 < value <= 1.0 for value in p)


def test_nested_selections_choose_each_for_itself() -> None:
    loose, tight = falling(20000), falling(20000)
    tight = Spectrum(tight.edges, np.floor(tight.counts * 0.1))
    joint = joint_scan([loose, tight], background=FAMILIES, signal=NARROW, window=(3300.0, 3700.0), toys=250)
    assert [len(result.tried) for result in joint.results] == [3, 3]
    assert joint.p_global is not None


def test_weighted_ranges_share_their_toys() -> None:
    """Equal weights change nothing, a narrower range included."""
    rng = np.random.default_rng(1009)
    m = 2800.0 * (1.0 - rng.random(20000)) ** (-1.0 / 6.0)
    edges = bin_edges(2800.0, 8000.0, 0.03)
    kwargs = {"background": FAMILIES, "lower_edges": (2800.0, float(edges[6])), "signal": NARROW, "toys": 250}
    plain = scan(Spectrum.from_masses(m, edges), **kwargs)
    heavy = scan(Spectrum.from_masses(m, edges, np.full(len(m), 3.0)), **kwargs)
    np.testing.assert_allclose(heavy.z, plain.z, atol=1e-4)
    assert heavy.p_global == plain.p_global


def test_impossible_choices_are_refused() -> None:
    spectrum = falling(1000)
    with pytest.raises(FitError, match="lower_edges: 2900 is not where a bin begins, the nearest is 28"):
        choose(spectrum, lower_edges=(2900.0,))
    with pytest.raises(ConfigError, match="expected at least one family"):
        choose(spectrum, [])
    with pytest.raises(ConfigError, match="expected 'aic', 'p_value' or 'envelope', found 'bic'"):
        choose(spectrum, criterion="bic")  # type: ignore[arg-type]
    with pytest.raises(FitError, match="no mass hypothesis lies two sigma above"):
        scan(spectrum, lower_edges=(float(spectrum.edges[20]),), masses=[3000.0], toys=0)
