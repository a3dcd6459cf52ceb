"""`wprime`: a heavy resonance that decays to two lighter ones, which decay to quarks."""

from typing import Literal, Self

from pydantic import Field, model_validator

from lamppost.simulate.processes import Process, Recipe, resonance
from lamppost.simulate.selection import Selection

__all__ = ["Wprime"]

_X, _Y = 9000001, 9000002  # codes that no particle has
_NARROW = 0.026  # width of W and Z in units of their mass
_DECAYS = {
    (_X, 2): ("2 -1", "4 -3"),
    (_X, 3): ("2 2 1", "4 4 3"),
    (_Y, 2): ("1 -1", "2 -2", "3 -3", "4 -4", "5 -5"),
    (_Y, 3): ("2 1 3", "4 1 3"),
}


class Wprime(Process):
    """q qbar -> W' -> X Y -> quarks; the default is the signal of the LHC Olympics (arXiv:2101.08320).

    With spin 1, X is a heavier W and Y a heavier Z, with the polarisations and angles of W' -> W Z -> 4 quarks. With
    spin 0 both decay isotropically. A three-prong daughter decays to three quarks by phase space, their colours joined
    in a junction.
    """

    kind: Literal["wprime"] = "wprime"
    m: float = Field(3500.0, gt=100, description="mass of the W' [GeV]")
    width: float = Field(35.0, gt=0, description="width of the W' [GeV]")
    m_x: float = Field(500.0, ge=20, description="mass of X [GeV]")
    m_y: float = Field(100.0, ge=20, description="mass of Y [GeV]")
    width_x: float | None = Field(None, gt=0, description="width of X [GeV]; by default that of a W of this mass")
    width_y: float | None = Field(None, gt=0, description="width of Y [GeV]; by default that of a Z of this mass")
    spin: Literal[0, 1] = Field(1, description="1: X and Y decay like W and Z; 0: isotropically")
    prongs_x: Literal[2, 3] = Field(2, description="quarks that X decays to; three need spin = 0")
    prongs_y: Literal[2, 3] = Field(2, description="quarks that Y decays to; three need spin = 0")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.m <= self.m_x + self.m_y:
            msg = f"m = {self.m:g} GeV is too light to decay to {self.m_x:g} and {self.m_y:g} GeV"
            raise ValueError(msg)
        if self.spin == 1 and (self.prongs_x, self.prongs_y) != (2, 2):
            msg = "three prongs need spin = 0, found spin = 1"
            raise ValueError(msg)
        return self

    def recipe(self, select: Selection) -> Recipe:
        """A W' of Pythia whose daughters are its W and Z with other masses, or new particles."""
        parent = resonance(34, self.m, self.width, (self.m * 2 / 7, self.m * 12 / 7))
        daughters = self._vectors() if self.spin == 1 else self._scalars()
        return Recipe(("NewGaugeBoson:ffbar2Wprime = on", *parent, *daughters))

    def _vectors(self) -> tuple[str, ...]:
        return (
            "Wprime:coup2WZ = 1.0",
            "34:onMode = off",
            "34:onIfAll = 24 23",
            *resonance(24, self.m_x, self.width_x, (0.2 * self.m_x, 1.8 * self.m_x)),
            *resonance(23, self.m_y, self.width_y, (0.3 * self.m_y, 3.0 * self.m_y)),
            *(f"{code}:{rule}" for code in (24, 23) for rule in ("onMode = off", "onIfAny = 1 2 3 4 5")),
        )

    def _scalars(self) -> tuple[str, ...]:
        # 100 leaves branching ratios as they are given
        lines = [f"34:oneChannel = 1 1.0 100 {_X} {_Y}"]
        for code, name, charge, m, width, prongs in (
            (_X, "X+ X-", 3, self.m_x, self.width_x, self.prongs_x),
            (_Y, "Y0 Ybar0" if self.prongs_y == 3 else "Y0 void", 0, self.m_y, self.width_y, self.prongs_y),
        ):
            shape = f"{m} {width or _NARROW * m} {0.2 * m} {2.0 * m}"
            decays = _DECAYS[code, prongs]
            lines.append(f"{code}:new = {name} {prongs - 1} {charge} 0 {shape} 0.")  # 2 prongs: spin 0, 3: spin 1/2
            lines.append(f"{code}:isResonance = on")
            lines += [f"{code}:addChannel = 1 {1 / len(decays)} 100 {quarks}" for quarks in decays]
        if 3 in (self.prongs_x, self.prongs_y):
            lines.append("Vincia:interleaveResDec = off")  # in the middle of its shower it fails at most junctions
        return tuple(lines)
