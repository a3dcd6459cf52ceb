"""The state of a campaign on a terminal: a live table; a line per tenth of the work where there is no terminal."""

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from lamppost.run.quantities import clock, size

__all__ = ["Terminal", "facts", "lines", "stage_rows"]

State = Mapping[str, Any]
HEAD = ("stage", "done", "found", "running", "left", "failed", "CPU")


class Terminal:
    """Shows states on stderr, as far as it is not to be quiet."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet, self._told = quiet, 0
        self._live: Any = None

    def start(self) -> None:
        """Begin a live view, if somebody is watching."""
        if self._quiet or not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.live import Live

        self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
        self._live.start()

    def show(self, state: Callable[[], State]) -> None:
        """Show a state."""
        if self._live is not None:
            self._live.update(table(state()), refresh=True)
        elif not self._quiet:
            self._tell(state())

    def stop(self, state: State) -> None:
        """End the live view, or tell the last tenths."""
        if self._live is not None:
            self._live.stop()
        elif not self._quiet:
            self._tell(state)

    def _tell(self, state: State) -> None:
        tenths = int(10 * state["fraction"] + 1e-9)
        if tenths <= self._told or not (state["last"] or state["found"]):
            return
        self._told = tenths
        eta = "" if state["eta_s"] is None else f", ETA {clock(state['eta_s'])}"
        label = state["last"][0]["label"] if state["last"] else f"{state['found']} tasks were done before"
        sys.stderr.write(f"{tenths * 10:3d} % after {clock(state['elapsed_s'])}{eta}: {label}\n")
        sys.stderr.flush()


def stage_rows(state: State) -> Iterator[tuple[str, ...]]:
    """A row per stage, as `HEAD` has it."""
    for row in state["stages"]:
        counts = (row["done"], row["found"], row["running"], row["left"] - row["running"], row["failed"])
        yield (row["stage"], *(str(count) if count else "" for count in counts), clock(row["cpu_s"]))


def facts(state: State) -> Iterator[tuple[str, str]]:
    """What there is to say besides."""
    yield "elapsed", clock(state["elapsed_s"])
    if state["state"] == "running":
        yield "ETA", "not known yet" if state["eta_s"] is None else clock(state["eta_s"])
    before = f", {_hours(state['cpu_s_before'])} in earlier starts" if state["cpu_s_before"] else ""
    yield "CPU time", f"{_hours(state['cpu_s'])}{before}"
    alive = state.get("workers_alive")
    most = state["workers"] if alive is None else max(alive, state["workers"])  # a cluster may grow beyond them
    yield "workers", f"{most}" if alive is None else f"{alive} alive of {most}"
    yield "written", size(state["written"])
    if state["lost"]:
        yield "lost with a worker", str(state["lost"])
    if state["failed"]:
        yield "failed", str(state["failed"])


def _hours(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.0f} s"


def table(state: State) -> Any:
    """The live view."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    stages = Table(box=None, padding=(0, 1), header_style="dim")
    for number, name in enumerate(HEAD):
        stages.add_column(name, justify="right" if number else "left")
    for row in stage_rows(state):
        stages.add_row(*row)
    about = "   ".join(f"{name} {value}" for name, value in facts(state))
    shown = [Text(f" {one['label']}, {clock(one['for_s'])}", "dim") for one in state["running_tasks"][:4]]
    failed = [Text(f" {one['label']}: {one['why']}", "red") for one in state["failures"][:2]]
    percent = Text(f" {state['fraction']:.0%}  {about}")
    return Group(stages, ProgressBar(total=1.0, completed=state["fraction"], width=60), percent, *shown, *failed)


def lines(state: State) -> Iterator[str]:
    """The same as plain text."""
    yield f"{state['folder']}: {state['state']}, {state['fraction']:.0%}" + (f": {state['why']}" * bool(state["why"]))
    rows = [HEAD, *stage_rows(state)]
    wide = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        yield "  ".join(
            cell.rjust(w) if i else cell.ljust(w) for i, (cell, w) in enumerate(zip(row, wide, strict=True))
        )
    for name, value in facts(state):
        yield f"{name:<19}{value}"
    for one in state["running_tasks"]:
        yield f"{'running':<19}{one['label']}, {clock(one['for_s'])}"
    for one in state["failures"]:
        yield f"{'failed':<19}{one['label']}: {one['why']}"
