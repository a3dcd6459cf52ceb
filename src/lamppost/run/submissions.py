"""Jobs that a batch system does not take: a word to the user at the start, patience later."""

import asyncio
from contextlib import suppress
from typing import Any

from distributed.core import Status

__all__ = ["Submissions"]

_AGAIN_S = 60.0


class Submissions:
    """What a batch system said that has refused jobs, as long as it has taken none."""

    def __init__(self) -> None:
        self._taken, self._said = False, ""

    @property
    def refused(self) -> str:
        """Nothing if all is well."""
        return "" if self._taken else self._said

    def told_by(self, kind: Any) -> Any:
        """A class of jobs like one of dask-jobqueue, whose clusters never ask again for a job that was refused.

        One that is refused counts as started and asks by itself: a cluster waits for all that it starts before it
        starts others, or closes.
        """
        submissions = self

        class Told(kind):  # type: ignore[misc]
            def __init__(self, *arguments: Any, **more: Any) -> None:
                super().__init__(*arguments, **more)
                self._asking: asyncio.Task[None] | None = None
                self._over = asyncio.Event()

            async def start(self) -> None:
                if not await self._taken():
                    self._asking = asyncio.create_task(self._ask_again())
                    self.status = Status.running

            async def _taken(self) -> bool:
                try:
                    await super().start()
                except (RuntimeError, OSError, ValueError) as error:
                    said = str(error).rpartition("stderr:")[2].split() or str(error).split()
                    submissions._said = " ".join(said) or type(error).__name__
                    return False
                submissions._taken = True
                return True

            async def _ask_again(self) -> None:
                while not self._over.is_set():
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._over.wait(), _AGAIN_S)
                        return
                    if await self._taken():
                        return

            async def close(self) -> None:
                self._over.set()
                if self._asking is not None:  # a job that is just taken is to be cancelled by its number
                    await self._asking
                await super().close()

        return Told
