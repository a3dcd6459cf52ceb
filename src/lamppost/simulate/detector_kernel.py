"""Particle flow, compiled: every event's tracks and calorimeter cells, and the particles made of both.

In one file, because compiled code that is cached does not notice when another file changes.
"""

from collections.abc import Callable
from math import asin, asinh, atan2, copysign, cos, cosh, exp, floor, hypot, inf, log, pi, sin, sqrt
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit
from numpy.typing import NDArray

from lamppost.simulate.card import Calorimeter, Card

__all__ = [
    "ECAL",
    "HCAL",
    "NOWHERE",
    "ecal_sigma",
    "hcal_sigma",
    "log_normal",
    "particle_flow",
    "reach",
    "tracking_efficiency",
    "tracking_resolution",
    "uniform",
]

Array = NDArray[np.float64]
Integers = NDArray[np.int64]
State = NDArray[np.uint64]
F = TypeVar("F", bound=Callable[..., Any])

ECAL, HCAL, NOWHERE = 0, 1, 2
"""What stops a particle: electrons and photons, hadrons, muons."""

BARREL_ETA = 1.5
SPEED_OF_LIGHT = 0.299792458  # pT = 0.2998 |q| B R in GeV, T, m


def compiled(function: F) -> F:
    """Compile for one thread, without liberties in the order of sums."""
    return cast(F, njit(function, cache=True, nogil=True, error_model="numpy"))


@compiled
def uniform(state: State) -> float:
    """The next number in (0, 1) of the SplitMix64 sequence that `state` (1,) is in."""
    state[0] += np.uint64(0x9E3779B97F4A7C15)
    z = state[0]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float((np.float64(z >> np.uint64(11)) + 0.5) * 2.0**-53)


@compiled
def log_normal(mean: float, sigma: float, state: State) -> float:
    """A positive random number of this mean and standard deviation."""
    if mean <= 0.0 or sigma <= 0.0:
        return mean
    variance = log(1.0 + (sigma / mean) ** 2)
    normal = sqrt(-2.0 * log(uniform(state))) * cos(2.0 * pi * uniform(state))  # Box and Muller
    return mean * exp(sqrt(variance) * normal - 0.5 * variance)


@compiled
def reach(px: float, py: float, pz: float, charge: int, card: Card) -> tuple[float, float]:
    """Pseudorapidity and azimuth, seen from the collision, of where a particle meets the calorimeter.

    A helix of radius R = pT / (0.2998 |q| B) that has turned by alpha is 2 R sin(alpha / 2) away from the beam, in
    the direction phi - sign(q) alpha / 2, at z = alpha R pz / pT. What does not get as far as the barrel spirals on to
    an endcap.
    """
    pt, phi = hypot(px, py), atan2(py, px)
    if charge == 0:
        return asinh(pz / pt), phi
    radius = pt / (SPEED_OF_LIGHT * card.field * abs(charge))
    turned = 2.0 * asin(card.radius / (2.0 * radius)) if 2.0 * radius > card.radius else inf
    distance, z = card.radius, turned * radius * pz / pt
    if not abs(z) <= card.half_length:
        z = copysign(card.half_length, pz)
        turned = z * pt / (pz * radius)
        distance = 2.0 * radius * sin(0.5 * turned)
    phi -= 0.5 * copysign(turned, charge)
    if distance < 0.0:  # on the other side of the beam
        distance, phi = -distance, phi + pi
    return asinh(z / distance), phi - 2.0 * pi * floor((phi + pi) / (2.0 * pi))


@compiled
def tracking_efficiency(pt: float, eta: float, card: Card) -> float:
    """The probability that a charged particle leaves a track."""
    if pt <= card.track_pt or abs(eta) >= card.tracker_eta:
        return 0.0
    low, high = card.barrel_efficiency if abs(eta) <= BARREL_ETA else card.endcap_efficiency
    return card.efficiency * (low if pt <= 1.0 else high)


@compiled
def tracking_resolution(pt: float, eta: float, card: Card) -> float:
    """sigma(pT) / pT of a track."""
    a, b = card.track_resolution[0 if abs(eta) <= 0.5 else 1 if abs(eta) <= BARREL_ETA else 2]
    return card.resolution * hypot(a, b * pt)


