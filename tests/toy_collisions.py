"""Toy collisions: two jets back to back in some soft noise, as the LHC Olympics store raw events."""

from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

PER_JET, NOISE = 25, 20


def raw_events(n: int, seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Particles (n, 700, 3) as pt, eta, phi by falling pt, zero padded; labels (n,), every fifth a signal.

    The jets have pt between 1250 and 2500 GeV, |eta| < 1.5; signal jets have two prongs.
    """
    rng = np.random.default_rng(seed)
    label = (np.arange(n) % 5 == 0).astype(np.float32)
    pt = 1250.0 + 1250.0 * rng.random(n) ** 3
    eta, phi = rng.uniform(-1.5, 1.5, (n, 2)), rng.uniform(-np.pi, np.pi, n)
    events = np.zeros((n, 700, 3), dtype=np.float32)
    for side in range(2):
        share = rng.dirichlet(np.full(PER_JET, 0.5), n)
        spread = rng.exponential(0.12, (n, PER_JET, 1)) * rng.normal(size=(n, PER_JET, 2))
        prong = label[:, None] * np.where(rng.random((n, PER_JET)) < 0.4, 0.35, 0.0)
        here = slice(side * PER_JET, (side + 1) * PER_JET)
        events[:, here, 0] = pt[:, None] * share
        events[:, here, 1] = eta[:, side, None] + spread[:, :, 0] + prong
        events[:, here, 2] = phi[:, None] + side * np.pi + spread[:, :, 1]
    noise = slice(2 * PER_JET, 2 * PER_JET + NOISE)
    events[:, noise, 0] = rng.exponential(1.0, (n, NOISE))
    events[:, noise, 1] = rng.uniform(-4, 4, (n, NOISE))
    events[:, noise, 2] = rng.uniform(-np.pi, np.pi, (n, NOISE))
    events[:, :, 2] = np.where(events[:, :, 0] > 0, (events[:, :, 2] + np.pi) % (2 * np.pi) - np.pi, 0)
    order = np.argsort(-events[:, :, 0], axis=1, kind="stable")
    return np.take_along_axis(events, order[:, :, None], axis=1), label


def write_raw(path: Path, n: int = 300, seed: int = 0, *, chunk: int = 50, labels: bool = True) -> Path:
    """A pandas "fixed" frame of raw events, key df."""
    particles, label = raw_events(n, seed)
    values = particles.reshape(n, -1)
    write_frame(path, np.column_stack([values, label]) if labels else values, chunk=chunk)
    return path


def write_frame(path: Path, values: NDArray[Any], *, chunk: int = 50) -> None:
    """Values (rows, columns) as pandas stores them, by h5py."""
    rows, columns = values.shape
    with h5py.File(path, "w") as file:
        frame = file.create_group("df")
        frame.attrs.update({"pandas_type": b"frame", "nblocks": 1, "ndim": 2, "encoding": b"UTF-8"})
        for name, labels in (("axis0", columns), ("axis1", rows), ("block0_items", columns)):
            frame[name] = np.arange(labels)
            frame[name].attrs.update({"kind": b"integer", "transposed": np.uint8(1)})
        frame.create_dataset(
            "block0_values", data=values.astype(np.float32), chunks=(min(chunk, rows), columns), compression="gzip"
        )
        frame["block0_values"].attrs["transposed"] = np.uint8(1)
