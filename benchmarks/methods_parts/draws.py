"""One draw of a comparison outside of it: to look at a fitted score itself."""

from pathlib import Path

import numpy as np

from lamppost.config import Fit
from lamppost.config.comparison import Compare
from lamppost.core import View, Window
from lamppost.io import Data, read
from lamppost.run.compare.draws import Draw, Share, draw
from lamppost.run.view import MassModel, SmoothMass, blind_view
from methods_parts import configs

__all__ = ["drawn"]


def drawn(folder: str, number: int, strength: float, seed: int) -> tuple[Draw, View]:
    """The draw `number` that `main` makes of OUT/tables, and what a method sees of it; features as they are."""
    window = Window(*configs.WINDOW, configs.REACH)
    table = configs.data(configs.tables(Path(folder)), configs.SETS[4])
    sample = read(Data(**table, label="label"), mass_range=configs.FIT_RANGE, labels=True)
    assert sample.labels is not None
    order, parts = np.lexsort((sample.index, sample.events.id)), Compare()
    share = Share(window, parts.test, parts.reference, seed)
    found = draw(sample.events[order], sample.labels[order], share, number, strength)
    masses = SmoothMass(found.data.m, found.data.w, window, MassModel.of(Fit(**configs.fit())))
    return found, blind_view(found.data, window, masses, lambda events: events)
