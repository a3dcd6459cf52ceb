"""The inside of jets: quantities of their constituents, each computed only where asked for."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from pydantic import Field

from lamppost.core import Array, Objects
from lamppost.errors import ConfigError, DataError
from lamppost.features.particles import Particles
from lamppost.features.quantity import Quantity
from lamppost.features.substructure_quantities import (
    CORRELATORS,
    EPSILON,
    GROOMED,
    RATIOS,
    SHAPES,
    TAU_QUANTITIES,
    TAUS,
)
from lamppost.spec import Spec

__all__ = ["NEEDS", "Jets", "Substructure", "compute", "quantities"]

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType({"jet_charge": ("charge",)})
"""What a quantity needs of the constituents beyond their four-momenta."""

Axes = Literal[
    "KT_Axes",
    "CA_Axes",
    "WTA_KT_Axes",
    "WTA_CA_Axes",
    "OnePass_KT_Axes",
    "OnePass_CA_Axes",
    "OnePass_WTA_KT_Axes",
    "OnePass_WTA_CA_Axes",
]


class Substructure(Spec):
    """How the quantities of the constituents of a jet are defined."""

    axes: Axes = Field("OnePass_KT_Axes", description="axes of N-subjettiness, by their name in fastjet-contrib")
    tau_beta: float = Field(1.0, gt=0.0, le=10.0, description="exponent of the angle in tau1, tau2, ...")
    z_cut: float = Field(0.1, gt=0.0, lt=0.5, description="soft drop: smallest share of pT of the softer prong")
    sd_beta: float = Field(0.0, ge=-10.0, le=10.0, description="soft drop: exponent of the angle")
    ecf_beta: float = Field(1.0, gt=0.0, le=10.0, description="exponent of the angle in c1, c2, d2, m2, n2")
    lund_cut: float = Field(1.0, ge=0.0, description="kT [GeV] above which an emission counts in lund_n")


@dataclass(frozen=True)
class Jets:
    """n jets, one per row.

    constituents: their particles, fields px, py, pz, E [GeV] and charge where known, in any order; radius: R of the
    clustering, which is R0 of the angularities, of N-subjettiness and of soft drop.
    """

    constituents: Objects
    radius: float = 1.0


def _njettiness(names: Collection[str], particles: Particles, radius: float, how: Substructure) -> dict[str, Array]:
    from lamppost.features.njettiness import njettiness

    needed = {part for name in names for part in RATIOS.get(name, (name,))}
    keys = {
        name: (how.tau_beta if beta is None else beta, order) for name, (order, beta) in TAUS.items() if name in needed
    }
    wanted: dict[float, list[int]] = {}
    for beta, order in sorted(set(keys.values())):
        wanted.setdefault(beta, []).append(order)
    taus = njettiness(particles, wanted, radius=radius, axes=how.axes)
    found = {name: taus[key] for name, key in keys.items()}
    return found | {name: found[a] / (found[b] + EPSILON) for name, (a, b) in RATIOS.items() if name in names}


def _grooming(names: Collection[str], particles: Particles, radius: float, how: Substructure) -> dict[str, Array]:
    from lamppost.features.grooming import groom

    return groom(particles, z_cut=how.z_cut, beta=how.sd_beta, radius=radius, kt_cut=how.lund_cut)


def _correlators(names: Collection[str], particles: Particles, radius: float, how: Substructure) -> dict[str, Array]:
    from lamppost.features.correlators import correlators

    return correlators(particles, beta=how.ecf_beta, third=not set(names) <= {"c1"})


def _shapes(names: Collection[str], particles: Particles, radius: float, how: Substructure) -> dict[str, Array]:
    from lamppost.features.shapes import shapes

    return shapes(particles, radius=radius)


Family = Callable[[Collection[str], Particles, float, Substructure], dict[str, Array]]

FAMILIES: tuple[tuple[Mapping[str, Quantity], Family], ...] = (
    (TAU_QUANTITIES, _njettiness),
    (GROOMED, _grooming),
    (CORRELATORS, _correlators),
    (SHAPES, _shapes),
)


def quantities() -> Mapping[str, Quantity]:
    """All quantities of the constituents of a jet, by name."""
    return {name: quantity for registry, _ in FAMILIES for name, quantity in registry.items()}


def compute(names: Collection[str], jets: Jets, options: Substructure | None = None) -> dict[str, Array]:
    """The named quantities of each jet, (n,) float64; what is shared between them is done once.

    A jet without constituents has n = 0 and NaN for everything else; what fewer constituents than a quantity needs mean
    for it is in its description.

    Raises
    ------
    ConfigError
        If there is no such quantity.
    DataError
        If the constituents lack the charge that a quantity needs.
    """
    unknown = [name for name in names if name not in quantities()]
    if unknown:
        msg = f"no quantity {unknown[0]!r} of a jet's constituents, known are {', '.join(quantities())}"
        raise ConfigError(msg)
    for name in names:
        for field in NEEDS.get(name, ()):
            if field not in jets.constituents.fields:
                msg = f"{name!r} needs the {field} of the particles, found {', '.join(jets.constituents.fields)} only"
                raise DataError(msg)
    particles = Particles.of(jets.constituents)
    found: dict[str, Array] = {}
    for registry, family in FAMILIES:
        if wanted := [name for name in names if name in registry]:
            found |= family(wanted, particles, jets.radius, options or Substructure())
    return {name: found[name] for name in names}
