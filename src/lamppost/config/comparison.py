"""The `Comparison` that a TOML file describes: a hunt's tables, labelled data, and how to draw from them."""

from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, field_validator, model_validator

from lamppost.config.samples import Samples, rooted_samples
from lamppost.config.search import Fit, Scan, named_methods
from lamppost.config.toml import read_toml, rooted
from lamppost.core import Method, Window
from lamppost.errors import ConfigError
from lamppost.io import Data
from lamppost.search import windows
from lamppost.spec import Spec, explain

__all__ = ["Compare", "Comparison", "load_comparison", "parse_comparison"]


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


class Comparison(Spec):
    """A labelled comparison of methods: one TOML file. Of `[scan]` only window, sidebands and decorrelation matter."""

    seed: int = Field(1, ge=0, lt=2**63, description="every random stream derives from it")
    data: Data = Field(description="what to read; `label` tells signal from background")
    scan: Scan = Field(description="the window")
    methods: dict[str, Annotated[SerializeAsAny[Method], BeforeValidator(Method.parse)]] = Field(
        default_factory=lambda: {"weak": Method.parse("weak")}, min_length=1, description="anomaly methods by name"
    )
    fit: Fit = Field(description="the range of m, and the smooth model that masses in the region are drawn from")
    samples: Samples = Field(default_factory=Samples, description="simulated samples that methods may see")
    compare: Compare = Field(default_factory=Compare, description="injections, draws, parts")

    @model_validator(mode="before")
    @classmethod
    def _one_or_several_methods(cls, table: Any) -> Any:
        return named_methods(table) if isinstance(table, dict) else table

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
            msg = f"scan.windows: a comparison is about one window, found {len(found)}"
            raise ConfigError(msg)
        return found[0]

    @property
    def shifted(self) -> tuple[str, ...]:
        """The features that are moved along with m, if any are."""
        if self.compare.shift == 0:
            return ()
        return self.compare.shifted or self.data.names[:2]

    def decorrelated(self, method: Method) -> bool:
        """Whether this method sees decorrelated features, as in a hunt."""
        return method.decorrelate if self.scan.decorrelate is None else self.scan.decorrelate == "quantile"

    def sample(self, paths: str | list[str]) -> Data:
        """How a simulated sample is read: as the data are, but for the label."""
        return self.data.model_copy(update={"path": paths, "label": None})


def parse_comparison(table: dict[str, Any], where: str = "configuration") -> Comparison:
    """The comparison that a table describes.

    Raises
    ------
    ConfigError
        One line that names the key, what was expected and what was found.
    """
    try:
        comparison = Comparison.model_validate(table)
        _ = comparison.window
    except ValidationError as error:
        msg = f"{where}: {explain(error)}"
        raise ConfigError(msg) from None
    except ConfigError as error:
        msg = f"{where}: {error}"
        raise ConfigError(msg) from None
    return comparison


def load_comparison(path: Path) -> Comparison:
    """Read and check a TOML file; relative paths are relative to its folder."""
    folder = path.resolve().parent
    return parse_comparison(rooted_samples(rooted(read_toml(path), folder), folder), str(path))