@compiled
def sigma_of(energy: float, eta: float, one: Calorimeter) -> float:
    """Resolution of a cell's energy by the formula of its calorimeter."""
    constant, stochastic, noise = one.central if abs(eta) <= one.forward_eta else one.forward
    return sqrt((constant * energy) ** 2 + stochastic**2 * energy + noise**2)


@compiled
def ecal_sigma(energy: float, eta: float, card: Card) -> float:
    """Resolution of an electromagnetic cell: that, times what the material in front of it adds (arXiv:1306.2016)."""
    away = abs(eta)
    barrel, endcap = 1.0 + 0.64 * away**2, 2.16 + 5.6 * (away - 2.0) ** 2
    material = 1.0 if away > card.ecal.forward_eta else barrel if away <= BARREL_ETA else endcap
    return card.resolution * material * sigma_of(energy, eta, card.ecal)


@compiled
def hcal_sigma(energy: float, eta: float, card: Card) -> float:
    """Resolution of a hadronic tower."""
    return card.resolution * sigma_of(energy, eta, card.hcal)


class Cells(NamedTuple):
    """The cells hit in one event, in the order in which they were.

    slot: of every cell there is its place in that order, -1 if not hit. size (1,): how many were. where (most, 4):
    number, layer, ring (~ring at negative eta) and place around the beam. sums (most, 3): energy, energy of the tracks
    that point to the cell, variance of the latter.
    """

    slot: NDArray[np.int32]
    size: Integers
    where: Integers
    sums: Array


class Tracks(NamedTuple):
    """The tracks of one event. size (1,): how many; cell (most,): the one each points to, -1 if none; values (most, 4):
    pt, eta, phi, charge.
    """

    size: Integers
    cell: Integers
    values: Array


@compiled
def hit(cells: Cells, layer: int, eta: float, phi: float, energy: float, card: Card) -> int:
    """Leave energy at -pi <= phi < pi; returns the cell, -1 if no calorimeter is there."""
    one = card.ecal if layer == ECAL else card.hcal
    if not abs(eta) < one.edges[-1]:
        return -1
    ring = np.searchsorted(one.edges, abs(eta), side="right") - 1
    place = min(int((phi + pi) / (2.0 * pi) * one.around[ring]), one.around[ring] - 1)
    side = 0 if eta >= 0.0 else 1
    number = ((2 * layer + side) * len(card.ecal.around) + ring) * card.ecal.around[0] + place
    i = int(cells.slot[number])
    if i < 0:
        i = int(cells.size[0])
        cells.slot[number] = i
        cells.size[0] += 1
        where = cells.where[i]
        where[0], where[1], where[2], where[3] = number, layer, ring if side == 0 else ~ring, place
        cells.sums[i] = 0.0
    cells.sums[i, 0] += energy
    return i


@compiled
def point(cells: Cells, i: int, across: float, around: float, card: Card) -> tuple[float, float]:
    """eta, phi of the point of a cell at these parts of its widths."""
    _, layer, ring, place = cells.where[i]
    one = card.ecal if layer == ECAL else card.hcal
    side = 1.0 if ring >= 0 else -1.0
    ring = ring if ring >= 0 else ~ring
    eta = one.edges[ring] + across * (one.edges[ring + 1] - one.edges[ring])
    return side * eta, 2.0 * pi * (place + around) / one.around[ring] - pi


@compiled
def leave_track(tracks: Tracks, cells: Cells, cell: int, p: Array, charge: int, card: Card, state: State) -> None:
    """The track of a charged particle p (4,), if it is found, and its share of the cell it points to."""
    pt = hypot(p[0], p[1])
    eta = asinh(p[2] / pt)
    if uniform(state) >= tracking_efficiency(pt, eta, card):
        return
    width = tracking_resolution(pt, eta, card)
    pt = log_normal(pt, width * pt, state)
    i = tracks.size[0]
    tracks.size[0] += 1
    tracks.cell[i] = cell
    track = tracks.values[i]
    track[0], track[1], track[2], track[3] = pt, eta, atan2(p[1], p[0]), charge
    if cell >= 0:
        cells.sums[cell, 1] += pt * cosh(eta)
        cells.sums[cell, 2] += (width * pt * cosh(eta)) ** 2


