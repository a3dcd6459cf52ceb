"""Writes a small ROOT file with the branch names of CMS NanoAOD, and returns what is in it.

Fat jets come in back-to-back pairs, each the sum of its particle-flow candidates; muons in pairs of opposite charge and
the mass of a Z in about half of the events.
"""

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import uproot
from numpy.typing import NDArray

from lamppost.core import Collisions, Objects

Numbers = NDArray[Any]


def write_nanoaod(path: Path, events: int, rng: np.random.Generator, *, basket: int = 200, **more: Any) -> Collisions:
    """Write `events` events to the tree "Events", so many per basket.

    `more`: arrays of further branches, or of branches to replace, by name; None leaves a branch or collection out.
    """
    made = nanoaod(events, rng)
    write_tree(path, branches(made) | more, basket)
    return made


def nanoaod(events: int, rng: np.random.Generator) -> Collisions:
    """Events with FatJet, Jet, Muon, Electron and PFCands, missing transverse momentum, a trigger bit and numbers."""
    candidates, fat = _dijets(events, rng)
    ht = np.bincount(fat.event, fat.fields["pt"], minlength=events)
    scalars = {
        "run": rng.integers(273158, 284044, events).astype(np.uint32),
        "luminosityBlock": rng.integers(1, 2000, events).astype(np.uint32),
        "event": rng.permutation(np.arange(events)).astype(np.uint64) * np.uint64(7919) + np.uint64(2**62 + 1),
        "MET_pt": rng.exponential(30.0, events).astype(np.float32),
        "MET_phi": rng.uniform(-np.pi, np.pi, events).astype(np.float32),
        "HLT_PFHT1050": ht * rng.normal(1.0, 0.05, events) > 1050.0,
    }
    counts = rng.poisson(0.3, events)
    objects = {
        "FatJet": fat,
        "Jet": _jets(fat, rng),
        "Muon": _muons(events, rng),
        "Electron": _objects(counts, **_leptons(int(counts.sum()), rng, 0.000511)),
        "PFCands": candidates,
    }
    return Collisions(np.arange(events), scalars, objects)


def branches(collisions: Collisions) -> dict[str, Any]:
    """What uproot writes as nX and X_field, and as plain branches."""
    arrays: dict[str, Any] = dict(collisions.scalars)
    for name, objects in collisions.objects.items():
        arrays[name] = ak.zip({field: ak.unflatten(values, objects.counts) for field, values in objects.fields.items()})
    return arrays


def write_tree(path: Path, arrays: dict[str, Any], basket: int, tree: str = "Events") -> None:
    """Write a tree with so many entries per basket."""
    arrays = {name: values for name, values in arrays.items() if values is not None}
    entries = len(next(iter(arrays.values())))
    with uproot.recreate(path) as file:
        types = {name: values.type if isinstance(values, ak.Array) else values.dtype for name, values in arrays.items()}
        written = file.mktree(tree, types)
        for start in range(0, entries, basket):
            written.extend({name: values[start : start + basket] for name, values in arrays.items()})


def _objects(counts: Numbers, **fields: Numbers) -> Objects:
    plain = {name: v.astype(np.float32) if v.dtype == np.float64 else v for name, v in fields.items()}
    return Objects(np.asarray(counts, dtype=np.int64), plain)


