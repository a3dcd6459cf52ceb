"""The `Comparison` that a TOML file describes: a hunt's tables, labelled data, and how to draw from them."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, field_validator, model_validator

from lamppost.config.search import Search
from lamppost.config.setup import Setup, loaded, parsed
from lamppost.config.tables import Regions, somewhere
from lamppost.core import Window
from lamppost.errors import ConfigError
from lamppost.search import windows
from lamppost.spec import Spec

__all__ = ["Compare", "Comparison", "Reach", "load_comparison", "parse_comparison"]


class Compare(Spec):
    """`[compare]`: what is injected, how often, and how labelled events are shared out.

    Background and signal are split alike: `test` and `reference` of each, the rest is what data are made of.
    """

    strengths: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0064,), min_length=1, description="injected signal over background, in the signal region"
    )
    draws: int = Field(10, ge=1, le=10_000, description="independent permutations of the labelled events")
    test: float = Field(0.25, gt=0, lt=1, description="part of the labelled events held out to judge all methods")
    reference: float = Field(
        0.4, gt=0, lt=1, description="part that is known truth: background of `idealised`, both classes of `supervised`"
    )
    shift: float = Field(0.0, description="c of x + c m for the shifted features: a set correlated with m")
    shifted: tuple[str, ...] = Field((), description="features that `shift` moves; default: the first two")
    closure: int = Field(3, ge=0, description="draws in which a method's background is compared with the true one")

    @field_validator("strengths", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        return value if isinstance(value, list | tuple) else (value,)

    @field_validator("strengths")
    @classmethod
    def _rising(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(sorted(set(value)))

    @model_validator(mode="after")
    def _leaves_data(self) -> "Compare":
        if self.test + self.reference >= 1:
            msg = f"expected test + reference < 1, found {self.test:g} + {self.reference:g}: nothing is left for data"
            raise ValueError(msg)
        return self


class Reach(Spec):
    """`[reach]`: whole blind hunts, each as `lamppost hunt` would run it, for a falling number of injected events."""

    events: tuple[Annotated[int, Field(ge=1)], ...] = Field(
        (2000, 1400, 1000, 700, 500, 350, 250, 180, 125),
        description="signal events of any mass injected into the data of a hunt; the largest number comes first",
    )
    draws: int = Field(5, ge=1, le=1000, description="hunts for each number, each in data of its own draw")
    z: float = Field(3.0, gt=0, description="median global Z that is to be reached")
    background: float = Field(
        0.5, gt=0, le=1, description="part of the labelled background that the data of a draw hold"
    )
    windows: Regions | None = Field(
        None, description="windows of these hunts, as in `[scan]`; default: those of `[scan]`"
    )

    @field_validator("events")
    @classmethod
    def _falling(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(value)) < 2:
            msg = f"expected at least two different numbers of events, found {list(value)}"
            raise ValueError(msg)
        return tuple(sorted(set(value), reverse=True))

    @field_validator("windows")
    @classmethod
    def _somewhere(cls, value: Regions | None) -> Regions | None:
        return value if value is None else somewhere(value)


class Comparison(Setup):
    """A labelled comparison of methods: one TOML file.

    Of `[scan]` only window, sidebands and decorrelation matter to it; the hunts of `[reach]` use all.
    """

    compare: Compare = Field(default_factory=Compare, description="injections, draws, parts")
    reach: Reach = Field(default_factory=Reach, description="hunts that tell the smallest signal they see")

    @model_validator(mode="after")
    def _labelled(self) -> "Comparison":
        if self.data.label is None:
            msg = "data.label: expected the column that tells signal (1) from background (0), found none"
            raise ValueError(msg)
        if self.data.weight is not None:
            msg = f"data.weight: a comparison counts events, expected none, found {self.data.weight!r}"
            raise ValueError(msg)
        if unknown := [name for name in self.compare.shifted if name not in self.data.names]:
            msg = f"compare.shifted: no feature {unknown[0]!r}, known are {', '.join(self.data.names)}"
            raise ValueError(msg)
        return self

    @property
    def window(self) -> Window:
        """The signal region and its sidebands; ConfigError unless there is exactly one."""
        found = windows(self.scan.windows, self.scan.sidebands, self.fit.range)
        if len(found) != 1:
            more = "windows of hunts belong in reach.windows"
            msg = f"scan.windows: a comparison is about one window, found {len(found)}; {more}"
            raise ConfigError(msg)
        return found[0]

    @property
    def shifted(self) -> tuple[str, ...]:
        """The features that are moved along with m, if any are."""
        if self.compare.shift == 0:
            return ()
        return self.compare.shifted or self.data.names[:2]

    def check_windows(self) -> None:
        """Look at every window once: ConfigError if one of them does not fit."""
        _ = self.window
        windows(self.reach.windows or [], self.scan.sidebands, self.fit.range, "reach.windows")

    def hunt(self) -> Search:
        """The blind hunt that `reach` repeats, by all methods but those that see the truth.

        Raises
        ------
        ConfigError
            If no method is left.
        """
        methods = {name: method for name, method in self.methods.items() if not method.needs_truth}
        if not methods:
            msg = f"methods: {', '.join(self.methods)}: all see the truth, expected one that a hunt can use"
            raise ConfigError(msg)
        scan = self.scan.model_copy(update={"windows": self.reach.windows or self.scan.windows, "validation": None})
        return Search(seed=self.seed, data=self.data, scan=scan, methods=methods, fit=self.fit, samples=self.samples)


def parse_comparison(table: dict[str, Any], where: str = "configuration") -> Comparison:
    """The comparison that a table describes; ConfigError, one line, if it describes none."""
    return parsed(Comparison, table, where)


def load_comparison(path: Path) -> Comparison:
    """Read and check a TOML file; relative paths are relative to its folder."""
    return loaded(Comparison, path)
