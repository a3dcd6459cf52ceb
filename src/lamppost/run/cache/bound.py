"""A bound on the size of a cache, held at the start of a run and while it goes on."""

import time
from dataclasses import dataclass

from lamppost.errors import LamppostError
from lamppost.run.cache.cache import Cache
from lamppost.run.cache.collect import collect
from lamppost.run.cache.contents import items, unfinished
from lamppost.run.quantities import size

__all__ = ["Bound"]

_ROOM = 0.9
"""What is collected leaves this part of the bound, so that the folder is not read again for every artefact."""
_LOOK = 60.0
"""Seconds after which the folder is read again: other runs write into it too."""


@dataclass
class Bound:
    """At most `most` bytes in a cache, what is being made included; None: no bound."""

    cache: Cache
    most: int | None
    _total: int = 0
    _looked: float = 0.0

    def check(self) -> None:
        """If there is more than the bound, remove what was used longest ago of what no run that goes on needs.

        Raises
        ------
        LamppostError
            If what runs that go on need is more than the bound.
        """
        if self.most is None:
            return
        self.cache.store.remove_parts()  # the dead may leave much, and do not come back for it
        making = unfinished(self.cache)
        self._looked, self._total = time.monotonic(), making + sum(item.size for item in items(self.cache))
        if self._total <= self.most:
            return
        found = collect(self.cache, max_size=max(int(_ROOM * self.most) - making, 0))
        self._total = found.left + making
        if self._total > self.most:
            msg = (
                f"{self.cache.root}: runs that go on need {size(self._total)} of artefacts, more than the bound of "
                f"{size(self.most)}; what is finished is kept, start again with a larger one to go on"
            )
            raise LamppostError(msg)

    def added(self, key: str) -> None:
        """Count an artefact that was made; as `check` if the bound is exceeded, or it is time to look again."""
        if self.most is None:
            return
        try:
            self._total += self.cache.store.path(key).stat().st_size
        except OSError:
            return
        if self._total > self.most or time.monotonic() - self._looked > _LOOK:
            self.check()
