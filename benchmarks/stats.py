"""Whether the statistics are fast and right: the figures of docs/stats_benchmarks.md.

    OMP_NUM_THREADS=1 python benchmarks/stats.py {speed,agreement,calibration,pulls,spectra,injected} DATA --out OUT
    python benchmarks/stats.py page --out OUT --table docs/stats_benchmarks.md

DATA is a folder with `spectra` (reference_case.csv and six published ones) and, for `injected`, `cms_dijet_spectra`.
Every run prints its section and writes OUT/NAME.json; a second start goes on where the first one stopped. Seeds are 0
to n - 1. Needs `pip install lamppost[stats,report]`, and pyBumpHunter for `speed`.
"""

from argparse import ArgumentParser
from collections.abc import Mapping

from paged import Paged

HEAD = """# Benchmarks of the statistics

Made by `python benchmarks/stats.py`, shipped defaults where nothing else is said, seeds 0 to n - 1, fixed beforehand;
one process, one thread, CPU seconds. What is measured is `lamppost.stats` alone: spectra go in, fits, p-values and
limits come out (see [A histogram and nothing else](spectra.md)).

- The **reference case** is a dijet spectrum of 43 bins and 65,581 events, 160 of them a peak injected at 3 TeV.
- A **full toy** is a pseudo-experiment with a background fit and the fits of 41 signals, 1.8 to 5.8 TeV.
- **Local p** is the probability of a larger excess at one mass, **global p** that of one anywhere in the scan, found by
  repeating on toys whatever was done to the data. **Order** is the number of parameters of the background.
- A **pull** is the fitted less the injected signal in units of its error: of mean 0 and width 1 if both are right.
- The **spurious signal** is what the fit finds in the smooth expectation of another family; as a nuisance parameter it
  is a false yield of unknown sign and of that standard deviation.
"""
ORDER = ("speed", "agreement", "calibration", "pulls", "spectra", "injected")
PACKAGES = ("lamppost", "numpy", "scipy", "numba", "iminuit", "pyBumpHunter")


def options(commands: Mapping[str, ArgumentParser]) -> None:
    """What a section can be told."""
    for name in ORDER:
        commands[name].add_argument("--toys", type=int, help="another number of toys")
    commands["injected"].add_argument("--draws", type=int, help="another number of draws")


def main() -> None:
    """Run one subcommand."""
    Paged("stats", ORDER, PACKAGES, HEAD, "DATA").main(__doc__, options)


if __name__ == "__main__":
    main()
