"""What can go wrong, by who has to mend it.

Every message is one line that names the file, column, window or parameter at fault, what was expected and what was
found. The command line prints it and leaves with exit code 2.
"""

from importlib import import_module
from signal import SIGINT, getsignal, signal
from types import ModuleType

__all__ = ["ConfigError", "DataError", "FitError", "LamppostError", "optional"]


class LamppostError(Exception):
    """Base of all errors that the user can act on."""


class ConfigError(LamppostError):
    """The configuration asks for something that does not exist or makes no sense."""


class DataError(LamppostError):
    """The input files do not hold what the configuration says they hold."""


class FitError(LamppostError):
    """A spectrum cannot be fitted as asked."""


def optional(module: str, extra: str) -> ModuleType:
    """Import a library that comes with an extra of this package.

    Raises
    ------
    LamppostError
        If it is not installed, with the command that installs it.
    """
    handler = getsignal(SIGINT)
    try:
        return import_module(module)
    except ImportError:
        msg = f"this needs {module}: pip install 'lamppost[{extra}]'"
        raise LamppostError(msg) from None
    finally:
        if getsignal(SIGINT) is not handler and handler is not None:
            signal(SIGINT, handler)  # dask_jobqueue takes Ctrl-C for itself when it is imported
