"""Flat ROOT trees and RNTuples, by uproot: one number per event and branch."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from lamppost.errors import DataError, optional
from lamppost.io.reader import ROWS, Chunk, Kind, Reader, damaged, kind_of, unique

__all__ = ["RootReader", "open_tree"]

_TABLES = ("TTree", "TNtuple", "TNtupleD", "ROOT::RNTuple")
_EVENTS = "Events"
"""The tree that is meant in a file of several unless another is named, as in CMS NanoAOD."""
_FIELDS = {"double": "float", "float": "float", "bool": "boolean", "std::string": "text"}


class RootReader(Reader):
    """A tree of a ROOT file, "file.root:tree"; the name may be left out where there is one, or one called Events."""

    suffixes: ClassVar[tuple[str, ...]] = (".root",)
    part_name: ClassVar[str | None] = "tree"

    def columns(self) -> dict[str, Kind]:
        """The kind of every branch; a jagged one has its C++ type."""
        with open_tree(self.path, self.part) as tree, damaged(self):
            if hasattr(tree, "branches"):
                found = [(branch.name, _branch_kind(branch)) for branch in tree.branches]
            else:
                found = [(item.name, _field_kind(item.typename)) for item in tree.fields]
        unique(self, [name for name, _ in found])
        return dict(found)

    def chunks(self, columns: Sequence[str], integers: Collection[str] = ()) -> Iterator[Chunk]:
        """Ranges of entries as numpy columns. Branches are picked by name, for uproot would evaluate expressions."""
        wanted = frozenset(columns)
        with open_tree(self.path, self.part) as tree, damaged(self):
            if not tree.num_entries:
                return
            if hasattr(tree, "branches"):
                pick = {"filter_branch": lambda branch: branch.parent is tree and branch.name in wanted}
            else:
                pick = {"filter_name": lambda name: name in wanted}
            for arrays in tree.iterate(library="ak", step_size=ROWS, **pick):
                yield {name: np.asarray(arrays[name]) for name in columns}


@contextmanager
def open_tree(path: Path, part: str | None) -> Iterator[Any]:
    """The open tree. Not inside `damaged`, for that would take an error of the caller for one of the file."""
    uproot = optional("uproot", "root")
    with damaged(path):
        file = uproot.open(path)
    with file:
        with damaged(path):
            trees = {key.split(";")[0]: None for key, kind in file.classnames().items() if kind in _TABLES}
            tree = file[_choose(path, part, list(trees))]
        yield tree


def _choose(path: Path, part: str | None, trees: list[str]) -> str:
    if part is None and _EVENTS in trees:
        return _EVENTS
    if part in trees or (part is None and len(trees) == 1):
        return part or trees[0]
    found = f"found {', '.join(trees) or 'none'}"
    msg = f"{path}: no tree {part!r}, {found}"
    if part is None:
        msg = f'{path}: expected one tree, {found}; name it as in "{path.name}:tree"'
    raise DataError(msg)


def _branch_kind(branch: Any) -> Kind:
    dtype = getattr(branch.interpretation, "to_dtype", None)
    if dtype is None or dtype.shape or dtype.names:
        return str(branch.typename)
    return kind_of(dtype)


def _field_kind(typename: str) -> Kind:
    whole = typename.startswith(("std::int", "std::uint")) and typename.endswith("_t")
    return "integer" if whole else _FIELDS.get(typename, typename)
