"""What a quantity is: its name, formula, unit, range and where it comes from."""

from dataclasses import dataclass

__all__ = ["Quantity"]


@dataclass(frozen=True)
class Quantity:
    """One quantity that a column may name; the docs list them all.

    `lo` and `hi` bound its values (both included, None: no bound); `unit` is "" for pure numbers; `source` is an arXiv
    number or the name of a reference; `about` says in a few words what it measures.
    """

    name: str
    formula: str
    unit: str
    lo: float | None
    hi: float | None
    source: str
    about: str
