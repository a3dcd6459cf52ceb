"""Jobs that a batch system does not take: a word to the user at the start, patience later."""

import asyncio
from typing import Any

__all__ = ["Submissions"]

_AGAIN_S = 60.0


class Submissions:
    """Whether a batch system has taken a job, and what it said if it has taken none."""

    def __init__(self) -> None:
        self.taken, self.refused = 0, ""

    def told_by(self, kind: Any) -> Any:
        """A class of jobs like one of dask-jobqueue, whose clusters never ask again for a job that was refused."""
        submissions = self

        class Told(kind):  # type: ignore[misc]
            async def start(self) -> None:
                while True:
                    try:
                        await super().start()
                    except (RuntimeError, OSError, ValueError) as error:
                        if not submissions.taken:
                            submissions.refused = " ".join(str(error).rpartition("stderr:")[2].split())
                            raise
                        await asyncio.sleep(_AGAIN_S)
                    else:
                        submissions.taken += 1
                        return

        return Told
