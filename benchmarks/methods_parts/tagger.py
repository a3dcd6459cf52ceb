"""`tagger`: what `tnt` starts from, to see what it gains."""

from dataclasses import replace
from typing import ClassVar, Literal

from lamppost.core import Events, Method, Rng, Score, View
from lamppost.methods.tnt import Tnt, TntScore

__all__ = ["Tagger"]


class Tagger(Method):
    """The sum of the scores of both autoencoders that Tag N' Train tags with in its first round."""

    kind: Literal["tagger"] = "tagger"
    decorrelate: ClassVar[bool] = True

    def fit(self, view: View, rng: Rng) -> Score:
        """An autoencoder for either object."""
        everything = Events.concatenate([view.sr, view.sb])
        groups = {name: everything.groups[name] for name in sorted(everything.groups)}
        objects = {name: replace(everything.select(columns), groups={}) for name, columns in groups.items()}
        return TntScore({name: Tnt().tagger.fit(seen, rng) for name, seen in objects.items()}, groups)
