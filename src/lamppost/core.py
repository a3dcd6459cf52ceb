"""The nouns of a search: what every other part of lamppost speaks in. Only numpy here.

Every search compares data with an expectation of the known physics, ranks events by the likelihood ratio
R(x) = p_data(x) / p_background(x), and turns the ranking into a statement about one variable m in which the
background is smooth. Methods differ in where the expectation comes from (`Template`, `Density`) and in how R is
obtained from it (`Ratio`).
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from lamppost.errors import DataError
from lamppost.spec import Role

__all__ = [
    "Array",
    "Bijection",
    "Collisions",
    "Composite",
    "Conditional",
    "Density",
    "Events",
    "Method",
    "Objects",
    "Outlier",
    "Ratio",
    "Rng",
    "Score",
    "Template",
    "View",
    "Window",
    "splitmix64",
    "uniform_of",
]

Array = NDArray[np.float64]
Rng = np.random.Generator


def splitmix64(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea, Flood 2014): a bijection of 64 bits without visible structure."""
    z = values + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: NDArray[np.uint64] = z ^ (z >> np.uint64(31))
    return mixed


def uniform_of(ids: NDArray[np.uint64], key: int) -> Array:
    """A number in [0, 1) per event (n,) that only its id and `key` decide: jitter, ties, the random-score control."""
    mixed = splitmix64(splitmix64(ids) ^ np.uint64(key % 2**64))
    uniform: Array = (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53
    return uniform


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True)
class Objects:
    """One collection of objects (particles, jets, muons), jagged by event.

    counts (n,) int64: how many each event has; `fields` {name: (counts.sum(),)}, event after event. Units GeV and rad;
    `pt`, `eta`, `phi` are always there where a four-vector is, `mass` (0 if absent), `charge` and others where known.
    """

    counts: NDArray[np.int64]
    fields: Mapping[str, NDArray[Any]]

    def __post_init__(self) -> None:
        total = int(self.counts.sum())
        for name, values in self.fields.items():
            if values.shape != (total,):
                msg = f"objects: field {name!r} {values.shape} does not match {total} objects of {len(self)} events"
                raise DataError(msg)

    def __len__(self) -> int:
        return len(self.counts)

    @property
    def offsets(self) -> NDArray[np.int64]:
        """Where each event's objects start, and where the last one's end: (n + 1,)."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    @property
    def event(self) -> NDArray[np.int64]:
        """The event of each object, (counts.sum(),)."""
        return np.repeat(np.arange(len(self), dtype=np.int64), self.counts)

    def __getitem__(self, rows: Any) -> Self:
        """The objects of the events of a slice, an index array or a boolean mask."""
        counts, starts = self.counts[rows], self.offsets[:-1][rows]
        ends = np.cumsum(counts)
        places = np.arange(int(counts.sum())) + np.repeat(starts - (ends - counts), counts)
        return replace(self, counts=counts, fields={name: values[places] for name, values in self.fields.items()})

    def keep(self, mask: NDArray[np.bool_]) -> Self:
        """The objects that a mask (counts.sum(),) keeps, of the same events."""
        counts = np.bincount(self.event[mask], minlength=len(self)).astype(np.int64)
        return replace(self, counts=counts, fields={name: values[mask] for name, values in self.fields.items()})

    def ordered(self, by: NDArray[Any]) -> Self:
        """The same objects, in each event by falling `by` (counts.sum(),); ties keep their order."""
        order = np.lexsort((-by, self.event))
        return replace(self, fields={name: values[order] for name, values in self.fields.items()})


@dataclass(frozen=True)
class Collisions:
    """n collision events as a file holds them, before features are made of them.

    row (n,) int64: the row of each in its file; `scalars` {name: (n,)}, one value per event (label, run, missing
    transverse momentum); `objects` {collection: Objects}.
    """

    row: NDArray[np.int64]
    scalars: Mapping[str, NDArray[Any]]
    objects: Mapping[str, Objects]

    def __post_init__(self) -> None:
        sizes = {name: len(values) for name, values in self.scalars.items()}
        sizes |= {name: len(objects) for name, objects in self.objects.items()}
        for name, size in sizes.items():
            if size != len(self.row):
                msg = f"collisions: {name!r} has {size} events, expected {len(self.row)}"
                raise DataError(msg)

    def __len__(self) -> int:
        return len(self.row)

    def __getitem__(self, rows: Any) -> Self:
        """The events of a slice, an index array or a boolean mask."""
        scalars = {name: values[rows] for name, values in self.scalars.items()}
        return replace(
            self, row=self.row[rows], scalars=scalars, objects={k: objects[rows] for k, objects in self.objects.items()}
        )


@dataclass(frozen=True)
class Events:
    """Immutable weighted events.

    id (n,) uint64, x (n, d) float32 named by `names`, m (n,) float64, w (n,) float64; `groups` names sets of columns
    (one per object), `blocks` holds padded per-particle arrays {name: ((n, particles, k), mask (n, particles))}.
    """

    id: NDArray[np.uint64]
    x: NDArray[np.float32]
    m: Array
    w: Array
    names: tuple[str, ...]
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    blocks: Mapping[str, tuple[NDArray[np.float32], NDArray[np.bool_]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        n = len(self.m)
        if self.x.shape != (n, len(self.names)) or len(self.id) != n or len(self.w) != n:
            msg = (
                f"events: x {self.x.shape}, id {self.id.shape}, w {self.w.shape} and m ({n},) do not match {self.names}"
            )
            raise DataError(msg)
        for block, (values, mask) in self.blocks.items():
            if values.ndim != 3 or values.shape[:2] != mask.shape or len(mask) != n:
                msg = f"events: block {block!r} {values.shape} with mask {mask.shape} does not fit {n} events"
                raise DataError(msg)
        for name in ("id", "x", "m", "w"):
            object.__setattr__(self, name, _frozen(getattr(self, name)))
        blocks = {name: (_frozen(values), _frozen(mask)) for name, (values, mask) in self.blocks.items()}
        object.__setattr__(self, "blocks", blocks)

    def __len__(self) -> int:
        return len(self.m)

    def __getitem__(self, rows: Any) -> Self:
        """The events of a slice, an index array or a boolean mask."""
        blocks = {name: (values[rows], mask[rows]) for name, (values, mask) in self.blocks.items()}
        return replace(self, id=self.id[rows], x=self.x[rows], m=self.m[rows], w=self.w[rows], blocks=blocks)

    def select(self, columns: Sequence[str]) -> Self:
        """The same events with these features only, in this order."""
        missing = [name for name in columns if name not in self.names]
        if missing:
            msg = f"events: no feature {missing[0]!r}, known are {', '.join(self.names)}"
            raise DataError(msg)
        groups = {g: kept for g, members in self.groups.items() if (kept := tuple(c for c in members if c in columns))}
        return replace(self, x=self.x[:, [self.names.index(c) for c in columns]], names=tuple(columns), groups=groups)

    def with_x(self, x: NDArray[np.float32]) -> Self:
        """The same events with other feature values of the same names."""
        return replace(self, x=x)

    @staticmethod
    def concatenate(parts: Sequence["Events"]) -> "Events":
        """All events of `parts`, which must share names and groups."""
        first = parts[0]
        if any(part.names != first.names or part.blocks.keys() != first.blocks.keys() for part in parts):
            msg = f"events: cannot join features {[part.names for part in parts]}"
            raise DataError(msg)
        blocks = {
            name: (
                np.concatenate([part.blocks[name][0] for part in parts]),
                np.concatenate([part.blocks[name][1] for part in parts]),
            )
            for name in first.blocks
        }
        ids, x, m, w = (np.concatenate([getattr(part, name) for part in parts]) for name in ("id", "x", "m", "w"))
        return replace(first, id=ids, x=x, m=m, w=w, blocks=blocks)


@dataclass(frozen=True, order=True)
class Window:
    """Signal region [lo, hi) and the reach of its sidebands on either side, in the units of m."""

    lo: float
    hi: float
    reach: float

    def inside(self, m: Array) -> NDArray[np.bool_]:
        """Which masses are in the signal region."""
        return (m >= self.lo) & (m < self.hi)

    def beside(self, m: Array) -> NDArray[np.bool_]:
        """Which masses are in the sidebands."""
        return (m >= self.lo - self.reach) & (m < self.hi + self.reach) & ~self.inside(m)

    def __str__(self) -> str:
        return f"[{self.lo:g}, {self.hi:g})"


@dataclass(frozen=True)
class View:
    """What a method may see of a window: never truth labels.

    `reference` (the true background, or a labelled sample) is filled by `compare` alone; in a hunt it is None.
    `sample_m(n, rng)` draws n masses in the signal region from a smooth model of the sidebands.
    """

    sr: Events
    sb: Events
    window: Window
    sim: Events | None = None
    signals: Mapping[str, Events] = field(default_factory=dict)
    sample_m: Callable[[int, Rng], Array] | None = None
    reference: Events | None = None


class Score(Protocol):
    """Fitted: events -> (n,) float64, larger = more anomalous, ideally log R(x)."""

    def __call__(self, events: Events) -> Array: ...

    def to_bytes(self) -> bytes:
        """All there is to it; `from_bytes` of the class reads it back, `lamppost.load` finds the class."""
        ...


class Ratio(Role):
    """Learns log p(x)/q(x) from two weighted samples."""

    @abstractmethod
    def fit(self, p: Events, q: Events, *, given_m: bool, rng: Rng) -> Score:
        """The fitted ratio; each sample is scaled to unit weight. With `given_m`, m is an input as well."""

    def fit_many(self, jobs: Sequence[tuple[Events, Events]], *, given_m: bool, rngs: Sequence[Rng]) -> list[Score]:
        """Fit several pairs of samples; engines that train in a batch do all of them at once."""
        return [self.fit(p, q, given_m=given_m, rng=rng) for (p, q), rng in zip(jobs, rngs, strict=True)]


class Conditional(Protocol):
    """Fitted density of x given m."""

    def log_prob(self, events: Events) -> Array: ...

    def sample(self, m: Array, rng: Rng) -> NDArray[np.float32]: ...


@runtime_checkable
class Bijection(Conditional, Protocol):
    """Fitted density of `members` flows, each of which maps events to its base and back."""

    @property
    def members(self) -> int: ...

    def encode(self, events: Events, member: int = 0) -> NDArray[np.float32]: ...

    def decode(self, z: NDArray[np.float32], m: Array, member: int = 0) -> NDArray[np.float32]: ...


class Density(Role):
    """Learns p(x | m) from one weighted sample."""

    @abstractmethod
    def fit(
        self,
        events: Events,
        rng: Rng,
        *,
        base: Conditional | None = None,
        log_background: Array | None = None,
        fraction: float | Literal["learn"] = 1.0,
        joint: bool = False,
    ) -> Conditional:
        """The fitted density; `base` replaces the unit normal, `log_background` maximises w p + (1 - w) p_B."""


class Outlier(Role):
    """Learns what is usual from one weighted sample."""

    @abstractmethod
    def fit(self, events: Events, rng: Rng) -> Score:
        """The fitted score: larger = less like `events`; only the proportions of the weights matter."""


class Template(Role):
    """The background expectation inside the signal region."""

    decorrelate: ClassVar[bool] = False
    """Whether features must be decorrelated from m before this template means anything."""

    @abstractmethod
    def make(self, view: View, rng: Rng) -> Events:
        """Weighted events that stand for the background of `view.sr`."""


class Method(Role):
    """An anomaly method: a recipe over ratios, densities and templates."""

    kind: str
    needs_truth: ClassVar[bool] = False
    """Only `compare` may run a method that sees the truth."""

    @property
    def decorrelate(self) -> bool:
        """Whether a hunt decorrelates features from m for this method unless told otherwise."""
        return False

    @abstractmethod
    def fit(self, view: View, rng: Rng) -> Score:
        """The fitted score of one window."""


class Composite(Method):
    """A method made of others on the same view: whoever runs several fits each of them once."""

    @property
    @abstractmethod
    def members(self) -> "tuple[Method, ...]":
        """The methods whose fitted scores it takes; none if it has to fit them to a view of its own."""

    @abstractmethod
    def combine(self, scores: Sequence[Score], view: View, rng: Rng) -> Score:
        """The fitted score, from those of the members on this view, in their order."""

    def fit(self, view: View, rng: Rng) -> Score:
        """All members, then their combination."""
        return self.combine([member.fit(view, rng) for member in self.members], view, rng)
