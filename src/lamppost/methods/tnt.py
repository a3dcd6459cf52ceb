"""`tnt`: two objects in an event that label each other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Events, Method, Outlier, Ratio, Rng, Score, View
from lamppost.errors import ConfigError, DataError
from lamppost.methods.nested import nest, unnest
from lamppost.storage import fitted

__all__ = ["Tnt", "TntScore"]

Groups = Mapping[str, tuple[str, ...]]


class Tnt(Method):
    """Tag N' Train (arXiv:2002.12376): one object of an event tags, a classifier of the other is trained.

    Of the events that the tagger of object 1 likes best those in the region are the signal-like sample, those that it
    likes least the background-like one; a classifier tells them apart by object 2 alone. Then the roles are swapped. An
    autoencoder is the first tagger, the classifiers are those of every further round. The score is the sum of both log
    ratios: the features of the objects count as independent given signal or background.

    Assumes that a signal has two anomalous objects, and that in background they know nothing of each other, neither
    directly nor by m. Fails where they do: the classifier of one learns what the tagger of the other liked, in
    background; and where the first tagger does not see the signal, there is nothing to start from.
    """

    kind: Literal["tnt"] = "tnt"
    tagger: Annotated[SerializeAsAny[Outlier], BeforeValidator(Outlier.parse)] = Field(
        default_factory=lambda: Outlier.parse("vae"), description="what tags in the first round"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what is trained, and tags from then on"
    )
    signal_like: float = Field(0.2, gt=0, lt=1, description="part of the events, highest by the tag, in that sample")
    background_like: float = Field(0.4, gt=0, lt=1, description="part of the events, lowest by the tag, in that sample")
    rounds: int = Field(2, ge=1, description="trainings of both classifiers")

    @property
    def decorrelate(self) -> bool:
        """Sidebands are in one of the samples only."""
        return True

    def fit(self, view: View, rng: Rng) -> Score:
        """Both classifiers; ConfigError unless the features are in two groups, one per object."""
        groups = view.sr.groups
        if len(groups) != 2:
            msg = "method 'tnt' needs two groups of features, one per object ([data.groups]), "
            raise ConfigError(msg + f"found {len(groups)}: {', '.join(groups) or 'none'}")
        one, two = sorted(groups)
        everything = Events.concatenate([view.sr, view.sb])
        inside = np.arange(len(everything)) < len(view.sr)
        seen = {name: _object(everything, groups[name]) for name in (one, two)}
        tags: dict[str, Score] = {name: self.tagger.fit(events, rng) for name, events in seen.items()}
        for _ in range(self.rounds):
            by = {name: tags[name](events) for name, events in seen.items()}
            tags = {name: self._train(seen[name], by[other], inside, rng) for name, other in ((one, two), (two, one))}
        return TntScore(tags, {name: groups[name] for name in (one, two)})

    def _train(self, seen: Events, tag: Array, inside: NDArray[np.bool_], rng: Rng) -> Score:
        """The ratio of what the other object's tag (n,) calls signal-like, in the region, to background-like."""
        order = np.argsort(tag, kind="stable")
        level = np.empty(len(tag))
        level[order] = np.cumsum(seen.w[order]) - 0.5 * seen.w[order]
        level /= seen.w.sum()
        high, low = level > 1 - self.signal_like, level < self.background_like
        return self.ratio.fit(seen[high & inside], seen[low], given_m=False, rng=rng)


def _object(events: Events, columns: tuple[str, ...]) -> Events:
    return replace(events.select(columns), groups={}, blocks={})


@fitted("tnt")
@dataclass(frozen=True, eq=False)
class TntScore:
    """Fitted: the log ratio of either object, and its features."""

    parts: Mapping[str, Score]
    groups: Groups

    def __call__(self, events: Events) -> Array:
        """Sum (n,) of the log ratios of both objects."""
        total = np.zeros(len(events))
        for name, score in self.parts.items():
            total += score(_object(events, self.groups[name]))
        return total

    def to_bytes(self) -> bytes:
        """A safetensors file with both parts in it."""
        return nest("tnt", {"groups": {name: list(columns) for name, columns in self.groups.items()}}, self.parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "TntScore":
        """Read back what `to_bytes` wrote; DataError if damaged or newer."""
        about, parts, _ = unnest(data, "tnt")
        try:
            groups = {name: tuple(columns) for name, columns in sorted(about["groups"].items())}
            return cls({name: parts[name] for name in groups}, groups)
        except (KeyError, TypeError, AttributeError) as error:
            msg = f"tnt: damaged content ({error})"
            raise DataError(msg) from None
