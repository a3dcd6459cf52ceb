"""Errors of tasks that use the events of closed windows: told without the numbers in them."""

import re
from typing import Any

from lamppost.errors import ConfigError, DataError, FitError, LamppostError
from lamppost.run.artefacts import Store
from lamppost.run.worker import TaskFunction

__all__ = ["hushed"]

# not those in the names of columns, but those of shapes such as 512x3
_NUMBER = re.compile(r"(?:(?<![A-Za-z_\d])|(?<=\dx))\d+(?:[.,_]\d+)*(?:[eE][-+]?\d+)?")


def hushed(store: Store, key: str, *, function: TaskFunction, **arguments: Any) -> None:
    """Do it; of what goes wrong tell no number: they may be how many events there are, their weights, their masses."""
    try:
        function(store, key, **arguments)
    except LamppostError as error:
        if not isinstance(error, ConfigError | DataError | FitError):  # of the machine, not of the events
            raise
        raise type(error)(_told(error)) from None
    except Exception as error:  # libraries tell shapes and values; where it was in the code is kept
        raise RuntimeError(f"{type(error).__name__}: {_told(error)}").with_traceback(error.__traceback__) from None


def _told(error: Exception) -> str:
    return f"{_NUMBER.sub('N', str(error))} (the windows are closed: numbers are not told)"
