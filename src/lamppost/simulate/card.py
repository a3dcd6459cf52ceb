"""The numbers of a CMS-like detector."""

from math import pi
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["CMS", "Calorimeter", "Card"]

Terms = tuple[float, float, float]


class Calorimeter(NamedTuple):
    """edges (r + 1,): of its rings in |eta|; around (r,): cells of each ring around the beam.

    Energies E have a variance (c E)^2 + s^2 E + n^2; terms c, s, n up to |eta| = `forward_eta`, and beyond. A cell
    counts from `minimum` GeV and `significance` standard deviations on.
    """

    edges: NDArray[np.float64]
    around: NDArray[np.int64]
    central: Terms
    forward: Terms
    forward_eta: float
    minimum: float
    significance: float


class Card(NamedTuple):
    """Field [T] up to a calorimeter face at r = `radius` and |z| = `half_length` [m], tracks, two calorimeters.

    Tracks of pT > `track_pt` within `tracker_eta` are found with these efficiencies (below and above 1 GeV), in the
    barrel (|eta| < 1.5) and beyond; sigma(pT) / pT = sqrt(a^2 + (b pT)^2) with a, b up to |eta| = 0.5, 1.5 and beyond.
    `resolution` and `efficiency` multiply all widths and all efficiencies.
    """

    field: float
    radius: float
    half_length: float
    track_pt: float
    tracker_eta: float
    barrel_efficiency: tuple[float, float]
    endcap_efficiency: tuple[float, float]
    track_resolution: tuple[tuple[float, float], tuple[float, float], tuple[float, float]]
    ecal: Calorimeter
    hcal: Calorimeter
    resolution: float = 1.0
    efficiency: float = 1.0

    def plain(self) -> dict[str, Any]:
        """All numbers as JSON knows them."""
        return {
            name: _plain(value._asdict()) if isinstance(value, Calorimeter) else value
            for name, value in _plain(self._asdict()).items()
        }


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, Calorimeter) else np.asarray(value).tolist() for name, value in values.items()
    }


_FORWARD = [3.125, 3.3, 3.475, 3.65, 3.825, 4.0, 4.175, 4.35, 4.525, 4.7, 5.0]
_ENDCAP = [1.74, 1.83, 1.93, 2.043, 2.172, 2.322, 2.5, 2.65, 2.868, 2.95]

CMS = Card(
    field=3.8,
    radius=1.29,
    half_length=3.0,
    track_pt=0.1,
    tracker_eta=2.5,
    barrel_efficiency=(0.70, 0.95),
    endcap_efficiency=(0.60, 0.85),
    track_resolution=((0.01, 1e-4), (0.015, 1.5e-4), (0.025, 3.5e-4)),
    ecal=Calorimeter(
        edges=np.array([pi / 180.0 * ring for ring in range(171)] + _FORWARD),
        around=np.array([360] * 170 + [36] * 11),
        central=(0.008, 0.11, 0.40),
        forward=(0.107, 2.08, 0.0),
        forward_eta=2.5,
        minimum=0.5,
        significance=2.0,
    ),
    hcal=Calorimeter(
        edges=np.array([0.087 * ring for ring in range(20)] + _ENDCAP + _FORWARD),
        around=np.array([72] * 19 + [36] * 19 + [18] * 2),
        central=(0.05, 1.5, 0.0),
        forward=(0.13, 2.7, 0.0),
        forward_eta=3.0,
        minimum=1.0,
        significance=1.0,
    ),
)
"""After the public CMS card of the fast simulation Delphes (arXiv:1307.6346)."""