@compiled
def measure(cells: Cells, i: int, card: Card, state: State) -> tuple[float, float]:
    """The energy of the neutral particle that a cell shows (0: none), and what its tracks are multiplied by.

    What exceeds the tracks is a neutral particle if it is large, and larger than the resolutions explain. If not,
    cell and tracks have measured the same energy: the tracks get the weighted mean of both.
    """
    is_ecal = cells.where[i, 1] == ECAL
    one, (eta, _) = card.ecal if is_ecal else card.hcal, point(cells, i, 0.5, 0.5, card)
    energy, tracks, variance = cells.sums[i]
    energy = log_normal(energy, ecal_sigma(energy, eta, card) if is_ecal else hcal_sigma(energy, eta, card), state)
    sigma = ecal_sigma(energy, eta, card) if is_ecal else hcal_sigma(energy, eta, card)
    if energy < one.minimum or energy < one.significance * sigma:
        return 0.0, 1.0
    excess = energy - tracks
    if excess > one.minimum and excess > one.significance * sqrt(variance + sigma**2):
        return excess, 1.0
    if tracks == 0.0 or variance + sigma**2 == 0.0:
        return 0.0, 1.0
    return 0.0, (tracks * sigma**2 + energy * variance) / ((variance + sigma**2) * tracks)


@compiled
def reconstruct(seen: Array, end: int, tracks: Tracks, cells: Cells, card: Card, state: State) -> int:
    """Write the particles of an event into seen[end:], neutral ones, then tracks; forget the event; the new end."""
    scale = np.ones(cells.size[0])
    for i in range(cells.size[0]):
        neutral, scale[i] = measure(cells, i, card, state)
        if neutral > 0.0:
            eta, phi = point(cells, i, uniform(state), uniform(state), card)  # no more is known of where it was
            one = seen[end]
            one[0], one[1], one[2], one[3] = neutral / cosh(eta), eta, phi, 0.0
            end += 1
        cells.slot[cells.where[i, 0]] = -1
    for i in range(tracks.size[0]):
        seen[end] = tracks.values[i]
        if tracks.cell[i] >= 0:
            seen[end, 0] *= scale[tracks.cell[i]]
        end += 1
    cells.size[0] = tracks.size[0] = 0
    return end


@compiled
def particle_flow(
    offsets: Integers, p: Array, charge: Integers, layer: Integers, keys: State, card: Card
) -> tuple[Integers, Array]:
    """What the detector makes of the events whose particles start at `offsets` (n + 1,).

    p (N, 4): px, py, pz, E [GeV] of the particles, `layer` (N,): what stops each; `keys` (n,) seed the random numbers
    of each event. Returns the number of particles seen in each event (n,) and their pt, eta, phi, charge (M, 4).
    """
    n = len(offsets) - 1
    most = np.max(offsets[1:] - offsets[:-1]) if n > 0 else 0
    slot = np.full(4 * len(card.ecal.around) * card.ecal.around[0], -1, np.int32)
    cells = Cells(slot, np.zeros(1, np.int64), np.empty((most, 4), np.int64), np.empty((most, 3)))
    tracks = Tracks(np.zeros(1, np.int64), np.empty(most, np.int64), np.empty((most, 4)))
    seen, counts, end = np.empty((2 * len(p), 4)), np.empty(n, np.int64), 0
    state = np.empty(1, np.uint64)
    for event in range(n):
        state[0] = keys[event]
        for i in range(offsets[event], offsets[event + 1]):
            cell = -1
            if layer[i] != NOWHERE:
                eta, phi = reach(p[i, 0], p[i, 1], p[i, 2], charge[i], card)
                cell = hit(cells, layer[i], eta, phi, p[i, 3], card)
            if charge[i] != 0:
                leave_track(tracks, cells, cell, p[i], charge[i], card, state)
        start, end = end, reconstruct(seen, end, tracks, cells, card, state)
        counts[event] = end - start
    return counts, seen[:end]
