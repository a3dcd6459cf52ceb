"""The command line. Nothing heavy is imported before a verb runs: `lamppost --help` takes no time."""

import argparse
import sys
from collections.abc import Sequence

from lamppost import __version__
from lamppost.cli import calibration, campaigns, comparison, exclusion, hunts, particles, spectra
from lamppost.errors import LamppostError

__all__ = ["main", "parser"]


def parser() -> argparse.ArgumentParser:
    """All verbs and their options."""
    top = argparse.ArgumentParser(
        prog="lamppost",
        description="Model-agnostic searches for new physics: from events to a global p-value.",
        epilog="Start with: lamppost init hunt.toml; lamppost hunt hunt.toml --out run",
    )
    top.add_argument("--version", action="version", version=f"lamppost {__version__}")
    verbs = top.add_subparsers(title="verbs", metavar="VERB", required=True)
    for module in (hunts, calibration, exclusion, comparison, spectra, particles, campaigns):
        module.add_verbs(verbs)
    return top


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a verb. Returns 0 done, 2 bad input or configuration, 1 anything else."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except LamppostError as error:
        sys.stderr.write(f"lamppost: {_one_line(error)}\n")
        return 2
    except KeyboardInterrupt:
        sys.stderr.write("lamppost: interrupted; start the same command again to go on where it stopped\n")
        return 1
    except BrokenPipeError:  # the reader of our output went away
        return 1
    except Exception as error:
        import traceback

        traceback.print_exc()
        sys.stderr.write(f"lamppost: unexpected {type(error).__name__}: {_one_line(error)[:500]}\n")
        return 1
    return 0
