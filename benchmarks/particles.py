"""Speed and truth of what stands before a search: features of raw events, simulated events, next to the real ones.

    python benchmarks/particles.py {rate,large,simulate,agreement,official,own} DATA --out runs/particles
    python benchmarks/particles.py page --out runs/particles --table docs/particle_benchmarks.md

DATA is the folder of lhco_like/, lhco_tiny/ and lhco_signal_region/. Needs `pip install lamppost[all,simulate]`. Every
run is the command line of a user in processes of its own; CPU seconds hold all of them, start and imports included.
Seeds are 0 to n - 1.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from learn_parts import tables

SECTIONS = ("rate", "large", "simulate", "agreement", "official", "own")
HEAD = """# Benchmarks of features and simulation

Made by `python benchmarks/particles.py`, shipped defaults, seeds fixed beforehand. Rates are events per second of
processor time of all processes together, reading, start and imports included.
"""
PRESETS = ("lhco4", "lhco10", "lhco12", "wide", "lhco56")
REAL = ("mjj", "mj1", "dm", "tau21_j1", "tau21_j2")
REGION = (3300.0, 3700.0)


def lamppost(*arguments: object) -> dict[str, Any]:
    """What `lamppost ... --json` prints."""
    command = [sys.executable, "-m", "lamppost", *map(str, arguments), "--json", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def repeated(source: Path, target: Path, *, rows: int | None = None, size: float | None = None) -> int:
    """Write the raw events over and over, compressed as the original, up to so many rows or bytes; how many rows."""
    import h5py
    import hdf5plugin

    with h5py.File(source) as file:
        values = file["df/block0_values"][()]
    if not target.exists():
        with h5py.File(source) as file, h5py.File(f"{target}.part", "w") as copy:
            file.copy("df", copy)
            del copy["df/block0_values"]
            shape, chunks = (0, values.shape[1]), (256, values.shape[1])
            blosc = hdf5plugin.Blosc(cname="blosclz", clevel=9)
            new = copy.create_dataset(
                "df/block0_values", shape, "f4", maxshape=(None, shape[1]), chunks=chunks, **dict(blosc)
            )
            new.attrs["transposed"] = np.uint8(1)
            while (rows and len(new) < rows) or (size and Path(f"{target}.part").stat().st_size < size):
                new.resize(len(new) + len(values), axis=0)
                new[-len(values) :] = values
                copy.flush()
            for name in ("df/axis1",):
                del copy[name]
                copy[name] = np.arange(len(new))
        Path(f"{target}.part").rename(target)
    with h5py.File(target) as file:
        return int(file["df/block0_values"].shape[0])


def rate(options: argparse.Namespace) -> None:
    """Events per CPU second of every preset."""
    raw = options.out / "raw.h5"
    rows = repeated(options.data / "lhco_like" / "raw_3000.h5", raw, rows=options.events or 60_000)
    found, lines = {}, []
    for preset in PRESETS:
        made = []
        for _ in range(3):
            out = options.out / f"{preset}.parquet"
            out.unlink(missing_ok=True)
            made.append(lamppost("features", raw, "--preset", preset, "--out", out, "--workers", 1))
        rates = sorted(rows / one["cpu_s"] for one in made)
        columns = len(json.loads(pq.read_schema(out).metadata[b"lamppost"])["features"])
        found[preset] = {"rows": rows, "rates": rates, "runs": made, "features": columns}
        lines.append([preset, columns, f"{rates[1]:,.0f} [{rates[0]:,.0f}, {rates[2]:,.0f}]", made[0]["max_rss_mb"]])
    text = f"`lamppost features` on {rows:,} raw events with one worker: median and range of three runs."
    head = ["preset", "features", "events per CPU s", "MB, all processes"]
    tables.write("rate", "Features of raw events", text, tables.markdown(head, lines), found, options.out)


def large(options: argparse.Namespace) -> None:
    """A file of 3 GB: memory, and the same bytes after it was killed three times."""
    raw, out = options.out / "large.h5", options.out / "large.parquet"
    rows = repeated(options.data / "lhco_like" / "raw_3000.h5", raw, size=options.size * 1e9)
    out.unlink(missing_ok=True)
    whole = lamppost("features", raw, "--preset", "lhco4", "--out", out)
    before = sha256(out.read_bytes()).hexdigest()
    out.unlink()
    for _ in range(3):
        kill_after(options.wait, "features", raw, "--preset", "lhco4", "--out", out, "--quiet")
    resumed = lamppost("features", raw, "--preset", "lhco4", "--out", out)
    same = sha256(out.read_bytes()).hexdigest() == before
    size = raw.stat().st_size / 1e9
    lines = [
        ["undisturbed", f"{rows / whole['cpu_s']:,.0f}", whole["max_rss_mb"], whole["found"], ""],
        ["killed 3 times", "", resumed["max_rss_mb"], resumed["found"], "yes" if same else "NO"],
    ]
    text = f"{size:.2f} GB, {rows:,} raw events, lhco4, two workers, {whole['tasks']} chunks; memory of all processes."
    head = ["run", "events per CPU s", "MB", "chunks found done", "same bytes"]
    result = {"rows": rows, "whole": whole, "resumed": resumed, "same": same}
    tables.write("large", "A large file", text, tables.markdown(head, lines), result, options.out)


def kill_after(seconds: float, *arguments: object) -> None:
    """Start a run and end it and its workers as a batch system would."""
    command = [sys.executable, "-m", "lamppost", *map(str, arguments)]
    process = subprocess.Popen(command, start_new_session=True)
    time.sleep(seconds)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def simulate(options: argparse.Namespace) -> None:
    """Selected events per CPU second."""
    found, lines = {}, []
    for process, events in (("qcd", 4000), ("wprime", 8000), ("zprime_tt", 4000)):
        asked, made = (options.events or events), []
        for seed in range(3):
            out = options.out / f"{process}-{seed}.parquet"
            out.unlink(missing_ok=True)
            made.append(lamppost("simulate", f"{process}={asked}", "--out", out, "--seed", seed, "--workers", 1))
        rates = sorted(asked / one["cpu_s"] for one in made)
        found[process] = {"rates": rates, "runs": made}
        lines.append([process, f"{asked:,}", f"{rates[1]:.0f} [{rates[0]:.0f}, {rates[2]:.0f}]", made[0]["max_rss_mb"]])
    text = "`lamppost simulate` with one worker, seeds 0 to 2: median and range."
    head = ["process", "selected events", "events per CPU s", "MB, all processes"]
    tables.write("simulate", "Simulated events", text, tables.markdown(head, lines), found, options.out)


def real(folder: Path) -> dict[str, pa.Table]:
    """The published features in the signal region, background and signal, in GeV."""
    parts = [np.load(folder / "lhco_signal_region" / f"{name}.npz") for name in ("train", "val", "extrasig_train")]
    values = np.concatenate([part["events"] for part in parts])
    values[:, :3] *= 1000.0
    label = values[:, 5] == 1
    return {
        name: pa.table({column: values[rows, i] for i, column in enumerate(REAL)})
        for name, rows in (("background", ~label), ("signal", label))
    }


def region(table: pa.Table) -> pa.Table:
    m = table["mjj"].to_numpy()
    return table.filter(pa.array((m >= REGION[0]) & (m < REGION[1])))


def agreement(options: argparse.Namespace) -> None:
    """Simulated against real features, region by region."""
    from lamppost.simulate.comparison import compare

    truth, found, lines = real(options.data), {}, []
    for process, events, which in (("qcd", 60_000, "background"), ("wprime", 10_000, "signal")):
        out = options.out / f"{process}-features.parquet"
        asked = options.events or events
        out.unlink(missing_ok=True)
        made = lamppost("simulate", f"{process}={asked}", "--features", "lhco4", "--out", out, "--seed", 0)
        ours = region(pq.read_table(out))
        result = compare(columns(ours), columns(truth[which]), REAL)
        found[which] = {**result.as_dict(), "in_region": len(ours) / asked, "made": made}
        auc = f"{result.auc:.3f} +- {result.auc_error:.3f}"
        lines += rows_of(f"{which}, {result.events:,}", result.features, auc)
    text = "Simulated with seed 0 against the published features, 3.3 < mjj < 3.7 TeV."
    head = ["sample", "feature", "mean, simulated / real", "KS distance", "KS p", "AUC"]
    tables.write("agreement", "Agreement with LHC Olympics", text, tables.markdown(head, lines), found, options.out)


def official(options: argparse.Namespace) -> None:
    """The 1000 official raw events: features in the region against the published ones."""
    from lamppost.simulate.comparison import compare_features

    raw, out = options.data / "lhco_tiny" / "events_anomalydetection_tiny.h5", options.out / "tiny.parquet"
    out.unlink(missing_ok=True)
    lamppost("features", raw, "--preset", "lhco4", "--out", out)
    tiny, truth, found, lines = region(pq.read_table(out)), real(options.data), {}, []
    for value, which in ((0, "background"), (1, "signal")):
        ours = tiny.filter(pa.array(tiny["label"].to_numpy() == value))
        result = compare_features(columns(ours), columns(truth[which]), REAL)
        found[which] = {"events": len(ours), "features": [asdict(one) for one in result]}
        lines += rows_of(f"{which}, {len(ours)}", result, "")
    text = "The official 1000 raw events, 3.3 < mjj < 3.7 TeV, against the published features of that region."
    head = ["sample", "feature", "mean, ours / published", "KS distance", "KS p", ""]
    tables.write("official", "Official raw events", text, tables.markdown(head, lines), found, options.out)


def own(options: argparse.Namespace) -> None:
    """Our raw sample against its own table of features."""
    raw, out = options.data / "lhco_like" / "raw_3000.h5", options.out / "own.parquet"
    out.unlink(missing_ok=True)
    lamppost("features", raw, "--preset", "lhco", "--out", out)
    parts = [("qcd_0", 2000), ("signal", 1000)]
    known = pa.concat_tables(
        [pq.read_table(options.data / "lhco_like" / f"{name}.parquet").slice(0, n) for name, n in parts],
        promote_options="default",
    )
    made, lines, found = pq.read_table(out), [], {}
    for name in pq.read_schema(out).names:
        if name not in known.column_names or name == "label":
            continue
        ours, theirs = made[name].to_numpy().astype(float), known[name].to_numpy().astype(float)
        momentum = name.startswith("p")
        scale = np.hypot(known[f"px{name[2:]}"], known[f"py{name[2:]}"]) if momentum else np.abs(theirs)
        off = np.abs(ours - theirs) / scale
        found[name] = {"largest": float(off.max()), "beyond": int((off > 1e-4).sum())}
        lines.append([name, f"{off.max():.1e}", int((off > 1e-4).sum())])
    text = f"{len(made)} raw events against their table; components of momenta in units of the jet's pT."
    head = ["column", "largest relative difference", "events beyond 1e-4"]
    tables.write("own", "Our own raw events", text, tables.markdown(head, lines), found, options.out)


def columns(table: pa.Table) -> dict[str, Any]:
    return {name: table[name].to_numpy() for name in REAL}


def rows_of(sample: str, features: Sequence[Any], auc: str) -> list[list[Any]]:
    return [
        [
            "" if i else sample,
            one.name,
            f"{one.mean_ratio:.3f}",
            f"{one.ks:.3f}",
            f"{one.ks_p_value:.2g}",
            "" if i else auc,
        ]
        for i, one in enumerate(features)
    ]


def main() -> None:
    """Run one subcommand."""
    whole = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = whole.add_subparsers(dest="command", required=True)
    for function in (rate, large, simulate, agreement, official, own):
        command = commands.add_parser(function.__name__, help=function.__doc__)
        command.set_defaults(run=function)
        command.add_argument("data", type=Path, help="folder of the samples")
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--events", type=int, help="other numbers of events, for a first look")
        command.add_argument("--size", type=float, default=3.0, help="GB of the large file")
        command.add_argument("--wait", type=float, default=40.0, help="seconds until a run is killed")
    page = commands.add_parser("page")
    page.add_argument("--out", type=Path, required=True)
    page.add_argument("--table", type=Path, required=True)
    options = whole.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if options.command == "page":
        tables.page(SECTIONS, options.out, options.table, HEAD)
    else:
        options.run(options)


if __name__ == "__main__":
    main()
