"""What every method finds, and whether it is what its paper says: the figures of docs/benchmarks.md.

    python benchmarks/methods.py prepare TABLES --more MORE --out OUT
    python benchmarks/methods.py {main,curve,correlated,prongs,features} --out OUT
    python benchmarks/methods.py {null,anode,ranode,reach,hunt} --out OUT
    python benchmarks/methods.py page --out OUT --table docs/benchmarks.md

TABLES is the folder of qcd_0.parquet ..., signal.parquet, signal_3prong.parquet and qcd_alt.parquet; MORE holds tables
made by `lamppost simulate --features wide`: qcd*.parquet, ref*.parquet (underlying event on, softer shower) and
signals.parquet (wprime, then zprime_tt). Every run prints its section and writes OUT/NAME.json; a second start goes on
where the first one stopped. Seeds are 0 to n - 1. Needs `pip install lamppost[benchmark]`.
"""

import argparse
from pathlib import Path

from methods_parts import page, prepare
from methods_parts.comparisons import PLANS

ARGUMENTS = {
    "draws": {"type": int, "help": "another number of draws"},
    "workers": {"type": int, "help": "processes"},
    "quiet": {"action": "store_true"},
    "methods": {"nargs": "+", "help": "some methods only"},
    "strengths": {"type": float, "nargs": "+", "help": "other injections"},
    "sets": {"type": int, "nargs": "+", "choices": (4, 10, 12), "help": "other feature sets"},
    "events": {"type": int, "help": "background events of a hunt"},
    "injected": {"type": int, "nargs": "+", "help": "other numbers of signal events, falling"},
}
ALWAYS = ("draws", "workers", "quiet", "methods")
TAKES = {name: (*ALWAYS, "strengths", *(("sets",) if len(plan.sets) > 1 else ())) for name, plan in PLANS.items()} | {
    **dict.fromkeys(("anode", "ranode"), ("draws", "strengths")),
    "null": (*ALWAYS, "events"),
    "reach": (*ALWAYS, "sets", "injected"),
    "hunt": ("workers", "events"),
}
"""Which options act where."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in ("prepare", *page.ORDER, "page")}
    for command in made.values():
        command.add_argument("--out", type=Path, required=True)
    made["prepare"].add_argument("tables", type=Path, help="folder of the tables of jets")
    made["prepare"].add_argument("--more", type=Path, help="folder of the tables of the preset wide")
    made["page"].add_argument("--table", type=Path, required=True)
    for name in page.ORDER:
        command = made[name]
        command.add_argument("--seed", type=int, default=0, help="of the samples; development uses 1000 and more")
        for option in TAKES[name]:
            command.add_argument(f"--{option}", **ARGUMENTS[option])
    return whole


def main() -> None:
    """Run one subcommand."""
    options = parser().parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "prepare":
        prepare.run(options)
    elif options.command == "page":
        page.write(options.out, options.table)
    else:
        result = page.module(options.command).run(options.command, options)
        page.store(options.command, result, options.out)
        print(page.section(options.command, page.read(options.command, options.out)))


if __name__ == "__main__":
    main()
