"""What hunts exclude of a signal, and whether such limits are right: the figures of docs/limit_benchmarks.md.

    OMP_NUM_THREADS=1 python benchmarks/limits.py {wprime,coverage} TABLES --out OUT
    python benchmarks/limits.py page --out OUT --table docs/limit_benchmarks.md

TABLES is the folder of qcd_0.parquet ... and signal.parquet. `wprime`: `lamppost limits` on 200,000 background events
with the shipped defaults, for cwola and for cathode, the fit to all events and a cut beside them. `coverage`: the whole
procedure in small pseudo-experiments, without signal and with the signal at one, two and three times the quoted limit
(a third as many of the last two). Every run prints its section and writes OUT/NAME.json; a second start goes on where
the first one stopped. Seeds are 0 to n - 1.
"""

import argparse
from pathlib import Path

from limits_parts import page


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in (*page.ORDER, "page")}
    for command in made.values():
        command.add_argument("--out", type=Path, required=True)
    made["page"].add_argument("--table", type=Path, required=True)
    for name in page.ORDER:
        made[name].add_argument("data", type=Path, help="folder of the tables")
        made[name].add_argument("--seed", type=int, default=0, help="the first; development uses 1000 and more")
        made[name].add_argument("--workers", type=int, default=2, help="processes")
        made[name].add_argument("--events", type=int, help="another number of background events")
    made["wprime"].add_argument("--methods", nargs="+", default=["cwola", "cathode"], help="some methods only")
    made["coverage"].add_argument(
        "--experiments", type=int, default=200, help="without signal, and with it at the limit"
    )
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
