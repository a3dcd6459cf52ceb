"""`tnt`: two objects in an event that label each other."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, SerializeAsAny

from lamppost.core import Array, Events, Method, Outlier, Ratio, Rng, Score, Template, View
from lamppost.errors import ConfigError, DataError
from lamppost.methods.nested import nest, unnest
from lamppost.storage import fitted

__all__ = ["Tnt", "TntScore"]

Groups = Mapping[str, tuple[str, ...]]
Mask = NDArray[np.bool_]


class Tnt(Method):
    """Tag N' Train (arXiv:2002.12376): one object of an event tags, a classifier of the other is trained.

    Of the events that the tagger of object 1 likes best, a classifier tells those in the region from those beside it,
    by object 2 alone. Then the roles are swapped. An autoencoder is the first tagger, the classifiers are those of
    every further round: the better they are, the more signal is in what they train each other with. The score is the
    sum of both log ratios: the features of the objects count as independent given signal or background. Features that
    belong to neither object take no part.

    The paper takes what the tagger likes least for background, and mends by weights in pT that such events are others:
    objects of one event know of each other. Sidebands with the same tag have all of that in them from the start.

    Assumes that a signal has two anomalous objects, and that in background the features of tagged events do not depend
    on m: decorrelation is on unless told otherwise. Fails where they do, as `cwola` does, and where the first tagger
    rejects the signal more than the background by so much that no classifier finds what is left of it.
    """

    kind: Literal["tnt"] = "tnt"
    tagger: Annotated[SerializeAsAny[Outlier], BeforeValidator(Outlier.parse)] = Field(
        default_factory=lambda: Outlier.parse("vae"), description="what tags in the first round"
    )
    ratio: Annotated[SerializeAsAny[Ratio], BeforeValidator(Ratio.parse)] = Field(
        default_factory=lambda: Ratio.parse("boosted"), description="what is trained, and tags from then on"
    )
    tagged: float = Field(0.4, gt=0, lt=1, description="part of the events, highest by the tag, that are trained with")
    rounds: int = Field(5, ge=1, description="trainings of both classifiers")

    @property
    def decorrelate(self) -> bool:
        """As the sidebands need it."""
        return True

    def fit(self, view: View, rng: Rng) -> Score:
        """Both classifiers; ConfigError unless the features are in two groups, one per object."""
        groups = view.sr.groups
        if len(groups) != 2:
            msg = "method 'tnt' needs two groups of features, one per object ([data.groups]), "
            raise ConfigError(msg + f"found {len(groups)}: {', '.join(groups) or 'none'}")
        one, two = sorted(groups)
        seen = {name: _view(view, groups[name]) for name in (one, two)}
        tags: dict[str, Score] = {
            name: self.tagger.fit(Events.concatenate([part.sr, part.sb]), rng) for name, part in seen.items()
        }
        for _ in range(self.rounds):
            kept = {name: self._tagged(part, tags[name]) for name, part in seen.items()}
            tags = {name: self._train(seen[name], *kept[other], rng) for name, other in ((one, two), (two, one))}
        return TntScore(tags, {name: groups[name] for name in (one, two)})

    def _tagged(self, seen: View, tag: Score) -> tuple[Mask, Mask]:
        """Which events of the region, and which beside it, are among the highest by their tag."""
        scores, w = tag(Events.concatenate([seen.sr, seen.sb])), np.concatenate([seen.sr.w, seen.sb.w])
        order = np.argsort(-scores, kind="stable")
        last = np.searchsorted(np.cumsum(w[order]), self.tagged * w.sum())
        # equal tags whole: a cut among them would favour what comes first, the region
        kept = scores >= scores[order[min(last, len(order) - 1)]]
        return kept[: len(seen.sr)], kept[len(seen.sr) :]

    def _train(self, seen: View, region: Mask, beside: Mask, rng: Rng) -> Score:
        """The ratio of tagged events in the region to those beside it."""
        tagged = replace(seen, sr=seen.sr[region], sb=seen.sb[beside])
        return self.ratio.fit(tagged.sr, Template.parse("sidebands").make(tagged, rng), given_m=False, rng=rng)


def _view(view: View, columns: tuple[str, ...]) -> View:
    return View(_object(view.sr, columns), _object(view.sb, columns), view.window)


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
