"""Events from Pythia, many at a time."""

from collections.abc import Sequence
from math import inf
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Objects
from lamppost.errors import ConfigError, DataError, optional
from lamppost.simulate.processes import Veto

__all__ = ["Generator"]

_QUIET = ("Print:quiet = on", "Print:verbosity = 0")  # standard output is for results
_SWITCH = ("on", "off", "true", "false", "yes", "no", "1", "0")
_GIVEN_UP = 20_000  # events in a row, after which the veto is not to blame: usually 1 in 10 to 20 is finished


class Generator:
    """Pythia with these settings, running; `where` names the process in messages.

    Raises
    ------
    ConfigError
        If Pythia does not know a setting, or cannot start with all of them.
    """

    def __init__(self, lines: Sequence[str], seed: int, veto: Veto | None = None, where: str = "pythia") -> None:
        library = optional("pythia8mc", "simulate")
        self._awkward = optional("awkward", "simulate")
        self._pythia, self._where = library.Pythia("", False), where
        for line in (*_QUIET, *lines, *_QUIET, "Random:setSeed = on", f"Random:seed = {seed}"):
            _set(self._pythia, line, where)
        self._hook = None if veto is None else _hook(library, veto)  # Pythia does not keep it alive
        if self._hook is not None:
            self._pythia.setUserHooksPtr(self._hook)
        if not self._pythia.init():
            msg = f"{where}: Pythia does not start: its settings name no process, or an impossible one"
            raise ConfigError(msg)

    def events(self, n: int) -> Objects:
        """The final visible particles of the next n events: px, py, pz, E [GeV] float64, charge int8, id (PDG code)."""
        batch = self._pythia.nextBatch(n)
        if len(batch) == 0:
            msg = f"{self._where}: Pythia gave up {n} events in a row"
            raise DataError(msg)
        if self._hook is not None and self._hook.hopeless:
            msg = f"{self._where}: none of {_GIVEN_UP} events has jets as hard as select.pt asks for: it is too high"
            raise DataError(msg)
        if not np.all(self._awkward.to_numpy(batch.info.weights[:, 0]) == 1.0):
            msg = f"{self._where}: these settings of Pythia make weighted events, expected all weights to be 1"
            raise ConfigError(msg)
        counts = np.asarray(self._awkward.num(batch.prt)).astype(np.int64)
        record = self._awkward.flatten(batch.prt)
        code = np.asarray(record.id)
        charge, visible = self._traits(code)
        fields = {name: np.asarray(record.p[name.lower()]) for name in ("px", "py", "pz", "E")}
        particles = Objects(counts, {**fields, "charge": charge, "id": code})
        return particles.keep((np.asarray(record.status) > 0) & visible)

    def _traits(self, code: NDArray[np.int32]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
        """Charge and visibility of every particle."""
        known, which = np.unique(code, return_inverse=True)
        data = self._pythia.particleData
        charge = np.array([round(data.charge(int(k))) for k in known], np.int8)
        visible = np.array([bool(data.isVisible(int(k))) for k in known])
        return charge[which], visible[which]

    def counts(self) -> dict[str, float]:
        """How many events were tried, how many hard processes and finished events they gave, their cross-section [mb].

        The cross-section is that of the finished events, times the number of tries: sums over chunks stay meaningful.
        """
        info = self._pythia.infoPython()
        tried = info.nTried()
        return {
            "tried": tried,
            "hard": info.nSelected(),
            "finished": info.nAccepted(),
            "tried_times_mb": tried * info.sigmaGen(),
        }


def _set(pythia: Any, line: str, where: str) -> None:
    """Give Pythia one setting that it understands; some wrong values it would ignore, or complain about itself."""
    key, _, value = (part.strip() for part in line.partition("="))
    expected = _expected(pythia.settings, key, value)
    if expected is None and pythia.readString(line, False):
        return
    msg = f"{where}: Pythia does not take the setting {line!r}"
    raise ConfigError(msg if expected is None else f"{msg}, expected {expected}")


def _expected(settings: Any, key: str, value: str) -> str | None:
    """What Pythia expects for a switch or a number, None if `value` is that."""
    if settings.isFlag(key):
        return None if value.lower() in _SWITCH else "on or off"
    if not (settings.isMode(key) or settings.isParm(key)):
        return None
    find = settings.getModeMap if settings.isMode(key) else settings.getParmMap
    entry = find(key.lower())[key.lower()]  # of all that contain the key
    lowest, highest = entry.valMin if entry.hasMin else -inf, entry.valMax if entry.hasMax else inf
    try:
        fits = lowest <= float(value) <= highest
    except ValueError:
        fits = False
    return None if fits else f"a number from {lowest:g} to {highest:g}"


def _hook(library: ModuleType, veto: Veto) -> Any:
    """The veto as Pythia calls it: once when the shower passes a scale, once before hadronisation."""
    jets = library.SlowJet(-1, veto.radius, min(20.0, veto.early), 25.0, 1, 2, None, False)

    class Hook(library.UserHooks):  # type: ignore[name-defined,misc]
        given_up, hopeless = 0, False

        def softer(self, event: Any, pt: float) -> bool:
            jets.analyze(event)
            if self.hopeless or (jets.sizeJet() > 0 and jets.pT(0) >= pt):
                return False
            self.given_up += 1
            self.hopeless = self.given_up >= _GIVEN_UP  # Pythia would try for ever, and is told so when it returns
            return True

        def canVetoPT(self) -> bool:
            return True

        def scaleVetoPT(self) -> float:
            return veto.scale

        def doVetoPT(self, position: int, event: Any) -> bool:
            return self.softer(event, veto.early)

        def canVetoPartonLevel(self) -> bool:
            return True

        def doVetoPartonLevel(self, event: Any) -> bool:
            if self.softer(event, veto.late):
                return True
            self.given_up = 0
            return False

    return Hook()
