"""What collides into what: processes as settings of Pythia (arXiv:2203.11601)."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from lamppost.simulate.selection import Selection
from lamppost.spec import Role

__all__ = ["Process", "Pythia", "Qcd", "Recipe", "Veto", "ZprimeTt", "resonance"]


@dataclass(frozen=True)
class Veto:
    """Gives up events early that will have no jet of high pT.

    Their hardest anti-kT jet of partons must have `early` GeV when the shower has come down to `scale` GeV, and `late`
    GeV when it has ended.
    """

    scale: float
    early: float
    late: float
    radius: float


@dataclass(frozen=True)
class Recipe:
    """Lines of Pythia settings, and which events need not be finished."""

    lines: tuple[str, ...]
    veto: Veto | None = None


class Process(Role):
    """One process. `label` is that of its events unless the configuration says otherwise: 1 signal, 0 background."""

    kind: str
    label: ClassVar[int] = 1

    @abstractmethod
    def recipe(self, select: Selection) -> Recipe:
        """How Pythia makes events that may pass a selection."""


class Qcd(Process):
    """Quarks and gluons scatter off each other: jets, the background.

    Hardly any event passes the selection, so most are given up half-way. The thresholds for a cut on the jet's pT of
    1200 GeV are pT > 700 GeV of the scattered partons, then 1050 and 1080 GeV of the hardest parton jet (see `Veto`,
    at 50 GeV); they grow with the cut. They lose 1 % of the events that would pass, just above the cut.
    """

    kind: Literal["qcd"] = "qcd"
    label: ClassVar[int] = 0

    def recipe(self, select: Selection) -> Recipe:
        """2 -> 2 processes of the strong interaction."""
        unit = select.pt / 1200.0
        veto = Veto(50.0 * unit, 1050.0 * unit, 1080.0 * unit, select.radius)
        return Recipe(("HardQCD:all = on", f"PhaseSpace:pTHatMin = {700.0 * unit}"), veto)


class ZprimeTt(Process):
    """q qbar -> Z' -> t tbar -> six quarks: two jets of three prongs each."""

    kind: Literal["zprime_tt"] = "zprime_tt"
    m: float = Field(3500.0, gt=400, description="mass of the Z' [GeV]")
    width: float = Field(3.5, gt=0, description="width of the Z' [GeV]")

    def recipe(self, select: Selection) -> Recipe:
        """A Z' without its interference with the photon and the Z."""
        reach = max(self.m / 17.5, 5.0 * self.width)
        return Recipe(
            (
                "NewGaugeBoson:ffbar2gmZZprime = on",
                "Zprime:gmZmode = 3",
                *resonance(32, self.m, self.width, (self.m - reach, self.m + reach)),
                "32:onMode = off",
                "32:onIfAny = 6",
                "24:onMode = off",
                "24:onIfAny = 1 2 3 4 5",
            )
        )


class Pythia(Process):
    """Any process that Pythia knows, by its settings."""

    kind: Literal["pythia"] = "pythia"
    settings: tuple[str, ...] = Field((), description='lines as Pythia reads them: "HardQCD:hardbbbar = on"')

    @field_validator("settings")
    @classmethod
    def _not_random(cls, settings: tuple[str, ...]) -> tuple[str, ...]:
        for line in settings:
            if line.lower().startswith("random:"):
                msg = f"{line!r}: random numbers are decided by seed alone"
                raise ValueError(msg)
        return settings

    def recipe(self, select: Selection) -> Recipe:
        """The settings as they are; every event is finished."""
        return Recipe(self.settings)


def resonance(code: int, m: float, width: float | None, between: tuple[float, float]) -> tuple[str, ...]:
    """The lines that give a particle of Pythia this mass, range of masses and width (None: what its couplings say)."""
    lines = (f"{code}:m0 = {m}", f"{code}:mMin = {between[0]}", f"{code}:mMax = {between[1]}")
    return lines if width is None else (*lines, f"{code}:doForceWidth = on", f"{code}:mWidth = {width}")
