"""Arithmetic expressions of columns: a syntax tree checked against a whitelist, then numexpr; nothing else is run.

The text of the user is never handed on: it is parsed, every node is checked, and a new text is written for numexpr.
"""

import ast
import logging
import re
import warnings
from collections.abc import Container, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Array
from lamppost.errors import ConfigError
from lamppost.syntax import FUNCTIONS, Writer, opposite

__all__ = ["FUNCTIONS", "Expression", "bind", "columns_of", "named", "opposed", "parse"]

LONGEST = 1000
MOST_NODES = 300


@dataclass(frozen=True)
class Expression:
    """A checked expression: `steps` of numexpr text, each may use columns, numbers and earlier steps.

    Without steps it is the column `columns[0]` itself.
    """

    text: str
    columns: tuple[str, ...]
    numbers: tuple[float, ...] = ()
    steps: tuple[tuple[str, str], ...] = ()

    def values(self, table: Mapping[str, NDArray[Any]]) -> Array:
        """The value for every row, (n,) float64; a condition gives 1 and 0. `table`: {column: (n,) numbers}."""
        return np.asarray(self._run(table), dtype=np.float64)

    def passes(self, table: Mapping[str, NDArray[Any]]) -> NDArray[np.bool_]:
        """Which rows fulfil the condition, (n,); a number fulfils it unless it is 0."""
        return np.asarray(self._run(table) != 0)

    def _run(self, table: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        columns = [np.ascontiguousarray(table[name], dtype=np.float64) for name in self.columns]
        result: NDArray[Any] = columns[0]
        variables: dict[str, Any] = {f"v{i}": column for i, column in enumerate(columns)}
        variables |= {f"k{i}": np.float64(number) for i, number in enumerate(self.numbers)}
        for name, text in self.steps:
            result = _numexpr().evaluate(text, local_dict=variables, global_dict={})
            variables[name] = result
        return result


def columns_of(text: str) -> tuple[str, ...]:
    """The columns an expression uses, in the order in which they appear.

    Raises
    ------
    ConfigError
        If it is not an arithmetic expression of columns.
    """
    return parse(text).columns


def named(text: str) -> tuple[str, str]:
    """Name and expression: "dm = abs(m1 - m2)" has a name of its own, any other text names itself."""
    found = re.fullmatch(r"\s*(?:`([^`]+)`|([^\W\d]\w*))\s*=(?!=)\s*(.+?)\s*", text, flags=re.DOTALL)
    return (found[1] or found[2], found[3]) if found else (text, text)


def bind(text: str, known: Container[str]) -> Expression:
    """The column of that very name if there is one among `known`, else the expression.

    Raises
    ------
    ConfigError
        If the text is neither.
    """
    return Expression(text, (text,)) if text in known else parse(text)


def opposed(text: str, known: Container[str]) -> Expression:
    """The condition that holds where that of `text` does not; of values that are not a number neither does.

    Raises
    ------
    ConfigError
        If the text is neither a column nor an expression.
    """
    quoted = f"`{text}`" if text in known else text
    parse(quoted)  # what is refused of a condition is refused here, in its own words
    return parse(quoted, negated=True)


@cache
def parse(text: str, *, negated: bool = False) -> Expression:
    """Check an expression and prepare it; if `negated`, its opposite, with every comparison turned round.

    Columns are named as they are, or in backquotes where the name is not a word: "`jet mass` / 2". Python's
    operators + - * / % **, comparisons, `and or not` (or `& | ~` between bracketed comparisons) and the functions of
    `FUNCTIONS` are understood as numpy understands them, in double precision.

    Raises
    ------
    ConfigError
        If there is anything else in it, naming the piece at fault.
    """
    if len(text) > LONGEST:
        msg = f"expression {text[:40]!r}...: {len(text)} characters, expected at most {LONGEST}"
        raise ConfigError(msg)
    plain, words = _unquote(text)
    writer = Writer(text, plain, words)
    tree = _tree(text, plain)
    piece = writer.write(opposite(tree) if negated else tree)
    if not writer.columns:
        msg = f"{text!r} is neither a column nor an expression of columns"
        raise ConfigError(msg)
    if piece.text != "v0":
        writer.step(piece.text)
    made = Expression(text, tuple(writer.columns), tuple(writer.numbers), tuple(writer.steps))
    _rehearse(made)
    return made


def _unquote(text: str) -> tuple[str, dict[str, str]]:
    """Replace `names in backquotes` by words that the text does not use otherwise."""
    stem = "q"
    while stem in text:
        stem += "q"
    names = re.findall(r"`([^`]+)`", text)
    words = {f"{stem}{i}_": name for i, name in enumerate(names)}
    pending = iter(words)
    return re.sub(r"`[^`]+`", lambda _: f" {next(pending)} ", text).strip(), words


def _tree(text: str, plain: str) -> ast.expr:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(plain, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        why = error.msg if isinstance(error, SyntaxError) else str(error)
        msg = f"{text!r} is neither a column nor an arithmetic expression ({why})"
        raise ConfigError(msg) from None
    if (nodes := sum(1 for _ in ast.walk(tree))) > MOST_NODES:
        msg = f"expression {text[:40]!r}...: {nodes} pieces, expected at most {MOST_NODES}"
        raise ConfigError(msg)
    return tree.body


def _rehearse(expression: Expression) -> None:
    """Run it once on a single row, so that what numexpr cannot hold is found before a file is read."""
    try:
        expression.values(dict.fromkeys(expression.columns, np.ones(1)))
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        msg = f"expression {expression.text[:80]!r} is too long to be computed ({error})"
        raise ConfigError(msg) from None


@cache
def _numexpr() -> ModuleType:
    """Numexpr, without the line about threads it logs when imported."""
    log = logging.getLogger("numexpr")
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        import numexpr
    finally:
        log.setLevel(level)
    module: ModuleType = numexpr
    return module
