"""Specs: frozen descriptions of what to do, found by role and kind.

A *role* is an abstract base (`Ratio`, `Template`, `Method`, ...), a *kind* the name of one concrete class of it.
Defining a concrete class registers it; nothing else has to be told.
"""

import hashlib
import inspect
import json
from abc import ABC
from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import entry_points
from pkgutil import iter_modules
from typing import Any, ClassVar, Self, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from lamppost.errors import ConfigError

__all__ = ["Role", "Spec", "digest", "explain", "kinds", "load_kinds", "make"]


class Spec(BaseModel):
    """A frozen value that says what to do; unknown keys, infinities and NaN are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, ser_json_inf_nan="constants")


class Role(Spec, ABC):
    """Base of the abstract roles. A concrete subclass declares its kind: `kind: Literal["weak"] = "weak"`."""

    registry: ClassVar[dict[str, type["Role"]]]
    role: ClassVar[str]

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        if Role in cls.__bases__:  # a new role, not a kind of one
            cls.registry, cls.role = {}, cls.__name__.lower()
        elif not inspect.isabstract(cls):
            known = cls.registry.setdefault(cls.model_fields["kind"].default, cls)
            if known.__qualname__ != cls.__qualname__ or known.__module__ != cls.__module__:
                msg = f"{cls.role} kind {cls.model_fields['kind'].default!r} is defined twice: {known} and {cls}"
                raise TypeError(msg)

    @classmethod
    def parse(cls, value: Any) -> Self:
        """Turn a TOML table with a `kind`, a bare kind name or a spec into a spec of this role."""
        return make(cls, value)


R = TypeVar("R", bound=Role)


def load_kinds() -> None:
    """Import every module that may define a kind, of plug-ins too; ML frameworks wait until something is fitted.

    By name: nothing below imports what stands above it, kinds register themselves.
    """
    for name in ("learn", "templates", "methods"):
        package = import_module(f"lamppost.{name}")
        for module in iter_modules(package.__path__):
            if not module.ispkg:  # what is compiled with a framework defines no kind
                import_module(f"lamppost.{name}.{module.name}")
    for entry in entry_points(group="lamppost.kinds"):
        entry.load()


def kinds(role: type[Role]) -> dict[str, type[Role]]:
    """All registered kinds of a role, those of installed plug-ins (entry point group `lamppost.kinds`) included."""
    load_kinds()
    return dict(sorted(role.registry.items()))


def make(role: type[R], value: Any) -> R:
    """Build the spec of `role` that `value` describes.

    Raises
    ------
    ConfigError
        If the kind is unknown or a parameter of it is wrong.
    """
    if isinstance(value, role):
        return value
    table = {"kind": value} if isinstance(value, str) else value
    if not isinstance(table, Mapping) or not isinstance(table.get("kind"), str):
        msg = f"{role.role}: expected a table with a kind, found {value!r}"
        raise ConfigError(msg)
    known = role.registry if table["kind"] in role.registry else kinds(role)
    if table["kind"] not in known:
        msg = f"{role.role}: unknown kind {table['kind']!r}, known are {', '.join(known)}"
        raise ConfigError(msg)
    try:
        return cast(R, known[table["kind"]].model_validate(dict(table)))
    except ValidationError as error:
        raise ConfigError(f"{role.role} {table['kind']!r}: {explain(error)}") from None


def explain(error: ValidationError) -> str:
    """One line for the first thing pydantic found wrong, and how many more there are."""
    # of the branches of a union the one that got furthest says most; a key nobody knows explains one that is missing
    first, *rest = sorted(error.errors(), key=lambda found: (-len(found["loc"]), found["type"] != "extra_forbidden"))
    where = ".".join(part for part in map(str, first["loc"]) if "[" not in part)  # branches are no keys
    if first["type"] == "extra_forbidden":
        text = f"unknown key {where!r}"
    else:
        found = "" if first["type"] in ("missing", "value_error") else f", found {first['input']!r}"
        what = first["msg"].removeprefix("Value error, ") + found
        text = f"{where}: {what}" if where else what
    return text + (f" (and {len(rest)} more)" if rest else "")


def digest(*parts: Any) -> str:
    """SHA-256 over the JSON form of `parts`: the name of what they make. Specs enter with all their fields."""

    def plain(value: Any) -> Any:
        if isinstance(value, BaseModel):
            return value.model_dump(mode="json")
        msg = f"cannot name an artefact by a {type(value).__name__}"
        raise TypeError(msg)

    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=plain)
    return hashlib.sha256(text.encode()).hexdigest()
