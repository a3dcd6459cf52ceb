"""Directives `toml-reference` and `kinds-reference`: the configuration reference, read off the specs themselves.

What a key means, its type and its default come from the pydantic fields, so the pages cannot fall behind the code.
"""

import importlib
import inspect
import pkgutil
import types
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from docutils import nodes
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

import lamppost
from lamppost.spec import Role, kinds

NAMES = {
    bool: "true or false",
    int: "integer",
    float: "number",
    str: "text",
    Path: "path",
    type(None): "none",
    Any: "any",
}
BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤", "min_length": "length ≥", "max_length": "length ≤"}


def roles() -> list[type[Role]]:
    """Every role that some module of the package declares, those of the search first."""
    for module in pkgutil.walk_packages(lamppost.__path__, "lamppost."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    first = ["Method", "Template", "Ratio", "Density"]
    order = {name: i for i, name in enumerate(first)}
    return sorted(Role.__subclasses__(), key=lambda role: (order.get(role.__name__, len(first)), role.__name__))


def plain(annotation: Any) -> Any:
    """An annotation without what `Annotated` wraps around it."""
    return plain(get_args(annotation)[0]) if get_origin(annotation) is Annotated else annotation


def parts(annotation: Any) -> Iterator[Any]:
    """All classes named in an annotation, in the order they are written."""
    annotation = plain(annotation)
    if inspect.isclass(annotation) and not get_args(annotation):
        yield annotation
    elif get_origin(annotation) is not Literal:
        for argument in get_args(annotation):
            yield from parts(argument)


def words(annotation: Any) -> str:
    """An annotation as a reader of TOML would say it."""
    annotation = plain(annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return ", ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in arguments)
    if origin in (Union, types.UnionType):
        return " or ".join(words(argument) for argument in arguments if argument is not type(None))
    if origin is tuple and Ellipsis not in arguments:
        return f"[{', '.join(words(argument) for argument in arguments)}]"
    if origin is not None and issubclass(origin, Mapping):
        return f"table of {words(arguments[1])} by name"
    if origin is not None:
        return f"list of {words(arguments[0])}"
    if annotation in NAMES:
        return NAMES[annotation]
    if inspect.isclass(annotation) and issubclass(annotation, Role):
        return f"[{annotation.role}](configuration.md#{annotation.role}) kind"
    if inspect.isclass(annotation) and issubclass(annotation, BaseModel):
        return "table"
    return f"`{getattr(annotation, '__name__', annotation)}`"


def bounds(field: FieldInfo) -> str:
    """The limits on a value, as in `> 0`; not those that only keep a number storable."""
    limits = [(sign, getattr(m, name)) for m in field.metadata for name, sign in BOUNDS.items() if hasattr(m, name)]
    return ", ".join(f"{sign} {limit:g}" for sign, limit in limits if abs(limit) < 1e15)


def toml(value: Any) -> str:
    """A value as TOML; a spec that only has defaults by its kind."""
    if isinstance(value, Role):
        return f'"{value.kind}"'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | Path):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key} = {toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(toml, value))}]"
    return f"{value}"


def default(field: FieldInfo) -> str:
    """The default of a field as TOML, or that there is none."""
    if field.is_required():
        return "required"
    value = None if field.default_factory_takes_validated_data else field.get_default(call_default_factory=True)
    empty = value is None or (isinstance(value, list | tuple | Mapping) and not value)
    return "–" if empty or (isinstance(value, BaseModel) and not isinstance(value, Role)) else f"`{toml(value)}`"


def cell(text: str) -> str:
    """Text that stays within its cell of a Markdown table."""
    return " ".join(text.split()).replace("|", r"\|")


def table(model: type[BaseModel], *, skip: tuple[str, ...] = ()) -> str:
    """One row per field: key, type with limits, default, meaning."""
    rows = []
    for name, field in model.model_fields.items():
        if name not in skip:
            kind = ", ".join(part for part in (words(field.annotation), bounds(field)) if part)
            row = (f"`{field.alias or name}`", kind, default(field), field.description or field.title or "")
            rows.append("| " + " | ".join(cell(part) for part in row) + " |")
    head = "| key | type | default | meaning |\n| --- | --- | --- | --- |\n"
    return head + "\n".join(rows) + "\n" if rows else "No parameters.\n"


def sections(model: type[BaseModel], path: str = "", level: int = 2) -> Iterator[str]:
    """The table of a model, then those of the tables inside it, each under its TOML path."""
    yield f"{'#' * level} {f'`[{path}]`' if path else 'Top level'}\n\n{inspect.getdoc(model) or ''}\n\n{table(model)}"
    for name, field in model.model_fields.items():
        key = field.alias or name
        for inner in dict.fromkeys(parts(field.annotation)):
            if issubclass(inner, BaseModel) and not issubclass(inner, Role):
                named = get_origin(plain(field.annotation)) in (dict, Mapping)
                yield from sections(inner, f"{path}.{key}".lstrip(".") + (".NAME" if named else ""), level)


def role_section(role: type[Role]) -> str:
    """A role and each registered kind of it."""
    text = [f"({role.role})=\n## {role.__name__}\n\n{inspect.getdoc(role) or ''}\n"]
    known = kinds(role)
    for name, spec in known.items():
        text.append(f'### `kind = "{name}"`\n\n{inspect.getdoc(spec) or ""}\n\n{table(spec, skip=("kind",))}')
    return "\n".join(text if known else [*text, "No kinds in this version."])


class TomlReference(SphinxDirective):
    """The tables of a TOML file: the fields of a spec, named "module:Class", and of the specs within."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        module, _, name = self.arguments[0].partition(":")
        spec = getattr(importlib.import_module(module), name)
        return self.parse_text_to_nodes("\n\n".join(sections(spec)), allow_section_headings=True)


class KindsReference(SphinxDirective):
    """Every role with its registered kinds."""

    def run(self) -> list[nodes.Node]:
        text = "\n\n".join(role_section(role) for role in roles())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register both directives."""
    app.add_directive("toml-reference", TomlReference)
    app.add_directive("kinds-reference", KindsReference)
    return {"parallel_read_safe": True}
