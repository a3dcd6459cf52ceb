"""Speed and quality of the learning engines, next to scikit-learn, XGBoost, LightGBM and zuko.

    python benchmarks/learn.py ratio DATA --out runs/learn [--real] [--noise 10] [--draws 20]
    python benchmarks/learn.py {closure,judge,density,members,autoencoder} DATA --out runs/learn
    python benchmarks/learn.py page --out runs/learn --table docs/engine_benchmarks.md

DATA is the folder of lhco_like/ and lhco_signal_region/. Needs `pip install lamppost[benchmark]`. Every engine is
measured in a process of its own with one thread; every finished measurement is kept in --out, and a second start goes
on where the first one stopped. Seeds are 0 to draws - 1. --events makes samples smaller, for a first look.
"""

import argparse
from importlib import import_module
from pathlib import Path

from learn_parts import tables

SECTIONS = (
    "ratio-like", "ratio-like-noise10", "ratio-real", "ratio-real-noise10",
    "closure", "judge", "density", "members", "autoencoder",
)  # fmt: skip
DRAWS = {"ratio": 20, "closure": 1, "judge": 1, "density": 1, "members": 3, "autoencoder": 1}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    made = {name: commands.add_parser(name) for name in DRAWS}
    for name, command in made.items():
        command.add_argument("data", help="folder of the tables")
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--draws", type=int, default=DRAWS[name])
        command.add_argument("--seeds", type=int, nargs="+", help="instead of 0 to draws - 1")
        command.add_argument("--events", type=int, help="smaller samples")
    made["ratio"].add_argument("--noise", type=int, default=0, help="features of pure noise to add")
    made["ratio"].add_argument("--real", action="store_true", help="the LHC Olympics signal region")
    made["density"].add_argument("--budget", type=float, default=120.0, help="CPU seconds of zuko's training")
    page = commands.add_parser("page")
    page.add_argument("--out", type=Path, required=True)
    page.add_argument("--table", type=Path, required=True)
    return whole


def main() -> None:
    """Run one subcommand."""
    options = parser().parse_args()
    if options.command == "page":
        tables.page(SECTIONS, options.out, options.table)
        return
    options.seeds = options.seeds or list(range(options.draws))
    import_module(f"learn_parts.{options.command}").main(options)


if __name__ == "__main__":
    main()
