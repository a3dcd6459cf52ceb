"""`sidebands`: the background of the region is what stands beside it (CWoLa hunting)."""

from dataclasses import replace
from typing import ClassVar, Literal

import numpy as np

from lamppost.core import Events, Rng, Template, View

__all__ = ["Sidebands"]


class Sidebands(Template):
    """The sideband events as they are (arXiv:1805.02664).

    Assumes that the features do not depend on m: decorrelation is on by default. Fails silently where they do: the
    classifier then finds the middle of m instead of a signal.
    """

    kind: Literal["sidebands"] = "sidebands"
    decorrelate: ClassVar[bool] = True

    def make(self, view: View, rng: Rng) -> Events:
        """The sideband events; both sides get the same total weight, so that what is linear in m cancels."""
        below = view.sb.m < view.window.lo
        sides = [view.sb.w[below].sum(), view.sb.w[~below].sum()]
        if min(sides) <= 0:
            return view.sb
        return replace(view.sb, w=view.sb.w * np.where(below, sum(sides) / (2 * sides[0]), sum(sides) / (2 * sides[1])))
