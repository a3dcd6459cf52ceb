"""What a run would cost, from measured samples of its tasks."""

from lamppost.run.estimate.estimate import estimate
from lamppost.run.estimate.sampling import DRY_RUN
from lamppost.run.estimate.words import lines

__all__ = ["DRY_RUN", "estimate", "lines"]
