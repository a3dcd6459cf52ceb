"""Make the sample that ships inside the package from the full simulated tables.

    python benchmarks/make_sample.py FOLDER_WITH_TABLES

Takes the first 150,000 background events above 2.8 TeV and 400 signal events drawn with seed 0, shuffles them with the
same seed and writes src/lamppost/data/lhco_like_sample.parquet with its provenance in the metadata.
"""

import json
import sys
from hashlib import sha256
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

BACKGROUND, SIGNAL, THRESHOLD, SEED = 150_000, 400, 2800.0, 0
COLUMNS = ["mjj", "mj1", "mj2", "tau1j1", "tau2j1", "tau1j2", "tau2j2"]
TARGET = Path(__file__).parents[1] / "src/lamppost/data/lhco_like_sample.parquet"


def table(path: Path) -> pa.Table:
    found = pq.read_table(path, columns=[*COLUMNS, "label"])
    return found.filter(pa.compute.greater_equal(found["mjj"], THRESHOLD))


def main(folder: Path) -> None:
    sources = [folder / f"qcd_{i}.parquet" for i in (0, 1)]
    background = pa.concat_tables([table(path) for path in sources])
    if background.num_rows < BACKGROUND:
        raise SystemExit(f"{background.num_rows} background events, expected at least {BACKGROUND}")
    rng = np.random.default_rng(SEED)
    signal = table(folder / "signal.parquet")
    signal = signal.take(np.sort(rng.choice(signal.num_rows, SIGNAL, replace=False)))
    both = pa.concat_tables([background.slice(0, BACKGROUND), signal])
    both = both.take(rng.permutation(both.num_rows))
    columns = {name: both[name].cast(pa.float32()) for name in COLUMNS}
    settings = pq.read_schema(sources[0]).metadata.get(b"simulation", b"{}").decode()
    signal_settings = pq.read_schema(folder / "signal.parquet").metadata.get(b"simulation", b"{}").decode()
    about = {
        "what": "dijets as in the LHC Olympics 2020 R&D set, with a W'(3.5 TeV) -> X(500 GeV) Y(100 GeV)",
        "units": "masses in GeV; tau in units of R0; jet 1 has the higher pT",
        "background_events": BACKGROUND,
        "signal_events": SIGNAL,
        "selection": f"mjj >= {THRESHOLD:g} GeV",
        "seed": SEED,
        "sources": {path.name: sha256(path.read_bytes()).hexdigest() for path in [*sources, folder / "signal.parquet"]},
        "background_simulation": json.loads(settings),
        "signal_simulation": json.loads(signal_settings),
        "licence": "BSD-3-Clause, as the package",
    }
    out = pa.table({**columns, "label": both["label"].cast(pa.int8())})
    out = out.replace_schema_metadata({"provenance": json.dumps(about)})
    encoding = dict.fromkeys(COLUMNS, "BYTE_STREAM_SPLIT")
    pq.write_table(
        out, TARGET, compression="zstd", compression_level=19, use_dictionary=["label"], column_encoding=encoding
    )
    print(f"{TARGET.name}: {out.num_rows} events, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
