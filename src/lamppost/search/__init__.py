"""The logic of a blind search: windows, cross-fitting, selection, decorrelation, tests of sculpting."""

from lamppost.search.degrees import needed_degrees
from lamppost.search.determines import Predictability, mass_r2
from lamppost.search.folds import fold_of, seed_of
from lamppost.search.quantile_map import QuantileMap
from lamppost.search.sculpting import Flatness, kept_fraction_flatness
from lamppost.search.selection import Calibration
from lamppost.search.windows import Grid, joined, outside, windows

__all__ = [
    "Calibration",
    "Flatness",
    "Grid",
    "Predictability",
    "QuantileMap",
    "fold_of",
    "joined",
    "kept_fraction_flatness",
    "mass_r2",
    "needed_degrees",
    "outside",
    "seed_of",
    "windows",
]
