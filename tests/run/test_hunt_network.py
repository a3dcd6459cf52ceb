"""A hunt whose ratio is a network: compiled in worker processes of one thread, the same bits wherever it runs."""

from pathlib import Path

import pytest

import lamppost
from lamppost.config import load
from lamppost.run import InlineExecutor
from lamppost.run.hunt import run_hunt
from small_hunt import timeless, write_hunt

pytest.importorskip("jax", reason="the extra `networks` is not installed")


def test_the_same_bits_in_a_worker_and_in_the_process_itself(tmp_path: Path) -> None:
    ratio = {"kind": "network", "members": 2, "epochs": 1, "rounds": None}  # no rounds: those of trees
    config = write_hunt(tmp_path, scan={"windows": [[3200.0, 3600.0]]}, method={"ratio": ratio})
    pooled = lamppost.hunt(config, tmp_path / "pooled", workers=1, quiet=True)
    inline = run_hunt(load(config), tmp_path / "inline", workers=1, quiet=True, make_executor=InlineExecutor)
    assert timeless(pooled) == timeless(inline)
    scores = [(tmp_path / name / "scores.parquet").read_bytes() for name in ("pooled", "inline")]
    assert scores[0] == scores[1]
    assert 0 < pooled["windows"][0]["p_local"] <= 1
