"""What a run remembers of itself (log.jsonl), and what is seen of it: on a terminal, on a page, from elsewhere."""

from lamppost.run.progress.log import spent
from lamppost.run.progress.progress import Progress

__all__ = ["Progress", "spent"]
