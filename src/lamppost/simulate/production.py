"""What to simulate, and how one chunk of it is made."""

from collections.abc import Mapping
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BeforeValidator, Field, SerializeAsAny, ValidationError, model_validator

from lamppost.core import Collisions, Objects, splitmix64
from lamppost.errors import ConfigError, DataError
from lamppost.simulate.detector import Detector
from lamppost.simulate.generator import Generator
from lamppost.simulate.processes import Process
from lamppost.simulate.selection import Selection
from lamppost.simulate.shower import Shower
from lamppost.simulate.wprime import Wprime
from lamppost.spec import Spec, digest, explain

__all__ = ["CHUNK", "Production", "Sample", "lines", "parse_production", "produce"]

CHUNK = 2000  # selected events: the start of Pythia is 1 % (qcd) to 5 % (wprime) of the work
_BATCH = 256  # generated events in memory with their histories: 40 MB
_SEEDS = 900_000_000  # that Pythia has
_VINCIA_W = 140.0  # GeV; with a W about as heavy as its top quark Vincia ends the whole program
_TRIES, _RARE = 5000, 1e-3  # after so many events, at least this part must have passed


class Sample(Spec):
    """One [processes.NAME] table: its keys are these, and those of the process of its `kind`."""

    process: Annotated[SerializeAsAny[Process], BeforeValidator(Process.parse)] = Field(
        default_factory=lambda: Process.parse("qcd"), description="what collides into what"
    )
    events: int = Field(10_000, ge=0, le=1_000_000_000, description="selected events")
    label: int = Field(0, ge=0, le=255, description="label of its events; by default 0 for qcd, 1 for all others")

    @model_validator(mode="before")
    @classmethod
    def _flat(cls, table: Any) -> Any:
        if not isinstance(table, Mapping):
            return table
        own = {key: table[key] for key in cls.model_fields if key in table}
        rest = {key: value for key, value in table.items() if key not in own}
        if "process" in own:
            return table
        process = Process.parse({**rest, "kind": str(rest.get("kind", "qcd")).replace("-", "_")})
        return {"label": process.label, **own, "process": process}


