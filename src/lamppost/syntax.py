"""From the syntax tree of an expression to text for numexpr; every node that is not known here is refused.

The new text holds brackets, operators, functions of a fixed list and variables only: v0, v1, ... for columns,
k0, k1, ... for numbers, t0, t1, ... for earlier steps. Numbers are variables because numexpr folds literals by
Python's rules, where 1/0 is an error and (-1)**0.5 a complex number; so they obey numpy's, like columns do.
"""

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NoReturn

from lamppost.errors import ConfigError

__all__ = ["FUNCTIONS", "Piece", "Writer", "opposite"]

FUNCTIONS: Mapping[str, int] = {
    **dict.fromkeys(("abs", "sqrt", "exp", "expm1", "log", "log10", "log1p", "floor", "ceil"), 1),
    **dict.fromkeys(("sin", "cos", "tan", "arcsin", "arccos", "arctan", "sinh", "cosh", "tanh"), 1),
    **dict.fromkeys(("arcsinh", "arccosh", "arctanh"), 1),
    **{"arctan2": 2, "min": 2, "max": 2, "bit": 2, "where": 3},
}
"""The functions an expression may call, and how many arguments each takes."""

LARGEST_EXPONENT = 100.0

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.Pow: "**"}
_COMPARE = {ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=", ast.Eq: "==", ast.NotEq: "!="}
_TURNED = {ast.Lt: ast.GtE, ast.LtE: ast.Gt, ast.Gt: ast.LtE, ast.GtE: ast.Lt, ast.NotEq: ast.Eq}
_INSTEAD = {
    ast.BitXor: "powers are written **",
    ast.FloorDiv: "write floor(a / b)",
    ast.IfExp: "write where(condition, a, b)",
    ast.Attribute: "a column name with a dot goes in backquotes",
    ast.Subscript: "a column name with brackets goes in backquotes",
}


def opposite(node: ast.expr) -> ast.expr:
    """The opposite of a condition with `not` carried down to the comparisons, none of which holds of NaN."""
    match node:
        case ast.BoolOp():
            swapped = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            return _at(node, ast.BoolOp(swapped, [opposite(value) for value in node.values]))
        case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            other = ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd()
            return _at(node, ast.BinOp(opposite(node.left), other, opposite(node.right)))
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return node.operand if _is_condition(node.operand) else _compared(node.operand, ast.NotEq())
        case ast.Compare():
            operands = [node.left, *node.comparators]
            turned = [_turned(a, op, b) for a, op, b in zip(operands, node.ops, operands[1:], strict=False)]
            return turned[0] if len(turned) == 1 else _at(node, ast.BoolOp(ast.Or(), turned))
    return _compared(node, ast.Eq())


def _turned(left: ast.expr, op: ast.cmpop, right: ast.expr) -> ast.expr:
    if isinstance(op, ast.Eq):  # a != b holds of NaN
        sides: list[ast.expr] = [_at(left, ast.Compare(left, [sign()], [right])) for sign in (ast.Lt, ast.Gt)]
        return _at(left, ast.BoolOp(ast.Or(), sides))
    return _at(left, ast.Compare(left, [_TURNED.get(type(op), type(op))()], [right]))  # others are refused later


def _compared(node: ast.expr, op: ast.cmpop) -> ast.expr:
    """A number as a condition: whether it is 0."""
    return _at(node, ast.Compare(node, [op], [_at(node, ast.Constant(0.0))]))


def _is_condition(node: ast.expr) -> bool:
    match node:
        case ast.BoolOp() | ast.Compare() | ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            return True
        case ast.UnaryOp(op=ast.Not() | ast.Invert()):
            return True
    return False


def _at(where: ast.expr, made: ast.expr) -> ast.expr:
    return ast.copy_location(made, where)


@dataclass(frozen=True)
class Piece:
    """Text for numexpr, and whether it gives a condition instead of a number."""

    text: str
    condition: bool = False


@dataclass
class Writer:
    """Writes the steps that compute the expression `source`, of which `plain` is the text that was parsed.

    `words` are the stand-ins in `plain` for names in backquotes. Filled on the way: the columns in order of appearance,
    the numbers, and the steps (name, text), each of which may use those before it.
    """

    source: str
    plain: str
    words: Mapping[str, str]
    columns: list[str] = field(default_factory=list)
    numbers: list[float] = field(default_factory=list)
    steps: list[tuple[str, str]] = field(default_factory=list)

    def write(self, node: ast.expr) -> Piece:
        """The text of a node and of all below it.

        Raises
        ------
        ConfigError
            If there is anything in it that an expression may not hold.
        """
        match node:
            case ast.Constant():
                return self._number(node)
            case ast.Name():
                return self._column(node)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
                return self._bitwise(node)
            case ast.BinOp():
                return self._arithmetic(node)
            case ast.BoolOp():
                sign = " & " if isinstance(node.op, ast.And) else " | "
                return Piece(f"({sign.join(self._condition(value) for value in node.values)})", condition=True)
            case ast.Compare():
                return self._compare(node)
            case ast.Call():
                return self._call(node)
        self._refuse(node, "expected numbers, columns, + - * / % **, comparisons and functions only")

    def step(self, text: str) -> str:
        """Make a step of a text, so that it can be used twice and is computed once; returns its name."""
        self.steps.append((f"t{len(self.steps)}", text))
        return self.steps[-1][0]

    def _number(self, node: ast.Constant) -> Piece:
        value = self._value(node)
        if value not in self.numbers:
            self.numbers.append(value)
        return Piece(f"k{self.numbers.index(value)}")

    def _value(self, node: ast.Constant) -> float:
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            self._refuse(node, "expected a number or a column")
        try:
            value = float(node.value)
        except OverflowError:
            value = math.inf
        if not math.isfinite(value):
            self._refuse(node, "the number is too large")
        return value

    def _column(self, node: ast.Name) -> Piece:
        if node.id.startswith("__") and node.id.endswith("__"):
            self._refuse(node, "expected a column")
        name = self.words.get(node.id, node.id)
        if name not in self.columns:
            self.columns.append(name)
        return Piece(f"v{self.columns.index(name)}")

    def _amount(self, node: ast.expr) -> str:
        """Text of a number; a condition counts as 1 or 0."""
        piece = self.write(node)
        return f"where({piece.text}, 1.0, 0.0)" if piece.condition else piece.text

    def _condition(self, node: ast.expr) -> str:
        """Text of a condition; a number counts as true unless it is 0."""
        piece = self.write(node)
        return piece.text if piece.condition else f"({piece.text} != 0.0)"

    def _unary(self, node: ast.UnaryOp) -> Piece:
        match node.op:
            case ast.Not():
                return Piece(f"(~{self._condition(node.operand)})", condition=True)
            case ast.Invert():
                return Piece(f"(~{self._strict(node.operand)})", condition=True)
            case ast.USub():
                return Piece(f"(-{self._amount(node.operand)})")
        return Piece(self._amount(node.operand))

    def _strict(self, node: ast.expr) -> str:
        """& | ~ bind more tightly than comparisons: `a > 1 & b > 2` would mean a > (1 & b) > 2."""
        piece = self.write(node)
        if not piece.condition:
            self._refuse(node, "& | ~ need a condition on both sides; bracket comparisons, or write and, or, not")
        return piece.text

    def _bitwise(self, node: ast.BinOp) -> Piece:
        sign = "&" if isinstance(node.op, ast.BitAnd) else "|"
        return Piece(f"({self._strict(node.left)} {sign} {self._strict(node.right)})", condition=True)

    def _arithmetic(self, node: ast.BinOp) -> Piece:
        if isinstance(node.op, ast.Mod):
            return self._modulo(self._amount(node.left), self._amount(node.right))
        if type(node.op) not in _BINARY:
            self._refuse(node, _INSTEAD.get(type(node.op), "expected one of + - * / % **"))
        left = self._amount(node.left)
        if isinstance(node.op, ast.Pow) and isinstance(node.right, ast.Constant):
            power = self._value(node.right)
            if abs(power) > LARGEST_EXPONENT:
                self._refuse(node, f"expected an exponent of at most {LARGEST_EXPONENT:g}")
            return Piece(f"({left} ** {power!r})")  # a literal: numexpr multiplies for small whole powers
        return Piece(f"({left} {_BINARY[type(node.op)]} {self._amount(node.right)})")

    def _modulo(self, left: str, right: str) -> Piece:
        """The remainder with the sign of the divisor, as in Python and numpy; fmod's has that of the dividend.

        numexpr's own % is a - floor(a / b) * b, which rounding can make negative.
        """
        divisor = self.step(right)
        rest = self.step(f"fmod({left}, {divisor})")
        differs = f"(({rest} < 0.0) & ({divisor} > 0.0)) | (({rest} > 0.0) & ({divisor} < 0.0))"
        return Piece(f"where({differs}, {rest} + {divisor}, {rest})")

    def _compare(self, node: ast.Compare) -> Piece:
        operands = [node.left, *node.comparators]
        for op, operand in zip(node.ops, node.comparators, strict=True):
            if type(op) not in _COMPARE:
                self._refuse(operand, "expected one of < <= > >= == !=")
        texts = [self._amount(operand) for operand in operands]
        texts[1:-1] = [self.step(text) for text in texts[1:-1]]
        pairs = zip(texts, node.ops, texts[1:], strict=False)
        return Piece(f"({' & '.join(f'({a} {_COMPARE[type(op)]} {b})' for a, op, b in pairs)})", condition=True)

    def _call(self, node: ast.Call) -> Piece:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in FUNCTIONS:
            self._refuse(node, f"expected one of the functions {', '.join(FUNCTIONS)}")
        if node.keywords or any(isinstance(argument, ast.Starred) for argument in node.args):
            self._refuse(node, "expected plain arguments")
        if len(node.args) != FUNCTIONS[name]:
            self._refuse(node, f"{name} takes {FUNCTIONS[name]} arguments, found {len(node.args)}")
        if name == "where":
            test, yes, no = self._condition(node.args[0]), *(self._amount(value) for value in node.args[1:])
            return Piece(f"where({test}, {yes}, {no})")
        texts = [self._amount(argument) for argument in node.args]
        if name in ("min", "max"):
            a, b = (self.step(text) for text in texts)
            # a NaN on either side stays one, as in numpy
            return Piece(f"where(({a} {'<' if name == 'min' else '>'} {b}) | ({a} != {a}), {a}, {b})")
        if name == "bit":  # of a whole number, from 0: flags such as the jetId of NanoAOD
            return Piece(f"(fmod(floor({texts[0]} / 2.0 ** {texts[1]}), 2.0) > 0.5)", condition=True)
        return Piece(f"{name}({', '.join(texts)})")

    def _refuse(self, node: ast.AST, why: str) -> NoReturn:
        piece = " ".join((ast.get_source_segment(self.plain, node) or type(node).__name__).split())
        for word, name in self.words.items():
            piece = piece.replace(word, f"`{name}`")
        msg = f"expression {self.source!r}: {piece!r} is not allowed: {_INSTEAD.get(type(node), why)}"
        raise ConfigError(msg)