def _dijets(events: int, rng: np.random.Generator) -> tuple[Objects, Objects]:
    """Particle-flow candidates, and the two jets they add up to, the harder one first."""
    pt = np.repeat(450.0 + rng.exponential(150.0, events), 2) * rng.normal(1.0, 0.03, 2 * events)
    eta = rng.normal(0.0, 0.8, 2 * events)
    phi = np.repeat(rng.uniform(-np.pi, np.pi, events), 2) + np.tile([0.0, np.pi], events)
    number = rng.poisson(25, 2 * events) + 3
    jet = np.repeat(np.arange(2 * events), number)
    share = rng.exponential(1.0, len(jet))
    width = np.repeat(rng.uniform(0.03, 0.2, 2 * events), number)
    parts = {
        "pt": pt[jet] * share / np.bincount(jet, share)[jet],
        "eta": eta[jet] + np.clip(rng.normal(0.0, width), -0.5, 0.5),
        "phi": _wrapped(phi[jet] + np.clip(rng.normal(0.0, width), -0.5, 0.5)),
        "mass": np.full(len(jet), 0.13957),
        "charge": rng.integers(-1, 2, len(jet)).astype(np.int32),
        "pdgId": rng.choice([-211, 211, 22, 130], len(jet)).astype(np.int32),
    }
    jets = _sums(parts, jet) | _shapes(2 * events, rng)
    order = np.lexsort((-jets["pt"], np.repeat(np.arange(events), 2)))
    candidates = _objects(np.bincount(jet // 2, minlength=events), **parts).ordered(parts["pt"])
    return candidates, _objects(np.full(events, 2), **{name: values[order] for name, values in jets.items()})


def _sums(parts: dict[str, Numbers], jet: Numbers) -> dict[str, Numbers]:
    """Four-momentum sums of the candidates of each jet."""
    px, py, pz = (parts["pt"] * f for f in (np.cos(parts["phi"]), np.sin(parts["phi"]), np.sinh(parts["eta"])))
    energy = np.sqrt(px**2 + py**2 + pz**2 + parts["mass"] ** 2)
    e, x, y, z = (np.bincount(jet, component) for component in (energy, px, py, pz))
    pt = np.hypot(x, y)
    mass = np.sqrt(np.maximum(e**2 - pt**2 - z**2, 0.0))
    return {"pt": pt, "eta": np.arcsinh(z / pt), "phi": np.arctan2(y, x), "mass": mass, "msoftdrop": 0.8 * mass}


def _shapes(jets: int, rng: np.random.Generator) -> dict[str, Numbers]:
    """Falling tau1 to tau4, and the identification bits."""
    ratios = np.cumprod(rng.uniform(0.3, 0.95, (4, jets)), axis=0)
    taus = {f"tau{i + 1}": 0.4 * ratio for i, ratio in enumerate(ratios)}
    return taus | {"jetId": rng.choice([0, 2, 6], jets, p=[0.02, 0.08, 0.9]).astype(np.int32)}


def _jets(fat: Objects, rng: np.random.Generator) -> Objects:
    """The fat jets once more, narrower, and up to some soft ones behind them."""
    soft = rng.poisson(1.0, len(fat))
    pieces = {"pt": 30.0 + rng.exponential(20.0, int(soft.sum()))} | _directions(int(soft.sum()), rng, 2.0)
    pieces["mass"] = 0.1 * pieces["pt"]
    event = np.concatenate([fat.event, np.repeat(np.arange(len(fat)), soft)])
    order = np.argsort(event, kind="stable")
    fields = {name: np.concatenate([fat.fields[name], values])[order] for name, values in pieces.items()}
    fields["mass"] *= 0.9
    objects = _objects(fat.counts + soft, **fields)
    return objects.ordered(objects.fields["pt"])


def _muons(events: int, rng: np.random.Generator) -> Objects:
    """A decayed Z boson (mass 91.2 GeV, width 2.5 GeV), one muon, or none."""
    pairs = rng.random(events) < 0.5
    z = int(pairs.sum())
    mass = np.clip(91.2 + 1.25 * rng.standard_cauchy(z), 60.0, 150.0)
    half = rng.normal(0.0, 0.5, z)  # half the difference in eta of back-to-back muons: m = 2 pt cosh(half)
    pt, middle, phi = mass / (2.0 * np.cosh(half)), rng.normal(0.0, 1.0, z), rng.uniform(-np.pi, np.pi, z)
    single = ~pairs & (rng.random(events) < 0.3)
    counts = np.where(pairs, 2, single.astype(np.int64))
    fields = _leptons(int(counts.sum()), rng, 0.10566)
    of_pair = np.repeat(pairs, counts)
    fields["pt"][of_pair] = np.repeat(pt, 2)
    fields["eta"][of_pair] = np.stack([middle + half, middle - half], axis=1).ravel()
    fields["phi"][of_pair] = _wrapped(np.stack([phi, phi + np.pi], axis=1).ravel())
    fields["charge"][of_pair] = np.tile(np.array([1, -1], dtype=np.int32), z)
    return _objects(counts, **fields, tightId=rng.random(int(counts.sum())) < 0.95)


def _leptons(number: int, rng: np.random.Generator, mass: float) -> dict[str, Numbers]:
    charge = rng.choice(np.array([-1, 1], dtype=np.int32), number)
    pt = 5.0 + rng.exponential(20.0, number)
    return {"pt": pt, **_directions(number, rng, 1.2), "mass": np.full(number, mass), "charge": charge}


def _directions(number: int, rng: np.random.Generator, spread: float) -> dict[str, Numbers]:
    return {"eta": rng.normal(0.0, spread, number), "phi": rng.uniform(-np.pi, np.pi, number)}


def _wrapped(phi: Numbers) -> Numbers:
    return (phi + np.pi) % (2.0 * np.pi) - np.pi
