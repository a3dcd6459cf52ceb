"""Fitted conditional densities: ensembles of flows in the coordinates of their preprocessing."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array, Events, Rng
from lamppost.errors import ConfigError, DataError
from lamppost.learn.flows import Flow
from lamppost.learn.preprocess import Preprocess, check_finite
from lamppost.storage import fitted, pack, unpack

__all__ = ["FittedDensity"]

Floats = NDArray[np.float32]

FAR = 1e6
"""Coordinates beyond this are taken for this, where a unit normal is 1: its density stays a number."""


@fitted("density")
@dataclass(frozen=True, eq=False)
class FittedDensity:
    """p(x | m), or p(x, m) where `mass` is there, as the mean density of an ensemble of bijections.

    A member maps y = preprocess(x) to z; p(x | m) = base(z | m) |dz/dy| |dy/dx|, the base being the unit normal or
    another fitted density with the same preprocessing. m enters as (m - shift) / scale.
    """

    spec: Flow
    preprocess: Preprocess
    shift: float
    scale: float
    tensors: Mapping[str, Floats]
    """Weights by name, the first axis counts the members."""
    mass: Preprocess | None = None
    base: "FittedDensity | None" = None
    held_out: float | None = None
    """Weighted mean of the log of what was maximised, in units of x (and m), on events that nothing was learnt from."""
    fractions: tuple[float, ...] | None = None
    """What each member found for the fraction next to a frozen background, at most: where the flow takes some of the
    background for its own a larger fraction gives the same likelihood."""

    @property
    def members(self) -> int:
        """How many bijections the ensemble has."""
        return len(next(iter(self.tensors.values())))

    def log_prob(self, events: Events) -> Array:
        """Log density (n,) of the ensemble in units of x (and m)."""
        each = self.member_log_probs(events)
        return np.asarray(np.logaddexp.reduce(each, axis=0) - np.log(len(each)))

    def spread(self, events: Events) -> Array:
        """Standard deviation (n,) of the members' log densities: how far the density is known there."""
        return np.asarray(self.member_log_probs(events).std(axis=0))

    def member_log_probs(self, events: Events) -> Array:
        """Log density (members, n) of every member."""
        from lamppost.learn.engine.chunks import in_chunks
        from lamppost.learn.engine.density import log_mass_members, log_prob_members

        y, log_slope = self._coordinates(events)
        log_p = in_chunks(log_prob_members, (self._models, self._bases), y, self._given(events.m))[0] + log_slope
        if self.mass is not None:
            u, log_slope = self.mass.forward(events.m[:, None], events.id)
            log_p = log_p + in_chunks(log_mass_members, self._models, u.T)[0] + log_slope
        return np.asarray(log_p, dtype=np.float64)

    def sample(self, m: Array, rng: Rng) -> Floats:
        """Features (n, d) at masses m (n,), every event from a member drawn at random."""
        return self.preprocess.inverse(self._draw(m, rng).T)

    def sample_mass(self, n: int, rng: Rng) -> Array:
        """Masses (n,) of p(x, m), to sample features at."""
        from lamppost.learn.engine.chunks import in_chunks
        from lamppost.learn.engine.density import decode_mass

        if self.mass is None:
            msg = "density: masses can be drawn from p(x, m) only: fit with joint=True"
            raise ConfigError(msg)
        u = np.empty((1, n), np.float32)
        for member, rows in self._shares(n, rng):
            u[:, rows] = in_chunks(decode_mass, self._member(member), rng.standard_normal((1, len(rows)), np.float32))[
                0
            ]
        return self.mass.inverse(u.T)[:, 0].astype(np.float64)

    def encode(self, events: Events, member: int = 0) -> Floats:
        """Where a member maps the events (n, d): to the unit normal, or to features distributed like the base."""
        from lamppost.learn.engine.chunks import in_chunks
        from lamppost.learn.engine.density import encode

        y, c = self._coordinates(events)[0], self._given(events.m)
        z = in_chunks(encode, self._member(member), y, c, precise=True)[0].T
        return z if self.base is None else self.preprocess.inverse(z)

    def decode(self, z: Floats, m: Array, member: int = 0) -> Floats:
        """The features (n, d) that a member maps to z (n, d) at masses m (n,): the inverse of `encode`.

        But for a density with a base and integer features: z are integers as well then, and what lies between is lost.
        """
        from lamppost.learn.engine.chunks import in_chunks
        from lamppost.learn.engine.density import decode

        y = z if self.base is None else self.preprocess.forward(z, np.zeros(len(z), np.uint64))[0]
        c = self._given(m)
        return self.preprocess.inverse(in_chunks(decode, self._member(member), y.T, c, precise=True)[0].T)

    def to_bytes(self) -> bytes:
        """A safetensors file: weights and, as JSON, everything else; those of a base are among them."""
        return pack("density", self._about(), dict(self._all_tensors()))

    @classmethod
    def from_bytes(cls, data: bytes) -> "FittedDensity":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, tensors = unpack(data, "density")
        try:
            return cls._from(about, tensors, "")
        except (KeyError, TypeError, ValueError) as error:
            msg = f"density: damaged content ({error})"
            raise DataError(msg) from None

    def _about(self) -> dict[str, Any]:
        return {
            "spec": self.spec.model_dump(mode="json"),
            "preprocess": self.preprocess.to_table(),
            "mass": self.mass.to_table() if self.mass else None,
            "shift": self.shift,
            "scale": self.scale,
            "held_out": self.held_out,
            "fractions": self.fractions,
            "base": self.base._about() if self.base else None,
        }

    def _all_tensors(self, prefix: str = "") -> list[tuple[str, Floats]]:
        own = [(prefix + name, array) for name, array in self.tensors.items()]
        return own + (self.base._all_tensors(prefix + "base:") if self.base else [])

    @classmethod
    def _from(cls, about: Mapping[str, Any], tensors: Mapping[str, Floats], prefix: str) -> "FittedDensity":
        mine = {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
        own = {name: t for name, t in mine.items() if not name.startswith("base:")}
        return cls(
            spec=Flow.parse(about["spec"]),
            preprocess=Preprocess.from_table(about["preprocess"]),
            shift=float(about["shift"]),
            scale=float(about["scale"]),
            tensors=own,
            mass=Preprocess.from_table(about["mass"]) if about["mass"] else None,
            base=cls._from(about["base"], tensors, prefix + "base:") if about["base"] else None,
            held_out=about["held_out"],
            fractions=tuple(about["fractions"]) if about["fractions"] else None,
        )

    @cached_property
    def _models(self) -> Any:
        from lamppost.learn.engine.fitting import restored

        return restored(self)

    @property
    def _bases(self) -> tuple[Any, ...]:
        return () if self.base is None else (self.base._models, *self.base._bases)

    def _member(self, member: int) -> Any:
        from lamppost.learn.engine.fitting import one_of

        if not 0 <= member < self.members:
            msg = f"density: expected a member below {self.members}, found {member}"
            raise ConfigError(msg)
        return one_of(self._models, member)

    def _coordinates(self, events: Events) -> tuple[Floats, Array]:
        events = events if events.names == self.preprocess.names else events.select(self.preprocess.names)
        y, log_slope = self.preprocess.forward(events.x, events.id)
        return np.ascontiguousarray(y.T.clip(-FAR, FAR)), log_slope

    def _given(self, m: Array) -> Floats:
        check_finite(np.asarray(m)[:, None], ("m",))
        return ((np.asarray(m) - self.shift) / self.scale).astype(np.float32)[None]

    def _shares(self, n: int, rng: Rng) -> list[tuple[int, NDArray[np.int64]]]:
        of = rng.integers(self.members, size=n)
        return [(member, np.flatnonzero(of == member)) for member in range(self.members)]

    def _draw(self, m: Array, rng: Rng) -> Floats:
        """Coordinates y (d, n) at masses m (n,)."""
        from lamppost.learn.engine.chunks import in_chunks
        from lamppost.learn.engine.density import draw

        d = len(self.preprocess.names)
        z = rng.standard_normal((d, len(m)), np.float32) if self.base is None else self.base._draw(m, rng)
        y, c = np.empty_like(z), self._given(m)
        for member, rows in self._shares(len(m), rng):
            y[:, rows] = in_chunks(draw, self._member(member), z[:, rows], c[:, rows])[0]
        return y
