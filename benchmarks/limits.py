"""What hunts exclude of a signal, and whether such limits are right: the figures of docs/limit_benchmarks.md.

    OMP_NUM_THREADS=1 python benchmarks/limits.py {wprime,coverage} TABLES --out OUT
    python benchmarks/limits.py page --out OUT --table docs/limit_benchmarks.md

TABLES is the folder of qcd_0.parquet ... and signal.parquet. `wprime`: `lamppost limits` on 200,000 background events
with the shipped defaults, for cwola and for cathode, the fit to all events and a cut beside them. `coverage`: the whole
procedure in small pseudo-experiments, without signal and with the signal at one, two and three times the quoted limit
(a third as many of the last two), and the band once more from 160 sets of pseudo-data. Every run prints its section and
writes OUT/NAME.json; a second start goes on where the first one stopped. Seeds are 0 to n - 1.
"""

from argparse import ArgumentParser
from collections.abc import Mapping

from paged import Paged

HEAD = """# Benchmarks of limits

Made by `python benchmarks/limits.py`, shipped defaults where nothing else is said, seeds 0 to n - 1, fixed beforehand.
How limits are set stands in [](limits.md).
"""
ORDER = ("wprime", "coverage")
PACKAGES = ("lamppost", "numpy", "scipy", "numba", "lightgbm")


def options(commands: Mapping[str, ArgumentParser]) -> None:
    """What a section can be told."""
    for name in ORDER:
        commands[name].add_argument("--workers", type=int, default=2, help="processes")
        commands[name].add_argument("--events", type=int, help="another number of background events")
    commands["wprime"].add_argument("--methods", nargs="+", default=["cwola", "cathode"], help="some methods only")
    commands["coverage"].add_argument(
        "--experiments", type=int, default=200, help="without signal, and with it at the limit"
    )


def main() -> None:
    """Run one subcommand."""
    Paged("limits", ORDER, PACKAGES, HEAD, "TABLES").main(__doc__, options)


if __name__ == "__main__":
    main()