class Production(Spec):
    """A set of simulated samples: what a TOML file of `lamppost simulate` describes."""

    seed: int = Field(0, ge=0, description="decides every random number")
    sqrt_s: float = Field(13000.0, gt=0, description="energy of the proton collisions [GeV]")
    processes: dict[str, Sample] = Field(
        default_factory=lambda: {"qcd": Sample()}, min_length=1, description="samples by name"
    )
    shower: Shower = Field(default_factory=Shower, description="what follows the hard process")
    detector: Annotated[SerializeAsAny[Detector], BeforeValidator(Detector.parse)] = Field(
        default_factory=lambda: Detector.parse("cms"), description="what is seen of the particles"
    )
    select: Selection = Field(default_factory=Selection, description="which events are kept")
    max_particles: int = Field(700, ge=1, description="particles of highest pT that are kept of an event")

    @model_validator(mode="before")
    @classmethod
    def _named(cls, table: Any) -> Any:
        if not isinstance(table, Mapping) or not isinstance(table.get("processes"), Mapping):
            return table
        named = {
            name: {"kind": name, **sample} if isinstance(sample, Mapping) and "process" not in sample else sample
            for name, sample in table["processes"].items()
        }
        return {**table, "processes": named}

    @model_validator(mode="after")
    def _showered(self) -> Self:
        for name, sample in self.processes.items():
            one, vincia = sample.process, self.shower.model == "vincia"
            if vincia and isinstance(one, Wprime) and one.spin == 1 and one.m_x > _VINCIA_W:
                expected = f"expected spin = 0, or m_x up to {_VINCIA_W:g}"
                msg = f"processes.{name}: vincia cannot start with a W of {one.m_x:g} GeV, {expected}"
                raise ValueError(msg)
        return self

    def chunks(self) -> list[tuple[str, int, int]]:
        """All chunks of all samples: name of the sample, index of the chunk in it, number of events."""
        return [
            (name, start // CHUNK, min(CHUNK, sample.events - start))
            for name, sample in self.processes.items()
            for start in range(0, sample.events, CHUNK)
        ]

    def of(self, name: str) -> dict[str, Any]:
        """All that decides the chunks of one sample: more events, or other samples, leave them as they are."""
        whole = self.model_dump(mode="json")
        sample = whole.pop("processes")[name]
        return {**whole, "name": name, "process": sample["process"], "label": sample["label"]}


def parse_production(table: Mapping[str, Any], where: str = "simulate") -> Production:
    """A production from the tables of a TOML file; ConfigError names `where` and the key at fault."""
    try:
        return Production.model_validate(dict(table))
    except ValidationError as error:
        raise ConfigError(f"{where}: {explain(error)}") from None


def lines(production: Production, name: str) -> tuple[str, ...]:
    """The settings of Pythia for one sample; only the seed of the chunk is missing."""
    process = production.processes[name].process
    beams = ("Beams:idA = 2212", "Beams:idB = 2212", f"Beams:eCM = {production.sqrt_s}")
    return (*beams, *production.shower.lines(), *process.recipe(production.select).lines)


def produce(
    production: Production, name: str, index: int, events: int
) -> tuple[Collisions, dict[str, dict[str, float]]]:
    """Chunk `index` of the sample `name`: its first `events` selected events, and what they cost.

    The events have a collection `particles` (pt [GeV], eta, phi float32, charge int8; by falling pt) and a scalar
    `label` (uint8); `row` counts from 0. They depend on seed, name, index and `production.of(name)` alone, and are the
    first ones of a longer chunk. The counts {name: {what: number}} of chunks may be added: see
    `cross_section`.

    Raises
    ------
    ConfigError
        If Pythia does not take the settings.
    DataError
        If next to none of the generated events pass the selection.
    """
    sample = production.processes[name]
    seed, key = _randomness(production.seed, name, index)
    veto = sample.process.recipe(production.select).veto
    generator = Generator(lines(production, name), seed, veto, f"processes.{name}")
    kept: list[Objects] = []
    generated = passed = 0
    while passed < events:
        particles = generator.events(_batch(events - passed, generated, passed))
        keys = splitmix64(key ^ splitmix64(np.arange(generated, generated + len(particles), dtype=np.uint64)))
        seen = _leading(production.detector.observe(particles, keys), production.max_particles)
        kept.append(seen[production.select.passes(seen)])
        generated, passed = generated + len(seen), passed + len(kept[-1])
        if generated >= _TRIES and passed < _RARE * generated:
            msg = (
                f"processes.{name}: {passed} of {generated} events have a jet of pT > {production.select.pt:g} GeV, "
                f"expected 1 in {1 / _RARE:g} at least: select.pt is too high for this process"
            )
            raise DataError(msg)
    seen = _join(kept)[:events]
    label = np.full(events, sample.label, np.uint8)
    counts = {**generator.counts(), "seen": generated, "selected": passed}
    return Collisions(np.arange(events), {"label": label}, {"particles": seen}), {name: counts}


def _randomness(seed: int, name: str, index: int) -> tuple[int, np.uint64]:
    """Seed of Pythia, never twice in a sample, and key of the detector."""
    first = int(digest(seed, name), 16)
    return (first + index) % _SEEDS + 1, np.uint64(int(digest(seed, name, index)[:16], 16))


def _batch(missing: int, generated: int, passed: int) -> int:
    """How many events to generate next, so that few are made in vain."""
    expected = missing * (generated + 1) / (passed + 1)
    return int(np.clip(1.02 * expected + 5, 1, _BATCH))


def _leading(particles: Objects, n: int) -> Objects:
    place = np.arange(len(particles.event)) - np.repeat(particles.offsets[:-1], particles.counts)
    return particles.keep(place < n)


def _join(parts: list[Objects]) -> Objects:
    fields = parts[0].fields
    counts = np.concatenate([part.counts for part in parts])
    return Objects(counts, {name: np.concatenate([part.fields[name] for part in parts]) for name in fields})
