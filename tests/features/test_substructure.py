"""What holds for all quantities of a jet's constituents: symmetries, safety, limits, and what is asked for."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jet_toys import PLAIN, jets_of, random_jets, with_fields

from lamppost.core import Array, Objects
from lamppost.errors import ConfigError, DataError
from lamppost.features.substructure import NEEDS, Jets, Substructure, compute, quantities

Particle = tuple[float, ...]

UNSAFE = {"n", "ptd", "lead", "n90", "jet_charge", "nsd"}
"""What changes when a particle splits into two that fly on together; nsd unless soft drop has beta < 0."""

NEAR = 1e-4
"""How exactly N-subjettiness is minimised: its axes stop when they move by less."""

SIZES = [5, 12, 30, 60, 60]


def all_of(*jets: list[Particle], radius: float = 1.0) -> dict[str, Array]:
    return compute(list(quantities()), jets_of(*jets, radius=radius))


def same(found: dict[str, Array], expected: dict[str, Array], tolerance: float, names: list[str]) -> None:
    for name in names:
        near = max(tolerance, NEAR) if name.startswith("tau") and tolerance > 0.0 else tolerance
        np.testing.assert_allclose(found[name], expected[name], rtol=near, atol=near, err_msg=name)


@pytest.mark.parametrize(("dy", "dphi"), [(1.3, 0.0), (-2.1, 0.0), (0.0, 1.7), (-0.6, 3.9)])
def test_boosts_along_the_beam_and_rotations_about_it_change_nothing(dy: float, dphi: float) -> None:
    """Massive particles: a pseudorapidity anywhere would show."""
    jets = random_jets(1, SIZES, massive=True)
    moved = [[(pt, y + dy, phi + dphi, *rest) for pt, y, phi, *rest in jet] for jet in jets]
    same(all_of(*moved), all_of(*jets), 1e-5, list(quantities()))


def test_pseudorapidity_is_not_invariant() -> None:
    """What the test above would find if distances were taken in pseudorapidity."""
    jets = jets_of(*random_jets(1, SIZES, massive=True))
    fields = jets.constituents.fields
    momentum = np.sqrt(fields["px"] ** 2 + fields["py"] ** 2 + fields["pz"] ** 2)
    massless = with_fields(jets, E=momentum)  # rapidity = pseudorapidity
    assert np.abs(compute(["width"], massless)["width"] - compute(["width"], jets)["width"]).max() > 1e-4


def test_the_order_of_constituents_does_not_matter() -> None:
    rng = np.random.default_rng(2)
    jets = random_jets(2, SIZES, massive=True)
    shuffled = [[jet[k] for k in rng.permutation(len(jet))] for jet in jets]
    same(all_of(*shuffled), all_of(*jets), 1e-5, list(quantities()))


def test_the_scale_of_momenta_matters_only_where_a_unit_says_so() -> None:
    jets = random_jets(3, SIZES)
    found, tenfold = all_of(*jets), all_of(*[[(10 * pt, *rest) for pt, *rest in jet] for jet in jets])
    for name, quantity in quantities().items():
        if name != "lund_n":  # its cut is in GeV
            factor = 10.0 if quantity.unit == "GeV" else 1.0
            same({name: tenfold[name] / factor}, found, 1e-5, [name])


def test_a_soft_particle_changes_the_multiplicity_alone() -> None:
    jets = random_jets(4, [12, 30, 60])
    with_soft = [[*jet, (1e-7, 0.3, 2.9)] for jet in jets]
    found, before = all_of(*with_soft), all_of(*jets)
    same(found, before, 1e-4, [name for name in quantities() if name != "n"])
    np.testing.assert_array_equal(found["n"], before["n"] + 1)


def split(jet: list[Particle], k: int) -> list[Particle]:
    """The jet with particle k, massless, in two collinear halves that share its charge."""
    pt, *rest, charge = jet[k]
    return [*jet[:k], (0.5 * pt, *rest, charge), (0.5 * pt, *rest, 0.0), *jet[k + 1 :]]


def test_a_collinear_splitting_changes_nothing_that_is_safe() -> None:
    jets = random_jets(5, [12, 30, 60])
    hardest = [split(jet, int(np.argmax([particle[0] for particle in jet]))) for jet in jets]
    found, before = all_of(*hardest), all_of(*jets)
    same(found, before, 1e-5, [name for name in quantities() if name not in UNSAFE])
    for name in UNSAFE:
        assert np.any(np.abs(found[name] - before[name]) > 0.01), name
    angular = Substructure(sd_beta=-1.0)
    for name in ("nsd", "msd", "zg", "rg"):
        after, safe = (compute([name], jets_of(*some), angular)[name] for some in (hardest, jets))
        np.testing.assert_allclose(after, safe, atol=1e-7)
        assert np.any(safe > 0.0)


def test_a_jet_of_one_particle() -> None:
    found = all_of([(50.0, 0.3, -1.0, 5.0, 1.0)])
    alone = {"n": 1.0, "n90": 1.0, "ptd": 1.0, "lead": 1.0, "jet_charge": 1.0, "msd": 5.0}
    for name, values in found.items():
        assert values[0] == pytest.approx(alone.get(name, 0.0), abs=1e-9), name


def test_a_jet_of_two_identical_particles() -> None:
    found = all_of([(50.0, 0.3, -1.0), (50.0, 0.3, -1.0)])
    expected = {"n": 2.0, "n90": 2.0, "ptd": np.sqrt(0.5), "lead": 0.5, "zg": 0.5, "nsd": 1.0}
    for name, values in found.items():
        assert values[0] == pytest.approx(expected.get(name, 0.0), abs=1e-5), name


def test_a_jet_without_particles_has_no_values() -> None:
    jet = random_jets(6, [10])[0]
    found, alone = all_of([], jet, [], [(3.0, 0.0, 0.0)], []), all_of(jet)
    for name, values in found.items():
        np.testing.assert_array_equal(values[1], alone[name][0])
        np.testing.assert_array_equal(values[[0, 2, 4]], 0.0 if name == "n" else np.nan)


def test_no_jets_at_all() -> None:
    assert {values.shape for values in all_of().values()} == {(0,)}


def test_particles_without_transverse_momentum_are_not_there() -> None:
    jet = random_jets(7, [10])[0]
    same(all_of([*jet[:4], (0.0, 0.0, 0.0), *jet[4:]]), all_of(jet), 0.0, list(quantities()))


def test_jets_do_not_influence_each_other() -> None:
    jets = random_jets(8, SIZES)
    together = all_of(*jets)
    for i, jet in enumerate(jets):
        for name, values in all_of(jet).items():
            assert values[0] == together[name][i], name


def test_only_what_is_asked_for_is_computed() -> None:
    jets = jets_of(*random_jets(9, SIZES))
    every = compute(list(quantities()), jets)
    for name in quantities():
        found = compute([name], jets)
        assert list(found) == [name]
        assert found[name].dtype == np.float64
        np.testing.assert_array_equal(found[name], every[name], err_msg=name)
    assert compute([], jets) == {}


def test_an_unknown_quantity_is_named() -> None:
    with pytest.raises(ConfigError, match="no quantity 'tau0' of a jet's constituents, known are tau1, "):
        compute(["tau1", "tau0"], jets_of(*random_jets(1, [3])))


def test_a_charge_that_is_not_known_is_named() -> None:
    jets = jets_of(*random_jets(1, [3]))
    fields = {name: values for name, values in jets.constituents.fields.items() if name != "charge"}
    without = Jets(Objects(jets.constituents.counts, fields))
    with pytest.raises(DataError, match="'jet_charge' needs the charge of the particles, found px, py, pz, E only"):
        compute(["n", "jet_charge"], without)
    compute([name for name in PLAIN if name not in NEEDS], without)


particles = st.tuples(
    st.floats(1e-3, 1e3), st.floats(-3, 3), st.floats(-4, 4), st.sampled_from([0.0, 0.14, 1.0]), st.integers(-1, 1)
)


@settings(deadline=None, max_examples=60)
@given(st.lists(particles, min_size=1, max_size=12), st.sampled_from([0.4, 1.0]))
def test_values_stay_within_their_ranges(jet: list[Particle], radius: float) -> None:
    for name, values in compute(PLAIN, jets_of(jet, radius=radius)).items():
        quantity = quantities()[name]
        assert np.isfinite(values[0]), name
        assert quantity.lo is None or values[0] >= quantity.lo, name
        assert quantity.hi is None or values[0] <= quantity.hi * (1 + 1e-12), name


@pytest.mark.parametrize(
    "wrong", [{"axes": "Manual_Axes"}, {"tau_beta": 0.0}, {"z_cut": 0.5}, {"ecf_beta": -1.0}, {"lund_cut": -1.0}]
)
def test_settings_without_a_meaning_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Substructure.model_validate(wrong)


def test_the_registry_loads_no_library() -> None:
    heavy = ("numba", "fastjet", "awkward")
    code = f"import sys, lamppost.features.substructure as s; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
