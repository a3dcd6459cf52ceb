"""Whether the statistics are fast and right: the figures of docs/stats_benchmarks.md.

    OMP_NUM_THREADS=1 python benchmarks/stats.py {speed,agreement,calibration,pulls,spectra,injected} DATA --out OUT
    python benchmarks/stats.py page --out OUT --table docs/stats_benchmarks.md

DATA is a folder with `spectra` (reference_case.csv and six published ones) and, for `injected`, `cms_dijet_spectra`.
Every run prints its section and writes OUT/NAME.json; a second start goes on where the first one stopped. Seeds are 0
to n - 1. Needs `pip install lamppost[stats,report]`, and pyBumpHunter for `speed`.
"""

import argparse
from pathlib import Path

from stats_parts import page


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in (*page.ORDER, "page")}
    for command in made.values():
        command.add_argument("--out", type=Path, required=True)
    made["page"].add_argument("--table", type=Path, required=True)
    for name in page.ORDER:
        made[name].add_argument("data", type=Path, help="folder of the spectra")
        made[name].add_argument("--seed", type=int, default=0, help="the first; development uses 1000 and more")
        made[name].add_argument("--toys", type=int, help="another number of toys")
    made["injected"].add_argument("--draws", type=int, help="another number of draws")
    return whole


def main() -> None:
    """Run one subcommand."""
    options = parser().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "page":
        page.write(options.out, options.table)
    else:
        page.store(options.command, page.module(options.command).run(options), options)
        print(page.section(options.command, page.read(options.command, options.out)))


if __name__ == "__main__":
    main()
