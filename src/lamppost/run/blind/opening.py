"""May the windows of this hunt be opened? Only as they were frozen, shown blind, tested and certified."""

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from lamppost.config import Search
from lamppost.errors import ConfigError, DataError
from lamppost.io import file_hash, read
from lamppost.run.artefacts import Store
from lamppost.run.blind.frozen import Frozen, changes, frozen_of, hash_of
from lamppost.run.blind.looks import BLIND, OPENED, Look, read_looks
from lamppost.run.calibrate.certificate import certified
from lamppost.run.samples import load

__all__ = ["checked_opening", "require_open"]

Json = dict[str, Any]


def require_open(search: Search, folder: Path) -> None:
    """Refuse to look into the windows of a blind search, unless they were opened, exactly as it is now, in this folder.

    For whatever else looks into them: limits, or a fit of the same events. Without `[blind]` nothing is asked.

    Raises
    ------
    ConfigError
        If they are still closed.
    DataError
        If the log of looks is damaged.
    """
    if search.blind is None:
        return
    hashed = hash_of(frozen_of(search, file_hash(search.data)))
    if not any(look["shown"] == OPENED and look["hash"] == hashed for look in read_looks(folder)):
        msg = f"{folder}: [blind]: the windows of this hunt ({hashed}) were not opened here: `lamppost hunt` first"
        raise ConfigError(msg)


def checked_opening(
    search: Search, folder: Path, unblind: str, despite: str | None, data_sha256: str, data_key: str
) -> tuple[bool, Json | None]:
    """All that must hold before windows are opened; nothing is written, and nothing in them is looked at.

    Returns whether all blind tests passed, and what is told of the certificate, if one is asked for.

    Raises
    ------
    ConfigError
        If another hunt was frozen, it was never shown blind here, a test failed and there is no reason to go on, or the
        certificate is not about this hunt.
    DataError
        If the log of looks is damaged.
    """
    frozen, looks = frozen_of(search, data_sha256), read_looks(folder)
    if unblind != hash_of(frozen):
        raise ConfigError(_what_changed(looks, unblind, frozen, folder))
    shown = [look for look in looks if look["shown"] == BLIND and look["hash"] == unblind]
    if not shown:
        msg = f"{folder}: --unblind {unblind}: this hunt was not shown blind here: run it without --unblind first"
        raise ConfigError(msg)
    if not shown[-1]["passed"] and not despite:
        msg = f'{folder}: {shown[-1]["reason"]}: expected --despite "reason" with --unblind, found none'
        raise ConfigError(msg)
    return bool(shown[-1]["passed"]), _certificate(search, folder, data_key)


def _what_changed(looks: Sequence[Look], unblind: str, frozen: Frozen, folder: Path) -> str:
    before = next((look["frozen"] for look in reversed(looks) if look["hash"] == unblind and "frozen" in look), None)
    if before is None:
        known = list(dict.fromkeys(look["hash"] for look in looks if look["shown"] == BLIND))
        return f"--unblind {unblind}: {folder} knows no such hash, known are {', '.join(known) or 'none'}"
    return f"--unblind {unblind}: not what was frozen: {changes(before, frozen)}"


def _certificate(search: Search, folder: Path, data_key: str) -> Json | None:
    """The certificate, if one is asked for, and its hash."""
    if search.blind is None or search.blind.certificate is None:
        return None
    path = Path(search.blind.certificate)
    found = certified(path, search, _worth(search, Store(folder / "artefacts"), data_key))
    names = ("configuration", "events", "experiments", "uniform")
    return {"sha256": sha256(path.read_bytes()).hexdigest(), **{name: found[name] for name in names}}


def _worth(search: Search, store: Store, data_key: str) -> float:
    """How many events the data are worth, (sum w)^2 / sum w^2: a certificate is about so many."""
    there = store.intact(data_key)
    w = load(store, data_key).events.w if there else read(search.data, mass_range=search.fit.range).events.w
    squares = float(np.square(w).sum())
    if not squares > 0:
        msg = "data: no weight in the fit range"
        raise DataError(msg)
    return float(w.sum()) ** 2 / squares
