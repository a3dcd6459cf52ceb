"""The two stages of a blind hunt in its run folder: windows closed, then open."""

from pathlib import Path
from typing import Unpack

from lamppost.config import Search
from lamppost.errors import ConfigError
from lamppost.run.blind.collect import blind_result
from lamppost.run.blind.frozen import frozen_of, hash_of
from lamppost.run.blind.looks import BLIND, OPENED, Shown, add_look, read_looks, summary
from lamppost.run.blind.opening import checked_opening
from lamppost.run.blind.plan import plan_blind, plan_open
from lamppost.run.calibrate.certificate import certified
from lamppost.run.hunt import hunt_in
from lamppost.run.plan import plan
from lamppost.run.work import Clock, How, Json, Work, work_in

__all__ = ["is_logged", "look_again", "not_dry", "open_again", "run_blind", "run_open", "run_without_blind"]


def run_blind(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """Do all that may be done with the windows closed, freeze the hunt, and write `blind.json`.

    Nothing that is written, but scores and fitted models of the selections in `artefacts`, is made of events in the
    windows. The look is logged before anything is shown.

    Raises
    ------
    LamppostError
        If the input, the configuration or the log of looks is at fault, or the folder cannot be written.
    """
    clock = Clock()
    read_looks(out)
    planned = plan_blind(search)
    frozen = frozen_of(search, planned.sha256)
    hashed = hash_of(frozen)

    def make(work: Work) -> Json:
        work.do(planned.tasks)
        result, details = blind_result(search, planned, work.store)
        looks = add_look(out, BLIND, hashed, _in_short(result), passed=result["passed"], frozen=frozen)
        work.write("blind_details.json", details)
        blinding = {"hash": hashed, **summary(looks), "certificate": _state_of_certificate(search)}
        return {**result, "blinding": blinding}

    return work_in(out, search, planned.sha256, planned.tasks, "blind.json", make, clock, **how)


def run_open(search: Search, out: Path, unblind: str, despite: str | None = None, **how: Unpack[How]) -> Json:
    """Open the windows of a hunt that was frozen as `unblind`, if it is what would be run now, and write its result.

    Raises
    ------
    LamppostError
        If anything was changed since, or must hold and does not; one line says what.
    """
    clock = Clock()
    not_dry(how)
    if search.blind is None:
        msg = f"--unblind {unblind}: expected [blind] in the configuration, found none: nothing was closed"
        raise ConfigError(msg)
    planned = plan_open(search)
    passed, certificate = checked_opening(search, out, unblind, despite, planned.sha256, planned.events)
    needless = "all blind tests passed, nothing had to be overridden; --despite: " if passed and despite else ""

    def opened() -> Json:
        looks = add_look(out, OPENED, unblind, needless + (despite or ""))
        told = {"despite": despite, "overridden": not passed, "certificate": certificate}
        return {"hash": unblind, **summary(looks), **told}

    return hunt_in(search, planned, out, clock, opened, **how)


def run_without_blind(search: Search, out: Path, **how: Unpack[How]) -> Json:
    """A hunt that keeps nothing closed, in a folder in which another did: that is a look, too.

    Raises
    ------
    LamppostError
        If the input, the configuration or the log of looks is at fault, or the folder cannot be written.
    """
    clock = Clock()
    not_dry(how)
    read_looks(out)
    planned = plan(search)
    hashed = hash_of(frozen_of(search, planned.sha256))
    control = search.data.invert

    def opened() -> Json:
        shown: Shown = "control region" if control else OPENED
        looks = add_look(out, shown, hashed, "" if control else "no [blind] in the configuration")
        return {"hash": hashed, **summary(looks), "despite": None, "overridden": False, "certificate": None}

    return hunt_in(search, planned, out, clock, opened, **how)


def not_dry(how: How) -> None:
    """The samples of a dry run would look into the windows, and nobody would write that down."""
    if how.get("dry_run") is not None:
        msg = "--dry-run: its samples look into windows that are, or were, closed: what the blind stage took tells"
        raise ConfigError(msg)


def _in_short(result: Json) -> str:
    """What the blind tests say, for the log."""
    failed, n = len(result["tests"]["failed"]), result["tests"]["n"]
    told = [f"{failed} of {n} blind tests failed"] if failed else []
    told += ["the features determine m"] if result["determined"] else []
    return ", ".join(told) or f"all {n} blind tests passed"


def look_again(folder: Path) -> None:
    """Log that the pages of a folder were made again, if it has a log of looks."""
    if looks := read_looks(folder):
        add_look(folder, "report", looks[-1]["hash"])


def open_again(search: Search, sha256: str, folder: Path, what: str) -> None:
    """Log that something else looks into windows that are open, or that were closed before `[blind]` was removed."""
    why = what if search.blind is not None else f"{what}, no [blind] in the configuration"
    add_look(folder, OPENED, hash_of(frozen_of(search, sha256)), why)


def is_logged(folder: Path) -> bool:
    """Whether looks are logged in this folder; DataError if they were, and the log is damaged or gone."""
    return bool(read_looks(folder))


def _state_of_certificate(search: Search) -> str | None:
    """What the certificate that is asked for says so far: how many events there are is not told while blind."""
    if search.blind is None or search.blind.certificate is None:
        return None
    try:
        certified(Path(search.blind.certificate), search, None)
    except ConfigError as error:
        return f"does not hold: {error}"
    return "is about this configuration, and valid"
