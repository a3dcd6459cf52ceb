"""The columns of a table: named expressions of quantities and of the columns before them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.expressions import Expression, named, parse

__all__ = ["Column", "checked", "columns", "condition"]


@dataclass(frozen=True)
class Column:
    """One column or condition; `before` are the columns that its expression may use by their names."""

    name: str
    expression: Expression
    before: Mapping[str, "Column"]

    def quantities(self) -> Iterator[str]:
        """The names it needs, those of the columns it uses included; a name may come more than once."""
        for name in self.expression.columns:
            if name in self.before:
                yield from self.before[name].quantities()
            else:
                yield name

    def values(self, quantities: Mapping[str, Array]) -> Array:
        """Its value for every event, (n,) float64; `quantities`: {name: (n,)}, all that `self.quantities()` names."""
        used = {
            name: self.before[name].values(quantities) if name in self.before else quantities[name]
            for name in self.expression.columns
        }
        return self.expression.values(used)


def checked(text: str) -> str:
    """The same text, if it is an arithmetic expression.

    Raises
    ------
    ValueError
        If it is none, for a validator to pass on.
    """
    try:
        parse(text)
    except ConfigError as error:
        raise ValueError(str(error)) from None
    return text


def columns(texts: Sequence[str]) -> dict[str, Column]:
    """The columns that texts like "dm = m_j2 - m_j1" or "pt_j1" declare, by name, in order."""
    made: dict[str, Column] = {}
    for text in texts:
        name, expression = named(text)
        made[name] = Column(name, parse(expression), dict(made))
    return made


def condition(text: str, before: Mapping[str, Column]) -> Column:
    """A condition over quantities and columns."""
    return Column(text, parse(text), before)
