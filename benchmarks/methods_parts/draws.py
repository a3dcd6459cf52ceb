"""One draw of a comparison outside of it: to look at a fitted score itself."""

from pathlib import Path

from lamppost.config import Fit
from lamppost.core import View, Window
from lamppost.io import Data, read
from lamppost.run.compare.draws import Draw, Share, draw
from lamppost.run.view import MassModel, SmoothMass, blind_view
from methods_parts import configs

__all__ = ["drawn"]

TEST, REFERENCE = 0.25, 0.4


def drawn(folder: str, number: int, strength: float, seed: int) -> tuple[Draw, View]:
    """The draw `number` of the events in OUT/tables, and what a method sees of it; features as they are."""
    window = Window(*configs.WINDOW, configs.REACH)
    table = configs.data(configs.tables(Path(folder)), configs.SETS[4])
    sample = read(Data(**table, label="label"), mass_range=configs.FIT_RANGE, labels=True)
    assert sample.labels is not None
    found = draw(sample.events, sample.labels, Share(window, TEST, REFERENCE, seed), number, strength)
    masses = SmoothMass(found.data.m, found.data.w, window, MassModel.of(Fit(**configs.fit())))
    return found, blind_view(found.data, window, masses, lambda events: events)
