"""Raw collisions in ROOT files, by uproot: CMS NanoAOD, and trees or RNTuples of jagged branches in general."""

import weakref
from collections.abc import Sequence
from contextlib import ExitStack
from functools import cached_property
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from lamppost.core import Objects
from lamppost.errors import DataError, optional
from lamppost.io.collisions import CollisionReader, JaggedColumn, Lists, Passes, Range
from lamppost.io.contents import Contents, Leaf, arrange
from lamppost.io.reader import damaged, kind_of
from lamppost.io.root import open_tree

__all__ = ["RootCollisions"]


class RootCollisions(CollisionReader):
    """A tree of a ROOT file; "Events" if it is not named and there are several."""

    format: ClassVar[str] = "root"
    suffixes: ClassVar[tuple[str, ...]] = (".root",)
    column: ClassVar[str] = "branch"

    def _contents(self) -> Contents:
        tree = self._tree
        with damaged(self):
            leaves = _branches(tree) if hasattr(tree, "branches") else _fields(tree)
            return arrange(self, int(tree.num_entries), leaves, self.objects)

    def _edges(self) -> NDArray[np.int64]:
        tree = self._tree
        with damaged(self):
            if hasattr(tree, "branches"):
                edges = {0, *tree.common_entry_offsets(), tree.num_entries}
            else:
                edges = {0, *(cluster.num_first_entry for cluster in tree.cluster_summaries), tree.num_entries}
            return np.array(sorted(edges), dtype=np.int64)

    def _read(self, start: int, stop: int, scalars: Sequence[str], objects: Lists, passes: Passes) -> Range:
        table = {name: np.asarray(self._array(name, start, stop)) for name in scalars}
        kept = passes(table)
        rows = np.flatnonzero(kept)
        first, end = (int(rows[0]), int(rows[-1]) + 1) if len(rows) else (0, 0)
        made: dict[str, Objects] = {}
        for name, fields in objects.items():
            lists = {column: self._list(column, start + first, start + end) for column in fields.values()}
            made[name] = self._joined(name, fields, lists, np.arange(start + first, start + end))[kept[first:end]]
        return Range(table, kept, made)

    @cached_property
    def _tree(self) -> Any:
        # kept open: where there are a thousand branches, opening takes half a second
        stack = ExitStack()
        tree = stack.enter_context(open_tree(self.path, self.part))
        weakref.finalize(self, stack.close)
        return tree

    def _branch(self, name: str) -> Any:
        if hasattr(self._tree, "branches"):  # by name alone, for uproot would take a slash for a path
            return next(branch for branch in self._tree.branches if branch.name == name)
        return self._tree[name]

    def _list(self, name: str, start: int, stop: int) -> JaggedColumn:
        ak = optional("awkward", "root")
        array = self._array(name, start, stop)
        with damaged(f"{self}: branch {name!r}, entries {start} to {stop - 1}"):
            return np.asarray(ak.num(array), dtype=np.int64), np.asarray(ak.flatten(array))

    def _array(self, name: str, start: int, stop: int) -> Any:
        branch = self._branch(name)
        where = f"{self}: branch {name!r}"
        try:
            with damaged(f"{where}, entries {start} to {stop - 1}"):
                return branch.array(entry_start=start, entry_stop=stop, library="ak", array_cache=None)
        except DataError:
            for low, high in pairwise(getattr(branch, "entry_offsets", ())):
                if low < stop and high > start:
                    with damaged(f"{where}, basket of entries {low} to {high - 1}"):
                        branch.array(entry_start=low, entry_stop=high, library="ak", array_cache=None)
            raise


def _branches(tree: Any) -> dict[str, Leaf]:
    """The branches of a TTree."""
    return {branch.name: _branch(branch.interpretation, str(branch.typename)) for branch in tree.branches}


def _branch(interpretation: Any, stored: str) -> Leaf:
    jagged = type(interpretation).__name__ == "AsJagged"
    dtype = getattr(interpretation.content if jagged else interpretation, "to_dtype", None)
    if dtype is None or dtype.shape or dtype.names:
        return Leaf(stored, jagged, stored)
    return Leaf(kind_of(dtype), jagged, stored)


def _fields(tree: Any) -> dict[str, Leaf]:
    """The fields of an RNTuple; those of a list of records as "list.field"."""
    form = tree.to_akform()[0]
    leaves: dict[str, Leaf] = {}
    for name, content in zip(form.fields, form.contents, strict=True):
        if content.is_list and content.content.is_record:
            record = content.content
            parts = zip(record.fields, record.contents, strict=True)
            leaves |= {f"{name}.{field}": _leaf(inner, True) for field, inner in parts}
        elif content.is_list and not content.parameter("__array__"):
            leaves[name] = _leaf(content.content, True)
        else:
            leaves[name] = _leaf(content, False)
    return leaves


def _leaf(form: Any, jagged: bool) -> Leaf:
    stored = ("var * " if jagged else "") + str(form.type)
    plain = form.is_numpy and not form.inner_shape
    return Leaf(kind_of(np.dtype(form.primitive)) if plain else stored, jagged, stored)
