"""The [features] table: which columns to make, which events to keep."""

from typing import Annotated, Self

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from lamppost.expressions import columns_of, named
from lamppost.features.columns import checked
from lamppost.spec import Spec

__all__ = ["COPIED", "Features"]

COPIED = ("label", "weight", "process", "run", "lumi", "luminosityBlock", "event")
"""Numbers per event that come along where the input has them, unless `copy` says which."""

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class Features(Spec):
    """The [features] table.

    A name is `QUANTITY_OBJECT` (pt_j1), of several objects `QUANTITY_OBJECTS` (m_j1j2, dr_mu1mu2), a field that an
    object has in the input (charge_mu1), `QUANTITY_COLLECTION` (n_j, ht_j), a quantity of all particles (met) or a
    number per event of the input (MET_pt). Expressions combine names, and columns declared before.
    """

    model_config = ConfigDict(populate_by_name=True)

    preset: Text | None = Field(None, description="a set of the field; keys given beside it replace those it has")
    columns: list[Text] = Field(default_factory=list, description='names, or "name = expression" of names')
    select: Text | None = Field(None, description="condition over names and columns for an event to be kept")
    copied: list[Text] | None = Field(
        None, alias="copy", description=f"numbers per event to carry over; default: those of {', '.join(COPIED)} there"
    )
    constituents: dict[str, Annotated[int, Field(ge=1)]] = Field(
        default_factory=dict, description="jets whose particles are kept, and how many at most of each: {j1 = 100}"
    )
    mass: Text | None = Field(None, description="the column in which a search looks for a bump; default: the first")
    learn: list[Text] | None = Field(
        None, description="columns, or expressions of columns, that a search learns from; default: all but the mass"
    )

    @field_validator("columns", "learn")
    @classmethod
    def _expressions(cls, texts: list[str] | None) -> list[str] | None:
        names = [named(text)[0] for text in texts or ()]
        if twice := [name for name in names if names.count(name) > 1]:
            msg = f"{twice[0]!r} is named twice"
            raise ValueError(msg)
        for text in texts or ():
            checked(named(text)[1])
        return texts

    @field_validator("select")
    @classmethod
    def _condition(cls, text: str | None) -> str | None:
        return checked(text) if text else None

    @model_validator(mode="after")
    def _declared(self) -> Self:
        """The mass, what is learnt from and what is copied, against the columns."""
        names = self.names
        used = [("mass", self.mass)] if self.mass else []
        for text in self.learn or ():
            used += [("learn", name) for name in ((text,) if text in names else columns_of(named(text)[1]))]
        if strange := [(key, name) for key, name in used if name not in names]:
            key, name = strange[0]
            msg = f"{key}: no column {name!r}, known are {', '.join(names)}"
            raise ValueError(msg)
        if both := [name for name in self.copied or () if name in names]:
            msg = f"copy: {both[0]!r} is a column already"
            raise ValueError(msg)
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, copied ones not among them."""
        return tuple(named(text)[0] for text in self.columns)
