"""Input: files of any format become events, or raw collisions. One file per format."""

from lamppost.io import csv, lhco, lhco_raw, parquet, parquet_objects, root, root_objects
from lamppost.io.collisions import CollisionReader
from lamppost.io.contents import Contents
from lamppost.io.data import Data, Sample, file_hash, read
from lamppost.io.input import Input, collision_readers

__all__ = [
    "CollisionReader",
    "Contents",
    "Data",
    "Input",
    "Sample",
    "collision_readers",
    "csv",
    "file_hash",
    "lhco",
    "lhco_raw",
    "parquet",
    "parquet_objects",
    "read",
    "root",
    "root_objects",
]
