"""What happens between the hard process and the jets: variations make imperfect simulations of the same process."""

from typing import Literal

from pydantic import Field

from lamppost.spec import Spec

__all__ = ["Shower"]

_MODELS = {"simple": 1, "vincia": 2}
_ALPHA_S = {"simple": "TimeShower:alphaSvalue", "vincia": "Vincia:alphaSvalue"}


class Shower(Spec):
    """The [shower] table; the rest is the Monash tune (arXiv:1404.5630)."""

    model: Literal["simple", "vincia"] = Field(
        "simple", description="Pythia's pT-ordered shower, or antennae (arXiv:2003.00702), ten times slower"
    )
    alpha_s: float | None = Field(
        None, ge=0.06, le=0.25, description="alpha_S(m_Z) in final-state emissions; by default 0.1365, vincia 0.118"
    )
    mpi: bool = Field(False, description="more than one parton collision per event (underlying event)")

    def lines(self) -> tuple[str, ...]:
        """The settings of Pythia."""
        model = (f"PartonLevel:MPI = {'on' if self.mpi else 'off'}", f"PartonShowers:model = {_MODELS[self.model]}")
        return model if self.alpha_s is None else (*model, f"{_ALPHA_S[self.model]} = {self.alpha_s}")
